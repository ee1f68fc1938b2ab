//! Keeps one camera connected: states, waits, stalls, and one media time for its whole life.
//!
//! [`Camera`] is a thread `cam-<id>` that drives a [`crate::decode::Stream`] and tells a [`Viewer`] what it sees. The states
//! are drawn in `machine.rs`.

mod driver;
mod machine;
mod media_clock;
mod settings;
mod stats;
mod steps;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub use media_clock::Discontinuity;
pub use settings::Settings;
pub use stats::CameraStats;
pub use steps::Picture;

use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::decode::{self, DecodeError, Source, Tap, Want};
use crate::vocab::{CameraState, Frame, Id, MediaTime, WallTime};
use driver::{Command, Driver, Inbox, lock};
use steps::Input;

/// A camera's new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// How it is now.
    pub state: CameraState,
    /// Why, in words; holds no secret.
    pub cause: String,
    /// Since when, on the wall clock.
    pub since: WallTime,
    /// Since when, on the camera's media clock.
    pub media: MediaTime,
}

/// Sees what a camera sees. All calls come from the camera's thread, one at a time; one that takes long delays this camera
/// alone, and pictures that come meanwhile are replaced by newer ones.
pub trait Viewer: Send {
    /// A picture, with `pts` on the camera's media clock.
    fn frame(&mut self, frame: Frame);
    /// The camera's state has changed.
    fn state(&mut self, change: StateChange);
    /// The next picture may not continue those before: forget what moved.
    fn discontinuity(&mut self, cause: Discontinuity);
    /// Who keeps what the camera sends, where somebody does. Asked with each new connection; what comes to the tape of one
    /// before is of a stream that is over.
    fn tape(&mut self) -> Option<Arc<dyn Tape>> {
        None
    }
}

/// Keeps what a camera sends over one connection, undecoded.
pub trait Tape: Tap {
    /// A picture of the stream: where `stream`, on the clock of the packets, lies on the camera's media clock.
    fn anchor(&self, stream: MediaTime, media: MediaTime);
}

/// One camera, connected for as long as this exists. Dropping it stops it.
pub struct Camera {
    id: Id,
    inbox: Arc<Inbox>,
    stats: Arc<Mutex<CameraStats>>,
    thread: Option<JoinHandle<()>>,
}

/// How long `drop` waits.
const DROP_LIMIT: Duration = Duration::from_secs(3);

impl Camera {
    /// Starts watching `source`. Returns at once; what becomes of it is told to the `viewer`.
    ///
    /// # Errors
    /// When GStreamer cannot be used or the machine refuses another thread.
    pub fn start(
        id: Id,
        source: Source,
        settings: Settings,
        clock: SharedClock,
        viewer: Box<dyn Viewer>,
    ) -> Result<Self, DecodeError> {
        decode::init()?;
        let inbox = Arc::<Inbox>::default();
        let since = WallTime::from_unix_nanos(clock.unix_nanos());
        let stats = Arc::new(Mutex::new(CameraStats::new(since)));
        let source_name = source.to_string();
        let driver = Driver::new(id.clone(), source, settings, clock, viewer, inbox.clone(), stats.clone());
        let thread = threads::spawn(&format!("cam-{id}"), move || driver.run());
        let refused = |e: std::io::Error| DecodeError::Other { source_name, detail: format!("no thread: {e}") };
        Ok(Self { id, inbox, stats, thread: Some(thread.map_err(refused)?) })
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Changes which pictures are wanted, until now as many as [`decode::Settings::max_fps`] says.
    pub fn set_want(&self, want: Want) {
        self.inbox.send(Command::Give(Input::Want(want)));
    }

    /// Switches it on or off.
    pub fn set_enabled(&self, enabled: bool) {
        self.inbox.send(Command::Give(Input::Enable(enabled)));
    }

    /// Connects anew, at once, whatever it is waiting for. Does nothing while it is switched off.
    pub fn restart(&self) {
        self.inbox.send(Command::Give(Input::Restart));
    }

    /// Says what `scene` thinks of the picture as a whole.
    pub fn report_picture(&self, picture: Picture) {
        self.inbox.send(Command::Give(Input::Picture(picture)));
    }

    /// How it is and what has gone through it, at most a quarter of a second old.
    pub fn stats(&self) -> CameraStats {
        lock(&self.stats).clone()
    }

    /// Whether its thread runs. It outlives panics, and ends only when it is told to.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Stops it. Returns whether it ended within `limit`; if not, its thread is left to itself.
    pub fn stop(mut self, limit: Duration) -> bool {
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        self.inbox.send(Command::Stop);
        threads::with_deadline("cam-join", limit, move || thread.join().is_ok()).is_some()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.end(DROP_LIMIT);
    }
}
