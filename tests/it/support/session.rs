//! A session of ours with a simple outbox, as the agent would run it.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use vedette::base::clock::SystemClock;
use vedette::base::shutdown::Shutdown;
use vedette::mqtt::{
    Handle, Identity, Incoming, Outbox, Outgoing, Presence, Refusal, Session, Settings, Status, Subscription,
};

/// A running session.
pub struct Running {
    pub handle: Handle,
    pub incoming: mpsc::Receiver<Incoming>,
    shutdown: Option<Shutdown>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Settings for tests: quick to notice and to retry.
pub fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        keep_alive: Duration::from_secs(1),
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_millis(400),
        settle: Duration::ZERO,
        ..Settings::default()
    }
}

/// An identity under `vedette/v1/<id>/`.
pub fn identity(id: &str) -> Identity {
    let topic = |rest: &str| format!("vedette/v1/{id}/{rest}");
    let filter = |rest: &str, per_second| Subscription { filter: topic(rest), per_second };
    Identity {
        client_id: id.to_owned(),
        presence: Presence {
            topic: topic("status"),
            online: format!("online {id}").into_bytes(),
            offline: format!("offline {id}").into_bytes(),
        },
        subscriptions: vec![filter("command/#", 20), filter("ack", 2000), filter("desired", 20)],
    }
}

/// Starts a session.
pub fn start(settings: Settings, identity: Identity, outbox: Arc<dyn Outbox>) -> Running {
    let (session, handle, incoming) = Session::new(settings, identity, SystemClock::shared());
    let (shutdown, stopping) = Shutdown::new();
    let task = tokio::spawn(session.run(outbox, stopping));
    Running { handle, incoming, shutdown: Some(shutdown), task }
}

impl Running {
    /// The session's status now.
    pub fn status(&self) -> Status {
        self.handle.status().borrow().clone()
    }

    /// Waits until the status is as `wanted`.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.handle.status();
        let found = tokio::time::timeout(Duration::from_secs(60), status.wait_for(|s| wanted(s))).await;
        match found {
            Ok(status) => status.unwrap().clone(),
            Err(_) => panic!("not within 60 s: {what}; the status is {:?}", self.status()),
        }
    }

    /// Waits until it is connected.
    pub async fn connected(&self) -> Status {
        self.until("connected", |s| s.connected_since.is_some()).await
    }

    /// Stops it as the agent would.
    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        self.task.await.unwrap().unwrap();
    }
}

/// Waits until something is so, for at most a minute.
pub async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    for _ in 0..1200 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 60 s: {what}");
}

/// Messages in memory; those handed out come back when the connection is lost.
#[derive(Default)]
pub struct Letters {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    waiting: VecDeque<Outgoing>,
    out: BTreeMap<u64, Outgoing>,
    refused: Vec<Refusal>,
    found_empty: bool,
}

impl Letters {
    /// Adds a message.
    pub fn push(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.push_silently(topic, payload);
        self.changes.send_modify(|n| *n += 1);
    }

    /// Adds a message and does not tell that there is one.
    pub fn push_silently(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        let mut inner = self.inner.lock().unwrap();
        inner.next += 1;
        let message = Outgoing { token: inner.next, topic: topic.to_owned(), payload: payload.into() };
        inner.waiting.push_back(message);
        inner.found_empty = false;
    }

    /// Whether nothing waited when it was last asked.
    pub fn found_empty(&self) -> bool {
        self.inner.lock().unwrap().found_empty
    }

    /// How many are not acknowledged.
    pub fn left(&self) -> usize {
        let inner = self.inner.lock().unwrap();
        inner.waiting.len() + inner.out.len()
    }

    /// What was refused.
    pub fn refused(&self) -> Vec<Refusal> {
        self.inner.lock().unwrap().refused.clone()
    }
}

impl Outbox for Letters {
    fn next_batch(&self, room: usize) -> Vec<Outgoing> {
        let mut inner = self.inner.lock().unwrap();
        let count = room.min(inner.waiting.len());
        inner.found_empty = count == 0;
        let batch: Vec<Outgoing> = inner.waiting.drain(..count).collect();
        inner.out.extend(batch.iter().map(|m| (m.token, m.clone())));
        batch
    }

    fn acknowledged(&self, tokens: &[u64]) {
        let mut inner = self.inner.lock().unwrap();
        for token in tokens {
            assert!(inner.out.remove(token).is_some(), "{token} was acknowledged twice or never handed out");
        }
    }

    fn refused(&self, token: u64, why: &Refusal) {
        let mut inner = self.inner.lock().unwrap();
        inner.out.remove(&token);
        inner.refused.push(why.clone());
    }

    fn disconnected(&self) {
        let mut inner = self.inner.lock().unwrap();
        let back: Vec<Outgoing> = std::mem::take(&mut inner.out).into_values().collect();
        for message in back.into_iter().rev() {
            inner.waiting.push_front(message);
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
