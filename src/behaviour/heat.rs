//! Heat and flow: for how long those who are followed stand in each part of the picture, and which way they go there.
//!
//! What counts is the foot of a confirmed track, the middle of its box's lower edge. Between two sightings it is taken to
//! have gone straight and evenly, so that the map does not depend on how often somebody is looked at; of a time for which
//! nobody looked, no more than [`LONGEST`] counts.
//!
//! A map holds one hour of the wall clock. Time within it is measured on the media clock, so that a clock that is set
//! neither stretches nor shrinks it:
//!
//! ```text
//!   the wall clock is in the same hour, or up to SET_BACK before it ──▶ the map goes on
//!   it is in a later hour, or in one long past ──▶ the map is over; the next begins
//! ```
//!
//! All of it is one grid of fixed size, and one place for each track.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::vocab::{HEAT_COLUMNS, HEAT_ROWS, HeatMap, MediaTime, Point, Track, TrackId, TrackState, WallTime};

/// The longest time between two sightings, or two pictures, that counts.
const LONGEST: Duration = Duration::from_secs(5);
/// How far the clock may be set back across the hour without ending the map.
const SET_BACK: i64 = 600 * SECOND;
const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const CELLS: usize = HEAT_COLUMNS * HEAT_ROWS;

/// The map of one camera, as far as the hour has come.
#[derive(Debug)]
pub struct Heat {
    from: Option<WallTime>,
    until: WallTime,
    watched: Duration,
    last: Option<MediaTime>,
    tracks: u64,
    dwell: Vec<f32>,
    /// The sum of all movement in each cell, in widths and heights of the picture.
    moved: Vec<[f32; 2]>,
    feet: Vec<Foot>,
}

/// Where a track's foot was last seen.
#[derive(Debug)]
struct Foot {
    track: TrackId,
    at: Point,
    seen: MediaTime,
    /// Whether it was in a step of the present.
    kept: bool,
}

/// A map as it outlives a restart: cells in which nothing was are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedHeat {
    from: i64,
    until: i64,
    watched_ms: u64,
    tracks: u64,
    cells: Vec<(u16, f32, f32, f32)>,
}

impl Default for Heat {
    fn default() -> Self {
        Self::new()
    }
}

impl Heat {
    /// An empty map; its hour begins with the first picture.
    pub fn new() -> Self {
        Self {
            from: None,
            until: WallTime::default(),
            watched: Duration::ZERO,
            last: None,
            tracks: 0,
            dwell: vec![0.0; CELLS],
            moved: vec![[0.0; 2]; CELLS],
            feet: Vec::new(),
        }
    }

    /// A picture was taken: returns the map of the hour before when this one begins another.
    pub fn watch(&mut self, now: MediaTime, wall: WallTime) -> Option<HeatMap> {
        let over = if self.is_over(wall) { self.finish() } else { None };
        self.from.get_or_insert(wall);
        self.until = self.until.max(wall);
        let passed = self.last.replace(now).map_or(Duration::ZERO, |last| now.since(last));
        self.watched += passed.min(LONGEST);
        over
    }

    /// Takes in the tracks of one step of the tracker.
    pub fn step(&mut self, now: MediaTime, tracks: &[Track]) {
        for track in tracks.iter().filter(|track| track.state == TrackState::Confirmed) {
            let at = Point::new((track.bbox.x1 + track.bbox.x2) / 2.0, track.bbox.y2);
            match self.feet.iter().position(|foot| foot.track == track.id) {
                Some(index) => {
                    let foot = &mut self.feet[index];
                    let (from, since) = (foot.at, foot.seen);
                    (foot.at, foot.seen, foot.kept) = (at, now, true);
                    self.tread(from, at, now.since(since));
                }
                None => {
                    self.tracks += 1;
                    self.feet.push(Foot { track: track.id, at, seen: now, kept: true });
                }
            }
        }
        // Who is lost may be found again; who has ended is reported once and then no more.
        for track in tracks.iter().filter(|track| track.state == TrackState::Lost) {
            self.feet.iter_mut().filter(|foot| foot.track == track.id).for_each(|foot| foot.kept = true);
        }
        self.feet.retain_mut(|foot| std::mem::take(&mut foot.kept));
    }

    /// What must outlive a restart; none before the first picture.
    pub fn saved(&self) -> Option<SavedHeat> {
        let full = |(cell, dwell): (usize, &f32)| {
            let [x, y] = self.moved[cell];
            (*dwell > 0.0).then_some((cell as u16, *dwell, x, y))
        };
        Some(SavedHeat {
            from: self.from?.unix_nanos(),
            until: self.until.unix_nanos(),
            watched_ms: u64::try_from(self.watched.as_millis()).unwrap_or(u64::MAX),
            tracks: self.tracks,
            cells: self.dwell.iter().enumerate().filter_map(full).collect(),
        })
    }

