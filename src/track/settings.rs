//! The tracker's settings: one set of defaults for all scenes, every age in seconds.

use std::time::Duration;

use crate::vocab::Labels;

/// How the tracker decides. Nothing here depends on the frame rate or the size of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Detections below this score are not looked at. 0..1, default 0.1.
    pub low_score: f32,
    /// Detections of at least this score may continue any track; weaker ones only continue a track that was just seen,
    /// such as somebody half hidden. 0..1, default 0.5.
    pub high_score: f32,
    /// Detections of at least this score may begin a track. 0..1, default 0.5.
    pub start_score: f32,
    /// A track is believed after this many detections, default 3, …
    pub confirm_hits: u32,
    /// … whose scores add up to at least this, default 2.0, …
    pub confirm_score: f32,
    /// … and which span at least this time, since a false detection of one frame tends to be in the next too. Default
    /// 0.15 s.
    pub confirm_after: Duration,
    /// A track that is not yet believed ends when it is not seen for longer than this. Default 0.45 s.
    pub tentative_patience: Duration,
    /// A believed track ends when it is not seen for longer than this. Default 2 s.
    pub lost_patience: Duration,
    /// A believed track that is predicted to be for the most part out of the picture ends when it is not seen for longer
    /// than this. Default 0.5 s.
    pub leaving_patience: Duration,
    /// A track whose box has stayed in place for this long is parked. Default 10 s.
    pub parked_after: Duration,
    /// A parked track ends when it is not seen for longer than this: a lorry that stops in front of a parked car must
    /// not make a new car of it. Default 20 s.
    pub parked_patience: Duration,
    /// Most tracks alive at a time; while there are as many, no new one begins. Default 200.
    pub max_tracks: usize,
    /// Most detections looked at in a frame, best scores first. Default 400.
    pub max_detections: usize,
    /// Sets of classes that the detector may confuse, such as car and truck. A track never takes a detection of another
    /// class unless both are in one set. Default none; see [`confusable`].
    pub confusable: Vec<Vec<u16>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            low_score: 0.1,
            high_score: 0.5,
            start_score: 0.5,
            confirm_hits: 3,
            confirm_score: 2.0,
            confirm_after: Duration::from_millis(150),
            tentative_patience: Duration::from_millis(450),
            lost_patience: Duration::from_secs(2),
            leaving_patience: Duration::from_millis(500),
            parked_after: Duration::from_secs(10),
            parked_patience: Duration::from_secs(20),
            max_tracks: 200,
            max_detections: 400,
            confusable: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether one object may be given both classes.
    pub(super) fn may_be_same(&self, a: u16, b: u16) -> bool {
        a == b || self.confusable.iter().any(|set| set.contains(&a) && set.contains(&b))
    }
}

/// Labels that detectors give to one and the same object from frame to frame.
const CONFUSED: [&[&str]; 5] = [
    &["car", "truck", "bus", "van", "vehicle", "pickup", "lorry", "suv", "minibus"],
    &["bicycle", "bike", "motorcycle", "motorbike", "moped", "scooter"],
    &["person", "pedestrian", "people", "man", "woman", "child"],
    &["backpack", "handbag", "suitcase", "bag", "luggage"],
    &["cat", "dog", "horse", "sheep", "cow"],
];

/// The sets of `labels` that a detector may confuse, for [`Settings::confusable`]. Labels are compared without regard to
/// case.
pub fn confusable(labels: &Labels) -> Vec<Vec<u16>> {
    let members = |set: &&[&str]| -> Vec<u16> {
        let named = labels.iter().enumerate().filter(|(_, name)| set.iter().any(|s| s.eq_ignore_ascii_case(name)));
        named.filter_map(|(i, _)| u16::try_from(i).ok()).collect()
    };
    CONFUSED.iter().map(members).filter(|set| set.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cars_may_be_trucks_and_persons_are_only_persons() {
        let labels = Labels::new(["person", "Car", "chair", "truck", "bicycle"].map(String::from).to_vec());
        let settings = Settings { confusable: confusable(&labels), ..Settings::default() };
        assert_eq!(settings.confusable, [vec![1, 3]]);
        assert!(settings.may_be_same(1, 3) && settings.may_be_same(0, 0));
        assert!(!settings.may_be_same(0, 1) && !settings.may_be_same(3, 4));
    }
}
