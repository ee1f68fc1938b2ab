//! When a camera's frame is worth a look, and which pictures are wanted at all. Pure.
//!
//! A detector costs a hundred times what the motion gate costs, so the gate is asked first, and both only when a look is
//! due at the camera's rate. The full rate is for what is not yet known: motion where nobody is followed, and objects
//! that were only just noticed. Once everything that moves is where the tracker expects it, half the rate or less follows
//! it as well, since the tracker predicts by time and not by frames, and a quarter does for whoever hardly moves;
//! anything else that moves brings the full rate back with the next picture. Who has stood still for a while, like a
//! parked car, is looked at just often enough to notice that he is still there.
//!
//! ```text
//!                              motion elsewhere    motion only where         nothing moves
//!                                                  somebody is expected
//! a new or fast track          every 1/fps         every 1/fps               every 1/fps
//! brisk tracks                 every 1/fps **      every CALM_INTERVAL       every CALM_INTERVAL
//! tracks that move             every 1/fps **      every SPARING_INTERVAL    every SPARING_INTERVAL
//! tracks that hardly move      every 1/fps **      every STILL_INTERVAL      every STILL_INTERVAL
//! nobody is followed           every 1/fps **      EMPTY_LOOKS of them, *    never, keyframes only if allowed
//!                                                  then never, likewise
//!
//! *  where something moved until just now, or where somebody was who has left
//! ** until BARREN_LOOKS in a row have found nothing new, then every CALM_INTERVAL: trees, rain, a lamp that swings
//! ```
//!
//! Pictures that are not wanted need not be decoded ([`Want`]): while all is calm, one in CALM_INTERVAL is wanted, or one
//! in SPARING_INTERVAL where those who are followed are not brisk; but where the next keyframe is near, none before it, up
//! to twice as long after the last. While there is nothing to look at, only keyframes are.

use std::time::Duration;

use crate::decode::Want;
use crate::vocab::{DropReason, MediaTime, Rect, Track, TrackId, TrackState};

/// How often somebody brisk is looked at, and what moves without being news: every second due frame, and no rarer than
/// this.
const CALM_INTERVAL: Duration = Duration::from_millis(400);

/// How often somebody is looked at who moves, but not briskly. Twice this, where a keyframe is near, is the longest time
/// in which nothing is seen: half of the time for which the tracker keeps whoever is lost. With keyframes two seconds
/// apart, half of a stream need not be decoded.
const SPARING_INTERVAL: Duration = Duration::from_millis(500);

/// How often somebody who hardly moves is looked at. Below the second for which the tracker keeps an unseen track with
/// certainty, so that standing still never ends a track.
const STILL_INTERVAL: Duration = Duration::from_millis(800);

/// How long a box must have stayed in place for its track to count as standing still.
const STILL_AFTER: Duration = Duration::from_secs(3);

/// Overlap with the place where it was first seen still, below which a track moves.
const SAME_PLACE_IOU: f32 = 0.8;

/// A track that moves farther than this share of its own longer side in [`CALM_INTERVAL`] is fast, in [`STILL_INTERVAL`]
/// brisk. By the longer side, since how suddenly somebody can turn goes by how large he is, not by how narrow he looks.
const FAST: f32 = 0.5;

/// A track that moves less than this share of its own longer side in [`STILL_INTERVAL`] hardly moves.
const SLOW: f32 = 0.2;

/// After so many looks that found nobody, since something last moved where nobody is expected, there is nobody.
const EMPTY_LOOKS: u32 = 2;

/// After so many looks in a row at something that moves elsewhere, none of which began a track, it is no news either.
const BARREN_LOOKS: u32 = 3;

/// The motion gate compares with a picture up to this old, so a track still explains motion where it was then.
const MEMORY: Duration = Duration::from_secs(1);

/// Where somebody was who has left explains motion in at least so many pictures, however far apart they are.
const MEMORY_PICTURES: u32 = 2;

/// How far around its box a track explains motion, as a share of the box's longer side: shadows, reflections, arms.
const AROUND: f32 = 0.25;

/// Most pictures are about so many times as wide as they are high.
const ASPECT: f32 = 16.0 / 9.0;

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

