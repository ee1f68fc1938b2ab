//! Clips: handed in piece by piece by the agent that recorded them and by nobody else, asked for, and fetched; on both
//! databases, and by a hub that is killed in between.

use std::net::TcpListener;
use std::path::Path;

use axum::http::Method;
use rumqttc::QoS;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::program::{launch, stop, until_ready};
use super::running::{Running, start};
use super::site::Site;
use super::visitor::{Visitor, api, text};
use crate::support::clips::make;
use crate::support::detectors::library;
use crate::support::http::{Answer, Http};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

/// The largest piece that a hub takes.
const PIECE: usize = 1 << 20;

/// Bytes with the name that they go by.
pub struct Recording {
    pub bytes: Vec<u8>,
    pub sha256: String,
}

impl Recording {
    fn of(bytes: Vec<u8>) -> Self {
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, sha256 }
    }

    /// Something that begins as an MP4 does.
    fn noise(length: usize) -> Self {
        let mut bytes: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
        bytes[..8].copy_from_slice(b"\0\0\0\x18ftyp");
        Self::of(bytes)
    }

    /// A fragmented MP4 with four seconds of H.264, as agents cut them.
    pub fn of_a_camera(folder: &Path) -> Self {
        let caps = "format=I420,width=320,height=240,framerate=10/1";
        let encoder = "x264enc tune=zerolatency key-int-max=10 ! video/x-h264,profile=baseline ! h264parse \
            ! mp4mux fragment-duration=1000 streamable=true";
        Self::of(std::fs::read(make(folder, "clip.mp4", 40, caps, encoder)).unwrap())
    }

    /// What its first piece says.
    fn query(&self, episode: &str) -> String {
        format!(
            "?bytes={}&camera=door&episode={episode}&begins=2026-11-23T14:27:50Z&ends=2026-11-23T14:28:00.5Z&mime=video/mp4",
            self.bytes.len()
        )
    }
}

/// An agent at the door of a hub.
pub struct Sender {
    http: Http,
    url: String,
    bearer: String,
}

impl Sender {
    /// Whoever has this token.
    pub fn new(url: &str, token: &str) -> Self {
        Self { http: Http::default(), url: url.to_owned(), bearer: format!("Bearer {token}") }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let headers = [headers, &[("authorization", self.bearer.as_str())]].concat();
        self.http.send(method, &format!("{}{path}", self.url), &headers, body.to_vec()).await
    }

    async fn head(&self, agent: &str, recording: &Recording) -> Answer {
        self.ask(Method::HEAD, &format!("/api/v1/clips/{agent}/{}", recording.sha256), &[], &[]).await
    }

    async fn piece(&self, agent: &str, sha256: &str, offset: usize, query: &str, piece: &[u8]) -> Answer {
        let offset = offset.to_string();
        let headers = [("upload-offset", offset.as_str()), ("content-type", "application/octet-stream")];
        self.ask(Method::PATCH, &format!("/api/v1/clips/{agent}/{sha256}{query}"), &headers, piece).await
    }

    /// Sends the first bytes of a recording.
    pub async fn begin(&self, agent: &str, episode: &str, recording: &Recording) {
        let query = recording.query(episode);
        let answer = self.piece(agent, &recording.sha256, 0, &query, &recording.bytes[..1000]).await;
        assert_eq!(answer.status, 204, "{}", text(&answer));
    }

    /// Sends the rest of a recording from where the hub has it, as an agent does.
    pub async fn hand_in(&self, agent: &str, episode: &str, recording: &Recording) {
        let known = self.head(agent, recording).await;
        let mut at = if known.status == 404 { 0 } else { offset(&known) };
        while at < recording.bytes.len() {
            let query = if at == 0 { recording.query(episode) } else { String::new() };
            let end = (at + PIECE).min(recording.bytes.len());
            let answer = self.piece(agent, &recording.sha256, at, &query, &recording.bytes[at..end]).await;
            assert_eq!(answer.status, 204, "{}", text(&answer));
            assert_eq!(offset(&answer), end);
            at = end;
        }
    }
}

fn offset(answer: &Answer) -> usize {
    answer.headers["upload-offset"].to_str().unwrap().parse().unwrap()
}

fn is_whole(answer: &Answer) -> bool {
    answer.headers.get("upload-complete").is_some_and(|value| value == "?1")
}

/// The token of an agent.
pub async fn agent_token(hub: &Running, agent: &str) -> String {
    let new = json!({"name": format!("{agent}-box"), "role": "viewer", "agent": agent});
    let made = hub.send("POST", "/api/v1/tokens", Some(&hub.admin), &new).await.fine();
    assert_eq!(made["agent"], agent);
    made["token"].as_str().unwrap().to_owned()
}

