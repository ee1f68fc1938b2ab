//! What a line tells of the picture as a whole: what ails it, and where people stood and went.

use super::{Line, Occurrence};
use crate::agent::ailments::Ailments;
use crate::behaviour::SavedHeat;
use crate::evidence::Shot;
use crate::vocab::{Frame, PictureChange};

impl Line {
    /// The map of the present hour, where one is made.
    pub fn saved_heat(&self) -> Option<SavedHeat> {
        self.heat.as_ref()?.saved()
    }

    /// Goes on with a map that was kept over a restart, where one is made.
    pub fn restore_heat(&mut self, saved: &SavedHeat) {
        if let Some(heat) = &mut self.heat {
            heat.restore(saved);
        }
    }

    /// Tells what has changed about the picture as a whole, with the picture where something is wrong with it.
    pub(super) fn ail(&mut self, frame: &Frame) -> (Option<Ailments>, Vec<Occurrence>) {
        let mut occurrences = Vec::new();
        let mut is_changed = self.scene.mode() != self.ailments.mode;
        self.ailments.mode = self.scene.mode();
        for change in self.scene.changes() {
            is_changed = true;
            self.ailments.note(change, |at| frame.captured.minus(frame.pts.since(at)));
            let event = self.narrator.picture(change, &self.told.context());
            let is_wrong = matches!(change, PictureChange::Began { .. });
            let shot = is_wrong.then(|| self.shot(frame, None));
            occurrences.extend(event.map(|event| Occurrence { event, shot }));
        }
        (is_changed.then(|| self.ailments.clone()), occurrences)
    }

    /// Tells where people stood and went, over the last picture of the hour that is over.
    pub(super) fn map(&mut self, frame: &Frame) -> Option<Occurrence> {
        let map = self.heat.as_mut()?.watch(frame.pts, frame.captured)?;
        let shot = (map.tracks > 0).then(|| Shot::under_map(frame, map.clone(), self.heads.all(), &self.evidence));
        Some(Occurrence { event: self.narrator.heat(map, &self.told.context()), shot })
    }
}
