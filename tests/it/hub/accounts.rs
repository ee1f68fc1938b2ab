//! Accounts at a real mosquitto that reads the files of the hub: nobody speaks for another, and passwords are replaced while
//! agents go on; on both databases.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Filter, LastWill, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use serde_json::{Value, json};
use vedette::hub::accounts::files::configuration;
use vedette::hub::database::Database;

use super::flock::event;
use super::running::{Running, start};
use super::visitor::api;
use crate::support::detectors::{library, vedette};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::{self, Letters, eventually, identity};

/// A broker with the hub's configuration for it, and where the hub writes its files.
fn broker() -> Option<(Mosquitto, tempfile::TempDir)> {
    let files = tempfile::tempdir().unwrap();
    for name in ["passwd", "acl"] {
        std::fs::write(files.path().join(name), "").unwrap();
    }
    let lines = configuration(files.path());
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("listener ")).collect();
    assert!(lines.len() > 6, "{lines:?}");
    Some((mosquitto::start(&lines)?, files))
}

fn lines(broker: &Mosquitto, files: &Path) -> String {
    format!(
        "serving: {{ load: none }}\nmqtt:\n  url: {}\n  username: hub\n  password_file: hub.password\n  broker_files: {}\n  \
         reload_command: [kill, -HUP, '{}']\n",
        broker.url(),
        files.display(),
        broker.pid()
    )
}

async fn post(hub: &Running, path: &str, body: &Value) -> Value {
    hub.send("POST", path, Some(&hub.admin), body).await.fine()
}

/// Makes a password; it is known to the broker when this returns, where it is in force.
async fn issue(hub: &Running, broker: &Mosquitto, agent: &str) -> String {
    let issued = post(hub, &format!("/api/v1/agents/{agent}/credentials"), &Value::Null).await;
    assert_eq!(issued["username"], agent);
    let password = issued["password"].as_str().unwrap().to_owned();
    if issued["pending"] == false {
        let options = login(broker, &format!("{agent}-first"), agent, &password);
        eventually("the broker knows the password", async || Line::open(options.clone()).await.is_ok()).await;
    }
    password
}

fn login(broker: &Mosquitto, client_id: &str, user: &str, password: &str) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, "127.0.0.1", broker.port());
    options.set_credentials(user, password).set_keep_alive(Duration::from_secs(5)).set_clean_start(true);
    options
}

/// A connection of MQTT 5, which says why something is refused.
struct Line {
    client: AsyncClient,
    eventloop: EventLoop,
    /// The topics of all that has come.
    heard: Vec<String>,
}

impl Line {
    async fn open(options: MqttOptions) -> Result<Self, ConnectReturnCode> {
        let (client, eventloop) = AsyncClient::new(options, 100);
        let mut line = Self { client, eventloop, heard: Vec::new() };
        match line.eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Ok(line),
            Err(ConnectionError::ConnectionRefused(code)) => Err(code),
            other => panic!("neither let in nor refused: {other:?}"),
        }
    }

    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Packet) -> Option<T>) -> Result<T, ConnectionError> {
        within(what, self.find(wanted)).await
    }

    async fn find<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> Result<T, ConnectionError> {
        loop {
            if let Event::Incoming(packet) = self.eventloop.poll().await? {
                if let Packet::Publish(publish) = &packet {
                    self.heard.push(String::from_utf8(publish.topic.to_vec()).unwrap());
                }
                if let Some(found) = wanted(&packet) {
                    return Ok(found);
                }
            }
        }
    }

    async fn say(&mut self, topic: &str, payload: &Value) -> PubAckReason {
        let payload = payload.to_string().into_bytes();
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        let acked = self.until("an acknowledgement", |packet| match packet {
            Packet::PubAck(ack) => Some(ack.reason),
            _ => None,
        });
        acked.await.unwrap()
    }

    async fn subscribe(&mut self, filters: &[&str]) {
        let filters = filters.iter().map(|filter| Filter::new(*filter, QoS::AtLeastOnce));
        self.client.subscribe_many(filters).await.unwrap();
        self.until("subscribed", |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await.unwrap();
    }
}

