//! The count of a zone or line, as it is told.

use crate::behaviour::Count;
use crate::vocab::{Id, Place, WallTime};
use crate::wire::CountMessage;

/// The name of the place, and what is published of it.
pub fn message(camera: &Id, count: Count, at: WallTime) -> (Id, CountMessage) {
    match count.place {
        Place::Zone(id) => (id.clone(), CountMessage::zone(camera.clone(), id, u64::from(count.occupancy), at)),
        Place::Line(id) => {
            let (forward, backward, journeys) = (count.left_to_right, count.right_to_left, count.journeys);
            (id.clone(), CountMessage { journeys, ..CountMessage::line(camera.clone(), id, forward, backward, at) })
        }
    }
}
