//! What concerns a camera or the agent rather than what is before the lens: states, cuts, losses, changes.

use std::time::Duration;

use super::explain::span;
use crate::vocab::{CameraState, EventKind, Evidence, Explanation, Gap, Id, Measure, ModelFacts, WallTime};

/// Something that [`Narrator::notice`](super::Narrator::notice) tells: an event without duration, kept for the record.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The camera changed its state.
    CameraState {
        /// What it was.
        from: CameraState,
        /// What it is.
        to: CameraState,
        /// Why, for a person; may be empty.
        cause: String,
    },
    /// The camera's media clock jumped; tracks were cut.
    ClockJump {
        /// How far, in seconds; negative is backwards.
        seconds: f64,
    },
    /// The camera was connected anew; tracks were cut.
    Reconnected {
        /// How long there was no picture.
        gap: Duration,
    },
    /// The camera encodes its pictures differently since it was connected anew; tracks were cut.
    CodecChange,
    /// The size of the camera's picture changed; tracks were cut.
    SizeChange {
        /// Pixels across and down before.
        from: (u32, u32),
        /// Pixels across and down now.
        to: (u32, u32),
    },
    /// Records were lost or shed.
    Gap {
        /// Which, such as `event`.
        class: String,
        /// How many.
        lost: u64,
        /// The first and the last number that is missing, where they are known.
        range: Option<(u64, u64)>,
        /// Why, such as `disk-full`.
        reason: String,
        /// The numbers that will not be sent any more, where they are known exactly.
        numbers: Option<Gap>,
    },
    /// The machine's wall clock was set.
    ClockStep {
        /// What it would have shown.
        from: WallTime,
        /// What it shows.
        to: WallTime,
    },
    /// A model was loaded, replaced, or refused.
    Model {
        /// The model that it is about.
        model: ModelFacts,
        /// What happened to it.
        change: ModelChange,
    },
    /// A clip is on the disk, or will never be.
    Clip {
        /// Its file, or why there is none.
        evidence: Evidence,
        /// What it does not show of what it was to show, in words; empty where it shows all.
        lacks: String,
    },
    /// The configuration was replaced, or a replacement refused. Revisions are as in `config_revision`.
    Config {
        /// The revision that it is about.
        revision: String,
        /// What happened.
        change: ConfigChange,
    },
}

/// What happened to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChange {
    /// It runs.
    Loaded {
        /// How long loading took, self-test included.
        took: Duration,
    },
    /// It runs in place of another of the same name.
    Replaced {
        /// SHA-256 of the other, in hex.
        was: String,
    },
    /// It does not run.
    Failed {
        /// Why, for a person.
        why: String,
    },
    /// An inference does not come back: nobody looks at its cameras' pictures.
    Hangs {
        /// How long it has been going on.
        since: Duration,
    },
    /// The inference that hung came back.
    Resumed {
        /// How long it took.
        after: Duration,
    },
}

/// What happened to a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// It is in force.
    Applied,
    /// It was faulty; the one before stays in force.
    Refused {
        /// How many faults it has.
        faults: usize,
    },
    /// It was in force, and was given up for the one before.
    Reverted {
        /// Why, for a person.
        why: String,
    },
}

impl Notice {
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::CameraState { .. } => EventKind::CameraState,
            Self::Reconnected { .. } | Self::CodecChange | Self::ClockJump { .. } | Self::SizeChange { .. } => {
                EventKind::Discontinuity
            }
            Self::Gap { .. } => EventKind::Gap,
            Self::ClockStep { .. } => EventKind::ClockStep,
            Self::Model { .. } => EventKind::ModelChange,
            Self::Config { .. } => EventKind::ConfigChange,
            Self::Clip { .. } => EventKind::Clip,
        }
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        match self {
            Self::Gap { numbers, .. } => numbers.clone(),
            _ => None,
        }
    }

    pub(super) fn evidence(&self) -> Evidence {
        match self {
            Self::Clip { evidence, .. } => evidence.clone(),
            _ => Evidence::default(),
        }
    }

    pub(super) fn explain(&self, camera: Option<&Id>) -> Explanation {
        let camera = camera.map_or("the camera".to_owned(), |id| format!("camera {id}"));
        match self {
            Self::CameraState { from, to, cause } => {
                plain(with_cause(format!("{camera} went from {} to {}", state(*from), state(*to)), cause))
            }
            Self::ClockJump { seconds } => Explanation {
                text: format!(
                    "the media clock of {camera} jumped {} by {}; tracks were cut",
                    if *seconds < 0.0 { "back" } else { "ahead" },
                    span(seconds.abs())
                ),
                measures: vec![Measure::plain("jump_s", (seconds * 1e3).round() / 1e3)],
            },
            Self::Reconnected { gap } => Explanation {
                text: format!("{camera} showed nothing for {}; tracks were cut", span(gap.as_secs_f64())),
                measures: vec![Measure::plain("gap_s", (gap.as_secs_f64() * 1e3).round() / 1e3)],
            },
            Self::CodecChange => Explanation {
                text: format!("{camera} encodes its pictures differently; tracks were cut"),
                measures: Vec::new(),
            },
            Self::SizeChange { from, to } => Explanation {
                text: format!(
                    "the picture of {camera} changed from {}x{} to {}x{}; tracks were cut",
                    from.0, from.1, to.0, to.1
                ),
                measures: vec![
                    Measure::plain("width_px", f64::from(to.0)),
                    Measure::plain("height_px", f64::from(to.1)),
                ],
            },
            Self::Gap { class, lost, range, reason, .. } => gap(class, *lost, *range, reason),
            Self::ClockStep { from, to } => clock_step(*from, *to),
            Self::Model { model, change } => model_change(model, change),
            Self::Config { revision, change } => config_change(revision, change),
            Self::Clip { evidence, lacks } => clip(&camera, evidence, lacks),
        }
    }
}

