//! Events on their way into the hub: each stored once, none acknowledged before it is durable, whatever breaks meanwhile.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use serde_json::json;
use sqlx::Row as _;
use tokio::sync::mpsc;
use vedette::hub::database::Database;
use vedette::mqtt::Delivery;
use vedette::spool::{Class, Draft, RecordId};
use vedette::wire::AckMessage;

use super::flock::{EPOCH, Flock, event};
use super::program::{launch, stop, until_ready};
use super::running::start;
use crate::support::detectors::library;
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;
use crate::support::way::Way;

const AGENTS: u64 = 20;
const EACH: u64 = 1000;
/// A broker that keeps what it is given across a restart, and drops nothing because the hub is behind.
const KEEPING: [&str; 3] = ["persistence true", "autosave_interval 1", "max_queued_messages 0"];

async fn count(database: &Database, statement: &'static str) -> i64 {
    sqlx::query(statement).fetch_one(database.pool()).await.unwrap().try_get(0).unwrap()
}

async fn stored(database: &Database) -> i64 {
    count(database, "SELECT COUNT(*) FROM events").await
}

/// How many of the numbers that an acknowledgement names are not in the database now.
async fn not_durable(database: &Database, agent: &str, ack: &AckMessage) -> usize {
    let statement = "SELECT seq FROM events WHERE agent = $1 AND class = $2 AND epoch = $3";
    let query = sqlx::query(statement).bind(agent).bind(ack.class.as_str()).bind(format!("{:016x}", ack.epoch));
    let rows = query.fetch_all(database.pool()).await.unwrap();
    let there: std::collections::BTreeSet<u64> =
        rows.iter().map(|row| row.try_get::<i64, _>("seq").unwrap() as u64).collect();
    (1..=ack.upto).chain(ack.also.iter().copied()).filter(|seq| !there.contains(seq)).count()
}

/// Looks into the database whenever an acknowledgement arrives; at the end tells how many arrived and how many numbers in
/// them were not durable.
async fn watch(broker: &Mosquitto, database: Database) -> (Subscriber, tokio::task::JoinHandle<(usize, usize)>) {
    let (sender, mut acks) = mpsc::unbounded_channel();
    let on_message = move |_: &AsyncClient, message: &crate::support::subscriber::Message| {
        sender.send((message.topic.clone(), message.payload.clone())).unwrap();
    };
    let subscriber = Subscriber::with(broker.port(), "auditor", "vedette/v1/+/ack", on_message).await;
    let auditor = tokio::spawn(async move {
        let (mut seen, mut early) = (0, 0);
        while let Some((topic, payload)) = acks.recv().await {
            let agent = topic.split('/').nth(2).unwrap();
            early += not_durable(&database, agent, &serde_json::from_slice(&payload).unwrap()).await;
            seen += 1;
        }
        (seen, early)
    });
    (subscriber, auditor)
}

async fn until_stored(database: &Database, wanted: i64) {
    for _ in 0..9000 {
        if stored(database).await >= wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} of {wanted} events are stored after three minutes", stored(database).await);
}