    /// Goes on with a map that was saved; whether its hour is over is seen at the next picture.
    pub fn restore(&mut self, saved: &SavedHeat) {
        self.from = Some(WallTime::from_unix_nanos(saved.from));
        self.until = WallTime::from_unix_nanos(saved.until);
        self.watched = Duration::from_millis(saved.watched_ms);
        self.tracks = saved.tracks;
        for (cell, dwell, x, y) in saved.cells.iter().filter(|(cell, ..)| usize::from(*cell) < CELLS) {
            self.dwell[usize::from(*cell)] = *dwell;
            self.moved[usize::from(*cell)] = [*x, *y];
        }
    }

    fn is_over(&self, wall: WallTime) -> bool {
        let Some(from) = self.from else { return false };
        let begin = from.unix_nanos().div_euclid(HOUR) * HOUR;
        let at = wall.unix_nanos();
        at >= begin + HOUR || at < begin - SET_BACK
    }

    /// The map as it is, which begins anew. `None` where there was no picture.
    fn finish(&mut self) -> Option<HeatMap> {
        let from = self.from.take()?;
        let flow = self.moved.iter().zip(&self.dwell).map(|([x, y], dwell)| {
            let seconds = dwell.max(f32::EPSILON);
            [x / seconds, y / seconds]
        });
        let map = HeatMap {
            from,
            until: self.until,
            watched: self.watched,
            tracks: self.tracks,
            flow: flow.collect(),
            dwell: self.dwell.clone(),
        };
        self.dwell.fill(0.0);
        self.moved.fill([0.0; 2]);
        (self.until, self.watched) = (WallTime::default(), Duration::ZERO);
        // Who is there goes on into the next.
        self.tracks = self.feet.len() as u64;
        Some(map)
    }

    /// Somebody went from here to there in this time.
    fn tread(&mut self, from: Point, to: Point, took: Duration) {
        let seconds = took.min(LONGEST).as_secs_f32();
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        // At least one step in each cell on the way.
        let steps = (dx.abs() * HEAT_COLUMNS as f32).max(dy.abs() * HEAT_ROWS as f32).ceil().clamp(1.0, 128.0);
        for step in 0..steps as usize {
            let part = (step as f32 + 0.5) / steps;
            let cell = cell(Point::new(from.x + dx * part, from.y + dy * part));
            self.dwell[cell] += seconds / steps;
            self.moved[cell][0] += dx / steps;
            self.moved[cell][1] += dy / steps;
        }
    }
}

