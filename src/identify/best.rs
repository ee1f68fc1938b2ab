//! When a camera's people are looked at for a face, and which of their faces is the best so far. Pure.
//!
//! One person is due at a time: who has waited longest. Whoever shows no face is looked at ever more seldom; whoever's face
//! was described from a good enough shot, or often enough, no more. So a camera costs a bounded number of looks however
//! many people stand before it, and a person a bounded number of vectors however long he stays.

use std::time::Duration;

use crate::vocab::{MediaTime, Rect, Track, TrackId, TrackState};

/// How often people are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShotSettings {
    /// The least time between two looks at one person; half a second by default. It grows to ten times as much while he
    /// shows no better face.
    pub every: Duration,
    /// By how much a face must be better than the best so far to be described again, 0..1; 0.1 by default.
    pub better: f32,
    /// How often one person's face is described at most; 5 by default.
    pub most: u32,
    /// The least height of a person's box in pixels; 80 by default. A smaller one has no face that is large enough.
    pub least_height_px: f32,
}

impl Default for ShotSettings {
    fn default() -> Self {
        Self { every: Duration::from_millis(500), better: 0.1, most: 5, least_height_px: 80.0 }
    }
}

/// A face this good is not looked for any more.
const GOOD_ENOUGH: f32 = 0.85;

/// A person to be looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Due {
    /// The track.
    pub track: TrackId,
    /// Where, normalised.
    pub bbox: Rect,
    /// How good a face must be to be described.
    pub worth: f32,
}

/// The people before one camera.
#[derive(Debug)]
pub struct BestShots {
    settings: ShotSettings,
    people: Vec<Shown>,
}

/// One person.
#[derive(Debug, Clone, Copy)]
struct Shown {
    track: TrackId,
    looked: Option<MediaTime>,
    /// Looks since the last face that was described.
    in_vain: u32,
    /// How good the best face was.
    best: f32,
    described: u32,
}

impl BestShots {
    /// Nobody yet.
    pub fn new(settings: ShotSettings) -> Self {
        Self { settings, people: Vec::new() }
    }

    /// Who is to be looked at in the picture of `now`, which is `height` pixels high: of the confirmed tracks of the class
    /// `person`, the one that has waited longest. Taken to be looked at from then on. Tracks that are gone are forgotten.
    pub fn due(&mut self, now: MediaTime, tracks: &[Track], person: u16, height: u32) -> Option<Due> {
        self.people.retain(|shown| tracks.iter().any(|t| t.id == shown.track && t.state != TrackState::Ended));
        let settings = self.settings;
        let is_seen = |track: &&Track| {
            let is_large = track.bbox.height() * height as f32 >= settings.least_height_px;
            track.state == TrackState::Confirmed && track.class == person && is_large
        };
        for track in tracks.iter().filter(is_seen) {
            if !self.people.iter().any(|shown| shown.track == track.id) {
                let shown = Shown { track: track.id, looked: None, in_vain: 0, best: 0.0, described: 0 };
                self.people.push(shown);
            }
        }
        let candidates = self.people.iter_mut().filter_map(|shown| {
            let track = tracks.iter().filter(is_seen).find(|track| track.id == shown.track)?;
            shown.is_due(now, &settings).then_some((shown, track))
        });
        let (shown, track) = candidates.min_by_key(|(shown, _)| shown.looked)?;
        shown.looked = Some(now);
        shown.in_vain = shown.in_vain.saturating_add(1);
        let worth = if shown.described == 0 { 0.0 } else { shown.best + settings.better };
        Some(Due { track: track.id, bbox: track.bbox, worth })
    }

    /// A face was described. Whether it is the best of this track so far.
    pub fn described(&mut self, track: TrackId, worth: f32) -> bool {
        let Some(shown) = self.people.iter_mut().find(|shown| shown.track == track) else { return false };
        let is_best = shown.described == 0 || worth > shown.best;
        (shown.in_vain, shown.described) = (0, shown.described.saturating_add(1));
        shown.best = shown.best.max(worth);
        is_best
    }

    /// Forgets everybody: the pictures from now on do not continue those before.
    pub fn clear(&mut self) {
        self.people.clear();
    }

    /// How many people are kept in mind.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }
}

