//! Clips of every kind go through `decode`: all pictures, in order, at their times; damage is counted and ends nothing.

use std::path::Path;
use std::time::Duration;

use vedette::decode::{Clip, Codec, Counts, DecodeError, Pace, Settings, Source, capabilities};
use vedette::vocab::{Frame, PixelFormat};

use crate::support::{clips, data};

/// How often each of several threads opens a clip at once: among some thousand, two used to hang.
const OPENED: usize = 200;

/// What became of a clip.
struct Played {
    frames: Vec<Frame>,
    error: Option<DecodeError>,
    counts: Counts,
    clip: Clip,
}

fn open(path: &Path) -> Result<Clip, DecodeError> {
    Clip::open(&Source::file(path), &Settings::default(), Pace::Max)
}

/// Plays a clip to its end, keeping at most the first and last pictures.
fn play(path: &Path) -> Played {
    play_with(path, &Settings::default())
}

fn play_with(path: &Path, settings: &Settings) -> Played {
    let mut clip = Clip::open(&Source::file(path), settings, Pace::Max).unwrap();
    let mut played = Vec::<Frame>::new();
    let mut error = None;
    for item in &mut clip {
        match item {
            Ok(frame) => {
                let earlier = played.last().map(|f| f.pts);
                assert!(earlier.is_none_or(|pts| pts < frame.pts), "{frame:?} after {earlier:?}");
                assert_eq!(frame.seq, played.len() as u64);
                assert_whole(&frame);
                played.push(without_bytes(&frame));
            }
            Err(e) => error = Some(e),
        }
    }
    assert!(clip.next().is_none(), "a clip that has ended stays so");
    Played { frames: played, error, counts: clip.counts(), clip }
}

/// What describes a frame, without the decoder's buffer: a clip's worth of those would exhaust the memory.
fn without_bytes(frame: &Frame) -> Frame {
    let mut copy = Frame::from_i420(2, 2, vec![0; 6]).unwrap();
    (copy.seq, copy.pts, copy.keyframe) = (frame.seq, frame.pts, frame.keyframe);
    (copy.width, copy.height, copy.format) = (frame.width, frame.height, frame.format);
    (copy.full_range, copy.bt709) = (frame.full_range, frame.bt709);
    copy
}

/// Every plane has all its rows.
fn assert_whole(frame: &Frame) {
    let (w, h) = (frame.width as usize, frame.height as usize);
    let (planes, chroma_row) = match frame.format {
        PixelFormat::I420 => (3, w.div_ceil(2)),
        PixelFormat::Nv12 => (2, w.div_ceil(2) * 2),
    };
    for index in 0..planes {
        let (row, rows) = if index == 0 { (w, h) } else { (chroma_row, h.div_ceil(2)) };
        let plane = frame.plane(index);
        assert!(
            plane.stride >= row && plane.data.len() >= plane.stride * (rows - 1) + row,
            "plane {index} of {frame:?}"
        );
    }
}

#[test]
fn the_real_clips_give_every_picture() {
    let expected = [
        ("one-by-one-person-detection.mp4", 1394),
        ("car-detection.mp4", 377),
        ("bottle-detection.mp4", 1189),
        ("doorcam_person.mkv", 60),
    ];
    for (name, frames) in expected {
        let Some(path) = data::find(&format!("video/{name}")) else { return };
        let played = play(&path);
        assert_eq!((played.frames.len(), played.error), (frames, None), "{name}");
        assert_eq!((played.counts.corrupt, played.counts.delivered), (0, frames as u64), "{name}");
        assert!(played.frames[0].keyframe, "{name}");
    }
}

