//! From the broker into the database, and word of it back to the agents.
//!
//! ```text
//!   broker ──▶ consumer ──▶ inlet ──▶ read ──▶ one transaction for all that waits ──▶ ack to the agents
//!      ◀───────────────────────────────── acknowledged at the broker, after that ◀──╯
//! ```
//!
//! Messages that wait are stored together: the slower the database, the more go into one transaction. What cannot be
//! stored because the database is away stays unacknowledged, in a bounded number, and is tried again until it can; then the
//! broker waits, and behind it the agents. A message that is not what it must be is counted, logged and acknowledged at the
//! broker, for it would be no better the next time; its agent is told of nothing.

mod counts;
mod group;
mod message;
mod reported;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{Notify, watch};

pub use counts::Counted;
pub use group::group;

use super::blobs::BlobError;
use super::clips;
use super::database::{Database, DatabaseError, Doing as _};
use super::events::snapshots::NewSnapshot;
use super::events::store::{self, NewEvent, Stored, Stream};
use super::events::{Live, Snapshots};
use super::fleet::{self, Heard};
use crate::base::backoff::Backoff;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::mqtt;
use crate::mqtt::consumer::{self, Arrived, Consumer, Inlet, Publisher, Wanted};
use crate::vocab::Id;
use crate::wire::{self, AckMessage, Presence, Reply, Topics};
use counts::Counts;
use message::News;

/// How many messages may be at the hub and not be stored: the bound of its memory.
const UNSTORED: u16 = 512;
/// How long the broker keeps what is published while the hub is away.
const AWAY: Duration = Duration::from_secs(24 * 3600);
/// Numbers that one acknowledgement may name above the watermark.
const NAMED: usize = 1000;

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("writing pictures: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// Tells of a running intake. Cloning is cheap.
#[derive(Clone)]
pub struct Gauge {
    counts: Arc<Counts>,
    status: watch::Receiver<consumer::Status>,
}

impl Gauge {
    /// What came in since the hub started.
    pub fn counted(&self) -> Counted {
        self.counts.now()
    }

    /// The same as Prometheus text.
    pub fn metrics(&self) -> String {
        self.counted().to_metrics()
    }

    /// How the connection to the broker is.
    pub fn link(&self) -> consumer::Status {
        self.status.borrow().clone()
    }
}

/// How the broker knows this hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The client id, under which it keeps what came while the hub was away.
    pub client_id: String,
    /// The group of all hubs on this database: see [`group`].
    pub group: String,
}

/// Takes in what agents publish.
pub struct Intake {
    database: Database,
    snapshots: Snapshots,
    live: Live,
    clock: SharedClock,
    counts: Arc<Counts>,
    consumer: Consumer,
    inlet: Inlet,
    news: Arc<Notify>,
}

impl Intake {
    /// An intake from the broker that `settings` name. `news` is rung when agents have said what they have.
    pub fn new(
        settings: mqtt::Settings,
        seat: Seat,
        database: Database,
        snapshots: Snapshots,
        live: Live,
        clock: SharedClock,
        news: Arc<Notify>,
    ) -> Self {
        // Any one of several hubs on one database may store an event; all of them must know the agents.
        let shared = wire::RECORDED.iter().map(|filter| format!("$share/{}/{filter}", seat.group));
        let filters = shared.chain(wire::STATES.iter().map(|filter| (*filter).to_owned())).collect();
        let wanted = Wanted { client_id: seat.client_id, filters, session_expiry: AWAY, receive_maximum: UNSTORED };
        let (consumer, inlet) = consumer::consumer(settings, wanted, clock.clone());
        Self { database, snapshots, live, clock, counts: Arc::default(), consumer, inlet, news }
    }

    /// Tells of it while it runs.
    pub fn gauge(&self) -> Gauge {
        Gauge { counts: self.counts.clone(), status: self.inlet.status() }
    }

    /// For whoever publishes at the same connection.
    pub fn publisher(&self) -> Publisher {
        self.inlet.publisher()
    }

    /// Takes in until it is time to stop.
    pub async fn run(self, stopping: Stopping) {
        let Self { database, snapshots, live, clock, counts, consumer, inlet, news } = self;
        let mut desk = Desk { database, snapshots, live, clock, counts, inlet, news };
        tokio::join!(consumer.run(stopping.clone()), desk.run(&stopping));
    }
}

/// Stores what comes in.
struct Desk {
    database: Database,
    snapshots: Snapshots,
    live: Live,
    clock: SharedClock,
    counts: Arc<Counts>,
    inlet: Inlet,
    news: Arc<Notify>,
}

/// A batch, read.
#[derive(Default)]
struct Batch {
    events: Vec<NewEvent>,
    snapshots: Vec<NewSnapshot>,
    replies: Vec<(Id, Reply)>,
    heard: BTreeMap<Id, Heard>,
}

impl Desk {
    async fn run(&mut self, stopping: &Stopping) {
        loop {
            let batch = tokio::select! {
                batch = self.inlet.next(usize::from(UNSTORED)) => batch,
                () = stopping.stopped() => return,
            };
            if batch.is_empty() {
                return;
            }
            self.counts.received.fetch_add(batch.len() as u64, Relaxed);
            self.counts.backlog.store((batch.len() + self.inlet.waiting()) as u64, Relaxed);
            self.take(batch, stopping).await;
            self.counts.backlog.store(self.inlet.waiting() as u64, Relaxed);
        }
    }

