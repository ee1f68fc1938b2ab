//! One camera at its post: its connection, its line and its counters, between the camera's thread and the detector's.

mod ailing;
mod asked;
mod eye;
mod people;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::agent::ailments::Ailments;
use crate::agent::clips::Recording;
use crate::agent::clockwatch::ClockWatch;
use crate::agent::faces::FaceDesk;
use crate::agent::pipeline::{Line, Looker, Occurrence};
use crate::agent::recorder::Recorder;
use crate::agent::redact::Redactors;
use crate::agent::reidentify::ReidentifyDesk;
use crate::agent::sight::{Sight, Told};
use crate::base::clock::SharedClock;
use crate::behaviour;
use crate::camera::{self, Camera, CameraStats};
use crate::config;
use crate::decode::{DecodeError, Source, Want};
use crate::detect::{CameraKey, Worker};
use crate::mqtt;
use crate::scene::Picture;
use crate::vocab::{CameraState, Detection, DropReason, Frame, Id, WallTime};
use crate::wire::{CameraStateMessage, Topics, to_json};
use eye::Eye;

/// A camera that streams has delivered something within this time, even while only keyframes are decoded.
const HANGS: Duration = Duration::from_secs(180);

/// Why a camera is disabled once its agent has stopped.
const STOPPED: &str = "the agent has stopped";

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
    /// Who looks at its pictures.
    worker: RwLock<Option<Arc<Worker>>>,
    /// Which pictures the camera was last told are wanted.
    want: Mutex<Option<Want>>,
    /// Whether the line is closed: whatever comes later, from a thread that was slow to end, is not told.
    is_closed: AtomicBool,
    /// What keeps its clips, where any are kept.
    recording: Option<Arc<Recording>>,
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
    /// Who finds the faces that pictures must not show.
    pub redactors: Redactors,
    /// How far the wall clock can be believed.
    pub clock_watch: Arc<ClockWatch>,
    /// Who looks for faces, if anybody does.
    pub faces: FaceDesk,
    /// Who recognises people again, if anybody does.
    pub reidentifier: ReidentifyDesk,
}

