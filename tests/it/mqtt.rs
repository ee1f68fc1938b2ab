//! The broker session against a real mosquitto that is killed, frozen and misconfigured.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::QoS;
use vedette::mqtt::{Error, NotPublished, Refusal, Settings};

use crate::support::session::{Letters, eventually, identity, settings, start};
use crate::support::subscriber::Subscriber;
use crate::support::{child, mosquitto};

const STATUS: &str = "vedette/v1/gate/status";

fn text(payload: Option<Vec<u8>>) -> String {
    payload.map_or_else(|| "nothing".to_owned(), |p| String::from_utf8_lossy(&p).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_client_is_declared_offline_by_the_broker() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/#").await;
    let mut client = child::start("mqtt::child_that_connects", &[("BROKER", &broker.url())]);
    assert_eq!(client.line("ready ").as_deref(), Some("now"));
    eventually("online", async || text(listener.latest(STATUS)) == "online gate").await;
    client.kill();
    eventually("offline", async || text(listener.latest(STATUS)) == "offline gate").await;
}

/// Played in a process of its own by the test above.
#[tokio::test]
async fn child_that_connects() {
    if !child::is("mqtt::child_that_connects") {
        return;
    }
    let session = start(settings(&std::env::var("BROKER").unwrap()), identity("gate"), Arc::<Letters>::default());
    session.connected().await;
    println!("ready now");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_told_again_to_a_broker_that_has_forgotten_them() {
    let Some(mut broker) = mosquitto::start(&["persistence false"]) else { return };
    let session = start(settings(&broker.url()), identity("gate"), Arc::<Letters>::default());
    let door = "vedette/v1/gate/camera/door/state";
    session.handle.set_retained(door, "connecting");
    session.connected().await;
    session.handle.set_retained(door, "streaming");
    {
        let listener = Subscriber::start(broker.port(), "before", "vedette/v1/#").await;
        eventually("the latest state", async || text(listener.latest(door)) == "streaming").await;
    }
    broker.kill();
    session.until("lost", |s| s.connected_since.is_none()).await;
    session.handle.set_retained(door, "stalled");
    broker.launch();
    session.until("connected again", |s| s.connections == 2).await;
    let listener = Subscriber::start(broker.port(), "after", "vedette/v1/#").await;
    eventually("all states", async || {
        text(listener.latest(door)) == "stalled" && text(listener.latest(STATUS)) == "online gate"
    })
    .await;
    session.stop().await;
    eventually("offline", async || text(listener.latest(STATUS)) == "offline gate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_delivers_what_waits_and_then_says_offline() {
    let Some(broker) = mosquitto::start(&["max_inflight_messages 0", "max_queued_messages 0"]) else { return };
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/#").await;
    let letters = Arc::<Letters>::default();
    let session = start(settings(&broker.url()), identity("gate"), letters.clone());
    session.connected().await;
    for n in 0..500 {
        letters.push("vedette/v1/gate/event/track", n.to_string());
    }
    session.stop().await;
    assert_eq!(letters.left(), 0);
    eventually("the last word", async || text(listener.latest(STATUS)) == "offline gate").await;
    let order: Vec<String> = listener.messages().iter().map(|m| text(Some(m.payload.clone()))).collect();
    let expected: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(order[0], "online gate");
    assert_eq!(order[1..501], expected);
    assert_eq!(order[501..], ["offline gate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_the_moment_of_stopping_is_delivered_though_nobody_told_of_it() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let letters = Arc::<Letters>::default();
    let session = start(settings(&broker.url()), identity("gate"), letters.clone());
    session.connected().await;
    letters.push("vedette/v1/gate/event/track", "first");
    eventually("the outbox was found empty", async || letters.left() == 0 && letters.found_empty()).await;
    letters.push_silently("vedette/v1/gate/event/track", "last");
    session.stop().await;
    assert_eq!(letters.left(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_named_and_a_corrected_file_is_read_at_the_next_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c", passwords.to_str().unwrap(), "gate-north", "canary-right"])
        .status();
    if made.is_err() {
        println!("SKIPPED: mosquitto_passwd is not installed");
        return;
    }
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary-wrong\n").unwrap();
    let line = format!("password_file {}", passwords.display());
    let Some(broker) = mosquitto::start_in(folder, &[&line]) else { return };
    let settings = Settings {
        username: Some("gate-north".into()),
        password_file: Some(secret.clone()),
        ..settings(&broker.url())
    };
    let session = start(settings, identity("gate"), Arc::<Letters>::default());
    let status = session.until("refused", |s| s.last_error.is_some()).await;
    assert!(matches!(status.last_error.as_deref(), Some(Error::Refused { credentials: true, .. })), "{status:?}");
    assert!(!format!("{status:?} {}", status.last_error.as_ref().unwrap()).contains("canary"));
    std::fs::write(&secret, "canary-right\n").unwrap();
    session.connected().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_is_refused_and_the_connection_stays() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/#").await;
    let letters = Arc::<Letters>::default();
    let session = start(settings(&broker.url()), identity("gate"), letters.clone());
    letters.push("vedette/v1/gate/alert/door/a", vec![0; 300_000]);
    letters.push("vedette/v1/gate/alert/+/a", "bad topic");
    letters.push("vedette/v1/gate/alert/door/b", vec![b'x'; 200_000]);
    letters.push("vedette/v1/gate/alert/door/c", "small");
    eventually("the others", async || text(listener.latest("vedette/v1/gate/alert/door/c")) == "small").await;
    assert_eq!(listener.latest("vedette/v1/gate/alert/door/b").map(|p| p.len()), Some(200_000));
    assert!(matches!(letters.refused()[..], [Refusal::TooLarge { .. }, Refusal::Topic { .. }]));
    let status = session.status();
    assert_eq!((status.connections, status.refused, letters.left()), (1, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_noticed_with_messages_waiting_and_without() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    for waiting in [0, 2000] {
        let letters = Arc::<Letters>::default();
        let session = start(settings(&broker.url()), identity("gate"), letters.clone());
        session.connected().await;
        broker.freeze();
        let began = tokio::time::Instant::now();
        for _ in 0..waiting {
            letters.push("vedette/v1/gate/event/track", vec![b'x'; 20_000]);
        }
        let status = session.until("noticed", |s| s.connected_since.is_none()).await;
        println!("noticed after {:.2} s at a keep-alive of 1 s, {waiting} waiting", began.elapsed().as_secs_f32());
        let noticed = matches!(status.last_error.as_deref(), Some(Error::Silent { .. } | Error::Timeout { .. }));
        assert!(noticed, "{status:?}");
        broker.thaw();
        session.connected().await;
        eventually("delivery after all", async || letters.left() == 0).await;
        session.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_commands_is_cut_and_alerts_go_on() {
    let Some(broker) = mosquitto::start(&["max_queued_messages 0", "max_inflight_messages 0"]) else { return };
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/gate/alert/#").await;
    let letters = Arc::<Letters>::default();
    let mut session = start(settings(&broker.url()), identity("gate"), letters.clone());
    session.connected().await;
    let flood = tokio::spawn({
        let client = listener.client.clone();
        async move {
            for n in 0..100_000u32 {
                client.publish("vedette/v1/gate/command/x", QoS::AtMostOnce, false, n.to_string()).await.unwrap();
            }
        }
    });
    session.until("the flood has begun", |s| s.ignored > 100).await;
    for n in 0..50 {
        letters.push("vedette/v1/gate/alert/door/a", n.to_string());
    }
    eventually("all alerts", async || listener.messages().len() >= 50).await;
    println!("alerts arrived; {} messages ignored by then", session.status().ignored);
    flood.await.unwrap();
    // The session is alive and passes on commands again once the flood is over.
    eventually("all of the flood", async || {
        let before = session.status().ignored;
        tokio::time::sleep(Duration::from_millis(500)).await;
        session.status().ignored == before
    })
    .await;
    let mut passed = 0;
    while session.incoming.try_recv().is_ok() {
        passed += 1;
    }
    assert!(passed <= 256, "{passed} messages were held");
    assert_eq!(session.status().connections, 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    listener.client.publish("vedette/v1/gate/command/y", QoS::AtLeastOnce, false, "last").await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let message = session.incoming.recv().await.unwrap();
            if message.topic.ends_with("/y") {
                return message.payload;
            }
        }
    });
    assert_eq!(next.await.unwrap(), b"last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_with_a_message_that_is_too_large_is_left_out_and_the_others_are_heard() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let hub = Subscriber::start(broker.port(), "hub", "vedette/v1/gate/status").await;
    hub.client.publish("vedette/v1/gate/desired", QoS::AtLeastOnce, true, vec![0; 5 << 20]).await.unwrap();
    hub.client.publish("vedette/v1/gate/command/keep", QoS::AtLeastOnce, true, "kept").await.unwrap();
    let mut session = start(settings(&broker.url()), identity("gate"), Arc::<Letters>::default());
    let status = session.until("left out", |s| !s.unheard.is_empty() && s.connected_since.is_some()).await;
    assert_eq!(status.unheard, ["vedette/v1/gate/desired"]);
    let message = session.incoming.recv().await.unwrap();
    assert_eq!((message.payload.as_slice(), message.retained), (&b"kept"[..], true));
    hub.client.publish("vedette/v1/gate/command/now", QoS::AtLeastOnce, false, "new").await.unwrap();
    let mut heard = Vec::new();
    while heard != b"new" {
        heard = tokio::time::timeout(Duration::from_secs(60), session.incoming.recv()).await.unwrap().unwrap().payload;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_client_with_the_same_id_ends_in_a_long_wait_and_not_in_a_fight() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let twin = |boot: &str| {
        let mut twin = identity("gate");
        twin.presence.online = format!("online {boot}").into_bytes();
        twin.presence.offline = format!("offline {boot}").into_bytes();
        start(settings(&broker.url()), twin, Arc::<Letters>::default())
    };
    let (one, other) = (twin("one"), twin("other"));
    eventually("one gives way", async || {
        let taken = |s: &vedette::mqtt::Status| matches!(s.last_error.as_deref(), Some(Error::SessionTaken));
        taken(&one.status()) || taken(&other.status())
    })
    .await;
    let total = one.status().connections + other.status().connections;
    println!("one gave way after {total} connections");
    assert!(total < 40, "they fought for {total} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_unreachable_and_an_unusable_url_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let session = start(settings(&format!("mqtt://127.0.0.1:{port}")), identity("gate"), Arc::<Letters>::default());
    let status = session.until("failed", |s| s.failed_attempts >= 2).await;
    assert!(matches!(status.last_error.as_deref(), Some(Error::Unreachable { .. })), "{status:?}");
    session.stop().await;
    let session = start(settings("http://broker"), identity("gate"), Arc::<Letters>::default());
    let status = session.until("failed", |s| s.last_error.is_some()).await;
    assert!(matches!(status.last_error.as_deref(), Some(Error::Url { .. })), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_published_once_and_reconnecting_is_quiet() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let listener = Subscriber::start(broker.port(), "hub", "vedette/v1/#").await;
    let session = start(settings(&broker.url()), identity("gate"), Arc::<Letters>::default());
    session.connected().await;
    session.handle.publish("vedette/v1/gate/reply/a-1", "ok").unwrap();
    let refused = session.handle.publish("vedette/v1/gate/reply/a-2", vec![b'x'; 1 << 20]).unwrap_err();
    assert!(matches!(refused, NotPublished::Refused(Refusal::TooLarge { .. })), "{refused}");
    eventually("the answer", async || text(listener.latest("vedette/v1/gate/reply/a-1")) == "ok").await;
    session.handle.reconnect();
    session.until("connected again", |s| s.connections == 2 && s.connected_since.is_some()).await;
    eventually("two births", async || listener.messages().iter().filter(|m| m.payload == b"online gate").count() == 2)
        .await;
    assert!(!listener.messages().iter().any(|m| m.payload == b"offline gate"), "nobody went offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_ends_also_while_the_broker_is_frozen() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let letters = Arc::<Letters>::default();
    let patient =
        Settings { keep_alive: Duration::from_secs(60), drain: Duration::from_millis(500), ..settings(&broker.url()) };
    let session = start(patient, identity("gate"), letters.clone());
    session.connected().await;
    broker.freeze();
    for _ in 0..500 {
        letters.push("vedette/v1/gate/event/track", vec![b'x'; 1000]);
    }
    tokio::time::timeout(Duration::from_secs(60), session.stop()).await.unwrap();
    assert_eq!(letters.left(), 500, "what was not acknowledged stays");
}