/// What the motion gate saw, in the light of who is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// Nothing has moved for a while.
    None,
    /// What moves, moves in the [`Cadence::expected`] places; or something moved until just now.
    Expected,
    /// Something moves elsewhere, or as a whole.
    Elsewhere,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Give it to the detector.
    Look,
    /// It was looked at already, by the line itself.
    Seen,
    /// Leave it. With [`DropReason::Still`] everybody who is followed stands where he stood.
    Leave(DropReason),
}

/// Decides for one camera.
#[derive(Debug)]
pub struct Cadence {
    settings: Settings,
    interval: Duration,
    /// When the last due frame was due.
    last_due: Option<MediaTime>,
    last_look: Option<MediaTime>,
    places: Vec<Place>,
    /// Where motion is no news: for the first `believed` of them by whom is followed, then by who has left.
    expected: Vec<Rect>,
    believed: usize,
    left: Vec<Left>,
    followed: Followed,
    movement: Movement,
    /// Looks in a row that found nobody, since something last moved elsewhere.
    empty_looks: u32,
    /// Looks in a row that began no track, while something went on moving elsewhere.
    barren_looks: u32,
}

/// Where a track was when it was last found in a new place.
#[derive(Debug)]
struct Place {
    track: TrackId,
    bbox: Rect,
    since: MediaTime,
}

/// Where somebody was who is not followed any more.
#[derive(Debug)]
struct Left {
    around: Rect,
    until: MediaTime,
    pictures: u32,
}

/// Whoever of all who are followed needs the most attention, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Followed {
    Nobody,
    StandingStill,
    Slow,
    Moving,
    Brisk,
    NewOrFast,
}

