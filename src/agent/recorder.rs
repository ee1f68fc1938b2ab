//! Events on their way to the disk: picture first, then the event that names it, then the word to the forwarder.
//!
//! One thread, so that the order of events is the order of the spool and no camera waits for a JPEG or a disk. The way
//! in is bounded: when the disk is slower than the events, cameras wait and drop frames. Events are never dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use crate::agent::clips::ledger::Ledger;
use crate::agent::engine::error_chain;
use crate::agent::envelope;
use crate::agent::oversize::Oversize;
use crate::agent::pipeline::Occurrence;
use crate::agent::redact::Redactors;
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::evidence::{self, EvidenceError, Folder, Shot};
use crate::spool::{Class, RecordId, Spool, Writer};
use crate::vocab::{Event, Evidence, Id, Phase, Severity};
use crate::wire::{self, EventMessage, MessageId, Origin, Topics};

/// Occurrences that wait; beyond it cameras wait.
const WAITING: usize = 256;

/// Where occurrences are handed over. Dropping it records what is waiting and ends the thread.
#[derive(Debug)]
pub struct Recorder {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    recorded: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Job {
    Record(Box<Occurrence>),
    Picture { camera: Id, name: String, shot: Box<Shot> },
    Flush(SyncSender<()>),
}

/// How pictures are kept, and who finds the faces that they must not show.
pub struct Pictures {
    /// How they are kept.
    pub settings: evidence::Settings,
    /// Who finds faces.
    pub redactors: Redactors,
}

/// What the thread works with.
struct Desk {
    origin: Origin,
    topics: Topics,
    writer: Writer,
    /// The largest record that the spool takes.
    record_bytes: usize,
    pictures: Pictures,
    /// Where pictures are kept; none where the folder cannot be used.
    folder: Result<Folder, EvidenceError>,
    /// Where clips are noted before an event names them, where there are any.
    clips: Option<Arc<Ledger>>,
    recorded: Arc<AtomicU64>,
}

impl Recorder {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub fn start(
        origin: Origin,
        spool: Arc<dyn Spool>,
        pictures: Pictures,
        clips: Option<Arc<Ledger>>,
        clock: SharedClock,
    ) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let recorded = Arc::new(AtomicU64::new(0));
        let topics = Topics::new(&origin.agent);
        let record_bytes = spool.record_bytes();
        let writer = Writer::start(spool, clock)?;
        let folder = Folder::open(&pictures.settings);
        if let Err(error) = &folder {
            tracing::error!(error = error_chain(error), "pictures cannot be kept; events say so");
        }
        let desk = Desk { origin, topics, writer, record_bytes, pictures, folder, clips, recorded: recorded.clone() };
        let thread = threads::spawn("record", move || desk.work(&waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), recorded })
    }

    /// Hands over what happened; waits while the thread is far behind.
    pub fn record(&self, occurrences: Vec<Occurrence>) {
        occurrences.into_iter().for_each(|occurrence| self.send(Job::Record(Box::new(occurrence))));
    }

    /// Hands over a picture that somebody asked for, to be published under `name`.
    pub fn publish_picture(&self, camera: Id, name: String, shot: Shot) {
        self.send(Job::Picture { camera, name, shot: Box::new(shot) });
    }

    /// Waits until everything handed over before is committed.
    pub fn flush(&self) {
        let (done, finished) = mpsc::sync_channel(1);
        self.send(Job::Flush(done));
        // An error means that the thread is gone, and with it whatever there was to wait for.
        let _ = finished.recv();
    }

    /// How many events were recorded since the start.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Whether its thread and the spool's writer are there to record.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn send(&self, job: Job) {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            tracing::error!("the recorder has ended; an event is lost");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recorder had ended in a panic");
        }
    }
}

