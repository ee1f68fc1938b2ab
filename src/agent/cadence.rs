//! When a camera's frame is worth a look. Pure.
//!
//! A detector costs a hundred times what the motion gate costs, so the gate is asked first, and both only when a look is
//! due at the camera's rate. Somebody who is followed is looked at whether or not anything moves; but who has stood
//! still for a while, like a parked car, is only looked at often enough to notice that he is still there.
//!
//! ```text
//!                 motion, or a track that moves          nothing moves,         nothing moves,
//!                                                        tracks stand still     nobody is followed
//! look            every 1/fps                            every STILL_INTERVAL   never
//! decode          everything                             everything             keyframes only, if allowed
//! ```

use std::time::Duration;

use crate::vocab::{DropReason, MediaTime, Rect, Track, TrackId, TrackState};

/// How often somebody who stands still is looked at. Below the second for which the tracker keeps an unseen track with
/// certainty, so that standing still never ends a track.
const STILL_INTERVAL: Duration = Duration::from_millis(800);

/// How long a box must have stayed in place for its track to count as standing still.
const STILL_AFTER: Duration = Duration::from_secs(3);

/// Overlap with the place where it was first seen still, below which a track moves.
const SAME_PLACE_IOU: f32 = 0.8;

/// What a camera's rate and gate are set to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Looks a second, above 0.
    pub fps: f64,
    /// Whether the motion gate decides. Without it every due frame is looked at.
    pub gate: bool,
    /// Whether only keyframes are decoded while nothing moves and nobody is followed.
    pub idle_keyframes: bool,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Give it to the detector.
    Look,
    /// Leave it, for this reason.
    Leave(DropReason),
}

/// Decides for one camera.
#[derive(Debug)]
pub struct Cadence {
    settings: Settings,
    interval: Duration,
    next_due: MediaTime,
    last_look: Option<MediaTime>,
    places: Vec<Place>,
    followed: Followed,
    moving: bool,
}

/// Where a track was when it was last found in a new place.
#[derive(Debug)]
struct Place {
    track: TrackId,
    bbox: Rect,
    since: MediaTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    Nobody,
    StandingStill,
    Moving,
}

