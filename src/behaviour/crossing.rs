//! Who crosses a line: the path of each track against one line, which its count and all rules about it share.
//!
//! ```text
//!              clear of the line by `margin`                  clear of it on the other side
//!   Unsettled ──────────────────────────────► Settled(left) ⇄ Settled(right)
//! ```
//!
//! A track is first settled on the side on which it is clear of the endless line by the margin. From sighting to sighting
//! its path is taken as straight; where it changes sides, the point in which it does so is on the line's piece or beside
//! it. Once the track is clear of the line on the other side, it is settled there, and has crossed if that point was on
//! the piece. So:
//!
//! - jitter about the line counts nothing, and neither does coming up to it and turning back;
//! - walking around the end of the line counts nothing;
//! - one who was never clear of the line on the first side has not come from there, and counts nothing;
//! - a fast object may jump over the line between two frames and is counted;
//! - a `Lost` track's predicted box moves nothing: its path goes on from its last sighting to its next.
//!
//! The crossing is timed by the first sighting beyond the line.

use std::time::Duration;

use super::presence::is_sighting;
use super::scores::Scores;
use super::settings::{Line, ScoreOf};
use crate::vocab::{MediaTime, Point, Segment, Side, Track, TrackId};

/// A track that is not reported for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// A track went over a line.
#[derive(Debug, Clone)]
pub(super) struct Crossing {
    /// The track as it is now.
    pub track: Track,
    /// The side it came to.
    pub to: Side,
    /// When it was first seen beyond the line.
    pub at: MediaTime,
    scores: Scores,
}

impl Crossing {
    /// The score that a rule compares.
    pub(super) fn score(&self, of: ScoreOf) -> f32 {
        self.scores.of(of, self.track.best_score)
    }
}

/// A line and the paths near it.
#[derive(Debug)]
pub(super) struct LineWatch {
    pub line: Line,
    paths: Vec<Path>,
    crossings: Vec<Crossing>,
}

#[derive(Debug)]
struct Path {
    track: TrackId,
    reported: MediaTime,
    last: Point,
    /// Which side `last` lies on; a point on the line itself keeps the side before.
    side: Option<Side>,
    settled: Option<Side>,
    /// When the side last changed, and whether on the piece.
    changed: Option<(MediaTime, bool)>,
    scores: Scores,
}

impl LineWatch {
    pub(super) fn new(line: Line) -> Self {
        Self { line, paths: Vec::new(), crossings: Vec::new() }
    }

    /// Those that crossed in the last step.
    pub(super) fn crossings(&self) -> &[Crossing] {
        &self.crossings
    }

    pub(super) fn look(&mut self, now: MediaTime, tracks: &[Track]) {
        self.crossings.clear();
        for track in tracks {
            let known = self.paths.iter().position(|path| path.track == track.id);
            if let Some(index) = known {
                self.paths[index].reported = now;
            }
            if !is_sighting(track, now) {
                known.into_iter().for_each(|index| self.paths[index].scores.miss(now));
                continue;
            }
            let point = self.line.anchor.of(&track.bbox);
            let index = known.unwrap_or_else(|| {
                self.paths.push(Path::new(track.id, point, now));
                self.paths.len() - 1
            });
            let path = &mut self.paths[index];
            path.scores.see(track.score, now);
            if let Some((to, at)) = path.go_to(point, &self.line, now) {
                self.crossings.push(Crossing { track: track.clone(), to, at, scores: path.scores });
            }
        }
        self.paths.retain(|path| now.since(path.reported) < FORGET_AFTER);
    }

    /// Nothing crosses while nothing is looked at.
    pub(super) fn wait(&mut self) {
        self.crossings.clear();
    }

    /// Tracks before and after this moment have nothing to do with each other.
    pub(super) fn cut(&mut self) {
        self.crossings.clear();
        self.paths.clear();
    }
}

impl Path {
    fn new(track: TrackId, at: Point, now: MediaTime) -> Self {
        Self { track, reported: now, last: at, side: None, settled: None, changed: None, scores: Scores::default() }
    }

    /// Moves on to `point`; returns the side it came to and when, if it crossed.
    fn go_to(&mut self, point: Point, line: &Line, now: MediaTime) -> Option<(Side, MediaTime)> {
        let side = line.segment.side(point).or(self.side);
        if side != self.side && self.side.is_some() {
            self.changed = Some((now, meets(&line.segment, self.last, point)));
        }
        (self.side, self.last) = (side, point);
        let side = side?;
        if distance(&line.segment, point) <= line.margin {
            return None;
        }
        let came_from = self.settled.replace(side);
        let changed = self.changed.take();
        let (at, on_the_piece) = changed?;
        (came_from.is_some_and(|from| from != side) && on_the_piece).then_some((side, at))
    }
}

/// Whether the straight way from `a` to `b`, which lie on different sides of the endless line, goes through the piece.
fn meets(line: &Segment, a: Point, b: Point) -> bool {
    let (from_a, from_b) = (line.cross(a), line.cross(b));
    let share = from_a / (from_a - from_b);
    let (x, y) = (a.x + share * (b.x - a.x), a.y + share * (b.y - a.y));
    let (dx, dy) = (line.to.x - line.from.x, line.to.y - line.from.y);
    let along = ((x - line.from.x) * dx + (y - line.from.y) * dy) / (dx * dx + dy * dy);
    (0.0..=1.0).contains(&along)
}

/// From the endless line, without regard to the aspect of the picture.
fn distance(line: &Segment, p: Point) -> f32 {
    let length = line.length();
    if length > 0.0 { line.cross(p).abs() / length } else { 0.0 }
}
