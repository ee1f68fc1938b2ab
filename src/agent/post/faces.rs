//! A post between the detector's thread and the one that looks for faces.

use std::sync::PoisonError;

use super::{Post, lock};
use crate::agent::faces::{FaceJob, head_part};
use crate::agent::known::Recognised;
use crate::identify::Due;
use crate::vocab::Frame;

impl Post {
    /// Hands the part of a picture in which a face must be to who looks for faces, where somebody's is due.
    pub(super) fn look_for_faces(&self, frame: &Frame) {
        let due: Option<Due> = lock(&self.line).due_face();
        let Some(due) = due else { return };
        let faces = self.means.faces.read().unwrap_or_else(PoisonError::into_inner).clone();
        let [left, top, width, height] = head_part(&due.bbox, frame.width, frame.height);
        if let (Some(faces), Some(part)) = (faces, frame.part(left, top, width, height)) {
            faces.submit(FaceJob { camera: self.key, frame: frame.clone(), part, due });
        }
    }

    /// Takes in whose face was seen. Called on the thread that looks for faces.
    pub fn recognised(&self, frame: &Frame, recognised: Recognised) {
        if lock(&self.sight).cut.is_some_and(|seq| frame.seq <= seq) {
            return;
        }
        self.tell(|line| line.recognised(frame, recognised));
    }
}
