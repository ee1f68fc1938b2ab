//! What ails a picture, over real clips: each fault, made of the clip itself, is told, and nothing of the clip as it is.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends by panicking, and says what it saw")]

use std::path::Path;
use std::time::Duration;

use gstreamer::prelude::*;
use vedette::scene::{ConditionSettings, Picture, Scene, Settings};
use vedette::vocab::{Condition, DayNight, Frame, MediaTime, PictureChange};

use crate::support::data;

const CLIPS: [&str; 8] = [
    "video/one-by-one-person-detection.mp4",
    "video/car-detection.mp4",
    "video/bottle-detection.mp4",
    "video/doorcam_person.mkv",
    "fall/s1_fall_13.mp4",
    "fall/s1_fall_14.mp4",
    "fall/s1_fall_15.mp4",
    "fall/s2_fall_13.mp4",
];

/// Pictures a second that are looked at.
const FPS: u64 = 3;

/// A clip's pictures in packed I420, [`FPS`] a second.
struct Reel {
    width: usize,
    height: usize,
    pictures: Vec<Vec<u8>>,
}

impl Reel {
    /// Reads a clip, at the most `width` pixels wide.
    fn read(path: &Path, width: u32) -> Self {
        gstreamer::init().unwrap();
        let line = format!(
            "filesrc name=file ! decodebin ! videoconvert ! videoscale ! videorate ! \
             video/x-raw,format=I420,width={width},height={},framerate={FPS}/1 ! appsink name=out sync=false",
            width * 9 / 32 * 2
        );
        let pipeline = gstreamer::parse::launch(&line).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
        pipeline.by_name("file").unwrap().set_property("location", path.to_str().unwrap());
        let out = pipeline.by_name("out").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
        pipeline.set_state(gstreamer::State::Playing).unwrap();
        let mut pictures = Vec::new();
        while let Some(sample) = out.try_pull_sample(gstreamer::ClockTime::from_seconds(30)) {
            pictures.push(sample.buffer().unwrap().map_readable().unwrap().to_vec());
        }
        pipeline.set_state(gstreamer::State::Null).unwrap();
        assert!(!pictures.is_empty(), "{}", path.display());
        Self { width: width as usize, height: (width * 9 / 32 * 2) as usize, pictures }
    }

    /// Shows the clip over and over for so many seconds, each picture as `change` makes it.
    fn show(&self, eye: &mut Eye, seconds: u64, change: impl Fn(&Self, &mut Vec<u8>)) -> Vec<PictureChange> {
        let mut told = Vec::new();
        for _ in 0..seconds * FPS {
            let mut bytes = self.pictures[eye.next as usize % self.pictures.len()].clone();
            change(self, &mut bytes);
            let mut frame = Frame::from_i420(self.width as u32, self.height as u32, bytes).unwrap();
            (frame.pts, frame.keyframe) = (MediaTime::from_millis(eye.next * 1000 / FPS), true);
            eye.picture = eye.scene.step(&frame).picture;
            told.extend_from_slice(eye.scene.changes());
            eye.next += 1;
        }
        told
    }

    /// Each row blurred, and then each column: the mean over so many pixels on each side.
    fn blur(&self, bytes: &mut [u8], radius: usize) {
        let (width, height) = (self.width, self.height);
        let lines = (0..height).map(|row| (row * width, 1, width));
        for (start, step, length) in lines.chain((0..width).map(|column| (column, width, height))) {
            let line: Vec<u32> = (0..length).map(|at| u32::from(bytes[start + at * step])).collect();
            let mut sum: u32 = (0..=2 * radius).map(|at| line[at.saturating_sub(radius).min(length - 1)]).sum();
            for at in 0..length {
                bytes[start + at * step] = (sum / (2 * radius as u32 + 1)) as u8;
                sum += line[(at + radius + 1).min(length - 1)];
                sum -= line[at.saturating_sub(radius)];
            }
        }
    }

    /// The picture moved to the right and down, what comes in being what left on the other side.
    fn shift(&self, bytes: &mut [u8], right: usize, down: usize) {
        let luma = &mut bytes[..self.width * self.height];
        luma.rotate_right(down * self.width);
        luma.chunks_exact_mut(self.width).for_each(|row| row.rotate_right(right));
    }

    /// The contrast of the left half taken away but for this share.
    fn soil(&self, bytes: &mut [u8], kept: f32) {
        for row in bytes[..self.width * self.height].chunks_exact_mut(self.width) {
            row[..self.width / 2].iter_mut().for_each(|luma| *luma = (140.0 + (f32::from(*luma) - 140.0) * kept) as u8);
        }
    }

