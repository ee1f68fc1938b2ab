//! A full disk: cameras are watched on, what can be sent is sent, and what is lost is said.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::agent::{AGENT, Agent, bare_camera};
use super::ear::{Ear, now, topic, until};
use crate::support::mosquitto;
use crate::support::rtsp::{Offer, Server};

/// A small disk of its own; gone when dropped.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `kib` at `folder`, or says that the test is skipped: only root may.
    pub fn mount(folder: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir_all(&folder).unwrap();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&folder).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self { folder });
        }
        println!("SKIPPED {}: this user cannot mount a small disk", std::thread::current().name().unwrap_or("test"));
        None
    }

    /// Writes until nothing more goes in.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        for size in [65536, 4096, 1] {
            let bytes = vec![7; size];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    /// The section of a configuration that has the agent keep everything here.
    pub fn agent_section(&self) -> String {
        format!("agent: {{ id: {AGENT}, state_dir: {} }}\n", self.folder.join("state").display())
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the agent may not have let go of it yet.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

async fn health(ear: &Ear, id: &str) -> Value {
    ear.command("status", id, json!({})).await["result"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_nothing_and_is_told() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("small"), 8192) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let cameras = format!("cameras:\n{}", bare_camera("door", &server.url()));
    let mut agent = Agent::new(&broker.url(), &(disk.agent_section() + &cameras));
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    assert!(health(&ear, "sound").await["spool"]["degraded"].is_null());

    disk.fill();
    for n in 0..5 {
        for enabled in [false, true] {
            let args = json!({"camera": "door", "enabled": enabled});
            ear.command("camera/enable", &format!("full-{n}-{enabled}"), args).await;
        }
    }
    let full = now();
    ear.hears("events in spite of the full disk", full, "event/camera-state", |_| true).await;
    // Refused until the camera is back.
    let mut asked = 0;
    loop {
        asked += 1;
        let reply = ear.command("snapshot", &format!("full-picture-{asked}"), json!({"camera": "door"})).await;
        if reply["code"] == "ok" {
            break;
        }
        assert!(asked < 300, "{reply:#}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let picture = topic(&format!("snapshot/door/command-full-picture-{asked}"));
    until("a picture in spite of the full disk", || ear.heard().into_iter().find(|m| m.topic == picture)).await;
    let sick = health(&ear, "sick").await;
    println!("full disk: {}", sick["spool"]["degraded"]);
    assert_eq!(sick["cameras"]["door"]["state"], "streaming");

    // Started anew on the full disk it runs as well.
    agent.kill();
    let began = now();
    agent.start();
    ear.online(began).await;
    ear.camera("door", "streaming", began).await;
    let reborn = health(&ear, "reborn").await;
    println!("started on a full disk: {}", reborn["spool"]["degraded"]);

    disk.empty();
    let mut number = 0;
    loop {
        number += 1;
        let again = health(&ear, &format!("healed-{number}")).await;
        if again["spool"]["degraded"].is_null() {
            break;
        }
        assert!(number < 120, "{again:#}");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    println!("sound again {number} looks after there was room");
    // What was held in memory when it was killed is gone; of what was numbered on the disk, all came.
    println!("{:?}", ear.numbers().iter().map(|(series, seen)| (series, seen.len())).collect::<Vec<_>>());
    ear.check_schemas();
    ear.assert_nothing_missing();
}
