//! The faces of a line's people: whose is due, and what came of it.

use super::{Line, Occurrence};
use crate::agent::known::{self, Recognised};
use crate::identify::Due;
use crate::vocab::{Event, Frame};

impl Line {
    /// Whose face is to be looked for in the picture that was seen last, if anybody's; told once.
    pub fn due_face(&mut self) -> Option<Due> {
        self.known.as_mut()?.take_due()
    }

    /// Takes in whose face was seen in a picture.
    pub fn recognised(&mut self, frame: &Frame, recognised: Recognised) -> Vec<Occurrence> {
        let Some(known) = &mut self.known else { return Vec::new() };
        let told = known.recognised(recognised);
        let event = |told: &_| self.narrator.identified(&known::telling(told), &self.told.context());
        let events: Vec<Event> = told.iter().map(event).collect();
        let shot = |event| Occurrence { event, shot: Some(self.shot(frame, None)) };
        events.into_iter().map(shot).collect()
    }
}