#[test]
fn clips_of_every_kind_play() {
    let folder = tempfile::tempdir().unwrap();
    let hd = "format=I420,width=1920,height=1080,framerate=25/1";
    let small = "format=I420,width=320,height=240,framerate=25/1";
    let kinds: &[(&str, &str, &str, Codec)] = &[
        ("hevc.mkv", hd, "x265enc speed-preset=ultrafast key-int-max=10 ! h265parse ! matroskamux", Codec::H265),
        ("mpeg4.avi", small, "avenc_mpeg4 ! avimux", Codec::Mpeg4),
        ("mjpeg.avi", small, "jpegenc ! avimux", Codec::Jpeg),
        ("bframes.mp4", small, "x264enc bframes=3 b-adapt=false key-int-max=20 ! h264parse ! mp4mux", Codec::H264),
        ("stream.ts", small, "x264enc tune=zerolatency ! h264parse ! mpegtsmux", Codec::H264),
        ("bare.h264", small, "x264enc tune=zerolatency ! video/x-h264,stream-format=byte-stream", Codec::H264),
        ("vp8.webm", small, "vp8enc deadline=1 ! webmmux", Codec::Vp8),
        ("odd.mp4", "format=I420,width=641,height=361,framerate=25/1", "jpegenc ! qtmux", Codec::Jpeg),
    ];
    for (name, caps, encoder, codec) in kinds {
        let path = clips::make(folder.path(), name, 30, caps, encoder);
        let played = play(&path);
        assert_eq!((played.frames.len(), &played.error), (30, &None), "{name}");
        assert_eq!(played.counts.corrupt, 0, "{name}");
        assert_eq!(played.clip.info().codec.as_ref(), Some(codec), "{name}");
        // A bare stream has no timestamps, by which keyframes are known.
        if *name != "bare.h264" {
            assert!(played.frames[0].keyframe, "{name}");
            assert_eq!(played.frames[25].pts.since(played.frames[0].pts).as_millis(), 1000, "{name}");
        }
    }
}

#[test]
fn four_two_two_and_ten_bit_pictures_are_converted_and_odd_sizes_kept() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [
        ("422.mkv", "format=Y42B,width=642,height=362,framerate=10/1", "x264enc ! h264parse ! matroskamux"),
        ("10bit.mkv", "format=I420_10LE,width=642,height=362,framerate=10/1", "x264enc ! h264parse ! matroskamux"),
        ("444.mkv", "format=Y444,width=641,height=361,framerate=10/1", "x264enc ! h264parse ! matroskamux"),
        ("odd.mkv", "format=I420,width=641,height=361,framerate=10/1", "avenc_mpeg4 ! matroskamux"),
        ("422.avi", "format=Y42B,width=641,height=361,framerate=10/1", "jpegenc ! avimux"),
    ];
    for (name, caps, encoder) in kinds {
        let path = clips::make(folder.path(), name, 12, caps, encoder);
        let played = play(&path);
        assert_eq!((played.frames.len(), &played.error), (12, &None), "{name}");
        let frame = &played.frames[0];
        let odd = caps.contains("641");
        assert_eq!((frame.width, frame.height), if odd { (641, 361) } else { (642, 362) }, "{name}");
        assert_eq!(frame.full_range, name.ends_with("avi"), "JPEG alone is full range: {name}");
    }
}

#[test]
fn the_pictures_are_the_ones_that_were_encoded() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder) in [("a.mkv", "x264enc ! h264parse ! matroskamux"), ("a.avi", "jpegenc quality=95 ! avimux")] {
        let path = folder.path().join(name);
        let source =
            "videotestsrc num-buffers=3 pattern=smpte ! video/x-raw,format=I420,width=322,height=180,framerate=5/1";
        clips::launch(&format!("{source} ! {encoder} ! filesink location={}", path.display()));
        let frame = open(&path).unwrap().next().unwrap().unwrap();
        let luma = frame.luma();
        // The upper bars of the test card, left to right: each is darker than the one before it.
        let bars: Vec<u8> = (0..7).map(|bar| luma.data[60 * luma.stride + 23 + 46 * bar]).collect();
        assert!(bars.windows(2).all(|pair| pair[0] > pair[1] + 8), "{name}: {bars:?}");
    }
}