impl Cadence {
    /// With these settings and nobody followed.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            interval: Duration::from_secs_f64(1.0 / settings.fps.clamp(0.01, 1000.0)),
            next_due: MediaTime::ZERO,
            last_look: None,
            places: Vec::new(),
            followed: Followed::Nobody,
            moving: true,
        }
    }

    /// Whether a frame at `now` is due for the gate. Cheap; every other frame is left with [`DropReason::Rate`].
    pub fn is_due(&mut self, now: MediaTime) -> bool {
        // Frames arrive on their own grid: one that comes a little early for ours is the one that is meant.
        let slack = self.interval / 8;
        if now + slack < self.next_due {
            return false;
        }
        let after_a_gap = now.since(self.next_due) > self.interval;
        self.next_due = if after_a_gap { now + self.interval } else { self.next_due + self.interval };
        true
    }

    /// Decides about a due frame, given whether the gate sees motion.
    pub fn decide(&mut self, now: MediaTime, motion: bool) -> Verdict {
        self.moving = motion || !self.settings.gate;
        let look = match (self.moving, self.followed) {
            (true, _) | (_, Followed::Moving) => true,
            (false, Followed::StandingStill) => {
                self.last_look.is_none_or(|last| now.since(last) + self.interval / 2 >= STILL_INTERVAL)
            }
            (false, Followed::Nobody) => false,
        };
        if !look {
            return Verdict::Leave(DropReason::Still);
        }
        self.last_look = Some(now);
        Verdict::Look
    }

    /// Takes in whom the tracker follows after a look.
    pub fn follow(&mut self, now: MediaTime, tracks: &[Track]) {
        let live = |t: &&Track| matches!(t.state, TrackState::Tentative | TrackState::Confirmed | TrackState::Lost);
        self.places.retain(|p| tracks.iter().filter(live).any(|t| t.id == p.track));
        self.followed = Followed::Nobody;
        for track in tracks.iter().filter(live) {
            let state = if self.stands_still(now, track) { Followed::StandingStill } else { Followed::Moving };
            if self.followed != Followed::Moving {
                self.followed = state;
            }
        }
    }

    /// Whether only keyframes need decoding now.
    pub fn may_idle(&self) -> bool {
        self.settings.idle_keyframes && !self.moving && self.followed == Followed::Nobody
    }

    fn stands_still(&mut self, now: MediaTime, track: &Track) -> bool {
        let Some(place) = self.places.iter_mut().find(|p| p.track == track.id) else {
            self.places.push(Place { track: track.id, bbox: track.bbox, since: now });
            return false;
        };
        if place.bbox.iou(&track.bbox) < SAME_PLACE_IOU {
            (place.bbox, place.since) = (track.bbox, now);
        }
        track.state == TrackState::Confirmed && now.since(place.since) >= STILL_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATED: Settings = Settings { fps: 5.0, gate: true, idle_keyframes: true };

    fn track(id: TrackId, x: f32, state: TrackState) -> Track {
        Track {
            id,
            state,
            class: 0,
            score: 0.9,
            best_score: 0.9,
            bbox: Rect::new(x, 0.2, x + 0.1, 0.6),
            velocity: (0.0, 0.0),
            first_seen: MediaTime::ZERO,
            last_seen: MediaTime::ZERO,
            hits: 5,
        }
    }

    /// Plays `seconds` of a stream of `fps` and counts the looks; `at` gives motion and tracks.
    fn looks(
        cadence: &mut Cadence,
        from: f64,
        seconds: f64,
        fps: f64,
        mut at: impl FnMut(f64) -> (bool, Vec<Track>),
    ) -> usize {
        let frames = (seconds * fps).round() as usize;
        (0..frames)
            .filter(|i| {
                let s = from + *i as f64 / fps;
                let now = MediaTime::from_secs_f64(s);
                let (motion, tracks) = at(s);
                let look = cadence.is_due(now) && cadence.decide(now, motion) == Verdict::Look;
                if look {
                    cadence.follow(now, &tracks);
                }
                look
            })
            .count()
    }

    #[test]
    fn without_the_gate_every_stream_is_looked_at_at_its_rate() {
        for fps in [5.0, 10.0, 12.5, 25.0, 29.97, 30.0] {
            let mut cadence = Cadence::new(Settings { gate: false, ..GATED });
            let count = looks(&mut cadence, 0.0, 60.0, fps, |_| (false, vec![]));
            assert!((299..=301).contains(&count), "{count} looks in a minute of {fps} fps");
        }
    }

    #[test]
    fn a_stream_slower_than_the_rate_is_looked_at_whole() {
        let mut cadence = Cadence::new(Settings { gate: false, ..GATED });
        assert_eq!(looks(&mut cadence, 0.0, 60.0, 2.0, |_| (false, vec![])), 120);
    }

    #[test]
    fn an_empty_still_scene_is_never_looked_at_and_only_keyframes_are_decoded() {
        let mut cadence = Cadence::new(GATED);
        assert_eq!(looks(&mut cadence, 0.0, 60.0, 10.0, |_| (false, vec![])), 0);
        assert!(cadence.may_idle());
    }

    #[test]
    fn somebody_who_stands_still_is_looked_at_about_once_a_second_and_decoding_goes_on() {
        let mut cadence = Cadence::new(GATED);
        let person = || vec![track(1, 0.4, TrackState::Confirmed)];
        looks(&mut cadence, 0.0, 10.0, 10.0, |s| (s < 1.0, person()));
        let count = looks(&mut cadence, 10.0, 60.0, 10.0, |_| (false, person()));
        assert!((60..=76).contains(&count), "{count}");
        assert!(!cadence.may_idle());
    }

    #[test]
    fn somebody_who_moves_is_looked_at_at_the_full_rate_even_if_the_gate_misses_him() {
        let mut cadence = Cadence::new(GATED);
        looks(&mut cadence, 0.0, 1.0, 10.0, |s| (true, vec![track(1, s as f32 * 0.1, TrackState::Confirmed)]));
        let count =
            looks(&mut cadence, 1.0, 4.0, 10.0, |s| (false, vec![track(1, s as f32 * 0.1, TrackState::Confirmed)]));
        assert!((19..=21).contains(&count), "{count}");
    }

    #[test]
    fn an_ended_track_is_not_followed() {
        let mut cadence = Cadence::new(GATED);
        cadence.decide(MediaTime::ZERO, true);
        cadence.follow(MediaTime::ZERO, &[track(1, 0.4, TrackState::Ended)]);
        cadence.decide(MediaTime::from_millis(200), false);
        assert!(cadence.may_idle());
    }

    #[test]
    fn after_a_gap_the_rate_does_not_catch_up() {
        let mut cadence = Cadence::new(Settings { gate: false, ..GATED });
        assert!(cadence.is_due(MediaTime::ZERO));
        assert!(cadence.is_due(MediaTime::from_millis(60_000)));
        assert!(!cadence.is_due(MediaTime::from_millis(60_040)));
        assert!(cadence.is_due(MediaTime::from_millis(60_200)));
    }
}
