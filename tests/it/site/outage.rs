//! Cameras that die, hang or are cut off: noticed within 5 s, back within 10 s, and no concern of the others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::agent::{Agent, bare_camera};
use super::ear::{Ear, now, until};
use crate::support::mosquitto;
use crate::support::proxy::Proxy;
use crate::support::rtsp::{Offer, Server};

/// An outage shows in the camera's state within this time.
const NOTICED: Duration = Duration::from_secs(5);
/// The camera streams again so soon after it is back.
const RECOVERED: Duration = Duration::from_secs(10);
/// The other camera's frame rate, the share of it that must remain, and over how long it is measured at least.
const FPS: f64 = 10.0;
const REMAINS: f64 = 0.9;
/// Of a camera without a detector, one picture a second is wanted to watch over it.
const WANTED: f64 = 1.0;
const WINDOW: Duration = Duration::from_secs(5);
/// Counters of a camera are at most so old when they are told.
const COUNTER_AGE: Duration = Duration::from_millis(250);
/// How long the outages last: long enough that whoever tries to connect anew tries in vain.
const OUTAGE: Duration = Duration::from_secs(9);

const DISTURBED: [&str; 3] = ["killed", "paused", "cut"];

/// The other camera's count of received frames over time, and of those decoded, of which one a second is wanted.
type Counts = Arc<Mutex<Vec<(Duration, u64, u64)>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_are_noticed_and_recovered_from_while_another_camera_streams_on() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let [mut killed, paused, cut, steady] = [0; 4].map(|_| Server::start(Offer::h264(320, 180, FPS as u32)));
    let proxy = Proxy::start(cut.port);
    let ear = Arc::new(Ear::at(&broker).await);
    let cameras = [("killed", killed.url()), ("paused", paused.url()), ("cut", proxy.url()), ("steady", steady.url())];
    let cameras: String = cameras.iter().map(|(id, url)| bare_camera(id, url)).collect();
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{cameras}"));
    let began = now();
    agent.start();
    for camera in DISTURBED.into_iter().chain(["steady"]) {
        ear.camera(camera, "streaming", began).await;
    }
    let counts = Counts::default();
    let counting = tokio::spawn(count(ear.clone(), counts.clone()));

    let gone = now();
    killed.kill();
    paused.pause();
    proxy.black_hole(true, true);
    for camera in DISTURBED {
        let state = format!("camera/{camera}/state");
        let (at, said) = ear.hears("the outage", gone, &state, |s| s["state"] != "streaming").await;
        println!("{camera}: {} after {:?} ({})", said["state"], at - gone, said["cause"]);
        assert!(at - gone <= NOTICED, "{camera}: noticed after {:?}", at - gone);
    }
    tokio::time::sleep((gone + OUTAGE).saturating_sub(now())).await;
    // Off the runtime, which has to take the time of what arrives meanwhile.
    let killed = tokio::task::spawn_blocking(move || {
        killed.revive(None);
        killed
    });
    let _killed = killed.await.unwrap();
    let back = now();
    paused.resume();
    proxy.black_hole(false, true);
    for camera in DISTURBED {
        let at = ear.camera(camera, "streaming", back).await;
        println!("{camera}: streaming {:?} after it is back", at - back);
        assert!(at - back <= RECOVERED, "{camera}: back after {:?}", at - back);
    }
    until("the last counts", || counts.lock().unwrap().last().filter(|c| c.0 > now() - WINDOW / 5).map(drop)).await;
    counting.abort();
    assert_rate(&counts.lock().unwrap());
    let steady: Vec<String> = ear.said("camera/steady/state").iter().map(|(_, s)| s["state"].to_string()).collect();
    assert_eq!(steady.iter().filter(|s| *s != "\"connecting\"" && *s != "\"streaming\"").count(), 0, "{steady:?}");
    ear.check_schemas();
    ear.assert_nothing_missing();
}

/// Asks for the other camera's counts, about three times a second.
async fn count(ear: Arc<Ear>, counts: Counts) {
    for number in 0.. {
        let reply = ear.command("status", &format!("count-{number}"), json!({})).await;
        let steady = &reply["result"]["cameras"]["steady"];
        let [received, decoded] = ["received", "decoded"].map(|name| steady[name].as_u64().unwrap());
        counts.lock().unwrap().push((now(), received, decoded));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Over every stretch of at least [`WINDOW`], the rate is at least [`REMAINS`] of the camera's.
fn assert_rate(counts: &[(Duration, u64, u64)]) {
    let mut lowest = f64::INFINITY;
    for (i, (from, before, _)) in counts.iter().enumerate() {
        for (to, after, _) in counts[i..].iter().filter(|(to, ..)| *to - *from >= WINDOW) {
            lowest = lowest.min((after - before) as f64 / (*to - *from - COUNTER_AGE).as_secs_f64());
        }
    }
    let (first, last) = (counts.first().unwrap(), counts.last().unwrap());
    let span = last.0 - first.0;
    let mean = (last.1 - first.1) as f64 / span.as_secs_f64();
    println!("the other camera: {mean:.2} frames a second over {span:?}, at least {lowest:.2} over any {WINDOW:?}");
    let decoded = (last.2 - first.2) as f64 / span.as_secs_f64();
    assert!(decoded >= 0.8 * WANTED, "{decoded:.2} frames decoded a second");
    assert!(span > OUTAGE && lowest >= FPS * REMAINS, "{lowest:.2} frames a second");
}
