//! What an agent is made of and surrounded by, each apart: server, broker, bare decoder, bare model.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use vedette::base::clock::{Clock, SystemClock};
use vedette::decode::serve::{Mount, RtspServer, Settings, Source};
use vedette::detect::letterbox::{Fit, Layout, Letterbox, Order, Preprocess};
use vedette::detect::{self, Detector, LibrarySearch, Provider, ProviderChoice};
use vedette::vocab::{Frame, FrameBytes, Id, PixelFormat, Plane};

/// Says that this process is one of the parts below, and which.
const PART: &str = "VEDETTE_BENCH_PART";
/// What that part works on.
const SUBJECT: &str = "VEDETTE_BENCH_SUBJECT";

/// Does a part's work if this process is one.
pub fn run_as_part() -> Option<ExitCode> {
    let part = std::env::var(PART).ok()?;
    let subject = std::env::var(SUBJECT).unwrap_or_default();
    let done = match part.as_str() {
        "serve" => serve(&subject),
        _ => decode(&subject),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed {error}");
            ExitCode::FAILURE
        }
    })
}

fn start_part(part: &str, subject: &str) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.env(PART, part).env(SUBJECT, subject).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().map_err(|error| format!("{part} does not start: {error}"))
}

/// What the part prints behind `word`.
fn word_of(child: &mut Child, word: &str) -> Result<String, String> {
    let lines = BufReader::new(child.stdout.take().ok_or("the part has no output")?).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find(|line| line.starts_with(word) || line.starts_with("failed"));
    match line.as_deref().map(|line| line.split_once(' ').unwrap_or((line, ""))) {
        Some((first, rest)) if first == word => Ok(rest.to_owned()),
        other => Err(format!("a part did not work: {other:?}")),
    }
}

/// An RTSP server of clips. Dropping it ends it.
pub struct Server {
    child: Child,
    port: String,
}

impl Server {
    /// Serves each clip, over and over.
    pub fn start(clips: &[&Path]) -> Result<Self, String> {
        let clips: Vec<String> = clips.iter().map(|clip| clip.display().to_string()).collect();
        let mut child = start_part("serve", &clips.join("\n"))?;
        let port = word_of(&mut child, "serving")?;
        Ok(Self { child, port })
    }

