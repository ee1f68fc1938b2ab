//! A real PostgreSQL on a free port, with a database of its own, gone when dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A server; ended when dropped.
pub struct Postgres {
    _folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

/// Starts a server, or prints that the calling test is skipped.
pub fn start() -> Option<Postgres> {
    let Some(bin) = programs() else {
        let test = std::thread::current().name().unwrap_or("test").to_owned();
        println!("SKIPPED {test}: PostgreSQL is not installed");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let user = server_user();
    if let Some((uid, gid)) = user {
        for path in [folder.path(), data.as_path()] {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
    let made = command(&bin.join("initdb"), user)
        .args(["--auth=trust", "--username=hub", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = command(&bin.join("postgres"), user)
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", ""])
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let server = Postgres { _folder: folder, port, child };
    server.wait(&bin);
    Some(server)
}

impl Postgres {
    /// Its URL.
    pub fn url(&self) -> String {
        format!("postgres://hub@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&self, bin: &Path) {
        let port = self.port.to_string();
        for _ in 0..300 {
            let ready = Command::new(bin.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            if ready.unwrap().success() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start within 15 s");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.child);
        // SIGQUIT ends it and all that belong to it at once.
        let _ = kill_process(pid, Signal::QUIT);
        let _ = self.child.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").exists() && bin.join("postgres").exists());
    found.sort();
    found.pop()
}

/// It refuses to be run by root, and its package makes a user for it.
fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
