//! Keeps the client connected: one [`Connection`] after the other, with waits between, until it is time to stop.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::board::Board;
use super::connection::{Connection, End, refusal};
use super::feeder::{Ask, Feeder};
use super::{Error, Identity, Incoming, NotPublished, Outbox, Settings, Status};
use crate::base::backoff::Backoff;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;

/// Messages that came in and wait for the agent; beyond it they are ignored and counted.
const WAITING: usize = 256;
/// A connection that lasted so long was a good one: the next wait is the shortest again.
const HEALTHY: Duration = Duration::from_secs(60);
/// A connection that ended sooner may have been ended by a client with the same id.
const SHORT: Duration = Duration::from_secs(30);
/// How long a filter is left alone on which a message was too large.
const QUARANTINE: Duration = Duration::from_secs(600);

/// The session, before and while it runs.
pub struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) incoming: mpsc::Sender<Incoming>,
    backoff: Backoff,
    /// Short connections in succession on which another client was seen.
    takeovers: u32,
    pub(super) quarantine: BTreeMap<String, Duration>,
    /// Whether to find out which filter holds the message that is too large.
    pub(super) careful: bool,
}

/// What session, connection and handles share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) clock: SharedClock,
    pub(super) board: Board,
    pub(super) reconnect: Notify,
    pub(super) status: watch::Sender<Status>,
}

/// Talks to a running session from elsewhere. Cloning is cheap.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// Sets the state that is retained under `topic`. It is published now, or once connected, and again after each
    /// new connection; of several set in between only the latest. An empty payload removes it at the broker.
    pub fn set_retained(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.shared.board.set(topic, payload.into());
    }

    /// Publishes once, without keeping it: an answer.
    ///
    /// # Errors
    /// When it can never be published, or when 64 others wait.
    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), NotPublished> {
        let payload = payload.into();
        if let Some(refusal) = refusal(topic, payload.len(), self.shared.settings.max_packet) {
            self.shared.status.send_modify(|status| status.refused += 1);
            return Err(NotPublished::Refused(refusal));
        }
        if self.shared.board.leave(topic, payload) { Ok(()) } else { Err(NotPublished::TooMany) }
    }

    /// Ends the connection and makes a new one at once, which reads credentials and certificates anew.
    pub fn reconnect(&self) {
        self.shared.reconnect.notify_one();
    }

    /// How the session is, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }
}

impl Session {
    /// A session, the handle to talk to it, and what comes in through it. Nothing happens before [`Session::run`].
    pub fn new(settings: Settings, identity: Identity, clock: SharedClock) -> (Self, Handle, mpsc::Receiver<Incoming>) {
        let (incoming, received) = mpsc::channel(WAITING);
        let backoff = Backoff::new(settings.backoff_min, settings.backoff_max);
        let shared = Arc::new(Shared {
            settings,
            identity,
            clock,
            board: Board::default(),
            reconnect: Notify::new(),
            status: watch::Sender::default(),
        });
        let handle = Handle { shared: shared.clone() };
        let session = Self { shared, incoming, backoff, takeovers: 0, quarantine: BTreeMap::new(), careful: false };
        (session, handle, received)
    }

    /// Connects and delivers until it is time to stop. Failures are waited out; [`Handle::status`] tells of them.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub async fn run(mut self, outbox: Arc<dyn Outbox>, stopping: Stopping) -> io::Result<()> {
        let changes = outbox.changes();
        let mut feeder = Feeder::start(outbox)?;
        for number in 1.. {
            let began = self.shared.clock.mono();
            let ended = Connection::run(&mut self, number, &mut feeder, changes.clone(), &stopping).await;
            feeder.ask(Ask::Disconnected);
            let lived = self.shared.clock.mono().saturating_sub(began);
            let wait = match ended.result {
                Ok(End::Stopped) => break,
                Ok(End::Reconnect) => {
                    self.note_end(None);
                    // Somebody who keeps asking must not keep the broker busy.
                    self.shared.settings.backoff_min.min(Duration::from_millis(200))
                }
                Err(error) => self.failed(error, lived, ended.filter, ended.twin),
            };
            if stopping.is_stopping() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shared.reconnect.notified() => {}
                () = stopping.stopped() => break,
            }
        }
        self.note_end(None);
        Ok(())
    }

    /// Notes why a connection failed and decides how long to wait.
    fn failed(&mut self, error: Error, lived: Duration, filter: Option<String>, twin: bool) -> Duration {
        self.takeovers = if twin && lived < SHORT && error.may_be_takeover() { self.takeovers + 1 } else { 0 };
        if matches!(error, Error::IncomingTooLarge { .. }) {
            match filter {
                Some(filter) => {
                    tracing::error!(filter, "a message there is too large; the filter is left out for ten minutes");
                    self.quarantine.insert(filter, self.shared.clock.mono() + QUARANTINE);
                    self.careful = false;
                }
                None => self.careful = true,
            }
        }
        if lived > HEALTHY {
            self.backoff.reset();
        }
        let (error, wait) = if self.takeovers >= 2 {
            (Error::SessionTaken, self.shared.settings.taken_wait.mul_f64(1.0 + fastrand::f64() / 2.0))
        } else {
            (error, self.backoff.next_wait())
        };
        tracing::warn!(
            error = super::error::chain(&error),
            retry_s = wait.as_secs_f32(),
            "no connection to the broker"
        );
        self.note_end(Some(Arc::new(error)));
        wait
    }

    fn note_end(&self, error: Option<Arc<Error>>) {
        self.shared.status.send_modify(|status| {
            let was_ready = status.connected_since.take().is_some();
            status.failed_attempts += u64::from(error.is_some() && !was_ready);
            status.in_flight = 0;
            status.last_error = error.or_else(|| status.last_error.take());
        });
    }
}
