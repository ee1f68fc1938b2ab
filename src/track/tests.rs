//! What must hold whatever the detector says, and what must happen in the situations that the rounds are made for.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::vocab::{Rect, Trunk};

fn at(cx: f32, cy: f32) -> Rect {
    Rect::from_centre(cx, cy, 0.06, 0.2)
}

fn seen(bbox: Rect) -> Detection {
    Detection::new(0, 0.9, bbox)
}

fn millis(millis: u64) -> MediaTime {
    MediaTime::from_millis(millis)
}

fn tracker() -> Tracker {
    Tracker::new(Settings::default())
}

/// Steps at 10 frames a second from `from` on, and returns what the last step reported.
fn run(tracker: &mut Tracker, from: u64, frames: impl IntoIterator<Item = Vec<Detection>>) -> Vec<Track> {
    let steps = frames.into_iter().enumerate();
    let reports = steps.map(|(i, detections)| tracker.step(millis(from + 100 * i as u64), &detections).to_vec());
    reports.last().unwrap_or_default()
}

fn states(tracks: &[Track]) -> Vec<(TrackId, TrackState)> {
    tracks.iter().map(|track| (track.id, track.state)).collect()
}

#[test]
fn a_life_from_tentative_over_confirmed_and_lost_to_ended() {
    let mut tracker = tracker();
    let first = tracker.step(millis(0), &[seen(at(0.5, 0.5))]);
    assert_eq!(states(first), [(1, TrackState::Tentative)]);
    let believed = run(&mut tracker, 100, vec![vec![seen(at(0.5, 0.5))]; 2]);
    assert_eq!(states(&believed), [(1, TrackState::Confirmed)]);
    assert_eq!((believed[0].first_seen, believed[0].last_seen, believed[0].hits), (millis(0), millis(200), 3));
    assert_eq!(states(tracker.step(millis(300), &[])), [(1, TrackState::Lost)]);
    assert_eq!(states(tracker.step(millis(2200), &[])), [(1, TrackState::Lost)]);
    assert_eq!(states(tracker.step(millis(2201), &[])), [(1, TrackState::Ended)]);
    assert!(tracker.step(millis(2300), &[]).is_empty());
    assert_eq!(states(tracker.step(millis(2400), &[seen(at(0.5, 0.5))])), [(2, TrackState::Tentative)]);
    assert_eq!(tracker.next_id(), 3);
}

#[test]
fn a_flicker_is_never_believed() {
    let mut tracker = tracker();
    let flicker = (0..50).map(|i| if i % 7 < 2 { vec![seen(at(0.5, 0.5))] } else { vec![] });
    for (i, detections) in flicker.enumerate() {
        let tracks = tracker.step(millis(100 * i as u64), &detections);
        assert!(tracks.iter().all(|track| track.state != TrackState::Confirmed), "{tracks:?}");
    }
}

#[test]
fn even_at_one_frame_in_ten_seconds_what_stays_put_keeps_its_number() {
    let mut tracker = tracker();
    for i in 0..10 {
        let tracks = tracker.step(MediaTime::from_millis(10_000 * i), &[seen(at(0.5, 0.5))]);
        assert!(tracks.iter().all(|track| track.state != TrackState::Ended), "{i}: {tracks:?}");
        assert_eq!(tracks.len(), 1, "{i}: {tracks:?}");
    }
}

#[test]
fn two_who_cross_keep_their_numbers_though_one_is_hidden() {
    for fps in [5.0, 10.0, 25.0] {
        let mut tracker = tracker();
        let mut last = Vec::new();
        for frame in 0..=(6.0 * fps) as u32 {
            let t = frame as f32 / fps as f32;
            let (right, left) = (0.2 + 0.1 * t, 0.8 - 0.1 * t);
            let mut detections = vec![seen(at(right, 0.5))];
            if (right - left).abs() > 0.05 {
                detections.push(seen(Rect::from_centre(left, 0.48, 0.06, 0.19)));
            }
            last = tracker.step(MediaTime::from_secs_f64(f64::from(t)), &detections).to_vec();
        }
        let ends: Vec<(TrackId, bool)> = last.iter().map(|track| (track.id, track.bbox.centre().x > 0.5)).collect();
        assert!(ends.contains(&(1, true)) && ends.contains(&(2, false)) && ends.len() == 2, "{fps} fps: {last:?}");
    }
}

