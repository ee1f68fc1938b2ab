//! One camera at its post: its connection, its line and its counters, between the camera's thread and the detector's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::agent::cadence::Verdict;
use crate::agent::clockwatch::ClockWatch;
use crate::agent::pipeline::{Line, Occurrence};
use crate::agent::recorder::Recorder;
use crate::base::clock::SharedClock;
use crate::camera::{self, Camera, CameraStats, Discontinuity, StateChange, Viewer};
use crate::config;
use crate::decode::{DecodeError, Source};
use crate::detect::{CameraKey, Worker};
use crate::event::Notice;
use crate::evidence::{self, Shot};
use crate::mqtt;
use crate::scene::Picture;
use crate::vocab::{CameraState, Detection, DropReason, Frame, Id, MediaTime, WallTime};
use crate::wire::{CameraStateMessage, Topics, to_json};

/// A camera that streams has delivered something within this time, even while only keyframes are decoded.
const HANGS: Duration = Duration::from_secs(180);

/// Time is told to pass by the clock once no frame came for this long.
const SILENCE: Duration = Duration::from_secs(2);

/// One camera at its post.
pub struct Post {
    /// What the configuration says of it.
    pub config: config::Camera,
    /// Its number among the workers' cameras.
    pub key: CameraKey,
    camera: Mutex<Option<Camera>>,
    /// What it was connected with.
    source: Mutex<Option<Source>>,
    line: Mutex<Line>,
    sight: Mutex<Sight>,
    worker: Option<Arc<Worker>>,
    is_idle: AtomicBool,
    means: Means,
}

/// What every post shares with the rest of the agent.
#[derive(Clone)]
pub struct Means {
    /// Where events go.
    pub recorder: Arc<Recorder>,
    /// Where states are published.
    pub broker: mqtt::Handle,
    /// The agent's topics.
    pub topics: Topics,
    /// The time.
    pub clock: SharedClock,
    /// How pictures are kept.
    pub evidence: evidence::Settings,
    /// How far the wall clock can be believed.
    pub clock_watch: Arc<ClockWatch>,
}

/// What the camera's thread last saw and was asked for.
#[derive(Debug)]
struct Sight {
    state: CameraState,
    picture: Picture,
    drops: BTreeMap<DropReason, u64>,
    /// Commands that wait for a picture.
    wanted: Vec<String>,
    last_pts: MediaTime,
    last_arrival: Duration,
    counts_told: Option<u64>,
    unusable: Option<(WallTime, String)>,
}

impl Post {
    /// A camera that is not connected yet. Without a worker it is only watched over.
    pub fn new(
        config: config::Camera,
        key: CameraKey,
        line: Line,
        worker: Option<Arc<Worker>>,
        means: Means,
    ) -> Arc<Self> {
        let sight = Sight {
            state: CameraState::Disabled,
            picture: Picture::Live,
            drops: BTreeMap::new(),
            wanted: Vec::new(),
            last_pts: MediaTime::ZERO,
            last_arrival: means.clock.mono(),
            counts_told: None,
            unusable: None,
        };
        Arc::new(Self {
            config,
            key,
            camera: Mutex::new(None),
            source: Mutex::new(None),
            line: Mutex::new(line),
            sight: Mutex::new(sight),
            worker,
            is_idle: AtomicBool::new(false),
            means,
        })
    }

    /// Connects the camera.
    ///
    /// # Errors
    /// When its password cannot be read or GStreamer cannot be used.
    pub fn connect(self: &Arc<Self>) -> Result<(), ConnectError> {
        let source = self.config.decode_source()?;
        *lock(&self.source) = Some(source.clone());
        let settings: camera::Settings = self.config.camera_settings();
        let viewer = Box::new(Eye { post: self.clone() });
        let camera = Camera::start(self.id().clone(), source, settings, self.means.clock.clone(), viewer)?;
        *lock(&self.camera) = Some(camera);
        Ok(())
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.config.id
    }

    /// Takes in what the detector saw. Called on the detector's thread.
    pub fn seen(&self, frame: &Frame, detections: &[Detection]) {
        let occurrences = lock(&self.line).seen(frame, detections, self.means.clock_watch.state());
        self.means.recorder.record(occurrences);
    }

