//! Commands over MQTT and changes of the configuration: each is answered, and nothing else is disturbed.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::agent::{Agent, bare_camera};
use super::ear::{Ear, command, now, topic, until};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::rtsp::{Offer, Server};

/// A broker, a camera `door` and one `yard`, and an agent with both streaming.
struct Bench {
    broker: Mosquitto,
    servers: [Server; 2],
    ear: Ear,
    agent: Agent,
}

impl Bench {
    async fn start() -> Option<Self> {
        let broker = mosquitto::start(&[])?;
        let servers = [0, 1].map(|_| Server::start(Offer::h264(320, 180, 10)));
        let ear = Ear::at(&broker).await;
        let agent = Agent::new(&broker.url(), &cameras(&servers));
        let mut bench = Self { broker, servers, ear, agent };
        bench.run().await;
        Some(bench)
    }

    async fn run(&mut self) {
        let began = now();
        self.agent.start();
        self.ear.online(began).await;
        for camera in ["door", "yard"] {
            self.ear.camera(camera, "streaming", began).await;
        }
    }

    async fn status(&self, id: &str) -> Value {
        let reply = self.ear.command("status", id, json!({})).await;
        assert_eq!(reply["code"], "ok", "{reply:#}");
        reply["result"].clone()
    }

    /// All states of a camera that were told after `since`.
    fn states(&self, camera: &str, since: Duration) -> Vec<String> {
        let said = self.ear.said(&format!("camera/{camera}/state"));
        let later = said.into_iter().filter(|(at, _)| *at >= since);
        later.map(|(_, s)| s["state"].as_str().unwrap().to_owned()).collect()
    }

    fn replies(&self, id: &str) -> Vec<Value> {
        self.ear.said(&format!("reply/{id}")).into_iter().map(|(_, reply)| reply).collect()
    }
}

fn cameras(servers: &[Server; 2]) -> String {
    format!("cameras:\n{}{}", bare_camera("door", &servers[0].url()), bare_camera("yard", &servers[1].url()))
}