fn gap(class: &str, lost: u64, range: Option<(u64, u64)>, reason: &str) -> Explanation {
    let records = if lost == 1 { "record" } else { "records" };
    let mut measures = vec![Measure::plain("lost", lost as f64)];
    let mut text = format!("{lost} {records} of class {class} lost");
    if let Some((first, last)) = range {
        text = format!("{text}, numbers {first} to {last}");
        measures.extend([Measure::plain("first", first as f64), Measure::plain("last", last as f64)]);
    }
    Explanation { text: with_cause(text, reason), measures }
}

fn clock_step(from: WallTime, to: WallTime) -> Explanation {
    let seconds = to.unix_nanos().saturating_sub(from.unix_nanos()) as f64 / 1e9;
    let way = if seconds < 0.0 { "back" } else { "ahead" };
    let (old, new) = (from.to_rfc3339(), to.to_rfc3339());
    Explanation {
        text: format!("the wall clock was set {way} by {}, from {old} to {new}", span(seconds.abs())),
        measures: vec![
            Measure::plain("step_s", (seconds * 1e3).round() / 1e3),
            Measure::plain("old_unix_s", from.unix_nanos() as f64 / 1e9),
            Measure::plain("new_unix_s", to.unix_nanos() as f64 / 1e9),
        ],
    }
}

fn model_change(model: &ModelFacts, change: &ModelChange) -> Explanation {
    let short = |sha: &str| sha.chars().take(12).collect::<String>();
    let version = if model.version.is_empty() { String::new() } else { format!(" version {}", model.version) };
    // A file that could not be read has no digest.
    let digest = if model.sha256.is_empty() { String::new() } else { format!(" ({})", short(&model.sha256)) };
    let name = format!("model {}{version}{digest}", model.name);
    match change {
        ModelChange::Loaded { took } => Explanation {
            text: format!("{name} runs on {}", model.provider),
            measures: vec![Measure::plain("load_s", (took.as_secs_f64() * 1e3).round() / 1e3)],
        },
        ModelChange::Replaced { was } => plain(format!("{name} runs on {} in place of {}", model.provider, short(was))),
        ModelChange::Hangs { since } => Explanation {
            text: format!("{name} hangs: an inference has not come back for {}", span(since.as_secs_f64())),
            measures: vec![Measure::plain("inference_s", since.as_secs_f64().round())],
        },
        ModelChange::Resumed { after } => Explanation {
            text: format!("{name} looks again: the inference that hung came back after {}", span(after.as_secs_f64())),
            measures: vec![Measure::plain("inference_s", after.as_secs_f64().round())],
        },
        ModelChange::Failed { why } => plain(with_cause(format!("{name} does not run"), why)),
    }
}

fn config_change(revision: &str, change: &ConfigChange) -> Explanation {
    match change {
        ConfigChange::Applied => plain(format!("configuration {revision} is in force")),
        ConfigChange::Refused { faults } => Explanation {
            text: format!("configuration {revision} was refused for {faults} faults; the one before stays in force"),
            measures: vec![Measure::plain("faults", *faults as f64)],
        },
        ConfigChange::Reverted { why } => {
            plain(with_cause(format!("configuration {revision} was given up for the one before"), why))
        }
    }
}

fn clip(camera: &str, evidence: &Evidence, lacks: &str) -> Explanation {
    let name = evidence.clip.as_deref().unwrap_or("a clip");
    let Some(file) = &evidence.clip_file else {
        let why = evidence.clip_missing.as_deref().unwrap_or_default();
        return plain(with_cause(with_cause(format!("there is no clip {name} of {camera}"), why), lacks));
    };
    let seconds = file.ends_pts_ms.saturating_sub(file.begins_pts_ms) as f64 / 1e3;
    Explanation {
        text: with_cause(format!("the clip {name} of {camera} shows {}", span(seconds)), lacks),
        measures: vec![Measure::plain("clip_s", seconds), Measure::plain("clip_bytes", file.bytes as f64)],
    }
}

fn plain(text: String) -> Explanation {
    Explanation { text, measures: Vec::new() }
}

fn with_cause(text: String, cause: &str) -> String {
    if cause.is_empty() { text } else { format!("{text}: {cause}") }
}

fn state(state: CameraState) -> &'static str {
    match state {
        CameraState::Connecting => "connecting",
        CameraState::Streaming => "streaming",
        CameraState::Stalled => "stalled",
        CameraState::Frozen => "frozen",
        CameraState::Covered => "covered",
        CameraState::Black => "black",
        CameraState::Backoff => "backoff",
        CameraState::AuthFailed => "auth-failed",
        CameraState::Disabled => "disabled",
        CameraState::Ended => "ended",
    }
}
