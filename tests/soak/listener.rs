//! Somebody at the broker who hears what the agent says: how late alerts and events come, and how the agent is.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use vedette::base::clock::{Clock, SystemClock};
use vedette::wire::HealthMessage;

use crate::stage::AGENT;

/// An alert or event that was heard for the first time.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Whether it is the beginning of an alert, for which somebody waits.
    pub raises: bool,
    /// When it happened, in nanoseconds since 1970.
    pub time_ns: i64,
    /// When it was heard.
    pub heard_ns: i64,
}

/// What was heard so far.
#[derive(Debug, Default)]
pub struct Ears {
    ids: HashSet<String>,
    pub heard: Vec<Heard>,
    /// Messages with an id that had been heard before.
    pub repeated: u64,
    /// The newest word on its health, and how many there were.
    pub health: Option<HealthMessage>,
    pub words: u64,
}

impl Ears {
    /// How many alerts and events waited in the spool when the agent last spoke of it.
    pub fn waiting(&self) -> (u64, u64) {
        self.health.as_ref().map_or((0, 0), |health| (health.spool.alert.records, health.spool.event.records))
    }
}

/// Listens until the process ends.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Mutex<Ears>>);

impl Listener {
    /// Listens at the broker, which keeps for it what it misses.
    pub fn start(port: u16) -> Self {
        let mut options = MqttOptions::new("soak-listener", "127.0.0.1", port);
        options.set_clean_session(false).set_max_packet_size(1 << 20, 1 << 20).set_inflight(1000);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, connection) = Client::new(options, 100);
        let ears = Arc::<Mutex<Ears>>::default();
        let shared = ears.clone();
        std::thread::spawn(move || listen(&client, connection, &shared));
        Self(ears)
    }

    /// Looks at what was heard.
    pub fn look<T>(&self, at: impl FnOnce(&Ears) -> T) -> T {
        at(&self.0.lock().unwrap())
    }
}

fn listen(client: &Client, mut connection: Connection, ears: &Mutex<Ears>) {
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                for rest in ["alert/#", "event/#", "health"] {
                    client.try_subscribe(format!("vedette/v1/{AGENT}/{rest}"), QoS::AtLeastOnce).unwrap();
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let mut ears = ears.lock().unwrap();
                if message.topic.ends_with("/health") {
                    ears.words += u64::from(!message.retain);
                    ears.health = serde_json::from_slice(&message.payload).ok();
                } else if let Some((id, phase, time_ns)) = read(&message.payload) {
                    let raises = phase == "start" && message.topic.contains("/alert/");
                    if ears.ids.insert(id) {
                        ears.heard.push(Heard { raises, time_ns, heard_ns: SystemClock.unix_nanos() });
                    } else {
                        ears.repeated += 1;
                    }
                }
            }
            Ok(_) => {}
            Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
        }
    }
}

/// Id, phase and time of an event.
fn read(payload: &[u8]) -> Option<(String, String, i64)> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let time: jiff::Timestamp = value["time"].as_str()?.parse().ok()?;
    Some((text(&value["id"])?, text(&value["data"]["phase"])?, i64::try_from(time.as_nanosecond()).ok()?))
}

#[test]
fn an_event_has_an_id_a_phase_and_a_time() {
    let event = br#"{"id": "soak/alert/00/7", "time": "1970-01-01T00:00:01.500Z", "data": {"phase": "end"}}"#;
    assert_eq!(read(event), Some(("soak/alert/00/7".to_owned(), "end".to_owned(), 1_500_000_000)));
    assert_eq!(read(b"{}"), None);
}
