//! Takes in what others publish, for a hub: the broker keeps what is not yet stored, and how much of it is in memory here
//! is bounded.
//!
//! ```text
//!               +----------------------------------------------------------+
//!               v                                                          |
//!  stopped  CONNECTING --CONNACK, SUBACK--> READY --any error--> WAITING (jittered backoff)
//!     ^                                       |
//!     +------------- DISCONNECT <-- stopping -+
//! ```
//!
//! It speaks MQTT 5 with a session that outlives connections ([`Wanted::session_expiry`]). A message is acknowledged by
//! whoever took it, through its [`Receipt`], once it is durable; until then the broker sends it again to the next
//! connection. [`Wanted::receive_maximum`] is how many may be unacknowledged: when storing is slow, the broker waits.
//!
//! rumqttc's client for MQTT 5 has traps of its own. It keeps a table of 65,535 outgoing messages unless told otherwise.
//! Acknowledgements wait in one queue with publishes, and stand still while too many of those are unacknowledged;
//! therefore [`Inlet::publish`] publishes at QoS 0, and [`Publisher::retain`], for which QoS 0 is not enough, is for few. Polled on after an error, it answers with packet numbers of the
//! lost connection; therefore each connection is a new `EventLoop`, and a receipt belongs to the connection that its
//! message came by. It does not notice a broker that has frozen; therefore a timer of our own does.

mod link;
mod refusal;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;
use tokio::sync::{mpsc, watch};

use super::{Error, Settings};
use crate::base::backoff::Backoff;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use link::Link;

/// A connection that lasted so long was a good one: the next wait is the shortest again.
const HEALTHY: Duration = Duration::from_secs(60);

/// What is wanted of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The client id, under which the broker keeps the session; no two connected clients may have the same.
    pub client_id: String,
    /// The topic filters, which may have wildcards or begin with `$share/<group>/`.
    pub filters: Vec<String>,
    /// How long the broker keeps what was published while nobody is connected, whole seconds.
    pub session_expiry: Duration,
    /// How many messages may be unacknowledged at the same time, from 1.
    pub receive_maximum: u16,
}

/// A message that came in.
#[derive(Debug)]
pub struct Arrived {
    /// Its topic.
    pub topic: String,
    /// Its bytes, whatever the sender liked to send.
    pub payload: Vec<u8>,
    /// Whether it lay at the broker before this client subscribed.
    pub retained: bool,
    receipt: Receipt,
}

impl Arrived {
    /// Tells the broker that the message is safe here. Where its connection is lost, the broker sends it again.
    pub fn acknowledge(self) {
        self.receipt.acknowledge();
    }
}

/// The right to acknowledge one message at the connection that it came by.
#[derive(Debug)]
struct Receipt {
    client: AsyncClient,
    /// Without topic and payload, of which the acknowledgement needs nothing.
    publish: Publish,
}

impl Receipt {
    fn acknowledge(self) {
        // Refused only after the connection has ended, for there is room for as many as can be unacknowledged.
        let _ = self.client.try_ack(&self.publish);
    }
}

/// How the consumer is.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Since when it is subscribed, in nanoseconds since 1970; none while it is not.
    pub connected_since: Option<i64>,
    /// Why the connection was lost or could not be made the last time.
    pub last_error: Option<Arc<Error>>,
    /// Connections that became ready, the first one included.
    pub connections: u64,
    /// Messages at QoS 0 that found no room; nobody waits for their acknowledgement.
    pub ignored: u64,
    /// Filters that the broker would not let us subscribe to.
    pub unheard: Vec<String>,
}

/// What the consumer and its inlet share.
struct Shared {
    settings: Settings,
    wanted: Wanted,
    clock: SharedClock,
    status: watch::Sender<Status>,
    /// Of the connection that there is now.
    client: Mutex<Option<AsyncClient>>,
}

impl Shared {
    fn set_client(&self, client: Option<AsyncClient>) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }
}

/// Keeps the connection.
pub struct Consumer {
    shared: Arc<Shared>,
    arrived: mpsc::Sender<Arrived>,
    backoff: Backoff,
}

/// Where messages come out, and small ones go in.
pub struct Inlet {
    shared: Arc<Shared>,
    arrived: mpsc::Receiver<Arrived>,
}

