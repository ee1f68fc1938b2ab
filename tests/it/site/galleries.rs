//! A gallery from where it is kept over a real hub to a real agent, and what the agent refuses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vedette::identify::Embedding;
use vedette::identify::gallery::audit::Action;
use vedette::identify::gallery::{Change, Enrolment, Gallery, Key, Store, StoreError, Template, seal};
use vedette::vocab::{Id, WallTime};

use super::agent::Agent;
use super::ear::{Ear, now};
use super::faces::{clip, sections};
use crate::hub::running::{Running, start};
use crate::support::detectors::{library, vedette};
use crate::support::proxy::Proxy;
use crate::support::{data, mosquitto};

/// Where the gallery is kept, and the hub that hands it out.
struct Centre<'a> {
    folder: tempfile::TempDir,
    runtime: PathBuf,
    hub: &'a Running,
}

impl Centre<'_> {
    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// `vedette gallery …`, which must be done.
    async fn gallery(&self, arguments: &[&str]) {
        let arguments: Vec<String> = [&["gallery"], arguments].concat().iter().map(ToString::to_string).collect();
        let runtime = self.runtime.clone();
        let run = move || vedette(&runtime, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn publish(&self, name: &str) {
        let (file, token) = (self.at(name), self.at("token"));
        std::fs::write(&token, &self.hub.admin).unwrap();
        let arguments = ["publish", &file, "--name", "people", "--hub", &self.hub.url, "--token-file", &token];
        self.gallery(&arguments).await;
    }

    /// As somebody does who has the hub and its database: the revision there does not keep him from anything.
    async fn publish_whatever_is_there(&self, name: &str) {
        self.hub.send("DELETE", "/api/v1/galleries/people", Some(&self.hub.admin), &Value::Null).await.fine();
        self.publish(name).await;
    }

    fn key(&self) -> Key {
        Key::read(&self.folder.path().join("gallery.key")).unwrap()
    }
}

/// What the agent says of its faces once it is as wanted.
async fn told(ear: &Ear, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = now() + Duration::from_secs(60);
    for number in 0.. {
        let id = format!("{}-{number}", what.replace(' ', "-"));
        let faces = ear.command("status", &id, json!({})).await["result"]["faces"].clone();
        if is(&faces) {
            return faces;
        }
        assert!(now() < end, "waited in vain for {what}: {faces:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    unreachable!()
}

fn says(faces: &Value, why: &str) -> bool {
    faces["from_hub"]["cause"].as_str().is_some_and(|cause| cause.contains(why))
}

/// Enrols people enough that their gallery takes a while on a slow line: its revision, and how many they are.
fn enrol_many(centre: &Centre<'_>, space: &str) -> (u64, u64) {
    let length: usize = space.rsplit('-').next().unwrap().parse().unwrap();
    let store = Store::new(&centre.folder.path().join("people.gallery"), centre.key());
    let at = WallTime::from_unix_nanos(1_800_000_000_000_000_000);
    let change = Change { who: "eve".to_owned(), at, action: Action::Enrol, person: None, detail: String::new() };
    let space_id = space.into();
    let changed = store.change::<StoreError>(space, change, |gallery| {
        for number in 0..2 * length {
            // Far apart, so that nobody looks like anybody else: each has an axis of his own, up or down.
            let mut raw = vec![0.001; length];
            raw[number / 2] = if number % 2 == 0 { 1.0 } else { -1.0 };
            let embedding = Embedding::new(&space_id, &raw).unwrap();
            let template = Template { vector: embedding.unit().to_vec(), worth: 0.5, source: "a.jpg".to_owned() };
            let id = Id::new(&format!("p-{number:03}")).unwrap();
            let enrolment = Enrolment { id, name: None, lists: Vec::new(), expires: None };
            gallery.enrol(enrolment, &[(embedding, template)], 0.9, at).unwrap();
        }
        Ok(())
    });
    (changed.unwrap().revision, 2 * length as u64)
}

/// How much has come so far of what is being fetched.
fn begun(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
    parts.next().and_then(|entry| entry.metadata().ok()).map_or(0, |about| about.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_published_is_known_on_the_box_and_who_is_removed_is_not_whatever_the_hub_says() {
    let (Some(people), Some(faces), Some(embedder), Some(seen), Some(enrolled)) = (
        data::find("models/detect/yolox_nano_416.onnx"),
        data::find("models/face/face_detection_yunet_2026may.onnx"),
        data::find("models/face/mobilefacenet.onnx"),
        data::find("faces/compreface/007_B.jpg"),
        data::find("faces/compreface/008_B.jpg"),
    ) else {
        return;
    };
    let Some(runtime) = library("VEDETTE_ORT") else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url());
    let Some(hub) = start(&lines).await else { return };
    let line = Proxy::start(hub.url.rsplit(':').next().unwrap().parse().unwrap());
    let centre = Centre { folder: tempfile::tempdir().unwrap(), runtime, hub: &hub };
    let (gallery, key) = (centre.at("people.gallery"), centre.at("gallery.key"));
    centre.gallery(&["keygen", &key]).await;
    let models = ["--detector", faces.to_str().unwrap(), "--embedder", embedder.to_str().unwrap()];
    let who = ["--id", "bea", "--name", "Bea B.", "--list", "banned", enrolled.to_str().unwrap()];
    centre.gallery(&[&["enrol", &gallery, "--key", &key], &models[..], &who].concat()).await;
    std::fs::copy(&gallery, centre.at("first.gallery")).unwrap();
    centre.publish("people.gallery").await;

    let clip = clip(&seen, centre.folder.path());
    let public = hub.send("GET", "/api/v1/hub-key", Some(&hub.admin), &Value::Null).await.fine()["public"].clone();
    let from_hub = "  from_hub: { gallery: people, every_seconds: 1 }\n";
    let sections = sections(&clip, [&people, &faces, &embedder])
        .replace("  gallery: people.gallery\n", &format!("  gallery: state/people.gallery\n{from_hub}"))
        + &format!("hub: {{ url: 'http://127.0.0.1:{}', token_file: hub.token, keys: [{public}] }}\n", line.port);
    let mut agent = Agent::new(&broker.url(), &sections);
    std::fs::copy(&key, agent.folder().join("gallery.key")).unwrap();
    std::fs::write(agent.folder().join("hub.token"), hub.token("gate", "viewer").await).unwrap();
    let ear = Ear::at(&broker).await;
    let began = now();
    agent.start();
    ear.online(began).await;
    let alert = ear.hears("the alert", began, "alert/door/banned-person", |_| true).await.1;
    assert_eq!(alert["data"]["subject"]["identity"]["person"], "bea", "{alert:#}");
    let first = told(&ear, "the first", |faces| faces["gallery"] == 1 && faces["from_hub"]["has"] == 1).await;
    assert_eq!((&first["people"], &first["from_hub"]["cause"]), (&json!(1), &Value::Null), "{first:#}");
    let space = first["space"].as_str().unwrap();

    centre.gallery(&["remove", &gallery, "--key", &key, "bea"]).await;
    centre.publish("people.gallery").await;
    let second = told(&ear, "the removal", |faces| faces["gallery"] == 2).await;
    assert_eq!((&second["people"], &second["from_hub"]["has"]), (&json!(0), &json!(2)), "{second:#}");

    // Whoever has the hub puts the one back in which she still is, and then one of his own.
    centre.publish_whatever_is_there("first.gallery").await;
    let refused = told(&ear, "the older", |faces| says(faces, "revision 2 was here")).await;
    assert_eq!((&refused["gallery"], &refused["people"]), (&json!(2), &json!(0)), "{refused:#}");
    let foreign = Gallery { revision: 9, ..Gallery::new(space) };
    let foreign = seal(&foreign, &Key::from_bytes([7; 32]), [7; 12]).unwrap();
    std::fs::write(centre.at("foreign.gallery"), foreign).unwrap();
    centre.publish_whatever_is_there("foreign.gallery").await;
    let refused = told(&ear, "the foreign", |faces| says(faces, "the key does not open it")).await;
    assert_eq!((&refused["gallery"], &refused["from_hub"]["offered"]), (&json!(2), &json!(9)), "{refused:#}");
    crate::support::session::eventually("the hub sees who is behind", async || {
        let listed = hub.send("GET", "/api/v1/galleries", Some(&hub.admin), &Value::Null).await.fine();
        let gate = &listed["galleries"][0]["agents"][0];
        gate["is_current"] == false && gate["has"] == 2 && gate["cause"].as_str().is_some_and(|why| why.contains("key"))
    })
    .await;

    a_broken_download_goes_on(&centre, &agent, &ear, &line, space).await;
    drop(agent);
    hub.end().await;
}

/// The hub goes away in the middle of a gallery, and what was there of it is not fetched again.
async fn a_broken_download_goes_on(centre: &Centre<'_>, agent: &Agent, ear: &Ear, line: &Proxy, space: &str) {
    let (revision, people) = enrol_many(centre, space);
    let size = std::fs::metadata(centre.at("people.gallery")).unwrap().len();
    let state = agent.folder().join("state");
    line.throttle(50_000);
    centre.publish_whatever_is_there("people.gallery").await;
    let before = super::ear::until("half of it", || Some(begun(&state)).filter(|bytes| *bytes > size / 4)).await;
    line.refuse(true);
    told(ear, "that the hub is away", |faces| says(faces, "/api/v1/")).await;
    let kept = begun(&state);
    assert!(kept >= before && kept < size, "{kept} of {size}");
    line.throttle(0);
    line.refuse(false);
    let whole = told(ear, "the whole", |faces| faces["gallery"] == revision).await;
    assert_eq!((&whole["people"], &whole["from_hub"]["cause"]), (&json!(people), &Value::Null), "{whole:#}");
    assert_eq!(begun(&state), 0);
}
