//! One connection from CONNECT to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{Event, Outgoing as Sent, Packet, Publish, QoS};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::feeder::{Ask, Feeder};
use super::limiter::Limiter;
use super::session::{Session, Shared};
use super::subscribing::Link;
use super::window::Window;
use super::{Delivery, Error, Incoming, Outgoing, Refusal, Subscription};
use crate::base::shutdown::Stopping;

/// How long the last word may take to be acknowledged.
const FAREWELL: Duration = Duration::from_millis(700);

/// How a connection ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was time to stop.
    Stopped,
    /// Somebody wants a new one.
    Reconnect,
}

/// How a connection ended.
pub(super) struct Ended {
    pub(super) result: Result<End, Error>,
    /// The filter that was being subscribed to when it ended, where they were taken one by one.
    pub(super) filter: Option<String>,
    /// Whether another run of the program, or another program, was seen to speak as this client.
    pub(super) twin: bool,
}

/// Whom an acknowledgement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ticket {
    Outbox(u64),
    State,
    Answer,
    Farewell,
}

/// The connection as it is used: everything but the link itself, so that both can be borrowed apart.
pub(super) struct Connection {
    shared: Arc<Shared>,
    incoming: mpsc::Sender<Incoming>,
    number: u64,
    limiter: Limiter,
    window: Window<Ticket>,
    /// Acknowledged by the broker, and believed at that moment: see [`Settings::settle`](super::Settings::settle).
    settling: VecDeque<(Instant, u64)>,
    /// States up to this version are submitted.
    states: u64,
    ready: VecDeque<Outgoing>,
    /// Whether a question to the outbox is open.
    asked: bool,
    /// Whether the outbox may have more.
    more: bool,
    heard: Instant,
    filter: Option<String>,
    /// Whether nothing of this run was ever published: what is retained is then the word of the run before.
    first: bool,
    twin: bool,
    closing: Closing,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// Deliver what there is, until then.
    Draining(Instant),
    /// The last word is said; wait for its acknowledgement until then.
    Farewell(Instant),
    /// All is said.
    Done,
}

impl Connection {
    /// Connects, delivers, and returns when it is over.
    pub(super) async fn run(
        session: &mut Session,
        number: u64,
        feeder: &mut Feeder,
        changes: watch::Receiver<u64>,
        stopping: &Stopping,
    ) -> Ended {
        let shared = session.shared.clone();
        let heard_filters = subscriptions(session);
        let first = shared.status.borrow().connections == 0;
        let mut connection = Self {
            limiter: Limiter::new(&heard_filters, shared.clock.mono()),
            window: Window::new(shared.settings.window),
            settling: VecDeque::new(),
            incoming: session.incoming.clone(),
            shared,
            number,
            states: 0,
            ready: VecDeque::new(),
            asked: false,
            more: true,
            heard: Instant::now(),
            filter: None,
            first,
            twin: false,
            closing: Closing::No,
        };
        let filters: Vec<String> = heard_filters.into_iter().map(|s| s.filter).collect();
        let result = tokio::select! {
            opened = connection.open(&filters, session.careful) => match opened {
                Ok(link) => {
                    session.careful = false;
                    connection.deliver(link, feeder, changes, stopping).await
                }
                Err(error) => Err(error),
            },
            // Nothing was said yet, so nothing has to be taken back.
            () = stopping.stopped() => Ok(End::Stopped),
        };
        Ended { result, filter: connection.filter, twin: connection.twin }
    }

    async fn open(&mut self, filters: &[String], careful: bool) -> Result<Link, Error> {
        let shared = self.shared.clone();
        let mut link = Link::connect(&shared).await?;
        self.heard = Instant::now();
        let mut unheard: Vec<String> = shared.identity.subscriptions.iter().map(|s| s.filter.clone()).collect();
        unheard.retain(|filter| !filters.contains(filter));
        if careful {
            for filter in filters {
                self.filter = Some(filter.clone());
                let one = std::slice::from_ref(filter);
                unheard.extend(link.subscribe(one, &shared.settings, |event| self.on_early_event(event)).await?);
                link.settle(|event| self.on_early_event(event)).await?;
            }
            self.filter = None;
        } else if !filters.is_empty() {
            unheard.extend(link.subscribe(filters, &shared.settings, |event| self.on_early_event(event)).await?);
        }
        let now = shared.clock.unix_nanos();
        shared.status.send_modify(|status| {
            status.connected_since = Some(now);
            status.connections += 1;
            status.unheard = unheard;
        });
        Ok(link)
    }

