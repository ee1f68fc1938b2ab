//! The pages for people, without a script: who may see and change what, and what stands on them, on both databases.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use vedette::hub::access::Role;
use vedette::hub::{Need, PAGES};

use super::running::{Running, start};
use super::site::{Site, push_model};
use super::visitor::{Visitor, api, text};
use crate::support::mosquitto;
use crate::support::postgres;
use crate::support::session::eventually;

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x>";

fn concrete(path: &str) -> String {
    let path = path.replace("{file}", "none.js").replace("{number}", "1").replace("{model}", "none");
    let path = path.replace("{agent}", "gate").replace("{camera}", "door").replace("{name}", "door-1");
    path.replace("{suppression}", "false-0")
        .replace("{sha256}", &"0".repeat(64))
        .replace("{rollout}", "none")
        .replace("{episode}", "door-1")
        .replace("{*rest}", "nothing/here")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_lets_in_who_may_and_nobody_else() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let mut visitors = BTreeMap::new();
    for role in Role::ALL {
        let token = hub.token(&format!("a-{role}"), role.as_str()).await;
        visitors.insert(role, token);
    }
    let mut refused = 0;
    for page in PAGES {
        let (method, path) = (Method::from_bytes(page.method.as_bytes()).unwrap(), concrete(page.path));
        let stranger = Visitor::new(&hub).open(method.clone(), &path, &[], &[]).await;
        let is_sent_away =
            stranger.status == 303 && stranger.headers["location"].to_str().unwrap().starts_with("/ui/sign-in?next=");
        assert_eq!(is_sent_away, page.need != Need::Nothing, "{page:?} to a stranger: {}", stranger.status);
        for (role, token) in &visitors {
            let mut visitor = Visitor::signed_in(&hub, token).await;
            let csrf = visitor.csrf.clone();
            let answer = visitor.open(method.clone(), &path, &[], &[("csrf", &csrf)]).await;
            let suffices = matches!(page.need, Need::AtLeast(least) if *role >= least);
            // Whoever has signed in has no form of the page where one does that.
            let is_sign_in = method == Method::POST && page.need == Need::Nothing;
            assert_eq!(
                answer.status == 403,
                !suffices && page.need != Need::Nothing || is_sign_in,
                "{page:?} as {role}"
            );
            assert!(!answer.status.is_server_error(), "{page:?} as {role}: {}", answer.status);
            refused += usize::from(answer.status == 403);
        }
    }
    assert!(refused > 2, "only {refused} refusals: is the table empty?");
    let other =
        Visitor::signed_in(&hub, &visitors[&Role::Viewer]).await.send(Method::DELETE, "/ui/alerts", &[], &[]).await;
    assert!(other.status.is_client_error(), "{}", other.status);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_a_token_and_ends_with_it_or_before() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let mut visitor = Visitor::new(&hub);
    let away = visitor.get("/ui/events?label=car").await;
    assert_eq!(away.headers["location"], "/ui/sign-in?next=%2Fui%2Fevents%3Flabel%3Dcar");
    let answer = visitor.sign_in("vedette_0000").await;
    assert_eq!(answer.status, 401);
    assert!(text(&answer).contains("this token is not valid"), "{}", text(&answer));
    assert_eq!(visitor.get("/ui/alerts").await.status, 303, "a wrong token begins nothing");
    let without = visitor.post("/ui/sign-in", &[("token", &hub.admin)]).await;
    assert_eq!(without.status, 403, "a form of another site");

    let guard = hub.token("night-guard", "operator").await;
    let answer = visitor.sign_in(&guard).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["location"]), (303, &"/ui/alerts".parse().unwrap()));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let session = cookies.iter().find(|line| line.starts_with("vedette_session=")).unwrap();
    assert!(session.contains("; HttpOnly; SameSite=Strict") && !session.contains("Secure"), "{session}");
    let page = visitor.page("/ui/").await;
    assert!(page.contains("night-guard") && page.contains("no broker in its configuration"), "{page}");
    assert!(!page.contains(&guard) && !page.contains(session.split(['=', ';']).nth(1).unwrap()));

    assert_eq!(visitor.submit("/ui/sign-out", &[]).await.status, 303);
    assert_eq!(visitor.get("/ui/").await.status, 303);
    let mut other = Visitor::signed_in(&hub, &guard).await;
    other.page("/ui/events").await;
    hub.send("DELETE", "/api/v1/tokens/night-guard", Some(&hub.admin), &Value::Null).await.fine();
    assert_eq!(other.get("/ui/events").await.status, 303, "the token was revoked");
    let audit = api(&hub, "/api/v1/audit?limit=5").await;
    let actions: Vec<_> = audit.as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["token.revoke", "session.begin", "session.end", "session.begin", "token.create"]);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_too_often_waits() {
    let Some(hub) = start("serving: { load: none }\naccess: { failures_per_minute: 3 }\n").await else { return };
    let whoami = async |token: &str| hub.send("GET", "/api/v1/whoami", Some(token), &Value::Null).await;
    for _ in 0..10 {
        hub.send("GET", "/api/v1/whoami", None, &Value::Null).await.refusal(401);
    }
    whoami(&hub.admin).await.fine();
    whoami("vedette_1").await.refusal(401);
    let mut visitor = Visitor::new(&hub);
    for token in ["vedette_2", "vedette_3"] {
        assert_eq!(visitor.sign_in(token).await.status, 401);
    }
    let answer = whoami(&hub.admin).await;
    assert!(answer.refusal(429).contains("try again in"));
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    let answer = visitor.sign_in(&hub.admin).await;
    assert_eq!(answer.status, 429);
    assert!(text(&answer).contains("try again in"));
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_shown_in_and_programs_are_answered_as_before() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let ask = async |path: &str, accept: &str| {
        hub.http.send(Method::GET, &format!("{}{path}", hub.url), &[("accept", accept)], Vec::new()).await
    };
    let browser = ask("/", "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!((browser.status.as_u16(), &browser.headers["location"]), (303, &"/ui/".parse().unwrap()));
    for accept in ["*/*", "application/json"] {
        assert_eq!(ask("/", accept).await.fine(), json!({"status": "alive"}), "{accept}");
    }
    let mut visitor = Visitor::new(&hub);
    let answer = visitor.get("/ui/sign-in").await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let page = text(&answer);
    assert!(!page.contains("<script>") && !page.contains(" style=") && !page.contains(" onclick="), "{page}");
    let mut assets = 0;
    for href in page.split('"').filter(|piece| piece.starts_with("/ui/static/")) {
        let asset = ask(href, "*/*").await;
        assert_eq!((asset.status.as_u16(), asset.body.is_empty()), (200, false), "{href}");
        assert!(asset.headers["cache-control"].to_str().unwrap().contains("immutable"), "{href}");
        assets += 1;
    }
    assert_eq!(assets, 6);
    assert_eq!(ask("/ui/static/dashboard.0000000000000000.css", "*/*").await.status, 404);
    hub.end().await;
}

/// All pages, with what one agent says, and what is done on them.
async fn a_site_is_seen_and_judged(hub: &Running, broker: &mosquitto::Mosquitto) {
    let site = Site::start(hub, broker).await;
    site.alert(1, "door-1", "person").await;
    site.alert(2, HOSTILE, HOSTILE).await;
    site.was(1, "stalled").await;
    site.was(3, "streaming").await;
    site.stored(hub, 4).await;
    let mut viewer = Visitor::signed_in(hub, &hub.token("eyes", "viewer").await).await;
    let mut operator = Visitor::signed_in(hub, &hub.token("hands", "operator").await).await;

    let fleet = viewer.page("/ui/").await;
    for told in ["gate", "not admitted", "online", "door <span>streaming</span>", "7, the oldest 8 s", "#missing\">1<"]
    {
        assert!(fleet.contains(told), "{told}: {fleet}");
    }
    assert!(!viewer.page("/ui/?state=offline").await.contains("/ui/agents/gate"));

    let alerts = viewer.page("/ui/alerts").await;
    for told in [
        "person stayed 61 s in zone yard",
        "hang-around (loitering)",
        "threshold 0.4",
        "17, followed for 63 s",
        "61.2 s (limit 60 s)",
        "synchronised",
        "CPUExecutionProvider",
        "/ui/snapshots/gate/door/door%2D1\"",
    ] {
        assert!(alerts.contains(told), "{told}: {alerts}");
    }
    assert!(!alerts.contains("<form method=\"post\" action=\"/ui/agents"), "a viewer judges nothing");
    let picture = viewer.get("/ui/snapshots/gate/door/door%2D1").await;
    assert_eq!((picture.status.as_u16(), &picture.headers["content-type"]), (200, &"image/jpeg".parse().unwrap()));

    // Whoever looks is told that there is another one, and of nothing else.
    let mut signals = viewer.open(Method::GET, "/ui/alerts/live", &[], &[]).await;
    assert_eq!(signals.headers["content-type"], "text/event-stream");
    site.alert(3, "door-3", "bike").await;
    let mut told = String::new();
    let heard = async {
        while !told.contains("event: alert") {
            told += &String::from_utf8_lossy(signals.body.frame().await.unwrap().unwrap().data_ref().unwrap());
        }
    };
    // Heartbeats go on for ever.
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("a signal");
    assert!(!told.contains("bike"), "{told}");
    drop(signals);

    let verdict = "/ui/agents/gate/episodes/door%2D1/verdict";
    assert_eq!(viewer.submit(verdict, &[("verdict", "true")]).await.status, 403);
    operator.page("/ui/alerts").await;
    assert_eq!(operator.post(verdict, &[("verdict", "true")]).await.status, 403, "without the token of the form");
    let unjudged = hub.send("GET", "/api/v1/agents/gate/episodes/door-1/verdict", Some(&hub.admin), &Value::Null).await;
    unjudged.refusal(404);
    assert_eq!(operator.submit(verdict, &[("verdict", "true")]).await.status, 303);
    assert_eq!(operator.submit(verdict, &[("verdict", "wrong-class"), ("label", " ")]).await.status, 422);
    assert_eq!(operator.submit(verdict, &[("verdict", "maybe")]).await.status, 400);
    assert_eq!(operator.submit(verdict, &[("verdict", "wrong-class"), ("label", HOSTILE)]).await.status, 303);
    let given = api(hub, "/api/v1/agents/gate/episodes/door-1/verdict").await;
    assert_eq!((&given["verdict"], &given["by"]), (&json!("wrong-class"), &json!("hands")));
    assert!(!operator.page("/ui/alerts?open=1").await.contains("person stayed"), "it has a verdict");

    let found = api(hub, "/api/v1/events?episode=door-1").await;
    let event = viewer.page(&format!("/ui/events/{}", found["events"][0]["number"])).await;
    for told in [
        "hands: this is true",
        "hands: this is &#60;script&#62;",
        "&#34;specversion&#34;: &#34;1.0&#34;",
        "SHA-256 of the model",
    ] {
        assert!(event.contains(told), "{told}: {event}");
    }
    let searched = viewer.page("/ui/events?label=person&since=2026-01-01T00:00").await;
    assert!(searched.contains("person stayed") && !searched.contains("camera door is"), "{searched}");
    assert!(viewer.page("/ui/events?since=yesterday").await.contains("is a time such as"));
    for missing in ["/ui/events/999999", "/ui/events/x", "/ui/snapshots/gate/door/a%00b", "/ui/models/none"] {
        assert_eq!(viewer.get(missing).await.status, 404, "{missing}");
    }
    assert_eq!(viewer.get("/ui/events?label=a%00b").await.status, 404, "no text of an event holds that");

    let agent = viewer.page("/ui/agents/gate").await;
    for told in ["30.25", "CPUExecutionProvider", "camera door is stalled", "123.0 MB", ">2<"] {
        assert!(agent.contains(told), "{told}: {agent}");
    }
    assert!(!operator.page("/ui/agents/gate").await.contains("Account at the broker"), "that is an admin's business");
    let camera = viewer.page("/ui/agents/gate/cameras/door").await;
    for told in ["3 alerts and 0 other things", "heat-5", "avdec_h264", "camera door is stalled", "person stayed"] {
        assert!(camera.contains(told), "{told}: {camera}");
    }
    assert_eq!(viewer.get("/ui/agents/nobody").await.status, 404);
    assert_eq!(viewer.get("/ui/agents/gate/cameras/none").await.status, 404);

    assert_eq!(operator.submit("/ui/agents/gate/admission", &[("admitted", "yes")]).await.status, 303);
    assert_eq!(
        operator.submit("/ui/agents/gate/labels", &[("labels", &format!("region={HOSTILE}"))]).await.status,
        303
    );
    let facts = api(hub, "/api/v1/agents/gate").await;
    assert_eq!((&facts["admitted_by"], &facts["labels"]["region"]), (&json!("hands"), &json!(HOSTILE)));
    for path in ["/ui/", "/ui/alerts", "/ui/events", "/ui/agents/gate", "/ui/agents/gate/cameras/door"] {
        let page = viewer.page(path).await;
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{path}: {page}");
    }
    let audit = api(hub, "/api/v1/audit?limit=4").await;
    let told: Vec<_> =
        audit.as_array().unwrap().iter().map(|r| (r["who"].as_str().unwrap(), r["action"].as_str().unwrap())).collect();
    assert_eq!(told, ["fleet.label", "fleet.admit", "event.verdict", "event.verdict"].map(|action| ("hands", action)));
    let mut admin = Visitor::signed_in(hub, &hub.admin).await;
    assert!(admin.page("/ui/agents/gate").await.contains("does not let gate in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_seen_and_judged_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = start(&format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url())).await else {
        return;
    };
    a_site_is_seen_and_judged(&hub, &broker).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_seen_and_judged_in_postgresql() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let lines = format!(
        "serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{}' }}\n",
        broker.url(),
        server.url()
    );
    let Some(hub) = start(&lines).await else { return };
    a_site_is_seen_and_judged(&hub, &broker).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_shown_with_where_it_comes_from_and_whether_it_is_loaded() {
    let Some(hub) = start("serving: { tuning: { provider: cpu } }\n").await else { return };
    let mut viewer = Visitor::signed_in(&hub, &hub.token("eyes", "viewer").await).await;
    assert!(viewer.page("/ui/models").await.contains("No model is registered"));
    push_model(&hub, HOSTILE).await;
    eventually("the model is loaded", async || {
        let mut viewer = Visitor::signed_in(&hub, &hub.admin).await;
        viewer.page("/ui/models").await.contains("<span class=\"chip good\">1</span>")
    })
    .await;
    let list = viewer.page("/ui/models").await;
    assert!(list.contains("champion → 1") && list.contains("href=\"/ui/models/vedette-nano\""), "{list}");
    let model = viewer.page("/ui/models/vedette-nano").await;
    for told in [
        "Version 1",
        "champion",
        "loaded",
        "coco_val64.person.ap50",
        "0.396",
        "calibration: method",
        "Signed by",
        "golden pictures",
        "&#60;script&#62;alert(1)",
    ] {
        assert!(model.contains(told), "{told}: {model}");
    }
    assert!(!model.contains("<script>"), "{model}");
    hub.end().await;
}