    /// Where clip `number` is.
    pub fn url(&self, number: usize) -> String {
        format!("rtsp://127.0.0.1:{}/{number}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn serve(clips: &str) -> Result<(), String> {
    let mount = |(number, clip): (usize, &str)| Mount { path: format!("/{number}"), source: Source::Clip(clip.into()) };
    let mounts = clips.lines().enumerate().map(mount).collect();
    let server = RtspServer::start(Settings { mounts, ..Settings::default() }).map_err(|error| error.to_string())?;
    println!("serving {}", server.port());
    wait_for_parent();
    Ok(())
}

/// Until whoever started this part ends or closes the pipe.
fn wait_for_parent() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// A real broker. Dropping it ends it.
pub struct Broker {
    child: Child,
    _folder: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
}

impl Broker {
    /// Starts mosquitto on a free port.
    pub fn start() -> Result<Self, String> {
        let places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let program = places.into_iter().find(|place| Path::new(place).exists()).ok_or("mosquitto is not installed")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let file = folder.path().join("mosquitto.conf");
        // Started as root, it would become another user.
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n");
        fs::write(&file, text).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| error.to_string())?;
        let broker = Self { child, _folder: folder, port };
        let until = SystemClock.mono() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if SystemClock.mono() > until {
                return Err("mosquitto does not listen".to_owned());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// A clip decoded as the agent decodes it and thrown away, at the clip's own pace, in a process of its own.
pub struct DecodeOnly {
    child: Child,
}

impl DecodeOnly {
    /// Decodes the clip's first `length`.
    pub fn start(clip: &Path, length: Duration) -> Self {
        let subject = format!("{}\n{}", length.as_secs(), clip.display());
        Self { child: start_part("decode", &subject).expect("the bare decoder starts") }
    }

    /// Processor time per picture, once it has ended.
    pub fn finish(mut self) -> Duration {
        let nanos = word_of(&mut self.child, "decoded").expect("the bare decoder works");
        let _ = self.child.wait();
        Duration::from_nanos(nanos.parse().expect("the part prints a number"))
    }
}

fn decode(subject: &str) -> Result<(), String> {
    use gstreamer as gst;
    use gstreamer::prelude::*;
    let (seconds, clip) = subject.split_once('\n').ok_or("decode what?")?;
    let text = format!(
        "filesrc location={clip} ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! fakesink name=sink sync=true"
    );
    gst::init().map_err(|error| error.to_string())?;
    let pipeline = gst::parse::launch(&text).map_err(|error| error.to_string())?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let sink = pipeline.by_name("sink").ok_or("no sink")?;
    pipeline.set_state(gst::State::Playing).map_err(|error| error.to_string())?;
    // One picture has rolled in: what starting costs is not what decoding costs.
    let _ = pipeline.state(gst::ClockTime::from_seconds(10));
    let rendered = || sink.property::<gst::Structure>("stats").get::<u64>("rendered").unwrap_or(0);
    let (first, cpu) = (rendered(), process_time());
    let seconds = seconds.parse::<u64>().map_err(|error| error.to_string())?;
    let bus = pipeline.bus().ok_or("no bus")?;
    let _ = bus.timed_pop_filtered(gst::ClockTime::from_seconds(seconds), &[gst::MessageType::Error]);
    let (pictures, used) = (rendered() - first, process_time() - cpu);
    let _ = pipeline.set_state(gst::State::Null);
    println!("decoded {}", used.as_nanos() / u128::from(pictures.max(1)));
    Ok(())
}

/// Processor time of one run of the model alone on one thread, with a pause after each.
pub fn inference_only(model: &Path) -> Duration {
    let library = std::env::var_os("VEDETTE_ORT").map(PathBuf::from);
    let search = LibrarySearch { from_env: library, ..LibrarySearch::default() };
    detect::runtime::load(&search).expect("ONNX Runtime loads");
    let name = Id::new("yolox-nano").expect("this is an id");
    let provider = ProviderChoice::One(Provider::Cpu);
    let settings = detect::Settings { provider, ..detect::Settings::new(name, model.to_owned()) };
    let mut detector = Detector::open(&settings, SystemClock::shared()).expect("the model opens");
    let bytes = (0..768 * 432 * 3 / 2).map(|i| (i / 7 % 97 * 2 + i / 6912 % 31) as u8).collect();
    let frame = Frame::from_i420(768, 432, bytes).expect("the bytes are of this size");
    let (mut found, mut of_model, mut of_all) = (Vec::new(), 0.0, 0.0);
    let began = thread_time();
    for _ in 0..100 {
        let timing = detector.detect(&frame, &mut found).expect("the frame is sound");
        of_model += f64::from(timing.infer_us);
        of_all += f64::from(timing.letterbox_us + timing.infer_us + timing.decode_us);
        std::thread::park_timeout(Duration::from_millis(40));
    }
    // The stages are timed by the wall clock; their shares hold for processor time too.
    (thread_time() - began).mul_f64(of_model / of_all / 100.0)
}

/// A picture as decoders give it: rows padded to 64 bytes.
struct Padded(Vec<(Vec<u8>, usize)>);

impl FrameBytes for Padded {
    fn plane(&self, index: usize) -> Plane<'_> {
        Plane { data: &self.0[index].0, stride: self.0[index].1 }
    }
}

/// Processor time of one letterbox from 1080p to the tensor of yolox_nano: the best of ten rounds, as what else runs on the
/// machine can only add to it.
pub fn letterbox_1080p() -> Duration {
    let plane = |stride: usize, rows: usize| ((0..stride * rows).map(|i| (i * 31 / 32) as u8).collect(), stride);
    let planes = vec![plane(1920, 1080), plane(960, 540), plane(960, 540)];
    let frame = Frame::new(1920, 1080, PixelFormat::I420, Arc::new(Padded(planes)));
    let yolox = Preprocess { fit: Fit::TopLeft(114.0), order: Order::Bgr, mean: [0.0; 3], std: [1.0; 3] };
    let mut letterbox = Letterbox::new(416, 416, Layout::Nchw, yolox);
    let mut tensor = vec![0f32; letterbox.len()];
    let mut round = || {
        let began = thread_time();
        for _ in 0..30 {
            letterbox.draw_frame(&frame, &mut tensor).expect("the frame is sound");
        }
        (thread_time() - began) / 30
    };
    (0..10).map(|_| round()).min().unwrap_or_default()
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// The processor time of this process.
fn process_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The processor time of a child, user and system, in seconds: fields 14 and 15 of `/proc/<pid>/stat`, in ticks.
pub fn cpu_time(child: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    // The second field is the program's name, in brackets, and may hold anything.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// What a child has in memory now, and had at most, in MiB.
pub fn memory_mib(child: &Child) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}
