//! Decoders in processes of their own: real ones, which are these tests again, and other ends that lie.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use super::super::feed::{Feed, Outcome, lock};
use super::super::gate::Gate;
use super::super::source::Source;
use super::super::watch::{Chooser, watch_decoder};
use super::super::{DecodeError, Want};
use super::link::{Answer, Link, LinkError};
use super::protocol::{Done, Kind, PacketHead, PictureHead};
use super::{RemoteDecoder, serve};
use crate::base::channel::{Channel, Head};
use crate::base::child::Program;
use crate::base::clock::SystemClock;

/// By which these tests know that they are to be the other end.
const OTHER_END: &str = "--skip=nothing-but-the-other-end";

/// These tests again, as the process of a decoder.
fn program() -> Program {
    let name = module_path!().split_once("::").unwrap().1;
    Program::own(&[&format!("{name}::the_other_end"), "--exact", OTHER_END])
}

/// No test, but what the tests below start.
#[test]
fn the_other_end() {
    if std::env::args().any(|argument| argument == OTHER_END) {
        std::process::exit(i32::from(serve().is_err()));
    }
}

/// A stream of 60 pictures with a keyframe each ten, and what decodes it.
struct Played {
    pipeline: gst::Pipeline,
    remote: RemoteDecoder,
    feed: Arc<Feed>,
    /// Number and mean brightness of each picture that came out.
    seen: Arc<Mutex<Vec<(u64, u8)>>>,
}

const H264: &str = "x264enc tune=zerolatency key-int-max=10 option-string=scenecut=0 ! h264parse";

/// Plays pictures through `encoder` and a process's `decoder`; `at` is called before each packet that goes in, with its number.
fn play(
    encoder: &str,
    decoder: &str,
    program: &Program,
    want: Want,
    at: impl Fn(u64, &RemoteDecoder) + Send + Sync + 'static,
) -> Played {
    super::super::init().unwrap();
    let factory = gst::ElementFactory::find(decoder).unwrap();
    let plugin = factory.plugin().unwrap().filename().unwrap();
    let feed = Feed::new(
        Source::parse("rtsp://localhost/1").unwrap(),
        SystemClock::shared(),
        Gate::open(),
        want,
        Box::new(|| ()),
    );
    let feed = Arc::new(feed);
    let remote = RemoteDecoder::new(program, &factory, plugin, 1, &feed);
    let line = format!(
        "videotestsrc num-buffers=60 pattern=smpte ! video/x-raw,format=I420,width=322,height=180,framerate=25/1 ! {encoder} name=coded"
    );
    let line = line.replace(" name=coded", " ! identity name=coded");
    let bin = gst::parse::bin_from_description(&line, true).unwrap();
    let sink = gst::ElementFactory::make("fakesink").build().unwrap();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([bin.upcast_ref(), remote.upcast_ref::<gst::Element>(), &sink]).unwrap();
    let (input, output) = (remote.static_pad("sink").unwrap(), remote.static_pad("src").unwrap());
    let watched = remote.downgrade();
    input.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
        if let (Some(buffer), Some(remote)) = (probe.buffer(), watched.upgrade()) {
            at(number(buffer.pts()), &remote);
        }
        gst::PadProbeReturn::Ok
    });
    watch_decoder(remote.upcast_ref(), &input, &feed, Chooser::Gate);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let leaving = seen.clone();
    output.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
        let buffer = probe.buffer().unwrap();
        let bytes = buffer.map_readable().unwrap();
        let luma = &bytes[..320 * 180];
        let mean = luma.iter().map(|byte| u64::from(*byte)).sum::<u64>() / luma.len() as u64;
        lock(&leaving).push((number(buffer.pts()), mean as u8));
        gst::PadProbeReturn::Ok
    });
    gst::Element::link_many([bin.upcast_ref(), remote.upcast_ref::<gst::Element>(), &sink]).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    Played { pipeline, remote, feed, seen }
}

fn number(pts: Option<gst::ClockTime>) -> u64 {
    (pts.unwrap().mseconds() % 3_600_000) / 40
}

impl Played {
    /// Waits for the end, and returns which pictures came out.
    fn end(&self) -> Vec<u64> {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        self.pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).unwrap();
        self.pipeline.set_state(gst::State::Null).unwrap();
        println!("{:?}", self.feed.outcome());
        assert_eq!(self.remote.process(), None, "the process goes with the stream");
        lock(&self.seen).iter().map(|(number, _)| *number).collect()
    }
}

#[test]
fn a_stream_decoded_in_a_process_of_its_own_shows_the_same_pictures() {
    let played = play(H264, "avdec_h264", &program(), Want::Every, |_, _| ());
    assert_eq!(played.end(), (0..60).collect::<Vec<_>>());
    let seen = lock(&played.seen);
    // The mean of the test picture's luma is 104 of I420's 16 to 235.
    assert!(seen.iter().all(|(_, mean)| mean.abs_diff(seen[0].1) <= 2 && *mean > 60), "{seen:?}");
    assert_eq!((played.feed.counts().decoded, played.feed.counts().corrupt), (60, 0));
}