impl Desk {
    fn work(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            if !self.writer.is_alive() {
                // Whoever watches over this thread sees that nothing is recorded any more.
                return;
            }
            match job {
                Job::Record(occurrence) => self.record(*occurrence),
                Job::Picture { camera, name, shot } => {
                    self.save(&camera, &name, *shot);
                }
                Job::Flush(done) => {
                    self.writer.flush();
                    // Whoever asked may have given up waiting.
                    let _ = done.send(());
                }
            }
        }
    }

    fn record(&mut self, occurrence: Occurrence) {
        let Occurrence { mut event, shot } = occurrence;
        if let (Some(shot), Some(camera)) = (shot, event.camera.clone()) {
            // The picture at the start and the best one at the end are two files of one episode.
            let suffix = match event.phase {
                Phase::Start => "",
                Phase::Update => "-update",
                Phase::End => "-best",
            };
            let name = format!("{}{suffix}", event.episode);
            let Evidence { snapshot, missing, .. } = self.save(&camera, &name, shot);
            event.evidence = Evidence { snapshot, missing, ..event.evidence };
        }
        self.note_clip(&event);
        let (class, topic) = self.address(&event);
        let origin = self.origin.clone();
        let limit = self.record_bytes;
        self.writer.append(class, move |id| {
            let message = EventMessage::new(&origin, message_id(&origin.agent, id), &event);
            let record = envelope::seal(&topic, &wire::to_json(&message));
            let size = record.len();
            if size > limit { Oversize { size, limit }.stand_in(message) } else { record }
        });
        self.recorded.fetch_add(1, Ordering::Relaxed);
    }

    /// A clip that an event names is known on the disk before the event is: it is told of whatever happens.
    fn note_clip(&self, event: &Event) {
        let (Some(clips), Some(file), Some(camera)) = (&self.clips, &event.evidence.clip, &event.camera) else {
            return;
        };
        if event.rule.is_some() && event.phase == Phase::Start {
            clips.announce(file, camera, Some(&event.episode), event.severity == Severity::Alert);
        }
    }

    /// Keeps and publishes a picture, once it shows nothing that it must not; what the event says of it.
    fn save(&mut self, camera: &Id, name: &str, mut shot: Shot) -> Evidence {
        let missing = |reason: &str| Evidence { missing: Some(reason.to_owned()), ..Evidence::default() };
        if let Err(why) = self.pictures.redactors.redact(&mut shot) {
            tracing::warn!(%camera, why, name, "a picture is withheld, as its faces could not be hidden");
            return missing("faces-not-hidden");
        }
        let (full, small) = shot.to_jpegs(&self.pictures.settings);
        if let Some(jpeg) = small {
            let topic = self.topics.snapshot(camera, name);
            self.writer.append(Class::Telemetry, move |_| envelope::seal(&topic, &jpeg));
        }
        let saved = match (shot.to_png(), full) {
            (Some(png), _) => self.folder.as_mut().map(|folder| folder.save_png(name, &png)),
            (None, Some(jpeg)) => self.folder.as_mut().map(|folder| folder.save(name, &jpeg)),
            (None, None) => return missing("too-large"),
        };
        match saved {
            Ok(Ok(snapshot)) => Evidence { snapshot: Some(snapshot), ..Evidence::default() },
            Ok(Err(error)) => {
                tracing::warn!(error = error_chain(&error), name, "a picture could not be kept");
                missing(error.reason())
            }
            Err(error) => missing(error.reason()),
        }
    }

    fn address(&self, event: &Event) -> (Class, String) {
        match (event.severity, &event.camera, &event.rule) {
            (Severity::Alert, Some(camera), Some(rule)) => (Class::Alert, self.topics.alert(camera, rule)),
            _ => (Class::Event, self.topics.event(event.kind)),
        }
    }
}

/// The id that a record has in its message.
pub fn message_id(agent: &Id, id: RecordId) -> MessageId {
    let class = match id.class {
        Class::Alert => wire::Class::Alert,
        Class::Event => wire::Class::Event,
        Class::Telemetry => wire::Class::Telemetry,
    };
    MessageId { agent: agent.clone(), class, epoch: id.epoch, seq: id.seq }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::event::{self, ConfigChange, Context, Narrator, Notice};
    use crate::spool::{Limit, MemorySpool, Order, Settings};
    use crate::vocab::{ClockState, Labels, MediaTime, WallTime};

    fn told(narrator: &mut Narrator, why: &str) -> Occurrence {
        let labels = Labels::default();
        let context = Context {
            pts: MediaTime::ZERO,
            captured: WallTime::default(),
            clock: ClockState::Synced,
            model: None,
            config_revision: "0123456789ab",
            labels: &labels,
        };
        let change = ConfigChange::Reverted { why: why.to_owned() };
        let event = narrator.notice(&Notice::Config { revision: "one".to_owned(), change }, &context);
        Occurrence { event, shot: None }
    }

    #[test]
    fn an_event_too_large_for_the_spool_leaves_a_gap_in_its_place_and_no_hole() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::at(0);
        let settings = Settings { record_bytes: 2000, ..Settings::default() };
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&settings, clock.clone()));
        let settings = evidence::Settings { folder: folder.path().into(), ..evidence::Settings::default() };
        let pictures = Pictures { settings, redactors: Redactors::default() };
        let agent = Id::new("gate").unwrap();
        let origin = Origin { agent: agent.clone(), site: None, boot: "b".to_owned() };
        let recorder = Recorder::start(origin, spool.clone(), pictures, None, clock).unwrap();
        let mut narrator = Narrator::new(event::Settings::new(agent, None, 1));
        recorder.record(vec![told(&mut narrator, "short"), told(&mut narrator, &"long ".repeat(500))]);
        recorder.record(vec![told(&mut narrator, "short")]);
        recorder.flush();
        let records =
            spool.peek(Class::Event, Order::Oldest, &HashSet::new(), Limit { records: 10, bytes: usize::MAX });
        let messages: Vec<(&str, EventMessage)> = records
            .iter()
            .map(|record| envelope::open(&record.payload).unwrap())
            .map(|(topic, json)| (topic, serde_json::from_slice(json).unwrap()))
            .collect();
        assert_eq!(messages.iter().map(|(_, m)| m.id.seq).collect::<Vec<_>>(), [1, 2, 3]);
        let (topic, gap) = &messages[1];
        assert_eq!((*topic, gap.kind.as_str()), ("vedette/v1/gate/event/gap", "vedette.event.gap.v1"));
        let said = &gap.data.explanation;
        assert!(said.starts_with("record 2 of class event was given up: it told of config-change in 3"), "{said}");
        assert_eq!(gap.data.episode, "gate--1-2", "it names the happening that it is a part of");
    }
}