#[test]
fn a_weak_detection_continues_a_track_but_begins_none() {
    let mut tracker = tracker();
    let weak = |bbox| Detection { score: 0.2, ..seen(bbox) };
    let walk = |i: u32| at(0.3 + 0.005 * i as f32, 0.5);
    run(&mut tracker, 0, (0..5).map(|i| vec![seen(walk(i))]));
    let tracks = run(&mut tracker, 500, (5..40).map(|i| vec![weak(walk(i)), weak(at(0.8, 0.5))]));
    assert_eq!(states(&tracks), [(1, TrackState::Confirmed)]);
    assert_eq!((tracks[0].score, tracks[0].best_score), (0.2, 0.9));
}

#[test]
fn a_parked_car_hidden_for_fifteen_seconds_is_the_same_car() {
    let mut tracker = tracker();
    run(&mut tracker, 0, vec![vec![seen(at(0.5, 0.5))]; 120]);
    let hidden = run(&mut tracker, 12_000, vec![vec![]; 150]);
    assert_eq!(states(&hidden), [(1, TrackState::Lost)]);
    let back = run(&mut tracker, 27_000, [vec![seen(at(0.505, 0.5))]]);
    assert_eq!(states(&back), [(1, TrackState::Confirmed)]);
}

#[test]
fn who_has_walked_out_of_the_picture_is_not_waited_for() {
    let mut tracker = tracker();
    run(&mut tracker, 0, (0..12).map(|i| vec![seen(at(0.8 + 0.016 * i as f32, 0.5))]));
    let out = run(&mut tracker, 1200, vec![vec![]; 10]);
    assert!(out.is_empty(), "{out:?}");
}

#[test]
fn holding_still_ages_nothing() {
    let mut tracker = tracker();
    let walk = |i: u32| vec![seen(at(0.3 + 0.01 * i as f32, 0.5))];
    let before = run(&mut tracker, 0, (0..20).map(walk));
    for i in 20..6000 {
        let held = tracker.hold(millis(100 * i));
        assert_eq!((states(held), held[0].bbox), (states(&before), before[0].bbox));
    }
    assert_eq!(states(tracker.step(millis(600_000), &walk(19))), [(1, TrackState::Confirmed)]);
}

#[test]
fn what_stands_while_nobody_looks_becomes_parked() {
    let mut tracker = tracker();
    run(&mut tracker, 0, vec![vec![seen(at(0.5, 0.5))]; 5]);
    tracker.hold(millis(60_000));
    let hidden = run(&mut tracker, 60_100, vec![vec![]; 100]);
    assert_eq!(states(&hidden), [(1, TrackState::Lost)]);
    let back = run(&mut tracker, 70_100, [vec![seen(at(0.5, 0.5))]]);
    assert_eq!(states(&back), [(1, TrackState::Confirmed)]);
}

#[test]
fn after_a_reset_all_is_new_and_time_may_start_over() {
    let mut tracker = tracker();
    run(&mut tracker, 5_000, vec![vec![seen(at(0.5, 0.5))]; 5]);
    tracker.reset();
    let tracks = tracker.step(millis(0), &[seen(at(0.5, 0.5))]);
    assert_eq!(states(tracks), [(1, TrackState::Ended), (2, TrackState::Tentative)]);
    let tracks = run(&mut tracker, 100, vec![vec![seen(at(0.5, 0.5))]; 3]);
    assert_eq!(states(&tracks), [(2, TrackState::Confirmed)]);
}

#[test]
fn a_car_may_become_a_truck_but_a_person_never_does() {
    let settings = Settings { confusable: vec![vec![2, 7]], ..Settings::default() };
    let of = |class: u16, score: f32| vec![Detection::new(class, score, at(0.5, 0.5))];
    let mut tracker = Tracker::new(settings.clone());
    let tracks = run(&mut tracker, 0, [of(2, 0.6), of(7, 0.9), of(2, 0.6), of(7, 0.9)]);
    assert_eq!((states(&tracks), tracks[0].class), (vec![(1, TrackState::Confirmed)], 7));
    let tracks = run(&mut tracker, 400, [of(0, 0.9)]);
    assert_eq!(states(&tracks), [(1, TrackState::Lost), (2, TrackState::Tentative)]);
    let mut other = Tracker::new(settings);
    let twice = [of(2, 0.9), of(7, 0.8), of(0, 0.7)].concat();
    assert_eq!(other.step(millis(0), &twice).len(), 2, "car and truck in one place are one, the person is another");
}

