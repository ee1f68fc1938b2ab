//! The unit file and its drop-ins, as systemd itself judges them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn systemd_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// Runs `systemd-analyze`, or returns `None` after printing that the calling test is skipped.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).arg(unit).env("SYSTEMD_PAGER", "").output() {
        Ok(output) => Some(output),
        Err(error) => {
            let test = std::thread::current().name().unwrap_or("test").to_owned();
            println!("SKIPPED {test}: systemd-analyze cannot be run: {error}");
            None
        }
    }
}

/// A copy of the agent's unit with the settings of `drop_ins` at its end, for the version of systemd-analyze that judges
/// a single file, and with a program in place that is there before ours is installed.
fn unit_with(drop_ins: &[&str]) -> (TempDir, PathBuf) {
    copy_of("vedette.service", drop_ins)
}

fn copy_of(unit: &str, drop_ins: &[&str]) -> (TempDir, PathBuf) {
    let mut text = fs::read_to_string(systemd_folder().join(unit)).unwrap();
    text = text.replace("/usr/bin/vedette", "/bin/true");
    let (head, install) = text.split_once("[Install]").unwrap();
    let mut head = head.to_owned();
    for name in drop_ins {
        head.push_str(&fs::read_to_string(systemd_folder().join("drop-ins").join(name)).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(unit);
    fs::write(&path, format!("{head}\n[Install]{install}")).unwrap();
    (folder, path)
}

/// The exposure level that systemd computes, in tenths; `limit` in tenths too.
fn assert_exposure(drop_ins: &[&str], limit: u32) {
    assert_exposure_of("vedette.service", drop_ins, limit);
}

fn assert_exposure_of(unit: &str, drop_ins: &[&str], limit: u32) {
    let (_folder, unit) = copy_of(unit, drop_ins);
    let threshold = format!("--threshold={limit}");
    let Some(output) = analyze(&["security", "--offline=true", "--no-pager", &threshold], &unit) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("unrecognized option") {
        println!("SKIPPED {drop_ins:?}: this systemd-analyze cannot judge a file offline");
        return;
    }
    let level = said.lines().find(|line| line.contains("Overall exposure level"));
    println!("{drop_ins:?}: {}", level.unwrap_or("no level"));
    assert!(level.is_some(), "{complaint}");
    assert!(output.status.success(), "{drop_ins:?} exceeds {limit}\n{said}{complaint}");
}

#[test]
fn the_unit_and_every_drop_in_are_sound() {
    let mut drop_ins: Vec<String> = fs::read_dir(systemd_folder().join("drop-ins"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    drop_ins.sort();
    assert_eq!(drop_ins.len(), 9, "{drop_ins:?}");
    for drop_in in drop_ins.iter().map(|d| vec![d.as_str()]).chain([vec![]]) {
        let (_folder, unit) = unit_with(&drop_in);
        let Some(output) = analyze(&["verify", "--man=no"], &unit) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        // Other units of the machine may have faults of their own.
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("vedette.service")).collect();
        assert!(output.status.success() && ours.is_empty(), "{drop_in:?}: {said}");
    }
}

#[test]
fn the_hubs_unit_is_sound_and_as_closed_as_the_agents() {
    let (_folder, unit) = copy_of("vedette-hub.service", &[]);
    let Some(output) = analyze(&["verify", "--man=no"], &unit) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("vedette-hub.service"), "{said}");
    assert_exposure_of("vedette-hub.service", &[], 12);
}

#[test]
fn a_misspelt_setting_is_noticed() {
    let (_folder, unit) = unit_with(&[]);
    fs::write(&unit, fs::read_to_string(&unit).unwrap().replace("WatchdogSec", "WachdogSec")).unwrap();
    let Some(output) = analyze(&["verify", "--man=no"], &unit) else { return };
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("WachdogSec"),
        "verify sees nothing, so it proves nothing"
    );
}

#[test]
fn the_unit_is_as_closed_as_was_measured() {
    assert_exposure(&[], 11);
    assert_exposure(&["10-cpu.conf"], 10);
    assert_exposure(&["10-gpu.conf"], 15);
    assert_exposure(&["10-jetson.conf", "10-v4l2.conf", "20-credentials.conf"], 15);
    assert_exposure(&["10-rockchip.conf"], 15);
    assert_exposure(&["10-intel-npu.conf"], 15);
}

#[test]
fn the_unit_speaks_the_protocol_of_the_program() {
    let text = fs::read_to_string(systemd_folder().join("vedette.service")).unwrap();
    for line in [
        "Type=notify",
        "WatchdogSec=30",
        "ExecStartPre=/usr/bin/vedette check -c /etc/vedette/vedette.yaml",
        "ExecStart=/usr/bin/vedette run -c /etc/vedette/vedette.yaml",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "StateDirectory=vedette",
        "User=vedette",
        // Without it no process of a model or decoder could confine itself, and so none would run.
        "SystemCallFilter=@system-service seccomp",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing");
    }
}
