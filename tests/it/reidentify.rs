//! People who come again, with the real OSNet on real recordings: what the default threshold is worth on those at hand.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vedette::base::clock::SystemClock;
use vedette::decode::{Clip, Pace, Settings as DecodeSettings, Source};
use vedette::detect::embed::Embedder;
use vedette::detect::{Detector, Picture, Settings, photograph};
use vedette::identify::{
    AppearanceSettings, Appearances, BodyShots, Describer, Embedding, Presence, Stretch, Taken, shows,
};
use vedette::vocab::{Detection, Frame, Id, MediaTime, Rect, WallTime};

use crate::support::data;
use crate::support::detectors::{load, settings};

const EMBEDDER: &str = "models/reid/osnet_x0_25_msmt17.onnx";
const DETECTOR: &str = "models/detect/yolox_nano_416.onnx";
const VISITS: &str = "video/one-by-one-person-detection.mp4";

fn describer() -> Option<Describer> {
    let embedder = data::find(EMBEDDER)?;
    if !load() {
        return None;
    }
    Some(Describer::new(Embedder::open(&settings(embedder), None, SystemClock::shared()).unwrap()).unwrap())
}

/// Describes whoever fills `bbox`, normalised.
fn describe(describer: &mut Describer, picture: &Picture, bbox: &Rect) -> Embedding {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let bbox = bbox.clamped();
    let bbox = Rect::new(bbox.x1 * width, bbox.y1 * height, bbox.x2 * width, bbox.y2 * height);
    describer.describe(picture, &bbox).unwrap()
}

/// Somebody who is followed: who he is, and how he looked in the pictures from which the program would describe him.
struct Followed {
    who: String,
    name: String,
    shots: Vec<Embedding>,
}

struct Eyes {
    detector: Detector,
    describer: Describer,
    found: Vec<Detection>,
}

impl Eyes {
    /// The most certain person of a picture.
    fn person(&mut self, picture: &Picture) -> Option<Rect> {
        self.detector.detect_picture(picture, &mut self.found).unwrap();
        let people = self.found.iter().filter(|found| found.class == 0);
        people.max_by(|a, b| a.score.total_cmp(&b.score)).map(|found| found.bbox)
    }

    /// Follows the only person of a recording from picture to picture, five a second, as one track.
    fn follow(&mut self, who: &str, name: &str, frames: &[Frame]) -> Followed {
        let mut followed = Followed { who: who.to_owned(), name: name.to_owned(), shots: Vec::new() };
        let (mut shots, mut next) = (BodyShots::default(), MediaTime::ZERO);
        for frame in frames {
            if frame.pts < next {
                continue;
            }
            next = MediaTime::from_nanos(frame.pts.as_nanos() + 200_000_000);
            // Whoever was described lately or often enough need not be found.
            if !shots.is_due(frame.pts, 1.0) {
                continue;
            }
            let picture = Picture::Frame(frame.clone());
            let Some(bbox) = self.person(&picture) else { continue };
            if shots.is_due(frame.pts, shows(&bbox, std::iter::empty(), (frame.width, frame.height))) {
                shots.take(frame.pts);
                followed.shots.push(describe(&mut self.describer, &picture, &bbox));
            }
        }
        followed
    }
}

/// The pictures of a recording, copied so that the decoder gets its memory back.
fn frames(path: &Path) -> Vec<Frame> {
    Clip::open(&Source::file(path), &DecodeSettings::default(), Pace::Max)
        .unwrap()
        .map(Result::unwrap)
        .map(copied)
        .collect()
}

