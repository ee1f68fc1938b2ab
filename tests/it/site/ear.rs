//! Somebody at the broker who hears all that the agent says, checks it against the schemas, and gives it commands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rumqttc::QoS;
use serde_json::{Value, json};
use vedette::base::clock::{Clock, SystemClock};
use vedette::vocab::WallTime;
use vedette::wire;

use super::agent::AGENT;
use crate::support::mosquitto::Mosquitto;
use crate::support::subscriber::{Message, Subscriber};

/// How long is waited for what has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(60);

/// The listener.
pub struct Ear {
    subscriber: Subscriber,
}

/// The time on the monotonic clock.
pub fn now() -> Duration {
    SystemClock.mono()
}

/// Waits until `find` finds something.
pub async fn until<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let end = now() + PATIENCE;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The topic of the agent's that ends so.
pub fn topic(rest: &str) -> String {
    format!("vedette/v1/{AGENT}/{rest}")
}

impl Ear {
    /// Listens at `broker`, which keeps for it what it misses.
    pub async fn at(broker: &Mosquitto) -> Self {
        Self { subscriber: Subscriber::start(broker.port(), "ear", &topic("#")).await }
    }

    /// All that has been said, but for what others said to the agent.
    pub fn heard(&self) -> Vec<Message> {
        let to_the_agent = |m: &Message| ["command/", "ack"].iter().any(|t| m.topic.starts_with(&topic(t)));
        self.subscriber.messages().into_iter().filter(|m| !to_the_agent(m)).collect()
    }

    /// What was said on topics that begin with `rest`, as JSON, with the time at which it came.
    pub fn said(&self, rest: &str) -> Vec<(Duration, Value)> {
        let begins = topic(rest);
        let messages = self.heard().into_iter().filter(|m| m.topic.starts_with(&begins) && !m.payload.is_empty());
        messages.map(|m| (m.at, serde_json::from_slice(&m.payload).unwrap())).collect()
    }

    /// The last word on a topic.
    pub fn latest(&self, rest: &str) -> Option<Value> {
        serde_json::from_slice(&self.subscriber.latest(&topic(rest))?).ok()
    }

    /// Waits until something is said after `since` on topics that begin with `rest` that `is` what is waited for.
    pub async fn hears(
        &self,
        what: &str,
        since: Duration,
        rest: &str,
        is: impl Fn(&Value) -> bool,
    ) -> (Duration, Value) {
        until(what, || self.said(rest).into_iter().find(|(at, value)| *at >= since && is(value))).await
    }

    /// Waits until the agent says that it is there, after `since`; its boot id.
    pub async fn online(&self, since: Duration) -> String {
        let (_, said) = self.hears("online", since, "status", |s| s["status"] == "online").await;
        said["boot"].as_str().unwrap().to_owned()
    }

    /// Waits until a camera is in this state after `since`; when that was said.
    pub async fn camera(&self, camera: &str, state: &str, since: Duration) -> Duration {
        let what = format!("camera {camera} in state {state}");
        self.hears(&what, since, &format!("camera/{camera}/state"), |s| s["state"] == state).await.0
    }

    /// Sends bytes as a command.
    pub async fn send(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let topic = topic(&format!("command/{name}"));
        self.subscriber.client.publish(topic, QoS::AtLeastOnce, false, bytes.into()).await.unwrap();
    }

    /// Gives a command that holds for a minute, and waits for the answer.
    pub async fn command(&self, name: &str, id: &str, args: Value) -> Value {
        let since = now();
        self.send(name, command(id, 60, args)).await;
        self.hears(&format!("the answer to {id}"), since, &format!("reply/{id}"), |_| true).await.1
    }

    /// Checks every message against the schemas that the program publishes; how many there were of each kind.
    pub fn check_schemas(&self) -> BTreeMap<String, usize> {
        let validators: BTreeMap<&str, jsonschema::Validator> = wire::schemas()
            .into_iter()
            .map(|(name, s)| (name, jsonschema::options().should_validate_formats(true).build(&s).unwrap()))
            .collect();
        let mut counts = BTreeMap::new();
        for message in self.heard().iter().filter(|m| !m.payload.is_empty()) {
            let kind = kind(&message.topic);
            if kind == "snapshot" {
                image::load_from_memory_with_format(&message.payload, image::ImageFormat::Jpeg).unwrap();
            } else {
                let value: Value = serde_json::from_slice(&message.payload).unwrap();
                let faults: Vec<String> = validators[kind].iter_errors(&value).map(|e| e.to_string()).collect();
                assert!(faults.is_empty(), "{}: {faults:?} in {value:#}", message.topic);
            }
            *counts.entry(kind.to_owned()).or_insert(0) += 1;
        }
        counts
    }

    /// Every alert and event by class and epoch: the numbers that arrived.
    pub fn numbers(&self) -> BTreeMap<String, BTreeSet<u64>> {
        let mut numbers = BTreeMap::<String, BTreeSet<u64>>::new();
        for (_, event) in self.said("alert/").into_iter().chain(self.said("event/")) {
            let id = event["id"].as_str().unwrap();
            let (series, number) = id.rsplit_once('/').unwrap();
            numbers.entry(series.to_owned()).or_default().insert(number.parse().unwrap());
        }
        numbers
    }

    /// Asserts that in every series every number from 1 on arrived; how many there were in all.
    pub fn assert_nothing_missing(&self) -> usize {
        let numbers = self.numbers();
        for (series, seen) in &numbers {
            let missing: Vec<u64> = (1..=*seen.last().unwrap()).filter(|n| !seen.contains(n)).collect();
            assert!(missing.is_empty(), "{series}: {missing:?} of {} are missing", seen.last().unwrap());
        }
        numbers.values().map(BTreeSet::len).sum()
    }
}

/// A command that holds for so many seconds from now.
pub fn command(id: &str, seconds: i64, args: Value) -> Vec<u8> {
    let expires = WallTime::from_unix_nanos(SystemClock.unix_nanos() + seconds * 1_000_000_000).to_rfc3339();
    json!({ "id": id, "expires": expires, "args": args }).to_string().into_bytes()
}

/// The schema's name for what comes on this topic.
fn kind(topic: &str) -> &'static str {
    let rest = topic.strip_prefix(&self::topic("")).unwrap();
    match rest.split('/').next().unwrap() {
        "status" => "status",
        "health" => "health",
        "camera" => "camera-state",
        "count" => "count",
        "alert" | "event" => "event",
        "snapshot" => "snapshot",
        "reply" => "reply",
        "desired" => "desired",
        "reported" => "reported",
        other => panic!("nothing is promised of the topic {other}"),
    }
}
