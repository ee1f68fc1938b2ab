//! Whom the tracker follows, as the background model needs to know it.

use std::time::Duration;

use crate::vocab::{Cover, Labels, MediaTime, Rect, Track, TrackState};

/// Classes of whoever may stand still without being an object that was left. A model that names none of them is taken to see
/// nothing else.
const MOVERS: [&str; 34] = [
    "person",
    "pedestrian",
    "people",
    "man",
    "woman",
    "child",
    "rider",
    "head",
    "face",
    "bicycle",
    "bike",
    "car",
    "motorcycle",
    "motorbike",
    "moped",
    "bus",
    "train",
    "tram",
    "truck",
    "lorry",
    "van",
    "vehicle",
    "pickup",
    "forklift",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "animal",
    "deer",
    "boat",
    "scooter",
];

/// The tracks of the last look.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Whether each class may stand still; all where the model names none that may.
    movers: Vec<bool>,
    tracks: Vec<(Rect, (f32, f32))>,
    at: MediaTime,
    expected: Vec<Rect>,
}

impl Followed {
    /// Nobody yet; `labels` are the classes of the model. With `by_motion` no model says what is what, so that whatever
    /// stands still may be an object.
    pub fn new(labels: &Labels, by_motion: bool) -> Self {
        let mut movers: Vec<bool> =
            labels.iter().map(|label| MOVERS.iter().any(|mover| mover.eq_ignore_ascii_case(label))).collect();
        if !movers.contains(&true) {
            movers.fill(!by_motion);
        }
        Self { movers, ..Self::default() }
    }

    /// Takes in the tracks of a look.
    pub fn follow(&mut self, now: MediaTime, tracks: &[Track]) {
        self.at = now;
        self.tracks.clear();
        let believed = |t: &&Track| matches!(t.state, TrackState::Confirmed | TrackState::Lost);
        self.tracks.extend(tracks.iter().filter(believed).map(|t| (t.bbox, t.velocity)));
    }

    /// What the background model is told of the tracks of a look.
    pub fn covers(&self, tracks: &[Track]) -> Vec<Cover> {
        let live = tracks.iter().filter(|t| matches!(t.state, TrackState::Confirmed | TrackState::Lost));
        let cover = |t: &Track| Cover {
            track: t.id,
            bbox: t.bbox,
            is_seen: t.state == TrackState::Confirmed,
            is_mover: self.movers.get(usize::from(t.class)).copied().unwrap_or(true),
        };
        live.map(cover).collect()
    }

    /// Where they should be by `now`.
    pub fn expected(&mut self, now: MediaTime) -> &[Rect] {
        // Nobody is believed to go on straight for longer than this.
        let passed = now.since(self.at).min(Duration::from_secs(1)).as_secs_f32();
        self.expected.clear();
        self.expected.extend(self.tracks.iter().map(|(bbox, (vx, vy))| {
            let (dx, dy) = (vx * passed, vy * passed);
            Rect::new(bbox.x1 + dx, bbox.y1 + dy, bbox.x2 + dx, bbox.y2 + dy)
        }));
        &self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_vehicles_may_stand_still_and_bags_may_not() {
        let coco = Followed::new(&Labels::new(["person", "backpack", "Car"]), false);
        assert_eq!(coco.movers, [true, false, true]);
        assert_eq!(Followed::new(&Labels::new(["helmet", "vest"]), false).movers, [true, true]);
        assert_eq!(Followed::new(&Labels::new([crate::scene::MOVING]), true).movers, [false]);
    }
}
