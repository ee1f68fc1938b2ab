//! Faults of the disk that the spool lies on, made on real file systems: a kernel that gives the disk up, a device that
//! cannot write what it took (which shows at the sync), a byte that changes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::agent::{AGENT, Agent, bare_camera};
use crate::support::ear::{Ear, now, until};
use crate::support::loop_disk::LoopDisk;
use crate::support::mosquitto;
use crate::support::rtsp::{Offer, Server};

/// A spool that fits on a small disk.
const SMALL_SPOOL: &str = "spool: { alert_mib: 4, event_mib: 4, telemetry_mib: 8 }\nhistory: { days: 0 }\n";

fn agent_section(disk: &LoopDisk) -> String {
    format!("agent: {{ id: {AGENT}, state_dir: {} }}\n", disk.folder().join("state").display())
}

async fn health(ear: &Ear, id: &str) -> Value {
    ear.command("status", id, json!({})).await["result"].clone()
}

/// Has the camera switched off and on, which makes events.
async fn make_events(ear: &Ear, series: &str, times: usize) {
    for number in 0..times {
        for enabled in [false, true] {
            let args = json!({"camera": "door", "enabled": enabled});
            let reply = ear.command("camera/enable", &format!("{series}-{number}-{enabled}"), args).await;
            assert_eq!(reply["code"], "ok", "{reply:#}");
        }
    }
}

/// Waits until the spool is as said.
async fn spool_is(ear: &Ear, series: &str, what: impl Fn(&Value) -> bool) -> Value {
    for number in 0..240 {
        let spool = health(ear, &format!("{series}-{number}")).await["spool"].clone();
        if what(&spool) {
            return spool;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("the spool is not as it should be: {series}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_31_disk_remounted_read_only() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = LoopDisk::mount(folder.path().join("small"), 64) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let cameras = format!("{SMALL_SPOOL}cameras:\n{}", bare_camera("door", &server.url()));
    let mut agent = Agent::new(&broker.url(), &(agent_section(&disk) + &cameras));
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    assert!(health(&ear, "sound").await["spool"]["degraded"].is_null());

    disk.abort();
    let aborted = now();
    make_events(&ear, "dead", 5).await;
    let (at, _) = ear.hears("an event in spite of it", aborted, "event/camera-state", |_| true).await;
    let spool = spool_is(&ear, "sick", |spool| spool["degraded"].is_string()).await;
    println!("an event {:.1?} after the disk was gone; {}", at - aborted, spool["degraded"]);
    ear.camera("door", "streaming", aborted).await;
    spool_is(&ear, "empty", |spool| spool["event"]["records"] == 0).await;

    // On a disk that is only for reading it starts, too.
    agent.kill();
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    make_events(&ear, "reborn", 2).await;
    println!("streaming {:.1?} after a start on the dead disk", now() - began);

    // Checked and mounted anew, as the next boot does it.
    agent.kill();
    disk.detach();
    assert!(disk.attach());
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    make_events(&ear, "whole", 2).await;
    spool_is(&ear, "whole", |spool| spool["degraded"].is_null() && spool["event"]["records"] == 0).await;
    ear.assert_nothing_missing();
    ear.check_schemas();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_32_device_that_fails() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = LoopDisk::mount(folder.path().join("small"), 64) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let cameras = format!("{SMALL_SPOOL}cameras:\n{}", bare_camera("door", &server.url()));
    let mut agent = Agent::new(&broker.url(), &(agent_section(&disk) + &cameras));
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    spool_is(&ear, "sound", |spool| spool["degraded"].is_null() && spool["event"]["records"] == 0).await;

    // The first picture needs a part of the ring that was never written: there the device fails.
    disk.break_unwritten(&disk.folder().join("state/spool/spool.ring"));
    let mut asked = 0;
    let spool = loop {
        asked += 1;
        // Refused until the camera has a picture.
        ear.command("snapshot", &format!("picture-{asked}"), json!({"camera": "door"})).await;
        let spool = health(&ear, &format!("sick-{asked}")).await["spool"].clone();
        if spool["degraded"].is_string() {
            break spool;
        }
        assert!(asked < 300, "{spool:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    println!("after {asked} pictures: {}", spool["degraded"]);
    let failing = now();
    make_events(&ear, "failing", 3).await;
    ear.hears("an event in spite of it", failing, "event/camera-state", |_| true).await;

    disk.mend();
    let mended = now();
    spool_is(&ear, "healed", |spool| spool["degraded"].is_null()).await;
    println!("sound again {:.1?} after the device was", now() - mended);
    make_events(&ear, "healed", 2).await;
    spool_is(&ear, "empty", |spool| spool["event"]["records"] == 0).await;
    ear.assert_nothing_missing();
    ear.check_schemas();
}

/// Where in a folder a text stands: the file, and at which byte.
fn find(folder: &Path, text: &[u8]) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let bytes = fs::read(entry.path()).unwrap();
        let places = bytes.windows(text.len()).enumerate().filter(|(_, window)| *window == text);
        found.extend(places.map(|(at, _)| (entry.path(), at)));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_33_flipped_byte_in_the_spool() {
    const CAMERAS: usize = 6;
    let Some(mut broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    broker.kill();
    // Cameras that nobody finds tell of that, to nobody.
    let cameras: String =
        (0..CAMERAS).map(|n| bare_camera(&format!("camera-{n}"), "rtsp://127.0.0.1:9/live")).collect();
    let small = "spool: { alert_mib: 1, event_mib: 1, telemetry_mib: 1 }\n";
    let mut agent = Agent::new(&broker.url(), &format!("{small}cameras:\n{cameras}"));
    let spool = agent.folder().join("state/spool");
    // Every event says once what it is.
    let mark = b"\"specversion\"";
    let kept = || find(&spool, mark);
    // Twice: of what was committed last nobody can tell whether a byte was flipped or it was still being written.
    for run in 1..=2 {
        agent.start();
        let all_told = || (spool.exists() && kept().len() >= run * CAMERAS).then_some(());
        until("an event of each camera on the disk", all_told).await;
        agent.kill();
    }
    let (file, at) = &kept()[1];
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, *at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 4], *at as u64).unwrap();
    drop(file);

    broker.launch();
    let began = now();
    agent.start();
    let (at, gap) = ear.hears("the gap", began, "event/gap", |_| true).await;
    println!("{} ({:.1?} after the start)", gap["data"]["explanation"], at - began);
    assert_eq!(gap["data"]["gap"]["class"], "event", "{gap:#}");
    let (first, last) = (&gap["data"]["gap"]["first"], &gap["data"]["gap"]["last"]);
    assert_eq!(first, last, "one record, and no more: {gap:#}");
    let numbers = ear.numbers();
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    let seen = numbers.values().next().unwrap();
    let missing: Vec<u64> = (1..=*seen.last().unwrap()).filter(|number| !seen.contains(number)).collect();
    assert_eq!(missing, [first.as_u64().unwrap()], "all others came");
    ear.check_schemas();
}
