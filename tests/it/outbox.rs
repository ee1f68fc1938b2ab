//! Spool and session together: from a committed record to a hub that has stored it, across kills of broker and agent.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use tokio::sync::watch;
use vedette::base::clock::SystemClock;
use vedette::mqtt::{self, Delivery, Outbox, Outgoing, Refusal};
use vedette::spool::{Class, Draft, DurableSpool, Limit, Order, RecordId, Settings, Spool};
use vedette::wire::{self, AckMessage};

use crate::support::session::{Running, eventually, identity, settings, start};
use crate::support::subscriber::{Message, Subscriber};
use crate::support::{child, mosquitto};

const EVENT: &str = "vedette/v1/gate/event/track";
const ACK: &str = "vedette/v1/gate/ack";

/// Hands the spool's records to the session: alerts first, each class in order.
struct Forward {
    spool: Arc<dyn Spool>,
    delivery: Delivery,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    next_token: u64,
    tokens: HashMap<u64, RecordId>,
    /// Handed out, and not to be handed out again until the connection is lost or the hub stays silent.
    out: HashSet<RecordId>,
}

impl Forward {
    fn new(spool: Arc<dyn Spool>, delivery: Delivery) -> Arc<Self> {
        let forward = Arc::new(Self { spool, delivery, state: Mutex::default(), changes: watch::Sender::new(0) });
        let mut committed = forward.spool.changes();
        let weak = Arc::downgrade(&forward);
        tokio::spawn(async move {
            while committed.changed().await.is_ok() {
                let Some(forward) = weak.upgrade() else { return };
                forward.changes.send_modify(|n| *n += 1);
            }
        });
        forward
    }

    /// The hub has stored these.
    fn stored(&self, ack: &AckMessage) {
        let class = match ack.class {
            wire::Class::Alert => Class::Alert,
            wire::Class::Event => Class::Event,
            wire::Class::Telemetry => Class::Telemetry,
        };
        self.spool.retire_upto(class, ack.epoch, ack.upto, &ack.also);
    }

    /// The hub has been silent for too long: everything is to be sent again.
    fn resend(&self) {
        self.disconnected();
        self.changes.send_modify(|n| *n += 1);
    }
}

impl Outbox for Forward {
    fn next_batch(&self, room: usize) -> Vec<Outgoing> {
        let mut state = self.state.lock().unwrap();
        let mut batch = Vec::new();
        for class in Class::ALL {
            let limit = Limit { records: room - batch.len(), bytes: 4 << 20 };
            for record in self.spool.peek(class, Order::Oldest, &state.out, limit) {
                state.next_token += 1;
                let token = state.next_token;
                state.tokens.insert(token, record.id);
                state.out.insert(record.id);
                batch.push(Outgoing { token, topic: EVENT.to_owned(), payload: record.payload });
            }
        }
        batch
    }

    fn acknowledged(&self, tokens: &[u64]) {
        let mut state = self.state.lock().unwrap();
        let ids: Vec<RecordId> = tokens.iter().filter_map(|t| state.tokens.remove(t)).collect();
        if self.delivery == Delivery::Broker {
            self.spool.retire(&ids);
            state.out.retain(|id| !ids.contains(id));
        }
    }

    fn refused(&self, token: u64, _: &Refusal) {
        self.acknowledged(&[token]);
    }

    fn disconnected(&self) {
        let mut state = self.state.lock().unwrap();
        state.tokens.clear();
        state.out.clear();
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

fn payload(id: RecordId) -> Vec<u8> {
    format!("{} {}", id.epoch, id.seq).into_bytes()
}

fn read(message: &Message) -> (u64, u64) {
    let text = String::from_utf8(message.payload.clone()).unwrap();
    let (epoch, seq) = text.split_once(' ').unwrap();
    (epoch.parse().unwrap(), seq.parse().unwrap())
}

/// A hub in miniature: stores, drops repetitions, and acknowledges up to where nothing is missing.
async fn hub(port: u16) -> (Subscriber, Arc<Mutex<BTreeMap<u64, BTreeSet<u64>>>>) {
    let stored = Arc::new(Mutex::new(BTreeMap::<u64, BTreeSet<u64>>::new()));
    let store = stored.clone();
    let on_message = move |client: &AsyncClient, message: &Message| {
        let (epoch, seq) = read(message);
        let mut store = store.lock().unwrap();
        let seen = store.entry(epoch).or_default();
        seen.insert(seq);
        let upto = seen.iter().zip(1..).take_while(|(seq, n)| *seq == n).count() as u64;
        let also = seen.range(upto + 1..).take(1000).copied().collect();
        let ack = AckMessage { class: wire::Class::Event, epoch, upto, also };
        // Where the queue is full, a later acknowledgement covers this one.
        let _ = client.try_publish(ACK, QoS::AtLeastOnce, false, wire::to_json(&ack));
    };
    (Subscriber::with(port, "hub", EVENT, on_message).await, stored)
}

/// Passes the hub's acknowledgements on, and sends again when they stay away.
fn listen(session: Running, forward: Arc<Forward>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        // The whole of it, or the rest would be dropped here and now, and with it the session.
        let mut session = session;
        loop {
            match tokio::time::timeout(Duration::from_secs(2), session.incoming.recv()).await {
                Ok(Some(message)) => forward.stored(&serde_json::from_slice(&message.payload).unwrap()),
                Ok(None) => return,
                Err(_) => forward.resend(),
            }
        }
    })
}

