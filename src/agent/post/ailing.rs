//! What a post knows of its camera's picture as a whole.

use super::{Post, lock};
use crate::agent::ailments::Ailments;
use crate::agent::sight::Sight;
use crate::behaviour::SavedHeat;
use crate::vocab::{CameraState, DayNight};
use crate::wire::ConditionState;

impl Post {
    /// What ails its picture beside `state`, and whether it sees by day or by night.
    pub fn ailments(&self, state: CameraState) -> (Vec<ConditionState>, Option<DayNight>) {
        lock(&self.sight).ailments.beside(state)
    }

    /// The map of the present hour, where one is made.
    pub fn saved_heat(&self) -> Option<SavedHeat> {
        lock(&self.line).saved_heat()
    }

    /// Tells the state anew where what ails the picture has changed.
    pub(super) fn note_ailments(&self, sight: &mut Sight, ailments: Option<Ailments>) {
        let Some(ailments) = ailments else { return };
        sight.ailments = ailments;
        if let Some(told) = sight.told.clone().filter(|_| !self.is_closed()) {
            self.publish(sight, told);
        }
    }
}
