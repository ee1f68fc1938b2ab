//! What ails a camera's picture while it streams, as it is told in the camera's state.

use crate::event;
use crate::vocab::{CameraState, DayNight, MediaTime, PictureChange, WallTime};
use crate::wire::ConditionState;

/// What ails a picture, and what the camera sees by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ailments {
    /// What ails it, in the order in which it was told.
    pub conditions: Vec<ConditionState>,
    /// Whether the camera sees by day or by night, once known.
    pub mode: Option<DayNight>,
}

impl Ailments {
    /// Takes in a change; `wall` tells when on the wall clock a moment of the media clock was.
    pub fn note(&mut self, change: &PictureChange, wall: impl Fn(MediaTime) -> WallTime) {
        match *change {
            PictureChange::Began { condition, since, finding } => {
                let cause = event::cause(condition, finding);
                self.conditions.push(ConditionState::new(condition, wall(since), cause));
            }
            PictureChange::Ended { condition, .. } => self.conditions.retain(|state| state.condition != condition),
            PictureChange::Switched { to, .. } => self.mode = Some(to),
        }
    }

    /// What is told of it beside this state: nothing while there is no picture.
    pub fn beside(&self, state: CameraState) -> (Vec<ConditionState>, Option<DayNight>) {
        if state.has_pictures() { (self.conditions.clone(), self.mode) } else { (Vec::new(), None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{Condition, Finding, Relief};

    #[test]
    fn a_condition_stands_there_from_its_beginning_to_its_end() {
        let mut ailments = Ailments::default();
        let since = MediaTime::from_millis(5000);
        let began = |condition| PictureChange::Began { condition, since, finding: Finding::default() };
        let wall = |at: MediaTime| WallTime::default().plus(at.since(MediaTime::ZERO));
        ailments.note(&began(Condition::Moved), wall);
        ailments.note(&began(Condition::Degraded), wall);
        ailments.note(&PictureChange::Switched { to: DayNight::Night, colour: 0.0, light: 40.0 }, wall);
        assert_eq!(ailments.mode, Some(DayNight::Night));
        let told: Vec<_> = ailments.conditions.iter().map(|c| (c.condition, c.since.as_str())).collect();
        let five = "1970-01-01T00:00:05.000Z";
        assert_eq!(told, [(Condition::Moved, five), (Condition::Degraded, five)]);
        ailments.note(&PictureChange::Ended { condition: Condition::Moved, since, relief: Relief::Passed }, wall);
        assert_eq!(ailments.conditions.len(), 1);
    }
}
