//! Tokens, roles and the record of changes, over HTTP.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vedette::hub::{Need, ROUTES, needs, serving};

use super::running::{Running, start};
use crate::support::postgres;

/// Every path of the hub with its method.
fn paths() -> Vec<(&'static str, &'static str)> {
    let own = ROUTES.iter().map(|route| (route.method, route.path));
    own.chain(serving::ROUTES.iter().map(|route| (route.method, route.path))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_lets_in_who_may_and_nobody_else() {
    let Some(hub) = start("access: { failures_per_minute: 1000000 }\n").await else { return };
    let mut tokens = BTreeMap::new();
    for role in vedette::hub::access::Role::ALL {
        tokens.insert(role, hub.token(&format!("a-{role}"), role.as_str()).await);
    }
    let mut refused = 0;
    for (method, path) in paths() {
        let concrete = path.replace("{model}", "none").replace("{version}", "1").replace("{label}", "champion");
        let concrete = concrete.replace("{name}", "nobody").replace("{alias}", "champion");
        let concrete = concrete.replace("{agent}", "gate").replace("{camera}", "door");
        let concrete = concrete
            .replace("{suppression}", "false-0")
            .replace("{gallery}", "people")
            .replace("{episode}", "door-1")
            .replace("{rollout}", "people-1-1");
        let concrete = concrete.replace("{sha256}", &"0".repeat(64));
        let need = needs(method, path);
        let status = hub.open(method, &concrete, None, &[]).await.status.as_u16();
        assert_eq!(status == 401, need != Need::Nothing, "{method} {path} without a token: {status}");
        let forged = hub.open(method, &concrete, Some("vedette_0000"), &[]).await.status.as_u16();
        assert_eq!(forged == 401, need != Need::Nothing, "{method} {path} with a forged token: {forged}");
        for (role, token) in &tokens {
            let status = hub.open(method, &concrete, Some(token), &[]).await.status.as_u16();
            // What only agents may do none of these does.
            let suffices = need == Need::Nothing || matches!(need, Need::AtLeast(least) if *role >= least);
            assert_eq!(status == 403, !suffices, "{method} {path} as {role}: {status}");
            assert_ne!(status, 401, "{method} {path} as {role}");
            refused += usize::from(status == 403);
        }
    }
    assert!(refused > 10, "only {refused} refusals: is the table empty?");
    hub.end().await;
}

#[tokio::test]
async fn a_path_that_nobody_thought_of_needs_an_admin() {
    let admin = Need::AtLeast(vedette::hub::access::Role::Admin);
    assert_eq!(needs("GET", "/api/v1/new-idea"), admin);
    assert_eq!(needs("DELETE", "/v2/models"), admin);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_shows_wrong_tokens_waits_even_with_a_right_one() {
    let Some(hub) = start("serving: { load: none }\naccess: { failures_per_minute: 3 }\n").await else { return };
    let whoami = async |token: Option<&str>| hub.send("GET", "/api/v1/whoami", token, &Value::Null).await;
    for _ in 0..10 {
        whoami(None).await.refusal(401);
    }
    for _ in 0..3 {
        whoami(Some(&hub.admin)).await.fine();
        whoami(Some("vedette_0000")).await.refusal(401);
    }
    let answer = whoami(Some(&hub.admin)).await;
    assert!(answer.refusal(429).contains("try again in"));
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    hub.end().await;
}

/// The life of a token, which must be the same on both databases.
async fn a_token_lives_and_dies(hub: &Running) {
    let guard = hub.token("night-guard", "viewer").await;
    let me = hub.send("GET", "/api/v1/whoami", Some(&guard), &Value::Null).await.fine();
    assert_eq!(me, json!({"name": "night-guard", "role": "viewer"}));
    let again = json!({"name": "night-guard", "role": "admin"});
    let taken = hub.send("POST", "/api/v1/tokens", Some(&hub.admin), &again).await;
    assert!(taken.refusal(409).contains("night-guard"));
    let unlike = hub.send("POST", "/api/v1/tokens", Some(&hub.admin), &json!({"name": "Night Guard"})).await;
    assert!(unlike.refusal(400).contains("an id is made of"));
    hub.send("DELETE", "/api/v1/tokens/night-guard", Some(&hub.admin), &Value::Null).await.fine();
    hub.send("GET", "/api/v1/whoami", Some(&guard), &Value::Null).await.refusal(401);
    let last = hub.send("DELETE", "/api/v1/tokens/admin", Some(&hub.admin), &Value::Null).await;
    assert!(last.refusal(409).contains("last admin"));
    let list = hub.send("GET", "/api/v1/tokens", Some(&hub.admin), &Value::Null).await.fine();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let audit = hub.send("GET", "/api/v1/audit?limit=2", Some(&hub.admin), &Value::Null).await.fine();
    let told: Vec<_> = audit.as_array().unwrap().iter().map(|r| (&r["who"], &r["action"], &r["object"])).collect();
    let (admin, guard) = (json!("admin"), json!("night-guard"));
    assert_eq!(told, [(&admin, &json!("token.revoke"), &guard), (&admin, &json!("token.create"), &guard)]);
    let everything = format!("{list}{audit}");
    assert!(!everything.contains("vedette_"), "a list shows a secret: {everything}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_live_and_die_in_sqlite() {
    let Some(hub) = start("").await else { return };
    a_token_lives_and_dies(&hub).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_live_and_die_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = start(&format!("database: {{ url: '{}' }}\n", server.url())).await else { return };
    a_token_lives_and_dies(&hub).await;
    hub.end().await;
}
