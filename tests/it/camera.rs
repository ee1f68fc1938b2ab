//! Cameras on a real RTSP server that is killed, paused, cut off and changed.
//!
//! Limits are those that are promised: an outage is noticed within 5 s and pictures are back within 10 s of the camera.
//! They are taken from the events' own times, with two seconds more for a busy machine; waiting itself is generous.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vedette::base::clock::{Clock, SystemClock};
use vedette::camera::{Camera, Discontinuity, Picture, Settings, StateChange, Viewer};
use vedette::decode::{self, Codec, Source, Transport, Want};
use vedette::vocab::{CameraState, Frame, Id, MediaTime, Secret};

use crate::support::clips;
use crate::support::proxy::Proxy;
use crate::support::rtsp::{Offer, Server};

const NOTICED: Duration = Duration::from_secs(5 + 2);
const RECOVERED: Duration = Duration::from_secs(10 + 2);
const PATIENCE: Duration = Duration::from_secs(60);

/// What a viewer saw, each with the time at which it did.
#[derive(Default)]
struct Seen {
    frames: Vec<(Duration, Facts)>,
    states: Vec<(Duration, StateChange)>,
    breaks: Vec<Discontinuity>,
}

/// What is kept of a frame.
#[derive(Debug, Clone, Copy)]
struct Facts {
    seq: u64,
    pts: MediaTime,
    size: (u32, u32),
    keyframe: bool,
}

struct Watcher {
    seen: Arc<Mutex<Seen>>,
    /// Once, at this picture, it panics.
    panics_at: Option<usize>,
}

impl Viewer for Watcher {
    fn frame(&mut self, frame: Frame) {
        if self.panics_at.is_some_and(|at| self.seen.lock().unwrap().frames.len() == at) {
            self.panics_at = None;
            panic!("canary of a panic");
        }
        let size = (frame.width, frame.height);
        let facts = Facts { seq: frame.seq, pts: frame.pts, size, keyframe: frame.keyframe };
        self.seen.lock().unwrap().frames.push((SystemClock.mono(), facts));
    }
    fn state(&mut self, change: StateChange) {
        self.seen.lock().unwrap().states.push((SystemClock.mono(), change));
    }
    fn discontinuity(&mut self, cause: Discontinuity) {
        self.seen.lock().unwrap().breaks.push(cause);
    }
}

/// A camera under test and what it showed.
struct Watch {
    camera: Camera,
    seen: Arc<Mutex<Seen>>,
}

impl Watch {
    fn start(source: &str) -> Self {
        Self::with(Source::parse(source).unwrap(), Settings::default())
    }

    fn with(source: Source, settings: Settings) -> Self {
        Self::of(source, settings, None)
    }

