//! Spool, forwarder and session together, where the agent is killed as well, and where there is a long backlog.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vedette::base::clock::SystemClock;
use vedette::mqtt::Delivery;
use vedette::spool::{Class, Draft, RingSpool, Settings, Spool};

use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;
use crate::support::way::{self, Way, draft};
use crate::support::{child, mosquitto};

/// Played in a process of its own: an agent that makes events and delivers them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_delivers() {
    if !child::is("outbox::child_that_delivers") {
        return;
    }
    let path = std::env::var("SPOOL").unwrap();
    let way = Way::start(Path::new(&path), &std::env::var("BROKER").unwrap(), Delivery::Hub);
    let last: u64 = std::env::var("EVENTS").unwrap().parse().unwrap();
    loop {
        let made = way.spool.get_state("last").map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap()));
        if made < last {
            let number = way.append(Class::Event).await.id.seq;
            println!("committed {number}");
            way.spool.put_state("last", &number.to_le_bytes());
        }
        println!("left {}", way.left(Class::Event));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_of_the_agent_and_five_of_the_broker_lose_nothing_that_was_committed() {
    let Some(mut broker) = mosquitto::start(&["persistence false", "max_queued_messages 0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let hub = way::hub(&broker).await;
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
    let stored: BTreeSet<u64> = hub.messages().iter().filter_map(way::number).map(|(_, seq)| seq).collect();
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
    let path = folder.path().to_owned();
    let began = tokio::time::Instant::now();
    {
        let spool = RingSpool::open(&path, Settings::default(), SystemClock::shared());
        for _ in 0..BACKLOG / 500 {
            let drafts: Vec<Draft<'_>> = (0..500).map(|_| draft(Class::Event)).collect();
            assert!(spool.commit(&drafts).iter().all(Result::is_ok));
        }
    }
    println!("{BACKLOG} events committed in {:.2} s", began.elapsed().as_secs_f32());
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/gate/#").await;
    let began = tokio::time::Instant::now();
    let way = Way::start(&path, &broker.url(), Delivery::Broker);
    let mut status = way.handle.status();
    status.wait_for(|status| status.acknowledged > 200).await.unwrap();
    way.append(Class::Alert).await;
    let arrived = || listener.messages().iter().filter(|m| m.topic.contains("/event/")).count();
    eventually("the last of it", async || arrived() >= BACKLOG).await;
    let seconds = began.elapsed().as_secs_f32();
    let place = listener.messages().iter().position(|m| m.topic.contains("/alert/")).unwrap();
    println!("delivered in {seconds:.2} s, {:.0} a second; the alert came after {place}", BACKLOG as f32 / seconds);
    assert!(place < BACKLOG - 1000, "the alert came after {place} of the backlog");
    eventually("nothing left", async || way.left(Class::Event) == 0).await;
}
