//! What is read is what was written, rounded as it says; what is damaged costs its block; and the folder keeps its bounds.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::clock::{SimulatedClock, SystemClock};
use crate::vocab::{Rect, TrackState, Trunk};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// 2026-11-23T12:00:00Z.
const NOON: i64 = 1_795_435_200_000_000_000;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn head(camera: &str) -> Head {
    let labels = vec!["person".to_owned(), "car".to_owned()];
    Head { camera: id(camera), labels, model: "people".to_owned(), threshold: 0.4, fps: 5.0 }
}

fn settings(folder: &Path) -> Settings {
    Settings { folder: folder.to_owned(), keep: 3 * DAY, quota_bytes: 1 << 30 }
}

fn now() -> i64 {
    // The files of the test have the time of the machine.
    SystemClock::shared().unix_nanos()
}

fn store(folder: &Path) -> Store {
    Store::open(settings(folder), SimulatedClock::at(now())).unwrap()
}

fn wall(at: MediaTime) -> WallTime {
    WallTime::from_unix_nanos(NOON).plus(at.since(MediaTime::ZERO))
}

fn person(id: u64, at: MediaTime, (x, y): (f32, f32)) -> Track {
    Track {
        state: TrackState::Confirmed,
        best_score: 0.83,
        velocity: (0.1, 0.0),
        last_seen: at,
        hits: 7,
        ..Track::new(id, 0, 0.71, Rect::new(x - 0.03, y - 0.2, x + 0.03, y), MediaTime::ZERO)
    }
}

/// Everything that lies there of a camera, and what could not be read.
fn read_all(folder: &Path, camera: &str) -> (Vec<Record>, usize, Losses) {
    let (mut records, mut begins) = (Vec::new(), 0);
    let mut tell = |entry: Entry| match entry {
        Entry::Begin(_) => begins += 1,
        Entry::Record(record) => records.push(record),
        Entry::Lost => {}
    };
    let losses = Archive::open(folder).unwrap().play(&id(camera), None, &mut tell).unwrap();
    (records, begins, losses)
}

fn looks(records: &[Record]) -> Vec<MediaTime> {
    let at = |record: &Record| if let Record::Look { at, .. } = record { Some(*at) } else { None };
    records.iter().filter_map(at).collect()
}

prop_compose! {
    fn any_track()(
        id in prop_oneof![4 => 1u64..6, 1 => any::<u64>()],
        state in 0u8..4,
        class in prop_oneof![4 => 0u16..2, 1 => any::<u16>()],
        score in 0.0f32..1.0,
        best in 0.0f32..1.0,
        edges in prop::array::uniform4(prop_oneof![9 => -0.5f32..1.5, 1 => any::<f32>()]),
        first in 0u64..100_000_000_000,
        last in prop_oneof![2 => Just(None), 1 => (0u64..100_000_000_000).prop_map(Some)],
        hits in any::<u32>(),
        trunk in prop::option::weighted(0.3, (0.0f32..=180.0, 0.0f32..3.0)),
    ) -> (Track, bool) {
        let [x1, y1, x2, y2] = edges;
        let state = [TrackState::Tentative, TrackState::Confirmed, TrackState::Lost, TrackState::Ended][usize::from(state)];
        let first_seen = MediaTime::from_nanos(first);
        let last_seen = MediaTime::from_nanos(last.unwrap_or(0));
        let bbox = Rect::new(x1, y1, x2, y2);
        let trunk = trunk.map(|(inclination, length)| Trunk { inclination, length });
        let begun = Track::new(id, class, score, bbox, first_seen);
        (Track { state, best_score: best, last_seen, hits, trunk, ..begun }, last.is_none())
    }
}