impl Shown {
    fn is_due(&self, now: MediaTime, settings: &ShotSettings) -> bool {
        if self.described >= settings.most || (self.described > 0 && self.best >= GOOD_ENOUGH) {
            return false;
        }
        let longer = (1 + self.in_vain / 4).min(10);
        self.looked.is_none_or(|looked| now.since(looked) >= settings.every * longer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn track(id: TrackId, state: TrackState, height: f32) -> Track {
        Track { state, hits: 9, ..Track::new(id, 0, 0.9, Rect::new(0.1, 0.1, 0.3, 0.1 + height), MediaTime::ZERO) }
    }

    fn shots() -> BestShots {
        BestShots::new(ShotSettings::default())
    }

    fn who(shots: &mut BestShots, millis: u64, tracks: &[Track]) -> Option<TrackId> {
        shots.due(MediaTime::from_millis(millis), tracks, 0, 720).map(|due| due.track)
    }

    #[test]
    fn people_take_turns_and_who_is_small_lost_or_no_person_is_left_alone() {
        let mut vehicle = track(5, TrackState::Confirmed, 0.5);
        vehicle.class = 1;
        let tracks = [
            track(1, TrackState::Confirmed, 0.5),
            track(2, TrackState::Confirmed, 0.5),
            track(3, TrackState::Lost, 0.5),
            track(4, TrackState::Confirmed, 0.1),
            vehicle,
        ];
        let mut shots = shots();
        let order: Vec<_> = (0..5).map(|at| who(&mut shots, at * 100, &tracks)).collect();
        assert_eq!(order, [Some(1), Some(2), None, None, None]);
        assert_eq!((who(&mut shots, 500, &tracks), who(&mut shots, 600, &tracks)), (Some(1), Some(2)));
    }

    #[test]
    fn a_better_face_is_asked_for_until_it_is_good_enough() {
        let tracks = [track(1, TrackState::Confirmed, 0.5)];
        let mut shots = shots();
        assert_eq!(shots.due(MediaTime::ZERO, &tracks, 0, 720).unwrap().worth, 0.0);
        assert!(shots.described(1, 0.4));
        let due = shots.due(MediaTime::from_millis(500), &tracks, 0, 720).unwrap();
        assert!((due.worth - 0.5).abs() < 1e-6);
        assert!(!shots.described(1, 0.3) && shots.described(1, 0.9));
        assert_eq!(who(&mut shots, 99_000, &tracks), None, "it is good enough");
        assert!(!shots.described(7, 0.9), "nobody has asked for it");
    }

    #[test]
    fn who_shows_no_face_is_looked_at_more_and_more_seldom() {
        let tracks = [track(1, TrackState::Confirmed, 0.5)];
        let mut shots = shots();
        let looks = |shots: &mut BestShots, from: u64, to: u64| {
            (from..to).filter(|tenth| who(shots, tenth * 100, &tracks).is_some()).count()
        };
        let (first, _, later) =
            (looks(&mut shots, 0, 100), looks(&mut shots, 100, 1000), looks(&mut shots, 1000, 1100));
        assert!(first > 2 * later && later >= 1, "{first} looks in the first ten seconds, {later} in later ones");
    }

    proptest! {
        #[test]
        fn looks_and_vectors_are_bounded_and_nobody_is_kept_who_is_gone(
            steps in proptest::collection::vec((proptest::collection::vec(1u64..9, 0..6), 0.0f32..1.0), 1..120),
        ) {
            let mut shots = shots();
            let mut described = std::collections::BTreeMap::<TrackId, u32>::new();
            for (at, (ids, worth)) in steps.into_iter().enumerate() {
                let tracks: Vec<Track> = ids.iter().map(|id| track(*id, TrackState::Confirmed, 0.5)).collect();
                let due = shots.due(MediaTime::from_millis(at as u64 * 200), &tracks, 0, 720);
                prop_assert!(shots.len() <= ids.len());
                described.retain(|id, _| ids.contains(id));
                if let Some(due) = due.filter(|due| worth >= due.worth) {
                    prop_assert!(ids.contains(&due.track));
                    shots.described(due.track, worth);
                    let count = described.entry(due.track).or_default();
                    *count += 1;
                    prop_assert!(*count <= ShotSettings::default().most);
                }
            }
        }
    }
}
