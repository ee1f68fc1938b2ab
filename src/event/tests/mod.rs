//! What the narrator tells, when it tells it, and in which words.

mod narration;
mod words;

use crate::vocab::{
    ClockState, Firing, FiringKind, FiringPhase, Id, Labels, Measure, MediaTime, ModelFacts, Place, Rect, Severity,
    Track, TrackState, WallTime,
};

use super::{Context, Narrator, Settings};

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn at(seconds: f64) -> MediaTime {
    MediaTime::from_secs_f64(seconds)
}

/// 2026-11-23T12:00:00Z plus `seconds`.
fn wall(seconds: f64) -> WallTime {
    WallTime::from_unix_nanos(1_795_435_200_000_000_000).plus(std::time::Duration::from_secs_f64(seconds))
}

fn model() -> ModelFacts {
    ModelFacts {
        name: "people".into(),
        version: "1.2".into(),
        sha256: "0123456789abcdef".repeat(4),
        provider: "cpu".into(),
        threshold: 0.4,
    }
}

/// A stage on which the media clock began at noon.
struct Stage {
    labels: Labels,
    model: ModelFacts,
}

impl Stage {
    fn new() -> Self {
        Self { labels: Labels::new(["person", "car"]), model: model() }
    }

    fn at(&self, seconds: f64) -> Context<'_> {
        Context {
            pts: at(seconds),
            captured: wall(seconds),
            clock: ClockState::Synced,
            model: Some(&self.model),
            config_revision: "0123456789ab",
            labels: &self.labels,
        }
    }
}

fn narrator(change: impl FnOnce(&mut Settings)) -> Narrator {
    let mut settings = Settings::new(id("gate-north"), Some(id("door")), 7);
    change(&mut settings);
    Narrator::new(settings)
}

fn track(number: u64, seconds: f64, best_score: f32) -> Track {
    Track {
        state: TrackState::Confirmed,
        best_score,
        last_seen: at(seconds),
        hits: 5,
        ..Track::new(number, 0, 0.8, Rect::new(0.1, 0.2, 0.2, 0.6), at(0.5))
    }
}

fn firing(kind: FiringKind, phase: FiringPhase, key: u64, seconds: f64) -> Firing {
    let place = match kind {
        FiringKind::LineCrossing | FiringKind::Tailgating | FiringKind::Journey => Place::Line(id("gate")),
        _ => Place::Zone(id("yard")),
    };
    Firing {
        rule: id("night-yard"),
        kind,
        severity: Severity::Alert,
        phase,
        key,
        place: Some(place),
        track: (kind != FiringKind::Occupancy).then(|| track(key, seconds, 0.87)),
        identity: None,
        region: None,
        at: at(seconds),
        measures: vec![Measure::plain(Measure::DWELL, seconds), Measure::plain(Measure::SCORE, 0.87)],
    }
}
