//! The first command of a new user: a drawn street, a real broker, the bundled detector, nothing configured.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use vedette::hub::database::Database;

use crate::support::detectors::library;

#[test]
fn the_demo_needs_nothing_and_tells_of_people() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.args(["demo", "--plain", "--seconds", "20", "--out"]).arg(folder.path());
    // No test data and no model lie about.
    let output = command.current_dir(folder.path()).env("VEDETTE_ORT", library).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("bundled:vedette-nano"), "{told}");
    assert!(told.contains("dashboard: http://127.0.0.1:") && told.contains("/ui/   token: vedette_"), "{told}");
    let starts = told.lines().filter(|line| line.contains(" start ") && line.contains("person")).count();
    assert!(starts > 0, "{told}");
    assert!(
        std::fs::read_dir(folder.path().join("state-demo/evidence")).unwrap().next().is_some(),
        "no snapshot is kept"
    );
}

/// What the hub of the demo has on its disk when all is over.
struct Ledger {
    /// State and package of each rollout, in order.
    rollouts: Vec<(String, String)>,
    /// Rollout, agent and stage of everybody who was told of a package.
    told: Vec<(String, String, String)>,
    /// Agent and last report.
    reported: Vec<(String, Value)>,
}

fn ledger(folder: &Path) -> Ledger {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(&format!("sqlite://{}/hub/hub.db", folder.display())).await.unwrap();
        let rollouts = sqlx::query_as("SELECT state, sha256 FROM rollouts ORDER BY created_ns");
        let rollouts = rollouts.fetch_all(database.pool()).await.unwrap();
        let told = "SELECT state, agent, stage FROM rollout_nodes JOIN rollouts ON id = rollout \
             WHERE told_revision IS NOT NULL ORDER BY created_ns, agent";
        let told = sqlx::query_as(told).fetch_all(database.pool()).await.unwrap();
        let reported = sqlx::query_as("SELECT agent, document FROM reported ORDER BY agent");
        let reported: Vec<(String, String)> = reported.fetch_all(database.pool()).await.unwrap();
        let reported = reported.into_iter().map(|(agent, text)| (agent, serde_json::from_str(&text).unwrap()));
        Ledger { rollouts, told, reported: reported.collect() }
    })
}

#[test]
fn the_fleet_takes_back_a_model_that_sees_nothing_and_keeps_a_sound_one() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.args(["demo", "--fleet", "--out"]).arg(folder.path());
    let output = command.current_dir(folder.path()).env("VEDETTE_ORT", library).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let place = |text: &str| told.find(text).unwrap_or_else(|| panic!("it does not say {text:?}:\n{told}"));
    let lines = [
        "1. somebody",
        "the rollout is reverted",
        "nobody had to do anything",
        "2. a sound",
        "the rollout is finished",
    ];
    assert!(lines.map(place).is_sorted(), "{told}");

    let ledger = ledger(folder.path());
    let states: Vec<_> = ledger.rollouts.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["reverted", "finished"]);
    let (bad, sound) = (&ledger.rollouts[0].1, &ledger.rollouts[1].1);
    let stages: Vec<_> = ledger.told.iter().map(|(rollout, _, stage)| (rollout.as_str(), stage.as_str())).collect();
    let everybody = ("finished", "committed");
    assert_eq!(
        stages,
        [("reverted", "back"), everybody, everybody, everybody],
        "one met the bad model: {:?}",
        ledger.told
    );
    let agents: Vec<_> = ledger.reported.iter().map(|(agent, _)| agent.as_str()).collect();
    assert_eq!(agents, ["north", "south", "west"]);
    for (agent, report) in &ledger.reported {
        let model = &report["models"]["people"];
        assert_eq!(model["active"]["sha256"], **sound, "{agent} says {report}");
        let refused = ledger.told[0].1 == *agent;
        assert_eq!(model["quarantined"], if refused { json!([bad]) } else { Value::Null }, "{agent} says {report}");
    }
}
