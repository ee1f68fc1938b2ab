//! Whether somebody was seen before, by how he looks: a memory of those who were before the cameras lately. Pure.
//!
//! A person who is remembered is a few vectors, the cameras that saw him and when; no picture, no name. Nothing of it is
//! written to a disk or sent anywhere, the ids are drawn at random, and whoever was seen by nobody for
//! [`forget`](AppearanceSettings::forget) is forgotten with all vectors. At most [`most`](AppearanceSettings::most) people
//! are remembered, each by at most [`SHOTS`] vectors and [`CAMERAS`] cameras: whoever was seen longest ago makes room.
//!
//! ```text
//!   a shot of a track ──▶ is the track somebody's already? ─ yes, one who was seen before ──▶ it is one vector more
//!                            │ no, or so far somebody new
//!                            └▶ whoever is closest ─ threshold, margin, never in sight together ──▶ that person
//!                                  └ nobody ──▶ somebody new
//! ```
//!
//! - **The set is open.** A person is as close as the closest pair of vectors. One who is not close enough, or nearly as
//!   close to two, is somebody new: a wrong join is worse than none.
//! - **Nobody is in two places of one picture.** A track never joins a person who has another track before the same camera
//!   that has not ended, or that was seen when this one was.
//! - **Who was joined stays joined.** One who was somebody new may turn out to be somebody else at a better shot, as long as
//!   no other track has joined him; his id changes then.
//!
//! What a threshold is worth depends on the model; what was measured stands at [`AppearanceSettings`].

mod person;
#[cfg(test)]
mod tests;

use std::time::Duration;

use fastrand::Rng;

use super::embedding::{Embedding, OtherSpace};
use crate::vocab::{Appearance, Id, MediaTime, SeenBefore, TrackId, WallTime};
use person::{Person, Visit};

/// How many vectors of one person are kept, the newest: those of two visits.
pub const SHOTS: usize = 6;
/// How many cameras are kept of one person, those that saw him last.
pub const CAMERAS: usize = 16;

/// When somebody is taken for one who was seen before, and how long that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AppearanceSettings {
    /// The least cosine; 0.9 by default. With OSNet x0.25 of MSMT17, tracks of two people came up to 0.873 (126 pairs) and two
    /// in one photograph to 0.869 (306 pairs); what it is worth on the recordings at hand is printed by the test
    /// `reidentify::people_are_told_apart_by_how_they_look`.
    pub threshold: f32,
    /// By how much it must exceed that of anybody else; 0.03 by default.
    pub margin: f32,
    /// How long somebody whom nobody sees is remembered; half an hour by default.
    pub forget: Duration,
    /// How many people are remembered at most; 200 by default, which with 512 numbers a vector is 2.4 MiB.
    pub most: usize,
}

impl Default for AppearanceSettings {
    fn default() -> Self {
        Self { threshold: 0.9, margin: 0.03, forget: Duration::from_secs(1800), most: 200 }
    }
}

/// Pictures of one camera without a cut between them: only their media times can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The camera's number.
    pub camera: u32,
    /// How often its stream was cut.
    pub cuts: u32,
}

/// When a track was seen first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// The track.
    pub track: TrackId,
    /// When it was seen first.
    pub from: MediaTime,
    /// When it was seen last.
    pub until: MediaTime,
}

/// A picture: where and when it was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The camera.
    pub camera: Id,
    /// What its media time belongs to.
    pub stretch: Stretch,
    /// On the camera's media clock.
    pub pts: MediaTime,
    /// On the clock that all cameras share.
    pub mono: Duration,
    /// On the wall clock.
    pub wall: WallTime,
}

impl Taken {
    /// A moment of the same stretch on the clock that all cameras share.
    fn mono_at(&self, at: MediaTime) -> Duration {
        self.mono.saturating_sub(self.pts.since(at)) + at.since(self.pts)
    }

    /// The same on the wall clock.
    fn wall_at(&self, at: MediaTime) -> WallTime {
        self.wall.minus(self.pts.since(at)).plus(at.since(self.pts))
    }
}

/// The memory.
#[derive(Debug)]
pub struct Appearances {
    settings: AppearanceSettings,
    people: Vec<Person>,
    rng: Rng,
}

/// Who is closest.
struct Closest {
    index: usize,
    score: f32,
    margin: f32,
}

impl Appearances {
    /// Nobody yet. `rng` draws the ids.
    pub fn new(settings: AppearanceSettings, rng: Rng) -> Self {
        Self { settings, people: Vec::new(), rng }
    }