    fn on_early_event(&mut self, event: Event) -> Result<(), Error> {
        if let Event::Incoming(Packet::Publish(publish)) = event {
            self.on_publish(publish);
        }
        Ok(())
    }

    async fn deliver(
        &mut self,
        mut link: Link,
        feeder: &mut Feeder,
        mut changes: watch::Receiver<u64>,
        stopping: &Stopping,
    ) -> Result<End, Error> {
        let shared = self.shared.clone();
        let silence = shared.settings.keep_alive.max(Duration::from_secs(1)).mul_f64(2.5);
        let presence = &shared.identity.presence;
        self.submit(&link, feeder, Ticket::State, &presence.topic, presence.online.clone(), true);
        let mut growing = true;
        loop {
            self.fill(&link, feeder);
            self.settle(feeder);
            if self.closing == Closing::Done {
                return self.part(link, End::Stopped).await;
            }
            tokio::select! {
                event = link.next() => self.on_event(event?)?,
                messages = feeder.batch(self.number), if self.asked => {
                    self.asked = false;
                    self.more = !messages.is_empty();
                    self.ready.extend(messages);
                }
                changed = changes.changed(), if growing && !self.more => {
                    growing = changed.is_ok();
                    self.more = growing;
                }
                () = shared.board.changed() => {}
                () = tokio::time::sleep_until(self.heard + silence) => return Err(Error::Silent { since: silence }),
                () = shared.reconnect.notified() => return self.part(link, End::Reconnect).await,
                () = stopping.stopped(), if self.closing == Closing::No => {
                    self.closing = Closing::Draining(Instant::now() + shared.settings.drain);
                    // What was recorded last may be there before the word of it is: asked once more.
                    self.more = true;
                }
                () = until(self.settling.front().map(|(at, _)| *at)) => {}
                () = until(self.closing.deadline()) => self.closing = self.closing.after_deadline(),
            }
        }
    }

    /// Submits whatever may be submitted now: states first, then answers, then the outbox; moves the closing on.
    fn fill(&mut self, link: &Link, feeder: &Feeder) {
        let shared = self.shared.clone();
        while self.window.room() > 0 && !matches!(self.closing, Closing::Farewell(_) | Closing::Done) {
            if let Some((topic, note)) = shared.board.next_state(self.states) {
                self.states = note.version;
                self.submit(link, feeder, Ticket::State, &topic, note.payload, true);
            } else if let Some((topic, payload)) = shared.board.next_answer() {
                self.submit(link, feeder, Ticket::Answer, &topic, payload, false);
            } else if let Some(message) = self.ready.pop_front() {
                self.submit(link, feeder, Ticket::Outbox(message.token), &message.topic, message.payload, false);
            } else {
                break;
            }
        }
        let room = self.window.room();
        let open = matches!(self.closing, Closing::No | Closing::Draining(_));
        if open && self.more && !self.asked && self.ready.is_empty() && room > 0 {
            self.asked = true;
            feeder.ask(Ask::Batch { connection: self.number, room });
        }
        let in_flight = self.window.len() as u64;
        shared.status.send_if_modified(|status| std::mem::replace(&mut status.in_flight, in_flight) != in_flight);
        let idle = self.window.len() == 0 && self.ready.is_empty() && !self.asked && !self.more;
        if let Closing::Draining(deadline) = self.closing
            && (idle || Instant::now() >= deadline)
        {
            let presence = &shared.identity.presence;
            self.submit(link, feeder, Ticket::Farewell, &presence.topic, presence.offline.clone(), true);
            self.closing = Closing::Farewell(Instant::now() + FAREWELL);
        }
    }