/// Waits for at most a minute.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), future).await;
    waited.unwrap_or_else(|_| panic!("not within 60 s: {what}"))
}

/// The numbers of an agent's events that the hub has stored.
async fn stored(hub: &Running, agent: &str) -> Vec<u64> {
    let found = api(hub, &format!("/api/v1/events?agent={agent}&limit=500")).await;
    let number = |event: &Value| event["event"]["id"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    let mut numbers: Vec<u64> = found["events"].as_array().unwrap().iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

async fn until_stored(hub: &Running, agent: &str, wanted: &[u64]) {
    eventually("the hub has stored it", async || stored(hub, agent).await == wanted).await;
}

/// The agent `gate` with the session of a real one, which reads its password for each connection.
fn gate(broker: &Mosquitto, password_file: &Path, letters: &Arc<Letters>) -> session::Running {
    let settings = vedette::mqtt::Settings {
        username: Some("gate".to_owned()),
        password_file: Some(password_file.to_owned()),
        ..session::settings(&broker.url())
    };
    let mut identity = identity("gate");
    identity.presence.online = json!({"status": "online", "boot": "b2", "version": "0.1.0"}).to_string().into();
    identity.presence.offline = json!({"status": "offline", "boot": "b2", "version": "0.1.0"}).to_string().into();
    session::start(settings, identity, letters.clone())
}

fn push(letters: &Letters, seq: u64) {
    letters.push("vedette/v1/gate/event/track", event("gate", "event", seq).to_string());
}

/// Waits until the agent is told that all up to this event is stored.
async fn acknowledged(gate: &mut session::Running, seq: u64) {
    loop {
        let message = within("word of the hub", gate.incoming.recv()).await.unwrap();
        if message.topic == "vedette/v1/gate/ack" {
            let ack: Value = serde_json::from_slice(&message.payload).unwrap();
            if ack["upto"].as_u64().unwrap() >= seq {
                return;
            }
        }
    }
}

async fn nobody_speaks_for_another(hub: &Running, broker: &mut Mosquitto, database: &Database) {
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("mqtt.password");
    // At first the broker does not know it, for its files come from the hub.
    eventually("the hub listens", async || !api(hub, "/api/v1/intake").await["connected_since_ns"].is_null()).await;
    let first = issue(hub, broker, "gate").await;
    std::fs::write(&password_file, format!("{first}\n")).unwrap();
    let letters = Arc::<Letters>::default();
    let mut gate = gate(broker, &password_file, &letters);
    push(&letters, 1);
    acknowledged(&mut gate, 1).await;
    assert_eq!(stored(hub, "gate").await, [1]);
    assert_eq!(gate.status().unheard, Vec::<String>::new());

    let secret = issue(hub, broker, "yard").await;
    yard_says_what_it_may(hub, broker, &secret).await;
    yard_hears_what_it_may(hub, broker, &secret, &letters).await;
    yard_takes_nobodys_place(hub, broker, &secret, &gate).await;
    for (user, password) in [("gate", secret.as_str()), ("gate", ""), ("nobody", secret.as_str()), ("hub", "hub")] {
        let refused = Line::open(login(broker, "x", user, password)).await.err();
        assert_eq!(refused, Some(ConnectReturnCode::NotAuthorized), "{user}");
    }
    let nameless = Line::open(MqttOptions::new("x", "127.0.0.1", broker.port())).await.err();
    assert_eq!(nameless, Some(ConnectReturnCode::NotAuthorized));

    a_password_is_replaced_while_the_agent_goes_on(hub, broker, &password_file, &first, &mut gate, &letters).await;
    a_revoked_agent_is_out(hub, broker, &secret).await;
    a_broker_that_starts_anew_knows_everybody(broker, database, &mut gate, &letters).await;
    gate.stop().await;
}

async fn yard_says_what_it_may(hub: &Running, broker: &Mosquitto, secret: &str) {
    let mut yard = Line::open(login(broker, "yard", "yard", secret)).await.unwrap();
    let lie = json!({"status": "offline", "boot": "b2", "version": "0.1.0"});
    for topic in [
        "vedette/v1/gate/status",
        "vedette/v1/gate/event/track",
        "vedette/v1/gate/desired",
        "vedette/v1/gate/ack",
        "vedette/v1/gate/command/reload",
        "vedette/v1/yard/desired",
        "vedette/v1/yard/ack",
        "vedette/v1/yard/command/reload",
        "vedette/v1/yard/event/track/deeper",
        "vedette/v1/yard",
        "elsewhere",
    ] {
        assert_eq!(yard.say(topic, &lie).await, PubAckReason::NotAuthorized, "{topic}");
    }
    assert_eq!(yard.say("vedette/v1/yard/event/track", &event("yard", "event", 1)).await, PubAckReason::Success);

    // MQTT 3.1.1 has no word for a refusal: the message is acknowledged and thrown away.
    drop(yard);
    let mut options = rumqttc::MqttOptions::new("yard", "127.0.0.1", broker.port());
    options.set_credentials("yard", secret);
    let (client, mut eventloop) = rumqttc::AsyncClient::new(options, 10);
    for (agent, seq) in [("gate", 99), ("yard", 2)] {
        let (topic, body) = (format!("vedette/v1/{agent}/event/track"), event(agent, "event", seq).to_string());
        client.publish(topic, rumqttc::QoS::AtLeastOnce, false, body).await.unwrap();
    }
    let mut acks = 0;
    while acks < 2 {
        let event = eventloop.poll().await.unwrap();
        acks += usize::from(matches!(event, rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))));
    }
    drop((client, eventloop));

    // A will in the name of another, of a connection that breaks.
    let mut options = login(broker, "yard", "yard", secret);
    let will = lie.to_string().into_bytes();
    options.set_last_will(LastWill::new("vedette/v1/gate/status", will, QoS::AtLeastOnce, true, None));
    drop(Line::open(options).await.unwrap());
    let mut yard = Line::open(login(broker, "yard", "yard", secret)).await.unwrap();
    yard.say("vedette/v1/yard/event/track", &event("yard", "event", 3)).await;
    until_stored(hub, "yard", &[1, 2, 3]).await;
    assert_eq!(stored(hub, "gate").await, [1], "what was said in its name before is not there");
    let gate = api(hub, "/api/v1/agents/gate").await;
    assert_ne!(gate["condition"]["state"], "offline", "{gate}");
}

