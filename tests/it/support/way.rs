//! The agent's own way from spool to broker, without the cameras, which make too few events; and a hub at its end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use serde_json::{Value, json};
use vedette::agent::forward::Forwarder;
use vedette::base::clock::SystemClock;
use vedette::base::shutdown::Shutdown;
use vedette::mqtt::{self, Delivery, Handle, Outbox, Session};
use vedette::spool::{Class, Draft, Receipt, RecordId, RingSpool, Settings, Spool};
use vedette::wire::{self, AckMessage};

use super::mosquitto::Mosquitto;
use super::session::{identity, settings};
use super::subscriber::{Message, Subscriber};

/// A hub in miniature, which acknowledges what it has stored of the agent's events.
pub async fn hub(broker: &Mosquitto) -> Subscriber {
    let stored = Mutex::new(BTreeSet::<u64>::new());
    let on_message = move |client: &AsyncClient, message: &Message| {
        let Some((epoch, seq)) = number(message) else { return };
        let mut stored = stored.lock().unwrap();
        stored.insert(seq);
        let upto = stored.iter().zip(1..).take_while(|(seq, n)| *seq == n).count() as u64;
        let also = stored.range(upto + 1..).take(1000).copied().collect();
        let ack = AckMessage { class: wire::Class::Event, epoch, upto, also };
        // Where the queue is full, a later acknowledgement covers this one.
        let _ = client.try_publish("vedette/v1/gate/ack", QoS::AtLeastOnce, false, wire::to_json(&ack));
    };
    Subscriber::with(broker.port(), "hub", "vedette/v1/gate/event/#", on_message).await
}

/// Epoch and number of an event.
pub fn number(message: &Message) -> Option<(u64, u64)> {
    let value: Value = serde_json::from_slice(&message.payload).ok()?;
    let mut parts = value["id"].as_str()?.rsplit('/');
    let seq = parts.next()?.parse().ok()?;
    Some((u64::from_str_radix(parts.next()?, 16).ok()?, seq))
}

/// A spool on the disk, and who delivers what it holds.
pub struct Way {
    pub spool: Arc<dyn Spool>,
    pub handle: Handle,
    /// Dropping it ends the way.
    _shutdown: Shutdown,
}

impl Way {
    /// From the spool in `folder` to the broker at `url`.
    pub fn start(folder: &Path, url: &str, delivery: Delivery) -> Self {
        let clock = SystemClock::shared();
        let spool: Arc<dyn Spool> = Arc::new(RingSpool::open(folder, Settings::default(), clock.clone()));
        let forwarder = Forwarder::new(spool.clone(), delivery, clock.clone());
        let settings = mqtt::Settings { delivery, settle: Duration::from_secs(2), ..settings(url) };
        let (session, handle, mut incoming) = Session::new(settings, identity("gate"), clock);
        let (shutdown, stopping) = Shutdown::new();
        let outbox: Arc<dyn Outbox> = forwarder.clone();
        tokio::spawn(session.run(outbox, stopping.clone()));
        tokio::spawn(forwarder.clone().run(stopping));
        tokio::spawn(async move {
            while let Some(message) = incoming.recv().await {
                let ack: AckMessage = serde_json::from_slice(&message.payload).unwrap();
                forwarder.stored(&ack);
            }
        });
        Self { spool, handle, _shutdown: shutdown }
    }

    /// Commits one record.
    pub async fn append(&self, class: Class) -> Receipt {
        let spool = self.spool.clone();
        let commit = move || spool.commit(&[draft(class)]).remove(0).unwrap();
        tokio::task::spawn_blocking(commit).await.unwrap()
    }

    /// How many records of a class wait.
    pub fn left(&self, class: Class) -> u64 {
        self.spool.health().backlog[class as usize].records
    }
}

/// A record of this class, as the agent keeps it: its topic with the length before it, and a body with its id.
pub fn draft(class: Class) -> Draft<'static> {
    Draft::new(class, move |id: RecordId| {
        let kind = match class {
            Class::Alert => "alert/door/yard",
            Class::Event => "event/track",
            Class::Telemetry => "snapshot/door/x",
        };
        let topic = format!("vedette/v1/gate/{kind}");
        let body = json!({ "id": format!("gate/event/{:016x}/{}", id.epoch, id.seq), "fill": "x".repeat(600) });
        [&(topic.len() as u16).to_le_bytes()[..], topic.as_bytes(), body.to_string().as_bytes()].concat()
    })
}