    /// Does what is due by the clock, about twice a second: lets time pass where no frame comes, and tells counts.
    /// Returns the counts to keep when they changed.
    pub fn tick(&self) -> Option<Vec<u8>> {
        self.pass_time();
        self.tell_counts()
    }

    /// Asks for a picture of the next frame, to be published as `snapshot/<camera>/<name>`.
    pub fn want_picture(&self, name: &str) {
        let mut sight = lock(&self.sight);
        // Bounded, for whoever asks faster than the camera delivers.
        if sight.wanted.len() < 16 {
            sight.wanted.push(name.to_owned());
        }
    }

    /// Calls `action` on the camera; false where there is none, see [`Post::unusable`].
    pub fn with_camera(&self, action: impl FnOnce(&Camera)) -> bool {
        lock(&self.camera).as_ref().map(action).is_some()
    }

    /// How it is.
    pub fn state(&self) -> CameraState {
        lock(&self.sight).state
    }

    /// Why it cannot even be tried, where that is so, and since when.
    pub fn unusable(&self) -> Option<(WallTime, String)> {
        lock(&self.sight).unusable.clone()
    }

    /// Whether what it was connected with no longer holds: the password's file has changed, or can be read at last.
    pub fn is_outdated(&self) -> bool {
        *lock(&self.source) != self.config.decode_source().ok()
    }

    /// Says in the camera's state why it cannot even be tried.
    pub fn told_unusable(&self, cause: String) {
        let since = WallTime::from_unix_nanos(self.means.clock.unix_nanos());
        lock(&self.sight).unusable = Some((since, cause.clone()));
        let message = CameraStateMessage::new(self.id().clone(), CameraState::Disabled, since, Some(cause));
        self.means.broker.set_retained(&self.means.topics.camera_state(self.id()), to_json(&message));
    }

    /// Whether its pictures flow, or it has said why they do not. A camera that is away is in a declared state; one that
    /// says that it streams and delivers nothing for long hangs.
    pub fn is_alive(&self) -> bool {
        let sight = lock(&self.sight);
        sight.state != CameraState::Streaming || self.means.clock.mono().saturating_sub(sight.last_arrival) < HANGS
    }

    /// How the connection is, and what was dropped after decoding.
    pub fn stats(&self) -> Option<(CameraStats, BTreeMap<DropReason, u64>)> {
        let stats = lock(&self.camera).as_ref().map(Camera::stats)?;
        let mut drops = lock(&self.sight).drops.clone();
        for (reason, count) in stats.dropped() {
            *drops.entry(reason).or_default() += count;
        }
        drops.retain(|_, count| *count > 0);
        Some((stats, drops))
    }

    /// How many frames the detector has looked at.
    pub fn looks(&self) -> u64 {
        lock(&self.line).looks()
    }

    /// The number that its next new track gets.
    pub fn next_track(&self) -> u64 {
        lock(&self.line).next_track()
    }

    /// Disconnects and ends every open happening. Returns whether the camera's thread ended within `limit`.
    pub fn stop(&self, limit: Duration) -> bool {
        let camera = lock(&self.camera).take();
        let stopped = camera.is_none_or(|camera| camera.stop(limit));
        if let Some(worker) = &self.worker {
            drop(worker.withdraw(self.key));
        }
        let occurrences = lock(&self.line).close();
        self.means.recorder.record(occurrences);
        stopped
    }

    fn pass_time(&self) {
        let (last_pts, last_arrival) = {
            let sight = lock(&self.sight);
            (sight.last_pts, sight.last_arrival)
        };
        let silence = self.means.clock.mono().saturating_sub(last_arrival);
        if silence >= SILENCE {
            let wall = WallTime::from_unix_nanos(self.means.clock.unix_nanos());
            let occurrences = lock(&self.line).wait(last_pts + silence, wall, self.means.clock_watch.state());
            self.means.recorder.record(occurrences);
        }
    }

