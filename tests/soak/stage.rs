//! What a soak runs: cameras, broker, PostgreSQL, hub and agent, all real and each a process of its own, and the proxies
//! through which the agent reaches cameras and broker.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;

use crate::cameras::{CAMERAS, Cameras};
use crate::program::Program;
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres::{self, Postgres};
use crate::support::proxy::Proxy;

/// What the agent is called.
pub const AGENT: &str = "soak";
/// Looks a second at each camera.
pub const LOOKS: f64 = 2.0;
/// The broker keeps what waits for the hub on its disk, and saves it each second: one that is killed forgets little.
const BROKER: [&str; 5] = [
    "persistence true",
    "autosave_interval 1",
    "max_queued_messages 0",
    "max_inflight_messages 0",
    "max_packet_size 1048576",
];

/// Everything. What is dropped is killed.
pub struct Stage {
    pub agent: Arc<Program>,
    pub hub: Arc<Program>,
    pub cameras: Cameras,
    /// Before each camera.
    pub lines: Vec<Proxy>,
    /// Before the broker, for the agent alone.
    pub uplink: Proxy,
    pub broker: Mosquitto,
    pub database: Postgres,
    /// How often the configuration was changed.
    changes: u32,
    state: tempfile::TempDir,
}

impl Stage {
    /// Starts everything; logs and filmed streets go to `folder`. None where something is not installed, after saying so.
    pub fn set(folder: &Path) -> Option<Self> {
        if std::env::var_os("VEDETTE_ORT").is_none_or(|library| !PathBuf::from(library).exists()) {
            println!("SKIPPED soak: ONNX Runtime is not there (set VEDETTE_ORT, or run make setup)");
            return None;
        }
        let database = postgres::start()?;
        let broker = mosquitto::start(&BROKER)?;
        let cameras = Cameras::start(folder.parent().unwrap_or(folder));
        let lines: Vec<Proxy> = (0..CAMERAS).map(|_| Proxy::start(cameras.port)).collect();
        let uplink = Proxy::start(broker.port());
        let state = tempfile::tempdir().unwrap();
        let hub_file = format!(
            "listen: 127.0.0.1:{}\ndata_dir: hub\nserving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{}' }}\n",
            free_port(),
            broker.url(),
            database.url()
        );
        fs::write(state.path().join("hub.yaml"), hub_file).unwrap();
        fs::write(state.path().join("vedette.yaml"), configuration(state.path(), uplink.port, &lines, 0, true))
            .unwrap();
        let start = |arguments: &[&str], log| Arc::new(Program::start(arguments, state.path(), &folder.join(log)));
        let hub = start(&["hub", "-c", "hub.yaml"], "hub.log");
        let agent = start(&["run", "-c", "vedette.yaml"], "agent.log");
        Some(Self { agent, hub, cameras, lines, uplink, broker, database, changes: 0, state })
    }

    /// Changes a rule of one camera and has the agent read it.
    pub fn change_configuration(&mut self) {
        self.changes += 1;
        self.reload(true);
    }

    /// Has the agent let go of all cameras.
    pub fn switch_cameras_off(&self) {
        self.reload(false);
    }

    fn reload(&self, enabled: bool) {
        let fresh = self.state.path().join("fresh.yaml");
        let text = configuration(self.state.path(), self.uplink.port, &self.lines, self.changes, enabled);
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.state.path().join("vedette.yaml")).unwrap();
        self.agent.signal(Signal::HUP);
    }

    /// Where the agent's spool lies.
    pub fn spool(&self) -> PathBuf {
        self.state.path().join("state/spool")
    }
}

/// A port nobody listens on. Another may take it before it is used, which is unlikely enough for a test.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Every camera with rules that are often met, alerts and events; a change lengthens the pauses of one rule.
fn configuration(state: &Path, uplink: u16, lines: &[Proxy], changes: u32, enabled: bool) -> String {
    let mut text = format!(
        "agent: {{ id: {AGENT}, state_dir: {:?} }}\n\
         mqtt: {{ url: 'mqtt://127.0.0.1:{uplink}', delivery: hub }}\n\
         models:\n  people: {{ file: 'bundled:vedette-nano', provider: cpu }}\ncameras:\n",
        state.join("state")
    );
    for (number, line) in lines.iter().enumerate() {
        let cooldown = 10 + if number == 0 { changes } else { 0 };
        write!(
            text,
            "  - id: camera-{number}\n    url: 'rtsp://127.0.0.1:{}/{number}'\n    enabled: {enabled}\n    \
             detect: {{ model: people, fps: {LOOKS}, motion_gate: false }}\n    \
             zones:\n      - {{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }}\n      \
             - {{ id: near, polygon: [[0, 0.6], [1, 0.6], [1, 1], [0, 1]] }}\n    \
             lines: [{{ id: middle, from: [0.5, 0], to: [0.5, 1] }}]\n    rules:\n      \
             - {{ id: anybody, kind: intrusion, zone: near, labels: [person], cooldown_seconds: {cooldown} }}\n      \
             - {{ id: hangs-around, kind: loitering, zone: all, labels: [person], seconds: 8 }}\n      \
             - {{ id: passes, kind: line-crossing, line: middle, labels: [person, vehicle], severity: event }}\n      \
             - {{ id: crowd, kind: occupancy, zone: all, labels: [person], at_least: 2, severity: event }}\n",
            line.port
        )
        .unwrap();
    }
    text
}
