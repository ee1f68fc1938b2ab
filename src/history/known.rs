//! Tracks in the numbers in which they are kept, and what is expected of them from one look to the next.

use crate::vocab::{MediaTime, Rect, Track, TrackId, TrackState, Trunk};

/// Parts of a picture in which edges are kept.
const PARTS: f32 = 16384.0;
/// Parts of 1 in which scores are kept.
const THOUSAND: f32 = 1000.0;

/// A track as it was last written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub id: TrackId,
    pub class: u16,
    /// In thousandths.
    pub score: u16,
    /// In thousandths.
    pub best: u16,
    /// In parts of the picture.
    pub edges: [i64; 4],
    /// How far each of them moved last.
    pub step: [i64; 4],
    pub first_seen: MediaTime,
    pub last_seen: MediaTime,
    pub hits: u32,
}

impl Known {
    /// A track that nothing is known of.
    pub(super) fn new(id: TrackId) -> Self {
        let (first_seen, last_seen) = (MediaTime::ZERO, MediaTime::ZERO);
        Self { id, class: 0, score: 0, best: 0, edges: [0; 4], step: [0; 4], first_seen, last_seen, hits: 0 }
    }

    /// `track` in these numbers, after it was known like this.
    pub(super) fn next(&self, track: &Track) -> Self {
        let edges = <[f32; 4]>::from(track.bbox).map(parts);
        Self {
            id: track.id,
            class: track.class,
            score: thousandths(track.score),
            best: thousandths(track.best_score),
            edges,
            step: std::array::from_fn(|i| edges[i].wrapping_sub(self.edges[i])),
            first_seen: track.first_seen,
            last_seen: track.last_seen,
            hits: track.hits,
        }
    }

    /// Where its edges are expected next.
    pub(super) fn expected(&self) -> [i64; 4] {
        std::array::from_fn(|i| self.edges[i].wrapping_add(self.step[i]))
    }

    /// Best score, detections and sightings as they follow from the look before.
    pub(super) fn follow(&mut self, now: MediaTime, is_seen: bool) {
        self.best = self.best.max(self.score);
        if is_seen {
            self.hits = self.hits.saturating_add(1);
            self.last_seen = now;
        }
    }

    /// The track that these numbers stand for.
    pub(super) fn track(&self, state: TrackState) -> Track {
        let [x1, y1, x2, y2] = self.edges.map(|edge| edge as f32 / PARTS);
        Track {
            state,
            best_score: f32::from(self.best) / THOUSAND,
            last_seen: self.last_seen,
            hits: self.hits,
            ..Track::new(
                self.id,
                self.class,
                f32::from(self.score) / THOUSAND,
                Rect::new(x1, y1, x2, y2),
                self.first_seen,
            )
        }
    }
}

/// The track `id` of the look before. Tracks come in the order of their numbers, so that it is sought from `place` on, where it
/// stands now: usually it stood there.
pub(super) fn find(known: &[Known], id: TrackId, place: usize) -> Option<&Known> {
    let (earlier, later) = known.split_at(place.min(known.len()));
    later.iter().chain(earlier).find(|known| known.id == id)
}

/// The track as it is kept.
pub fn rounded(track: &Track) -> Track {
    let trunk = track.trunk.and_then(|trunk| Stance::of(&trunk)).map(Stance::trunk);
    Track { trunk, ..Known::new(track.id).next(track).track(track.state) }
}

/// How a trunk stands: degrees, and thousandths of the picture's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stance {
    pub degrees: u16,
    pub length: u16,
}

impl Stance {
    /// None of a trunk that is too short to be kept.
    pub(super) fn of(trunk: &Trunk) -> Option<Self> {
        let length = thousandths(trunk.length);
        (length > 0).then_some(Self { degrees: trunk.inclination.round() as u16, length })
    }

    pub(super) fn trunk(self) -> Trunk {
        Trunk { inclination: f32::from(self.degrees), length: f32::from(self.length) / THOUSAND }
    }
}

/// Boxes that are no numbers become the corner of the picture; rules do not look at them either way.
fn parts(edge: f32) -> i64 {
    (edge * PARTS).round() as i64
}

fn thousandths(score: f32) -> u16 {
    (score * THOUSAND).round() as u16
}
