//! The program under measurement, as a process, and what `/proc` and its `health` say of it.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use rustix::process::{Pid, Signal, kill_process};
use vedette::base::clock::{Clock, SystemClock};
use vedette::vocab::DropReason;
use vedette::wire::HealthMessage;

use crate::parts::{Broker, cpu_time, memory_mib};

/// How long an agent may take until it looks at every camera.
const START: Duration = Duration::from_secs(60);

/// One camera of a configuration.
#[derive(Debug, Clone)]
pub struct Camera {
    /// Where it is.
    pub url: String,
    /// Looks a second.
    pub fps: f64,
    /// Whether the motion gate decides.
    pub gate: bool,
    /// Whether only keyframes are decoded while nothing moves.
    pub idle: bool,
}

/// A running agent. Dropping it ends it.
pub struct Agent {
    child: Child,
    cameras: usize,
    health: Receiver<HealthMessage>,
    last: Option<HealthMessage>,
    _folder: tempfile::TempDir,
}

/// What an agent cost over a while.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Its processor time, seconds.
    pub cpu: f64,
    /// How long that was measured, seconds.
    pub seconds: f64,
    /// Frames decoded meanwhile, by the rates in its `health`.
    pub decoded: f64,
    /// Frames looked at meanwhile.
    pub looks: f64,
    /// Frames that were due and not looked at for want of time.
    pub superseded: f64,
    /// The most that was resident at any moment of the measurement.
    pub resident_mib: f64,
    /// The most that was ever resident.
    pub peak_mib: f64,
}

impl Cost {
    /// Processor seconds per second.
    pub fn per_second(&self) -> f64 {
        self.cpu / self.seconds
    }

    /// Processor seconds per decoded frame.
    pub fn per_frame(&self) -> f64 {
        self.cpu / self.decoded
    }
}