/// The cell in which a point is; the nearest, for one outside of the picture.
fn cell(at: Point) -> usize {
    let along = |part: f32, of: usize| ((part * of as f32).max(0.0) as usize).min(of - 1);
    along(at.y, HEAT_ROWS) * HEAT_COLUMNS + along(at.x, HEAT_COLUMNS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vocab::Rect;

    /// 2026-11-23T12:00:00Z.
    const NOON: i64 = 1_795_435_200 * SECOND;

    fn wall(seconds: f64) -> WallTime {
        WallTime::from_unix_nanos(NOON + (seconds * 1e9) as i64)
    }

    fn media(seconds: f64) -> MediaTime {
        MediaTime::from_secs_f64(seconds)
    }

    /// Somebody whose foot is there.
    fn track(id: TrackId, x: f32, y: f32) -> Track {
        Track {
            state: TrackState::Confirmed,
            hits: 9,
            ..Track::new(id, 0, 0.9, Rect::new(x - 0.05, y - 0.3, x + 0.05, y), MediaTime::ZERO)
        }
    }

    /// Films from `from` to `to` seconds after noon, `fps` pictures a second; the last map that was over.
    fn film(heat: &mut Heat, (from, to): (f64, f64), fps: f64, who: impl Fn(f64) -> Vec<Track>) -> Option<HeatMap> {
        let mut over = None;
        for i in 0..((to - from) * fps) as u32 {
            let at = from + f64::from(i) / fps;
            over = heat.watch(media(at), wall(at)).or(over);
            heat.step(media(at), &who(at));
        }
        over
    }

    fn total(map: &HeatMap) -> f32 {
        map.dwell.iter().sum()
    }

    #[test]
    fn whoever_stands_warms_one_cell_and_whoever_walks_all_on_his_way() {
        let mut heat = Heat::new();
        film(&mut heat, (0.0, 101.0), 5.0, |_| vec![track(1, 0.505, 0.5)]);
        film(&mut heat, (101.0, 121.0), 5.0, |at| vec![track(2, (at - 101.0) as f32 / 20.0, 0.9)]);
        let map = heat.watch(media(122.0), wall(3601.0)).unwrap();
        assert_eq!((map.tracks, map.from, map.until), (2, wall(0.0), wall(120.8)));
        assert!((map.most() - 100.8).abs() < 0.5, "{}", map.most());
        let (x, y) = map.busiest().unwrap();
        assert!((x - 0.505).abs() < 0.02 && (y - 0.51).abs() < 0.02, "{x} {y}");
        let row = &map.dwell[32 * HEAT_COLUMNS..33 * HEAT_COLUMNS];
        assert!(row[1..62].iter().all(|dwell| (dwell - 20.0 / 64.0).abs() < 0.25), "{row:?}");
        let flow = map.flow[32 * HEAT_COLUMNS + 30];
        assert!((flow[0] - 0.05).abs() < 0.005 && flow[1].abs() < 1e-4, "{flow:?}");
    }

    #[test]
    fn each_hour_of_the_wall_clock_has_its_own_map() {
        let mut heat = Heat::new();
        assert_eq!(film(&mut heat, (3500.0, 3600.0), 1.0, |_| vec![track(1, 0.5, 0.5)]), None);
        let map = film(&mut heat, (3600.0, 3700.0), 1.0, |_| vec![track(1, 0.5, 0.5)]).unwrap();
        assert!((total(&map) - 99.0).abs() < 1.5, "{}", total(&map));
        assert_eq!(map.watched, Duration::from_secs(99));
        let next = heat.watch(media(7200.0), wall(7200.0)).unwrap();
        assert_eq!((next.from, next.tracks), (wall(3600.0), 1), "whoever is still there is in the next as well");
        assert!((total(&next) - 100.0).abs() < 1.5, "{}", total(&next));
    }

    #[test]
    fn a_clock_that_is_set_ends_a_map_only_where_it_leaves_the_hour_for_good() {
        let mut heat = Heat::new();
        heat.watch(media(0.0), wall(3605.0));
        assert_eq!(heat.watch(media(1.0), wall(3595.0)), None, "set back a little, across the hour");
        assert_eq!(heat.watch(media(2.0), wall(3606.0)), None);
        let ahead = heat.watch(media(3.0), wall(90_000.0)).unwrap();
        assert_eq!((ahead.watched, ahead.until), (Duration::from_secs(2), wall(3606.0)));
        let back = heat.watch(media(4.0), wall(0.0)).unwrap();
        assert_eq!(back.from, wall(90_000.0));
    }

    #[test]
    fn a_map_goes_on_after_a_restart_and_one_of_an_hour_long_past_is_over() {
        let mut heat = Heat::new();
        film(&mut heat, (0.0, 60.0), 5.0, |_| vec![track(1, 0.5, 0.5)]);
        let saved: SavedHeat = serde_json::from_slice(&serde_json::to_vec(&heat.saved().unwrap()).unwrap()).unwrap();
        let mut next = Heat::new();
        next.restore(&saved);
        assert_eq!(next.watch(media(0.0), wall(300.0)), None);
        let mut late = Heat::new();
        late.restore(&saved);
        let map = late.watch(media(0.0), wall(9000.0)).unwrap();
        assert!((total(&map) - 59.8).abs() < 0.1 && map.tracks == 1, "{}", total(&map));
    }

    #[test]
    fn what_was_saved_by_anybody_is_taken_as_far_as_it_makes_sense() {
        let mut heat = Heat::new();
        let cells = vec![(60_000, 1.0, 0.0, 0.0), (5, 2.0, 0.0, 0.0)];
        heat.restore(&SavedHeat { from: NOON, until: NOON, watched_ms: 1, tracks: 1, cells });
        assert_eq!(heat.saved().unwrap().cells, [(5, 2.0, 0.0, 0.0)]);
    }

    #[test]
    fn a_time_in_which_nobody_looked_does_not_count() {
        let mut heat = Heat::new();
        for at in [0.0, 1.0, 1000.0] {
            heat.watch(media(at), wall(at));
            heat.step(media(at), &[track(1, 0.5, 0.5)]);
        }
        let map = heat.watch(media(1001.0), wall(3600.0)).unwrap();
        assert_eq!((total(&map), map.watched), (6.0, Duration::from_secs(6)));
    }

    proptest! {
        #[test]
        fn the_rate_of_looking_changes_nothing(fps in 1.0f64..25.0, pace in 0.0f32..0.03, y in 0.0f32..1.0) {
            let map = |fps| {
                let mut heat = Heat::new();
                film(&mut heat, (0.0, 30.0), fps, |at| vec![track(1, at as f32 * pace, y)]);
                heat.watch(media(30.0), wall(3600.0)).unwrap()
            };
            let (usual, this) = (map(10.0), map(fps));
            prop_assert!((total(&usual) - total(&this)).abs() <= 0.2 + 2.1 / fps as f32);
            for (a, b) in usual.dwell.iter().zip(&this.dwell) {
                prop_assert!((a - b).abs() <= 0.6 + 2.1 / fps as f32, "{} {}", a, b);
            }
        }

        #[test]
        fn every_second_of_whoever_is_followed_is_somewhere(
            steps in proptest::collection::vec((-0.5f32..1.5, -0.5f32..1.5, 0.0f64..8.0), 1..60),
        ) {
            let (mut heat, mut at, mut expected) = (Heat::new(), 0.0, 0.0);
            for (index, (x, y, wait)) in steps.into_iter().enumerate() {
                at += wait;
                expected += if index == 0 { 0.0 } else { wait.min(5.0) };
                heat.watch(media(at), wall(at));
                heat.step(media(at), &[track(1, x, y)]);
            }
            let map = heat.watch(media(at), wall(3600.0)).unwrap();
            prop_assert!((f64::from(total(&map)) - expected).abs() < 0.01, "{} {}", total(&map), expected);
        }
    }
}
