//! The live stream: every event once and in order, however often a reader comes and goes and whoever stores them.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use vedette::hub::database::Database;
use vedette::hub::events::store::{self, NewEvent};

use super::flock::event;
use super::running::{Running, start};
use crate::support::postgres;

/// A message of the stream; a heartbeat is one with the name `heartbeat`.
#[derive(Debug)]
struct Message {
    name: String,
    id: Option<String>,
    data: Value,
}

struct Stream {
    body: Body,
    text: Vec<u8>,
}

impl Stream {
    async fn open(hub: &Running, token: &str, query: &str, last: Option<&str>) -> Self {
        let headers: Vec<_> = last.iter().map(|last| ("last-event-id", *last)).collect();
        let opened = hub.open("GET", &format!("/api/v1/events/live{query}"), Some(token), &headers).await;
        assert_eq!(opened.status, 200);
        assert_eq!(opened.headers["content-type"], "text/event-stream");
        Self { body: opened.body, text: Vec::new() }
    }

    /// The next message; none at the end of the stream.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                return Some(Message::read(std::str::from_utf8(&block).unwrap()));
            }
            let frame = tokio::time::timeout(Duration::from_secs(30), self.body.frame()).await.expect("a heartbeat");
            self.text.extend_from_slice(&frame?.unwrap().into_data().unwrap_or(Bytes::new()));
        }
    }

    /// The next event.
    async fn event(&mut self) -> Option<Message> {
        let event = async {
            loop {
                let message = self.next().await?;
                if message.name == "message" {
                    assert_eq!(message.id, Some(message.data["number"].to_string()));
                    return Some(message);
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), event).await.expect("an event within a minute")
    }
}

impl Message {
    fn read(block: &str) -> Self {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = field("data").map(|data| serde_json::from_str(data).unwrap());
        let usual = if data.is_some() { "message" } else { "heartbeat" };
        Self {
            name: field("event").unwrap_or(usual).to_owned(),
            id: field("id").map(str::to_owned),
            data: data.unwrap_or_default(),
        }
    }
}

/// An event as a hub stores it.
fn new_event(agent: &str, class: &str, seq: u64, padding: usize) -> NewEvent {
    let mut body = event(agent, class, seq);
    body["data"]["explanation"] = json!("x".repeat(padding));
    let text = |pointer: &str| body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    NewEvent {
        id: text("/id").parse().unwrap(),
        time_ns: seq as i64,
        kind: text("/data/kind"),
        severity: text("/data/severity"),
        phase: text("/data/phase"),
        episode: text("/data/episode"),
        camera: text("/data/camera"),
        rule: text("/data/rule"),
        label: text("/data/subject/label"),
        body: body.to_string(),
    }
}

/// Stores events past the hub, as another hub on the same database does.
async fn add(database: &Database, events: &[NewEvent]) {
    let mut write = database.write().await.unwrap();
    store::store(&mut write, events, 0).await.unwrap();
    write.commit().await.unwrap();
}

/// Stores so many events of an agent in batches of any size.
async fn write(url: String, agent: String, events: u64) {
    let database = Database::open(&url).await.unwrap();
    let mut chance = fastrand::Rng::with_seed(events + agent.len() as u64);
    let mut next = 1;
    while next <= events {
        let last = (next + chance.u64(0..30)).min(events);
        let class = if chance.bool() { "alert" } else { "event" };
        let batch: Vec<_> = (next..=last).map(|seq| new_event(&agent, class, seq, 100)).collect();
        add(&database, &batch).await;
        next = last + 1;
        tokio::time::sleep(Duration::from_millis(chance.u64(0..20))).await;
    }
}

