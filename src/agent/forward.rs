//! From the spool to the broker: what is committed is published, alerts first, and leaves when it is acknowledged.
//!
//! - Within a class the oldest goes first. While there is a backlog, one message in five is the newest, so that somebody
//!   who watches sees the present without the past being starved.
//! - With `delivery: broker` a record leaves the spool when the broker has acknowledged it. With `delivery: hub` it stays
//!   until the hub says that it is stored, and is published again when that takes longer than [`RESEND`]; the longer the
//!   hub is silent, the more rarely. Each class may have [`UNSTORED`] records at the hub: no alert waits because the hub
//!   is behind with events.
//! - An event that the session refuses as too large goes as a gap under the same id, so that a hub that counts ids does
//!   not wait for it.
//! - Telemetry, such as pictures, always leaves when the broker has it: it carries no id that a hub could name.
//! - Where nothing at all is acknowledged although the connection stands, that is told: see `stall`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::agent::envelope;
use crate::agent::oversize::Oversize;
use crate::agent::stall::{News, PATIENCE, Stall};
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::mqtt::{Delivery, Outbox, Outgoing, Refusal};
use crate::spool::{Class, Limit, Order, RecordId, Spool};
use crate::wire::{self, AckMessage, EventMessage};

/// How long the hub may take to say that it has stored something before it is published again.
const RESEND: Duration = Duration::from_secs(10);
/// The longest that it comes to while the hub stays silent: a broker is not to be filled with repetitions.
const RESEND_MAX: Duration = Duration::from_secs(600);
/// How many records of a class may be published and not yet stored by the hub.
const UNSTORED: usize = 1000;
/// How much is read from the spool for one batch.
const BATCH_BYTES: usize = 1 << 20;
/// One message in so many is the newest while there is a backlog.
const NEWEST_SHARE: usize = 5;

/// Publishes what the spool holds.
pub struct Forwarder {
    spool: Arc<dyn Spool>,
    delivery: Delivery,
    clock: SharedClock,
    sent: Mutex<Sent>,
    changes: watch::Sender<u64>,
    /// Acknowledgements of the hub.
    heard: AtomicU64,
}

/// What was handed out and has not left the spool.
#[derive(Default)]
struct Sent {
    next_token: u64,
    under_way: HashMap<u64, RecordId>,
    records: HashSet<RecordId>,
    /// At the broker, and not yet stored by the hub.
    unstored: HashMap<RecordId, Duration>,
    /// In how many rounds everything was published again since the hub last stored something.
    silent_rounds: u32,
    refused: u64,
    /// Refused as too large, and since then handed out as gaps.
    oversize: HashMap<RecordId, Oversize>,
    stall: Stall,
}

impl Sent {
    /// Whether an alert or an event waits for its acknowledgement.
    fn waits(&self) -> bool {
        !self.unstored.is_empty() || self.under_way.values().any(|id| id.class != Class::Telemetry)
    }
}

