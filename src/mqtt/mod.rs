//! The broker session: connect, publish with acknowledgement, take messages in. The only room that names rumqttc.
//!
//! ```text
//!              +-----------------------------------------------------------------+
//!              v                                                                 |
//!  stopped  CONNECTING --CONNACK--> SUBSCRIBING --SUBACK--> READY --any error--> WAITING (jittered, 1 s .. 60 s;
//!     ^                                                      |  |                60 s where another client has our id)
//!     |                                                      |  +--reconnect()--> CONNECTING
//!     +------ offline published, DISCONNECT <-- DRAINING <---+ stopping
//! ```
//!
//! rumqttc 0.25 loses queued messages when the broker has forgotten the session, can lock up when acknowledgements
//! come out of order, and has neither a backoff nor a usable limit on packets. Therefore: every connection is a new
//! `EventLoop` with a clean session; only [`Outbox`] remembers what is unsent; nothing is published before the
//! subscriptions are acknowledged; the distance between the newest message and the oldest unacknowledged one stays
//! below the window, so that a packet id is never reused too early; sizes are checked before the client sees a
//! message; and a timer of our own drops a connection on which nothing comes in for 2.5 keep-alives.
//!
//! Credentials and certificates are read anew for each connection, so that a rotated one needs no restart.
//!
//! [`consumer`] is the other direction, for a hub: it takes in what all agents publish.

mod board;
mod connection;
pub mod consumer;
mod endpoint;
mod error;
mod feeder;
mod limiter;
mod session;
mod subscribing;
mod tls;
mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use endpoint::Endpoint;
pub use error::Error;
pub use session::{Handle, Session};

/// How to reach the broker and how to behave there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `mqtt://host[:1883]` or, encrypted, `mqtts://host[:8883]`; without user or password. Required.
    pub url: String,
    /// The name to log in with. Default: none.
    pub username: Option<String>,
    /// The file that holds the password in its first line. Default: none.
    pub password_file: Option<PathBuf>,
    /// Certificates, in PEM, of the authorities that may vouch for the broker. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate chain in PEM; needs `key_file`. Default: none.
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file` in PEM. Default: none.
    pub key_file: Option<PathBuf>,
    /// When a message may leave the spool. Default: when the broker has taken it.
    pub delivery: Delivery,
    /// How often the broker is asked for a sign of life, at least 1 s; after 2.5 times as long without any, the
    /// connection is dropped. Default 5 s.
    pub keep_alive: Duration,
    /// The largest packet in bytes, both ways. Default 256 KiB.
    pub max_packet: usize,
    /// How many messages may be unacknowledged at the same time, 1..1000. Default 64.
    pub window: u16,
    /// How long connecting may take, whole seconds. Default 5 s.
    pub connect_timeout: Duration,
    /// The first wait after a failure. Default 1 s.
    pub backoff_min: Duration,
    /// The longest wait after a failure. Default 60 s.
    pub backoff_max: Duration,
    /// The wait where another client uses the same id. Default 60 s.
    pub taken_wait: Duration,
    /// How long the connection must last after the broker has acknowledged a message before it may leave the spool;
    /// when it is lost sooner, the message is sent again. Brokers acknowledge from memory, and one that is killed takes
    /// with it what it has acknowledged last. Repetitions have the same id. Only with [`Delivery::Broker`]. Default 2 s.
    pub settle: Duration,
    /// How long to go on delivering when stopping. Default 3 s.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            delivery: Delivery::Broker,
            keep_alive: Duration::from_secs(5),
            max_packet: 256 * 1024,
            window: 64,
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            taken_wait: Duration::from_secs(60),
            settle: Duration::from_secs(2),
            drain: Duration::from_secs(3),
        }
    }
}

/// When a message may leave the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// When the broker has acknowledged it, and has lived on for a while. A broker may still lose it before it reaches
    /// anybody.
    #[default]
    Broker,
    /// When the hub says that it has stored it.
    Hub,
}

/// Who this client is. Given by the agent, not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The client id; no two connected clients of a broker may have the same.
    pub client_id: String,
    /// Where the client says whether it is there.
    pub presence: Presence,
    /// What it wants to hear.
    pub subscriptions: Vec<Subscription>,
}

/// What is said, retained, of this client being there. Both payloads name the run of the program, so that they differ
/// from those of any other run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The topic of both.
    pub topic: String,
    /// Published once the subscriptions are acknowledged.
    pub online: Vec<u8>,
    /// Published when stopping, and by the broker as Last Will.
    pub offline: Vec<u8>,
}

/// One topic filter to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The filter, which may have wildcards.
    pub filter: String,
    /// How many messages a second are passed on, twice as many at once; what exceeds it is ignored and counted.
    pub per_second: u32,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its topic.
    pub topic: String,
    /// Its bytes, at most [`Settings::max_packet`]; whatever the sender liked to send.
    pub payload: Vec<u8>,
    /// Whether it lay at the broker before this client came.
    pub retained: bool,
}

/// A message that waits to be published, at QoS 1 and not retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// How the outbox tells it from others; never two unacknowledged ones with the same.
    pub token: u64,
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Why a message was not published and will not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its packet would be larger than [`Settings::max_packet`].
    #[error("a packet of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// The size that the packet would have.
        size: usize,
        /// The size that it may have.
        limit: usize,
    },
    /// Its topic is empty, too long or has a wildcard.
    #[error("{topic:?} is not a topic that can be published to")]
    Topic {
        /// The topic.
        topic: String,
    },
}

/// Why [`Handle::publish`] did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// It can never be published.
    #[error(transparent)]
    Refused(Refusal),
    /// Too many wait; the broker is away or slow.
    #[error("too many messages wait to be published")]
    TooMany,
}

/// Where messages come from. What it hands out stays its own until it is acknowledged.
///
/// All calls come from one thread that may block, never at the same time.
pub trait Outbox: Send + Sync + 'static {
    /// The messages to publish next, the most urgent first, at most `room`; none that were handed out before, unless
    /// [`Outbox::disconnected`] was called since.
    fn next_batch(&self, room: usize) -> Vec<Outgoing>;

    /// The broker has taken these, and has lived on for [`Settings::settle`].
    fn acknowledged(&self, tokens: &[u64]);

    /// This one can never be published.
    fn refused(&self, token: u64, why: &Refusal);

    /// The connection was lost: whatever was handed out and not acknowledged is to be handed out again.
    fn disconnected(&self);

    /// Changes whenever there may be more to hand out.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// How the session is.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Since when it is ready, in nanoseconds since 1970; none while it is not.
    pub connected_since: Option<i64>,
    /// Why the connection was lost or could not be made the last time.
    pub last_error: Option<Arc<Error>>,
    /// Connections that became ready, the first one included.
    pub connections: u64,
    /// Attempts that failed before they became ready.
    pub failed_attempts: u64,
    /// Messages sent and not yet acknowledged.
    pub in_flight: u64,
    /// Messages acknowledged by the broker.
    pub acknowledged: u64,
    /// Messages that can never be published.
    pub refused: u64,
    /// Incoming messages that were not passed on, because there were too many.
    pub ignored: u64,
    /// Filters that the broker would not let us subscribe to, or that are left out for ten minutes because a
    /// message there is too large.
    pub unheard: Vec<String>,
}