/// A consumer and its inlet. Nothing happens before [`Consumer::run`].
pub fn consumer(settings: Settings, wanted: Wanted, clock: SharedClock) -> (Consumer, Inlet) {
    // Those of a lost connection may still wait when the broker sends them again.
    let (sender, receiver) = mpsc::channel(2 * usize::from(wanted.receive_maximum) + 64);
    let backoff = Backoff::new(settings.backoff_min, settings.backoff_max);
    let shared =
        Arc::new(Shared { settings, wanted, clock, status: watch::Sender::default(), client: Mutex::default() });
    (Consumer { shared: shared.clone(), arrived: sender, backoff }, Inlet { shared, arrived: receiver })
}

impl Inlet {
    /// At most `most` messages, in the order in which they came; waits for the first. None once the consumer has ended.
    pub async fn next(&mut self, most: usize) -> Vec<Arrived> {
        let mut batch = Vec::new();
        self.arrived.recv_many(&mut batch, most).await;
        batch
    }

    /// How many messages wait here.
    pub fn waiting(&self) -> usize {
        self.arrived.len()
    }

    /// Publishes once, not retained, at QoS 0; returns whether there was a connection and room.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> bool {
        let client = self.shared.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().is_some_and(|client| client.try_publish(topic, QoS::AtMostOnce, false, payload).is_ok())
    }

    /// How the consumer is, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// For whoever publishes what must stay at the broker, or what must be answered.
    pub fn publisher(&self) -> Publisher {
        Publisher { shared: self.shared.clone() }
    }
}

/// Where what must stay at the broker, or must be answered, goes in. Cloning is cheap.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

impl Publisher {
    /// Publishes, retained, at QoS 1; returns whether there was a connection and room. It reaches the broker unless that
    /// connection ends: after each new one ([`Status::connections`]) everything must be published again.
    pub fn retain(&self, topic: &str, payload: Vec<u8>) -> bool {
        let client = self.shared.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().is_some_and(|client| client.try_publish(topic, QoS::AtLeastOnce, true, payload).is_ok())
    }

    /// Publishes once, not retained, at QoS 1; returns whether there was a connection and room. It is lost where that
    /// connection ends too soon, or nobody listens.
    pub fn tell(&self, topic: &str, payload: Vec<u8>) -> bool {
        let client = self.shared.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().is_some_and(|client| client.try_publish(topic, QoS::AtLeastOnce, false, payload).is_ok())
    }

    /// How the consumer is now.
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }
}

impl Consumer {
    /// Connects and takes in until it is time to stop. Failures are waited out; [`Inlet::status`] tells of them.
    pub async fn run(mut self, stopping: Stopping) {
        while !stopping.is_stopping() {
            let began = self.shared.clock.mono();
            let result = self.run_once(&stopping).await;
            self.shared.set_client(None);
            let Err(error) = result else { break };
            if self.shared.clock.mono().saturating_sub(began) > HEALTHY {
                self.backoff.reset();
            }
            let wait = self.wait_after(&error);
            tracing::warn!(
                error = super::error::chain(&error),
                retry_s = wait.as_secs_f32(),
                "nothing comes in from the broker"
            );
            self.note_end(Some(error));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopping.stopped() => break,
            }
        }
        self.note_end(None);
    }

    async fn run_once(&mut self, stopping: &Stopping) -> Result<(), Error> {
        let opened = tokio::select! {
            opened = Link::open(&self.shared, &self.arrived) => opened,
            () = stopping.stopped() => return Ok(()),
        };
        let mut link = opened?;
        let now = self.shared.clock.unix_nanos();
        self.shared.status.send_modify(|status| {
            status.connected_since = Some(now);
            status.connections += 1;
            status.unheard = link.unheard.clone();
        });
        self.shared.set_client(Some(link.client.clone()));
        tokio::select! {
            result = link.take_in() => return result,
            () = stopping.stopped() => {}
        }
        link.part().await;
        Ok(())
    }

    fn wait_after(&mut self, error: &Error) -> Duration {
        match error {
            // Whoever has our place must not be driven out by us, and then we by it, without end.
            Error::SessionTaken => self.shared.settings.taken_wait.mul_f64(1.0 + fastrand::f64() / 2.0),
            _ => self.backoff.next_wait(),
        }
    }

    fn note_end(&self, error: Option<Error>) {
        self.shared.status.send_modify(|status| {
            status.connected_since = None;
            status.last_error = error.map(Arc::new).or_else(|| status.last_error.take());
        });
    }
}

/// For a failure of the operating system while files were read.
fn lost(error: impl std::error::Error) -> Error {
    Error::Unreachable { source: io::Error::other(error.to_string()) }
}