    /// How many people are remembered.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.people.clear();
    }

    /// Takes in how `track` looked in a picture, in which `present` were those of the same camera that this memory was told
    /// of and that have not ended, `track` itself among them. Whom it is taken for.
    ///
    /// # Errors
    /// When the vector is of another space than those that are remembered.
    pub fn shown(
        &mut self,
        taken: &Taken,
        track: TrackId,
        present: &[Presence],
        shot: Embedding,
    ) -> Result<Appearance, OtherSpace> {
        if let Some(other) = self.people.first().and_then(|person| person.shots.first()) {
            shot.of_space(other.space())?;
        }
        self.forget(taken.mono);
        self.note(taken, present, true);
        let here = Presence { track, from: taken.pts, until: taken.pts };
        let here = present.iter().find(|p| p.track == track).copied().unwrap_or(here);
        let own = self.people.iter().position(|person| person.is_shown_by(taken.stretch, track));
        let Some(own) = own else {
            return Ok(match self.closest(taken.stretch, &here, std::slice::from_ref(&shot), None) {
                Some(closest) => self.join(&closest, taken, &here, vec![shot]),
                None => self.meet(taken, &here, shot),
            });
        };
        self.people[own].add(shot);
        if let Some(closest) = self.people[own].is_only(track).then(|| self.rematch(taken, &here, own)).flatten() {
            let shots = std::mem::take(&mut self.people[own].shots);
            let appearance = self.join(&closest, taken, &here, shots);
            self.people.remove(own);
            return Ok(appearance);
        }
        let visit = self.people[own].visits.iter().find(|visit| visit.is_of(taken.stretch, track));
        Ok(visit.map_or_else(|| self.people[own].appearance(None), |visit| visit.appearance.clone()))
    }

    /// Tracks of one camera are over; `taken` is the camera's last picture. Their persons are away from when they were seen
    /// last.
    pub fn left(&mut self, taken: &Taken, gone: &[Presence]) {
        self.note(taken, gone, false);
    }

    /// Forgets whoever was seen by nobody for too long.
    pub fn forget(&mut self, now: Duration) {
        let limit = self.settings.forget;
        self.people.retain(|person| person.is_in_sight() || now.saturating_sub(person.last()) <= limit);
    }

    /// Takes in how long tracks were seen.
    fn note(&mut self, taken: &Taken, tracks: &[Presence], go_on: bool) {
        for presence in tracks {
            let visits = self.people.iter_mut().flat_map(|person| &mut person.visits);
            for visit in visits.filter(|visit| visit.is_of(taken.stretch, presence.track)) {
                (visit.from, visit.until, visit.is_open) = (presence.from, presence.until, go_on);
                (visit.last, visit.last_wall) = (taken.mono_at(presence.until), taken.wall_at(presence.until));
            }
        }
    }

    /// Whether somebody new is one who was seen before, by all that is known of him now.
    fn rematch(&self, taken: &Taken, here: &Presence, own: usize) -> Option<Closest> {
        self.closest(taken.stretch, here, &self.people[own].shots, Some(own))
    }

    /// Who is closest, if he is close enough, nobody else is nearly as close, and he can be the one. Whoever cannot be the
    /// one may still be too close to tell.
    fn closest(&self, stretch: Stretch, here: &Presence, shots: &[Embedding], own: Option<usize>) -> Option<Closest> {
        let (mut best, mut next) = (None::<(usize, f32)>, -1.0f32);
        let others = self.people.iter().enumerate().filter(|(index, _)| Some(*index) != own);
        for (index, person) in others {
            let score = person.likeness(shots);
            let can_be = !person.was_beside(stretch, here);
            match best {
                Some((_, leader)) if !can_be || score <= leader => next = next.max(score),
                None if !can_be => next = next.max(score),
                _ => {
                    next = best.map_or(next, |(_, leader)| next.max(leader));
                    best = Some((index, score));
                }
            }
        }
        let (index, score) = best?;
        let margin = score - next;
        let is_one = score >= self.settings.threshold && margin >= self.settings.margin;
        is_one.then_some(Closest { index, score, margin })
    }

    /// The track is of a person who is remembered.
    fn join(&mut self, closest: &Closest, taken: &Taken, here: &Presence, shots: Vec<Embedding>) -> Appearance {
        let Closest { index, score, margin } = *closest;
        let AppearanceSettings { threshold, margin: least_margin, .. } = self.settings;
        let person = &mut self.people[index];
        let first = taken.mono_at(here.from);
        let before = person.latest().map(|visit| SeenBefore {
            camera: visit.camera.clone(),
            at: visit.last_wall,
            away: if visit.is_open { Duration::ZERO } else { first.saturating_sub(visit.last) },
            score,
            threshold,
            margin,
            least_margin,
        });
        let appearance = person.appearance(before);
        shots.into_iter().for_each(|shot| person.add(shot));
        person.visit(Visit::new(taken, here, appearance.clone()));
        appearance
    }

    /// The track is of somebody new.
    fn meet(&mut self, taken: &Taken, here: &Presence, shot: Embedding) -> Appearance {
        let is_full = self.people.len() >= self.settings.most.max(1);
        let longest_ago = self.people.iter().enumerate().min_by_key(|(_, p)| (p.is_in_sight(), p.last()));
        if let Some((index, _)) = longest_ago.filter(|_| is_full) {
            self.people.remove(index);
        }
        let id = format!("p-{:016x}", self.rng.u64(..));
        let mut person = Person::new(id, taken.wall_at(here.from), shot);
        let appearance = person.appearance(None);
        person.visit(Visit::new(taken, here, appearance.clone()));
        self.people.push(person);
        appearance
    }
}
