//! What admins do on the pages: tokens, accounts at the broker, the audit log; on both databases.

use serde_json::{Value, json};

use super::running::{Running, start};
use super::visitor::{Visitor, api, text};
use crate::support::postgres;
use crate::support::session::eventually;

/// What an admin does on the pages, which must be the same on both databases.
async fn access_is_given_on_pages(hub: &Running) {
    let mut admin = Visitor::signed_in(hub, &hub.admin).await;
    assert!(admin.page("/ui/").await.contains("href=\"/ui/tokens\""));
    admin.page("/ui/tokens").await;
    let fields = [("name", "night-guard"), ("role", "viewer"), ("days", "30")];
    let made = admin.submit("/ui/tokens", &fields).await;
    assert_eq!((made.status.as_u16(), &made.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    let page = text(&made);
    let secret = page.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let me = hub.send("GET", "/api/v1/whoami", Some(&secret), &Value::Null).await.fine();
    assert_eq!(me, json!({"name": "night-guard", "role": "viewer"}));
    let page = admin.page("/ui/tokens").await;
    assert!(page.contains("night-guard") && page.contains("valid until") && !page.contains(&secret), "{page}");
    let again = admin.submit("/ui/tokens", &fields).await;
    assert_eq!(again.status, 409);
    assert!(text(&again).contains("choose another name") && text(&again).contains("value=\"night-guard\""));
    let unlike = admin.submit("/ui/tokens", &[("name", "<b>"), ("role", "viewer")]).await;
    assert_eq!(unlike.status, 400);
    assert!(text(&unlike).contains("an id is made of") && !text(&unlike).contains("<b>"));

    let mut guard = Visitor::signed_in(hub, &secret).await;
    assert!(!guard.page("/ui/").await.contains("/ui/tokens"));
    for path in ["/ui/tokens", "/ui/audit", "/ui/accounts"] {
        assert_eq!(guard.get(path).await.status, 403, "{path}");
    }
    assert_eq!(admin.submit("/ui/tokens/night-guard/revoke", &[]).await.status, 303);
    assert_eq!(guard.get("/ui/").await.status, 303, "its session has ended with it");
    assert_eq!(admin.submit("/ui/tokens/admin/revoke", &[]).await.status, 409, "the last admin stays");

    for number in 0..60 {
        hub.token(&format!("bulk-{number}"), "viewer").await;
    }
    let log = admin.page("/ui/audit?action=token.create").await;
    assert!(log.contains("bulk-59") && !log.contains("bulk-9<") && !log.contains("token.revoke<"), "{log}");
    let next =
        log.split("<a href=\"").filter_map(|piece| piece.split('"').next()).find(|href| href.contains("cursor="));
    let older = admin.page(&next.unwrap().replace("&#38;", "&").replace("&amp;", "&")).await;
    assert!(older.contains("bulk-9<") && older.contains("night-guard") && !older.contains("bulk-59"), "{older}");
    let one = admin.page("/ui/audit?object=night-guard&who=admin").await;
    assert!(one.contains("token.revoke") && !one.contains("bulk-"), "{one}");
    assert!(admin.page("/ui/audit?who=nobody").await.contains("Nobody has changed"));
    an_account_is_made_on_pages(hub, &mut admin).await;
}

async fn an_account_is_made_on_pages(hub: &Running, admin: &mut Visitor<'_>) {
    let made = admin.submit("/ui/accounts", &[("agent", "gate")]).await;
    let page = text(&made);
    assert!(made.status == 200 && page.contains("vedette_mqtt_") && !page.contains("The old one holds"), "{page}");
    assert!(!admin.page("/ui/accounts").await.contains("vedette_mqtt_"));
    let change = "/ui/agents/gate/credentials";
    let next = admin.submit(change, &[("do", "issue")]).await;
    assert!(text(&next).contains("The old one holds"), "{}", text(&next));
    let list = admin.page("/ui/accounts").await;
    assert!(list.contains("a new one waits") && list.contains("put it in force"), "{list}");
    assert_eq!(admin.submit(change, &[("do", "activate")]).await.status, 303);
    assert_eq!(admin.submit(change, &[("do", "activate")]).await.status, 409);
    assert_eq!(admin.submit(change, &[("do", "something")]).await.status, 400);
    assert!(text(&admin.submit(change, &[("do", "at-once")]).await).contains("It is in force"));
    assert_eq!(admin.submit(change, &[("do", "revoke")]).await.status, 303);
    assert!(admin.page("/ui/accounts").await.contains("Nobody has one"));
    let told = api(hub, "/api/v1/audit?object=gate").await;
    let told: Vec<_> = told.as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect();
    let issue = "credentials.issue";
    assert_eq!(told, ["credentials.revoke", issue, "credentials.activate", issue, issue]);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_given_on_pages_in_sqlite() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    access_is_given_on_pages(&hub).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_given_on_pages_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = start(&format!("serving: {{ load: none }}\ndatabase: {{ url: '{}' }}\n", server.url())).await
    else {
        return;
    };
    access_is_given_on_pages(&hub).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_written_are_seen_on_a_page() {
    let lines = "serving: { load: none }\nmqtt: { url: 'mqtt://127.0.0.1:1', username: hub, password_file: hub.password, \
                 broker_files: hub.yaml/files }\n";
    let Some(hub) = start(lines).await else { return };
    let mut admin = Visitor::signed_in(&hub, &hub.admin).await;
    eventually("it is told", async || api(&hub, "/api/v1/intake").await["broker_files"]["failing"].is_string()).await;
    let page = admin.page("/ui/accounts").await;
    assert!(page.contains("The broker does not know them as they are: making"), "{page}");
    assert!(page.contains("hub <span class=\"tag\">hub</span>") && !page.contains("value=\"revoke\""), "{page}");
    hub.end().await;
}
