//! Faults of the broker, of the way to it, and of whoever else is connected there.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use vedette::mqtt::Error;

use crate::support::agent::{Agent, bare_camera};
use crate::support::ear::{Ear, now, until};
use crate::support::rtsp::{Offer, Server};
use crate::support::scripted_broker::{Manners, ScriptedBroker};
use crate::support::session::{Letters, eventually, identity, settings, start};
use crate::support::{mosquitto, process, way};

/// What a busy machine may add to a limit.
const SLACK: Duration = Duration::from_secs(1);

/// A camera that the agent does not connect.
fn idle_camera(id: &str) -> String {
    format!("  - {{ id: {id}, url: \"rtsp://127.0.0.1:9/live\", enabled: false }}\n")
}

async fn health(ear: &Ear, id: &str) -> Value {
    ear.command("status", id, json!({})).await["result"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_18_broker_frozen_with_a_backlog() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let limit = Duration::from_secs(1).mul_f64(2.5);
    for waiting in [0, 2000] {
        let letters = Arc::<Letters>::default();
        let session = start(settings(&broker.url()), identity("gate"), letters.clone());
        session.connected().await;
        broker.freeze();
        let began = now();
        for _ in 0..waiting {
            letters.push("vedette/v1/gate/event/track", vec![b'x'; 20_000]);
        }
        let status = session.until("noticed", |s| s.connected_since.is_none()).await;
        let noticed = now() - began;
        println!("noticed after {noticed:.2?} at a keep-alive of 1 s, {waiting} waiting");
        assert!(noticed <= limit + SLACK, "{noticed:?}");
        let why = status.last_error.as_deref();
        assert!(matches!(why, Some(Error::Silent { .. } | Error::Timeout { .. })), "{why:?}");
        broker.thaw();
        let thawed = now();
        eventually("delivery after all", async || letters.left() == 0).await;
        println!("all {waiting} delivered {:.2?} after it went on", now() - thawed);
        session.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_19_acknowledgements_out_of_order_and_a_cut() {
    const MESSAGES: usize = 300;
    let broker = ScriptedBroker::start(Manners::Backwards(40));
    let letters = Arc::<Letters>::default();
    let session = start(settings(&broker.url()), identity("gate"), letters.clone());
    for number in 0..MESSAGES {
        letters.push("vedette/v1/gate/event/track", number.to_string());
    }
    // The presence takes a number of each connection, so the rest is never as many as it waits for.
    session.until("most of them", |s| s.acknowledged as usize >= MESSAGES / 2).await;
    eventually("as good as all", async || letters.left() < 40).await;
    let (connections, heard) = (broker.connections(), broker.heard("/event/").len());
    broker.behave(Manners::Good);
    eventually("the rest", async || letters.left() == 0).await;
    let mut told: Vec<usize> =
        broker.heard("/event/").iter().map(|n| String::from_utf8_lossy(n).parse().unwrap()).collect();
    told.sort_unstable();
    told.dedup();
    println!("{MESSAGES} messages over {connections} connections cut in mid-acknowledgement, {heard} sent");
    assert!(told.iter().copied().eq(0..MESSAGES));
    // Twenty of each connection's are acknowledged.
    assert!(connections < 40, "{connections} connections: no headway");
    session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn fault_20_access_list_denies_our_events() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("acl");
    let open = "topic readwrite #\n";
    std::fs::write(&list, format!("{open}topic deny vedette/v1/gate/event/#\n")).unwrap();
    let line = format!("acl_file {}", list.display());
    // With 0, which is to mean no limit, mosquitto 2.0.11 disconnects whoever publishes what he must not.
    let Some(broker) = mosquitto::start_in(folder, &[&line, "max_queued_messages 1000000000"]) else { return };
    let _hub = way::hub(&broker).await;
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let mqtt = format!("mqtt: {{ url: \"{}\", keep_alive_seconds: 1, delivery: hub }}\n", broker.url());
    let mut agent = Agent::new(&broker.url(), &format!("{mqtt}cameras:\n{}", bare_camera("door", &server.url())));
    let began = now();
    agent.start();
    let published = ear.camera("door", "streaming", began).await;
    until("the agent to say so in its log", || agent.log_text().contains("delivery is stalled").then_some(())).await;
    println!("told {:.1?} after the first event", now() - published);
    let stalled = health(&ear, "stalled").await;
    assert!(stalled["mqtt"]["stalled_since"].is_string(), "{stalled:#}");
    let kept = stalled["spool"]["event"]["records"].as_u64().unwrap();
    assert!(kept >= 2, "{stalled:#}");
    assert_eq!(ear.said("event/").len(), 0, "the broker passed none on");

    std::fs::write(&list, open).unwrap();
    kill_process(Pid::from_raw(broker.pid() as i32).unwrap(), Signal::HUP).unwrap();
    let allowed = now();
    for number in 0.. {
        let sound = health(&ear, &format!("sound-{number}")).await;
        if sound["mqtt"]["stalled_since"].is_null() && sound["spool"]["event"]["records"] == 0 {
            break;
        }
        assert!(number < 300, "{sound:#}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("all {kept} delivered {:.1?} after they were allowed", now() - allowed);
    ear.assert_nothing_missing();
    ear.check_schemas();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make test-faults"]
async fn fault_20_broker_acknowledges_nothing() {
    let broker = ScriptedBroker::start(Manners::Withhold);
    let server = Server::start(Offer::h264(320, 180, 10));
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}", bare_camera("door", &server.url())));
    agent.start();
    until("the first event", || broker.heard("/event/").first().map(drop)).await;
    let published = now();
    until("the agent to say so in its log", || agent.log_text().contains("delivery is stalled").then_some(())).await;
    println!("told {:.1?} after the first event", now() - published);
    assert_eq!(broker.connections(), 1, "the connection itself is sound");
    let before = broker.heard("/event/");
    broker.behave(Manners::Good);
    // The same events come again on the next connection.
    until("them again", || (broker.heard("/event/").len() >= 2 * before.len()).then_some(())).await;
    let after = broker.heard("/event/");
    assert!(before.iter().all(|event| after.iter().filter(|again| *again == event).count() >= 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_26_cloned_client_id() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let cameras = format!("cameras:\n{}", idle_camera("door"));
    let mut twins = [0, 1].map(|_| Agent::new(&broker.url(), &cameras));
    let began = now();
    twins.iter_mut().for_each(Agent::start);
    let said = "another client uses the same client id";
    until("one of them to give way", || twins.iter().any(|twin| twin.log_text().contains(said)).then_some(())).await;
    println!("one gave way after {:.1?}", now() - began);
    for log in twins.iter().map(Agent::log_text).filter(|log| log.contains(said)) {
        let line = log.lines().find(|line| line.contains(said)).unwrap();
        let wait = line.split("retry_s").nth(1).unwrap();
        let number = |c: char| c.is_ascii_digit() || c == '.';
        let wait: String = wait.chars().skip_while(|c| !number(*c)).take_while(|c| number(*c)).collect();
        assert!(wait.parse::<f64>().unwrap() >= 60.0, "{line}");
    }
    let broker_log = std::fs::read_to_string(broker.folder().join("log")).unwrap();
    let connections = broker_log.matches("New client connected").count();
    println!("{connections} connections by then");
    assert!(connections < 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_27_no_name_no_answer_and_a_captive_portal() {
    let served = Arc::new(AtomicU64::new(0));
    let portal = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = portal.local_addr().unwrap().port();
    let counted = served.clone();
    std::thread::spawn(move || {
        for mut client in portal.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\n\r\n");
        }
    });
    // Takes connections and says nothing, as a wrong address may.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [
        ("no such name", "mqtt://broker.invalid".to_owned()),
        ("captive portal", format!("mqtt://127.0.0.1:{port}")),
        ("silent", format!("mqtt://127.0.0.1:{}", silent.local_addr().unwrap().port())),
    ];
    let cameras = format!("cameras:\n{}", idle_camera("door"));
    let mut agents = cases.map(|(name, url)| (name, Agent::new(&url, &cameras)));
    agents.iter_mut().for_each(|(_, agent)| agent.start());
    for (name, agent) in &agents {
        until(name, || agent.log_text().contains("no connection to the broker").then_some(())).await;
    }
    let window = Duration::from_secs(4);
    let before = agents.each_ref().map(|(_, agent)| process::cpu_time(agent.pid()));
    tokio::time::sleep(window).await;
    for ((name, agent), before) in agents.iter().zip(before) {
        let share = (process::cpu_time(agent.pid()) - before).as_secs_f64() / window.as_secs_f64();
        println!("{name}: {:.2} % of a core", share * 100.0);
        // Below one per cent; the kernel counts in hundredths of a second.
        assert!(share < 0.01 + 0.01 / window.as_secs_f64(), "{name}: {share}");
    }
    let attempts = served.load(Ordering::SeqCst);
    println!("{attempts} attempts at the captive portal");
    assert!((1..=8).contains(&attempts), "{attempts}");
}