#[test]
fn nonsense_is_left_out() {
    let mut tracker = tracker();
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e30];
    let mut detections: Vec<Detection> = odd.iter().map(|x| seen(Rect::new(0.1, 0.1, *x, 0.2))).collect();
    detections.extend(odd.iter().map(|x| seen(Rect::new(*x, 0.1, 0.5, 0.2))));
    detections.push(seen(Rect::new(0.5, 0.5, 0.5, 0.9)));
    detections.push(seen(Rect::new(0.5, 0.5, 0.4, 0.9)));
    detections.push(Detection { score: f32::NAN, ..seen(at(0.5, 0.5)) });
    assert!(tracker.step(millis(0), &detections).is_empty());
}

#[test]
fn thousands_of_detections_make_no_more_than_the_limit() {
    let settings = Settings { max_tracks: 50, max_detections: 100, ..Settings::default() };
    let mut tracker = Tracker::new(settings);
    let mut chance = fastrand::Rng::with_seed(3);
    for i in 0..20 {
        let anywhere = |chance: &mut fastrand::Rng| seen(at(chance.f32(), chance.f32()));
        let detections: Vec<Detection> = (0..5000).map(|_| anywhere(&mut chance)).collect();
        let tracks = tracker.step(millis(100 * i), &detections);
        let alive = tracks.iter().filter(|track| track.state != TrackState::Ended).count();
        assert!(alive <= 50, "{alive}");
    }
}

/// Frames of detections that move, appear and vanish: up to eight objects, each with a step of its own.
fn frames() -> impl Strategy<Value = Vec<Vec<Detection>>> {
    let object = (0.1f32..0.9, 0.1f32..0.9, -0.03f32..0.03, -0.02f32..0.02, 0.03f32..0.2, 0.05f32..0.3, 0u16..3);
    let objects = proptest::collection::vec(object, 0..8);
    let scores = proptest::collection::vec(0.0f32..1.0, 25 * 8);
    (objects, scores).prop_map(|(objects, scores)| {
        let frame = |f: usize| {
            let seen = objects.iter().enumerate().filter(move |(i, _)| !(f * 7 + i * 13).is_multiple_of(11));
            let detection = |(i, &(x, y, vx, vy, w, h, class)): (usize, &_)| {
                let bbox = Rect::from_centre(x + vx * f as f32, y + vy * f as f32, w, h);
                Detection::new(class, scores[f * 8 + i], bbox)
            };
            seen.map(detection).collect()
        };
        (0..25).map(frame).collect()
    })
}

fn history(frames: &[Vec<Detection>], step: u64, change: impl Fn(&Detection) -> Detection) -> Vec<Vec<Track>> {
    let mut tracker = Tracker::new(Settings { confusable: vec![vec![1, 2]], max_tracks: 6, ..Settings::default() });
    let step = |(i, detections): (usize, &Vec<Detection>)| {
        let detections: Vec<Detection> = detections.iter().map(&change).collect();
        tracker.step(millis(step * i as u64), &detections).to_vec()
    };
    frames.iter().enumerate().map(step).collect()
}