impl Cadence {
    /// With these settings and nobody followed.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            interval: Duration::from_secs_f64(1.0 / settings.fps.clamp(0.01, 1000.0)),
            last_due: None,
            last_look: None,
            places: Vec::new(),
            expected: Vec::new(),
            believed: 0,
            left: Vec::new(),
            followed: Followed::Nobody,
            movement: Movement::Elsewhere,
            empty_looks: 0,
            barren_looks: 0,
        }
    }

    /// Whether a frame at `now` is due for the gate. Cheap; every other frame is left with [`DropReason::Rate`].
    pub fn is_due(&mut self, now: MediaTime) -> bool {
        let interval = match self.want() {
            Want::OneIn(interval) | Want::About(interval) => interval,
            Want::Every | Want::Keyframes => self.interval,
        };
        // Frames come on a grid of their own: one that comes too early for ours, by less than half, is the one that is
        // meant. A camera that was told what is wanted delivers nothing else.
        if let Some(last) = self.last_due {
            let due = last + interval;
            if now + interval / 2 <= due {
                return false;
            }
            let after_a_gap = now.since(due) > interval;
            self.last_due = Some(if after_a_gap { now } else { due });
        } else {
            self.last_due = Some(now);
        }
        self.forget_who_left(now);
        true
    }

    /// Which pictures are wanted from now on.
    pub fn want(&self) -> Want {
        let is_known = self.movement != Movement::Elsewhere;
        match self.has_news() {
            true => Want::OneIn(self.interval),
            false if self.may_idle() => Want::Keyframes,
            false if is_known && self.followed == Followed::Nobody => {
                Want::About(self.calm_interval().max(self.interval))
            }
            false if is_known && self.followed < Followed::Brisk => Want::About(self.sparing_interval()),
            false => Want::OneIn(self.calm_interval().max(self.interval)),
        }
    }

    /// Whether there is something that only the full rate will do for.
    fn has_news(&self) -> bool {
        let is_restless = self.movement == Movement::Elsewhere && self.barren_looks < BARREN_LOOKS;
        !self.settings.gate || is_restless || self.followed == Followed::NewOrFast
    }

    /// Where motion is no news: around each believed track, from where it was to where it will be at the next look, and
    /// where somebody has just left.
    pub fn expected(&self) -> &[Rect] {
        &self.expected
    }

    /// Decides about a due frame, given what the gate sees.
    pub fn decide(&mut self, now: MediaTime, movement: Movement) -> Verdict {
        self.movement = if self.settings.gate { movement } else { Movement::Elsewhere };
        match self.movement {
            Movement::Elsewhere => self.empty_looks = 0,
            Movement::Expected | Movement::None => self.barren_looks = 0,
        }
        let wait = match (self.movement, self.followed) {
            _ if self.has_news() => Some(Duration::ZERO),
            (Movement::Elsewhere, _) | (_, Followed::Brisk | Followed::NewOrFast) => Some(self.calm_interval()),
            (_, Followed::Moving) => Some(self.sparing_interval()),
            (_, Followed::Slow | Followed::StandingStill) => Some(STILL_INTERVAL),
            (_, Followed::Nobody) if self.is_empty() => None,
            (_, Followed::Nobody) => Some(self.calm_interval()),
        };
        // The frame that is meant may come a little early.
        let is_over = |wait| self.last_look.is_none_or(|last| now.since(last) + self.interval / 2 >= wait);
        if wait.is_some_and(is_over) {
            self.last_look = Some(now);
            return Verdict::Look;
        }
        let stands = self.movement == Movement::None && self.followed <= Followed::StandingStill;
        Verdict::Leave(if stands { DropReason::Still } else { DropReason::Rate })
    }

    /// Takes in whom the tracker follows after a look.
    pub fn follow(&mut self, now: MediaTime, tracks: &[Track]) {
        let live = |t: &&Track| t.state != TrackState::Ended;
        let is_found = tracks.iter().any(|t| matches!(t.state, TrackState::Confirmed | TrackState::Tentative));
        self.empty_looks = match is_found {
            true => 0,
            false if self.movement == Movement::Elsewhere => 0,
            false => self.empty_looks.saturating_add(1),
        };
        let is_new = tracks.iter().any(|t| t.state == TrackState::Tentative);
        self.barren_looks = match is_new || self.movement != Movement::Elsewhere {
            true => 0,
            false => self.barren_looks.saturating_add(1),
        };
        for gone in tracks.iter().filter(|t| t.state == TrackState::Ended) {
            self.left.push(Left { around: around(gone), until: now + MEMORY, pictures: MEMORY_PICTURES });
        }
        self.places.retain(|p| tracks.iter().filter(live).any(|t| t.id == p.track));
        self.expected.clear();
        self.followed = Followed::Nobody;
        for track in tracks.iter().filter(live) {
            let state = match track.state {
                TrackState::Tentative => Followed::NewOrFast,
                _ if is_fast(track) => Followed::NewOrFast,
                _ if self.stands_still(now, track) => Followed::StandingStill,
                TrackState::Confirmed if is_slow(track) => Followed::Slow,
                _ if is_brisk(track) => Followed::Brisk,
                _ => Followed::Moving,
            };
            self.followed = self.followed.max(state);
            if track.state != TrackState::Tentative {
                self.expected.push(around(track));
            }
        }
        self.believed = self.expected.len();
        self.expected.extend(self.left.iter().map(|left| left.around));
    }

    /// Whether only keyframes need decoding now.
    fn may_idle(&self) -> bool {
        self.settings.idle_keyframes && self.followed == Followed::Nobody && self.is_empty()
    }

    /// Whether, nobody being followed, there is nothing to look for either.
    fn is_empty(&self) -> bool {
        match self.movement {
            Movement::None => true,
            Movement::Expected => self.empty_looks >= EMPTY_LOOKS,
            Movement::Elsewhere => false,
        }
    }

    fn forget_who_left(&mut self, now: MediaTime) {
        self.left.retain_mut(|left| {
            left.pictures = left.pictures.saturating_sub(1);
            now < left.until || left.pictures > 0
        });
        self.expected.truncate(self.believed);
        self.expected.extend(self.left.iter().map(|left| left.around));
    }

    fn calm_interval(&self) -> Duration {
        CALM_INTERVAL.min(2 * self.interval)
    }

    /// At least two in five due frames, so that a camera of a high rate is watched closely while all is calm, too.
    fn sparing_interval(&self) -> Duration {
        SPARING_INTERVAL.min(self.interval * 5 / 2).max(self.interval)
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

/// Whether it moves so fast that half the rate would follow it badly.
fn is_fast(track: &Track) -> bool {
    shift(track, CALM_INTERVAL) > FAST
}

/// Whether it moves so fast that a quarter of the rate would follow it badly.
fn is_brisk(track: &Track) -> bool {
    shift(track, STILL_INTERVAL) > FAST
}

/// Whether it moves so little that a quarter of the rate follows it well.
fn is_slow(track: &Track) -> bool {
    shift(track, STILL_INTERVAL) < SLOW
}

/// How far it moves in a time, as a share of its own longer side.
fn shift(track: &Track, time: Duration) -> f32 {
    let (width, height) = longer_side(track);
    let share = |velocity: f32, side: f32| velocity.abs() * time.as_secs_f32() / side.max(f32::EPSILON);
    share(track.velocity.0, width).max(share(track.velocity.1, height))
}

/// The longer side of its box, in widths and in heights of the picture.
fn longer_side(track: &Track) -> (f32, f32) {
    let (width, height) = (track.bbox.width(), track.bbox.height());
    (width.max(height / ASPECT), height.max(width * ASPECT))
}

/// Where a track explains motion.
fn around(track: &Track) -> Rect {
    let Rect { x1, y1, x2, y2 } = track.bbox;
    let (width, height) = longer_side(track);
    let (width, height) = (AROUND * width, AROUND * height);
    let (vx, vy) = track.velocity;
    let (before, after) = (-MEMORY.as_secs_f32(), (2 * SPARING_INTERVAL).as_secs_f32());
    let least = |v: f32| (v * before).min(v * after);
    let most = |v: f32| (v * before).max(v * after);
    Rect::new(x1 + least(vx) - width, y1 + least(vy) - height, x2 + most(vx) + width, y2 + most(vy) + height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATED: Settings = Settings { fps: 5.0, gate: true, idle_keyframes: true };

    fn track(id: TrackId, x: f32, state: TrackState) -> Track {
        Track { state, hits: 5, ..Track::new(id, 0, 0.9, Rect::new(x, 0.2, x + 0.1, 0.6), MediaTime::ZERO) }
    }

    /// Plays `seconds` of a stream of `fps` and counts the looks; `at` gives movement and tracks.
    fn looks(
        cadence: &mut Cadence,
        from: f64,
        seconds: f64,
        fps: f64,
        mut at: impl FnMut(f64) -> (Movement, Vec<Track>),
    ) -> usize {
        let frames = (seconds * fps).round() as usize;
        (0..frames)
            .filter(|i| {
                let s = from + *i as f64 / fps;
                let now = MediaTime::from_secs_f64(s);
                let (movement, tracks) = at(s);
                let look = cadence.is_due(now) && cadence.decide(now, movement) == Verdict::Look;
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
            let count = looks(&mut cadence, 0.0, 60.0, fps, |_| (Movement::None, vec![]));
            assert!((299..=301).contains(&count), "{count} looks in a minute of {fps} fps");
        }
    }

    #[test]
    fn a_stream_slower_than_the_rate_is_looked_at_whole() {
        let mut cadence = Cadence::new(Settings { gate: false, ..GATED });
        assert_eq!(looks(&mut cadence, 0.0, 60.0, 2.0, |_| (Movement::None, vec![])), 120);
    }

    #[test]
    fn an_empty_still_scene_is_never_looked_at_and_only_keyframes_are_decoded() {
        let mut cadence = Cadence::new(GATED);
        assert_eq!(looks(&mut cadence, 0.0, 60.0, 10.0, |_| (Movement::None, vec![])), 0);
        assert_eq!(cadence.want(), Want::Keyframes);
    }

    #[test]
    fn somebody_who_stands_still_is_looked_at_about_once_a_second_and_decoding_goes_on() {
        let mut cadence = Cadence::new(GATED);
        let person = || vec![track(1, 0.4, TrackState::Confirmed)];
        looks(&mut cadence, 0.0, 10.0, 10.0, |s| {
            (if s < 1.0 { Movement::Elsewhere } else { Movement::None }, person())
        });
        let count = looks(&mut cadence, 10.0, 60.0, 10.0, |_| (Movement::None, person()));
        assert!((60..=76).contains(&count), "{count}");
        assert_ne!(cadence.want(), Want::Keyframes);
    }

    /// A walker of 0.1 of the picture's width a second, seen at `s`.
    fn walker(s: f64) -> Vec<Track> {
        vec![Track { velocity: (0.1, 0.0), ..track(1, s as f32 * 0.1, TrackState::Confirmed) }]
    }

    #[test]
    fn somebody_who_walks_as_expected_is_looked_at_in_two_of_five_due_frames_whether_or_not_the_gate_sees_him() {
        for movement in [Movement::Expected, Movement::None] {
            for (fps, least) in [(5.0, 8), (10.0, 16), (2.0, 8)] {
                let mut cadence = Cadence::new(Settings { fps, ..GATED });
                looks(&mut cadence, 0.0, 1.0, 10.0, |s| (Movement::Elsewhere, walker(s)));
                let count = looks(&mut cadence, 1.0, 4.0, 10.0, |s| (movement, walker(s)));
                assert!((least - 1..=least + 1).contains(&count), "{movement:?} at {fps}: {count}");
                assert_ne!(cadence.want(), Want::Keyframes);
            }
        }
    }

    #[test]
    fn motion_elsewhere_brings_the_full_rate_with_the_next_picture_whoever_is_followed() {
        let still = |_| vec![track(1, 0.4, TrackState::Confirmed)];
        for tracks in [walker, still, |_| vec![]] {
            let mut cadence = Cadence::new(GATED);
            looks(&mut cadence, 0.0, 8.0, 10.0, |s| (Movement::Expected, tracks(s)));
            let count = looks(&mut cadence, 8.0, 1.0, 10.0, |s| (Movement::Elsewhere, tracks(s)));
            assert!((3..=4).contains(&count), "{count}");
        }
    }

    #[test]
    fn what_goes_on_moving_and_begins_no_track_is_looked_at_at_half_the_rate_and_a_new_track_at_the_full() {
        let mut cadence = Cadence::new(GATED);
        let count = looks(&mut cadence, 0.0, 20.0, 10.0, |_| (Movement::Elsewhere, vec![]));
        assert!((50..=53).contains(&count), "{count}");
        assert_eq!(cadence.want(), Want::OneIn(Duration::from_millis(400)), "nothing is left out for a keyframe");
        let new = |_| (Movement::Elsewhere, vec![track(1, 0.4, TrackState::Tentative)]);
        looks(&mut cadence, 20.0, 0.8, 10.0, new);
        let count = looks(&mut cadence, 21.0, 4.0, 10.0, new);
        assert!((20..=21).contains(&count), "{count}");
        // Once it has been still, motion is news again.
        looks(&mut cadence, 25.0, 5.0, 10.0, |_| (Movement::None, vec![]));
        cadence.decide(MediaTime::from_millis(31_000), Movement::Elsewhere);
        assert_eq!(cadence.want(), Want::OneIn(Duration::from_millis(200)));
    }

    #[test]
    fn a_new_track_and_a_fast_one_are_looked_at_at_the_full_rate_even_if_the_gate_misses_them() {
        let fast = Track { velocity: (0.3, 0.0), ..track(1, 0.1, TrackState::Confirmed) };
        for followed in [track(1, 0.4, TrackState::Tentative), fast] {
            let mut cadence = Cadence::new(GATED);
            let both = || vec![followed.clone(), track(2, 0.7, TrackState::Confirmed)];
            looks(&mut cadence, 0.0, 1.0, 10.0, |_| (Movement::Elsewhere, both()));
            assert_eq!(looks(&mut cadence, 1.0, 4.0, 10.0, |_| (Movement::None, both())), 20);
        }
    }

    #[test]
    fn somebody_who_gestures_where_he_stands_is_looked_at_about_once_a_second_and_grows_older_meanwhile() {
        let mut cadence = Cadence::new(GATED);
        let person = || vec![track(1, 0.4, TrackState::Confirmed)];
        looks(&mut cadence, 0.0, 10.0, 10.0, |_| (Movement::Expected, person()));
        let count = looks(&mut cadence, 10.0, 60.0, 10.0, |_| (Movement::Expected, person()));
        assert!((60..=76).contains(&count), "{count}");
        let now = MediaTime::from_millis(70_000);
        cadence.decide(now, Movement::Elsewhere);
        assert_eq!(cadence.decide(now, Movement::Expected), Verdict::Leave(DropReason::Rate));
        assert_eq!(cadence.decide(now, Movement::None), Verdict::Leave(DropReason::Still));
    }

    #[test]
    fn a_believed_track_explains_motion_from_where_it_was_to_where_it_will_be_and_a_new_one_none() {
        let mut cadence = Cadence::new(GATED);
        let new = track(2, 0.0, TrackState::Tentative);
        let walker = Track { velocity: (0.1, 0.0), ..track(1, 0.5, TrackState::Confirmed) };
        cadence.follow(MediaTime::ZERO, &[new, walker]);
        let [expected] = cadence.expected() else { panic!("{:?}", cadence.expected()) };
        // 0.5 less a second's way and a quarter of the height, 0.4 of 9/16; 0.6, the longest way between two looks, and as
        // much.
        assert!((expected.x1 - 0.34375).abs() < 1e-5 && (expected.x2 - 0.75625).abs() < 1e-5, "{expected:?}");
        assert!((expected.y1 - 0.1).abs() < 1e-5 && (expected.y2 - 0.7).abs() < 1e-5, "{expected:?}");
    }

    #[test]
    fn somebody_who_is_lost_is_looked_for_until_the_tracker_gives_him_up() {
        let mut cadence = Cadence::new(GATED);
        let lost = || vec![track(1, 0.4, TrackState::Lost)];
        looks(&mut cadence, 0.0, 5.0, 10.0, |_| (Movement::Elsewhere, lost()));
        let count = looks(&mut cadence, 5.0, 4.0, 10.0, |_| (Movement::None, lost()));
        assert!((7..=9).contains(&count), "{count}");
        // Between these looks time must pass for the tracker, or it would never give him up.
        cadence.decide(MediaTime::from_millis(9_000), Movement::Elsewhere);
        assert_eq!(cadence.decide(MediaTime::from_millis(9_100), Movement::None), Verdict::Leave(DropReason::Rate));
    }

    #[test]
    fn an_ended_track_is_not_followed() {
        let mut cadence = Cadence::new(GATED);
        cadence.decide(MediaTime::ZERO, Movement::Elsewhere);
        cadence.follow(MediaTime::ZERO, &[track(1, 0.4, TrackState::Ended)]);
        cadence.decide(MediaTime::from_millis(200), Movement::None);
        assert_eq!(cadence.want(), Want::Keyframes);
    }

    #[test]
    fn whoever_has_left_explains_motion_where_he_was_for_a_second_and_two_pictures() {
        let mut cadence = Cadence::new(GATED);
        cadence.follow(MediaTime::ZERO, &[track(1, 0.4, TrackState::Ended)]);
        for (ms, explains) in [(200, true), (900, true), (1100, false)] {
            assert!(cadence.is_due(MediaTime::from_millis(ms)));
            assert_eq!(!cadence.expected().is_empty(), explains, "{ms} ms");
        }
        let mut cadence = Cadence::new(GATED);
        cadence.follow(MediaTime::ZERO, &[track(1, 0.4, TrackState::Ended)]);
        for (ms, explains) in [(4_000, true), (8_000, false)] {
            assert!(cadence.is_due(MediaTime::from_millis(ms)));
            assert_eq!(!cadence.expected().is_empty(), explains, "on keyframes, {ms} ms");
        }
    }

    #[test]
    fn where_nobody_is_found_after_something_moved_two_looks_are_enough() {
        let mut cadence = Cadence::new(GATED);
        looks(&mut cadence, 0.0, 2.0, 10.0, |_| (Movement::Elsewhere, vec![]));
        assert_eq!(looks(&mut cadence, 2.0, 4.0, 10.0, |_| (Movement::Expected, vec![])), 2);
        assert_eq!(cadence.want(), Want::Keyframes);
        cadence.decide(MediaTime::from_millis(6_000), Movement::Elsewhere);
        assert_eq!(cadence.want(), Want::OneIn(Duration::from_millis(200)));
    }

    #[test]
    fn somebody_who_hardly_moves_is_looked_at_less_often_than_one_who_walks() {
        let mut cadence = Cadence::new(GATED);
        let creeper = |_| vec![Track { velocity: (0.02, 0.0), ..track(1, 0.4, TrackState::Confirmed) }];
        looks(&mut cadence, 0.0, 1.0, 10.0, |s| (Movement::Elsewhere, creeper(s)));
        let moved =
            |s: f64| vec![Track { velocity: (0.02, 0.0), ..track(1, 0.4 + 0.02 * s as f32, TrackState::Confirmed) }];
        let count = looks(&mut cadence, 1.0, 8.0, 10.0, |s| (Movement::Expected, moved(s)));
        assert!((8..=9).contains(&count), "{count}");
        assert_eq!(cadence.want(), Want::About(Duration::from_millis(500)), "motion elsewhere is looked for meanwhile");
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