    fn of(source: Source, settings: Settings, panics_at: Option<usize>) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let id = Id::new("door").unwrap();
        let viewer = Box::new(Watcher { seen: seen.clone(), panics_at });
        let camera = Camera::start(id, source, settings, SystemClock::shared(), viewer).unwrap();
        Self { camera, seen }
    }

    fn state(&self) -> Option<CameraState> {
        self.seen.lock().unwrap().states.last().map(|(_, change)| change.state)
    }

    fn cause(&self) -> String {
        self.seen.lock().unwrap().states.last().map(|(_, change)| change.cause.clone()).unwrap_or_default()
    }

    fn frames(&self) -> usize {
        self.seen.lock().unwrap().frames.len()
    }

    /// Waits until `number` more pictures have come.
    fn await_frames(&self, number: usize) {
        let goal = self.frames() + number;
        wait_until(&format!("{number} more pictures ({:?}, {})", self.state(), self.cause()), || self.frames() >= goal);
    }

    /// When the first state of this kind after `since` was shown; waits for it.
    fn await_state(&self, state: CameraState, since: Duration) -> Duration {
        let find = || {
            let seen = self.seen.lock().unwrap();
            seen.states.iter().find(|(at, change)| *at >= since && change.state == state).map(|(at, _)| *at)
        };
        wait_until(&format!("{state:?} (it is {:?}: {})", self.state(), self.cause()), || find().is_some());
        find().unwrap()
    }

    /// When the first picture after `since` came; waits for it.
    fn await_picture(&self, since: Duration) -> Duration {
        let find = || self.seen.lock().unwrap().frames.iter().find(|(at, _)| *at > since).map(|(at, _)| *at);
        wait_until(&format!("a picture ({:?}: {})", self.state(), self.cause()), || find().is_some());
        find().unwrap()
    }

    /// Media time and numbers only ever go up, also across reconnects.
    fn assert_in_order(&self) {
        let seen = self.seen.lock().unwrap();
        for pair in seen.frames.windows(2) {
            let (a, b) = (pair[0].1, pair[1].1);
            assert!(a.pts < b.pts && a.seq < b.seq, "{a:?} then {b:?}");
        }
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let end = SystemClock.mono() + PATIENCE;
    while !done() {
        assert!(SystemClock.mono() < end, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn now() -> Duration {
    SystemClock.mono()
}

/// Asserts when an outage that began at `from` was noticed and how long after `back` pictures came again.
fn assert_noticed_and_recovered(what: &str, watch: &Watch, from: Duration, noticed: Duration, back: Duration) {
    let picture = watch.await_picture(back);
    println!("{what}: noticed after {:?}, recovered in {:?}", noticed - from, picture - back);
    assert!(noticed - from <= NOTICED, "{what}: noticed after {:?}", noticed - from);
    assert!(picture - back <= RECOVERED, "{what}: recovered in {:?}", picture - back);
    watch.await_frames(5);
    watch.assert_in_order();
}

#[test]
fn a_killed_server_is_noticed_and_found_again_while_another_camera_goes_on() {
    let mut server = Server::start(Offer::h264(320, 240, 15));
    let other = Server::start(Offer::h264(320, 240, 15));
    let (watch, neighbour) = (Watch::start(&server.url()), Watch::start(&other.url()));
    watch.await_frames(20);
    neighbour.await_frames(20);

    let (killed, neighbours_frames) = (now(), neighbour.frames());
    server.kill();
    let noticed = watch.await_state(CameraState::Backoff, killed);
    // Long enough for the waits to have grown to their longest.
    std::thread::park_timeout(Duration::from_secs(8));
    let back = now();
    server.revive(None);
    assert_noticed_and_recovered("killed", &watch, killed, noticed, back);

    let rate = (neighbour.frames() - neighbours_frames) as f64 / (now() - killed).as_secs_f64();
    println!("the neighbour's rate meanwhile: {rate:.1} of 15");
    assert!(rate > 15.0 * 0.9, "{rate}");
    let reconnected = watch
        .seen
        .lock()
        .unwrap()
        .breaks
        .iter()
        .any(|b| matches!(b, Discontinuity::Reconnected { gap } if *gap > Duration::from_secs(7)));
    assert!(reconnected, "the viewer is told of the gap");
    assert!(watch.camera.stats().reconnects >= 1);
    assert!(watch.camera.stop(Duration::from_secs(5)));
}

#[test]
fn a_camera_is_found_again_as_soon_after_a_long_outage_and_attempts_are_not_told() {
    let mut server = Server::start(Offer::h264(320, 240, 15));
    let settings = Settings { long_outage: Duration::from_secs(3), ..Settings::default() };
    let watch = Watch::with(Source::parse(&server.url()).unwrap(), settings);
    watch.await_frames(20);
    let killed = now();
    server.kill();
    let noticed = watch.await_state(CameraState::Backoff, killed);
    std::thread::park_timeout(Duration::from_secs(20));
    let states = |since: Duration| {
        let seen = watch.seen.lock().unwrap();
        seen.states.iter().filter(|(at, _)| *at >= since).map(|(_, change)| change.state).collect::<Vec<_>>()
    };
    assert_eq!(states(killed + Duration::from_secs(12)), [], "a long outage is told once");
    let back = now();
    server.revive(None);
    assert_noticed_and_recovered("away for long", &watch, killed, noticed, back);
    assert_eq!(states(back), [CameraState::Streaming]);
}

#[test]
fn a_paused_server_is_noticed_and_goes_on() {
    let server = Server::start(Offer::h264(320, 240, 15));
    let watch = Watch::start(&server.url());
    watch.await_frames(20);
    for (what, seconds) in [("paused for 6 s", 6), ("paused for 20 s", 20)] {
        let paused = now();
        server.pause();
        let noticed = watch.await_state(CameraState::Stalled, paused);
        std::thread::park_timeout((paused + Duration::from_secs(seconds)).saturating_sub(now()));
        let back = now();
        server.resume();
        assert_noticed_and_recovered(what, &watch, paused, noticed, back);
    }
}

#[test]
fn a_cut_line_is_noticed_and_found_again() {
    let server = Server::start(Offer::h264(320, 240, 15));
    let proxy = Proxy::start(server.port);
    let watch = Watch::start(&proxy.url());
    watch.await_frames(20);
    for (what, forget) in [("cut, connections survive", false), ("cut, connections are forgotten", true)] {
        let cut = now();
        proxy.black_hole(true, forget);
        let noticed = watch.await_state(CameraState::Stalled, cut);
        watch.await_state(CameraState::Backoff, cut);
        std::thread::park_timeout((cut + Duration::from_secs(16)).saturating_sub(now()));
        let back = now();
        proxy.black_hole(false, forget);
        assert_noticed_and_recovered(what, &watch, cut, noticed, back);
    }
}

#[test]
fn a_server_that_accepts_and_stays_silent_is_given_up_within_the_connect_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://127.0.0.1:{}/live", listener.local_addr().unwrap().port());
    let start = now();
    let watch = Watch::start(&url);
    let noticed = watch.await_state(CameraState::Backoff, start);
    assert!(noticed - start <= NOTICED, "{:?}", noticed - start);
    // Our timer and the RTSP client's own are both set to 5 s; either may be the first to say so.
    let cause = watch.cause();
    assert!(cause.contains("no data within 5 s") || cause.contains("Timeout while waiting"), "{cause}");
    assert!(watch.camera.stop(Duration::from_secs(5)), "it stops in time all the same");
}

#[test]
fn basic_and_digest_let_in_the_right_password_only() {
    for method in ["basic", "digest"] {
        let server = Server::start(Offer { auth: Some(method), ..Offer::h264(320, 240, 10) });
        let source = Source::parse(&server.url()).unwrap();
        let right = source.clone().with_credentials("viewer", Secret::new("s3cret"));
        Watch::with(right, Settings::default()).await_frames(5);

        let in_url = server.url().replace("rtsp://", "rtsp://viewer:s3cret@");
        Watch::start(&in_url).await_frames(5);

        let wrong = source.clone().with_credentials("viewer", Secret::new("canary-77"));
        let watch = Watch::with(wrong, Settings::default());
        watch.await_state(CameraState::AuthFailed, Duration::ZERO);
        assert!(!format!("{:?}", watch.seen.lock().unwrap().states).contains("canary-77"));
        assert_eq!(watch.camera.stats().reconnects, 0, "{method}: it must not try again at once");
        let none = Watch::with(source, Settings::default());
        none.await_state(CameraState::AuthFailed, Duration::ZERO);
    }
}

#[test]
fn a_path_that_does_not_exist_is_named_and_tried_again() {
    let server = Server::start(Offer::h264(320, 240, 10));
    let watch = Watch::start(&server.url().replace("/live", "/none?token=canary-78"));
    wait_until("an answer", || watch.cause().contains("does not exist"));
    assert!(!watch.cause().contains("canary-78"), "{}", watch.cause());
    wait_until("a second attempt", || watch.camera.stats().reconnects >= 1);
}

#[test]
fn pictures_come_over_udp_and_auto_too() {
    let server = Server::start(Offer::h264(320, 240, 15));
    for transport in [Transport::Udp, Transport::Auto] {
        let decode = decode::Settings { transport, ..decode::Settings::default() };
        let settings = Settings { decode, ..Settings::default() };
        let watch = Watch::with(Source::parse(&server.url()).unwrap(), settings);
        watch.await_frames(20);
        watch.assert_in_order();
    }
}

#[test]
fn hevc_and_mjpeg_come_over_rtsp() {
    let raw = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1";
    let offers = [
        (
            format!("{raw} ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay name=pay0"),
            Codec::H265,
        ),
        (format!("{raw} ! jpegenc ! rtpjpegpay name=pay0 pt=26"), Codec::Jpeg),
    ];
    for (launch, codec) in offers {
        let server = Server::start(Offer::of(&launch));
        let watch = Watch::start(&server.url());
        watch.await_frames(10);
        assert_eq!(watch.camera.stats().info.codec, Some(codec));
    }
}

#[test]
fn a_camera_that_returns_with_another_size_and_codec_is_followed() {
    let mut server = Server::start(Offer::h264(320, 240, 15));
    let watch = Watch::start(&server.url());
    watch.await_frames(10);
    server.kill();
    let raw = "videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=480,framerate=10/1";
    server.revive(Some(Offer::of(&format!("{raw} ! jpegenc ! rtpjpegpay name=pay0 pt=26"))));
    wait_until("pictures of the new size", || {
        watch.seen.lock().unwrap().frames.last().is_some_and(|(_, f)| f.size == (640, 480))
    });
    watch.await_frames(3);
    let seen = watch.seen.lock().unwrap();
    assert!(
        seen.breaks.contains(&Discontinuity::SizeChanged { from: (320, 240), to: (640, 480) }),
        "{:?}",
        seen.breaks
    );
    assert!(seen.breaks.contains(&Discontinuity::CodecChanged), "{:?}", seen.breaks);
}

#[test]
fn a_size_that_changes_in_mid_stream_is_followed_without_a_new_connection() {
    // Two sizes joined into one H.264 stream, then served as a camera does that switches its resolution.
    let folder = tempfile::tempdir().unwrap();
    let mut joined = Vec::new();
    for (name, size) in [("a.h264", "width=320,height=240"), ("b.h264", "width=640,height=480")] {
        let caps = format!("format=I420,{size},framerate=15/1");
        let encoder = "x264enc tune=zerolatency key-int-max=15 ! video/x-h264,stream-format=byte-stream";
        joined.extend(std::fs::read(clips::make(folder.path(), name, 120, &caps, encoder)).unwrap());
    }
    let path = folder.path().join("joined.h264");
    std::fs::write(&path, joined).unwrap();
    let server = Server::start(Offer::of(&format!(
        "filesrc location={} ! h264parse ! video/x-h264,framerate=15/1 ! identity sync=true \
         ! rtph264pay name=pay0 config-interval=-1",
        path.display()
    )));
    let watch = Watch::start(&server.url());
    wait_until("pictures of both sizes", || {
        let seen = watch.seen.lock().unwrap();
        let has = |size| seen.frames.iter().any(|(_, f)| f.size == size);
        has((320, 240)) && has((640, 480))
    });
    watch.assert_in_order();
    assert_eq!(watch.camera.stats().reconnects, 0, "{:#?}", watch.seen.lock().unwrap().states);
}

#[test]
fn while_idle_only_keyframes_are_decoded_and_leaving_idle_needs_no_keyframe() {
    // A keyframe every two seconds.
    let launch = Offer::h264(320, 240, 15).launch.replace("key-int-max=15", "key-int-max=30");
    let server = Server::start(Offer::of(&launch));
    let watch = Watch::start(&server.url());
    watch.await_frames(15);
    watch.camera.set_want(Want::Keyframes);
    std::thread::park_timeout(Duration::from_millis(500));
    let before = watch.frames();
    watch.await_frames(3);
    {
        let seen = watch.seen.lock().unwrap();
        assert!(seen.frames[before..].iter().all(|(_, f)| f.keyframe), "{:?}", &seen.frames[before..]);
    }
    let frames = watch.frames();
    watch.camera.set_want(Want::Every);
    watch.await_frames(10);
    let seen = watch.seen.lock().unwrap();
    assert!(!seen.frames[frames].1.keyframe, "the first picture after idling is no keyframe");
    drop(seen);
    let stats = watch.camera.stats();
    assert!(stats.counts.dropped_idle >= 20, "{stats:?}");
    assert_eq!(watch.state(), Some(CameraState::Streaming), "{}", watch.cause());
}

#[test]
fn commands_disable_enable_and_restart_and_scene_may_call_it_frozen() {
    let server = Server::start(Offer::h264(320, 240, 15));
    let watch = Watch::start(&server.url());
    watch.await_frames(10);
    watch.camera.report_picture(Picture::Frozen);
    watch.await_state(CameraState::Frozen, Duration::ZERO);
    watch.camera.report_picture(Picture::Normal);

    let off = now();
    watch.camera.set_enabled(false);
    watch.await_state(CameraState::Disabled, off);
    let frames = watch.frames();
    std::thread::park_timeout(Duration::from_millis(500));
    assert_eq!(watch.frames(), frames, "a disabled camera shows nothing");

    watch.camera.set_enabled(true);
    watch.await_frames(5);
    watch.camera.restart();
    watch.await_frames(5);
    watch.assert_in_order();
    let stats = watch.camera.stats();
    assert_eq!(
        (stats.state, stats.reconnects),
        (CameraState::Streaming, 2),
        "{:#?}",
        watch.seen.lock().unwrap().states
    );
    assert_eq!(stats.info.size, Some((320, 240)));
}

#[test]
fn a_file_as_a_camera_plays_at_its_own_pace_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let caps = "format=I420,width=320,height=240,framerate=25/1";
    let path = clips::make(folder.path(), "a.mkv", 50, caps, "x264enc ! h264parse ! matroskamux");
    let start = now();
    let watch = Watch::start(path.to_str().unwrap());
    let ended = watch.await_state(CameraState::Ended, Duration::ZERO);
    assert!(ended - start >= Duration::from_millis(1900), "{:?}", ended - start);
    watch.assert_in_order();
    assert!(watch.frames() >= 30, "{}", watch.frames());
    assert!(watch.camera.stop(Duration::from_secs(5)));
}

#[test]
fn the_drawn_street_is_a_camera_too() {
    let decode = decode::Settings { max_fps: Some(5.0), ..decode::Settings::default() };
    let settings = Settings { decode, ..Settings::default() };
    let watch = Watch::with(Source::parse("scene://street?seed=7&width=320&height=180&fps=20").unwrap(), settings);
    watch.await_frames(6);
    watch.assert_in_order();
    let seen = watch.seen.lock().unwrap();
    let (first, last) = (seen.frames[0].1, seen.frames[5].1);
    assert_eq!(first.size, (320, 180));
    assert_eq!(last.seq - first.seq, 20, "every fourth of 20 a second");
    assert_eq!(last.pts.since(first.pts), Duration::from_secs(1));
    drop(seen);
    watch.camera.restart();
    watch.await_frames(3);
    watch.assert_in_order();
    let refused =
        decode::Clip::open(&Source::parse("scene://").unwrap(), &decode::Settings::default(), decode::Pace::Max);
    assert!(refused.err().unwrap().to_string().contains("no end"));
}

#[test]
fn a_panic_on_a_cameras_thread_is_counted_and_told_and_the_camera_comes_back_while_another_goes_on() {
    let street = || Source::parse("scene://street?width=320&height=180&fps=20").unwrap();
    let neighbour = Watch::with(street(), Settings::default());
    let watch = Watch::of(street(), Settings::default(), Some(10));
    let told = watch.await_state(CameraState::Backoff, Duration::ZERO);
    let cause = |state: CameraState| {
        let seen = watch.seen.lock().unwrap();
        seen.states.iter().find(|(_, change)| change.state == state).map(|(_, change)| change.cause.clone()).unwrap()
    };
    assert!(cause(CameraState::Backoff).contains("canary of a panic"), "{}", cause(CameraState::Backoff));
    let neighbours_frames = neighbour.frames();
    let picture = watch.await_picture(told);
    println!("pictures again {:?} after the panic", picture - told);
    assert!(picture - told <= RECOVERED);
    watch.await_frames(5);
    watch.assert_in_order();
    let breaks = watch.seen.lock().unwrap().breaks.clone();
    assert!(matches!(breaks[..], [Discontinuity::Reconnected { .. }]), "{breaks:?}");
    assert_eq!((watch.camera.stats().panics, watch.camera.stats().reconnects), (1, 1));
    assert!(neighbour.frames() > neighbours_frames, "the other camera goes on");
    assert_eq!((neighbour.camera.stats().panics, neighbour.camera.stats().reconnects), (0, 0));
    assert!(watch.camera.stop(Duration::from_secs(5)), "it still does what it is told");
}

/// Run by hand: `cargo test --test it measure_reconnects -- --ignored --nocapture`.
#[test]
#[ignore = "measures, asserts nothing"]
fn measure_reconnects() {
    let server = Server::start(Offer::h264(320, 240, 15));
    let watch = Watch::start(&server.url());
    let status = |key: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with(key)).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    watch.await_frames(1);
    for round in 0..=300 {
        if round % 50 == 0 {
            println!("{round} restarts: {} KiB, {} threads, {} files", status("VmRSS"), status("Threads"), files());
        }
        watch.camera.restart();
        watch.await_frames(1);
    }
}