fn open(path: &Path) -> Arc<dyn Spool> {
    Arc::new(DurableSpool::open(path, Settings::default(), SystemClock::shared()))
}

fn left(spool: &dyn Spool) -> u64 {
    spool.health().backlog.iter().map(|b| b.records).sum()
}

/// Appends 500 events while the broker is killed five times.
async fn events_with_kills(spool: &Arc<dyn Spool>, broker: &mut mosquitto::Mosquitto) {
    for n in 1..=500 {
        let spool = spool.clone();
        tokio::task::spawn_blocking(move || spool.append(Class::Event, payload).unwrap()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(4)).await;
        if n % 90 == 0 {
            broker.kill();
            tokio::time::sleep(Duration::from_millis(100)).await;
            broker.launch();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kills_of_the_broker_lose_none_when_the_hub_acknowledges() {
    for persistence in ["persistence false", "persistence true"] {
        let Some(mut broker) = mosquitto::start(&[persistence, "max_queued_messages 0"]) else { return };
        let folder = tempfile::tempdir().unwrap();
        let spool = open(&folder.path().join("spool.redb"));
        let (hub, stored) = hub(broker.port()).await;
        let forward = Forward::new(spool.clone(), Delivery::Hub);
        let session = start(settings(&broker.url()), identity("gate"), forward.clone());
        let listening = listen(session, forward);
        events_with_kills(&spool, &mut broker).await;
        eventually("nothing left in the spool", async || left(&*spool) == 0).await;
        let stored: Vec<u64> = stored.lock().unwrap().values().flatten().copied().collect();
        let repeated = hub.messages().len() - stored.len();
        println!("{persistence}, hub acknowledges: {} of 500 arrived, {repeated} repetitions", stored.len());
        assert_eq!(stored, (1..=500).collect::<Vec<_>>());
        listening.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kills_of_a_broker_that_saves_on_each_change_lose_none_either() {
    let saving = ["persistence true", "autosave_on_changes true", "autosave_interval 1", "max_queued_messages 0"];
    for lines in [&saving[..], &["persistence true", "max_queued_messages 0"]] {
        let Some(mut broker) = mosquitto::start(lines) else { return };
        let folder = tempfile::tempdir().unwrap();
        let spool = open(&folder.path().join("spool.redb"));
        let (hub, stored) = hub(broker.port()).await;
        let forward = Forward::new(spool.clone(), Delivery::Broker);
        let settings = mqtt::Settings { settle: Duration::from_secs(2), ..settings(&broker.url()) };
        let _session = start(settings, identity("gate"), forward);
        events_with_kills(&spool, &mut broker).await;
        eventually("nothing left in the spool", async || left(&*spool) == 0).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let arrived = stored.lock().unwrap().values().map(BTreeSet::len).sum::<usize>();
        let repeated = hub.messages().len() - arrived;
        println!("{lines:?}, broker acknowledges: {arrived} of 500 arrived, {repeated} repetitions");
        // A broker that saves on each change loses nothing, as it is trusted only after a while. For one that saves
        // rarely there is no promise: it forgets who listens, and what comes before the hub is back reaches nobody.
        let least = if lines == saving { 500 } else { 450 };
        assert!(arrived >= least, "{arrived} of 500");
    }
}

/// Played in a process of its own: an agent that makes events and delivers them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_delivers() {
    if !child::is("outbox::child_that_delivers") {
        return;
    }
    let spool = open(Path::new(&std::env::var("SPOOL").unwrap()));
    let forward = Forward::new(spool.clone(), Delivery::Hub);
    let session = start(settings(&std::env::var("BROKER").unwrap()), identity("gate"), forward.clone());
    let _listening = listen(session, forward);
    let last: u64 = std::env::var("EVENTS").unwrap().parse().unwrap();
    loop {
        let spool = spool.clone();
        let made = tokio::task::spawn_blocking(move || {
            let id = spool.get_state("last").map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap()));
            if id < last {
                let receipt = spool.append(Class::Event, payload).unwrap();
                println!("committed {}", receipt.id.seq);
                spool.put_state("last", &receipt.id.seq.to_le_bytes());
            }
            left(&*spool)
        });
        println!("left {}", made.await.unwrap());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_of_the_agent_and_five_of_the_broker_lose_nothing_that_was_committed() {
    let Some(mut broker) = mosquitto::start(&["persistence false", "max_queued_messages 0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.redb");
    let (hub, stored) = hub(broker.port()).await;
    let url = broker.url();
    let variables = |events: &str| {
        [("SPOOL", path.to_str().unwrap().to_owned()), ("BROKER", url.clone()), ("EVENTS", events.to_owned())]
    };
    let committed = Arc::new(Mutex::new(BTreeSet::new()));
    for kill in 0..=10 {
        let variables = variables(if kill < 10 { "1000000" } else { "0" });
        let pairs: Vec<(&str, &str)> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let mut agent = child::start("outbox::child_that_delivers", &pairs);
        let sink = committed.clone();
        let run = tokio::task::spawn_blocking(move || {
            let wanted = 30 + fastrand::usize(..40);
            let mut lines = 0;
            while let Some(line) = agent.line("") {
                lines += 1;
                match line.rsplit_once(' ') {
                    Some((text, seq)) if text.ends_with("committed") => sink.lock().unwrap().extend(seq.parse::<u64>()),
                    Some((text, "0")) if text.ends_with("left") && kill == 10 => return,
                    _ => {}
                }
                if kill < 10 && lines == wanted {
                    agent.kill();
                }
            }
        });
        if kill % 2 == 1 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            broker.kill();
            broker.launch();
        }
        run.await.unwrap();
    }
    let stored: BTreeSet<u64> = stored.lock().unwrap().values().flatten().copied().collect();
    let committed = committed.lock().unwrap().clone();
    let missing: Vec<&u64> = committed.difference(&stored).collect();
    let repeated = hub.messages().len() - stored.len();
    println!(
        "{} committed over 10 kills of the agent and 5 of the broker, {} missing, {repeated} repetitions",
        committed.len(),
        missing.len()
    );
    assert!(missing.is_empty(), "{missing:?}");
    assert!(committed.len() > 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_overtakes_a_backlog_of_twenty_thousand_events() {
    const BACKLOG: usize = 20_000;
    let Some(broker) = mosquitto::start(&["max_queued_messages 0", "max_inflight_messages 0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder.path().join("spool.redb"));
    let began = tokio::time::Instant::now();
    for _ in 0..BACKLOG / 500 {
        let drafts: Vec<Draft<'_>> = (0..500).map(|_| Draft::new(Class::Event, |_| vec![b'e'; 700])).collect();
        assert!(spool.commit(&drafts).iter().all(Result::is_ok));
    }
    println!("{BACKLOG} events of 700 bytes committed in {:.2} s", began.elapsed().as_secs_f32());
    let listener = Subscriber::start(broker.port(), "hub", EVENT).await;
    let began = tokio::time::Instant::now();
    let forward = Forward::new(spool.clone(), Delivery::Broker);
    let settings = mqtt::Settings { settle: Duration::from_secs(2), ..settings(&broker.url()) };
    let session = start(settings, identity("gate"), forward);
    session.until("the backlog begins to leave", |s| s.acknowledged > 200).await;
    spool.append(Class::Alert, |_| b"alert".to_vec()).unwrap();
    eventually("the last of it", async || listener.messages().len() > BACKLOG).await;
    let seconds = began.elapsed().as_secs_f32();
    let place = listener.messages().iter().position(|m| m.payload == b"alert").unwrap();
    println!("delivered in {seconds:.2} s, {:.0} a second; the alert came after {place}", BACKLOG as f32 / seconds);
    assert!(place < BACKLOG - 1000, "the alert came after {place} of the backlog");
    eventually("nothing left", async || left(&*spool) == 0).await;
}
