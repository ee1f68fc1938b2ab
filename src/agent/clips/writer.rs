//! The thread that writes clips: follows the rings, muxes, keeps, and tells.
//!
//! A clip is written while it goes on, group by group, so that its length is bounded by the disk and not by the ring. Only
//! a ring that is overrun before it was read, a stream that breaks off or a disk that fails ends one early, and that is
//! told with it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use super::ledger::{Entry, Ledger, Stage};
use super::tell::Teller;
use super::upload::Uploads;
use super::{Cut, Job};
use crate::agent::engine::error_chain;
use crate::base::clock::SharedClock;
use crate::decode::{MuxError, Muxer};
use crate::evidence::{
    About, ClipSettings, Cursor, Draft, EvidenceError, Folder, ReadState, Reading, RingError, clip_name,
};
use crate::vocab::{ClipFile, Evidence, Id, MediaTime, Packet, WallTime};

/// How often rings are read while a clip is being written.
const LOOK: Duration = Duration::from_millis(250);
/// How often is looked for clips that are too old.
const TIDY: Duration = Duration::from_secs(3600);
/// A camera that sends nothing for this long sends nothing more for a clip.
const SILENCE: Duration = Duration::from_secs(10);
/// How long ending a file may take.
const END_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    teller: Teller,
    clock: SharedClock,
    ledger: Arc<Ledger>,
    uploads: Option<Uploads>,
    keep: Duration,
    folder: Result<Folder, EvidenceError>,
    /// What the last run left in the ledger, looked up before this one can announce anything.
    left: Vec<Entry>,
    open: Vec<Open>,
    tidied: Duration,
}

/// A clip that is being written.
struct Open {
    cut: Cut,
    draft: Draft,
    cursor: Cursor,
    muxer: Option<Muxer>,
    /// The first and the last picture on the wall clock, as far as they are written.
    captured: Option<(WallTime, WallTime)>,
    reached: MediaTime,
    /// How many packets the ring had taken when that last changed, and when that was.
    taken: (u64, Duration),
}

/// How a clip came to its end.
enum End {
    /// With all that it was to show, or for this reason with less.
    Whole(About, String),
    /// Without a file.
    Failed(About, Reason),
}

/// Why there is no file.
struct Reason {
    short: &'static str,
    long: String,
}

impl From<RingError> for Reason {
    fn from(error: RingError) -> Self {
        Self { short: error.reason(), long: error.to_string() }
    }
}

impl From<MuxError> for Reason {
    fn from(error: MuxError) -> Self {
        Self { short: error.reason(), long: error_chain(&error) }
    }
}

impl From<&EvidenceError> for Reason {
    fn from(error: &EvidenceError) -> Self {
        Self { short: error.reason(), long: error_chain(error) }
    }
}

impl Writer {
    pub fn new(
        settings: &ClipSettings,
        ledger: Arc<Ledger>,
        teller: Teller,
        uploads: Option<Uploads>,
        clock: SharedClock,
    ) -> Self {
        let is_precious = |file: &str| ledger.entry(file).is_some_and(|entry| entry.precious);
        let folder = Folder::open_clips(settings, &is_precious);
        if let Err(error) = &folder {
            tracing::error!(error = error_chain(error), "clips cannot be kept; events say so");
        }
        let (left, tidied) = (ledger.entries(), clock.mono());
        Self { teller, clock, ledger, uploads, keep: settings.keep, folder, left, open: Vec::new(), tidied }
    }