#[test]
fn a_variable_frame_rate_keeps_its_timestamps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vfr.mkv");
    // Pictures a tenth of a second apart, of which about every second one is dropped.
    clips::launch(&format!(
        "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! identity drop-probability=0.5 \
         ! x264enc tune=zerolatency ! h264parse ! matroskamux ! filesink location={}",
        path.display()
    ));
    let played = play(&path);
    let count = played.frames.len();
    assert!((2..20).contains(&count), "{count} pictures");
    let steps: Vec<u128> = played.frames.windows(2).map(|w| w[1].pts.since(w[0].pts).as_millis()).collect();
    assert!(steps.iter().all(|step| step.is_multiple_of(100)), "{steps:?}");
    assert!(steps.iter().any(|&step| step > 100), "{steps:?}");
}

#[test]
fn clips_that_are_opened_and_left_side_by_side_never_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=64,height=64,framerate=10/1";
    let clips = [("a.mkv", "matroskamux"), ("a.mp4", "mp4mux"), ("a.ts", "mpegtsmux")].map(|(name, mux)| {
        clips::make(folder.path(), name, 3, caps, &format!("x264enc tune=zerolatency ! h264parse ! {mux}"))
    });
    let (done, finished) = std::sync::mpsc::channel();
    for worker in 0..12 {
        let (path, done) = (clips[worker % clips.len()].clone(), done.clone());
        std::thread::spawn(move || {
            let opened = (0..OPENED).all(|_| open(&path).is_ok());
            done.send((path, opened))
        });
    }
    for _ in 0..12 {
        let (path, opened) =
            finished.recv_timeout(Duration::from_secs(100)).expect("a clip is neither opened nor refused");
        assert!(opened, "{}", path.display());
    }
}

#[test]
fn audio_beside_the_video_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, audio, mux) in [
        ("sound.mp4", "avenc_aac", "mp4mux name=m"),
        ("sound.mkv", "flacenc", "matroskamux name=m"),
        ("sound.ts", "avenc_aac ! aacparse", "mpegtsmux name=m"),
    ] {
        let path = folder.path().join(name);
        clips::launch(&format!(
            "{mux} ! filesink location={} videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
             ! x264enc tune=zerolatency ! h264parse ! m. audiotestsrc num-buffers=87 ! audio/x-raw,rate=44100 \
             ! audioconvert ! {audio} ! m.",
            path.display()
        ));
        let played = play(&path);
        assert_eq!((played.frames.len(), &played.error), (50, &None), "{name}");
    }
}

#[test]
fn a_file_without_video_or_that_is_no_video_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.mka");
    clips::launch(&format!(
        "audiotestsrc num-buffers=20 ! flacenc ! matroskamux ! filesink location={}",
        sound.display()
    ));
    let text = folder.path().join("notes.mp4");
    std::fs::write(&text, "This is not a video.\n".repeat(200)).unwrap();
    let empty = folder.path().join("empty.mp4");
    std::fs::write(&empty, "").unwrap();
    let noise = folder.path().join("noise.mp4");
    let mut random = fastrand::Rng::with_seed(3);
    std::fs::write(&noise, (0..100_000).map(|_| random.u8(..)).collect::<Vec<u8>>()).unwrap();

    let fault = |path: &Path| open(path).err().map(|e| e.to_string()).unwrap();
    assert!(fault(&sound).contains("holds no video"), "{}", fault(&sound));
    assert!(fault(&text).contains("text/plain"), "{}", fault(&text));
    assert!(matches!(open(&folder.path().join("none.mp4")), Err(DecodeError::NotFound { .. })));
    assert!(fault(folder.path()).contains("folder"));
    for path in [&empty, &noise] {
        assert!(!fault(path).is_empty());
    }
}