/// Lets the agent answer whatever it was sent before.
async fn settle(bench: &Bench, id: &str) {
    bench.status(id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_carried_out_and_answered() {
    let Some(bench) = Bench::start().await else { return };
    let ear = &bench.ear;

    let since = now();
    assert_eq!(ear.command("snapshot", "picture-1", json!({"camera": "door"})).await["code"], "ok");
    let wanted = topic("snapshot/door/command-picture-1");
    let picture = until("the picture", || ear.heard().into_iter().find(|m| m.topic == wanted)).await;
    let decoded = image::load_from_memory_with_format(&picture.payload, image::ImageFormat::Jpeg).unwrap();
    println!("snapshot of {} bytes, {:?} after the command", picture.payload.len(), picture.at - since);
    assert_eq!((decoded.width(), decoded.height()), (320, 180));
    assert!(picture.payload.len() <= 128 * 1024);

    let since = now();
    let off = json!({"camera": "door", "enabled": false});
    assert_eq!(ear.command("camera/enable", "off-1", off).await["code"], "ok");
    ear.camera("door", "disabled", since).await;
    let reply = ear.command("snapshot", "picture-2", json!({"camera": "door"})).await;
    assert_eq!(reply["code"], "failed", "{reply:#}");
    let since = now();
    let on = json!({"camera": "door", "enabled": true});
    assert_eq!(ear.command("camera/enable", "on-1", on).await["code"], "ok");
    ear.camera("door", "streaming", since).await;

    let since = now();
    assert_eq!(ear.command("restart-camera", "again-1", json!({"camera": "door"})).await["code"], "ok");
    ear.camera("door", "connecting", since).await;
    ear.camera("door", "streaming", since).await;

    let health = bench.status("status-1").await;
    assert_eq!(health["cameras"]["door"]["state"], "streaming");
    assert_eq!(health["cameras"]["yard"]["reconnects"], 0);
    assert!(health["cameras"]["yard"]["decoded"].as_u64().unwrap() > 0);
    assert!(health["spool"]["degraded"].is_null(), "{health:#}");
    assert_eq!(bench.states("yard", since), [""; 0], "nobody disturbed the other camera");

    // Connecting anew, again and again, leaves nothing behind.
    for n in 0..12 {
        let since = now();
        ear.command("restart-camera", &format!("leak-{n}"), json!({"camera": "door"})).await;
        ear.camera("door", "streaming", since).await;
    }
    let after = bench.status("status-2").await;
    let used = |health: &Value, what: &str| health["resources"][what].as_u64().unwrap();
    for what in ["open_files", "threads"] {
        println!("{what}: {} before and {} after 12 new connections", used(&health, what), used(&after, what));
        assert!(used(&after, what) <= used(&health, what) + 6, "{what} grows");
    }
    let counts = ear.check_schemas();
    println!("{counts:?}");
    assert!(counts["reply"] >= 6 && counts["snapshot"] == 1 && counts["health"] >= 1);
    ear.assert_nothing_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_must_not_be_carried_out_are_refused_with_a_reason() {
    let Some(mut bench) = Bench::start().await else { return };
    let ear = &bench.ear;
    let cases = [
        ("snapshot", "m-1", json!({}), "malformed", "args.camera"),
        ("snapshot", "m-2", json!({"camera": "a/+/#"}), "malformed", "args.camera"),
        ("snapshot", "m-3", json!({"camera": "cellar"}), "not-found", "cellar"),
        ("camera/enable", "m-4", json!({"camera": "door", "enabled": "no"}), "malformed", "args.enabled"),
        ("restart-camera", "m-5", json!({"camera": "door", "force": true}), "malformed", "force"),
        ("format-disk", "m-6", json!({}), "unknown", "format-disk"),
    ];
    for (name, id, args, code, reason) in cases {
        let reply = ear.command(name, id, args).await;
        assert_eq!(reply["code"], code, "{reply:#}");
        assert!(reply["reason"].as_str().unwrap().contains(reason), "{reply:#}");
    }

    let since = now();
    ear.send("restart-camera", command("late-1", -1, json!({"camera": "door"}))).await;
    let (_, reply) = ear.hears("the answer", since, "reply/late-1", |_| true).await;
    assert_eq!(reply["code"], "expired", "{reply:#}");
    ear.send("restart-camera", r#"{"id":"early-1","expires":"tomorrow","args":{"camera":"door"}}"#).await;
    let (_, reply) = ear.hears("the answer", since, "reply/early-1", |_| true).await;
    assert_eq!(reply["code"], "malformed", "{reply:#}");

    // Nobody can be answered here; the agent must only survive it.
    let junk: [&[u8]; 5] = [b"", b"\xff\xfe\x00", b"[[[[[[[[", b"{\"id\":\"../+/#\"}", &[b'{'; 20_000]];
    for bytes in junk {
        ear.send("restart-camera", bytes).await;
    }
    settle(&bench, "still-there-1").await;
    assert_eq!(bench.states("door", since), [""; 0], "nothing of it was carried out");

    // The same id again, at once, later, and after a crash: one run, the same answer each time.
    let ear = &bench.ear;
    let restart = command("twice-1", 60, json!({"camera": "door"}));
    for _ in 0..3 {
        ear.send("restart-camera", restart.clone()).await;
    }
    until("three answers", || (bench.replies("twice-1").len() == 3).then_some(())).await;
    ear.camera("door", "streaming", since).await;
    settle(&bench, "still-there-2").await;
    let connecting = bench.states("door", since).iter().filter(|s| *s == "connecting").count();
    assert_eq!(connecting, 1, "{:?}", bench.states("door", since));
    bench.agent.kill();
    bench.run().await;
    let since = now();
    bench.ear.send("restart-camera", restart).await;
    until("the fourth answer", || (bench.replies("twice-1").len() == 4).then_some(())).await;
    settle(&bench, "still-there-3").await;
    assert_eq!(bench.states("door", since), [""; 0], "not carried out again after a crash");
    assert!(bench.replies("twice-1").iter().all(|r| r["code"] == "ok"));
    bench.ear.check_schemas();
    bench.ear.assert_nothing_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_larger_than_the_broker_may_be_sent_is_a_short_one_that_says_so() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    let mqtt = format!("mqtt: {{ url: \"{}\", max_packet_kib: 16 }}\nevidence: {{ snapshot_kib: 8 }}\n", broker.url());
    let camera = |n: usize| format!("  - {{ id: camera-{n}, url: \"rtsp://127.0.0.1:9/live\", enabled: false }}\n");
    let cameras: String = (0..120).map(camera).collect();
    let mut agent = Agent::new(&broker.url(), &format!("{mqtt}cameras:\n{cameras}"));
    let began = now();
    agent.start();
    ear.online(began).await;
    let reply = ear.command("status", "large-1", json!({})).await;
    println!("{reply}");
    assert_eq!(reply["code"], "too-large", "{reply:#}");
    assert!(reply["reason"].as_str().unwrap().contains("exceeds the limit of 16384"), "{reply:#}");
    let reply = ear.command("restart-camera", "small-1", json!({"camera": "camera-7"})).await;
    assert_eq!(reply["code"], "ok", "{reply:#}");
    ear.check_schemas();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_concerns_only_what_it_changes() {
    let Some(bench) = Bench::start().await else { return };
    let (ear, url) = (&bench.ear, bench.broker.url());
    let before = bench.status("before-1").await;
    let door = |settings: &str| format!("  - {{ id: door, url: \"{}\", {settings} }}\n", bench.servers[0].url());
    let yard = bare_camera("yard", &bench.servers[1].url());

    // A changed camera, by SIGHUP.
    let since = now();
    bench.agent.configure(&url, &format!("cameras:\n{}{yard}", door("latency_ms: 100")));
    bench.agent.signal(Signal::HUP);
    let applied = |e: &Value| e["data"]["explanation"].as_str().unwrap().contains("is in force");
    ear.hears("the change", since, "event/config-change", applied).await;
    ear.camera("door", "streaming", since).await;
    let after = bench.status("after-1").await;
    assert_ne!(before["config_revision"], after["config_revision"]);
    assert_undisturbed(&bench, &before, &after, since);

    // A faulty one, by command: refused, and all goes on as it was.
    let since = now();
    bench.agent.configure(&url, &format!("cameras:\n{}{yard}", door("latency_ms: -7, colour: blue")));
    let reply = ear.command("reload", "reload-1", json!({})).await;
    assert_eq!(reply["code"], "refused", "{reply:#}");
    let refused = |e: &Value| e["data"]["explanation"].as_str().unwrap().contains("was refused for 2 faults");
    let (_, event) = ear.hears("the refusal", since, "event/config-change", refused).await;
    println!("{}", event["data"]["explanation"]);
    let still = bench.status("still-1").await;
    assert_eq!(after["config_revision"], still["config_revision"]);
    assert_eq!(bench.states("door", since), [""; 0]);
    assert_undisturbed(&bench, &before, &still, since);

    // Not even a file any more.
    bench.agent.write_configuration("\u{0}\u{1}: [");
    bench.agent.signal(Signal::HUP);
    let refused = |e: &Value| e["data"]["explanation"].as_str().unwrap().contains("was refused");
    ear.hears("the second refusal", now(), "event/config-change", refused).await;

    // A camera removed and one added, by command: what was retained of the one goes with it.
    let since = now();
    bench.agent.configure(&url, &format!("cameras:\n{}{yard}", bare_camera("gate", &bench.servers[0].url())));
    assert_eq!(ear.command("reload", "reload-2", json!({})).await["code"], "ok");
    ear.camera("gate", "streaming", since).await;
    let last = bench.status("last-1").await;
    assert!(last["cameras"].get("door").is_none(), "{last:#}");
    assert_undisturbed(&bench, &before, &last, since);
    let cleared = || ear.heard().into_iter().find(|m| m.topic == topic("camera/door/state") && m.payload.is_empty());
    until("the state of the removed camera to be cleared", cleared).await;

    // The broker is another matter: that needs a restart, and the answer says so.
    bench.agent.configure("mqtt://127.0.0.2:1", &format!("cameras:\n{yard}"));
    for id in ["reload-3", "reload-4"] {
        let reply = ear.command("reload", id, json!({})).await;
        assert!(reply["reason"].as_str().unwrap().contains("mqtt"), "{reply:#}");
    }
    ear.check_schemas();
    ear.assert_nothing_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_may_come_late_and_is_told_to_nobody() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let server = Server::start(Offer { auth: Some("digest"), ..Offer::h264(320, 180, 10) });
    let ear = Ear::at(&broker).await;
    let camera = |id: &str| {
        format!("  - {{ id: {id}, url: \"{}\", username: viewer, password_file: {id}.password }}\n", server.url())
    };
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}{}", camera("late"), camera("wrong")));
    let file = |camera: &str| agent.folder().join(format!("{camera}.password"));
    std::fs::write(file("wrong"), "canary-of-old\n").unwrap();
    let (late, wrong) = (file("late"), file("wrong"));
    let began = now();
    agent.start();
    ear.camera("late", "disabled", began).await;
    ear.camera("wrong", "auth-failed", began).await;
    let health = ear.command("status", "secret-1", json!({})).await["result"].clone();
    let cause = health["cameras"]["late"]["cause"].as_str().unwrap();
    println!("without its password: {cause}");
    // Its name may be the password, written in the wrong place.
    assert!(cause.contains("password file") && !cause.contains("late.password"), "{cause}");
    let reply = ear.command("restart-camera", "secret-2", json!({"camera": "late"})).await;
    assert_eq!(reply["code"], "failed", "{reply:#}");
    assert!(reply["reason"].as_str().unwrap().contains("password file"), "{reply:#}");

    for file in [late, wrong] {
        std::fs::write(file, "s3cret\n").unwrap();
    }
    let since = now();
    agent.signal(Signal::HUP);
    for camera in ["late", "wrong"] {
        ear.camera(camera, "streaming", since).await;
    }
    let log = agent.log_text();
    let said: Vec<String> = ear.heard().iter().map(|m| String::from_utf8_lossy(&m.payload).into_owned()).collect();
    for secret in ["s3cret", "canary-of-old"] {
        assert!(!log.contains(secret) && !said.iter().any(|s| s.contains(secret)), "{secret} was told");
    }
    ear.check_schemas();
    ear.assert_nothing_missing();
}

/// The yard has streamed all the time, on one connection.
fn assert_undisturbed(bench: &Bench, before: &Value, after: &Value, since: Duration) {
    let (old, new) = (&before["cameras"]["yard"], &after["cameras"]["yard"]);
    assert_eq!((&new["state"], &new["since"], &new["reconnects"]), (&json!("streaming"), &old["since"], &json!(0)));
    assert!(new["decoded"].as_u64() >= old["decoded"].as_u64());
    // Said again after each new connection to the broker, and nothing else.
    assert!(bench.states("yard", since).iter().all(|s| s == "streaming"));
}
