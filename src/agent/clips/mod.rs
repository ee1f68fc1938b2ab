//! Clips of what happens: announced with the event, cut of what the camera sent, told of when the file is on the disk.
//!
//! ```text
//!   camera ─ packets ─▶ ring ──────────────────────────╮
//!                                                       ▼
//!   line ─ event ─▶ plan ─ announced in the event ─▶ writer ─ draft ─▶ file ─▶ event `clip` with its sha256
//!                     │                                 ▲                │
//!                     ╰─▶ recorder ─ ledger, then spool │                ╰─▶ upload ─▶ hub, where somebody asks
//!   command `clip` ─────────────────────────────────────╯
//! ```
//!
//! [`recording`] is the ring and the plan of one camera, [`writer`] the thread that writes the files, [`ledger`] what is on
//! the disk about them, [`upload`] the thread that brings one to the hub. An event that names a clip is committed only
//! after the ledger knows of it: whatever happens to the program, the clip is told of as there or as missing.

pub mod ledger;
mod recording;
mod request;
mod tell;
mod upload;
mod writer;

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::agent::post::Means;
use crate::agent::stores::StartError;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Shutdown;
use crate::base::threads;
use crate::config::{self, Config};
use crate::evidence::ClipSettings;
use crate::spool::Spool;
use crate::vocab::Id;
use ledger::Ledger;
pub use recording::{NewClip, Recording};
pub use request::{ClipRequest, Wanted};
use tell::Teller;
use upload::Uploads;
use writer::Writer;

/// How long clips may take to be ended when the agent stops.
const FINISH_LIMIT: Duration = Duration::from_millis(1500);

/// Where clips are noted, if any are kept.
pub fn ledger(config: &Config, spool: &Arc<dyn Spool>) -> Option<Arc<Ledger>> {
    config.evidence.clips.as_ref().map(|_| Arc::new(Ledger::open(spool.clone())))
}

/// What the writer is asked for.
enum Job {
    Cut(Cut),
    /// Everything that is under way is to be ended with what there is of it.
    Finish(SyncSender<()>),
}

/// A clip to be cut.
struct Cut {
    recording: Arc<Recording>,
    clip: NewClip,
}

/// The clips of one agent.
pub struct Clips {
    agent: Id,
    settings: ClipSettings,
    ledger: Arc<Ledger>,
    jobs: Sender<Job>,
    uploads: Option<Uploads>,
    recordings: Mutex<BTreeMap<Id, Arc<Recording>>>,
    clock: SharedClock,
    /// Dropped with it, which ends what waits for the hub.
    _stop: Shutdown,
}

impl Clips {
    /// Starts the threads where any clips are kept, and tells what became of those that the last run left unfinished.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(config: &Config, ledger: Option<Arc<Ledger>>, means: &Means) -> Result<Option<Self>, StartError> {
        let Some((settings, ledger)) = config.evidence.clips.clone().zip(ledger) else { return Ok(None) };
        let refused = |name| move |source| StartError::Thread { name, source };
        let (jobs, waiting) = mpsc::channel();
        let (stop, stopping) = Shutdown::new();
        let (agent, clock) = (config.id.clone(), means.clock.clone());
        let uploads = config.hub.clone().map(|hub| {
            let (broker, topics) = (means.broker.clone(), means.topics.clone());
            let link = upload::Link { agent: agent.clone(), hub, folder: settings.folder.clone(), broker, topics };
            Uploads::start(link, ledger.clone(), stopping.clone())
        });
        let uploads = uploads.transpose().map_err(refused("upload"))?;
        let teller = Teller::new(agent.clone(), config.revision.as_str().into(), means);
        let writer = Writer::new(&settings, ledger.clone(), teller, uploads.clone(), clock.clone());
        threads::spawn("clips", move || writer.work(&waiting)).map_err(refused("clips"))?;
        let recordings = Mutex::default();
        Ok(Some(Self { agent, settings, ledger, jobs, uploads, recordings, clock, _stop: stop }))
    }

    /// What keeps the clips of a camera from now on, in place of what did before; nothing where it is to have none.
    pub fn record(&self, camera: &config::Camera) -> Option<Arc<Recording>> {
        let mut recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        recordings.remove(&camera.id);
        if !camera.clips {
            return None;
        }
        let recording = Arc::new(Recording::new(camera.id.clone(), &self.settings, self.jobs.clone()));
        recordings.insert(camera.id.clone(), recording.clone());
        Some(recording)
    }

    /// Asks for everything under way to be ended with what there is of it; [`Finishing::wait`] waits for that.
    pub fn finish(&self) -> Finishing {
        let (done, finished) = mpsc::sync_channel(1);
        let (clock, by) = (self.clock.clone(), self.clock.mono() + FINISH_LIMIT);
        // If the writer is gone, so is `done`, and nobody waits for long.
        let _ = self.jobs.send(Job::Finish(done));
        Finishing { finished, by, clock }
    }

    fn recording(&self, camera: &Id) -> Option<Arc<Recording>> {
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner).get(camera).cloned()
    }
}

/// That clips are being ended.
pub struct Finishing {
    finished: mpsc::Receiver<()>,
    by: Duration,
    clock: SharedClock,
}

impl Finishing {
    /// Waits until they are, but not for long. What is not ended by then is told of as missing by the next run.
    pub fn wait(self) {
        if self.finished.recv_timeout(self.by.saturating_sub(self.clock.mono())).is_err() {
            tracing::warn!("clips were not ended in time; the next run tells of them");
        }
    }
}

#[cfg(test)]
mod tests;