#[test]
fn a_truncated_clip_ends_with_a_counted_error() {
    let folder = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=320,height=240,framerate=25/1";
    for (name, encoder) in [
        ("a.mp4", "x264enc ! h264parse ! mp4mux faststart=true"),
        ("a.mkv", "x264enc ! h264parse ! matroskamux"),
        ("a.avi", "avenc_mpeg4 ! avimux"),
    ] {
        let path = clips::make(folder.path(), name, 250, caps, encoder);
        assert_eq!(play(&path).frames.len(), 250, "{name}");
        let played = play(&clips::truncated(&path, 0.6));
        assert!((50..250).contains(&played.frames.len()), "{name}: {} pictures", played.frames.len());
        assert!(played.error.is_some() && played.counts.corrupt >= 1, "{name}: {:?} {:?}", played.error, played.counts);
    }
    // Without the index at its end, this one holds nothing.
    let path = clips::make(folder.path(), "late.mp4", 250, caps, "x264enc ! h264parse ! mp4mux");
    assert!(open(&clips::truncated(&path, 0.6)).is_err());
}

#[test]
fn flipped_bits_are_counted_and_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=640,height=360,framerate=25/1";
    for (name, encoder) in [
        ("a.mkv", "x264enc ! h264parse ! matroskamux"),
        ("b.mkv", "x265enc speed-preset=ultrafast ! h265parse ! matroskamux"),
        ("a.mp4", "x264enc key-int-max=25 ! h264parse ! mp4mux faststart=true"),
        ("a.avi", "avenc_mpeg4 ! avimux"),
        ("b.avi", "jpegenc ! avimux"),
    ] {
        let path = clips::make(folder.path(), name, 100, caps, encoder);
        let flipped = clips::bit_flipped(&path, 6000, 1500);
        let twice: Vec<_> = (0..2)
            .map(|_| match open(&flipped) {
                Err(e) => (0, 1, Some(e)),
                Ok(_) => {
                    let played = play_loosely(&flipped);
                    (played.0, played.1, played.2)
                }
            })
            .collect();
        println!("{name}: {:?}", twice[0]);
        assert!(twice[0].1 >= 1, "{name}: damage must be counted: {:?}", twice[0]);
        assert_eq!(twice[0], twice[1], "{name}: the same bytes must give the same result");
    }
}

#[test]
fn no_damage_anywhere_in_a_file_crashes_or_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=160,height=120,framerate=25/1";
    let mut outcomes = [0, 0, 0];
    for (name, encoder) in [
        ("a.mp4", "x264enc bframes=2 ! h264parse ! mp4mux"),
        ("a.mkv", "x265enc speed-preset=ultrafast ! h265parse ! matroskamux"),
        ("a.avi", "avenc_mpeg4 ! avimux"),
        ("a.ts", "x264enc ! h264parse ! mpegtsmux"),
    ] {
        let path = clips::make(folder.path(), name, 25, caps, encoder);
        let bytes = std::fs::read(&path).unwrap();
        for seed in 0..12 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut damaged = bytes.clone();
            for _ in 0..1 + seed * 4 {
                let at = random.usize(..damaged.len());
                damaged[at] = random.u8(..);
            }
            std::fs::write(&path, damaged).unwrap();
            match open(&path) {
                Err(_) => outcomes[0] += 1,
                Ok(_) if play_loosely(&path).2.is_some() => outcomes[1] += 1,
                Ok(_) => outcomes[2] += 1,
            }
        }
    }
    println!("refused, ended early, played: {outcomes:?}");
    assert_eq!(outcomes.iter().sum::<i32>(), 48);
}

/// Pictures, damage and the last error of a clip whose timestamps may be damaged too.
fn play_loosely(path: &Path) -> (usize, u64, Option<DecodeError>) {
    let mut clip = open(path).unwrap();
    let (mut frames, mut error) = (0, None);
    for item in &mut clip {
        match item {
            Ok(frame) => {
                assert_whole(&frame);
                frames += 1;
            }
            Err(e) => error = Some(e),
        }
    }
    (frames, clip.counts().corrupt, error)
}

