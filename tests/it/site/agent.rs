//! `vedette run` in a process of its own, which can be killed, signalled and started again.

#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use vedette::base::clock::{Clock, SystemClock};

/// What every configuration here calls its agent.
pub const AGENT: &str = "gate";

/// An agent and its folder. Dropping it kills it; where a test fails, the end of its log is shown.
pub struct Agent {
    folder: TempDir,
    child: Option<Child>,
    variables: Vec<(String, String)>,
}

impl Agent {
    /// An agent that is not started yet, for the broker at `broker`, with these further sections of the configuration.
    pub fn new(broker: &str, sections: &str) -> Self {
        let agent = Self { folder: tempfile::tempdir().unwrap(), child: None, variables: Vec::new() };
        agent.configure(broker, sections);
        agent
    }

    /// Writes the configuration anew. A section `mqtt` or `agent` of one's own takes the place of the usual one.
    pub fn configure(&self, broker: &str, sections: &str) {
        let mut text = String::new();
        if !sections.contains("agent:") {
            let state = self.folder.path().join("state");
            text += &format!("agent: {{ id: {AGENT}, state_dir: {} }}\n", state.display());
        }
        if !sections.contains("mqtt:") {
            text += &format!("mqtt: {{ url: \"{broker}\", keep_alive_seconds: 1 }}\n");
        }
        self.write_configuration(&(text + sections));
    }

    /// Puts this text in the configuration's place, in one step.
    pub fn write_configuration(&self, text: &str) {
        let fresh = self.folder.path().join("fresh.yaml");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.configuration()).unwrap();
    }

    /// Its folder, where relative paths of its configuration start.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sets a variable of its environment, from the next start on.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// Gives it a socket on which it thinks to find systemd, from the next start on.
    pub fn with_systemd(&mut self, watchdog: Duration) -> UnixDatagram {
        let path = self.folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        self.set("NOTIFY_SOCKET", path.to_str().unwrap());
        self.set("WATCHDOG_USEC", &watchdog.as_micros().to_string());
        socket
    }

    /// Starts it.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vedette"))
            .args(["run", "-c"])
            .arg(self.configuration())
            .current_dir(self.folder.path())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .env_remove("CREDENTIALS_DIRECTORY")
            .envs(libraries())
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// As `kill -9`, or a power cut that spares the disk.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until it has ended: how, and after how long. Panics after a minute.
    pub fn await_end(&mut self) -> (ExitStatus, Duration) {
        let began = SystemClock.mono();
        while SystemClock.mono() < began + Duration::from_secs(60) {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return (status, SystemClock.mono() - began);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("the agent does not end within a minute");
    }

    /// What it has written to its log.
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("vedette.yaml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log_text();
            let lines: Vec<&str> = log.lines().collect();
            println!("the end of the agent's log:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// ONNX Runtime as cargo names it, absolute: the agent runs in a folder of its own.
fn libraries() -> impl Iterator<Item = (&'static str, PathBuf)> {
    ["VEDETTE_ORT", "VEDETTE_ORT_OPENVINO"].into_iter().filter_map(|name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        Some((name, std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?))
    })
}

/// The configuration of a camera that nobody looks at: only its connection matters.
pub fn bare_camera(id: &str, url: &str) -> String {
    format!("  - {{ id: {id}, url: \"{url}\" }}\n")
}