fn copied(frame: Frame) -> Frame {
    let (w, h) = (frame.width as usize, frame.height as usize);
    let rows = |index: usize, row: usize, rows: usize| {
        let plane = frame.plane(index);
        (0..rows).flat_map(move |y| plane.data[y * plane.stride..][..row].to_vec()).collect::<Vec<u8>>()
    };
    let luma = rows(0, w, h);
    let chroma = match frame.format {
        vedette::vocab::PixelFormat::I420 => [rows(1, w / 2, h / 2), rows(2, w / 2, h / 2)],
        vedette::vocab::PixelFormat::Nv12 => {
            let pairs = rows(1, w, h / 2);
            [0, 1].map(|at| pairs.iter().skip(at).step_by(2).copied().collect())
        }
    };
    let mut copy = Frame::from_i420(frame.width, frame.height, [luma, chroma.concat()].concat()).unwrap();
    (copy.pts, copy.full_range, copy.bt709) = (frame.pts, frame.full_range, frame.bt709);
    copy
}

/// Six people who come one by one, each cut in two as if he had gone and come back, and two who are recorded several times.
fn everybody() -> Option<Vec<Followed>> {
    let (visits, checked) = (data::find(VISITS)?, data::find("events_checked.json")?);
    let clips = ["s1_fall_13", "s1_fall_14", "s1_fall_15", "s2_adl_23", "s2_fall_13"];
    let clips: Vec<_> = clips.iter().map(|name| Some((*name, data::find(&format!("fall/{name}.mp4"))?))).collect();
    let detector = data::find(DETECTOR)?;
    let describer = describer()?;
    let detector = Detector::open(&Settings { threshold: 0.5, ..settings(detector) }, SystemClock::shared()).unwrap();
    let mut eyes = Eyes { detector, describer, found: Vec::new() };
    let checked: Value = serde_json::from_slice(&std::fs::read(checked).unwrap()).unwrap();
    let spans = checked[VISITS]["presence_frames_approx"].as_array().unwrap();
    let pictures = frames(&visits);
    let mut all = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        let [from, until] = [0, 1].map(|at| span[at].as_u64().unwrap() as usize);
        let middle = usize::midpoint(from, until);
        let who = format!("visitor {}", number + 1);
        all.push(eyes.follow(&who, "first half", &pictures[from..middle]));
        all.push(eyes.follow(&who, "second half", &pictures[middle..until]));
    }
    for (name, path) in clips.into_iter().flatten() {
        all.push(eyes.follow(&name[..2], name, &frames(&path)));
    }
    Some(all)
}

/// How alike two tracks are: their closest pair of vectors.
fn likeness(a: &Followed, b: &Followed) -> f32 {
    let pairs = a.shots.iter().flat_map(|a| b.shots.iter().map(|b| a.similarity(b).unwrap()));
    pairs.fold(-1.0, f32::max)
}

#[test]
fn people_are_told_apart_by_how_they_look() {
    let Some(all) = everybody() else { return };
    for followed in &all {
        println!("{} ({}): {} pictures", followed.who, followed.name, followed.shots.len());
    }
    let described: Vec<&Followed> = all.iter().filter(|followed| !followed.shots.is_empty()).collect();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for (at, one) in described.iter().enumerate() {
        for other in &described[..at] {
            let scores = if one.who == other.who { &mut same } else { &mut different };
            scores.push((likeness(one, other), format!("{} {} / {} {}", one.who, one.name, other.who, other.name)));
        }
    }
    same.sort_by(|a, b| a.0.total_cmp(&b.0));
    different.sort_by(|a, b| b.0.total_cmp(&a.0));
    let threshold = AppearanceSettings::default().threshold;
    println!("the least alike of one person: {:?}", &same[..4]);
    println!("the most alike of two: {:?}", &different[..6]);
    let right = same.iter().filter(|(score, _)| *score >= threshold).count();
    let wrong = different.iter().filter(|(score, _)| *score >= threshold).count();
    println!(
        "at {threshold}: {right} of {} pairs of one person are joined, {wrong} of {} of two",
        same.len(),
        different.len()
    );
    assert!(same.len() >= 7 && different.len() >= 100, "{} and {} pairs", same.len(), different.len());
    assert_eq!(wrong, 0, "{different:?}");
    assert!(right >= 6, "{right} of {}: {same:?}", same.len());
    come_back(&all);
}

