//! `vedette hub` as it is started by a person or by systemd.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::serving::graphs::doubled;
use crate::support::detectors::{library, vedette};
use crate::support::http::Http;

pub(super) fn launch(library: &Path, file: &Path, log: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vedette"))
        .args(["hub", "-c"])
        .arg(file)
        .env("VEDETTE_ORT", library)
        .stdout(Stdio::null())
        .stderr(std::fs::File::options().create(true).append(true).open(log).unwrap())
        .spawn()
        .unwrap()
}

pub(super) async fn until_ready(url: &str) {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.is_ok()
            && Http::default().send(Method::GET, &format!("{url}/v2/health/ready"), &[], Vec::new()).await.status == 200
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the hub is not ready after 10 s");
}

pub(super) fn stop(mut child: Child) {
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_leaves_a_token_in_a_file_and_models_are_served_to_it() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (file, log) = (folder.path().join("hub.yaml"), folder.path().join("log"));
    std::fs::write(&file, format!("listen: {address}\ndata_dir: data\n")).unwrap();
    let model = folder.path().join("data/models/doubled/1");
    std::fs::create_dir_all(&model).unwrap();
    std::fs::write(model.join("model.onnx"), doubled(0.5)).unwrap();
    let url = format!("http://{address}");

    let first = launch(&library, &file, &log);
    until_ready(&url).await;
    let token_file = folder.path().join("data/admin.token");
    assert_eq!(token_file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&token_file).unwrap().trim().to_owned();
    std::fs::remove_file(&token_file).unwrap();
    let bearer = format!("Bearer {token}");
    let body = json!({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]});
    let infer = |headers: Vec<(&'static str, String)>| {
        let (url, body) = (format!("{url}/v2/models/doubled/infer"), body.to_string().into_bytes());
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Http::default().send(Method::POST, &url, &headers, body).await
        }
    };
    infer(Vec::new()).await.refusal(401);
    let answer = infer(vec![("authorization", bearer.clone())]).await.fine();
    assert_eq!(answer["outputs"][0]["data"], json!([2.5, 4.5, 6.5, 8.5]));
    stop(first);

    let second = launch(&library, &file, &log);
    until_ready(&url).await;
    assert!(!token_file.exists(), "only the first start makes a token");
    infer(vec![("authorization", bearer)]).await.fine();
    stop(second);
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("admin.token"), "{told}");
    assert!(!told.contains(&token), "the log shows the token");
}

#[test]
fn a_faulty_configuration_is_refused_with_what_is_wrong() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.yaml");
    std::fs::write(&file, "listn: 127.0.0.1:1\n").unwrap();
    let output = vedette(&library, &["hub", "-c", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("listn") && told.contains("listen"), "{told}");
}