impl Forwarder {
    /// Forwards from `spool`.
    pub fn new(spool: Arc<dyn Spool>, delivery: Delivery, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            spool,
            delivery,
            clock,
            sent: Mutex::default(),
            changes: watch::Sender::default(),
            heard: AtomicU64::new(0),
        })
    }

    /// Wakes the session whenever the spool has something new, and publishes again what the hub did not store in time.
    pub async fn run(self: Arc<Self>, stopping: Stopping) {
        let mut spool = self.spool.changes();
        // Goes on from round to round: a timer that began anew with each would never end while events keep coming.
        let mut due = tokio::time::interval(RESEND / 4);
        loop {
            tokio::select! {
                changed = spool.changed() => if changed.is_err() { return },
                _ = due.tick() => {
                    self.resend();
                    self.watch_stall();
                }
                () = stopping.stopped() => return,
            }
            self.wake();
        }
    }

    /// How many acknowledgements of the hub were heard, whether or not anything waits for them.
    pub fn acknowledged_by_hub(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Takes in the hub's word on what it has stored.
    pub fn stored(&self, ack: &AckMessage) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        let class = match ack.class {
            wire::Class::Alert => Class::Alert,
            wire::Class::Event => Class::Event,
            wire::Class::Telemetry => Class::Telemetry,
        };
        self.spool.retire_upto(class, ack.epoch, ack.upto, &ack.also);
        let is_stored = |id: &RecordId| {
            id.class == class && id.epoch == ack.epoch && (id.seq <= ack.upto || ack.also.contains(&id.seq))
        };
        let now = self.clock.mono();
        let mut sent = self.lock();
        let before = sent.records.len();
        sent.unstored.retain(|id, _| !is_stored(id));
        sent.records.retain(|id| !is_stored(id));
        // The hub may be quicker than the broker's own acknowledgement.
        sent.under_way.retain(|_, id| !is_stored(id));
        sent.oversize.retain(|id, _| !is_stored(id));
        sent.silent_rounds = 0;
        let others = sent.waits();
        if sent.records.len() < before || !others {
            sent.stall.acknowledged(now, others);
        }
        drop(sent);
        self.wake();
    }

    fn resend(&self) {
        let now = self.clock.mono();
        let mut sent = self.lock();
        let patience = RESEND.saturating_mul(1 << sent.silent_rounds.min(10)).min(RESEND_MAX);
        let late: Vec<RecordId> =
            sent.unstored.iter().filter(|&(_, at)| now.saturating_sub(*at) >= patience).map(|(id, _)| *id).collect();
        for id in &late {
            sent.unstored.remove(id);
            sent.records.remove(id);
        }
        if !late.is_empty() {
            sent.silent_rounds += 1;
            tracing::warn!(records = late.len(), "the hub has not stored what was published; publishing it again");
        }
    }

    /// Since when nothing that waits for it is acknowledged, on the monotonic clock, where that has lasted too long.
    pub fn stalled_since(&self) -> Option<Duration> {
        self.lock().stall.since(self.clock.mono())
    }

    fn watch_stall(&self) {
        let news = self.lock().stall.news(self.clock.mono());
        let whose = match self.delivery {
            Delivery::Broker => "the broker",
            Delivery::Hub => "the hub",
        };
        match news {
            Some(News::Stalled) => tracing::error!(
                seconds = PATIENCE.as_secs(),
                "delivery is stalled: {whose} acknowledges nothing of what is published; it stays in the spool"
            ),
            Some(News::Over) => tracing::info!("{whose} acknowledges again what is published"),
            None => {}
        }
    }

    fn wake(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds records of one class to the batch until it has `room`.
    fn fill(&self, class: Class, room: usize, sent: &mut Sent, batch: &mut Vec<Outgoing>) {
        let wanted = room.saturating_sub(batch.len());
        if wanted == 0 {
            return;
        }
        let backlog = self.spool.health().backlog[class as usize].records as usize;
        let newest = if backlog > 2 * room { wanted.div_ceil(NEWEST_SHARE) } else { 0 };
        for (order, count) in [(Order::Newest, newest), (Order::Oldest, wanted - newest)] {
            if count == 0 {
                continue;
            }
            let limit = Limit { records: count, bytes: BATCH_BYTES };
            for record in self.spool.peek(class, order, &sent.records, limit) {
                self.hand_out(record.id, &record.payload, sent, batch);
            }
        }
    }

    fn hand_out(&self, id: RecordId, record: &[u8], sent: &mut Sent, batch: &mut Vec<Outgoing>) {
        let gap = sent.oversize.get(&id).and_then(|oversize| Some(oversize.stand_in(message(record)?)));
        let record = gap.as_deref().unwrap_or(record);
        let Some((topic, payload)) = envelope::open(record) else {
            tracing::error!(?id, "a record in the spool is not a message; it is given up");
            self.spool.retire(&[id]);
            return;
        };
        let token = sent.next_token;
        sent.next_token += 1;
        sent.under_way.insert(token, id);
        sent.records.insert(id);
        batch.push(Outgoing { token, topic: topic.to_owned(), payload: payload.to_owned() });
    }
}

