//! A recorded clip through the configured line, on media time: the same input gives the same bytes.
//!
//! Every frame is decoded and none is dropped for being late. Wall time is counted from a fixed moment, so that nothing
//! of the day of the replay gets into its result; schedules therefore see that moment too.

use std::path::PathBuf;
use std::time::Duration;

use crate::agent::cadence::{self, Verdict};
use crate::agent::engine::{self, told_facts};
use crate::agent::pipeline::{Line, Occurrence, Settings};
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::config::{self, Config};
use crate::decode::{self, Footage};
use crate::detect::{self, Detector, LibrarySearch, RuntimeError};
use crate::event;
use crate::history::{self, HistoryError};
use crate::scene::MOVING;
use crate::vocab::{ClockState, Event, Frame, Id, Labels, Severity};
use crate::wire::{Class, MessageId, Origin};

pub use crate::decode::{Pace, Source};
pub use crate::vocab::WallTime;
pub use crate::wire::EventMessage;

/// What is replayed, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which camera's zones, lines and rules.
    pub camera: Id,
    /// The recording, or the drawn street.
    pub input: Source,
    /// How much of it; none for all, which the street has no end of.
    pub length: Option<Duration>,
    /// As fast as possible, or at the recording's own pace.
    pub pace: Pace,
    /// The wall time of the recording's first picture.
    pub start: WallTime,
    /// Where to keep the tracks; none to keep none.
    pub tracks: Option<PathBuf>,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The configuration has no such camera.
    #[error("the configuration has no camera {camera}; it has {known}")]
    NoCamera {
        /// The one asked for.
        camera: Id,
        /// Those that there are.
        known: String,
    },
    /// The camera has nothing that looks.
    #[error("camera {camera} has no `detect`, so that nothing would be seen")]
    NoDetect {
        /// The camera.
        camera: Id,
    },
    /// The model does not run.
    #[error("the model {model} does not run")]
    Model {
        /// The model.
        model: Id,
        /// Why.
        #[source]
        source: Box<crate::detect::DetectError>,
    },
    /// Its tracks cannot be kept.
    #[error(transparent)]
    Tracks(#[from] HistoryError),
    /// The recording cannot be opened, or ended early.
    #[error("replaying {input}")]
    Decode {
        /// The recording.
        input: String,
        /// Why.
        #[source]
        source: decode::DecodeError,
    },
    /// A picture could not be looked at.
    #[error("looking at the picture at {at_ms} ms")]
    Detect {
        /// Where in the recording.
        at_ms: u64,
        /// Why.
        #[source]
        source: Box<crate::detect::DetectError>,
    },
}

impl ReplayError {
    /// Whether the request itself was at fault, rather than its running.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::NoCamera { .. } | Self::NoDetect { .. } | Self::Model { .. })
    }
}

/// What a replay came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Pictures decoded.
    pub frames: u64,
    /// Pictures that the detector looked at.
    pub looks: u64,
    /// Events told.
    pub events: u64,
    /// Pictures that were damaged and left out.
    pub damaged: u64,
    /// How long the recording is, by its pictures.
    pub length: Duration,
}

/// A replay in progress.
struct Replay<'a> {
    line: Line,
    /// None where the line itself looks, for what moves before the background.
    detector: Option<Detector>,
    origin: Origin,
    sequence: [u64; 2],
    summary: Summary,
    tell: &'a mut dyn FnMut(&EventMessage),
}

/// Whether a model looks at this camera's pictures, or would if there were such a camera.
pub fn needs_runtime(config: &Config, camera: &Id) -> bool {
    find_camera(config, camera).is_ok_and(|camera| camera.model().is_some())
}

/// Loads ONNX Runtime, which [`replay`] needs where [`needs_runtime`] says so.
///
/// # Errors
/// When it is nowhere to be found, or too old; the error says where it was looked for.
pub fn load_runtime(search: &LibrarySearch) -> Result<(), RuntimeError> {
    detect::runtime::load(search).map(|_| ())
}

/// Replays a recording and calls `tell` with each event in order.
///
/// # Errors
/// When the camera, model or recording cannot be used; also when the recording is damaged beyond going on, after
/// everything that could be seen was told.
pub fn replay(
    config: &Config,
    request: &Request,
    clock: SharedClock,
    stopping: &Stopping,
    tell: &mut dyn FnMut(&EventMessage),
) -> Result<Summary, ReplayError> {
    let camera = find_camera(config, &request.camera)?;
    let (detector, settings) = prepare(config, camera, &clock)?;
    let store = request.tracks.as_ref().map(|folder| history::Store::open(unbounded(folder), clock)).transpose()?;
    let facts = settings.model.as_ref();
    let head = facts.map(|facts| engine::head(camera, &settings.labels, facts));
    let mut line = Line::new(settings, 1);
    line.keep_tracks(store.as_ref().zip(head).and_then(|(store, head)| store.log(head)));
    let origin = Origin { agent: config.id.clone(), site: config.site.clone(), boot: "replay".to_owned() };
    let mut replay = Replay { line, detector, origin, sequence: [0; 2], summary: Summary::default(), tell };
    let outcome = replay.play(camera, request, stopping);
    let closing = replay.line.close();
    replay.tell(closing);
    outcome.map(|()| replay.summary)
}

