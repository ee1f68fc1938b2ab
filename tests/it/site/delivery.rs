//! What is committed arrives: when the agent is killed, and when the broker is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use vedette::mqtt::Delivery;
use vedette::spool::Class;

use super::agent::{Agent, bare_camera};
use super::ear::{Ear, now, until};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::rtsp::{Offer, Server};
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;
use crate::support::way::{self, Way};

const EVENTS: u64 = 500;

/// Has a camera switched off and on, which makes at least two events each time.
async fn make_events(ear: &Ear, series: &str, times: usize) {
    for n in 0..times {
        for enabled in [false, true] {
            let args = json!({"camera": "door", "enabled": enabled});
            let reply = ear.command("camera/enable", &format!("{series}-{n}-{enabled}"), args).await;
            assert_eq!(reply["code"], "ok", "{reply:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_is_told_of_by_its_last_will_and_nothing_committed_is_missing() {
    let Some(broker) = mosquitto::start(&["max_queued_messages 0"]) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}", bare_camera("door", &server.url())));
    let mut boots = BTreeSet::new();
    for kill in 0..3 {
        let began = now();
        agent.start();
        let boot = ear.online(began).await;
        ear.camera("door", "streaming", began).await;
        make_events(&ear, &format!("kill-{kill}"), 5).await;
        let killed = now();
        agent.kill();
        let (at, said) = ear.hears("the last will", killed, "status", |s| s["status"] == "offline").await;
        println!("offline {:?} after the kill", at - killed);
        assert_eq!(said["boot"], boot.as_str());
        boots.insert(boot);
    }
    assert_eq!(boots.len(), 3, "each run has a name of its own");
    let began = now();
    agent.start();
    ear.online(began).await;
    await_empty_spool(&ear).await;
    let events = ear.assert_nothing_missing();
    let counts = ear.check_schemas();
    println!("{events} events over three kills of the agent, none missing; {counts:?}");
    assert!(events >= 3 * 5 * 2, "{events} events");
}

/// Waits until the agent says that nothing waits any more.
async fn await_empty_spool(ear: &Ear) {
    for n in 0..100 {
        let health = ear.command("status", &format!("empty-{n}"), json!({})).await["result"].clone();
        let waits = |class: &str| health["spool"][class]["records"].as_u64().unwrap();
        if waits("alert") + waits("event") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the spool does not run empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_leaves_the_spool_only_when_the_hub_has_stored_it() {
    let Some(broker) = mosquitto::start(&["max_queued_messages 0"]) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let mqtt = format!("mqtt: {{ url: \"{}\", keep_alive_seconds: 1, delivery: hub }}\n", broker.url());
    let sections = format!("{mqtt}cameras:\n{}", bare_camera("door", &server.url()));
    let mut agent = Agent::new(&broker.url(), &sections);
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    make_events(&ear, "hub", 5).await;
    // The broker has had them all for long, and the hub is not there yet.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let health = ear.command("status", "waiting", json!({})).await["result"].clone();
    let waiting = health["spool"]["event"]["records"].as_u64().unwrap();
    assert!(waiting >= 12, "{waiting} wait for the hub");
    agent.kill();
    // It was not there to hear any of it the first time.
    let hub = way::hub(&broker).await;
    let began = now();
    agent.start();
    ear.online(began).await;
    await_empty_spool(&ear).await;
    let stored: BTreeSet<u64> = hub.messages().iter().filter_map(way::number).map(|(_, seq)| seq).collect();
    println!("{waiting} waited, {} stored", stored.len());
    assert!(stored.iter().copied().eq(1..=*stored.last().unwrap()), "{stored:?}");
    assert!(stored.len() as u64 >= waiting);
    ear.assert_nothing_missing();
}

/// Makes the events, and kills the broker five times meanwhile.
async fn five_kills(way: &Way, broker: &mut Mosquitto) {
    for n in 1..=EVENTS {
        way.append(Class::Event).await;
        tokio::time::sleep(Duration::from_millis(4)).await;
        if n % (EVENTS / 5) == EVENTS / 10 {
            broker.kill();
            tokio::time::sleep(Duration::from_millis(100)).await;
            broker.launch();
        }
    }
}

fn arrived(listener: &Subscriber) -> (BTreeSet<u64>, usize) {
    let numbers: Vec<u64> = listener.messages().iter().filter_map(way::number).map(|(_, seq)| seq).collect();
    (numbers.iter().copied().collect(), numbers.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kills_of_the_broker_during_500_events_lose_none_when_the_hub_acknowledges() {
    // The most forgetful broker: nothing of it survives.
    let Some(mut broker) = mosquitto::start(&["persistence false", "max_queued_messages 0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let hub = way::hub(&broker).await;
    let way = Arc::new(Way::start(folder.path(), &broker.url(), Delivery::Hub));
    // What never ends must not keep the way from sending again.
    let busy = Arc::new(AtomicBool::new(true));
    let trickle = {
        let (way, busy) = (way.clone(), busy.clone());
        tokio::spawn(async move {
            while busy.load(Ordering::Relaxed) {
                way.append(Class::Telemetry).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    five_kills(&way, &mut broker).await;
    eventually("nothing left in the spool", async || way.left(Class::Event) == 0).await;
    busy.store(false, Ordering::Relaxed);
    trickle.await.unwrap();
    let (numbers, messages) = arrived(&hub);
    println!("hub acknowledges: {} of {EVENTS} arrived, {} repetitions", numbers.len(), messages - numbers.len());
    assert!(numbers.iter().copied().eq(1..=EVENTS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kills_of_a_broker_that_saves_on_each_change_lose_none_of_500_events() {
    let saving = ["persistence true", "autosave_on_changes true", "autosave_interval 1", "max_queued_messages 0"];
    let Some(mut broker) = mosquitto::start(&saving) else { return };
    let folder = tempfile::tempdir().unwrap();
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/gate/event/#").await;
    let way = Way::start(folder.path(), &broker.url(), Delivery::Broker);
    five_kills(&way, &mut broker).await;
    eventually("nothing left in the spool", async || way.left(Class::Event) == 0).await;
    until("what the broker still holds", || (arrived(&listener).0.len() as u64 == EVENTS).then_some(())).await;
    let (numbers, messages) = arrived(&listener);
    println!("broker acknowledges: {} of {EVENTS} arrived, {} repetitions", numbers.len(), messages - numbers.len());
    assert!(numbers.iter().copied().eq(1..=EVENTS));
}
