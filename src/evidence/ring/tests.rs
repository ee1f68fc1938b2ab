//! The ring: what is found, what is read, and the bounds that hold whatever a camera sends.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::vocab::{VideoCodec, WallTime};

const FRAME_MS: u64 = 40;

fn encoding(width: u32) -> Arc<Encoding> {
    Arc::new(Encoding { codec: VideoCodec::H264, description: "video/x-h264".into(), size: (width, 360) })
}

fn ms(millis: u64) -> MediaTime {
    MediaTime::from_millis(millis)
}

/// Packet `n` of a stream with a keyframe every `gop` packets.
fn packet(n: u64, gop: u64, bytes: usize) -> Packet {
    Packet {
        data: Bytes::from(vec![0; bytes]),
        pts: ms(n * FRAME_MS),
        keyframe: n.is_multiple_of(gop),
        captured: WallTime::from_unix_nanos(1_000_000_000 + (n * FRAME_MS * 1_000_000) as i64),
    }
}

/// A ring that took `packets` of a stream whose media clock is a minute ahead of its own.
fn filled(limits: RingLimits, packets: std::ops::Range<u64>, gop: u64) -> Ring {
    let mut ring = Ring::new(limits);
    ring.begin(encoding(640));
    for n in packets {
        ring.push(packet(n, gop, 1000));
        ring.anchor(ms(n * FRAME_MS), ms(60_000 + n * FRAME_MS));
    }
    ring
}

fn times(reading: &Reading) -> Vec<u64> {
    reading.packets.iter().map(|packet| packet.pts.as_millis()).collect()
}

#[test]
fn a_clip_begins_at_the_last_keyframe_before_what_is_asked_for() {
    let ring = filled(RingLimits::default(), 0..100, 25);
    let mut cursor = ring.find(ms(62_500), ms(63_500)).unwrap();
    assert_eq!((cursor.begins, cursor.lacks), (ms(62_000), Duration::ZERO));
    let reading = ring.read(&mut cursor, ms(63_500));
    assert_eq!((reading.state, reading.reached), (ReadState::Reached, ms(63_480)));
    assert_eq!((times(&reading).first(), times(&reading).len()), (Some(&2000), 38));
    assert!(reading.packets[0].keyframe);
}

#[test]
fn whole_groups_are_read_while_the_stream_goes_on() {
    let mut ring = filled(RingLimits::default(), 0..60, 25);
    let mut cursor = ring.find(ms(60_000), ms(70_000)).unwrap();
    let reading = ring.read(&mut cursor, ms(70_000));
    assert_eq!((reading.packets.len(), reading.state), (50, ReadState::More));
    assert_eq!(ring.read(&mut cursor, ms(70_000)).packets.len(), 0, "the third group is not whole");
    (60..80).for_each(|n| ring.push(packet(n, 25, 1000)));
    assert_eq!(times(&ring.read(&mut cursor, ms(70_000))).len(), 25);
    let rest = ring.read_rest(&mut cursor, ms(70_000));
    assert_eq!((rest.packets.len(), rest.state), (5, ReadState::Ended));
    assert_eq!(rest.reached, ms(60_000 + 79 * FRAME_MS));
}

#[test]
fn what_is_no_longer_there_is_told() {
    let limits = RingLimits { bytes: 60_000, ..RingLimits::default() };
    let mut ring = filled(limits, 0..200, 25);
    assert!(ring.bytes() <= 60_000);
    let cursor = ring.find(ms(60_000), ms(68_000)).unwrap();
    assert_eq!((cursor.begins, cursor.lacks), (ms(66_000), Duration::from_secs(6)));
    assert_eq!(ring.find(ms(60_000), ms(61_000)), Err(RingError::Gone));
    let mut slow = cursor;
    (200..300).for_each(|n| ring.push(packet(n, 25, 1000)));
    assert_eq!(ring.read(&mut slow, ms(70_000)).state, ReadState::Overrun);
}

#[test]
fn another_encoding_another_connection_and_a_jump_of_the_clock_end_what_is_read() {
    let ends = |change: &dyn Fn(&mut Ring)| {
        let mut ring = filled(RingLimits::default(), 0..100, 25);
        let mut cursor = ring.find(ms(61_000), ms(70_000)).unwrap();
        change(&mut ring);
        let reading = ring.read(&mut cursor, ms(70_000));
        assert_eq!((times(&reading).last(), reading.state), (Some(&(99 * FRAME_MS)), ReadState::Ended));
        // Nor does it go on once the rest of what was before is gone.
        ring.runs.pop_front();
        assert_eq!(ring.read(&mut cursor, ms(70_000)).state, ReadState::Ended);
    };
    ends(&|ring| {
        ring.begin(encoding(1920));
        ring.push(packet(100, 25, 1000));
    });
    ends(&|ring| ring.push(packet(0, 25, 1000)));
    ends(&|ring| ring.push(packet(500, 25, 1000)));
}

