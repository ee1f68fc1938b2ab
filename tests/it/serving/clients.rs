//! The Python client of Triton against this server, and ONNX Runtime beside it as the judge.

use std::path::Path;
use std::process::Command;

use super::graphs::{doubled, echo, simple};
use super::http::{serve, settings};
use crate::support::data;

#[tokio::test(flavor = "multi_thread")]
async fn tritonclient_is_answered_as_onnx_runtime_answers() {
    let python = std::env::var_os("VEDETTE_CLIENTS_PYTHON").filter(|path| Path::new(path).exists());
    let Some(python) = python else {
        println!("SKIPPED: VEDETTE_CLIENTS_PYTHON names no Python with tritonclient; `make test-clients` makes one");
        return;
    };
    let mut models =
        vec![("doubled", 1, doubled(0.0)), ("simple", 1, simple()), ("text", 1, echo(8)), ("half", 1, echo(10))];
    for (name, file) in [
        ("yolox", "models/detect/yolox_nano_416.onnx"),
        ("nanodet", "models/detect/nanodet_m_416.onnx"),
        ("osnet", "models/reid/osnet_x0_25_msmt17.onnx"),
        ("mobilefacenet", "models/face/mobilefacenet.onnx"),
    ] {
        models.extend(data::find(file).map(|path| (name, 1, std::fs::read(path).unwrap())));
    }
    let Some(server) = serve(&models, settings()).await else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/check.py");
    let mut command = Command::new(python);
    command.arg(script).arg(&server.url).arg(server.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
