//! A wall clock that is set, while the agent runs. The machine's own stays as it is: the agent runs here in the test's
//! process, with a clock that the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};
use vedette::agent::run::{self, Options};
use vedette::base::clock::{Clock, SystemClock};
use vedette::base::shutdown::Shutdown;
use vedette::config::{self, Folders};
use vedette::detect::LibrarySearch;

use crate::support::agent::{AGENT, bare_camera};
use crate::support::ear::{Ear, now, until};
use crate::support::mosquitto;
use crate::support::rtsp::{Offer, Server};

/// The machine's clocks, of which the wall clock is off by so many nanoseconds.
#[derive(Default)]
struct Shifted(AtomicI64);

impl Shifted {
    fn set(&self, by: i64) {
        self.0.store(by * 1_000_000_000, SeqCst);
    }
}

impl Clock for Shifted {
    fn mono(&self) -> Duration {
        SystemClock.mono()
    }
    fn unix_nanos(&self) -> i64 {
        SystemClock.unix_nanos() + self.0.load(SeqCst)
    }
    fn is_synchronised(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fault_34_clock_set_ten_years_ahead_an_hour_back_and_to_1970() {
    const YEAR: i64 = 365 * 86_400;
    let Some(broker) = mosquitto::start(&[]) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vedette.yaml");
    let yaml = format!(
        "agent: {{ id: {AGENT}, state_dir: {} }}\nmqtt: {{ url: \"{}\", keep_alive_seconds: 1 }}\ncameras:\n{}",
        folder.path().join("state").display(),
        broker.url(),
        bare_camera("door", &server.url())
    );
    std::fs::write(&file, yaml).unwrap();
    let folders = Folders { config: folder.path().to_owned(), credentials: None };
    let config = config::load_file(&file, &folders).unwrap().config;
    let search = LibrarySearch::default();
    let options = Options { file, folders, search, health_interval: Duration::from_secs(1) };
    let clock = Arc::<Shifted>::default();
    let (_ask, reload) = tokio::sync::mpsc::channel(1);
    let (shutdown, stopping) = Shutdown::new();
    let began = now();
    let agent = tokio::spawn(run::run(config, options, clock.clone(), reload, stopping));
    let streaming = ear.camera("door", "streaming", began).await;

    let health_since = |since: Duration| {
        let said = ear.said("health");
        said.into_iter().find(|(at, _)| *at > since).map(|(_, health)| health)
    };
    for (what, by) in [("ten years ahead", 10 * YEAR), ("an hour back", -3600), ("to 1970", -56 * YEAR)] {
        clock.set(by);
        let set = now();
        let (at, event) = ear.hears("the step", set, "event/clock-step", |_| true).await;
        println!("{what}: told {:.1?} later: {}", at - set, event["data"]["explanation"]);
        assert!(at - set <= Duration::from_secs(2));
        let health = until("word of how it is", || health_since(at)).await;
        if what == "to 1970" {
            assert_eq!(health["clock"], "unsynced", "{health:#}");
        }
        assert_eq!(health["cameras"]["door"]["reconnects"], 0, "{health:#}");
        assert_eq!(health["cameras"]["door"]["state"], "streaming", "{health:#}");
    }
    clock.set(0);
    let back = now();
    ear.hears("the last step", back, "event/clock-step", |_| true).await;
    let reply = ear.command("camera/enable", "off-1", json!({"camera": "door", "enabled": false})).await;
    assert_eq!(reply["code"], "ok", "a command is not expired once the clock is right again: {reply:#}");
    let states: Vec<Value> = ear
        .said("camera/door/state")
        .into_iter()
        .filter(|(at, _)| *at > streaming)
        .map(|(_, s)| s["state"].clone())
        .collect();
    assert!(states.iter().all(|state| ["streaming", "disabled"].iter().any(|known| state == known)), "{states:?}");
    drop(shutdown);
    agent.await.unwrap().unwrap();
    let events = ear.assert_nothing_missing();
    println!("{events} events, numbered without a hole whatever the clock said");
    ear.check_schemas();
}
