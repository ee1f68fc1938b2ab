//! Rollouts from an order to the last agent, through a real broker, on both databases, with a hub that is killed in between.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Child;

use axum::http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vedette::model::keys::PublicKey;
use vedette::vocab::Id;
use vedette::wire::{DesiredMessage, PackageRef};

use super::program::{launch, until_ready};
use super::sites::{Manner, Site};
use crate::support::detectors::{json_lines, library, vedette};
use crate::support::http::{Answer, Http};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

/// A hub as a program, which can be killed, and who is there.
pub struct Hub {
    library: PathBuf,
    pub folder: tempfile::TempDir,
    pub url: String,
    token: String,
    pub key: PublicKey,
    child: Option<Child>,
}

impl Hub {
    /// Starts one with a package registered as version 1 of `vedette-nano`.
    pub async fn start(broker: &Mosquitto, database: Option<&str>) -> Option<Self> {
        let mut hub = Self::open(broker, database).await?;
        hub.token = std::fs::read_to_string(hub.folder.path().join("data/admin.token")).unwrap().trim().to_owned();
        hub.key = hub.get("/api/v1/hub-key").await["public"].as_str().unwrap().parse().unwrap();
        hub.push_bundled().await;
        Some(hub)
    }

    /// Starts a second one on the database of the first.
    async fn beside(first: &Self, broker: &Mosquitto, database: &str) -> Option<Self> {
        let mut hub = Self::open(broker, Some(database)).await?;
        hub.token = first.token.clone();
        hub.key = hub.get("/api/v1/hub-key").await["public"].as_str().unwrap().parse().unwrap();
        Some(hub)
    }

    async fn open(broker: &Mosquitto, database: Option<&str>) -> Option<Self> {
        let library = library("VEDETTE_ORT")?;
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let database = database.map(|url| format!("database: {{ url: '{url}' }}\n")).unwrap_or_default();
        let yaml = format!(
            "listen: {address}\ndata_dir: data\nserving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n{database}",
            broker.url()
        );
        std::fs::write(folder.path().join("hub.yaml"), yaml).unwrap();
        let key = "ed25519:".to_owned() + &"0".repeat(64);
        let (url, key) = (format!("http://{address}"), key.parse().unwrap());
        let mut hub = Self { library, folder, url, token: String::new(), key, child: None };
        hub.launch().await;
        Some(hub)
    }

