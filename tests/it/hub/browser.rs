//! The pages in a real browser: what happens without a reload, by keys, on a telephone, in the dark.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::http::Method;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use vedette::model::keys::PublicKey;

use super::clips::{Recording, Sender, agent_token};
use super::running::{Running, start};
use super::site::{Site, push_model};
use super::sites::{self, Manner};
use super::visitor::api;
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

/// Where pictures of the pages are put, where somebody wants some: a folder.
const SHOTS: &str = "VEDETTE_TEST_SHOTS";

/// Drives browsers; killed when dropped.
pub struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    /// Starts chromedriver, or says visibly that the test is skipped.
    pub async fn start() -> Option<Self> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let program =
            std::env::split_paths(&folders).map(|folder| folder.join("chromedriver")).find(|path| path.exists());
        let Some(program) = program else {
            println!("SKIPPED: no chromedriver is installed, so no browser sees the pages; .ci/packages names it");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let driver = Self { child, url: format!("http://127.0.0.1:{port}") };
        eventually("chromedriver listens", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok())
            .await;
        Some(driver)
    }

    /// A browser.
    pub async fn browser(&self) -> Client {
        // Started as root, as in a container, it refuses its own sandbox.
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900"];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        builder.connect(&self.url).await.unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of chromedriver alone.
#[derive(Debug)]
struct Special {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Special {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

async fn until(browser: &Client, css: &str) -> fantoccini::elements::Element {
    let wait = browser.wait().at_most(Duration::from_secs(20));
    match wait.for_element(Locator::Css(css)).await {
        Ok(found) => found,
        Err(error) => panic!("no {css}: {error}; the page is {}", browser.source().await.unwrap()),
    }
}

/// Clicks. What is there may be exchanged by what the hub says between finding it and clicking it: then the new one is
/// clicked, as a person would.
async fn click(browser: &Client, css: &str) {
    for _ in 0..20 {
        match until(browser, css).await.click().await {
            Ok(()) => return,
            Err(error) if error.to_string().contains("stale") => {}
            Err(error) => panic!("{css}: {error}"),
        }
    }
    panic!("{css} is exchanged again and again");
}

/// The text of what may be exchanged meanwhile.
async fn text(browser: &Client, css: &str) -> String {
    for _ in 0..20 {
        match until(browser, css).await.text().await {
            Ok(text) => return text,
            Err(error) if error.to_string().contains("stale") => {}
            Err(error) => panic!("{css}: {error}"),
        }
    }
    panic!("{css} is exchanged again and again");
}

async fn script(browser: &Client, script: &str) -> Value {
    browser.execute(script, Vec::new()).await.unwrap()
}

/// Presses a key where the focus is.
async fn press(browser: &Client, key: &str) {
    browser.active_element().await.unwrap().send_keys(key).await.unwrap();
}

async fn hands_in_a_token(browser: &Client, token: &str) {
    until(browser, "#token").await.send_keys(token).await.unwrap();
    click(browser, ".sign-in button").await;
}

/// Signs in and waits for the page that comes of it: a page that is asked for earlier may be overtaken by it.
async fn sign_in(browser: &Client, token: &str) {
    hands_in_a_token(browser, token).await;
    until(browser, "form[action='/ui/sign-out']").await;
}

async fn verdict(hub: &Running) -> Value {
    let path = "/api/v1/agents/gate/episodes/door-1/verdict";
    let answer = hub.send("GET", path, Some(&hub.admin), &Value::Null).await;
    serde_json::from_slice(&answer.body).unwrap()
}

/// What the browser complained of: a policy that was broken, a script that failed.
async fn complaints(browser: &Client) -> Vec<String> {
    let log = browser.issue_cmd(Special { path: "se/log", body: json!({"type": "browser"}) }).await.unwrap();
    let lines = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
    lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

async fn a_guard_at_work(hub: &Running, browser: &Client, site: &Site, token: &str) {
    browser.goto(&format!("{}/", hub.url)).await.unwrap();
    hands_in_a_token(browser, "vedette_wrong").await;
    let told = text(browser, "#complaint").await;
    assert!(told.contains("this token is not valid"), "{told}");
    // The refused form is a page with status 401, which the browser notes.
    assert!(complaints(browser).await.iter().all(|line| line.contains("401")));
    sign_in(browser, token).await;
    let row = text(browser, "#agent-gate").await;
    assert!(row.contains("online") && row.contains("streaming"), "{row}");
    press(browser, "\u{e004}").await;
    assert_eq!(
        script(browser, "return document.activeElement.className").await,
        "skip",
        "the first key leads past the head"
    );

    browser.goto(&format!("{}/ui/alerts", hub.url)).await.unwrap();
    until(browser, ".empty").await;
    script(browser, "window.same = true; window.signals = 0").await;
    let count = "document.getElementById('signals').addEventListener('alert', () => window.signals += 1)";
    script(browser, count).await;
    site.alert(1, "door-1", "person").await;
    let card = text(browser, "article").await;
    for told in ["person stayed 61 s in zone yard", "threshold 0.4", "CPUExecutionProvider"] {
        assert!(card.contains(told), "{told}: {card}");
    }
    until(browser, "article img").await;
    eventually("the picture is seen", async || {
        script(browser, "return document.querySelector('article img').naturalWidth").await == 640
    })
    .await;

    press(browser, "j").await;
    press(browser, "t").await;
    assert!(text(browser, ".verdict").await.contains("hands: this is true"));
    assert_eq!(verdict(hub).await["verdict"], "true");
    let held = "return document.activeElement.tagName";
    eventually("the focus stays on the alert", async || script(browser, held).await == "ARTICLE").await;
    click(browser, "button[data-key=f]").await;
    eventually("the verdict is replaced", async || verdict(hub).await["verdict"] == "false").await;
    click(browser, ".judge summary").await;
    until(browser, "input[name=label]").await.send_keys("dog").await.unwrap();
    site.alert(2, "door-2", "car").await;
    until(browser, "article + article").await;
    let typed = "return document.querySelector('article + article input[name=label]').value";
    assert_eq!(script(browser, typed).await, "dog", "an alert that comes in takes nothing away");
    click(browser, "article + article button[value=wrong-class]").await;
    eventually("the verdict is replaced", async || verdict(hub).await["label"] == "dog").await;
    assert_eq!(script(browser, "return window.same").await, true, "the page was never loaded again");
    let signals = script(browser, "return window.signals").await;
    assert!(signals.as_u64().unwrap() > 0, "the hub said that there is an alert, and the page did not only ask");

    let forged = "const done = arguments[0]; fetch('/ui/agents/gate/episodes/door-1/verdict', \
        {method: 'POST', body: new URLSearchParams({verdict: 'true'})}).then(answer => done(answer.status))";
    assert_eq!(complaints(browser).await, Vec::<String>::new());
    assert_eq!(browser.execute_async(forged, Vec::new()).await.unwrap(), 403);
    assert_eq!(verdict(hub).await["verdict"], "wrong-class");
    complaints(browser).await;
}

/// A guard fetches the clip of an alert, sees it come, and plays it, without a reload.
async fn a_clip_is_fetched_and_played(hub: &Running, browser: &Client, broker: &Mosquitto) {
    let agent = Subscriber::start(broker.port(), "gate-commands", "vedette/v1/gate/command/clip").await;
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::of_a_camera(folder.path());
    let number = api(hub, "/api/v1/events?episode=door-1").await["events"][0]["number"].clone();
    browser.goto(&format!("{}/ui/events/{number}", hub.url)).await.unwrap();
    script(browser, "window.same = true").await;
    click(browser, "#clip-part button").await;
    eventually("its agent is asked", async || !agent.messages().is_empty()).await;
    let told = text(browser, "#clip-part").await;
    assert!(told.contains("hands has asked for it"), "{told}");
    let command: Value = serde_json::from_slice(&agent.messages()[0].payload).unwrap();
    assert_eq!(command["args"]["episode"], "door-1");
    let sender = Sender::new(&hub.url, &agent_token(hub, "gate").await);
    sender.begin("gate", "door-1", &recording).await;
    until(browser, "#clip-part progress").await;
    sender.hand_in("gate", "door-1", &recording).await;
    until(browser, "#clip-part video").await;
    let length = "return document.querySelector('video').duration";
    eventually("the browser knows how long it is", async || {
        script(browser, length).await.as_f64().is_some_and(|seconds| (3.5..4.5).contains(&seconds))
    })
    .await;
    script(browser, "document.querySelector('video').muted = true; document.querySelector('video').play()").await;
    let seen =
        "const v = document.querySelector('video'); return [v.currentTime, v.videoWidth, v.error && v.error.message]";
    eventually("it is played", async || {
        let seen = script(browser, seen).await;
        assert_eq!(seen[2], Value::Null, "{seen}");
        seen[0].as_f64().unwrap() > 0.5 && seen[1] == 320
    })
    .await;
    assert_eq!(script(browser, "return window.same").await, true, "the page was never loaded again");
    assert_eq!(complaints(browser).await, Vec::<String>::new());
}

/// An engineer rolls a model out from its page, and sees one agent after the other, and all of it taken back, without a reload.
async fn a_model_is_rolled_out_and_taken_back(hub: &Running, browser: &Client, broker: &Mosquitto) {
    let key: PublicKey = api(hub, "/api/v1/hub-key").await["public"].as_str().unwrap().parse().unwrap();
    let (mut sites, names) = (Vec::new(), ["north", "south", "west"]);
    for (name, manner) in names.into_iter().zip([Manner::Commits, Manner::RollsBack, Manner::Commits]) {
        sites.push(sites::Site::start(broker.port(), name, &[key], manner, None));
        eventually("the agent is known", async || {
            let agents = api(hub, "/api/v1/agents").await;
            let is_there = |agent: &Value| agent["agent"] == name && agent["condition"]["state"] == "online";
            agents.as_array().unwrap().iter().any(is_there)
        })
        .await;
        let path = format!("/api/v1/agents/{name}/admission");
        hub.send("PUT", &path, Some(&hub.admin), &json!({"admitted": true})).await.fine();
        let path = format!("/api/v1/agents/{name}/labels");
        hub.send("PUT", &path, Some(&hub.admin), &json!({"kind": "depot"})).await.fine();
    }
    browser.goto(&format!("{}/ui/models/vedette-nano", hub.url)).await.unwrap();
    assert_eq!(browser.find_all(Locator::Css("#order")).await.unwrap().len(), 0, "an operator orders nothing");
    signs_out(hub, browser).await;
    sign_in(browser, &hub.token("eve", "engineer").await).await;
    browser.goto(&format!("{}/ui/models/vedette-nano", hub.url)).await.unwrap();
    click(browser, "#order summary").await;
    for (name, text) in [("slot", "people"), ("labels", "kind=depot"), ("soak", "0.02")] {
        until(browser, &format!("#order input[name={name}]")).await.send_keys(text).await.unwrap();
    }
    click(browser, "#order button").await;
    until(browser, "#course").await;
    script(browser, "window.same = true").await;
    eventually("all of it is taken back", async || text(browser, "#state").await == "reverted").await;
    let course = text(browser, "#course").await;
    for told in ["it takes twice as long", "south", "back"] {
        assert!(course.contains(told), "{told}: {course}");
    }
    assert_eq!(script(browser, "return window.same").await, true, "the page was never loaded again");
    assert!(sites.iter().all(|site| site.active().is_none()), "everybody has gone back to its own");
    assert_eq!(complaints(browser).await, Vec::<String>::new());
}

async fn signs_out(hub: &Running, browser: &Client) {
    browser.goto(&format!("{}/ui/alerts", hub.url)).await.unwrap();
    click(browser, "form[action='/ui/sign-out'] button").await;
    until(browser, "#token").await;
    browser.goto(&format!("{}/ui/alerts", hub.url)).await.unwrap();
    until(browser, "#token").await;
    assert!(browser.current_url().await.unwrap().path().ends_with("/ui/sign-in"));
}

/// Every page in both widths and colours: nothing is wider than the window, and no complaint.
async fn looks_at_every_page(hub: &Running, browser: &Client, shots: Option<&Path>) {
    let number = api(hub, "/api/v1/events?severity=alert").await["events"][0]["number"].clone();
    let event = format!("/ui/events/{number}");
    let pages = [
        ("fleet", "/ui/"),
        ("alerts", "/ui/alerts"),
        ("suppressions", "/ui/suppressions"),
        ("galleries", "/ui/galleries"),
        ("events", "/ui/events"),
        ("event", event.as_str()),
        ("agent", "/ui/agents/gate"),
        ("camera", "/ui/agents/gate/cameras/door"),
        ("models", "/ui/models"),
        ("model", "/ui/models/vedette-nano"),
        ("rollouts", "/ui/rollouts"),
        ("rollout", "/ui/rollouts/people-1-1"),
        ("tokens", "/ui/tokens"),
        ("accounts", "/ui/accounts"),
        ("audit", "/ui/audit"),
        ("trouble", "/ui/events/999999"),
    ];
    for width in [1280, 390] {
        let metrics = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        browser.issue_cmd(Special { path: "goog/cdp/execute", body }).await.unwrap();
        for theme in ["light", "dark"] {
            browser.goto(&format!("{}/ui/", hub.url)).await.unwrap();
            click(browser, &format!("#theme option[value={theme}]")).await;
            until(browser, &format!("html[data-theme={theme}]")).await;
            for (name, path) in pages {
                browser.goto(&format!("{}{path}", hub.url)).await.unwrap();
                until(browser, "h1").await;
                let widest = script(browser, "return document.documentElement.scrollWidth").await;
                assert!(widest.as_i64().unwrap() <= width, "{name} at {width}: {widest}");
                if let Some(folder) = shots {
                    shoot(browser, &folder.join(format!("{name}-{width}-{theme}.png"))).await;
                }
            }
        }
    }
    // The page that is not there says 404, which the browser notes.
    let complaints: Vec<_> = complaints(browser).await.into_iter().filter(|line| !line.contains("404")).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

async fn shoot(browser: &Client, file: &Path) {
    let height = script(browser, "return document.documentElement.scrollHeight").await;
    let body = json!({"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": true, "format": "png",
        "clip": {"x": 0, "y": 0, "width": script(browser, "return innerWidth").await, "height": height, "scale": 1}}});
    let taken = browser.issue_cmd(Special { path: "goog/cdp/execute", body }).await.unwrap();
    let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, taken["data"].as_str().unwrap());
    std::fs::write(file, png.unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_sees_alerts_come_and_judges_them_in_a_real_browser() {
    let Some(driver) = Driver::start().await else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = start(&format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url())).await else {
        return;
    };
    let token = hub.token("hands", "operator").await;
    let site = Site::start(&hub, &broker).await;
    let browser = driver.browser().await;
    let shots = std::env::var_os(SHOTS).map(PathBuf::from);
    a_guard_at_work(&hub, &browser, &site, &token).await;
    a_clip_is_fetched_and_played(&hub, &browser, &broker).await;
    site.was(1, "stalled").await;
    site.was(3, "streaming").await;
    site.stored(&hub, 4).await;
    push_model(&hub, "night pictures of the north gate").await;
    a_model_is_rolled_out_and_taken_back(&hub, &browser, &broker).await;
    signs_out(&hub, &browser).await;
    sign_in(&browser, &hub.admin).await;
    // One in force, one that waits, and an agent that has none.
    for _ in 0..2 {
        hub.send("POST", "/api/v1/agents/gate/credentials", Some(&hub.admin), &Value::Null).await.fine();
    }
    looks_at_every_page(&hub, &browser, shots.as_deref()).await;
    signs_out(&hub, &browser).await;
    if let Some(folder) = &shots {
        shoot(&browser, &folder.join("sign-in-390.png")).await;
    }
    browser.close().await.unwrap();
    hub.end().await;
}
