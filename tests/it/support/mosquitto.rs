//! A real mosquitto on a free port, which can be killed, frozen and started again.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A broker; killed when dropped.
pub struct Mosquitto {
    folder: tempfile::TempDir,
    program: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Starts a broker with further lines in its configuration, or prints that the calling test is skipped.
pub fn start(lines: &[&str]) -> Option<Mosquitto> {
    start_in(tempfile::tempdir().unwrap(), lines)
}

/// As [`start`], with files of the test's own (passwords, certificates) in its folder.
pub fn start_in(folder: tempfile::TempDir, lines: &[&str]) -> Option<Mosquitto> {
    let places =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
    let Some(program) = places.iter().map(PathBuf::from).find(|p| p.exists()) else {
        let test = std::thread::current().name().unwrap_or("test").to_owned();
        println!("SKIPPED {test}: mosquitto is not installed");
        return None;
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut text = format!("listener {port} 127.0.0.1\npersistence_location {}/\n", folder.path().display());
    if !lines.iter().any(|l| l.starts_with("password_file") || l.starts_with("require_certificate")) {
        text += "allow_anonymous true\n";
    }
    // Started as root, it would become another user and could not write here.
    text += "user root\n";
    for line in lines {
        text += line;
        text += "\n";
    }
    fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
    let mut broker = Mosquitto { folder, program, port, child: None };
    broker.launch();
    Some(broker)
}

impl Mosquitto {
    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process, to which a signal can be sent.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap()
    }

    /// Its URL, without TLS.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, after [`Mosquitto::kill`].
    pub fn launch(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            pause(Duration::from_millis(50));
        }
        panic!("mosquitto does not listen: {}", fs::read_to_string(self.folder.path().join("log")).unwrap());
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it from doing anything, while its connections stay open.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().map(Pid::from_child).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for another program has nothing to wait on")]
fn pause(for_: Duration) {
    std::thread::sleep(for_);
}
