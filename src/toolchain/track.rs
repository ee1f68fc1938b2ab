//! The tracker alone over detections in MOT format.

use std::collections::BTreeMap;

use super::mot::Row;
use crate::track::{Settings, Tracker};
use crate::vocab::{Detection, MediaTime, Rect, Track, TrackId, TrackState};

/// How a recording is followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Frames per second.
    pub fps: f64,
    /// Width and height of the picture in pixels; without it, what the detections reach to.
    pub size: Option<(f64, f64)>,
    /// Leaves out the frames in which a track was not yet believed, and so prints just what the agent would know when it
    /// would know it. Otherwise they are added once the track is believed.
    pub is_live: bool,
    /// Frames in which a track was not seen are added, with a box between those before and after, where it was seen again
    /// within this many seconds; 0 for none.
    pub fill_gaps: f64,
    /// How the tracker decides.
    pub settings: Settings,
}

impl Recording {
    /// One of this many frames per second, of unknown size, followed with the tracker's defaults.
    pub fn at(fps: f64) -> Self {
        Self { fps, size: None, is_live: false, fill_gaps: 0.0, settings: Settings::default() }
    }
}

/// Follows what `detections` holds and returns a row per believed track and frame in which it was seen, by frame and then
/// by number.
///
/// Scores within 0..1 are taken as they are. A file whose scores are all the same has none: all count as 1. In a file
/// with scores outside 0..1, as DPM and ACF detectors give them, or with none that says that a detection is likely, no
/// threshold means anything, so they are replaced by their rank in the file, spread evenly over 0.45..1: all but the
/// worst tenth may begin tracks.
pub fn follow(detections: &[Row], recording: &Recording) -> Vec<Row> {
    let scores = Scores::of(detections);
    let size = recording.size.unwrap_or_else(|| reach(detections));
    let mut frames: BTreeMap<u32, Vec<Detection>> = BTreeMap::new();
    for row in detections {
        frames.entry(row.frame).or_default().push(detection(row, size, &scores));
    }
    let (Some(first), Some(last)) = (frames.keys().next().copied(), frames.keys().next_back().copied()) else {
        return Vec::new();
    };
    let mut output = Output { is_live: recording.is_live, ..Output::default() };
    let mut tracker = Tracker::new(recording.settings.clone());
    let mut frame = first;
    while frame <= last {
        let now = MediaTime::from_secs_f64(f64::from(frame - first) / recording.fps);
        let seen = frames.get(&frame).map_or(&[][..], Vec::as_slice);
        let tracks = tracker.step(now, seen);
        tracks.iter().for_each(|track| output.note(frame, track, now, size));
        // Frames in which nothing is followed and nothing seen would change nothing.
        let is_idle = tracks.is_empty();
        frame = if is_idle { frames.range(frame + 1..).next().map_or(last + 1, |(f, _)| *f) } else { frame + 1 };
    }
    output.rows.sort_by_key(|row| (row.id, row.frame));
    let longest = (recording.fill_gaps * recording.fps).max(0.0) as u32;
    let between: Vec<Row> = output.rows.windows(2).flat_map(|pair| gap(&pair[0], &pair[1], longest)).collect();
    output.rows.extend(between);
    output.rows.sort_by_key(|row| (row.frame, row.id));
    output.rows
}

/// The rows between two of the same track that are at most `longest` frames apart.
fn gap(from: &Row, to: &Row, longest: u32) -> impl Iterator<Item = Row> {
    let frames = if from.id == to.id { to.frame - from.frame } else { 0 };
    let (from, to) = (*from, *to);
    (1..frames).filter(move |_| frames <= longest).map(move |i| {
        let at = |from: f64, to: f64| from + (to - from) * f64::from(i) / f64::from(frames);
        Row {
            frame: from.frame + i,
            left: at(from.left, to.left),
            top: at(from.top, to.top),
            width: at(from.width, to.width),
            height: at(from.height, to.height),
            score: from.score.min(to.score),
            ..from
        }
    })
}

fn reach(detections: &[Row]) -> (f64, f64) {
    let right = detections.iter().map(|row| row.left + row.width).fold(1.0, f64::max);
    let bottom = detections.iter().map(|row| row.top + row.height).fold(1.0, f64::max);
    (right, bottom)
}

fn detection(row: &Row, (width, height): (f64, f64), scores: &Scores) -> Detection {
    let (right, bottom) = (row.left + row.width, row.top + row.height);
    let edges = [row.left / width, row.top / height, right / width, bottom / height];
    let bbox = Rect::from(edges.map(|edge| edge as f32));
    Detection::new(u16::try_from(row.class).unwrap_or(0), scores.normalised(row.score), bbox)
}

/// A confidence above which a detection is rather right than wrong.
const LIKELY: f64 = 0.5;

/// The score that the worst rank stands for.
const WORST_RANK: f32 = 0.45;

/// What a file's scores mean.
#[derive(Debug, PartialEq)]
enum Scores {
    /// Confidence, 0..1.
    Confidence,
    /// Nothing.
    None,
    /// An order; all scores, sorted.
    Order(Vec<f64>),
}

impl Scores {
    fn of(detections: &[Row]) -> Self {
        let mut scores: Vec<f64> = detections.iter().map(|row| row.score).collect();
        scores.sort_unstable_by(f64::total_cmp);
        match (scores.first(), scores.last()) {
            (Some(least), Some(most)) if least == most => Self::None,
            (Some(least), Some(most)) if *least < 0.0 || *most > 1.0 || *most < LIKELY => Self::Order(scores),
            _ => Self::Confidence,
        }
    }