#[test]
fn after_a_new_connection_moments_before_and_behind_it_are_found() {
    let mut ring = filled(RingLimits::default(), 0..50, 25);
    ring.begin(encoding(1920));
    (0..50).for_each(|n| ring.push(packet(n, 25, 1000)));
    // No picture of the new stream was decoded: nothing can have been told of it.
    assert_eq!(ring.find(ms(61_500), ms(69_000)).unwrap().begins, ms(61_000));
    ring.anchor(ms(0), ms(70_000));
    assert_eq!(ring.find(ms(61_500), ms(69_000)).unwrap().encoding, encoding(640));
    let behind = ring.find(ms(71_500), ms(79_000)).unwrap();
    assert_eq!((behind.begins, behind.encoding.clone()), (ms(71_000), encoding(1920)));
    // Between them there was nothing.
    let between = ring.find(ms(65_000), ms(72_000)).unwrap();
    assert_eq!((between.begins, between.lacks), (ms(70_000), Duration::from_secs(5)));
    assert_eq!(ring.find(ms(65_000), ms(66_000)), Err(RingError::Gone));
}

#[test]
fn what_cannot_be_decoded_is_not_kept() {
    let mut ring = Ring::new(RingLimits { bytes: 20_000, ..RingLimits::default() });
    ring.push(packet(0, 25, 1000));
    assert_eq!(ring.bytes(), 0, "no stream has begun");
    ring.begin(encoding(640));
    (3..25).for_each(|n| ring.push(packet(n, 25, 1000)));
    assert_eq!((ring.bytes(), ring.find(ms(0), ms(9000))), (0, Err(RingError::Empty)));
    // A group larger than the ring goes as a whole, and the next one begins anew.
    (25..49).for_each(|n| ring.push(packet(n, 25, 1000)));
    assert_eq!((ring.bytes(), ring.find(ms(0), ms(9000))), (0, Err(RingError::TooSmall)));
    ring.push(packet(50, 25, 1000));
    assert_eq!(ring.bytes(), 1000);
}

#[test]
fn a_moment_on_the_wall_clock_is_found() {
    let ring = filled(RingLimits::default(), 0..100, 25);
    assert_eq!(ring.media_at(WallTime::from_unix_nanos(3_000_000_000)), Some(ms(62_000)));
    // Before the first and behind the last it is counted from those.
    assert_eq!(ring.media_at(WallTime::from_unix_nanos(0)), Some(ms(59_000)));
    assert_eq!(ring.media_at(WallTime::from_unix_nanos(11_000_000_000)), Some(ms(70_000)));
    assert!(ring.reaches(WallTime::from_unix_nanos(1_000_000_000)));
    assert!(!ring.reaches(WallTime::from_unix_nanos(999_999_999)));
    assert_eq!(Ring::new(RingLimits::default()).media_at(WallTime::default()), None);
}

#[test]
fn no_more_than_the_span_is_kept() {
    let limits = RingLimits { bytes: usize::MAX, span: Duration::from_secs(10) };
    let ring = filled(limits, 0..1000, 25);
    let oldest = ring.find(ms(0), ms(999_999)).unwrap();
    let newest = ms(60_000 + 999 * FRAME_MS);
    let kept = newest.since(oldest.begins);
    assert!(kept >= Duration::from_secs(10) && kept < Duration::from_secs(11), "{kept:?}");
}

proptest! {
    #[test]
    fn the_bounds_hold_and_what_is_kept_begins_with_a_keyframe(
        limit in 5_000usize..60_000, span in 1u64..20,
        stream in prop::collection::vec((1usize..9_000, prop::bool::weighted(0.1), 0u8..60), 1..300),
    ) {
        let mut ring = Ring::new(RingLimits { bytes: limit, span: Duration::from_secs(span) });
        ring.begin(encoding(640));
        let (mut time, mut media) = (0, 10_000);
        for (bytes, keyframe, chance) in stream {
            match chance {
                0 => ring.begin(encoding(1920)),
                1 => time = 0,
                2 => time += 7_000,
                _ => {}
            }
            time += FRAME_MS;
            media += FRAME_MS;
            let captured = WallTime::default();
            ring.push(Packet { data: Bytes::from(vec![0; bytes]), pts: ms(time), keyframe, captured });
            ring.anchor(ms(time), ms(media));
            prop_assert!(ring.bytes() <= limit);
            let counted: usize = ring.runs.iter().flat_map(|run| run.packets.iter().map(|p| p.data.len())).sum();
            prop_assert_eq!(ring.bytes(), counted);
            for run in &ring.runs {
                prop_assert!(run.packets.front().is_none_or(|first| first.keyframe));
            }
            prop_assert_eq!(ring.runs.back().unwrap().end(), ring.taken());
        }
    }

    #[test]
    fn a_reader_that_keeps_up_sees_every_packet_once(gop in 1u64..40, step in 1u64..30) {
        let mut ring = filled(RingLimits::default(), 0..1, gop);
        let mut cursor = ring.find(ms(60_000), ms(99_000)).unwrap();
        let mut seen = Vec::new();
        for n in 1..300 {
            ring.push(packet(n, gop, 1000));
            if n.is_multiple_of(step) {
                seen.extend(times(&ring.read(&mut cursor, ms(99_000))));
            }
        }
        seen.extend(times(&ring.read_rest(&mut cursor, ms(99_000))));
        prop_assert_eq!(seen, (0..300).map(|n| n * FRAME_MS).collect::<Vec<_>>());
    }
}