    fn tell_counts(&self) -> Option<Vec<u8>> {
        let line = lock(&self.line);
        let mut sight = lock(&self.sight);
        let revision = line.rules().counts_revision();
        if sight.counts_told == Some(revision) {
            return None;
        }
        sight.counts_told = Some(revision);
        let at = WallTime::from_unix_nanos(self.means.clock.unix_nanos());
        for count in line.rules().counts() {
            let (place, message) = crate::agent::counts::message(self.id(), count, at);
            self.means.broker.set_retained(&self.means.topics.count(self.id(), &place), to_json(&message));
        }
        serde_json::to_vec(line.rules().saved_counts()).ok()
    }

    fn submit(&self, frame: Frame) {
        let Some(worker) = &self.worker else { return };
        if worker.submit(self.key, frame, self.means.clock.mono()).is_some() {
            self.dropped(DropReason::Superseded);
        }
    }

    fn dropped(&self, reason: DropReason) {
        *lock(&self.sight).drops.entry(reason).or_default() += 1;
    }

    /// Passes on what the frame says of the picture as a whole, and serves who waits for one.
    fn note_arrival(&self, frame: &Frame, picture: Option<Picture>) {
        let mut sight = lock(&self.sight);
        (sight.last_pts, sight.last_arrival) = (frame.pts, self.means.clock.mono());
        for name in sight.wanted.drain(..) {
            self.means.recorder.publish_picture(self.id().clone(), name, Shot::of(frame, None, &self.means.evidence));
        }
        let Some(picture) = picture.filter(|p| *p != sight.picture) else { return };
        sight.picture = picture;
        drop(sight);
        self.with_camera(|camera| {
            camera.report_picture(match picture {
                Picture::Live => camera::Picture::Normal,
                Picture::Frozen { .. } => camera::Picture::Frozen,
                Picture::Covered { .. } => camera::Picture::Covered,
            });
        });
    }

    fn set_idle(&self, idle: bool) {
        if self.is_idle.swap(idle, Ordering::Relaxed) != idle {
            self.with_camera(|camera| camera.set_idle(idle));
        }
    }
}

/// Why a camera could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its source cannot be used.
    #[error(transparent)]
    Source(#[from] config::SourceFault),
    /// GStreamer cannot be used.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Sees for a post, on the camera's thread.
struct Eye {
    post: Arc<Post>,
}

impl Viewer for Eye {
    fn frame(&mut self, frame: Frame) {
        let post = &self.post;
        let (looked, may_idle) = {
            let mut line = lock(&post.line);
            let looked = line.look(&frame, post.means.clock_watch.state());
            (looked, line.may_idle())
        };
        post.means.recorder.record(looked.occurrences);
        post.note_arrival(&frame, looked.picture);
        match looked.verdict {
            Verdict::Look => post.submit(frame),
            Verdict::Leave(reason) => post.dropped(reason),
        }
        post.set_idle(may_idle);
    }

    fn state(&mut self, change: StateChange) {
        let post = &self.post;
        let from = {
            let mut sight = lock(&post.sight);
            if change.state == CameraState::Connecting {
                // The new connection is taken to be live until the picture says otherwise.
                sight.picture = Picture::Live;
            }
            std::mem::replace(&mut sight.state, change.state)
        };
        let cause = (!change.cause.is_empty()).then(|| change.cause.clone());
        let message = CameraStateMessage::new(post.id().clone(), change.state, change.since, cause);
        post.means.broker.set_retained(&post.means.topics.camera_state(post.id()), to_json(&message));
        let occurrence = lock(&post.line).state_changed(from, change.state, &change.cause);
        post.means.recorder.record(vec![occurrence]);
    }

    fn discontinuity(&mut self, cause: Discontinuity) {
        let notice = match cause {
            Discontinuity::Reconnected { gap } => Notice::Reconnected { gap },
            Discontinuity::ClockJump { millis } => Notice::ClockJump { seconds: millis as f64 / 1000.0 },
            Discontinuity::SizeChanged { from, to } => Notice::SizeChange { from, to },
            Discontinuity::CodecChanged => Notice::CodecChange,
        };
        let occurrences: Vec<Occurrence> = lock(&self.post.line).cut(&notice);
        self.post.means.recorder.record(occurrences);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