#[test]
fn only_wanted_pictures_come_back_and_those_that_were_needed_for_them_are_counted() {
    let few = Want::OneIn(Duration::from_millis(160));
    let reordered = "x264enc bframes=3 b-adapt=false key-int-max=50 ! h264parse";
    let jpeg = "jpegenc";
    for (encoder, decoder) in [(H264, "avdec_h264"), (reordered, "avdec_h264"), (jpeg, "jpegdec")] {
        let played = play(encoder, decoder, &program(), few, |_, _| ());
        let shown = played.end();
        assert!((13..=16).contains(&shown.len()) && shown.is_sorted(), "{encoder}: {shown:?}");
        let counts = played.feed.counts();
        assert!(
            counts.decoded >= counts.dropped_rate + shown.len() as u64 - 1 && counts.corrupt == 0,
            "{encoder}: {counts:?}"
        );
    }
}

#[test]
fn a_process_that_is_killed_costs_its_stream_the_pictures_up_to_the_next_keyframe() {
    let killed = Mutex::new(false);
    let played = play(H264, "avdec_h264", &program(), Want::Every, move |number, remote| {
        if number == 25 && !std::mem::replace(&mut *lock(&killed), true) {
            let process = i32::try_from(remote.process().unwrap()).unwrap();
            kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
        }
    });
    let shown = played.end();
    assert_eq!(shown, (0..25).chain(30..60).collect::<Vec<_>>());
    assert!(played.feed.outcome().is_none(), "{:?}", played.feed.outcome());
}

#[test]
fn a_decoder_that_never_gives_a_picture_is_given_up_with_the_reason() {
    let program = Program { file: "/bin/false".into(), arguments: Vec::new() };
    // As slow as a camera's pictures are, so that another process is started several times.
    let (_open, silence) = mpsc::channel::<()>();
    let silence = Mutex::new(silence);
    let played = play(H264, "avdec_h264", &program, Want::Every, move |_, _| {
        let _ = lock(&silence).recv_timeout(Duration::from_millis(120));
    });
    assert!(played.end().is_empty());
    let Some(Outcome::Failed(DecodeError::Decoder { decoder, detail, .. })) = played.feed.outcome() else {
        panic!("{:?}", played.feed.outcome());
    };
    assert_eq!(decoder, "avdec_h264");
    assert!(detail.contains("exit status: 1"), "{detail}");
}

#[test]
fn a_decoders_process_decodes_behind_a_filter_of_system_calls() {
    let looked = Arc::new(Mutex::new(None));
    let told = looked.clone();
    let played = play(H264, "avdec_h264", &program(), Want::Every, move |number, remote| {
        if let (20, Some(process)) = (number, remote.process()) {
            *lock(&told) = std::fs::read_to_string(format!("/proc/{process}/status")).ok();
        }
    });
    assert_eq!(played.end().len(), 60);
    let status = lock(&looked).clone().unwrap();
    let value =
        |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t").map(str::to_owned));
    assert_eq!(value("NoNewPrivs").as_deref(), Some("1"));
    // A filter of system calls.
    assert_eq!(value("Seccomp").as_deref(), Some("2"), "{status}");
}

/// A stream's end, whose other end has said `bytes` and is gone.
fn told(bytes: &[u8]) -> Link {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let bytes = bytes.to_vec();
    thread::spawn(move || theirs.write_all(&bytes));
    Link::new(None, Channel::new(ours))
}

fn message(kind: Kind, content: &[u8]) -> Vec<u8> {
    [&Head { kind: kind as u8, length: content.len() as u64 }.encode()[..], content].concat()
}

#[test]
fn an_answer_that_lies_is_refused() {
    let head = PictureHead { pts: None, width: 64, height: 36, format: 0, range: 0, matrix: 0, corrupted: false };
    let mut link = told(&message(Kind::Picture, &[&head.encode()[..], &[7; 64 * 54]].concat()));
    assert!(matches!(link.answer(), Ok(Answer::Picture(told, bytes)) if told == head && bytes == 64 * 54));
    let mut link = told(&message(Kind::Done, &Done { kept: u32::MAX, damaged: true }.encode()));
    assert!(matches!(link.answer(), Ok(Answer::Done(done)) if done.kept <= 64));
    for kind in [Kind::Opening, Kind::Caps, Kind::Drain] {
        assert!(matches!(told(&message(kind, &[])).answer(), Err(LinkError::Protocol(_))), "{kind:?}");
    }
    let endless = Head { kind: Kind::Picture as u8, length: u64::MAX }.encode();
    assert!(matches!(told(&endless).answer(), Err(LinkError::Protocol(_))));
    assert!(matches!(told(&message(Kind::Failed, b"no")).answer(), Err(LinkError::Refused(reason)) if reason == "no"));
}

proptest! {
    #[test]
    fn whatever_the_other_end_says_is_an_answer_or_an_error(kind in 0u8..12, length in any::<u64>(), content in any::<Vec<u8>>()) {
        let length = if length % 2 == 0 { content.len() as u64 } else { length };
        let bytes = [&Head { kind, length }.encode()[..], &content].concat();
        let mut link = told(&bytes);
        if let Ok(Answer::Picture(head, _)) = link.answer() {
            let info = super::layout::info(&head);
            prop_assert!(info.is_err() || info.unwrap().size() <= 8192 * 8192 * 6);
        }
    }
}

#[test]
fn a_packet_given_to_one_that_is_gone_is_an_error_and_no_wait() {
    let mut link = told(&[]);
    let head = PacketHead { pts: None, dts: None, duration: None, flags: 0, wanted: true };
    let given = link.packet(head, &[0; 1 << 20]);
    assert!(given.and_then(|()| link.answer().map(|_| ())).is_err());
}