    fn grey_it(&self, bytes: &mut [u8]) {
        self.grey(bytes);
    }

    fn grey(&self, bytes: &mut [u8]) {
        bytes[self.width * self.height..].fill(128);
    }
}

/// One that watches, and the number of its next picture.
struct Eye {
    scene: Scene,
    next: u64,
    picture: Picture,
}

impl Eye {
    /// With times short enough for a test.
    fn new() -> Self {
        let s = Duration::from_secs;
        let conditions = ConditionSettings {
            defocused_after: s(10),
            moved_after: s(10),
            degraded_after: s(60),
            learn: s(30),
            ..ConditionSettings::default()
        };
        let scene = Scene::new(Settings { conditions, ..Settings::default() });
        Self { scene, next: 0, picture: Picture::Live }
    }
}

fn began(told: &[PictureChange]) -> Vec<Condition> {
    let began = |change: &PictureChange| match change {
        PictureChange::Began { condition, .. } => Some(*condition),
        _ => None,
    };
    told.iter().filter_map(began).collect()
}

#[test]
fn nothing_is_told_of_clips_as_they_are() {
    for clip in CLIPS {
        let Some(path) = data::find(clip) else { return };
        let reel = Reel::read(&path, 640);
        let mut eye = Eye::new();
        let told = reel.show(&mut eye, 300, |_, _| {});
        println!("{clip}: {told:?}, {:?}", eye.scene.mode());
        assert!(told.is_empty(), "{clip}: {told:?}");
    }
}

#[test]
fn each_fault_made_of_a_clip_is_told_and_told_to_be_over() {
    type Fault = (&'static str, fn(&Reel, &mut Vec<u8>), Condition);
    let faults: [Fault; 3] = [
        ("blurred", |reel, bytes| (0..2).for_each(|_| reel.blur(bytes, 3)), Condition::Defocused),
        ("turned", |reel, bytes| reel.shift(bytes, reel.width / 6, reel.height / 8), Condition::Moved),
        ("soiled", |reel, bytes| reel.soil(bytes, 0.12), Condition::Degraded),
    ];
    for clip in [CLIPS[0], CLIPS[1], CLIPS[3], CLIPS[4]] {
        let Some(path) = data::find(clip) else { return };
        let reel = Reel::read(&path, 384);
        for (name, fault, expected) in faults {
            if clip == CLIPS[1] && expected != Condition::Moved {
                // A road without texture, of whose sharpness and contrast nothing is said.
                continue;
            }
            let mut eye = Eye::new();
            assert!(reel.show(&mut eye, 90, |_, _| {}).is_empty(), "{clip}");
            let told = reel.show(&mut eye, 150, fault);
            let after = reel.show(&mut eye, 120, |_, _| {});
            println!("{clip} {name}: {told:?}, then {after:?}");
            assert_eq!(began(&told), [expected], "{clip} {name}");
            assert!(
                matches!(after[..], [PictureChange::Ended { condition, .. }] if condition == expected),
                "{after:?}"
            );
        }
    }
}

#[test]
fn a_clip_that_loses_its_colour_is_night_and_one_that_loses_its_light_is_black() {
    // The road of the second clip is grey by day.
    for clip in [CLIPS[0], CLIPS[2], CLIPS[3], CLIPS[4]] {
        let Some(path) = data::find(clip) else { return };
        let reel = Reel::read(&path, 384);
        let mut eye = Eye::new();
        reel.show(&mut eye, 60, |_, _| {});
        assert_eq!(eye.scene.mode(), Some(DayNight::Day), "{clip}");
        let told = reel.show(&mut eye, 60, |reel, bytes| reel.grey_it(bytes));
        assert!(matches!(told[..], [PictureChange::Switched { to: DayNight::Night, .. }]), "{clip}: {told:?}");
        let told = reel.show(&mut eye, 60, |_, _| {});
        assert!(matches!(told[..], [PictureChange::Switched { to: DayNight::Day, .. }]), "{clip}: {told:?}");
        let told = reel.show(&mut eye, 30, |reel, bytes| {
            bytes[..reel.width * reel.height].iter_mut().for_each(|luma| *luma = 16 + *luma / 64);
            reel.grey(bytes);
        });
        assert!(matches!(eye.picture, Picture::Black { .. }), "{clip}: {:?}", eye.picture);
        assert!(told.is_empty(), "{clip}: {told:?}");
    }
}