    /// Stores a batch, however often it takes, and says so.
    async fn take(&self, mut arrived: Vec<Arrived>, stopping: &Stopping) {
        let batch = self.read(&mut arrived);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let stored = loop {
            match self.store(&batch).await {
                Ok(stored) => break stored,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, messages = arrived.len(), "what came in is not stored yet");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = stopping.stopped() => return,
            }
        };
        self.count(&stored);
        if batch.heard.values().any(|heard| !heard.reported.is_empty()) {
            self.news.notify_one();
        }
        if let Some(last) = stored.last {
            self.live.stored(last);
        }
        for (stream, (upto, also)) in &stored.acks {
            self.tell(stream, *upto, also);
        }
        for message in arrived {
            message.acknowledge();
        }
    }

    fn read(&self, arrived: &mut [Arrived]) -> Batch {
        let now = self.clock.unix_nanos();
        let mut batch = Batch::default();
        let mut refused = 0;
        for message in arrived {
            let payload = std::mem::take(&mut message.payload);
            match message::read(&message.topic, payload, message.retained, now) {
                Ok((agent, news)) => batch.add(agent, news, message.retained),
                Err(reason) => {
                    // One of many is enough to look for the cause, and a flood must not fill the log.
                    if refused == 0 {
                        tracing::warn!(topic = message.topic, %reason, "a message is refused");
                    }
                    refused += 1;
                }
            }
        }
        if refused > 1 {
            tracing::warn!(messages = refused, "further messages were refused");
        }
        self.counts.refused.fetch_add(refused, Relaxed);
        batch
    }

    async fn store(&self, batch: &Batch) -> Result<Stored, IntakeError> {
        let now = self.clock.unix_nanos();
        // Files first: a row names only what is there. And nobody deletes them before their rows are committed.
        let _turn = if batch.snapshots.is_empty() { None } else { Some(self.snapshots.turn().await) };
        let files = match batch.snapshots.is_empty() {
            true => Vec::new(),
            false => {
                let (snapshots, new) = (self.snapshots.clone(), batch.snapshots.clone());
                tokio::task::spawn_blocking(move || snapshots.write(&new)).await??
            }
        };
        let mut write = self.database.write().await?;
        for (agent, heard) in &batch.heard {
            fleet::note(&mut write, agent, heard, now).await?;
        }
        for (snapshot, file) in batch.snapshots.iter().zip(&files) {
            Snapshots::note(&mut write, snapshot, file, now).await?;
        }
        for (agent, reply) in &batch.replies {
            clips::answered(&mut write, agent, reply).await?;
        }
        let stored = store::store(&mut write, &batch.events, now).await?;
        write.commit().await.doing("storing what came in")?;
        Ok(stored)
    }

    fn count(&self, stored: &Stored) {
        self.counts.stored.fetch_add(stored.new, Relaxed);
        self.counts.duplicates.fetch_add(stored.duplicates, Relaxed);
        self.counts.refused.fetch_add(stored.scattered, Relaxed);
        self.counts.last_stored_ns.store(self.clock.unix_nanos(), Relaxed);
        if stored.scattered > 0 {
            tracing::warn!(events = stored.scattered, "events of a spool with too many missing numbers are not stored");
        }
    }

    /// Tells an agent what is stored of one of its spools. A word that is lost is said again when the agent publishes again.
    fn tell(&self, stream: &Stream, upto: u64, also: &[u64]) {
        let Ok(agent) = Id::new(&stream.agent) else { return };
        let topic = Topics::new(&agent).ack();
        let (class, epoch) = (stream.class, stream.epoch);
        let mut rest = also;
        loop {
            let (named, others) = rest.split_at(rest.len().min(NAMED));
            let ack = AckMessage { class, epoch, upto, also: named.to_vec() };
            self.counts.acked.fetch_add(u64::from(self.inlet.publish(&topic, wire::to_json(&ack))), Relaxed);
            rest = others;
            if rest.is_empty() {
                return;
            }
        }
    }
}

impl Batch {
    fn add(&mut self, agent: Id, news: News, retained: bool) {
        // An offline may be the broker's word, and not the agent's.
        let is_will = matches!(&news, News::Presence(presence) if presence.status == Presence::Offline);
        let heard = self.heard.entry(agent.clone()).or_default();
        heard.spoke |= !retained && !is_will;
        match news {
            News::Event(event) => self.events.push(*event),
            News::Snapshot(snapshot) => self.snapshots.push(snapshot),
            News::Reply(reply) if clips::is_ours(&reply.id) => self.replies.push((agent, reply)),
            // Somebody else has asked.
            News::Reply(_) => {}
            News::Presence(presence) => heard.presence.push(presence),
            News::Health(health) => heard.health = Some(health),
            News::Camera(camera, state) => {
                heard.cameras.insert(camera, state);
            }
            News::Reported(report) => heard.reported.push(report),
        }
    }
}
