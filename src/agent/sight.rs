//! What a camera's thread last saw and was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::ailments::Ailments;
use crate::scene::Picture;
use crate::vocab::{CameraState, DropReason, MediaTime, WallTime};

/// A state as it was published.
#[derive(Debug, Clone)]
pub struct Told {
    /// How the camera is.
    pub state: CameraState,
    /// Since when.
    pub since: WallTime,
    /// Why; may be empty.
    pub cause: String,
}

/// See the file's head.
#[derive(Debug)]
pub struct Sight {
    /// How the camera is.
    pub state: CameraState,
    /// What was published last of that.
    pub told: Option<Told>,
    /// Why nobody looks at its pictures, though there is a model that should.
    pub unseen: Option<String>,
    /// What was last reported of the picture as a whole.
    pub picture: Picture,
    /// What else was last told to ail it.
    pub ailments: Ailments,
    /// Frames that were not looked at, by reason.
    pub drops: BTreeMap<DropReason, u64>,
    /// Commands that wait for a picture.
    pub wanted: Vec<String>,
    /// When the last picture was taken; none before the first, with which the media clock begins.
    pub last_pts: Option<MediaTime>,
    /// The number of that picture.
    pub last_seq: u64,
    /// When it arrived, on the monotonic clock; at the beginning, that moment.
    pub last_arrival: Duration,
    /// Pictures up to this number are of before the last discontinuity.
    pub cut: Option<u64>,
    /// The revision of the counts that were told last.
    pub counts_told: Option<u64>,
    /// Why the camera cannot even be tried, and since when.
    pub unusable: Option<(WallTime, String)>,
}

impl Sight {
    /// Of a camera that is not connected yet, at `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            state: CameraState::Disabled,
            told: None,
            unseen: None,
            picture: Picture::Live,
            ailments: Ailments::default(),
            drops: BTreeMap::new(),
            wanted: Vec::new(),
            last_pts: None,
            last_seq: 0,
            last_arrival: now,
            cut: None,
            counts_told: None,
            unusable: None,
        }
    }

    /// The time of the last picture and how long ago it came, where time is to be told to pass without pictures: there
    /// was one, for with it the media clock begins, and its connection is gone. The clock of one that is only held up
    /// goes on where it was, and time that was told to have passed cannot be taken back.
    pub fn silence(&self, now: Duration) -> Option<(MediaTime, Duration)> {
        use CameraState::{Black, Covered, Frozen, Stalled, Streaming};
        let is_held_up = matches!(self.state, Streaming | Stalled | Frozen | Covered | Black);
        self.last_pts.filter(|_| !is_held_up).map(|pts| (pts, now.saturating_sub(self.last_arrival)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn no_time_passes_before_the_first_picture_however_long_the_camera_is_away() {
        let mut sight = Sight::new(Duration::ZERO);
        sight.state = CameraState::Backoff;
        assert_eq!(sight.silence(HOUR), None);
    }

    #[test]
    fn time_passes_without_a_connection_and_not_on_one_that_is_held_up() {
        let mut sight = Sight::new(Duration::ZERO);
        (sight.last_pts, sight.last_arrival) = (Some(MediaTime::from_millis(40)), HOUR);
        let now = HOUR + Duration::from_secs(3);
        for (state, passes) in [
            (CameraState::Streaming, false),
            (CameraState::Stalled, false),
            (CameraState::Frozen, false),
            (CameraState::Black, false),
            (CameraState::Backoff, true),
            (CameraState::Connecting, true),
            (CameraState::Ended, true),
            (CameraState::Disabled, true),
        ] {
            sight.state = state;
            let passed = passes.then_some((MediaTime::from_millis(40), Duration::from_secs(3)));
            assert_eq!(sight.silence(now), passed, "{state:?}");
        }
    }
}