impl Post {
    /// A camera that is not connected yet. Without a worker it is only watched over.
    pub fn new(
        config: config::Camera,
        key: CameraKey,
        line: Line,
        worker: Option<Arc<Worker>>,
        recording: Option<Arc<Recording>>,
        means: Means,
    ) -> Arc<Self> {
        let sight = Sight::new(means.clock.mono());
        Arc::new(Self {
            config,
            key,
            camera: Mutex::new(None),
            source: Mutex::new(None),
            line: Mutex::new(line),
            sight: Mutex::new(sight),
            worker: RwLock::new(worker),
            want: Mutex::new(None),
            is_closed: AtomicBool::new(false),
            recording,
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
        // A new camera has not been told anything.
        *lock(&self.want) = None;
        Ok(())
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.config.id
    }

    /// Takes in what the detector saw. Called on the detector's thread.
    pub fn seen(&self, frame: &Frame, detections: &[Detection]) {
        // A look that was under way when the stream was cut shows what was there before.
        if lock(&self.sight).cut.is_some_and(|seq| frame.seq <= seq) {
            return;
        }
        self.tell(|line| line.seen(frame, detections, self.means.clock_watch.state()));
        self.look_at_people(frame);
    }

    /// Another model looks at its pictures from now on; the connection is not touched.
    pub fn change_model(&self, looker: Looker, worker: Arc<Worker>) {
        let before = self.worker.write().unwrap_or_else(PoisonError::into_inner).replace(worker);
        self.tell(|line| line.change_model(looker));
        if let Some(waiting) = before.and_then(|before| before.withdraw(self.key)) {
            self.submit(waiting);
        }
    }

    /// Names the configuration in force, where it does not concern this camera otherwise.
    pub fn set_config_revision(&self, revision: &str) {
        lock(&self.line).set_config_revision(revision.into());
    }

    /// Does what is due by the clock, about twice a second: lets time pass where no frame comes, and tells counts.
    /// Returns the counts to keep when they changed.
    pub fn tick(&self) -> Option<Vec<u8>> {
        self.pass_time();
        self.tell_counts()
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
        let mut sight = lock(&self.sight);
        sight.unusable = Some((since, cause.clone()));
        self.publish(&mut sight, Told { state: CameraState::Disabled, since, cause });
    }

    /// Says in the camera's state why nobody looks at its pictures; none once somebody does again.
    pub fn told_unseen(&self, why: Option<String>) {
        let mut sight = lock(&self.sight);
        sight.unseen = why;
        if let Some(told) = sight.told.clone().filter(|_| !self.is_closed()) {
            self.publish(&mut sight, told);
        }
    }

    /// Why nobody looks at its pictures, though there is a model that should.
    pub fn unseen(&self) -> Option<String> {
        lock(&self.sight).unseen.clone()
    }

    /// Publishes the state and keeps it in mind.
    fn publish(&self, sight: &mut Sight, told: Told) {
        let cause = sight.unseen.clone().filter(|_| told.state.has_pictures());
        let cause = cause.or_else(|| Some(told.cause.clone()).filter(|cause| !cause.is_empty()));
        let (conditions, mode) = sight.ailments.beside(told.state);
        let message = CameraStateMessage::new(self.id().clone(), told.state, told.since, cause);
        let message = CameraStateMessage { conditions, mode, ..message };
        self.means.broker.set_retained(&self.means.topics.camera_state(self.id()), to_json(&message));
        sight.told = Some(told);
    }

    /// Whether its pictures flow, or it has said why they do not. A camera that is away is in a declared state; one that
    /// says that it streams and delivers nothing for long hangs.
    pub fn is_alive(&self) -> bool {
        let has_thread = lock(&self.camera).as_ref().is_none_or(Camera::is_alive);
        let sight = lock(&self.sight);
        let is_fresh = self.means.clock.mono().saturating_sub(sight.last_arrival) < HANGS;
        has_thread && (sight.state != CameraState::Streaming || is_fresh)
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

    /// What each entry of `suppress` has held back.
    pub fn suppressed(&self) -> Vec<behaviour::Suppressed> {
        lock(&self.line).rules().suppressed().cloned().collect()
    }

    /// The number that its next new track gets.
    pub fn next_track(&self) -> u64 {
        lock(&self.line).next_track()
    }

    /// Ends every open happening; nothing is told of this camera afterwards.
    pub fn close(&self) {
        self.tell(|line| {
            self.is_closed.store(true, Ordering::Relaxed);
            line.close()
        });
        self.say_who_is_there(None);
        self.recording.iter().for_each(|recording| recording.close());
    }

    /// Closes it because the agent stops, and says so in the camera's state: what is retained outlives the agent.
    pub fn close_for_good(&self) {
        self.close();
        let since = WallTime::from_unix_nanos(self.means.clock.unix_nanos());
        // Whoever told of a state meanwhile had the lock, and did so before; whoever comes later finds the post closed.
        let mut sight = lock(&self.sight);
        self.publish(&mut sight, Told { state: CameraState::Disabled, since, cause: STOPPED.to_owned() });
    }

    /// Disconnects and ends every open happening. Returns whether the camera's thread ended within `limit`.
    pub fn stop(&self, limit: Duration) -> bool {
        // First of all, so that the ends are recorded however long the camera's thread takes.
        self.close();
        let camera = lock(&self.camera).take();
        let stopped = camera.is_none_or(|camera| camera.stop(limit));
        if let Some(worker) = self.worker() {
            drop(worker.withdraw(self.key));
        }
        stopped
    }

    /// Records what `happens` to the line, unless it is closed. Recorded while nobody else has the line, so that no end
    /// of a happening overtakes its start.
    fn tell(&self, happens: impl FnOnce(&mut Line) -> Vec<Occurrence>) {
        let mut line = lock(&self.line);
        if !self.is_closed() {
            let mut occurrences = happens(&mut line);
            let clips = self.recording.as_ref().map(|recording| (recording, recording.announce(&mut occurrences)));
            self.means.recorder.record(occurrences);
            clips.into_iter().for_each(|(recording, clips)| clips.into_iter().for_each(|clip| recording.cut(clip)));
            self.set_want(line.want());
        }
    }

    /// Whether nothing is told any more.
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn pass_time(&self) {
        let now = self.means.clock.mono();
        let Some((last_pts, silence)) = lock(&self.sight).silence(now) else { return };
        if silence >= SILENCE {
            let wall = WallTime::from_unix_nanos(self.means.clock.unix_nanos());
            self.tell(|line| line.wait(last_pts + silence, wall, self.means.clock_watch.state()));
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
        let Some(worker) = self.worker() else { return };
        if worker.submit(self.key, frame, self.means.clock.mono()).is_some() {
            self.dropped(DropReason::Superseded);
        }
    }

    fn worker(&self) -> Option<Arc<Worker>> {
        self.worker.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn dropped(&self, reason: DropReason) {
        *lock(&self.sight).drops.entry(reason).or_default() += 1;
    }

    /// Passes on what the frame says of the picture as a whole.
    fn note_arrival(&self, frame: &Frame, picture: Option<Picture>, ailments: Option<Ailments>) {
        let mut sight = lock(&self.sight);
        (sight.last_pts, sight.last_seq, sight.last_arrival) = (Some(frame.pts), frame.seq, self.means.clock.mono());
        self.note_ailments(&mut sight, ailments);
        let Some(picture) = picture.filter(|p| *p != sight.picture) else { return };
        sight.picture = picture;
        drop(sight);
        self.with_camera(|camera| {
            camera.report_picture(match picture {
                Picture::Live => camera::Picture::Normal,
                Picture::Frozen { .. } => camera::Picture::Frozen,
                Picture::Covered { .. } => camera::Picture::Covered,
                Picture::Black { .. } => camera::Picture::Black,
            });
        });
    }

    /// Tells the camera which pictures are wanted, where that has changed. Called while the line is held, so that the
    /// last word is the newest.
    fn set_want(&self, want: Want) {
        let mut told = lock(&self.want);
        if *told != Some(want) && self.with_camera(|camera| camera.set_want(want)) {
            *told = Some(want);
            tracing::debug!(camera = %self.id(), ?want, "which pictures are wanted");
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