    /// Hands a message to the client, unless it can never be published.
    fn submit(&mut self, link: &Link, feeder: &Feeder, ticket: Ticket, topic: &str, payload: Vec<u8>, retain: bool) {
        let refusal = refusal(topic, payload.len(), self.shared.settings.max_packet);
        // The client refuses only when its queue is full, which the window prevents, or when its task has ended, which
        // shows as the next event.
        let refusal = match refusal {
            None => match link.client.try_publish(topic, QoS::AtLeastOnce, retain, payload) {
                Ok(()) => return self.window.submit(ticket),
                Err(_) => return,
            },
            Some(refusal) => refusal,
        };
        tracing::error!(topic, error = %refusal, "a message is not published");
        self.shared.status.send_modify(|status| status.refused += 1);
        if let Ticket::Outbox(token) = ticket {
            feeder.ask(Ask::Refused(token, refusal));
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Outgoing(Sent::Publish(number)) => self.window.sent(number),
            Event::Outgoing(Sent::AwaitAck(_)) => {
                return Err(Error::Lost { reason: "a packet number was used twice".to_owned() });
            }
            Event::Outgoing(_) => {}
            Event::Incoming(packet) => {
                self.heard = Instant::now();
                match packet {
                    Packet::PubAck(ack) => self.on_acknowledgement(ack.pkid),
                    Packet::Publish(publish) => self.on_publish(publish),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Lets the outbox go of what was acknowledged long enough ago.
    fn settle(&mut self, feeder: &Feeder) {
        let now = Instant::now();
        let due = self.settling.iter().take_while(|(at, _)| *at <= now).count();
        if due > 0 {
            feeder.ask(Ask::Acknowledged(self.settling.drain(..due).map(|(_, token)| token).collect()));
        }
    }

    fn on_acknowledgement(&mut self, number: u16) {
        match self.window.acknowledged(number) {
            Some(Ticket::Outbox(token)) => {
                self.shared.status.send_modify(|status| status.acknowledged += 1);
                let settings = &self.shared.settings;
                // Where the hub has the last word, the broker's is only a sign that there is room for more.
                let settle = if settings.delivery == Delivery::Hub { Duration::ZERO } else { settings.settle };
                self.settling.push_back((Instant::now() + settle, token));
            }
            Some(Ticket::Farewell) => {
                // The broker is alive to the last: no reason for doubt.
                let now = Instant::now();
                self.settling.iter_mut().for_each(|(at, _)| *at = now);
                self.closing = Closing::Done;
            }
            Some(Ticket::State | Ticket::Answer) | None => {}
        }
    }

    fn on_publish(&mut self, publish: Publish) {
        let presence = &self.shared.identity.presence;
        if publish.topic == presence.topic {
            let ours = [&presence.online, &presence.offline].iter().any(|p| publish.payload == ***p);
            self.twin |= publish.retain && !ours && !self.first;
            return;
        }
        let passed = self.limiter.pass(&publish.topic, self.shared.clock.mono());
        let message = Incoming { topic: publish.topic, payload: publish.payload.to_vec(), retained: publish.retain };
        if !passed || self.incoming.try_send(message).is_err() {
            self.shared.status.send_modify(|status| status.ignored += 1);
        }
    }

    /// Says goodbye, so that the broker does not publish the Last Will.
    async fn part(&mut self, mut link: Link, end: End) -> Result<End, Error> {
        if link.client.try_disconnect().is_ok() {
            let gone = async {
                // The broker closes the connection in answer: an error here is what is waited for.
                while let Ok(event) = link.next().await {
                    if matches!(event, Event::Outgoing(Sent::Disconnect)) {
                        break;
                    }
                }
            };
            // Whether it got through or not, the connection is over.
            let _ = tokio::time::timeout(Duration::from_millis(300), gone).await;
        }
        Ok(end)
    }
}

impl Closing {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Draining(deadline) | Self::Farewell(deadline) => Some(deadline),
            Self::No | Self::Done => None,
        }
    }

    fn after_deadline(self) -> Self {
        match self {
            Self::Farewell(_) => Self::Done,
            // `fill` sees for itself that the time is over.
            other => other,
        }
    }
}

/// Resolves at that moment, never where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What to subscribe to now: all that is wanted and not in quarantine, and our own presence.
fn subscriptions(session: &mut Session) -> Vec<Subscription> {
    let now = session.shared.clock.mono();
    session.quarantine.retain(|_, until| *until > now);
    let presence = Subscription { filter: session.shared.identity.presence.topic.clone(), per_second: 1 };
    let wanted = session.shared.identity.subscriptions.iter().cloned();
    wanted.chain([presence]).filter(|s| !session.quarantine.contains_key(&s.filter)).collect()
}

/// Why a message can never be published, if so.
pub(super) fn refusal(topic: &str, payload: usize, limit: usize) -> Option<Refusal> {
    if topic.is_empty() || topic.len() > 65_535 || topic.contains(['+', '#', '\0']) {
        return Some(Refusal::Topic { topic: topic.chars().take(200).collect() });
    }
    // Fixed header of at most 5 bytes, the topic's length, the packet number.
    let size = 5 + 2 + topic.len() + 2 + payload;
    (size > limit).then_some(Refusal::TooLarge { size, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_refused_for_its_size_or_topic_before_the_client_sees_it() {
        assert_eq!(refusal("a/b", 100, 1000), None);
        assert_eq!(refusal("a/b", 989, 1000), Some(Refusal::TooLarge { size: 1001, limit: 1000 }));
        for topic in ["", "a/+", "a/#", "a\0"] {
            assert!(matches!(refusal(topic, 0, 1000), Some(Refusal::Topic { .. })), "{topic:?}");
        }
    }
}