impl Agent {
    /// Starts the program with these cameras, all through `model`.
    pub fn start(name: &str, cameras: &[Camera], model: &Path, broker: &Broker) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the agent");
        let health = listen(name, broker.port);
        let configuration = folder.path().join("vedette.yaml");
        fs::write(&configuration, write(name, cameras, model, broker, folder.path())).expect("its configuration");
        let log = File::create(folder.path().join("log")).expect("its log");
        let child = Command::new(env!("CARGO_BIN_EXE_vedette"))
            .args(["run", "-c"])
            .arg(&configuration)
            .env("VEDETTE_ORT", library())
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program under measurement starts");
        Self { child, cameras: cameras.len(), health, last: None, _folder: folder }
    }

    /// Waits until it looks at every camera.
    pub fn await_looks(&mut self) {
        let until = SystemClock.mono() + START;
        loop {
            let left = until.saturating_sub(SystemClock.mono());
            let health = self.health.recv_timeout(left).expect("the agent looks at its cameras within a minute");
            let looking = health.cameras.values().filter(|camera| camera.decoded_fps > 1.0).count();
            let has_looked = health.models.values().any(|model| model.inferences > 0);
            self.last = Some(health);
            if looking == self.cameras && has_looked {
                return;
            }
        }
    }

    fn superseded(&self) -> f64 {
        let cameras = self.last.iter().flat_map(|health| health.cameras.values());
        cameras.filter_map(|camera| camera.drops.get(&DropReason::Superseded)).sum::<u64>() as f64
    }

    fn inferences(&self) -> f64 {
        self.last.iter().flat_map(|health| health.models.values()).map(|model| model.inferences).sum::<u64>() as f64
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// One agent's measurement in progress, from one word on its health to another.
struct Watch {
    began: Duration,
    first_cpu: f64,
    first_looks: f64,
    first_superseded: f64,
    last_word: Duration,
    cost: Cost,
}

impl Watch {
    fn begin(agent: &Agent) -> Self {
        let now = SystemClock.mono();
        Self {
            began: now,
            first_cpu: cpu_time(&agent.child),
            first_looks: agent.inferences(),
            first_superseded: agent.superseded(),
            last_word: now,
            cost: Cost::default(),
        }
    }

    fn take(&mut self, agent: &mut Agent, health: HealthMessage) {
        let now = SystemClock.mono();
        let period = (now - self.last_word).as_secs_f64();
        self.last_word = now;
        self.cost.decoded += health.cameras.values().map(|camera| camera.decoded_fps * period).sum::<f64>();
        agent.last = Some(health);
        let (resident, peak) = memory_mib(&agent.child);
        self.cost = Cost {
            cpu: cpu_time(&agent.child) - self.first_cpu,
            seconds: (now - self.began).as_secs_f64(),
            looks: agent.inferences() - self.first_looks,
            superseded: agent.superseded() - self.first_superseded,
            resident_mib: self.cost.resident_mib.max(resident),
            peak_mib: peak,
            ..self.cost
        };
    }
}

/// Measures agents side by side, each for at least so long: until the first word on its health after that. Each begins
/// with such a word too, so that its own counts and our time are of the same while.
pub fn measure(agents: &mut [Agent], lengths: &[Duration]) -> Vec<Cost> {
    let mut watches: Vec<Option<Watch>> = agents.iter().map(|_| None).collect();
    let is_over = |watch: &Option<Watch>, length: &Duration| {
        // Words come on a grid of their own: one that comes a little early is the one that is meant.
        watch.as_ref().is_some_and(|w| w.last_word + Duration::from_secs(2) >= w.began + *length)
    };
    // What came before now is of the past.
    agents.iter_mut().for_each(|agent| agent.last = agent.health.try_iter().last().or(agent.last.take()));
    while !watches.iter().zip(lengths).all(|(watch, length)| is_over(watch, length)) {
        for ((agent, watch), length) in agents.iter_mut().zip(&mut watches).zip(lengths) {
            if is_over(watch, length) {
                continue;
            }
            let Ok(health) = agent.health.recv_timeout(Duration::from_millis(20)) else {
                let ended = agent.child.try_wait().ok().flatten();
                assert!(ended.is_none(), "an agent ended while it was measured: {ended:?}");
                continue;
            };
            match watch {
                Some(watch) => watch.take(agent, health),
                None => {
                    agent.last = Some(health);
                    *watch = Some(Watch::begin(agent));
                }
            }
        }
    }
    watches.into_iter().flatten().map(|watch| watch.cost).collect()
}

fn library() -> PathBuf {
    let library = std::env::var_os("VEDETTE_ORT").map(PathBuf::from).unwrap_or_default();
    std::path::absolute(&library).unwrap_or(library)
}

fn write(name: &str, cameras: &[Camera], model: &Path, broker: &Broker, folder: &Path) -> String {
    let mut text = format!(
        "agent: {{ id: {name}, state_dir: {:?} }}\nmqtt: {{ url: \"mqtt://127.0.0.1:{}\" }}\n\
         models:\n  people: {{ file: {model:?}, provider: cpu }}\ncameras:\n",
        folder.join("state"),
        broker.port
    );
    for (number, Camera { url, fps, gate, idle }) in cameras.iter().enumerate() {
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "  - id: camera-{number}\n    url: {url:?}\n    idle_keyframes: {idle}\n    \
             detect: {{ model: people, fps: {fps}, motion_gate: {gate} }}\n    \
             zones: [{{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }}]\n    rules:\n      \
             - {{ id: anybody, kind: intrusion, zone: all, labels: [person] }}\n      \
             - {{ id: crowd, kind: occupancy, zone: all, labels: [person] }}\n"
        );
    }
    text
}

/// Every word of the agent on its health from now on.
fn listen(name: &str, port: u16) -> Receiver<HealthMessage> {
    let mut options = MqttOptions::new(format!("bench-{name}"), "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = Client::new(options, 4);
    client.subscribe(format!("vedette/v1/{name}/health"), QoS::AtMostOnce).expect("a client takes one request");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let _open = client;
        for event in connection.iter() {
            let Ok(Event::Incoming(Packet::Publish(message))) = event else { continue };
            let Ok(health) = serde_json::from_slice(&message.payload) else { continue };
            if !message.retain && tell.send(health).is_err() {
                return;
            }
        }
    });
    told
}
