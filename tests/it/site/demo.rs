//! The first command of a new user: a drawn street, a real broker, the bundled detector, nothing configured.

use std::process::Command;

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
