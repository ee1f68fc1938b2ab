//! A hub whose packages lie in a bucket of a real S3 server.

use std::net::TcpListener;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use vedette::client::{Client, ClientError};
use vedette::hub::blobs::BlobName;
use vedette::vocab::Secret;

use super::program::{launch, stop, until_ready};
use super::running::{Running, start};
use crate::support::detectors::library;
use crate::support::http::{Answer, Http};
use crate::support::postgres;
use crate::support::proxy::Proxy;
use crate::support::s3::{self, S3};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano/vedette-nano-int8.vedette");
const CPU: &str = "serving: { tuning: { provider: cpu } }\n";

async fn server() -> Option<S3> {
    tokio::task::spawn_blocking(s3::start).await.unwrap()
}

async fn put(hub: &Running, name: &BlobName, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", hub.admin);
    let headers = [&[("authorization", bearer.as_str())], headers].concat();
    let url = format!("{}/api/v1/uploads/{}", hub.url, name.as_str());
    hub.http.send(Method::PUT, &url, &headers, body.to_vec()).await
}

async fn get(hub: &Running, name: &BlobName, range: &str) -> Answer {
    let bearer = format!("Bearer {}", hub.admin);
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend((!range.is_empty()).then_some(("range", range)));
    hub.http.send(Method::GET, &format!("{}/api/v1/blobs/{}", hub.url, name.as_str()), &headers, Vec::new()).await
}

/// Sends the package and makes it a version.
async fn push(hub: &Running) -> BlobName {
    let bytes = std::fs::read(PACKAGE).unwrap();
    let name = BlobName::of(&bytes);
    put(hub, &name, &[], &bytes).await.fine();
    hub.send("POST", "/api/v1/models", Some(&hub.admin), &json!({"sha256": name.as_str()})).await.fine();
    name
}

/// Takes away all copies that nobody holds, as a person may, or a small cache does.
fn empty_cache(hub: &Running) {
    for copy in std::fs::read_dir(hub.folder.path().join("data/blobs/copies")).unwrap() {
        std::fs::remove_file(copy.unwrap().path()).unwrap();
    }
}