impl Outbox for Forwarder {
    fn next_batch(&self, room: usize) -> Vec<Outgoing> {
        let now = self.clock.mono();
        let mut sent = self.lock();
        let mut batch = Vec::new();
        for class in Class::ALL {
            if sent.unstored.keys().filter(|id| id.class == class).count() < UNSTORED {
                self.fill(class, room, &mut sent, &mut batch);
            }
        }
        if sent.waits() {
            sent.stall.waits(now);
        }
        batch
    }

    fn acknowledged(&self, tokens: &[u64]) {
        let now = self.clock.mono();
        let mut sent = self.lock();
        let mut done = Vec::new();
        for token in tokens {
            let Some(id) = sent.under_way.remove(token) else { continue };
            if self.delivery == Delivery::Hub && id.class != Class::Telemetry {
                sent.unstored.insert(id, now);
            } else {
                done.push(id);
            }
        }
        // Retired before they are forgotten: a record that is neither sent nor retired would be published again.
        self.spool.retire(&done);
        sent.records.retain(|id| !done.contains(id));
        sent.oversize.retain(|id, _| !done.contains(id));
        if done.iter().any(|id| id.class != Class::Telemetry) {
            let others = sent.waits();
            sent.stall.acknowledged(now, others);
        }
    }

    fn refused(&self, token: u64, why: &Refusal) {
        let now = self.clock.mono();
        let mut sent = self.lock();
        sent.refused += 1;
        let Some(id) = sent.under_way.remove(&token) else { return };
        sent.records.remove(&id);
        if !sent.waits() {
            sent.stall.acknowledged(now, false);
        }
        if let Refusal::TooLarge { size, limit } = *why
            && id.class != Class::Telemetry
            && sent.oversize.insert(id, Oversize { size, limit }).is_none()
        {
            tracing::error!(?id, %why, "an event can never be published; a gap goes in its place");
            drop(sent);
            return self.wake();
        }
        tracing::error!(?id, %why, "a message can never be published; it is given up");
        self.spool.retire(&[id]);
        sent.oversize.remove(&id);
    }

    fn disconnected(&self) {
        let mut sent = self.lock();
        let under_way = std::mem::take(&mut sent.under_way);
        for id in under_way.values() {
            sent.records.remove(id);
        }
        sent.stall.disconnected();
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The event in a record, where it holds one.
fn message(record: &[u8]) -> Option<EventMessage> {
    serde_json::from_slice(envelope::open(record)?.1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::recorder::message_id;
    use crate::base::clock::SimulatedClock;
    use crate::event::{self, ConfigChange, Narrator, Notice};
    use crate::spool::{MemorySpool, Settings};
    use crate::vocab::{ClockState, Id, Labels, MediaTime, WallTime};
    use crate::wire::Origin;

    struct Bench {
        clock: Arc<SimulatedClock>,
        spool: Arc<dyn Spool>,
        forwarder: Arc<Forwarder>,
    }

    fn bench(delivery: Delivery) -> Bench {
        let clock = SimulatedClock::at(0);
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), clock.clone()));
        let forwarder = Forwarder::new(spool.clone(), delivery, clock.clone());
        Bench { clock, spool, forwarder }
    }

    impl Bench {
        fn add(&self, class: Class, name: &str) -> RecordId {
            self.spool.append(class, |_| envelope::seal(name, b"x")).unwrap().id
        }

        fn topics(batch: &[Outgoing]) -> Vec<&str> {
            batch.iter().map(|o| o.topic.as_str()).collect()
        }

        fn waiting(&self) -> u64 {
            self.spool.health().backlog.iter().map(|b| b.records).sum()
        }
    }

    #[test]
    fn alerts_go_first_and_leave_when_the_broker_has_them() {
        let bench = bench(Delivery::Broker);
        bench.add(Class::Event, "e1");
        bench.add(Class::Alert, "a1");
        let batch = bench.forwarder.next_batch(10);
        assert_eq!(Bench::topics(&batch), ["a1", "e1"]);
        assert!(bench.forwarder.next_batch(10).is_empty(), "what is under way is not handed out twice");
        bench.forwarder.acknowledged(&[batch[0].token]);
        assert_eq!(bench.waiting(), 1);
    }

