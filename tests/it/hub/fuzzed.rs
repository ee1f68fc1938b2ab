//! Every route that the hub documents, asked by schemathesis with what fits its schema and what does not: nothing may end
//! in a fault of the server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::clips::agent_token;
use super::running::{Running, start};
use crate::serving::graphs::doubled;
use crate::support::postgres;

/// The names that the routes are asked for, so that most requests get past "there is no such model".
const NAMES: &str = "[parameters]\nmodel = \"doubled\"\nversion = \"1\"\nagent = \"gate\"\n";

/// It shows tokens that are not valid by the thousand.
const PATIENT: &str = "access: { failures_per_minute: 1000000 }\n";

/// The program in the environment that `make test-clients` makes, or a line that says that the test is skipped.
fn schemathesis() -> Option<PathBuf> {
    let python = std::env::var_os("VEDETTE_CLIENTS_PYTHON").map(PathBuf::from);
    let program = python.and_then(|python| Some(python.parent()?.join("schemathesis"))).filter(|path| path.exists());
    if program.is_none() {
        println!("SKIPPED: beside VEDETTE_CLIENTS_PYTHON is no schemathesis; `make test-clients` installs it");
    }
    program
}

async fn ask(program: &Path, hub: &Running, token: &str, further: &[&str]) -> Output {
    let names = hub.folder.path().join("schemathesis.toml");
    std::fs::write(&names, NAMES).unwrap();
    let mut command = Command::new(program);
    // Its own cache of examples would make runs differ.
    command.current_dir(hub.folder.path()).arg("--config-file").arg(&names).args([
        "run",
        "--phases",
        "coverage,fuzzing",
    ]);
    command.args([
        "--checks",
        "not_a_server_error",
        "--max-examples",
        "25",
        "--seed",
        "7",
        "--generation-database",
        "none",
    ]);
    command.args(["--header", &format!("Authorization: Bearer {token}"), "--request-timeout", "30"]);
    command.args(further).arg(format!("{}/openapi.json", hub.url));
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_makes_a_hub_on_sqlite_fail() {
    no_request_makes_the_hub_fail("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_makes_a_hub_on_postgresql_fail() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    no_request_makes_the_hub_fail(&format!("database: {{ url: '{}' }}\n", server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_no_database_holds_is_the_callers_fault() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = start(&format!("database: {{ url: '{}' }}\n", server.url())).await else { return };
    let answer = hub.send("GET", "/api/v1/events?camera=a%00b", Some(&hub.admin), &serde_json::Value::Null).await;
    assert!(answer.refusal(400).contains("NUL"));
    hub.end().await;
}

async fn no_request_makes_the_hub_fail(lines: &str) {
    let Some(program) = schemathesis() else { return };
    let models = tempfile::tempdir().unwrap();
    let version = models.path().join("doubled/1");
    std::fs::create_dir_all(&version).unwrap();
    std::fs::write(version.join("model.onnx"), doubled(0.0)).unwrap();
    let Some(hub) = start(&format!("models_dir: '{}'\n{PATIENT}{lines}", models.path().display())).await else {
        return;
    };
    let admin = hub.admin.clone();
    // Unloading comes last: the others are to find the model. The live stream does not end by itself.
    let (rest, unload) = (["--exclude-path-regex", "unload|events/live"], ["--include-path-regex", "unload"]);
    // What only an agent may do is asked by one.
    let (agent, handing_in) = (agent_token(&hub, "gate").await, ["--include-path-regex", "clips"]);
    let all = [(admin.as_str(), rest), ("nobody's", rest), (agent.as_str(), handing_in), (admin.as_str(), unload)];
    for (token, further) in all {
        let output = ask(&program, &hub, token, &further).await;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
        let counted = told.lines().find(|line| line.contains(" generated, ")).unwrap_or_default().trim().to_owned();
        assert!(!counted.is_empty(), "{told}");
        println!("{} {counted}", further.join(" "));
    }
    hub.end().await;
}