    /// Works until nobody can ask for anything any more.
    pub fn work(mut self, jobs: &Receiver<Job>) {
        self.account();
        self.tidy();
        loop {
            let wait = if self.open.is_empty() { TIDY } else { LOOK };
            match jobs.recv_timeout(wait) {
                Ok(Job::Cut(cut)) => self.begin(cut),
                Ok(Job::Finish(done)) => {
                    self.step(true);
                    // Whoever asked may have given up waiting.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.step(false);
            if self.clock.mono().saturating_sub(self.tidied) >= TIDY {
                self.tidy();
            }
        }
    }

    /// Tells what became of the clips that the last run announced and did not finish.
    fn account(&mut self) {
        for entry in std::mem::take(&mut self.left) {
            let folder = self.folder.as_ref().ok();
            let facts = match &entry.stage {
                Stage::Written(_) => {
                    // One that is not there was deleted by somebody, which is his to do.
                    if folder.is_some_and(|folder| !folder.holds(&entry.file)) {
                        self.ledger.forget([entry.file.as_str()]);
                    }
                    continue;
                }
                Stage::Closing(facts) => folder.and_then(|folder| folder.look(&entry.file)).map(|saved| ClipFile {
                    sha256: saved.sha256,
                    bytes: saved.bytes,
                    ..facts.clone()
                }),
                Stage::Announced => None,
            };
            self.account_for(&entry, facts);
        }
        self.forget_deleted();
    }

    fn account_for(&mut self, entry: &Entry, facts: Option<ClipFile>) {
        let now = WallTime::from_unix_nanos(self.clock.unix_nanos());
        match facts {
            Some(file) => self.tell_kept(&entry.camera, &entry.file, file, "", (MediaTime::ZERO, now)),
            None => {
                let long = "the agent stopped before it was written".to_owned();
                let reason = Reason { short: "agent-stopped", long };
                self.tell_missing(&entry.camera, &entry.file, &reason, (MediaTime::ZERO, now));
            }
        }
    }

    fn begin(&mut self, cut: Cut) {
        let file = clip_name(&cut.clip.name);
        let found = {
            let state = cut.recording.lock();
            let until = cut.clip.until.or_else(|| state.plan.until(&cut.clip.name)).unwrap_or(cut.clip.begins);
            state.ring.find(cut.clip.begins, until)
        };
        let folder = self.folder.as_ref().map_err(Reason::from);
        let ready = found.map_err(Reason::from).and_then(|cursor| Ok((cursor, folder?.draft(&cut.clip.name))));
        match ready {
            Ok((cursor, draft)) => {
                let (reached, taken) = (cursor.begins, (0, self.clock.mono()));
                self.open.push(Open { cut, draft, cursor, muxer: None, captured: None, reached, taken });
            }
            Err(reason) => {
                cut.recording.lock().plan.close(&cut.clip.name);
                let at = (cut.clip.begins, WallTime::from_unix_nanos(self.clock.unix_nanos()));
                self.tell_missing(cut.recording.camera(), &file, &reason, at);
            }
        }
    }

    /// Writes what the rings hold of each clip, and ends those that are whole; with `finish`, all of them.
    fn step(&mut self, finish: bool) {
        let now = self.clock.mono();
        for mut open in std::mem::take(&mut self.open) {
            match open.follow(now, finish) {
                None => self.open.push(open),
                Some(End::Whole(about, lacks)) => self.end(open, &about, lacks),
                Some(End::Failed(about, reason)) => self.give_up(open, &about, &reason),
            }
        }
    }

    fn end(&mut self, mut open: Open, about: &About, lacks: String) {
        let (Some(muxer), Some((begins, ends))) = (open.muxer.take(), open.captured) else {
            return self.give_up(open, about, &Reason::from(RingError::Empty));
        };
        if let Err(error) = muxer.finish(END_LIMIT) {
            return self.give_up(open, about, &Reason::from(error));
        }
        let mut file = ClipFile {
            sha256: String::new(),
            bytes: 0,
            begins: begins.to_rfc3339(),
            ends: ends.to_rfc3339(),
            begins_pts_ms: open.cursor.begins.as_millis(),
            ends_pts_ms: open.reached.as_millis(),
            episodes: about.episodes.clone(),
        };
        // Before the file is there: whatever happens then, the next run can tell of it.
        self.ledger.advance(open.draft.name(), Stage::Closing(file.clone()));
        let precious = self.ledger.entry(open.draft.name()).is_some_and(|entry| entry.precious) || about.alert;
        let saved = self
            .folder
            .as_mut()
            .map_err(|error| Reason::from(&*error))
            .and_then(|folder| folder.adopt(&open.draft, precious).map_err(|error| Reason::from(&error)));
        self.forget_deleted();
        match saved {
            Ok(saved) => {
                (file.sha256, file.bytes) = (saved.sha256, saved.bytes);
                let camera = open.cut.recording.camera();
                self.tell_kept(camera, open.draft.name(), file, &lacks, (open.reached, ends));
            }
            Err(reason) => self.give_up(open, about, &reason),
        }
    }

    fn give_up(&mut self, open: Open, about: &About, reason: &Reason) {
        tracing::warn!(clip = open.draft.name(), why = reason.long, episodes = ?about.episodes, "a clip is missing");
        drop(open.muxer);
        if let Ok(folder) = &self.folder {
            folder.discard(&open.draft);
        }
        let at = (open.reached, WallTime::from_unix_nanos(self.clock.unix_nanos()));
        self.tell_missing(open.cut.recording.camera(), open.draft.name(), reason, at);
    }

    /// Tells that a clip is on the disk, and only then notes that it was told.
    fn tell_kept(&mut self, camera: &Id, name: &str, file: ClipFile, lacks: &str, at: (MediaTime, WallTime)) {
        let evidence = Evidence { clip: Some(name.to_owned()), clip_file: Some(file.clone()), ..Evidence::default() };
        self.teller.tell(camera, evidence, lacks, at);
        self.ledger.advance(name, Stage::Written(file));
        let wanted = self.ledger.entry(name).and_then(|entry| entry.upload);
        if let (Some(uploads), Some(command)) = (&self.uploads, wanted) {
            uploads.bring(name, &command);
        }
    }

    fn tell_missing(&mut self, camera: &Id, name: &str, reason: &Reason, at: (MediaTime, WallTime)) {
        let evidence = Evidence {
            clip: Some(name.to_owned()),
            clip_missing: Some(reason.short.to_owned()),
            ..Evidence::default()
        };
        self.teller.tell(camera, evidence, &reason.long, at);
        let wanted = self.ledger.entry(name).and_then(|entry| entry.upload);
        if let (Some(uploads), Some(command)) = (&self.uploads, wanted) {
            uploads.refuse(&command, &format!("there is no such clip: {}", reason.long));
        }
        self.ledger.forget([name]);
    }

    fn tidy(&mut self) {
        self.tidied = self.clock.mono();
        if let Ok(folder) = &mut self.folder {
            let now = u64::try_from(self.clock.unix_nanos()).unwrap_or(0);
            folder.expire(self.keep, SystemTime::UNIX_EPOCH + Duration::from_nanos(now));
        }
        self.forget_deleted();
    }

    fn forget_deleted(&mut self) {
        if let Ok(folder) = &mut self.folder {
            let deleted = folder.take_deleted();
            self.ledger.forget(deleted.iter().map(String::as_str));
        }
    }
}

impl Open {
    /// Writes what the ring holds of it; how it ended, if it did.
    fn follow(&mut self, now: Duration, finish: bool) -> Option<End> {
        let (reading, ended) = self.read(now, finish);
        let written = self.write(&reading.packets);
        if !reading.packets.is_empty() {
            self.reached = reading.reached;
        }
        match (written, ended) {
            (Err(error), Some((about, _))) => Some(End::Failed(about, error.into())),
            (Err(error), None) => {
                let about = self.cut.recording.lock().plan.close(&self.cut.clip.name);
                Some(End::Failed(about, error.into()))
            }
            (Ok(()), Some((about, lacks))) => Some(End::Whole(about, lacks)),
            (Ok(()), None) => None,
        }
    }

    /// Reads on in the ring. Where nothing more comes, the plan is told in the same moment, so that no event takes a clip
    /// for its own that is over.
    fn read(&mut self, now: Duration, finish: bool) -> (Reading, Option<(About, String)>) {
        let mut state = self.cut.recording.lock();
        let until =
            self.cut.clip.until.or_else(|| state.plan.until(&self.cut.clip.name)).unwrap_or(self.cut.clip.begins);
        let mut reading = state.ring.read(&mut self.cursor, until);
        if self.taken.0 != state.ring.taken() {
            self.taken = (state.ring.taken(), now);
        }
        let is_silent = now.saturating_sub(self.taken.1) >= SILENCE;
        let why = match reading.state {
            ReadState::Reached => "",
            ReadState::Ended => "the stream was interrupted",
            ReadState::Overrun => "the rest was overwritten before it could be written",
            ReadState::More if state.closed || finish => "the camera was stopped",
            ReadState::More if is_silent => "the camera sends nothing any more",
            ReadState::More => return (reading, None),
        };
        if reading.state == ReadState::More {
            let mut rest = state.ring.read_rest(&mut self.cursor, until);
            reading.packets.append(&mut rest.packets);
            reading.reached = reading.reached.max(rest.reached);
        }
        let about = state.plan.close(&self.cut.clip.name);
        drop(state);
        let lacks = self.lacks(&about, why);
        (reading, Some((about, lacks)))
    }

    /// What the clip does not show, in words.
    fn lacks(&self, about: &About, why: &str) -> String {
        let mut lacks = Vec::new();
        if !self.cursor.lacks.is_zero() {
            lacks.push(format!("its first {:.1} s were no longer in memory", self.cursor.lacks.as_secs_f64()));
        }
        if !why.is_empty() {
            lacks.push(format!("it ends early, as {why}"));
        } else if about.goes_on {
            lacks.push("what happens goes on after it".to_owned());
        }
        lacks.join("; ")
    }

    fn write(&mut self, packets: &[Packet]) -> Result<(), MuxError> {
        let (Some(first), Some(last)) = (packets.first(), packets.last()) else { return Ok(()) };
        let path: &Path = self.draft.path();
        let muxer = match &mut self.muxer {
            Some(muxer) => muxer,
            none => none.insert(Muxer::create(&self.cursor.encoding, path)?),
        };
        let begins = self.captured.map_or(first.captured, |(begins, _)| begins);
        self.captured = Some((begins, last.captured));
        muxer.push(packets)
    }
}