fn place(name: &BlobName) -> String {
    format!("north/{}/{}", &name.as_str()[..2], name.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_the_same_from_a_folder_and_from_a_bucket_without_a_copy() {
    let Some(server) = server().await else { return };
    let lines = format!("serving: {{ load: none }}\n{}", server.lines("north", server.port));
    let Some(remote) = start(&lines).await else { return };
    let local = start("serving: { load: none }\n").await.unwrap();
    let name = push(&remote).await;
    assert_eq!(push(&local).await, name);
    let bytes = std::fs::read(PACKAGE).unwrap();
    let (all, last) = (bytes.len(), bytes.len() - 1);
    for (range, part) in [
        (String::new(), 0..all),
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=1000-1999".to_owned(), 1000..2000),
        (format!("bytes={last}-"), last..all),
        (format!("bytes={last}-{last}"), last..all),
        ("bytes=-7".to_owned(), all - 7..all),
        (format!("bytes={all}-"), 0..0),
        ("bytes=5-3".to_owned(), 0..0),
        ("bytes=0-0,5-5".to_owned(), 0..0),
        ("bytes=x".to_owned(), 0..0),
    ] {
        empty_cache(&remote);
        let (near, far) = (get(&local, &name, &range).await, get(&remote, &name, &range).await);
        assert_eq!(far.status, near.status, "{range}");
        if !part.is_empty() {
            assert!(far.body == bytes[part.clone()], "{range}");
            assert_eq!(far.body, near.body, "{range}");
        }
        for header in ["content-length", "content-range", "content-type", "etag", "cache-control", "accept-ranges"] {
            let (near, far) = (near.headers.get(header), far.headers.get(header));
            assert!(far == near || header == "content-length" && part.is_empty(), "{range}: {header} {near:?} {far:?}");
        }
        assert!(std::fs::read_dir(remote.folder.path().join("data/blobs/copies")).unwrap().next().is_none(), "{range}");
    }
    local.end().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_version_and_a_package_that_never_became_one_leave_the_bucket() {
    let Some(server) = server().await else { return };
    let lines = format!("serving: {{ load: none }}\n{}", server.lines("north", server.port));
    let Some(hub) = start(&lines).await else { return };
    let name = push(&hub).await;
    let forgotten = BlobName::of(b"no package");
    put(&hub, &forgotten, &[], b"no package").await.fine();
    let mut both = [place(&name), place(&forgotten)];
    both.sort();
    assert_eq!(server.objects(), both);
    hub.send("DELETE", "/api/v1/models/vedette-nano/versions/1", Some(&hub.admin), &Value::Null).await.fine();
    assert_eq!(server.objects(), [place(&forgotten)]);
    assert_eq!(get(&hub, &name, "").await.status, 404);
    // As if the hub had been killed after the upload, a day ago; whoever starts next looks.
    let database = hub.database().await;
    sqlx::query("UPDATE files SET received_ns = 0").execute(database.pool()).await.unwrap();
    let again = Running::begin(hub.end_and_keep().await).await;
    until(|| server.objects().is_empty()).await;
    // Its row goes after it.
    let mut rows: i64 = 1;
    for _ in 0..600 {
        rows = sqlx::query_scalar("SELECT COUNT(*) FROM files").fetch_one(database.pool()).await.unwrap();
        if rows == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rows, 0);
    again.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_share_a_bucket_and_one_that_cannot_reach_it_serves_what_comes_later() {
    let Some(server) = server().await else { return };
    let Some(database) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let tables = format!("database: {{ url: '{}' }}\n", database.url());
    let proxy = Proxy::start(server.port);
    let Some(one) = start(&format!("{CPU}{tables}{}", server.lines("north", server.port))).await else { return };
    let mut two = start(&format!("{CPU}{tables}{}", server.lines("north", proxy.port))).await.unwrap();
    two.admin = one.admin.clone();
    proxy.refuse(true);
    let name = push(&one).await;
    // It is known there as soon as the other hub looks into the database again.
    let load = "/v2/repository/models/vedette-nano/load";
    let mut refused = None;
    for _ in 0..600 {
        let answer = two.send("POST", load, Some(&two.admin), &json!({})).await;
        if answer.status == 503 {
            refused = Some(answer);
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refused = refused.expect("the package cannot be fetched");
    assert_eq!(refused.headers["retry-after"], "10");
    assert!(refused.refusal(503).contains("the endpoint does not answer"));
    for (answer, doing) in
        [(get(&two, &name, "").await, "a download"), (put(&two, &name, &[], b"x").await, "an upload")]
    {
        assert!(answer.refusal(503).contains("bucket"), "{doing}");
        assert_eq!(answer.headers["retry-after"], "10", "{doing}");
    }
    let (url, token, sha256) = (two.url.clone(), Secret::new(two.admin.as_str()), name.as_str().to_owned());
    let to = two.folder.path().join("fetched");
    let fetched = tokio::task::spawn_blocking(move || {
        let size = std::fs::metadata(PACKAGE).unwrap().len();
        Client::new(&url, token, None).unwrap().fetch(&sha256, size, &to, &mut |_, _| {})
    });
    let error = fetched.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Away { .. }), "agents wait, and do not take it for a refusal: {error}");
    for path in ["/api/v1/models", "/api/v1/events", "/v2/health/ready", "/metrics"] {
        assert_eq!(two.send("GET", path, Some(&two.admin), &Value::Null).await.status, 200, "{path} needs no bucket");
    }
    proxy.refuse(false);
    let mut is_ready = false;
    for _ in 0..600 {
        is_ready = two.send("GET", "/v2/models/vedette-nano/ready", Some(&two.admin), &Value::Null).await.status == 200;
        if is_ready {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_ready, "it is loaded when the bucket is back, and nobody asked again");
    assert!(get(&two, &name, "").await.body == std::fs::read(PACKAGE).unwrap());
    two.end().await;
    one.end().await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not hold after a minute");
}

/// Starts the program, kills it while it sends a package to the bucket, and starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_while_it_sends_to_the_bucket_leaves_nothing_half_done() {
    let (Some(server), Some(library)) = (server().await, library("VEDETTE_ORT")) else { return };
    let proxy = Proxy::start(server.port);
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (file, log) = (folder.path().join("hub.yaml"), folder.path().join("log"));
    let lines = server.lines("north", proxy.port);
    std::fs::write(&file, format!("listen: {address}\ndata_dir: data\nserving: {{ load: none }}\n{lines}")).unwrap();
    let url = format!("http://{address}");
    let mut first = launch(&library, &file, &log);
    until_ready(&url).await;
    let bearer = format!("Bearer {}", std::fs::read_to_string(folder.path().join("data/admin.token")).unwrap().trim());
    let content: Vec<u8> = (0..100 << 20).map(|i: u32| (i >> 3) as u8).collect();
    let name = BlobName::of(&content);
    let upload = format!("{url}/api/v1/uploads/{}", name.as_str());
    let send = |offset: usize, body: Vec<u8>, is_last: bool| {
        let (upload, bearer, offset) = (upload.clone(), bearer.clone(), offset.to_string());
        async move {
            let complete = if is_last { "?1" } else { "?0" };
            let headers =
                [("authorization", bearer.as_str()), ("upload-offset", &offset), ("upload-complete", complete)];
            Http::default().send(Method::PUT, &upload, &headers, body).await
        }
    };
    send(0, content.clone(), false).await.fine();
    let ending = tokio::spawn(send(content.len(), Vec::new(), true));
    let noted = folder.path().join("data/blobs/uploads").join(name.as_str());
    until(|| noted.exists()).await;
    // Of a hundred MiB most is still to be sent.
    proxy.black_hole(true, false);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(ending.await.is_err(), "it was not answered");
    proxy.black_hole(false, true);
    assert_eq!((server.objects(), server.uploads()), (Vec::new(), vec![place(&name)]), "it was under way");

    let second = launch(&library, &file, &log);
    until_ready(&url).await;
    until(|| server.uploads().is_empty()).await;
    let known = Http::default().send(Method::GET, &upload, &[("authorization", &bearer)], Vec::new()).await.fine();
    assert_eq!(known, json!({"received": content.len(), "complete": false}), "what was received is still there");
    assert_eq!(send(content.len(), Vec::new(), true).await.fine()["complete"], true);
    assert_eq!((server.objects(), server.uploads()), (vec![place(&name)], Vec::new()));
    stop(second);
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("packages lie in a bucket"), "{told}");
    assert!(!told.contains(&server.secret), "the log shows the secret key");
}