fn any_record() -> impl Strategy<Value = (u64, Record)> {
    let tracks = prop::collection::vec(any_track(), 1..5);
    let at = |step: u64| MediaTime::from_nanos(step);
    prop_oneof![
        8 => (0u64..2_000_000_000, tracks, 0i64..4_000_000_000_000_000_000).prop_map(move |(step, tracks, wall)| {
            let tracks = tracks.into_iter().map(|(track, is_seen)| {
                // Marked here, and set to the time of the look once that is known.
                if is_seen { Track { last_seen: MediaTime::from_nanos(u64::MAX), ..track } } else { track }
            }).collect();
            (step, Record::Look { at: at(step), wall: WallTime::from_unix_nanos(wall), tracks })
        }),
        2 => (0u64..2_000_000_000, any::<i32>()).prop_map(move |(step, wall)| {
            (step, Record::Wait { at: at(step), wall: WallTime::from_unix_nanos(i64::from(wall) * 1_000_000) })
        }),
        1 => (0u64..2_000_000_000).prop_map(move |step| (step, Record::Cut { at: at(step) })),
        1 => (0u64..2_000_000_000).prop_map(move |step| (step, Record::Stop { at: at(step) })),
        1 => (1u32..8000, 1u32..8000).prop_map(|(width, height)| (0, Record::Size { width, height })),
    ]
}

/// The records at the times that their steps come to, as they are kept.
fn timed(steps: Vec<(u64, Record)>) -> Vec<Record> {
    let mut now = MediaTime::ZERO;
    let mut last_size = None;
    let mut records = Vec::new();
    // Before anybody is in sight nothing is kept of time that passes.
    let tracks = vec![person(1, now, (0.5, 0.5))];
    records.push(Record::Look { at: now, wall: wall(now), tracks });
    for (step, record) in steps {
        now = now + Duration::from_nanos(step);
        let floor = |wall: WallTime| WallTime::from_unix_nanos(wall.unix_nanos().div_euclid(1_000_000) * 1_000_000);
        records.push(match record {
            Record::Look { wall, tracks, .. } => {
                let seen = |track: Track| {
                    let is_seen = track.last_seen == MediaTime::from_nanos(u64::MAX);
                    rounded(&Track { last_seen: if is_seen { now } else { track.last_seen }, ..track })
                };
                Record::Look { at: now, wall: floor(wall), tracks: tracks.into_iter().map(seen).collect() }
            }
            Record::Wait { wall, .. } => Record::Wait { at: now, wall: floor(wall) },
            Record::Cut { .. } => Record::Cut { at: now },
            Record::Stop { .. } => Record::Stop { at: now },
            Record::Size { width, height } if last_size == Some((width, height)) => continue,
            Record::Size { width, height } => {
                last_size = Some((width, height));
                Record::Size { width, height }
            }
        });
    }
    records[0] = match &records[0] {
        Record::Look { at, wall, tracks } => {
            Record::Look { at: *at, wall: *wall, tracks: tracks.iter().map(rounded).collect() }
        }
        other => other.clone(),
    };
    records
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut encoder = encode::Encoder::default();
    for record in records {
        match record {
            Record::Size { width, height } => encoder.set_size(*width, *height),
            Record::Look { at, wall, tracks } => encoder.look(*at, *wall, tracks),
            Record::Wait { at, wall } => encoder.wait(*at, *wall),
            Record::Cut { at } => encoder.cut(*at),
            Record::Stop { at } => encoder.stop(*at),
        }
    }
    encoder.take(Vec::new())
}

fn decode(body: &[u8]) -> (Vec<Record>, Result<(), decode::Malformed>) {
    let mut records = Vec::new();
    let result = decode::records(body, &mut |record| records.push(record));
    (records, result)
}