/// Two write, one reads and goes away again and again.
async fn every_event_is_told_once(hub: &Running, url: &str) {
    const EACH: u64 = 700;
    let writers: Vec<_> =
        ["gate", "north"].map(|agent| tokio::spawn(write(url.to_owned(), agent.to_owned(), EACH))).into();
    let viewer = hub.token("screen", "viewer").await;
    let mut chance = fastrand::Rng::with_seed(7);
    let (mut seen, mut last, mut connections) = (Vec::new(), None::<String>, 0);
    while seen.len() < 2 * EACH as usize {
        let mut stream = Stream::open(hub, &viewer, "?cursor=0", last.as_deref()).await;
        connections += 1;
        for _ in 0..chance.usize(1..120).min(2 * EACH as usize - seen.len()) {
            let message = stream.event().await.unwrap();
            seen.push(message.data["number"].as_i64().unwrap());
            last = message.id;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, (1..=2 * EACH as i64).collect::<Vec<_>>(), "each once and in order");
    println!("{} events were told over {connections} connections", seen.len());
    assert!(connections > 5);
    what_is_told_is_what_is_found(hub, &viewer).await;
}

async fn what_is_told_is_what_is_found(hub: &Running, token: &str) {
    for query in ["agent=gate&limit=500", "severity=alert&label=car&limit=500", "episode=door-5", "agent=nobody"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/events?{query}{cursor}");
            let page = hub.send("GET", &path, Some(token), &Value::Null).await.fine();
            found.extend(page["events"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        found.sort_by_key(|event| event["number"].as_i64());
        let live = query.replace("&limit=500", "");
        let mut stream = Stream::open(hub, token, &format!("?{live}&cursor=0"), None).await;
        for wanted in &found {
            assert_eq!(stream.event().await.unwrap().data, *wanted, "{query}");
        }
        let more = tokio::time::timeout(Duration::from_millis(200), stream.event()).await;
        assert!(more.is_err(), "{query}: {more:?}");
        println!("{query}: {} events, the same as are found", found.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_once_from_sqlite() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let url = format!("sqlite://{}/data/hub.db", hub.folder.path().display());
    every_event_is_told_once(&hub, &url).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_once_from_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let lines = format!("serving: {{ load: none }}\ndatabase: {{ url: '{}' }}\n", server.url());
    let Some(hub) = start(&lines).await else { return };
    every_event_is_told_once(&hub, &server.url()).await;
    hub.end().await;
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_up_nobody_and_misses_nothing() {
    const EVENTS: u64 = 4000;
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let database = hub.database().await;
    let mut slow = Stream::open(&hub, &hub.admin, "?cursor=0", None).await;
    let mut quick = Stream::open(&hub, &hub.admin, "?cursor=0", None).await;
    let before = resident_kib();
    let written = tokio::spawn(async move {
        for first in (1..=EVENTS).step_by(100) {
            let batch: Vec<_> = (first..first + 100).map(|seq| new_event("gate", "event", seq, 16_000)).collect();
            add(&database, &batch).await;
        }
    });
    for number in 1..=EVENTS {
        assert_eq!(quick.event().await.unwrap().data["number"], number);
    }
    written.await.unwrap();
    let grown = resident_kib().saturating_sub(before) / 1024;
    println!("{} MiB of events wait for the slow reader; the process grew by {grown} MiB", EVENTS * 16 / 1024);
    assert!(grown < 40, "grown by {grown} MiB");
    let (mut numbers, mut told) = (Vec::new(), Vec::new());
    while numbers.len() < EVENTS as usize || told.last().is_none_or(|name| name != "caught-up") {
        let message = slow.next().await.unwrap();
        match message.name.as_str() {
            "message" => numbers.push(message.data["number"].as_u64().unwrap()),
            "heartbeat" => {}
            _ => told.push(message.name),
        }
    }
    assert_eq!(numbers, (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(told, ["behind", "caught-up"]);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_hub_and_with_the_token() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    for (query, last) in
        [("?cursor=x", None), ("?limit=5", None), ("?since=now", None), ("?agent=%00", None), ("", Some("7.5"))]
    {
        let headers: Vec<_> = last.iter().map(|last| ("last-event-id", *last)).collect();
        let opened = hub.open("GET", &format!("/api/v1/events/live{query}"), Some(&hub.admin), &headers).await;
        assert_eq!(opened.status, 400, "{query}");
    }
    let mut lost = Stream::open(&hub, &hub.admin, "", Some("4711")).await;
    let reset = lost.next().await.unwrap();
    assert_eq!((reset.name.as_str(), &reset.data, reset.id.as_deref()), ("reset", &json!({"newest": 0}), Some("0")));
    let viewer = hub.token("screen", "viewer").await;
    let mut stream = Stream::open(&hub, &viewer, "", None).await;
    hub.send("DELETE", "/api/v1/tokens/screen", Some(&hub.admin), &Value::Null).await.fine();
    while stream.next().await.is_some_and(|message| message.name == "heartbeat") {}
    let began = tokio::time::Instant::now();
    hub.end().await;
    assert!(began.elapsed() < Duration::from_secs(5), "an open stream holds the hub up");
    while let Some(message) = lost.next().await {
        assert_eq!(message.name, "heartbeat");
    }
}
