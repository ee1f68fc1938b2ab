//! A post between the detector's thread and those that look at its people: at their faces, and at them as a whole.

use std::sync::PoisonError;

use super::{Post, lock};
use crate::agent::faces::{FaceJob, head_part};
use crate::agent::familiar::Word;
use crate::agent::known::Recognised;
use crate::agent::reidentify::BodyJob;
use crate::identify::{Due, DueBody, Stretch, Taken};
use crate::vocab::{Appearance, Frame, Rect, TrackId, WallTime};

impl Post {
    /// Hands on what is due of the people of a picture.
    pub(super) fn look_at_people(&self, frame: &Frame) {
        let due = lock(&self.line).due_face();
        if let Some(due) = due {
            self.look_for_a_face(frame, due);
        }
        self.say_who_is_there(Some(frame));
    }

    /// Hands the part of a picture in which a face must be to who looks for faces.
    fn look_for_a_face(&self, frame: &Frame, due: Due) {
        let faces = self.means.faces.read().unwrap_or_else(PoisonError::into_inner).clone();
        let [left, top, width, height] = head_part(&due.bbox, frame.width, frame.height);
        if let (Some(faces), Some(part)) = (faces, frame.part(left, top, width, height)) {
            faces.submit(FaceJob { camera: self.key, frame: frame.clone(), part, due });
        }
    }

    /// Takes in whose face was seen. Called on the thread that looks for faces.
    pub fn recognised(&self, frame: &Frame, recognised: Recognised) {
        if !self.is_before_a_cut(frame) {
            self.tell(|line| line.recognised(frame, recognised));
        }
    }

    /// Says to whoever remembers people who has gone, and hands on the part of the picture that shows who is due.
    pub(super) fn say_who_is_there(&self, frame: Option<&Frame>) {
        let next = || lock(&self.line).who_is_there();
        while let Some(word) = next() {
            let reidentifier = self.means.reidentifier.read().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(reidentifier) = reidentifier else { continue };
            let taken = self.taken(&word);
            let Word { due, present, gone, .. } = word;
            if !gone.is_empty() {
                reidentifier.left(taken.clone(), gone);
            }
            let shown = due.zip(frame).and_then(|(due, frame)| Some((due.track, frame, body_part(frame, &due)?)));
            if let Some((track, frame, (part, bbox))) = shown {
                let (camera, frame) = (self.key, frame.clone());
                reidentifier.submit(BodyJob { camera, frame, part, bbox, track, taken, present });
            }
        }
    }

    /// Takes in whom a track is taken for. Called on the thread that recognises people again.
    pub fn seen_again(&self, frame: &Frame, track: TrackId, appearance: Appearance) {
        if !self.is_before_a_cut(frame) {
            self.tell(|line| line.seen_again(frame, track, appearance));
        }
    }

    fn is_before_a_cut(&self, frame: &Frame) -> bool {
        lock(&self.sight).cut.is_some_and(|seq| frame.seq <= seq)
    }

    /// When a word's picture was taken, by the clocks that all cameras share.
    fn taken(&self, word: &Word) -> Taken {
        let (last_pts, last_arrival) = {
            let sight = lock(&self.sight);
            (sight.last_pts.unwrap_or(word.pts), sight.last_arrival)
        };
        let mono = last_arrival.saturating_sub(last_pts.since(word.pts)) + word.pts.since(last_pts);
        let ago = self.means.clock.mono().saturating_sub(mono);
        Taken {
            camera: self.id().clone(),
            stretch: Stretch { camera: self.key.0, cuts: word.cuts },
            pts: word.pts,
            mono,
            wall: WallTime::from_unix_nanos(self.means.clock.unix_nanos()).minus(ago),
        }
    }
}

/// The part of a picture that shows a person, and where he is in it, in pixels.
fn body_part(frame: &Frame, due: &DueBody) -> Option<(Frame, Rect)> {
    let (width, height) = (frame.width as f32, frame.height as f32);
    let Rect { x1, y1, x2, y2 } = due.bbox.clamped();
    let whole = Rect::new(x1 * width, y1 * height, x2 * width, y2 * height);
    // A part begins at an even column and row.
    let (left, top) = (whole.x1 as u32 & !1, whole.y1 as u32 & !1);
    let part = frame.part(left, top, whole.x2.ceil() as u32 - left, whole.y2.ceil() as u32 - top)?;
    let (left, top) = (left as f32, top as f32);
    Some((part, Rect::new(whole.x1 - left, whole.y1 - top, whole.x2 - left, whole.y2 - top)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_is_no_larger_than_the_person_and_says_where_in_it_he_is() {
        let frame = Frame::from_i420(100, 50, vec![0; 7500]).unwrap();
        let (part, bbox) = body_part(&frame, &DueBody { track: 1, bbox: Rect::new(0.13, 0.1, 0.25, 0.9) }).unwrap();
        assert_eq!((part.width, part.height), (13, 41));
        assert!((bbox.x1 - 1.0).abs() < 1e-4 && (bbox.y1 - 1.0).abs() < 1e-4, "{bbox:?}");
        assert!((bbox.width() - 12.0).abs() < 1e-4 && (bbox.height() - 40.0).abs() < 1e-4, "{bbox:?}");
        let outside = DueBody { track: 1, bbox: Rect::new(1.2, 0.1, 1.4, 0.9) };
        assert!(body_part(&frame, &outside).is_none());
    }
}