async fn yard_hears_what_it_may(hub: &Running, broker: &Mosquitto, secret: &str, gate: &Letters) {
    let mut yard = Line::open(login(broker, "yard", "yard", secret)).await.unwrap();
    // mosquitto takes every subscription, and then sends what may be read.
    let filters = ["#", "$SYS/#", "vedette/v1/gate/+", "vedette/v1/+/ack", "$share/hub/vedette/v1/+/event/#"];
    yard.subscribe(&filters).await;
    for seq in 2..=9 {
        push(gate, seq);
    }
    until_stored(hub, "gate", &[1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
    let topic = "vedette/v1/yard/event/track";
    yard.client.publish(topic, QoS::AtLeastOnce, false, event("yard", "event", 4).to_string()).await.unwrap();
    // The hub tells it of its own event after that.
    yard.until("word of the hub", |packet| matches!(packet, Packet::Publish(_)).then_some(())).await.unwrap();
    assert!(yard.heard.iter().all(|topic| topic == "vedette/v1/yard/ack"), "{:?}", yard.heard);
}

async fn yard_takes_nobodys_place(hub: &Running, broker: &Mosquitto, secret: &str, gate: &session::Running) {
    let before = api(hub, "/api/v1/intake").await["connections"].clone();
    let hubs = std::fs::read_to_string(hub.folder.path().join("data/mqtt.client-id")).unwrap();
    for client_id in ["gate", "hub", hubs.trim()] {
        let mut yard = Line::open(login(broker, client_id, "yard", secret)).await.unwrap();
        yard.say("vedette/v1/yard/event/track", &event("yard", "event", 4)).await;
    }
    assert_eq!(gate.status().connections, 1, "{:?}", gate.status());
    assert_eq!(api(hub, "/api/v1/intake").await["connections"], before);
}

async fn a_password_is_replaced_while_the_agent_goes_on(
    hub: &Running,
    broker: &Mosquitto,
    password_file: &Path,
    old: &str,
    gate: &mut session::Running,
    letters: &Letters,
) {
    let new = issue(hub, broker, "gate").await;
    assert_eq!(api(hub, "/api/v1/agents/gate/credentials").await["pending_by"], "admin");
    let refused = Line::open(login(broker, "x", "gate", &new)).await.err();
    assert_eq!(refused, Some(ConnectReturnCode::NotAuthorized), "it waits");
    push(letters, 10);
    acknowledged(gate, 10).await;
    assert_eq!(gate.status().connections, 1, "nothing has disturbed it");

    std::fs::write(password_file, format!("{new}\n")).unwrap();
    post(hub, "/api/v1/agents/gate/credentials/activate", &Value::Null).await;
    gate.until("back with the new password", |status| status.connections == 2).await;
    push(letters, 11);
    acknowledged(gate, 11).await;
    assert_eq!(Line::open(login(broker, "x", "gate", old)).await.err(), Some(ConnectReturnCode::NotAuthorized));
    let again = hub.send("POST", "/api/v1/agents/gate/credentials/activate", Some(&hub.admin), &Value::Null).await;
    assert!(again.refusal(409).contains("no new password waits"));
}

async fn a_revoked_agent_is_out(hub: &Running, broker: &Mosquitto, secret: &str) {
    let mut yard = Line::open(login(broker, "yard", "yard", secret)).await.unwrap();
    hub.send("DELETE", "/api/v1/agents/yard/credentials", Some(&hub.admin), &Value::Null).await.fine();
    // Without its account the broker ends the connection that there is, and makes no other.
    yard.until("its end", |_| None::<()>).await.unwrap_err();
    assert_eq!(Line::open(login(broker, "yard", "yard", secret)).await.err(), Some(ConnectReturnCode::NotAuthorized));
    hub.send("GET", "/api/v1/agents/yard/credentials", Some(&hub.admin), &Value::Null).await.refusal(404);
    let all = api(hub, "/api/v1/credentials").await;
    let users: Vec<&str> = all.as_array().unwrap().iter().map(|account| account["user"].as_str().unwrap()).collect();
    assert_eq!(users, ["hub", "gate"]);
    let audit = api(hub, "/api/v1/audit?action=credentials.").await;
    assert!(!format!("{all}{audit}").contains("vedette_mqtt_") && !format!("{all}{audit}").contains("$7$"));
    let told = audit.as_array().unwrap().iter().map(|r| (r["action"].as_str().unwrap(), r["object"].as_str().unwrap()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("credentials.revoke", "yard"),
            ("credentials.activate", "gate"),
            ("credentials.issue", "gate"),
            ("credentials.issue", "yard"),
            ("credentials.issue", "gate"),
            ("credentials.own", "hub"),
        ]
    );
}

/// Also: the hub may tell an agent what it is to have.
async fn a_broker_that_starts_anew_knows_everybody(
    broker: &mut Mosquitto,
    database: &Database,
    gate: &mut session::Running,
    letters: &Letters,
) {
    let wish = "INSERT INTO desired (agent, revision, document, told_ns) VALUES ('gate', 1, '{\"a\": 1}', 0)";
    sqlx::query(wish).execute(database.pool()).await.unwrap();
    broker.kill();
    broker.launch();
    loop {
        let message = within("what the hub wishes", gate.incoming.recv()).await.unwrap();
        if message.topic == "vedette/v1/gate/desired" {
            assert_eq!(message.payload, b"{\"a\": 1}");
            break;
        }
    }
    // The hub is back then: the broker keeps no event for one that it has forgotten.
    push(letters, 12);
    acknowledged(gate, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another_in_sqlite() {
    let Some((mut broker, files)) = broker() else { return };
    let Some(hub) = start(&lines(&broker, files.path())).await else { return };
    let database = hub.database().await;
    nobody_speaks_for_another(&hub, &mut broker, &database).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another_in_postgresql() {
    let Some((mut broker, files)) = broker() else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let lines = format!("{}database: {{ url: '{}' }}\n", lines(&broker, files.path()), server.url());
    let Some(hub) = start(&lines).await else { return };
    let database = Database::open(&server.url()).await.unwrap();
    nobody_speaks_for_another(&hub, &mut broker, &database).await;
    database.close().await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_told_is_told_again() {
    let Some((broker, _)) = broker() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (files, sign) = (folder.path().join("made/by/the/hub"), folder.path().join("sign"));
    let lines = lines(&broker, &files);
    let command = format!("[sh, -c, 'test -e {} || {{ echo it sleeps >&2; exit 3; }}']", sign.display());
    let lines = lines.split("reload_command:").next().unwrap().to_owned() + "reload_command: " + &command + "\n";
    let Some(hub) = start(&lines).await else { return };
    let files_state = async || api(&hub, "/api/v1/intake").await["broker_files"].clone();
    eventually("it is told", async || files_state().await["failing"].to_string().contains("it sleeps")).await;
    assert!(std::fs::read_to_string(files.join("acl")).unwrap().contains("user hub\n"));
    let metrics = hub.open("GET", "/metrics", Some(&hub.admin), &[]).await;
    let metrics = axum::body::to_bytes(metrics.body, usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&metrics).contains("vedette_broker_files_failing 1"));
    std::fs::write(&sign, "").unwrap();
    eventually("the broker is told", async || {
        let state = files_state().await;
        state["failing"].is_null() && state["told_ns"].is_i64()
    })
    .await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_gives_a_password_and_the_files() {
    let (Some((broker, files)), Some(library)) = (broker(), library("VEDETTE_ORT")) else { return };
    let Some(hub) = start(&lines(&broker, files.path())).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, &hub.admin).unwrap();
    let run = async |arguments: &[&str]| {
        let connection = ["--hub", &hub.url, "--token-file", token.to_str().unwrap()];
        let arguments: Vec<String> =
            ["fleet"].iter().chain(arguments).chain(&connection).map(|argument| (*argument).to_owned()).collect();
        let library = library.clone();
        let run = move || vedette(&library, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, password, _) = run(&["credentials", "gate"]).await;
    assert_eq!(status, Some(0));
    let options = login(&broker, "gate", "gate", password.trim());
    eventually("the broker lets it in", async || Line::open(options.clone()).await.is_ok()).await;

    let file = folder.path().join("mqtt.password");
    let (status, told, noted) = run(&["credentials", "gate", "-o", file.to_str().unwrap()]).await;
    assert_eq!((status, told.as_str()), (Some(0), ""));
    assert!(noted.contains("--activate"), "{noted}");
    let next = std::fs::read_to_string(&file).unwrap();
    assert!(next.starts_with("vedette_mqtt_") && !noted.contains(next.trim()) && next != password);
    let (_, all, _) = run(&["credentials"]).await;
    assert_eq!(all.lines().count(), 2, "{all}");
    assert!(!all.contains("vedette_mqtt_"));

    let target = folder.path().join("on the broker");
    let (status, told, noted) = run(&["broker-config", "-o", target.to_str().unwrap()]).await;
    assert_eq!((status, told.lines().count()), (Some(0), 3), "{told}{noted}");
    for name in ["acl", "passwd"] {
        let (here, there) = (std::fs::read_to_string(target.join(name)).unwrap(), files.path().join(name));
        assert_eq!(here, std::fs::read_to_string(there).unwrap(), "{name}");
    }
    let conf = std::fs::read_to_string(target.join("mosquitto.conf")).unwrap();
    assert!(conf.contains(&format!("password_file {}/passwd\n", target.canonicalize().unwrap().display())), "{conf}");
    let (_, printed, _) = run(&["broker-config"]).await;
    assert!(printed.contains("# ---- acl\n") && printed.contains("user gate\n"), "{printed}");

    assert_eq!(run(&["credentials", "gate", "--activate"]).await.0, Some(0));
    assert_eq!(run(&["credentials", "gate", "--activate"]).await.0, Some(2), "none waits");
    assert_eq!(run(&["credentials", "gate", "--revoke"]).await.0, Some(0));
    assert_eq!(run(&["credentials", "hub", "--revoke"]).await.0, Some(2));
    assert_eq!(run(&["credentials", "--revoke"]).await.0, Some(2), "whose?");
    hub.end().await;
}