/// Whoever asks for the tracks of a recording wants all of them.
fn unbounded(folder: &std::path::Path) -> history::Settings {
    history::Settings { folder: folder.to_owned(), keep: Duration::MAX, quota_bytes: u64::MAX }
}

fn find_camera<'a>(config: &'a Config, id: &Id) -> Result<&'a config::Camera, ReplayError> {
    config.cameras.iter().find(|c| c.id == *id).ok_or_else(|| {
        let known: Vec<&str> = config.cameras.iter().map(|c| c.id.as_str()).collect();
        ReplayError::NoCamera { camera: id.clone(), known: known.join(", ") }
    })
}

/// The detector and its model; none where no model looks.
fn open(
    config: &Config,
    camera: &config::Camera,
    clock: &SharedClock,
) -> Result<Option<(Detector, config::Model)>, ReplayError> {
    let Some(model) = camera.model() else { return Ok(None) };
    let no_detect = || ReplayError::NoDetect { camera: camera.id.clone() };
    let model = config.models.iter().find(|m| m.name == *model).ok_or_else(no_detect)?;
    let cache = Some(config.state_dir.join("engines"));
    engine::open(model, &model.detect_settings(cache), clock)
        .map(Some)
        .map_err(|source| ReplayError::Model { model: model.name.clone(), source: Box::new(source) })
}

fn prepare(
    config: &Config,
    camera: &config::Camera,
    clock: &SharedClock,
) -> Result<(Option<Detector>, Settings), ReplayError> {
    let no_detect = || ReplayError::NoDetect { camera: camera.id.clone() };
    let detect = camera.detect.as_ref().ok_or_else(no_detect)?;
    let opened = open(config, camera, clock)?;
    let labels = opened.as_ref().map_or_else(|| Labels::new([MOVING]), |(detector, _)| detector.labels().clone());
    let settings = Settings {
        cadence: cadence::Settings {
            fps: detect.fps,
            gate: detect.motion_gate,
            // Every frame of a recording is there to be seen.
            idle_keyframes: false,
        },
        scene: camera.scene_settings(),
        by_motion: camera.detects_motion(),
        track: opened.as_ref().map(|(_, model)| model.track_settings(&labels)).unwrap_or_default(),
        behaviour: camera.behaviour_settings(),
        heat: camera.heat,
        event: event::Settings::new(config.id.clone(), Some(camera.id.clone()), 0),
        timezone: config.timezone.clone(),
        model: opened.as_ref().map(|(detector, model)| told_facts(detector, model)),
        labels,
        evidence: config.evidence.evidence_settings(),
        people: Default::default(),
        config_revision: config.revision.as_str().into(),
    };
    Ok((opened.map(|(detector, _)| detector), settings))
}

impl Replay<'_> {
    fn play(&mut self, camera: &config::Camera, request: &Request, stopping: &Stopping) -> Result<(), ReplayError> {
        let failed = |source| ReplayError::Decode { input: request.input.to_string(), source };
        let settings = camera.camera_settings().decode;
        let mut footage = Footage::open(&request.input, &settings, request.pace).map_err(failed)?;
        let mut detections = Vec::new();
        for frame in &mut footage {
            if stopping.is_stopping() {
                break;
            }
            let mut frame = frame.map_err(failed)?;
            let reached = Duration::from_nanos(frame.pts.as_nanos());
            if request.length.is_some_and(|length| reached >= length) {
                break;
            }
            frame.captured = request.start.plus(reached);
            self.frame(&frame, &mut detections)?;
        }
        self.summary.damaged = footage.damaged();
        Ok(())
    }

    fn frame(&mut self, frame: &Frame, detections: &mut Vec<crate::vocab::Detection>) -> Result<(), ReplayError> {
        self.summary.frames += 1;
        self.summary.length = Duration::from_nanos(frame.pts.as_nanos());
        let looked = self.line.look(frame, ClockState::Media);
        self.tell(looked.occurrences);
        self.summary.looks += u64::from(matches!(looked.verdict, Verdict::Look | Verdict::Seen));
        if let (Verdict::Look, Some(detector)) = (looked.verdict, &mut self.detector) {
            let at_ms = frame.pts.as_millis();
            detector
                .detect(frame, detections)
                .map_err(|source| ReplayError::Detect { at_ms, source: Box::new(source) })?;
            let occurrences = self.line.seen(frame, detections, ClockState::Media);
            self.tell(occurrences);
        }
        Ok(())
    }

    fn tell(&mut self, occurrences: Vec<Occurrence>) {
        for occurrence in occurrences {
            let id = self.next_id(&occurrence.event);
            self.summary.events += 1;
            (self.tell)(&EventMessage::new(&self.origin, id, &occurrence.event));
        }
    }

    fn next_id(&mut self, event: &Event) -> MessageId {
        let (class, index) = match event.severity {
            Severity::Alert => (Class::Alert, 0),
            Severity::Event => (Class::Event, 1),
        };
        self.sequence[index] += 1;
        MessageId { agent: self.origin.agent.clone(), class, epoch: 0, seq: self.sequence[index] }
    }
}