proptest! {
    #[test]
    fn numbers_are_unique_lives_are_whole_and_limits_are_kept(frames in frames(), step in 0u64..3000) {
        let mut alive: Vec<TrackId> = Vec::new();
        let mut highest = 0;
        for tracks in history(&frames, step, |d| *d) {
            let mut now: Vec<TrackId> = tracks.iter().map(|track| track.id).collect();
            prop_assert!(now.is_sorted_by(|a, b| a < b), "in the order of their numbers: {now:?}");
            prop_assert!(alive.iter().all(|id| now.contains(id)), "nobody goes without having ended");
            prop_assert!(now.iter().all(|id| alive.contains(id) || *id > highest), "no number comes back");
            highest = now.last().copied().unwrap_or(0).max(highest);
            now.retain(|id| tracks.iter().any(|track| track.id == *id && track.state != TrackState::Ended));
            prop_assert!(now.len() <= 6);
            prop_assert!(tracks.iter().all(|track| track.bbox.is_finite() && track.best_score >= track.score));
            alive = now;
        }
    }

    #[test]
    fn the_order_of_detections_does_not_matter(frames in frames(), seed in 0u64..1000) {
        let mut chance = fastrand::Rng::with_seed(seed);
        let shuffled: Vec<Vec<Detection>> = frames
            .iter()
            .map(|frame| {
                let mut frame = frame.clone();
                chance.shuffle(&mut frame);
                frame
            })
            .collect();
        prop_assert_eq!(history(&frames, 100, |d| *d), history(&shuffled, 100, |d| *d));
    }

    #[test]
    fn a_mirrored_picture_gives_mirrored_tracks(frames in frames()) {
        let mirror = |r: &Rect| Rect::new(1.0 - r.x2, r.y1, 1.0 - r.x1, r.y2);
        let plain = history(&frames, 100, |d| *d);
        let mirrored = history(&frames, 100, |d| Detection { bbox: mirror(&d.bbox), ..*d });
        for (a, b) in plain.iter().flatten().zip(mirrored.iter().flatten()) {
            prop_assert_eq!((a.id, a.state, a.class, a.hits), (b.id, b.state, b.class, b.hits));
            let (expected, found) = (mirror(&a.bbox), b.bbox);
            prop_assert!((expected.x1 - found.x1).abs() < 1e-3 && (expected.y2 - found.y2).abs() < 1e-3);
            prop_assert!((a.velocity.0 + b.velocity.0).abs() < 1e-2 && (a.velocity.1 - b.velocity.1).abs() < 1e-2);
        }
    }
}

/// Waits of any length between frames, none included, and frames that come twice.
#[test]
fn irregular_time_is_survived() {
    let mut tracker = tracker();
    let mut now = 0;
    for (i, wait) in [0, 0, 40, 40, 0, 1000, 3_600_000, 1, 0, 33, u64::MAX / 2_000_000_000].into_iter().enumerate() {
        now += wait;
        let tracks = tracker.step(millis(now), &[seen(at(0.4 + 0.001 * i as f32, 0.5))]);
        assert!(tracks.iter().all(|track| track.bbox.is_finite() && track.velocity.0.is_finite()), "{tracks:?}");
    }
    let back = tracker.step(MediaTime::ZERO + Duration::from_secs(1), &[seen(at(0.41, 0.5))]);
    assert!(back.iter().any(|track| track.last_seen == millis(now)), "time never runs backwards: {back:?}");
}

#[test]
fn a_track_has_the_trunk_of_its_detection_and_none_while_it_is_not_seen() {
    let mut tracker = Tracker::new(Settings::default());
    let trunk = |degrees: f32| Some(Trunk { inclination: degrees, length: 0.1 });
    let told = |tracks: &[Track]| tracks.iter().map(|t| t.trunk.map(|trunk| trunk.inclination)).collect::<Vec<_>>();
    // One is less certain, so that the tracker takes them in another order.
    let both = |scores: [f32; 2], trunks: [Option<Trunk>; 2]| {
        let one = |i: usize| Detection { score: scores[i], trunk: trunks[i], ..seen(at([0.2, 0.8][i], 0.5)) };
        [one(0), one(1)]
    };
    let mut looks = Vec::new();
    for (i, (scores, trunks)) in [
        ([0.9, 0.8], [trunk(10.0), trunk(20.0)]),
        ([0.8, 0.9], [trunk(11.0), trunk(21.0)]),
        ([0.8, 0.9], [None, trunk(22.0)]),
        ([0.8, 0.9], [None, None]),
    ]
    .into_iter()
    .enumerate()
    {
        looks.push(told(tracker.step(millis(100 * i as u64), &both(scores, trunks))));
    }
    let [_, right] = both([0.9, 0.9], [None, trunk(30.0)]);
    looks.push(told(tracker.step(millis(400), &[right])));
    looks.push(told(tracker.hold(millis(500))));
    looks.push(told(tracker.step(millis(600), &both([0.9, 0.9], [None, None]))));
    let expected: [[Option<f32>; 2]; 7] = [
        [Some(10.0), Some(20.0)],
        [Some(11.0), Some(21.0)],
        [None, Some(22.0)],
        [None, None],
        [None, Some(30.0)],
        [None, None],
        [None, None],
    ];
    assert_eq!(looks, expected);
}