    pub async fn launch(&mut self) {
        let folder = self.folder.path();
        self.child = Some(launch(&self.library, &folder.join("hub.yaml"), &folder.join("log")));
        until_ready(&self.url).await;
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.url);
        Http::default().send(method, &url, &[("authorization", &bearer)], body.to_vec()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send("GET", path, &[]).await.fine()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body.to_string().as_bytes()).await
    }

    async fn push_bundled(&self) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano/vedette-nano-int8.vedette");
        self.push(&std::fs::read(path).unwrap()).await;
    }

    /// Registers a package; its version and its SHA-256.
    pub async fn push(&self, bytes: &[u8]) -> (i64, String) {
        let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.send("PUT", &format!("/api/v1/uploads/{sha256}"), bytes).await.fine();
        let pushed = self.post("/api/v1/models", json!({ "sha256": sha256 })).await.fine();
        (pushed["version"].as_i64().unwrap(), sha256)
    }

    /// Waits until these agents are there, and admits them.
    pub async fn admit(&self, agents: &[String]) {
        for agent in agents {
            let path = format!("/api/v1/agents/{agent}/admission");
            eventually("the hub knows the agent and what it has", async || {
                let facts = self.send("GET", &format!("/api/v1/agents/{agent}"), &[]).await;
                facts.status == 200 && {
                    let facts = facts.fine();
                    facts["condition"]["state"] == "online" && !facts["reported"].is_null()
                }
            })
            .await;
            self.send("PUT", &path, b"{\"admitted\": true}").await.fine();
        }
    }

    async fn order(&self, agents: &[String], terms: Value) -> String {
        let order = json!({"slot": "people", "model": "vedette-nano", "version": 1, "agents": agents, "terms": terms});
        self.post("/api/v1/rollouts", order).await.fine()["id"].as_str().unwrap().to_owned()
    }

    pub async fn rollout(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/rollouts/{id}")).await
    }

    pub async fn until_state(&self, id: &str, state: &str) -> Value {
        eventually(state, async || {
            let rollout = self.rollout(id).await;
            assert!(rollout["settled"] == false || rollout["state"] == state, "{rollout:#}");
            rollout["state"] == state
        })
        .await;
        self.rollout(id).await
    }

    /// `vedette fleet …` as the admin.
    pub async fn fleet(&self, arguments: &[&str]) -> std::process::Output {
        let token = self.folder.path().join("data/admin.token").display().to_string();
        let all = [&["fleet", "--hub", &self.url, "--token-file", &token], arguments].concat();
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let library = self.library.clone();
        let run = move || vedette(&library, &all.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}

/// What ran on an agent before: a package of its own.
fn own(number: u64) -> Option<PackageRef> {
    let model = Id::new("people").unwrap();
    Some(PackageRef { model, version: number as i64, sha256: format!("{number:064x}"), size: 7 })
}

fn names(many: usize) -> Vec<String> {
    (1..=many).map(|number| format!("gate-{number}")).collect()
}

/// So many agents that are there and admitted; those with an even number run a package of their own.
async fn sites(hub: &Hub, broker: &Mosquitto, many: usize) -> Vec<Site> {
    sites_of(&[hub.key], hub, broker, many).await
}

async fn sites_of(keys: &[PublicKey], hub: &Hub, broker: &Mosquitto, many: usize) -> Vec<Site> {
    let mut sites = Vec::new();
    for (number, name) in (1..).zip(names(many)) {
        let active = if number % 2 == 0 { own(number) } else { None };
        sites.push(Site::start(broker.port(), &name, keys, Manner::Commits, active));
    }
    hub.admit(&names(many)).await;
    sites
}

fn quick() -> Value {
    json!({"groups": [1, "50%", "100%"], "soak_seconds": 1, "node_timeout_seconds": 30})
}

/// The stage of each agent of a rollout.
pub fn stages(rollout: &Value) -> Vec<&str> {
    rollout["nodes"].as_array().unwrap().iter().map(|node| node["stage"].as_str().unwrap()).collect()
}

async fn a_good_package_reaches_everybody(hub: &Hub, broker: &Mosquitto) {
    let sites = sites(hub, broker, 6).await;
    let id = hub.order(&names(6), quick()).await;
    assert_eq!(id, "people-1-1");
    let busy = json!({"slot": "people", "model": "vedette-nano", "version": 1, "agents": ["gate-6"]});
    let refused = hub.post("/api/v1/rollouts", busy).await.refusal(409);
    assert!(refused.contains("people-1-1") && refused.contains("gate-6"), "{refused}");
    let rollout = hub.until_state(&id, "finished").await;
    assert_eq!(stages(&rollout), ["committed"; 6]);
    assert_eq!(rollout["why"], "");
    let sha256 = rollout["package"]["sha256"].as_str().unwrap();
    let mut told_ns = Vec::new();
    for (node, site) in rollout["nodes"].as_array().unwrap().iter().zip(&sites) {
        assert_eq!(site.taken().len(), 1, "nobody is told twice");
        assert_eq!(site.active().unwrap().sha256, sha256);
        told_ns.push(node["told_ns"].as_i64().unwrap());
    }
    // Groups of 1, 2 and 3, a second of soaking between them.
    assert!(told_ns[1] - told_ns[0] >= 1_000_000_000 && told_ns[3] - told_ns[2] >= 1_000_000_000, "{told_ns:?}");
    assert!(told_ns[1] == told_ns[2] && told_ns[3] == told_ns[5], "{told_ns:?}");
    assert_eq!(rollout["nodes"][1]["previous"]["sha256"], own(2).unwrap().sha256);
    assert_eq!(rollout["nodes"][0]["previous"], Value::Null);
    let facts = hub.get("/api/v1/agents/gate-1").await;
    assert_eq!(facts["desired_revision"], 1);
    assert_eq!(facts["reported"]["models"]["people"]["stage"], "committed");
    let audit = hub.get("/api/v1/audit").await;
    let of_rollout = audit.as_array().unwrap().iter().filter(|record| record["object"] == "people-1-1");
    let told: Vec<_> = of_rollout.map(|r| (r["who"].as_str().unwrap(), r["action"].as_str().unwrap())).collect();
    assert_eq!(told, [("(hub)", "rollout.state"), ("(hub)", "rollout.state"), ("admin", "rollout.order")]);
}

async fn a_bad_one_goes_back_and_touches_nobody_else(hub: &Hub, broker: &Mosquitto) {
    let observer = Subscriber::start(broker.port(), "observer", "vedette/v1/+/desired").await;
    let sites = sites(hub, broker, 6).await;
    sites[1].behave(Manner::RollsBack);
    let agents = ["gate-2", "gate-1", "gate-3"].map(str::to_owned);
    let id = hub.order(&agents, quick()).await;
    let rollout = hub.until_state(&id, "reverted").await;
    assert!(rollout["why"].as_str().unwrap().contains("gate-2 rolled-back: it takes twice as long"), "{rollout}");
    assert_eq!(stages(&rollout), ["back", "waiting", "waiting"]);
    assert_eq!(rollout["nodes"][0]["fault"]["stage"], "rolled-back");
    // Its own package, with a new revision and without proof.
    let taken = sites[1].taken();
    let last = &taken[1].models[&Id::new("people").unwrap()];
    assert_eq!((taken.len(), taken[1].revision), (2, 2));
    assert_eq!((last.package.clone(), &last.proof), (own(2), &None));
    assert_eq!(sites[1].active(), own(2));
    for message in observer.messages() {
        assert_eq!(message.topic, "vedette/v1/gate-2/desired", "nobody else is told");
    }
    assert!(sites.iter().enumerate().all(|(number, site)| number == 1 || site.taken().is_empty()));
    // The slot is free again, and a wish for one model leaves the others alone: the revision goes on.
    sites[1].behave(Manner::Commits);
    let again = hub.order(&["gate-2".to_owned()], quick()).await;
    assert_eq!(again, "people-1-2");
    hub.until_state(&again, "finished").await;
    assert_eq!(sites[1].taken()[2].revision, 3);
}

async fn who_is_away_is_told_when_it_returns(hub: &Hub, broker: &Mosquitto) {
    let mut sites = sites(hub, broker, 4).await;
    let away = &mut sites[3];
    away.leave().await;
    eventually("it is seen to be away", async || {
        hub.get("/api/v1/agents/gate-4").await["condition"]["state"] == "offline"
    })
    .await;
    let terms = json!({"groups": ["100%"], "soak_seconds": 1, "success": 0.75});
    let id = hub.order(&names(4), terms).await;
    let rollout = hub.until_state(&id, "finished").await;
    assert_eq!(rollout["why"], "not done and still told: gate-4");
    assert_eq!(stages(&rollout), ["committed", "committed", "committed", "told"]);
    sites[3].connect();
    eventually("it carries the wish out", async || sites[3].active().is_some_and(|active| active.version == 1)).await;
    eventually("the hub hears of it", async || stages(&hub.rollout(&id).await)[3] == "committed").await;

    // Who is away while all go back is waited for by nobody, and goes back when it returns.
    sites[0].behave(Manner::Hangs);
    sites[3].behave(Manner::Hangs);
    let id = hub.order(&names(4), json!({"groups": ["100%"]})).await;
    eventually("all are told", async || sites.iter().all(|site| site.taken().len() == 2)).await;
    sites[3].leave().await;
    eventually("it is seen to be away", async || {
        hub.get("/api/v1/agents/gate-4").await["condition"]["state"] == "offline"
    })
    .await;
    hub.post(&format!("/api/v1/rollouts/{id}/abort"), json!({})).await.fine();
    let rollout = hub.until_state(&id, "aborted").await;
    assert_eq!(rollout["why"], "aborted by admin; away and told to go back: gate-4");
    sites[3].connect();
    eventually("it is told to go back", async || sites[3].taken().len() == 3).await;
    eventually("the hub hears of it", async || stages(&hub.rollout(&id).await)[3] == "back").await;
}

/// The hub is killed at every stage, and the broker once; nobody is told twice or forgotten.
async fn a_hub_that_is_killed_goes_on(hub: &mut Hub, broker: &mut Mosquitto) {
    let sites = sites(hub, broker, 6).await;
    sites[0].behave(Manner::Hangs);
    let id = hub.order(&names(6), quick()).await;
    hub.kill();
    hub.launch().await;
    eventually("the first group is told", async || !sites[0].taken().is_empty()).await;
    hub.kill();
    // It gets done while no hub listens.
    sites[0].finish();
    hub.launch().await;
    eventually("the second group is told", async || !sites[1].taken().is_empty()).await;
    hub.kill();
    hub.launch().await;
    eventually("the last group is told", async || sites.iter().all(|site| !site.taken().is_empty())).await;
    hub.kill();
    broker.kill();
    broker.launch();
    hub.launch().await;
    let rollout = hub.until_state(&id, "finished").await;
    assert_eq!(stages(&rollout), ["committed"; 6]);
    for site in &sites {
        let revisions: Vec<u64> = site.taken().iter().map(|wish| wish.revision).collect();
        assert_eq!((revisions, site.active().unwrap().version), (vec![1], 1), "told once, and what was ordered");
    }
    // The broker had kept nothing. All wishes are there again, also when it forgets them under a hub that goes on.
    all_wishes_are_at(broker, hub).await;
    broker.kill();
    broker.launch();
    all_wishes_are_at(broker, hub).await;
}

async fn all_wishes_are_at(broker: &Mosquitto, hub: &Hub) {
    let observer = Subscriber::start(broker.port(), "observer", "vedette/v1/+/desired").await;
    eventually("all wishes are at the broker", async || observer.messages().len() >= 6).await;
    for name in names(6) {
        let wish = observer.latest(&format!("vedette/v1/{name}/desired")).unwrap();
        let wish = DesiredMessage::verify(&wish, &Id::new(&name).unwrap(), &[hub.key]).unwrap();
        assert_eq!(wish.revision, 1, "{name}");
    }
}

/// Two hubs share a database; either could act, and one is killed midway.
async fn two_hubs_tell_everybody_once(broker: &Mosquitto, database: &str) {
    let Some(mut first) = Hub::start(broker, Some(database)).await else { return };
    let Some(second) = Hub::beside(&first, broker, database).await else { return };
    assert_ne!(first.key, second.key);
    let sites = sites_of(&[first.key, second.key], &second, broker, 6).await;
    let id = second.order(&names(6), quick()).await;
    eventually("the second group is told", async || !sites[1].taken().is_empty()).await;
    first.kill();
    second.until_state(&id, "finished").await;
    for site in &sites {
        assert_eq!(site.taken().iter().map(|wish| wish.revision).collect::<Vec<_>>(), [1]);
    }
    let audit = second.get("/api/v1/audit").await;
    let states = audit.as_array().unwrap().iter().filter(|record| record["action"] == "rollout.state");
    assert_eq!(states.count(), 2, "each step is taken by one hub: {audit:#}");
}

async fn what_cannot_be_done_is_refused_and_the_rest_is_done_from_the_command_line(hub: &Hub, broker: &Mosquitto) {
    let sites = sites(hub, broker, 2).await;
    let _stranger = Site::start(broker.port(), "stranger", &[hub.key], Manner::Commits, None);
    eventually("the stranger is known", async || hub.send("GET", "/api/v1/agents/stranger", &[]).await.status == 200)
        .await;
    for (change, status, told) in [
        (json!({"agents": ["gate-1", "nobody"]}), 422, "never been heard of: nobody"),
        (json!({"agents": ["gate-1", "stranger"]}), 422, "not been admitted: stranger"),
        (json!({"labels": {"region": "north"}}), 422, "no admitted agent"),
        (json!({}), 400, "in one way"),
        (json!({"all": true, "version": 7}), 404, "no version 7"),
        (json!({"all": true, "version": "champion"}), 404, "no version champion"),
        (json!({"all": true, "model": "none"}), 404, "none"),
        (json!({"all": true, "terms": {"proof": {"trial_seconds": 0}}}), 400, "proof: trial_seconds"),
        (json!({"all": true, "terms": {"groups": ["50%"]}}), 400, "100%"),
        (json!({"all": true, "terms": {"sock_seconds": 5}}), 400, "sock_seconds"),
    ] {
        let mut order = json!({"slot": "people", "model": "vedette-nano", "version": 1});
        order.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = hub.post("/api/v1/rollouts", order).await.refusal(status);
        assert!(refused.contains(told), "{change}: {refused}");
    }
    hub.send("GET", "/api/v1/rollouts/people-1-1", &[]).await.refusal(404);

    hub.send("PUT", "/api/v1/agents/gate-2/labels", br#"{"region": "north"}"#).await.fine();
    let start = ["rollout", "start", "people", "vedette-nano:1"];
    let terms = ["--group", "1", "--group", "100%", "--soak", "1", "--needs-approval"];
    let refused = hub.fleet(&[&start[..], &["--agent", "nobody"]].concat()).await;
    assert_eq!(refused.status.code(), Some(2));
    let started = hub.fleet(&[&start[..], &["--all"], &terms].concat()).await;
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert_eq!(json_lines(&started)[0]["id"], "people-1-1");
    hub.until_state("people-1-1", "waiting-approval").await;
    assert_eq!(sites.iter().filter(|site| site.taken().is_empty()).count(), 1, "only the first group is told");
    let deleted = hub.send("DELETE", "/api/v1/models/vedette-nano/versions/1", &[]).await;
    assert!(deleted.refusal(409).contains("people-1-1"), "what is on its way stays");
    for (action, state) in [("pause", "paused"), ("resume", "running")] {
        let acted = hub.fleet(&["rollout", action, "people-1-1"]).await;
        assert_eq!(json_lines(&acted)[0]["state"], state);
    }
    hub.until_state("people-1-1", "waiting-approval").await;
    assert_eq!(json_lines(&hub.fleet(&["rollout", "approve", "people-1-1"]).await)[0]["state"], "running");
    let watched = hub.fleet(&["rollout", "show", "people-1-1", "--watch"]).await;
    assert!(watched.status.success(), "{}", String::from_utf8_lossy(&watched.stderr));
    assert_eq!(json_lines(&watched).last().unwrap()["state"], "finished");
    assert_eq!(hub.fleet(&["rollout", "abort", "people-1-1"]).await.status.code(), Some(2), "it is over");

    // By label, and turned back: who watches is told by the exit status.
    sites[1].behave(Manner::RollsBack);
    let started = hub.fleet(&[&start[..], &["--label", "region=north"]].concat()).await;
    assert_eq!(json_lines(&started)[0]["id"], "people-1-2");
    let watched = hub.fleet(&["rollout", "show", "people-1-2", "--watch"]).await;
    assert_eq!(watched.status.code(), Some(1));
    let told = String::from_utf8_lossy(&watched.stderr).into_owned();
    assert!(told.contains("people-1-2 is reverted") && told.contains("it takes twice as long"), "{told}");
    let list = json_lines(&hub.fleet(&["rollout", "list"]).await);
    let listed: Vec<_> = list.iter().map(|rollout| (&rollout["id"], &rollout["groups"][0]["stages"])).collect();
    assert_eq!(listed[0], (&json!("people-1-2"), &json!({"back": 1})));
    assert_eq!(json_lines(&hub.fleet(&["agents"]).await).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_package_reaches_everybody_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    a_good_package_reaches_everybody(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_package_reaches_everybody_in_postgresql() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = Hub::start(&broker, Some(&server.url())).await else { return };
    a_good_package_reaches_everybody(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_package_goes_back_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    a_bad_one_goes_back_and_touches_nobody_else(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_package_goes_back_in_postgresql() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = Hub::start(&broker, Some(&server.url())).await else { return };
    a_bad_one_goes_back_and_touches_nobody_else(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_told_later_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    who_is_away_is_told_when_it_returns(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_told_later_in_postgresql() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = Hub::start(&broker, Some(&server.url())).await else { return };
    who_is_away_is_told_when_it_returns(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_hub_goes_on_in_sqlite() {
    let Some(mut broker) = mosquitto::start(&[]) else { return };
    let Some(mut hub) = Hub::start(&broker, None).await else { return };
    a_hub_that_is_killed_goes_on(&mut hub, &mut broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_hub_goes_on_in_postgresql() {
    let Some(mut broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(mut hub) = Hub::start(&broker, Some(&server.url())).await else { return };
    a_hub_that_is_killed_goes_on(&mut hub, &mut broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_on_one_database_tell_everybody_once() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    two_hubs_tell_everybody_once(&broker, &server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_the_command_line() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    what_cannot_be_done_is_refused_and_the_rest_is_done_from_the_command_line(&hub, &broker).await;
}