/// Twenty agents, twenty thousand events, the hub killed once and stopped once, the broker killed once.
async fn every_event_is_stored_once(library: &Path, folder: &Path, database_url: &str) {
    let Some(mut broker) = mosquitto::start(&KEEPING) else { return };
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (file, log, url) = (folder.join("hub.yaml"), folder.join("log"), format!("http://{address}"));
    let yaml = format!(
        "listen: {address}\ndata_dir: data\nserving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{database_url}' }}\n",
        broker.url()
    );
    std::fs::write(&file, yaml).unwrap();
    let mut hub = launch(library, &file, &log);
    until_ready(&url).await;
    let database = Database::open(database_url).await.unwrap();
    let (subscriber, auditor) = watch(&broker, database.clone()).await;
    let flock = Flock::start(broker.port(), AGENTS, EACH);
    let total = (AGENTS * EACH) as i64;

    until_stored(&database, total / 5).await;
    hub.kill().unwrap();
    hub.wait().unwrap();
    let hub = launch(library, &file, &log);
    until_stored(&database, total * 2 / 5).await;
    broker.kill();
    broker.launch();
    until_stored(&database, total * 3 / 5).await;
    stop(hub);
    let hub = launch(library, &file, &log);
    until_stored(&database, total).await;
    eventually("all acknowledged", async || flock.left() == 0).await;

    assert_eq!(stored(&database).await, total, "no event twice");
    let whole = "SELECT COUNT(*) FROM watermarks WHERE upto = 1000 AND above = ''";
    assert_eq!(count(&database, whole).await, AGENTS as i64);
    stop(hub);
    drop(subscriber);
    let (seen, early) = auditor.await.unwrap();
    println!("{seen} acknowledgements looked at, {early} numbers in them not durable");
    assert_eq!(early, 0);
    assert!(seen > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_events_are_stored_once_in_sqlite() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/hub.db", folder.path().display());
    every_event_is_stored_once(&library, folder.path(), &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_events_are_stored_once_in_postgresql() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    every_event_is_stored_once(&library, folder.path(), &server.url()).await;
}

/// A record as the agent keeps it: its topic with the length before it, and the event.
fn draft(class: Class) -> Draft<'static> {
    let (name, topic) = match class {
        Class::Alert => ("alert", "vedette/v1/gate/alert/door/yard"),
        _ => ("event", "vedette/v1/gate/event/track"),
    };
    Draft::new(class, move |id: RecordId| {
        let mut body = event("gate", name, id.seq);
        body["id"] = json!(format!("gate/{name}/{:016x}/{}", id.epoch, id.seq));
        [&(topic.len() as u16).to_le_bytes()[..], topic.as_bytes(), body.to_string().as_bytes()].concat()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_of_a_real_agent_empties_into_the_hub() {
    let Some(broker) = mosquitto::start(&KEEPING) else { return };
    let Some(hub) = start(&format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url())).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let way = Way::start(folder.path(), &broker.url(), Delivery::Hub);
    for _ in 0..6 {
        let spool = way.spool.clone();
        let commit = move || {
            let classes = (0..500).map(|n| if n % 10 == 0 { Class::Alert } else { Class::Event });
            spool.commit(&classes.map(draft).collect::<Vec<_>>())
        };
        assert!(tokio::task::spawn_blocking(commit).await.unwrap().iter().all(Result::is_ok));
    }
    eventually("an empty spool", async || way.left(Class::Alert) + way.left(Class::Event) == 0).await;
    let database = hub.database().await;
    assert_eq!(stored(&database).await, 3000);
    assert_eq!(count(&database, "SELECT MAX(upto) FROM watermarks WHERE class = 'alert'").await, 300);
    hub.end().await;
}

/// Numbers that the agent gives up are waited for no longer; one that arrives all the same is stored.
async fn nobody_waits_for_what_was_given_up(lines: &str) {
    let Some(broker) = mosquitto::start(&KEEPING) else { return };
    let lines = format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n{lines}", broker.url());
    let Some(hub) = start(&lines).await else { return };
    let agent = Subscriber::start(broker.port(), "gate", "vedette/v1/gate/ack").await;
    let publish = async |topic: &str, event: serde_json::Value| {
        let topic = format!("vedette/v1/gate/{topic}");
        agent.client.publish(topic, QoS::AtLeastOnce, false, event.to_string().into_bytes()).await.unwrap();
    };
    let spools = async || hub.send("GET", "/api/v1/agents/gate/spools", Some(&hub.admin), &json!(null)).await.fine();
    eventually("the first event", async || {
        publish("event/track", event("gate", "event", 1)).await;
        spools().await[0]["upto"] == 1
    })
    .await;
    for seq in [1, 2, 6] {
        publish("alert/door/yard", event("gate", "alert", seq)).await;
    }
    let mut gap = event("gate", "event", 2);
    gap["data"]["kind"] = json!("gap");
    gap["data"]["gap"] = json!({"class": "alert", "epoch": format!("{EPOCH:016x}"), "first": 3, "last": 5});
    publish("event/gap", gap).await;
    let acks = || {
        let acks = agent.messages().into_iter().map(|m| serde_json::from_slice::<AckMessage>(&m.payload).unwrap());
        acks.filter(|ack| ack.class == vedette::wire::Class::Alert).map(|ack| ack.upto).collect::<Vec<_>>()
    };
    let alerts = async || spools().await[0].clone();
    eventually("nothing is missing", async || alerts().await["upto"] == 6).await;
    assert_eq!((&alerts().await["missing"], &alerts().await["given_up"]), (&json!([]), &json!([[3, 5]])));
    eventually("the agent is told", async || acks().contains(&6)).await;
    publish("alert/door/yard", event("gate", "alert", 4)).await;
    eventually("what was on its way is stored", async || alerts().await["given_up"] == json!([[3, 3], [5, 5]])).await;
    let page = hub.send("GET", "/api/v1/events?severity=alert", Some(&hub.admin), &json!(null)).await.fine();
    let ids: Vec<&str> =
        page["events"].as_array().unwrap().iter().map(|e| e["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().map(|id| id.rsplit('/').next().unwrap()).collect::<Vec<_>>(), ["6", "4", "2", "1"]);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_what_was_given_up_in_sqlite() {
    nobody_waits_for_what_was_given_up("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_what_was_given_up_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    nobody_waits_for_what_was_given_up(&format!("database: {{ url: '{}' }}\n", server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_stored_nowhere_and_stops_nothing() {
    let Some(broker) = mosquitto::start(&KEEPING) else { return };
    let Some(hub) = start(&format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url())).await else {
        return;
    };
    let agent = Subscriber::start(broker.port(), "gate", "vedette/v1/gate/ack").await;
    let database = hub.database().await;
    // Published until the hub hears: it may subscribe later than this begins.
    let publish = async |topic: &str, payload: Vec<u8>| {
        agent.client.publish(format!("vedette/v1/gate/{topic}"), QoS::AtLeastOnce, false, payload).await.unwrap();
    };
    eventually("the first event", async || {
        publish("event/track", event("gate", "event", 1).to_string().into_bytes()).await;
        stored(&database).await == 1
    })
    .await;
    for _ in 0..600 {
        publish("event/track", event("yard", "event", 1).to_string().into_bytes()).await;
        publish("alert/door/yard", b"no event".to_vec()).await;
    }
    publish("snapshot/door/door-1", b"no picture".to_vec()).await;
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    image::GrayImage::new(8, 4).write_with_encoder(encoder).unwrap();
    publish("snapshot/door/door-2", jpeg.clone()).await;
    publish("event/track", event("gate", "event", 2).to_string().into_bytes()).await;
    eventually("the last event", async || stored(&database).await == 2).await;
    assert_eq!(count(&database, "SELECT COUNT(*) FROM events WHERE agent <> 'gate'").await, 0);
    assert_eq!(count(&database, "SELECT COUNT(*) FROM snapshots").await, 1);
    let picture = "/api/v1/snapshots/gate/door/door-2";
    let answer = hub.send("GET", picture, Some(&hub.admin), &serde_json::Value::Null).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &jpeg[..]));
    assert_eq!(answer.headers["content-type"], "image/jpeg");
    let intake = hub.send("GET", "/api/v1/intake", Some(&hub.admin), &serde_json::Value::Null).await.fine();
    assert_eq!(intake["counts"]["refused"], 1201, "{intake}");
    let told = agent.latest("vedette/v1/gate/ack").unwrap();
    let ack: AckMessage = serde_json::from_slice(&told).unwrap();
    assert_eq!((ack.epoch, ack.upto <= 2), (EPOCH, true));
    hub.end().await;
}

/// How fast events come in, from a broker that has them all. Run on its own: `--run-ignored only`.
async fn measure(library: &Path, folder: &Path, engine: &str, database_url: &str) {
    const EVENTS: u64 = 50_000;
    let Some(broker) = mosquitto::start(&["max_queued_messages 0", "max_inflight_messages 0"]) else { return };
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (file, log, url) = (folder.join("hub.yaml"), folder.join("log"), format!("http://{address}"));
    let yaml = format!(
        "listen: {address}\ndata_dir: data\nserving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{database_url}' }}\n",
        broker.url()
    );
    std::fs::write(&file, yaml).unwrap();
    let hub = launch(library, &file, &log);
    until_ready(&url).await;
    let database = Database::open(database_url).await.unwrap();
    // The first event shows that the hub is subscribed; then it is stopped, and the broker keeps what is published.
    let flock = Flock::start(broker.port(), 1, 1);
    until_stored(&database, 1).await;
    drop(flock);
    stop(hub);
    let feeder = Subscriber::start(broker.port(), "feeder", "nothing").await;
    for seq in 1..=EVENTS {
        let agent = format!("sender-{}", seq % 20);
        let body = event(&agent, "event", seq.div_ceil(20)).to_string().into_bytes();
        let topic = format!("vedette/v1/{agent}/event/track");
        feeder.client.publish(topic, QoS::AtLeastOnce, false, body).await.unwrap();
    }
    let hub = launch(library, &file, &log);
    until_stored(&database, 2).await;
    let (began, before) = (tokio::time::Instant::now(), stored(&database).await);
    until_stored(&database, EVENTS as i64).await;
    let (seconds, events) = (began.elapsed().as_secs_f64(), stored(&database).await - before);
    let status = std::fs::read_to_string(format!("/proc/{}/status", hub.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
    println!("{engine}: {events} events in {seconds:.2} s, {:.0} a second; {peak}", events as f64 / seconds);
    stop(hub);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for a machine that does nothing else"]
async fn how_fast_events_come_in() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/hub.db", folder.path().display());
    measure(&library, folder.path(), "SQLite", &url).await;
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    measure(&library, folder.path(), "PostgreSQL", &server.url()).await;
}
