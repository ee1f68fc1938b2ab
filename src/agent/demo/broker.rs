//! A real mosquitto on a free port of this machine, for as long as the demo runs.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::shutdown::Stopping;

/// A running mosquitto that listens on the loopback address only. Dropping it ends it.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    port: u16,
}

/// Why no broker could be started.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no mosquitto on this machine.
    #[error(
        "mosquitto is not installed (looked in PATH and /usr/sbin); on Debian and Ubuntu: apt-get install mosquitto"
    )]
    Missing,
    /// Its configuration could not be written, or it could not be started.
    #[error("cannot start mosquitto: {operation}")]
    Start {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It ended or did not listen in time.
    #[error("mosquitto did not listen on 127.0.0.1:{port} within {waited_s} s; see {log}")]
    Silent {
        /// The port it was told to use.
        port: u16,
        /// How long was waited.
        waited_s: u64,
        /// Its log.
        log: String,
    },
}

impl Broker {
    /// Starts mosquitto with its files in `folder` and waits until it listens.
    ///
    /// # Errors
    /// When mosquitto is not installed, cannot be started, or does not listen within ten seconds.
    pub fn start(folder: &Path, clock: &dyn Clock, stopping: &Stopping) -> Result<Self, BrokerError> {
        let failed = |operation| move |source| BrokerError::Start { operation, source };
        let program = find_mosquitto().ok_or(BrokerError::Missing)?;
        let port = free_port().map_err(failed("finding a free port"))?;
        let configuration = folder.join("mosquitto.conf");
        write_configuration(&configuration, port).map_err(failed("writing its configuration"))?;
        let log = folder.join("mosquitto.log");
        let output = fs::File::create(&log).map_err(failed("creating its log"))?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(failed("running it"))?;
        let mut broker = Self { child, port };
        broker.wait_until_listening(&log, clock, stopping)?;
        Ok(broker)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_listening(&mut self, log: &Path, clock: &dyn Clock, stopping: &Stopping) -> Result<(), BrokerError> {
        const LIMIT: Duration = Duration::from_secs(10);
        let start = clock.mono();
        while clock.mono().saturating_sub(start) < LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            if stopping.wait(Duration::from_millis(50)) {
                break;
            }
        }
        let waited_s = clock.mono().saturating_sub(start).as_secs();
        Err(BrokerError::Silent { port: self.port, waited_s, log: log.display().to_string() })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself; either way nobody is left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where mosquitto is installed.
pub(in crate::agent) fn find_mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian installs it in /usr/sbin, which an ordinary user's PATH lacks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("mosquitto")).find(|file| file.is_file())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn write_configuration(path: &Path, port: u16) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    writeln!(file, "listener {port} 127.0.0.1")?;
    writeln!(file, "allow_anonymous true\npersistence false\nlog_dest stderr\nlog_type error\nlog_type warning")
}