    #[test]
    fn what_was_under_way_when_the_connection_broke_is_handed_out_again() {
        let bench = bench(Delivery::Broker);
        bench.add(Class::Alert, "a1");
        let first = bench.forwarder.next_batch(10);
        bench.forwarder.disconnected();
        bench.forwarder.acknowledged(&[first[0].token]);
        assert_eq!(bench.waiting(), 1, "a late acknowledgement of an old connection retires nothing");
        assert_eq!(Bench::topics(&bench.forwarder.next_batch(10)), ["a1"]);
    }

    #[test]
    fn with_hub_delivery_the_brokers_word_is_not_enough_and_silence_means_again() {
        let bench = bench(Delivery::Hub);
        let id = bench.add(Class::Alert, "a1");
        let batch = bench.forwarder.next_batch(10);
        bench.forwarder.acknowledged(&[batch[0].token]);
        assert_eq!(bench.waiting(), 1);
        bench.clock.advance(RESEND);
        bench.forwarder.resend();
        let again = bench.forwarder.next_batch(10);
        assert_eq!(Bench::topics(&again), ["a1"]);
        bench.forwarder.acknowledged(&[again[0].token]);
        let ack = AckMessage { class: wire::Class::Alert, epoch: id.epoch, upto: id.seq, also: vec![] };
        bench.forwarder.stored(&ack);
        assert_eq!(bench.waiting(), 0);
    }

    #[test]
    fn no_alert_waits_because_the_hub_is_behind_with_events() {
        let bench = bench(Delivery::Hub);
        for i in 0..2 * UNSTORED {
            bench.add(Class::Event, &format!("e{i}"));
        }
        loop {
            let batch = bench.forwarder.next_batch(50);
            if batch.is_empty() {
                break;
            }
            bench.forwarder.acknowledged(&batch.iter().map(|m| m.token).collect::<Vec<_>>());
        }
        assert_eq!(bench.forwarder.lock().unstored.len(), UNSTORED, "the hub has enough of them for now");
        bench.add(Class::Telemetry, "t1");
        bench.add(Class::Alert, "a1");
        assert_eq!(Bench::topics(&bench.forwarder.next_batch(50)), ["a1", "t1"]);
    }

    #[test]
    fn while_the_hub_is_silent_it_is_published_again_ever_more_rarely() {
        let bench = bench(Delivery::Hub);
        let id = bench.add(Class::Alert, "a1");
        let mut times = 0;
        for _ in 0..24 * 360 {
            let batch = bench.forwarder.next_batch(10);
            times += batch.len();
            bench.forwarder.acknowledged(&batch.iter().map(|m| m.token).collect::<Vec<_>>());
            bench.clock.advance(RESEND);
            bench.forwarder.resend();
        }
        assert!((140..=160).contains(&times), "{times} times in a day");
        bench.forwarder.stored(&AckMessage { class: wire::Class::Alert, epoch: id.epoch, upto: id.seq, also: vec![] });
        bench.add(Class::Alert, "a2");
        assert_eq!(bench.forwarder.next_batch(10).len(), 1);
    }

    #[test]
    fn a_hub_that_is_quicker_than_the_broker_is_believed() {
        let bench = bench(Delivery::Hub);
        let id = bench.add(Class::Alert, "a1");
        let batch = bench.forwarder.next_batch(10);
        bench.forwarder.stored(&AckMessage { class: wire::Class::Alert, epoch: id.epoch, upto: id.seq, also: vec![] });
        bench.forwarder.acknowledged(&[batch[0].token]);
        assert_eq!(bench.waiting(), 0);
        assert!(bench.forwarder.lock().unstored.is_empty());
    }