    fn normalised(&self, score: f64) -> f32 {
        match self {
            Self::Confidence => score as f32,
            Self::None => 1.0,
            Self::Order(sorted) => {
                let below = sorted.partition_point(|s| *s < score);
                WORST_RANK + (1.0 - WORST_RANK) * below as f32 / (sorted.len() - 1) as f32
            }
        }
    }
}

/// Rows to print, and those of tracks that are not yet believed.
#[derive(Debug, Default)]
struct Output {
    rows: Vec<Row>,
    tentative: BTreeMap<TrackId, Vec<Row>>,
    is_live: bool,
}

impl Output {
    fn note(&mut self, frame: u32, track: &Track, now: MediaTime, size: (f64, f64)) {
        match track.state {
            TrackState::Confirmed => {
                self.rows.append(&mut self.tentative.remove(&track.id).unwrap_or_default());
                self.rows.push(row(frame, track, size));
            }
            TrackState::Tentative if !self.is_live && track.last_seen == now => {
                self.tentative.entry(track.id).or_default().push(row(frame, track, size));
            }
            TrackState::Ended => drop(self.tentative.remove(&track.id)),
            TrackState::Tentative | TrackState::Lost => {}
        }
    }
}

fn row(frame: u32, track: &Track, (width, height): (f64, f64)) -> Row {
    let [x1, y1, x2, y2] = <[f32; 4]>::from(track.bbox).map(f64::from);
    Row {
        frame,
        id: i64::try_from(track.id).unwrap_or(i64::MAX),
        left: x1 * width,
        top: y1 * height,
        width: (x2 - x1) * width,
        height: (y2 - y1) * height,
        score: f64::from(track.score),
        class: -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(frames: std::ops::RangeInclusive<u32>, score: f64) -> Vec<Row> {
        let row = |frame| Row {
            frame,
            id: -1,
            left: 3.0 * f64::from(frame),
            top: 50.0,
            width: 40.0,
            height: 100.0,
            score,
            class: -1,
        };
        frames.map(row).collect()
    }

    #[test]
    fn one_who_walks_is_one_track_from_its_first_frame_on() {
        let rows = follow(&walk(1..=20, 0.9), &Recording::at(10.0));
        assert_eq!(rows.iter().map(|row| row.frame).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
        assert!(rows.iter().all(|row| row.id == 1 && (row.left - 3.0 * f64::from(row.frame)).abs() < 3.0));
    }

    #[test]
    fn gaps_are_filled_up_to_the_length_asked_for() {
        let rows = [walk(1..=10, 0.9), walk(14..=20, 0.9), walk(28..=40, 0.9)].concat();
        let filled = follow(&rows, &Recording { fill_gaps: 0.5, ..Recording::at(10.0) });
        let frames: Vec<u32> = filled.iter().map(|row| row.frame).collect();
        assert_eq!(frames, (1..=20).chain(28..=40).collect::<Vec<_>>());
        assert!(filled.iter().all(|row| row.id == 1 && (row.left - 3.0 * f64::from(row.frame)).abs() < 3.0));
        assert_eq!(follow(&rows, &Recording::at(10.0)).len(), 30);
    }

    #[test]
    fn live_output_begins_when_the_track_is_believed() {
        let live = Recording { is_live: true, ..Recording::at(10.0) };
        let rows = follow(&walk(1..=20, 0.9), &live);
        assert_eq!(rows.first().map(|row| row.frame), Some(3));
    }

    #[test]
    fn the_unit_of_pixels_makes_no_difference() {
        let scale = |row: &Row| Row {
            left: row.left * 4.0,
            width: row.width * 4.0,
            top: row.top / 2.0,
            height: row.height / 2.0,
            ..*row
        };
        let rows = follow(&walk(1..=20, 0.9), &Recording::at(10.0));
        let scaled = follow(&walk(1..=20, 0.9).iter().map(scale).collect::<Vec<_>>(), &Recording::at(10.0));
        for (a, b) in rows.iter().map(scale).zip(&scaled) {
            assert!((a.left - b.left).abs() < 1e-3 && (a.height - b.height).abs() < 1e-3, "{a:?} {b:?}");
        }
        assert_eq!(rows.len(), scaled.len());
    }

    #[test]
    fn scores_of_any_range_are_understood() {
        let file = |scores: &[f64]| scores.iter().flat_map(|s| walk(1..=1, *s)).collect::<Vec<_>>();
        let normalised = |scores: &[f64]| -> Vec<f32> {
            let meaning = Scores::of(&file(scores));
            scores.iter().map(|s| meaning.normalised(*s)).collect()
        };
        assert_eq!(normalised(&[0.2, 0.9]), [0.2, 0.9]);
        assert_eq!(normalised(&[-1.0, -1.0]), [1.0, 1.0]);
        assert_eq!(normalised(&[1.0, 1.0]), [1.0, 1.0]);
        assert_eq!(normalised(&[90.0, 30.0, 60.0]), [1.0, 0.45, 0.725]);
        assert_eq!(normalised(&[-0.5, 2.0]), [0.45, 1.0]);
        assert_eq!(normalised(&[0.01, 0.03]), [0.45, 1.0]);
    }

    #[test]
    fn a_file_with_a_gap_of_a_year_takes_no_year() {
        let rows = [walk(1..=10, 0.9), walk(30_000_000..=30_000_010, 0.9)].concat();
        let followed = follow(&rows, &Recording::at(10.0));
        assert_eq!(followed.iter().map(|row| row.id).max(), Some(2));
        assert!(follow(&[], &Recording::at(10.0)).is_empty());
    }
}