#[test]
fn a_lower_rate_takes_the_same_pictures_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = clips::make(
        folder.path(),
        "a.mkv",
        100,
        "format=I420,width=320,height=240,framerate=25/1",
        "x264enc ! h264parse ! matroskamux",
    );
    let settings = Settings { max_fps: Some(5.0), ..Settings::default() };
    let times = || play_with(&path, &settings).frames.iter().map(|f| f.pts.as_millis()).collect::<Vec<_>>();
    let first = times();
    assert_eq!(first.len(), 20);
    assert_eq!(first, times());
    assert!(first.windows(2).all(|w| w[1] - w[0] == 200), "{first:?}");
}

#[test]
fn frames_outlive_the_clip_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = clips::make(
        folder.path(),
        "a.mkv",
        10,
        "format=I420,width=320,height=240,framerate=25/1",
        "x264enc ! h264parse ! matroskamux",
    );
    let mut clip = open(&path).unwrap();
    let kept: Vec<Frame> = clip.by_ref().take(3).map(Result::unwrap).collect();
    drop(clip);
    kept.iter().for_each(assert_whole);
    assert!(kept.iter().any(|frame| frame.luma().data.iter().any(|&v| v > 100)));
}

#[test]
fn a_named_decoder_is_used_and_a_missing_one_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = clips::make(
        folder.path(),
        "a.mkv",
        10,
        "format=I420,width=320,height=240,framerate=25/1",
        "x264enc ! h264parse ! matroskamux",
    );
    let named =
        |name: &str| Settings { decoder: vedette::decode::DecoderChoice::Named(name.into()), ..Settings::default() };
    let played = play_with(&path, &named("openh264dec"));
    assert_eq!(played.clip.info().decoder.as_deref(), Some("openh264dec"));
    assert_eq!(played.frames.len(), 10);
    let Err(error) = Clip::open(&Source::file(&path), &named("nosuchdec"), Pace::Max) else {
        panic!("it must not open")
    };
    assert!(error.to_string().contains("nosuchdec is not installed"), "{error}");
}

#[test]
fn real_pace_takes_the_time_of_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let path = clips::make(
        folder.path(),
        "a.mkv",
        26,
        "format=I420,width=320,height=240,framerate=25/1",
        "x264enc ! h264parse ! matroskamux",
    );
    let clock = vedette::base::clock::SystemClock::shared();
    let start = clock.mono();
    let clip = Clip::open(&Source::file(&path), &Settings::default(), Pace::Real).unwrap();
    assert_eq!(clip.filter(|item| item.is_ok()).count(), 26);
    // Only a lower limit: a busy machine may take longer.
    assert!(clock.mono() - start >= Duration::from_millis(950));
}

#[test]
fn the_machine_reports_what_it_can_decode() {
    let found = capabilities().unwrap();
    let h264 = found.iter().find(|c| c.codec == Codec::H264).unwrap();
    assert!(h264.over_rtp && !h264.decoders.is_empty());
}

/// Run by hand: `cargo test --test it measure_decoding -- --ignored --nocapture`, beside
/// `time gst-launch-1.0 filesrc location=CLIP ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! fakesink`.
#[test]
#[ignore = "measures, asserts nothing"]
fn measure_decoding() {
    let Some(path) = data::find("video/one-by-one-person-detection.mp4") else { return };
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    for round in 0..4 {
        let before = cpu();
        let (mut frames, mut sum) = (0u32, 0u64);
        for frame in open(&path).unwrap() {
            let frame = frame.unwrap();
            sum += frame.luma().stride as u64;
            frames += 1;
        }
        let after = cpu();
        let spent = (after.tv_sec - before.tv_sec) as f64 * 1e3 + (after.tv_nsec - before.tv_nsec) as f64 / 1e6;
        println!(
            "round {round}: {frames} pictures, {spent:.0} ms CPU, {:.3} ms each ({sum})",
            spent / f64::from(frames)
        );
    }
}