    #[test]
    fn a_hub_that_stores_nothing_is_told_of_and_pictures_that_get_through_are_no_comfort() {
        let bench = bench(Delivery::Hub);
        let id = bench.add(Class::Event, "e1");
        let mut stalled = Vec::new();
        for second in 0..60 {
            bench.add(Class::Telemetry, "t");
            let batch = bench.forwarder.next_batch(10);
            bench.forwarder.acknowledged(&batch.iter().map(|m| m.token).collect::<Vec<_>>());
            bench.forwarder.resend();
            stalled.extend(bench.forwarder.stalled_since().map(|_| second));
            bench.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(stalled, (30..60).collect::<Vec<_>>());
        bench.forwarder.stored(&AckMessage { class: wire::Class::Event, epoch: id.epoch, upto: id.seq, also: vec![] });
        assert_eq!(bench.forwarder.stalled_since(), None);
        bench.clock.advance(Duration::from_secs(600));
        assert_eq!(bench.forwarder.stalled_since(), None, "nothing waits");
    }

    /// Adds an event of which `why` is a part.
    fn add_event(bench: &Bench, why: &str) -> RecordId {
        let agent = Id::new("gate").unwrap();
        let origin = Origin { agent: agent.clone(), site: None, boot: "b".to_owned() };
        let labels = Labels::default();
        let context = event::Context {
            pts: MediaTime::ZERO,
            captured: WallTime::default(),
            clock: ClockState::Synced,
            model: None,
            config_revision: "0123456789ab",
            labels: &labels,
        };
        let change = ConfigChange::Reverted { why: why.to_owned() };
        let notice = Notice::Config { revision: "one".to_owned(), change };
        let told = Narrator::new(event::Settings::new(agent.clone(), None, 1)).notice(&notice, &context);
        let build = |id| {
            let message = EventMessage::new(&origin, message_id(&agent, id), &told);
            envelope::seal("vedette/v1/gate/event/config-change", &wire::to_json(&message))
        };
        bench.spool.append(Class::Event, build).unwrap().id
    }

    #[test]
    fn an_event_that_is_too_large_to_be_published_goes_as_a_gap_under_its_own_id() {
        let bench = bench(Delivery::Hub);
        let ids = [add_event(&bench, "short"), add_event(&bench, &"long ".repeat(100)), add_event(&bench, "short")];
        let batch = bench.forwarder.next_batch(10);
        let why = Refusal::TooLarge { size: 1200, limit: 1000 };
        bench.forwarder.refused(batch[1].token, &why);
        let again = bench.forwarder.next_batch(10);
        assert_eq!(Bench::topics(&again), ["vedette/v1/gate/event/gap"]);
        let gap: EventMessage = serde_json::from_slice(&again[0].payload).unwrap();
        assert_eq!((gap.id.class, gap.id.epoch, gap.id.seq), (wire::Class::Event, ids[1].epoch, ids[1].seq));
        assert!(gap.data.explanation.contains("1200 bytes, and at most 1000 are sent"), "{}", gap.data.explanation);
        assert!(again[0].payload.len() < batch[1].payload.len());

        bench.forwarder.disconnected();
        assert_eq!(bench.forwarder.next_batch(10).len(), 3, "after a new connection it is a gap at once");
        let ack = AckMessage { class: wire::Class::Event, epoch: ids[2].epoch, upto: ids[2].seq, also: vec![] };
        bench.forwarder.stored(&ack);
        assert_eq!(bench.waiting(), 0);
        assert!(bench.forwarder.lock().oversize.is_empty());
    }

    #[test]
    fn what_is_too_large_even_as_a_gap_is_given_up() {
        let bench = bench(Delivery::Broker);
        add_event(&bench, "short");
        bench.add(Class::Event, "no event");
        let why = Refusal::TooLarge { size: 1200, limit: 10 };
        for _ in 0..2 {
            bench.forwarder.next_batch(10).iter().for_each(|message| bench.forwarder.refused(message.token, &why));
        }
        assert_eq!((bench.waiting(), bench.forwarder.next_batch(10).len()), (0, 0));
    }

    #[test]
    fn while_there_is_a_backlog_some_of_the_newest_go_along_with_the_oldest() {
        let bench = bench(Delivery::Broker);
        for i in 0..100 {
            bench.add(Class::Alert, &i.to_string());
        }
        let batch = bench.forwarder.next_batch(10);
        let topics = Bench::topics(&batch);
        assert!(topics.contains(&"99") && topics.contains(&"0"), "{topics:?}");
        assert_eq!(topics.len(), 10);
    }
}