async fn a_clip_is_taken_from_its_agent_alone(hub: &Running) {
    let recording = Recording::noise(2 * PIECE + 500);
    let gate = Sender::new(&hub.url, &agent_token(hub, "gate").await);
    let (first, query) = (&recording.bytes[..PIECE], recording.query("door-1"));
    assert_eq!(gate.head("gate", &recording).await.status, 404);
    let sha256 = &recording.sha256;
    let viewer = hub.token("guard", "viewer").await;
    for token in [hub.admin.clone(), viewer, agent_token(hub, "yard").await] {
        let other = Sender::new(&hub.url, &token).piece("gate", sha256, 0, &query, first).await;
        assert!(other.refusal(403).contains("only the agent itself"));
    }
    gate.piece("yard", sha256, 0, &query, first).await.refusal(403);
    let operator = json!({"name": "x", "role": "operator", "agent": "gate"});
    hub.send("POST", "/api/v1/tokens", Some(&hub.admin), &operator).await.refusal(400);

    assert!(gate.piece("gate", sha256, 0, "", first).await.refusal(400).contains("?bytes="));
    gate.piece("gate", sha256, 0, &query.replace("mp4", "webm"), first).await.refusal(400);
    gate.piece("gate", sha256, 0, &query.replace("T14:28", "T14:20"), first).await.refusal(400);
    gate.piece("gate", sha256, 0, &query, &first[1..]).await.refusal(422);
    let vast = format!("?bytes={}&", 257 << 20) + query.split_once('&').unwrap().1;
    assert!(gate.piece("gate", sha256, 0, &vast, first).await.refusal(413).contains("largest_clip_mib"));
    let large = gate.piece("gate", sha256, 0, &query, &recording.bytes[..PIECE + 1]).await;
    assert_eq!(large.status, 413);

    assert_eq!(gate.piece("gate", sha256, 0, &query, first).await.status, 204);
    let known = gate.head("gate", &recording).await;
    assert_eq!((known.status.as_u16(), offset(&known), is_whole(&known)), (200, PIECE, false));
    let coming = api(hub, "/api/v1/agents/gate/episodes/door-1/clip").await;
    assert_eq!((&coming["state"], &coming["clip"]["received"]), (&json!("coming"), &json!(PIECE)));
    hub.send("GET", &format!("/api/v1/clips/gate/{sha256}"), Some(&hub.admin), &Value::Null).await.refusal(404);
    let again = gate.piece("gate", sha256, 0, &query, first).await;
    assert_eq!((again.status.as_u16(), offset(&again)), (409, PIECE));

    gate.hand_in("gate", "door-1", &recording).await;
    assert!(is_whole(&gate.head("gate", &recording).await));
    let here = api(hub, "/api/v1/agents/gate/episodes/door-1/clip").await;
    assert_eq!((&here["state"], &here["clip"]["sha256"]), (&json!("here"), &json!(sha256)));
    let overwritten = gate.piece("gate", sha256, 0, &query, first).await;
    assert_eq!((overwritten.status.as_u16(), is_whole(&overwritten)), (409, true));
    gives_it_out(hub, &recording).await;
    forgets_what_is_another(&gate).await;
}

/// To whoever may see it, also from the middle, and as nothing but a video.
async fn gives_it_out(hub: &Running, recording: &Recording) {
    let guard = Sender::new(&hub.url, &hub.token("night", "viewer").await);
    let path = format!("/api/v1/clips/gate/{}", recording.sha256);
    let whole = guard.ask(Method::GET, &path, &[], &[]).await;
    assert!(whole.status == 200 && whole.body == recording.bytes);
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "inline; filename=\"gate-door-20261123T142750Z.mp4\""),
        ("cache-control", "private, max-age=31536000, immutable"),
    ] {
        assert_eq!(whole.headers[name], value);
    }
    let part = guard.ask(Method::GET, &path, &[("range", "bytes=10-19")], &[]).await;
    assert!(part.status == 206 && part.body == recording.bytes[10..20]);
    assert_eq!(part.headers["content-range"], format!("bytes 10-19/{}", recording.bytes.len()));
}