/// Run by hand: `cargo test --test it measure_memory -- --ignored --nocapture`.
#[test]
#[ignore = "measures, asserts nothing"]
fn measure_memory_of_1080p_cameras() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let cpu = || {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hd.h264");
    // Ordinary settings of an encoder: four reference pictures, a keyframe every two seconds.
    let server = {
        let caps = "format=I420,width=1920,height=1080,framerate=25/1";
        let encoder = "x264enc bitrate=4000 ref=4 bframes=0 key-int-max=50 ! video/x-h264,stream-format=byte-stream";
        let mut child = std::process::Command::new("gst-launch-1.0");
        let source = format!(
            "videotestsrc num-buffers=750 pattern=ball ! video/x-raw,{caps} ! {encoder} ! filesink location={}",
            path.display()
        );
        assert!(child.arg("-q").args(source.split(' ')).status().unwrap().success());
        Server::start(Offer::of(&format!(
            "filesrc location={} ! h264parse ! video/x-h264,framerate=25/1 ! identity sync=true ! rtph264pay name=pay0 config-interval=-1",
            path.display()
        )))
    };
    println!("nothing yet: {} MiB, {} threads", resident(), threads());
    decode::init().unwrap();
    println!("GStreamer started: {} MiB, {} threads", resident(), threads());
    let mut cameras = Vec::new();
    for number in 1..=3 {
        cameras.push(Watch::start(&server.url()));
        cameras.last().unwrap().await_frames(100);
        let (before, at, frames) = (cpu(), now(), cameras.iter().map(Watch::frames).sum::<usize>());
        std::thread::park_timeout(Duration::from_secs(3));
        let (spent, seconds) = (cpu() - before, (now() - at).as_secs_f64());
        let shown = cameras.iter().map(Watch::frames).sum::<usize>() - frames;
        println!(
            "{number} cameras: {} MiB, {} threads, {:.2} ms CPU per picture, {:.1} pictures/s",
            resident(),
            threads(),
            spent * 1e3 / shown as f64,
            shown as f64 / seconds
        );
    }
}
