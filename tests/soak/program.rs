//! The program under test, as agent or as hub: a process of its own that can be killed, signalled and started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use vedette::base::clock::{Clock, SystemClock};

/// The process. Dropping it kills it.
pub struct Program {
    arguments: Vec<String>,
    folder: PathBuf,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

/// The file that is run: what `VEDETTE_PROGRAM` names, else what these tests were built with.
pub fn file() -> PathBuf {
    std::env::var_os("VEDETTE_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_vedette").into(), PathBuf::from)
}

impl Program {
    /// Starts `vedette` with these arguments in `folder`; what it says is appended to `log`.
    pub fn start(arguments: &[&str], folder: &Path, log: &Path) -> Self {
        let program = Self {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            folder: folder.to_owned(),
            log: log.to_owned(),
            child: Mutex::default(),
        };
        program.launch();
        program
    }

    /// Starts it, after [`Program::kill`].
    pub fn launch(&self) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let library = PathBuf::from(std::env::var_os("VEDETTE_ORT").unwrap_or_default());
        let library = std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join(library)).unwrap();
        let mut command = Command::new(file());
        command.args(&self.arguments).current_dir(&self.folder).env("VEDETTE_ORT", library);
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        *self.child.lock().unwrap() = Some(command.spawn().unwrap());
    }

    /// As `kill -9`.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal, where it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = self.child.lock().unwrap().as_ref() {
            // One that has ended by itself is found by `ended`.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().unwrap().as_ref().map(Child::id)
    }

    /// How it ended, if it did by itself.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// Asks it to end, and waits for that; none where it takes longer than `patience`.
    pub fn end(&self, patience: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let until = SystemClock.mono() + patience;
        while SystemClock.mono() < until {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