async fn forgets_what_is_another(gate: &Sender) {
    let (other, mut bytes) = (Recording::noise(5000), Recording::noise(5000).bytes);
    bytes[4000] ^= 1;
    assert_eq!(gate.piece("gate", &other.sha256, 0, &other.query(""), &bytes[..3000]).await.status, 204);
    let wrong = gate.piece("gate", &other.sha256, 3000, "", &bytes[3000..]).await;
    assert!(wrong.refusal(422).contains("SHA-256"));
    assert_eq!(gate.head("gate", &other).await.status, 404);
    gate.hand_in("gate", "", &other).await;
    assert!(is_whole(&gate.head("gate", &other).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_is_taken_from_its_agent_alone_in_sqlite() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    a_clip_is_taken_from_its_agent_alone(&hub).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_is_taken_from_its_agent_alone_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = start(&format!("serving: {{ load: none }}\ndatabase: {{ url: '{}' }}\n", server.url())).await
    else {
        return;
    };
    a_clip_is_taken_from_its_agent_alone(&hub).await;
    hub.end().await;
}

/// An agent that hears commands, and answers what it is told to.
struct Asked {
    client: Subscriber,
}

impl Asked {
    async fn start(broker: &Mosquitto) -> Self {
        Self { client: Subscriber::start(broker.port(), "gate-commands", "vedette/v1/gate/command/#").await }
    }

    /// The commands so far, with what they were.
    fn commands(&self) -> Vec<Value> {
        let messages = self.client.messages();
        assert!(messages.iter().all(|message| message.topic == "vedette/v1/gate/command/clip" && !message.retained));
        messages.iter().map(|message| serde_json::from_slice(&message.payload).unwrap()).collect()
    }

    async fn answer(&self, code: &str, reason: &str, result: Value) {
        let id = self.commands().last().unwrap()["id"].as_str().unwrap().to_owned();
        let reply = json!({"id": id, "code": code, "reason": reason, "result": result}).to_string().into_bytes();
        let topic = format!("vedette/v1/gate/reply/{id}");
        self.client.client.publish(topic, QoS::AtLeastOnce, false, reply).await.unwrap();
    }
}

async fn an_operator_asks_for_a_clip_and_sees_how_it_is(lines: &str) {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n{lines}", broker.url());
    let Some(hub) = start(&lines).await else { return };
    let (site, agent) = (Site::start(&hub, &broker).await, Asked::start(&broker).await);
    for (seq, episode) in [(1, "door-1"), (2, "door-2"), (3, "door-3")] {
        site.alert(seq, episode, "person").await;
    }
    site.stored(&hub, 3).await;
    let path = |episode: &str| format!("/api/v1/agents/gate/episodes/{episode}/clip");
    let operator = hub.token("hands", "operator").await;
    let ask = async |episode: &str| hub.send("POST", &path(episode), Some(&operator), &Value::Null).await;
    let state = async |episode: &str| api(&hub, &path(episode)).await["state"].as_str().unwrap().to_owned();
    let viewer = hub.token("eyes", "viewer").await;
    hub.send("POST", &path("door-1"), Some(&viewer), &Value::Null).await.refusal(403);
    assert!(ask("door-9").await.refusal(404).contains("door-9"));
    assert_eq!(state("door-1").await, "none");
    assert_eq!(ask("door-1").await.fine()["state"], "asked");
    assert_eq!(ask("door-1").await.fine()["asked"]["by"], "hands", "asked once is enough");
    eventually("the agent is asked", async || agent.commands().len() == 1).await;
    assert_eq!(agent.commands()[0]["args"], json!({"episode": "door-1"}));
    agent.answer("not-found", "it was overwritten", Value::Null).await;
    eventually("the answer is known", async || state("door-1").await == "refused").await;
    assert_eq!(api(&hub, &path("door-1")).await["asked"]["reason"], "it was overwritten");

    ask("door-1").await.fine();
    eventually("the agent is asked again", async || agent.commands().len() == 2).await;
    let recording = Recording::noise(300_000);
    let gate = Sender::new(&hub.url, &agent_token(&hub, "gate").await);
    agent.answer("ok", "", json!({"state": "being-written", "upload": "queued"})).await;
    eventually("it is made ready", async || state("door-1").await == "coming").await;
    gate.hand_in("gate", "door-1", &recording).await;
    assert_eq!(state("door-1").await, "here");
    // One clip shows two happenings; it is sent once, and named in both answers.
    ask("door-2").await.fine();
    eventually("the agent is asked for the other", async || agent.commands().len() == 3).await;
    let kept = json!({"state": "kept", "upload": "queued", "clip_file": {"sha256": recording.sha256}});
    agent.answer("ok", "", kept).await;
    eventually("it is the same clip", async || state("door-2").await == "here").await;

    let audit = api(&hub, "/api/v1/audit?action=clip.ask").await;
    let told: Vec<_> = audit.as_array().unwrap().iter().map(|record| record["object"].as_str().unwrap()).collect();
    assert_eq!(told, ["gate/door-2", "gate/door-1", "gate/door-1"]);
    without_a_script(&hub, &agent, &operator, &recording).await;
    hub.end().await;
}

/// The same on the page of the event.
async fn without_a_script(hub: &Running, agent: &Asked, operator: &str, recording: &Recording) {
    let events = api(hub, "/api/v1/events?episode=door-1").await;
    let page = format!("/ui/events/{}", events["events"][0]["number"]);
    let mut visitor = Visitor::signed_in(hub, operator).await;
    let answer = visitor.get(&page).await;
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("media-src 'self';"));
    let src = format!("/ui/clips/gate/{}", recording.sha256);
    assert!(
        text(&answer).contains(&format!("<video controls preload=\"metadata\" src=\"{src}\"")),
        "{}",
        text(&answer)
    );
    let video = visitor.get(&src).await;
    assert!(video.status == 200 && video.body == recording.bytes);
    assert_eq!(
        (&video.headers["content-type"], &video.headers["x-content-type-options"]),
        (&"video/mp4".parse().unwrap(), &"nosniff".parse().unwrap())
    );

    let part = "/ui/agents/gate/episodes/door-3/clip";
    let there = visitor.get(part).await;
    assert_eq!(there.status, 303, "a link of a page without a script leads to the page");
    let page = there.headers["location"].to_str().unwrap().to_owned();
    assert!(visitor.page(&page).await.contains("Fetch the clip"));
    let asked = visitor.submit(part, &[]).await;
    assert_eq!((asked.status.as_u16(), asked.headers["location"].to_str().unwrap()), (303, page.as_str()));
    eventually("the agent is asked", async || agent.commands().len() == 4).await;
    assert!(visitor.page(&page).await.contains("has not answered yet"));
    agent.answer("refused", "clips are not kept <here>", Value::Null).await;
    let path = "/api/v1/agents/gate/episodes/door-3/clip";
    eventually("the refusal is known", async || api(hub, path).await["state"] == "refused").await;
    let html = visitor.page(&page).await;
    assert!(html.contains("clips are not kept &#60;here&#62;") && html.contains("Ask again"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_asks_for_a_clip_and_sees_how_it_is_in_sqlite() {
    an_operator_asks_for_a_clip_and_sees_how_it_is("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_asks_for_a_clip_and_sees_how_it_is_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    an_operator_asks_for_a_clip_and_sees_how_it_is(&format!("database: {{ url: '{}' }}\n", server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_nobody_is_asked() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let path = "/api/v1/agents/gate/episodes/door-1/clip";
    let refused = hub.send("POST", path, Some(&hub.admin), &Value::Null).await;
    assert!(refused.refusal(409).contains("no broker"));
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_hub_has_acknowledged_it_still_has() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (file, log, url) = (folder.path().join("hub.yaml"), folder.path().join("log"), format!("http://{address}"));
    std::fs::write(&file, format!("listen: {address}\ndata_dir: data\nserving: {{ load: none }}\n")).unwrap();
    let mut hub = launch(&library, &file, &log);
    until_ready(&url).await;
    let admin = std::fs::read_to_string(folder.path().join("data/admin.token")).unwrap().trim().to_owned();
    let new = json!({"name": "box", "role": "viewer", "agent": "gate"}).to_string();
    let made = Sender::new(&url, &admin).ask(Method::POST, "/api/v1/tokens", &[], new.as_bytes()).await.fine();
    let token = made["token"].as_str().unwrap();
    let recording = Recording::noise(6 * PIECE + 77);
    for killed in 0..6 {
        // A new client each time: the connections of the one before are gone with the hub.
        let gate = Sender::new(&url, token);
        let at = killed * PIECE;
        let query = if at == 0 { recording.query("door-1") } else { String::new() };
        let answer = gate.piece("gate", &recording.sha256, at, &query, &recording.bytes[at..at + PIECE]).await;
        assert_eq!((answer.status.as_u16(), offset(&answer)), (204, at + PIECE));
        hub.kill().unwrap();
        hub.wait().unwrap();
        hub = launch(&library, &file, &log);
        until_ready(&url).await;
        let known = Sender::new(&url, token).head("gate", &recording).await;
        assert_eq!((offset(&known), is_whole(&known)), (at + PIECE, false));
    }
    let gate = Sender::new(&url, token);
    gate.hand_in("gate", "door-1", &recording).await;
    let path = format!("/api/v1/clips/gate/{}", recording.sha256);
    assert!(gate.ask(Method::GET, &path, &[], &[]).await.body == recording.bytes);
    stop(hub);
}
