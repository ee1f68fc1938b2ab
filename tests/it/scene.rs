//! The motion gate over a real clip, against what was seen in it by eye.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends by panicking, and says what it measured")]

use std::path::Path;

use gstreamer::prelude::*;
use vedette::scene::{MotionGate, MotionSettings};
use vedette::vocab::{Frame, MediaTime};

use crate::support::data;

/// Frames of `one-by-one-person-detection.mp4`, at 10 a second, in which somebody is there.
const PEOPLE: [(u64, u64); 6] = [(65, 195), (230, 450), (505, 700), (745, 870), (925, 1200), (1235, 1360)];
/// Frames of `car-detection.mp4`, at 12.5 a second, in which a car is seen from above.
const CARS: [(u64, u64); 3] = [(56, 108), (184, 290), (318, 348)];

/// Calls `each` with every frame of a clip, in packed I420.
fn decode(path: &Path, mut each: impl FnMut(&Frame)) {
    gstreamer::init().unwrap();
    let line = "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false";
    let pipeline = gstreamer::parse::launch(line).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path.to_str().unwrap());
    let out = pipeline.by_name("out").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    while let Some(sample) = out.try_pull_sample(gstreamer::ClockTime::from_seconds(30)) {
        let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let buffer = sample.buffer().unwrap();
        let bytes = buffer.map_readable().unwrap().to_vec();
        let mut frame = Frame::from_i420(info.width(), info.height(), bytes).unwrap();
        frame.pts = MediaTime::from_nanos(buffer.pts().unwrap().nseconds());
        each(&frame);
    }
    pipeline.set_state(gstreamer::State::Null).unwrap();
}

/// Whether the gate was open, by frame number, when it is shown every `nth` frame.
fn open_frames(path: &Path, nth: u64) -> Vec<(u64, bool)> {
    let mut gate = MotionGate::new(MotionSettings::default());
    let (mut number, mut open) = (0, Vec::new());
    decode(path, |frame| {
        if number % nth == 0 {
            let motion = gate.step(frame);
            open.push((number, motion.active));
        }
        number += 1;
    });
    open
}

fn share(open: &[(u64, bool)], wanted: impl Fn(u64) -> bool) -> f64 {
    let of: Vec<bool> = open.iter().filter(|(n, _)| wanted(*n)).map(|(_, open)| *open).collect();
    of.iter().filter(|open| **open).count() as f64 / of.len() as f64
}

/// Shares of presence and of the rest for which the gate was open, after checking that it was soon so each time.
fn shares(path: &Path, presence: &[(u64, u64)], nth: u64, second: u64) -> (f64, f64) {
    let present = |n: u64| presence.iter().any(|&(from, to)| (from..=to).contains(&n));
    let open = open_frames(path, nth);
    for &(from, _) in presence {
        let seen = open.iter().any(|&(n, open)| open && (from..=from + second).contains(&n));
        assert!(seen, "closed for a second after somebody came at frame {from}");
    }
    let (there, empty) = (share(&open, present), share(&open, |n| !present(n)));
    println!("every {nth}th frame: open for {there:.3} of presence, {empty:.3} of the rest");
    (there, empty)
}

#[test]
fn the_gate_is_open_while_people_are_there_and_not_for_all_of_the_rest() {
    let Some(clip) = data::find("video/one-by-one-person-detection.mp4") else { return };
    for nth in [1, 10] {
        let (there, empty) = shares(&clip, &PEOPLE, nth, 10);
        // People stand still for seconds in this clip; then it is the track that keeps the gate open.
        assert!(there > 0.9, "open for only {there:.3} of presence");
        // The six stretches last 3.5 to 6.5 s each, of which the gate stays open for 2 s after the last motion.
        assert!(empty < 0.75, "open for {empty:.3} of the empty stretches");
    }
}

#[test]
fn the_gate_is_open_while_cars_pass_and_not_for_all_of_the_rest() {
    let Some(clip) = data::find("video/car-detection.mp4") else { return };
    let (there, empty) = shares(&clip, &CARS, 1, 13);
    assert!(there > 0.9, "open for only {there:.3} of presence");
    // Four stretches of 2 to 6 s; and the cars' shadows come and go before and after them.
    assert!(empty < 0.85, "open for {empty:.3} of the empty stretches");
}
