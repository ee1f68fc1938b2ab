//! What one camera sent lately, and which clips of it are planned.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Cut, Job};
use crate::agent::pipeline::Occurrence;
use crate::camera::Tape;
use crate::decode::Tap;
use crate::evidence::{ClipSettings, Happening, Plan, Ring, clip_name};
use crate::vocab::{Encoding, Event, Evidence, Id, MediaTime, Packet, Phase, Severity};

/// The ring and the plan of one camera.
pub struct Recording {
    camera: Id,
    events_too: bool,
    state: Mutex<State>,
    jobs: Sender<Job>,
}

pub(super) struct State {
    pub ring: Ring,
    pub plan: Plan,
    /// Why the stream has no packets to keep, where that is so.
    unable: Option<String>,
    /// The number of the connection whose packets count.
    connection: u64,
    /// Whether no more packets will come.
    pub closed: bool,
}

/// A clip that is to be cut.
#[derive(Debug)]
pub struct NewClip {
    /// Without extension.
    pub(super) name: String,
    pub(super) begins: MediaTime,
    /// Where it ends, if the plan does not say that.
    pub(super) until: Option<MediaTime>,
}

/// Why there is no clip of a stream whose packets cannot be kept.
const NOT_KEPT: &str = "not-h264-or-h265";

impl Recording {
    pub(super) fn new(camera: Id, settings: &ClipSettings, jobs: Sender<Job>) -> Self {
        let (ring, plan) = (Ring::new(settings.ring), Plan::new(settings.plan));
        let state = State { ring, plan, unable: None, connection: 0, closed: false };
        Self { camera, events_too: settings.plan.events_too, state: Mutex::new(state), jobs }
    }

    /// Its camera.
    pub fn camera(&self) -> &Id {
        &self.camera
    }

    /// Names in each event the clip that will show it. What is returned is to be given to [`Recording::cut`] once these are
    /// recorded: a clip is told of after the event that announced it.
    pub fn announce(&self, occurrences: &mut [Occurrence]) -> Vec<NewClip> {
        occurrences.iter_mut().filter_map(|occurrence| self.announce_one(&mut occurrence.event)).collect()
    }

    fn announce_one(&self, event: &mut Event) -> Option<NewClip> {
        event.rule.as_ref()?;
        let (phase, severity) = (event.phase, event.severity);
        let mut state = self.lock();
        if state.unable.is_some() {
            if phase == Phase::Start && (self.events_too || severity == Severity::Alert) {
                event.evidence = Evidence { clip_missing: Some(NOT_KEPT.to_owned()), ..Evidence::default() };
            }
            return None;
        }
        let happening =
            Happening { episode: &event.episode, phase, lasts: event.kind.lasts(), severity, at: event.pts };
        let announced = state.plan.note(&happening)?;
        event.evidence.clip = Some(clip_name(&announced.name));
        announced.begins.map(|begins| NewClip { name: announced.name, begins, until: None })
    }

    /// Asks for a clip.
    pub fn cut(self: &Arc<Self>, clip: NewClip) {
        let cut = Cut { recording: self.clone(), clip };
        if self.jobs.send(Job::Cut(cut)).is_err() {
            tracing::error!(camera = %self.camera, "the thread that writes clips has ended; a clip is missing");
        }
    }

    /// What keeps the packets of the next connection.
    pub fn tape(self: &Arc<Self>) -> Arc<dyn Tape> {
        let mut state = self.lock();
        state.connection += 1;
        state.unable = None;
        Arc::new(Reel { recording: self.clone(), connection: state.connection })
    }

    /// No more packets will come; clips that are under way end with what there is.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Why nothing can be kept of the stream, where that is so.
    pub(super) fn unable(&self) -> Option<String> {
        self.lock().unable.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the packets of one connection, as long as there is none after it.
struct Reel {
    recording: Arc<Recording>,
    connection: u64,
}

impl Reel {
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        Some(self.recording.lock()).filter(|state| state.connection == self.connection && !state.closed)
    }
}

impl Tap for Reel {
    fn encoding(&self, encoding: Arc<Encoding>) {
        if let Some(mut state) = self.state() {
            state.ring.begin(encoding);
        }
    }

    fn packet(&self, packet: Packet) {
        if let Some(mut state) = self.state() {
            state.ring.push(packet);
        }
    }

    fn unable(&self, why: &str) {
        if let Some(mut state) = self.state() {
            tracing::warn!(camera = %self.recording.camera, why, "no clips can be kept of this camera");
            state.unable = Some(why.to_owned());
        }
    }
}

impl Tape for Reel {
    fn anchor(&self, stream: MediaTime, media: MediaTime) {
        if let Some(mut state) = self.state() {
            state.ring.anchor(stream, media);
        }
    }
}
