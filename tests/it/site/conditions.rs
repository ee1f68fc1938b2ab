//! A camera that is knocked out of focus and set right again, through the whole agent: an event with a beginning and an end,
//! what is retained meanwhile, and what `health` says.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use vedette::decode::street::Street;

use super::agent::Agent;
use super::ear::{Ear, now};
use crate::support::{clips, mosquitto};

const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// Thirty seconds of the street, of which the middle ten are out of focus.
fn clip(folder: &Path) -> PathBuf {
    let (raw, clip) = (folder.join("street.yuv"), folder.join("street.mkv"));
    let street = Street::new(3, WIDTH as u32, HEIGHT as u32, 10.0);
    let (mut bytes, mut file) = (Vec::new(), BufWriter::new(File::create(&raw).unwrap()));
    for picture in 0..300 {
        street.draw(picture, &mut bytes);
        if (100..200).contains(&picture) {
            defocus(&mut bytes[..WIDTH * HEIGHT]);
        }
        file.write_all(&bytes).unwrap();
    }
    file.flush().unwrap();
    clips::launch(&format!(
        "filesrc location={} blocksize={} ! rawvideoparse format=i420 width={WIDTH} height={HEIGHT} framerate=10/1 ! \
         x264enc key-int-max=10 bitrate=3000 ! h264parse ! matroskamux ! filesink location={}",
        raw.display(),
        bytes.len(),
        clip.display()
    ));
    clip
}

/// Each square of eight pixels becomes its mean, and then what is between the means of its neighbours.
fn defocus(luma: &mut [u8]) {
    const SIDE: usize = 8;
    let mean = |luma: &[u8], column: usize, row: usize| {
        let rows = row * SIDE..(row + 1) * SIDE;
        let sum: u32 = rows.flat_map(|y| &luma[y * WIDTH + column * SIDE..][..SIDE]).map(|v| u32::from(*v)).sum();
        sum as f32 / (SIDE * SIDE) as f32
    };
    let (columns, rows) = (WIDTH / SIDE, HEIGHT / SIDE);
    let means: Vec<f32> = (0..columns * rows).map(|at| mean(luma, at % columns, at / columns)).collect();
    let between = |at: usize, of: usize| {
        let at = ((at as f32 + 0.5) / SIDE as f32 - 0.5).clamp(0.0, (of - 1) as f32);
        (at as usize, (at as usize + 1).min(of - 1), at.fract())
    };
    for (at, luma) in luma.iter_mut().enumerate() {
        let ((left, right, across), (top, bottom, down)) = (between(at % WIDTH, columns), between(at / WIDTH, rows));
        let row = |row: usize| means[row * columns + left] * (1.0 - across) + means[row * columns + right] * across;
        *luma = (row(top) * (1.0 - down) + row(bottom) * down) as u8;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_out_of_focus_is_told_from_beginning_to_end() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path());
    let sections = format!(
        "cameras:\n  - id: door\n    url: \"{}\"\n    \
         picture: {{ learn_seconds: 5, defocused_seconds: 2, degraded: false }}\n",
        clip.display()
    );
    let mut agent = Agent::new(&broker.url(), &sections);
    let began = now();
    agent.start();
    let of_phase = |phase: &'static str| move |event: &Value| event["data"]["phase"] == phase;
    let (_, start) = ear.hears("the start", began, "event/camera-condition", of_phase("start")).await;
    println!("{}", start["data"]["explanation"]);
    assert_eq!((&start["data"]["camera"], &start["data"]["condition"]), (&"door".into(), &"defocused".into()));
    assert!(start["data"]["evidence"]["snapshot"].is_string(), "it comes with a picture: {start:#}");
    let is_told = |state: &Value| state["conditions"][0]["condition"] == "defocused";
    let (told, state) = ear.hears("the state", began, "camera/door/state", is_told).await;
    assert_eq!(state["state"], "streaming", "{state:#}");
    assert!(state["conditions"][0]["cause"].as_str().unwrap().contains("sharpness"), "{state:#}");
    let health = ear.command("status", "s1", serde_json::json!({})).await["result"].clone();
    assert_eq!(health["cameras"]["door"]["conditions"][0]["condition"], "defocused", "{health:#}");
    let (_, end) = ear.hears("the end", began, "event/camera-condition", of_phase("end")).await;
    assert_eq!(start["data"]["episode"], end["data"]["episode"]);
    let is_over = |state: &Value| state["state"] == "streaming" && state["conditions"].is_null();
    // Said at once, while the event is on its way to the disk.
    ear.hears("the state after it", told, "camera/door/state", is_over).await;
    ear.check_schemas();
    ear.assert_nothing_missing();
}