/// Who comes back after a pause is the same, and nobody is taken for another.
fn come_back(all: &[Followed]) {
    let mut memory = Appearances::new(AppearanceSettings::default(), fastrand::Rng::with_seed(3));
    let (mut ids, mut again) = (Vec::<(String, String)>::new(), Vec::new());
    // First everybody comes for the first time, then for the second.
    let (first, second): (Vec<_>, Vec<_>) =
        all.iter().filter(|f| f.who.starts_with("visitor")).partition(|f| f.name == "first half");
    for (track, followed) in (1u64..).zip(first.into_iter().chain(second)) {
        let at = MediaTime::from_millis(track * 60_000);
        let taken = Taken {
            camera: Id::new("hall").unwrap(),
            stretch: Stretch { camera: 1, cuts: 0 },
            pts: at,
            mono: Duration::from_nanos(at.as_nanos()),
            wall: WallTime::default(),
        };
        let presence = [Presence { track, from: at, until: at }];
        let shown = followed.shots.iter().map(|shot| memory.shown(&taken, track, &presence, shot.clone()).unwrap());
        let appearance = shown.last().unwrap();
        memory.left(&taken, &presence);
        let score = appearance.before.as_ref().map(|before| before.score);
        println!("{} {}: {} {score:?}", followed.who, followed.name, appearance.id);
        if followed.name == "second half" {
            again.extend(appearance.before.as_ref().map(|_| followed.who.clone()));
        }
        for (who, id) in &ids {
            assert!(*who == followed.who || *id != appearance.id, "{} is taken for {who}", followed.who);
        }
        ids.push((followed.who.clone(), appearance.id));
    }
    println!("{} of 6 who come back are known again", again.len());
    assert!(again.len() >= 5, "{again:?}");
}

#[test]
fn people_who_walk_in_one_photograph_are_not_taken_for_each_other() {
    let (Some(folder), Some(mut describer)) = (data::find("train/pennfudan/train"), describer()) else { return };
    let mut names: Vec<_> =
        std::fs::read_dir(folder.join("images")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let (mut people, mut scores) = (0, Vec::new());
    for path in &names {
        let picture = photograph(&std::fs::read(path).unwrap()).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let boxes = labelled(&folder.join("labels").join(format!("{stem}.txt")));
        let size = (picture.width(), picture.height());
        let is_shown = |(at, bbox): &(usize, &Rect)| {
            let others = boxes.iter().enumerate().filter(|(other, _)| other != at).map(|(_, other)| *other);
            BodyShots::default().is_due(MediaTime::ZERO, shows(bbox, others, size))
        };
        let shown: Vec<Rect> = boxes.iter().enumerate().filter(is_shown).map(|(_, bbox)| *bbox).collect();
        let shots: Vec<Embedding> = shown.iter().map(|bbox| describe(&mut describer, &picture, bbox)).collect();
        people += shots.len();
        for (at, one) in shots.iter().enumerate() {
            scores.extend(shots[..at].iter().map(|other| one.similarity(other).unwrap()));
        }
    }
    scores.sort_by(|a, b| b.total_cmp(a));
    let threshold = AppearanceSettings::default().threshold;
    let wrong = scores.iter().filter(|score| **score >= threshold).count();
    println!(
        "{people} people, {} pairs within a photograph, the most alike {:?}; {wrong} at {threshold}",
        scores.len(),
        &scores[..3]
    );
    assert!(scores.len() >= 200, "{} pairs", scores.len());
    assert_eq!(wrong, 0);
}

/// The boxes of a photograph, normalised.
fn labelled(path: &Path) -> Vec<Rect> {
    let text = std::fs::read_to_string(path).unwrap();
    let boxes = text.lines().map(|line| {
        let numbers: Vec<f32> = line.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect();
        let [x, y, w, h] = numbers[..4] else { panic!("{line}") };
        Rect::from_centre(x, y, w, h)
    });
    boxes.collect()
}
