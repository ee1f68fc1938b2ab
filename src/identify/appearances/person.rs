//! One person who is remembered by how he looks.

use std::time::Duration;

use super::{CAMERAS, Presence, SHOTS, Stretch, Taken};
use crate::identify::embedding::{Embedding, dot};
use crate::vocab::{Appearance, Id, MediaTime, SeenBefore, TrackId, WallTime};

/// See the file's head.
#[derive(Debug)]
pub(super) struct Person {
    id: String,
    first_seen: WallTime,
    /// The newest vectors; never none, but for the moment in which one is joined to another.
    pub shots: Vec<Embedding>,
    /// Where the next one goes once there are enough.
    oldest: usize,
    /// The tracks: those that have not ended, and the last one of each camera.
    pub visits: Vec<Visit>,
    cameras: Vec<Id>,
}

/// One track of a person.
#[derive(Debug)]
pub(super) struct Visit {
    pub camera: Id,
    stretch: Stretch,
    track: TrackId,
    pub from: MediaTime,
    pub until: MediaTime,
    /// `until` on the clock that all cameras share.
    pub last: Duration,
    pub last_wall: WallTime,
    /// Whether the track has not ended.
    pub is_open: bool,
    /// What was told of it.
    pub appearance: Appearance,
}

impl Visit {
    pub fn new(taken: &Taken, here: &Presence, appearance: Appearance) -> Self {
        Self {
            camera: taken.camera.clone(),
            stretch: taken.stretch,
            track: here.track,
            from: here.from,
            until: here.until,
            last: taken.mono_at(here.until),
            last_wall: taken.wall_at(here.until),
            is_open: true,
            appearance,
        }
    }

    pub fn is_of(&self, stretch: Stretch, track: TrackId) -> bool {
        self.stretch == stretch && self.track == track
    }
}

impl Person {
    pub fn new(id: String, first_seen: WallTime, shot: Embedding) -> Self {
        Self { id, first_seen, shots: vec![shot], oldest: 0, visits: Vec::new(), cameras: Vec::new() }
    }

    /// Keeps one vector more, in the place of the oldest where there are enough.
    pub fn add(&mut self, shot: Embedding) {
        if self.shots.len() < SHOTS {
            self.shots.push(shot);
            return;
        }
        self.shots[self.oldest] = shot;
        self.oldest = (self.oldest + 1) % SHOTS;
    }

    /// Keeps a track. Of the others of its camera only those that have not ended say more.
    pub fn visit(&mut self, visit: Visit) {
        self.visits
            .retain(|earlier| earlier.stretch != visit.stretch && (earlier.is_open || earlier.camera != visit.camera));
        if !self.cameras.contains(&visit.camera) {
            self.cameras.push(visit.camera.clone());
        }
        self.visits.push(visit);
        if self.visits.len() > CAMERAS {
            self.visits.remove(0);
        }
        if self.cameras.len() > CAMERAS {
            self.cameras.remove(0);
        }
    }

    /// What is told of a track that is his from now on.
    pub fn appearance(&self, before: Option<SeenBefore>) -> Appearance {
        Appearance {
            id: self.id.clone(),
            first_seen: self.first_seen,
            cameras: self.cameras.clone(),
            before,
            space: self.shots.first().map_or_else(String::new, |shot| shot.space().to_string()),
        }
    }

    pub fn is_shown_by(&self, stretch: Stretch, track: TrackId) -> bool {
        self.visits.iter().any(|visit| visit.is_of(stretch, track))
    }

    /// Whether no other track than this was ever his.
    pub fn is_only(&self, track: TrackId) -> bool {
        matches!(&self.visits[..], [visit] if visit.track == track && visit.appearance.before.is_none())
    }

    /// Whether he has another track that was seen when this one was, or may still be.
    pub fn was_beside(&self, stretch: Stretch, here: &Presence) -> bool {
        let mut others = self.visits.iter().filter(|visit| visit.stretch == stretch && visit.track != here.track);
        others.any(|visit| visit.is_open || (visit.from <= here.until && here.from <= visit.until))
    }

    pub fn is_in_sight(&self) -> bool {
        self.visits.iter().any(|visit| visit.is_open)
    }

    /// When he was seen last.
    pub fn last(&self) -> Duration {
        self.latest().map_or(Duration::ZERO, |visit| visit.last)
    }

    /// The track that was seen last, or is seen still.
    pub fn latest(&self) -> Option<&Visit> {
        self.visits.iter().max_by_key(|visit| (visit.is_open, visit.last))
    }

    /// The cosine of the closest pair of vectors.
    pub fn likeness(&self, shots: &[Embedding]) -> f32 {
        let pairs = self.shots.iter().flat_map(|own| shots.iter().map(|shot| dot(own.unit(), shot.unit())));
        pairs.fold(-1.0, f32::max)
    }
}