/// Three blocks behind a head.
fn segment() -> Vec<u8> {
    let mut bytes = Vec::new();
    block::write(&mut bytes, block::HEAD, 7, 0, &serde_json::to_vec(&head("door")).unwrap());
    for number in 0..3u32 {
        let look = |i: u64| {
            let at = MediaTime::from_millis(u64::from(number) * 1000 + i * 200);
            Record::Look { at, wall: wall(at), tracks: vec![rounded(&person(1, at, (0.1 * i as f32, 0.5)))] }
        };
        let records: Vec<Record> = (0..4).map(look).collect();
        block::write(&mut bytes, block::TRACKS, 7, number, &encode(&records));
    }
    bytes
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written_rounded(steps in prop::collection::vec(any_record(), 0..60)) {
        let records = timed(steps);
        let (read, result) = decode(&encode(&records));
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(read, records);
    }

    #[test]
    fn rounding_is_small_and_once_is_enough(track in any_track()) {
        let (track, _) = track;
        let kept = rounded(&track);
        prop_assert_eq!(&rounded(&kept), &kept);
        prop_assert!((kept.score - track.score).abs() <= 0.00051);
        if let (Some(kept), Some(trunk)) = (kept.trunk, track.trunk) {
            prop_assert!((kept.inclination - trunk.inclination).abs() <= 0.5);
            prop_assert!((kept.length - trunk.length).abs() <= 0.00051);
        }
        for (kept, edge) in <[f32; 4]>::from(kept.bbox).into_iter().zip(<[f32; 4]>::from(track.bbox)) {
            if edge.abs() <= 2.0 {
                prop_assert!((kept - edge).abs() <= 0.5 / 16384.0, "{kept} for {edge}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        block::read(&bytes, &mut |_| {});
    }

    #[test]
    fn a_torn_segment_gives_the_blocks_before(cut in 0usize..2000) {
        let whole = segment();
        let cut = cut % (whole.len() + 1);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        prop_assert_eq!(block::read(&whole, &mut |block| before.push(block)), 0);
        let damaged = block::read(&whole[..cut], &mut |block| after.push(block));
        prop_assert_eq!(&before[..after.len()], &after[..]);
        let is_at_an_end = { let mut length = 0; before.iter().any(|b| { length += 24 + b.body.len(); length == cut }) || cut == 0 };
        prop_assert_eq!(damaged, u64::from(!is_at_an_end));
    }

    #[test]
    fn a_flipped_byte_costs_its_block_and_is_counted(place in 0usize..2000, flip in 1u8..) {
        let whole = segment();
        let mut damaged = whole.clone();
        let place = place % whole.len();
        damaged[place] ^= flip;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        block::read(&whole, &mut |block| before.push(block));
        prop_assert!(block::read(&damaged, &mut |block| after.push(block)) >= 1);
        prop_assert_eq!(after.len(), before.len() - 1);
        prop_assert!(after.iter().all(|block| before.contains(block)), "nothing is read that was not written");
    }
}

#[test]
fn a_folder_gives_back_what_was_kept_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let times = |from: u64| (from..from + 900).map(|i| MediaTime::from_millis(i * 200));
    for run in 0..2u64 {
        let store = store(folder.path());
        let mut log = store.log(head("door")).unwrap();
        for at in times(0) {
            let x = (at.as_millis() % 10_000) as f32 / 10_000.0;
            let tracks = [person(run * 10 + 1, at, (x, 0.5))];
            assert_eq!(log.look(at, wall(at), (1920, 1080), &tracks), [rounded(&tracks[0])]);
        }
        log.stop(MediaTime::from_millis(900 * 200));
        store.flush();
        assert_eq!(store.health().lost, 0);
    }
    let (records, begins, losses) = read_all(folder.path(), "door");
    assert_eq!((begins, losses), (2, Losses::default()));
    assert_eq!(looks(&records), times(0).chain(times(0)).collect::<Vec<_>>());
    assert_eq!(records.iter().filter(|record| matches!(record, Record::Stop { .. })).count(), 2);
    let first = records.first().unwrap();
    assert_eq!(*first, Record::Size { width: 1920, height: 1080 });
}

#[test]
fn while_nobody_is_in_sight_looks_are_rare_and_time_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut log = store.log(head("door")).unwrap();
    let at = |i: u64| MediaTime::from_millis(i * 200);
    log.look(at(0), wall(at(0)), (640, 480), &[person(1, at(0), (0.5, 0.5))]);
    for i in 1..5 * 3600 {
        log.look(at(i), wall(at(i)), (640, 480), &[]);
    }
    for i in 5 * 3600..10 * 3600 {
        log.wait(at(i), wall(at(i)));
    }
    log.stop(at(36_000));
    store.flush();
    let (records, _, _) = read_all(folder.path(), "door");
    let (first, rest): (Vec<_>, Vec<_>) =
        looks(&records).into_iter().partition(|at| at.since(MediaTime::ZERO) <= QUIET);
    assert_eq!(first.len(), 451, "until it is quiet, every look is kept");
    assert!(rest.windows(2).all(|pair| pair[1].since(pair[0]) == SPARSE), "{rest:?}");
    assert_eq!(records.iter().filter(|record| matches!(record, Record::Wait { .. })).count(), 0);
    assert_eq!(records.last(), Some(&Record::Stop { at: at(36_000) }), "how much time has passed is known");
}

#[test]
fn a_track_hour_takes_little() {
    let mut encoder = encode::Encoder::default();
    let mut noise = fastrand::Rng::with_seed(7);
    let (mut bytes, mut steps) = (0, 0u32);
    for i in 0..5 * 3600u64 {
        // Somebody walks to and fro, his box as steady as a tracker makes it.
        let at = MediaTime::from_nanos(i * 200_000_000 + noise.u64(..4_000_000));
        let x = 0.5 + 0.4 * (i as f32 / 50.0).sin() + 0.001 * noise.f32();
        let track =
            Track { score: 0.6 + 0.2 * noise.f32(), hits: i as u32, ..person(1, at, (x, 0.5 + 0.001 * noise.f32())) };
        encoder.look(at, wall(at), &[rounded(&track)]);
        steps += 1;
        if encoder.bytes() > 12 << 10 {
            bytes += encoder.take(Vec::new()).len();
        }
    }
    bytes += encoder.take(Vec::new()).len();
    println!(
        "{bytes} bytes for an hour of one track at 5 looks a second: {:.1} a look",
        bytes as f64 / f64::from(steps)
    );
    assert!(bytes < 400_000, "{bytes}");
}

#[test]
fn the_oldest_make_room_and_what_is_too_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::at(now());
    let small = Settings { quota_bytes: 40_000, ..settings(folder.path()) };
    let store = Store::open(small.clone(), clock.clone()).unwrap();
    for run in 0..12u64 {
        let mut log = store.log(head(if run % 2 == 0 { "door" } else { "yard" })).unwrap();
        for i in 0..500 {
            let at = MediaTime::from_millis(i * 200);
            log.look(at, wall(at), (640, 480), &[person(run, at, (i as f32 / 500.0, 0.5))]);
        }
        drop(log);
        store.flush();
        clock.advance(Duration::from_secs(60));
    }
    let bytes = |camera: &str| -> u64 {
        let files = std::fs::read_dir(folder.path().join(camera)).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let all = bytes("door") + bytes("yard");
    assert!((20_000..=40_000).contains(&all), "{all} bytes");
    assert_eq!(store.health().bytes, all);
    let (records, _, _) = read_all(folder.path(), "yard");
    let last = records.iter().rev().find_map(|record| match record {
        Record::Look { tracks, .. } => tracks.first().map(|track| track.id),
        _ => None,
    });
    assert_eq!(last, Some(11), "the newest are there");
    drop(store);
    let later = SimulatedClock::at(now() + i64::try_from((4 * DAY).as_nanos()).unwrap());
    let store = Store::open(small, later).unwrap();
    assert_eq!((bytes("door") + bytes("yard"), store.health().bytes), (0, 0));
}

#[test]
fn a_damaged_block_is_missed_by_its_number_and_a_damaged_head_by_its_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("door")).unwrap();
    let file = folder.path().join("door/00000001.tracks");
    let whole = segment();
    let blocks: Vec<usize> =
        whole.windows(4).enumerate().filter(|(_, m)| *m == block::TRACKS).map(|(i, _)| i).collect();
    assert_eq!(blocks.len(), 3);
    let with_flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x40;
        std::fs::write(&file, bytes).unwrap();
        let (records, _, losses) = read_all(folder.path(), "door");
        (looks(&records).len(), losses)
    };
    assert_eq!(with_flipped(blocks[1] + 30), (8, Losses { damaged: 1, missing: 1, useless: 0 }));
    assert_eq!(with_flipped(30), (0, Losses { damaged: 1, missing: 0, useless: 3 }));
}
