//! Children: the same program again, for what may crash, hang or be turned against it.
//!
//! A child is given one descriptor, its end of a socket as standard input, and an environment that holds nothing but what
//! libraries must find there. Neither its arguments nor its environment ever hold a secret. Whatever Rust opens is closed as
//! a child begins, and so is what well-behaved libraries open. What the child then gives up by itself is in
//! [`confine`](super::confine).

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::channel::Channel;
use super::{environment, threads};

/// The program that runs, also where its file has been replaced by an update since: a child of another version would not
/// speak the same language.
const OWN: &str = "/proc/self/exe";
/// What libraries must find: those of models, and those of decoders.
const ENVIRONMENT: [environment::Variable; 4] =
    [environment::NO_TELEMETRY, environment::ALLOCATOR, environment::NO_SLICES, environment::NO_PLUGINS];
/// Where libraries are looked for. Drivers of accelerators lie wherever their makers like.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// What the kernel adds to a child's claim to be killed where there is no memory left, of at most 1000.
const FIRST_TO_GO: &str = "500";
/// How long a child that was killed is waited for. One that a driver holds in the kernel is left to itself.
const REAP: Duration = Duration::from_secs(2);

/// What is started as a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub file: PathBuf,
    /// Its arguments; anybody on the machine can read them.
    pub arguments: Vec<OsString>,
}

/// A child that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    id: u32,
    /// None once it was waited for.
    process: Option<std::process::Child>,
}

impl Program {
    /// This program itself, with other arguments.
    pub fn own(arguments: &[&str]) -> Self {
        Self { file: PathBuf::from(OWN), arguments: arguments.iter().map(OsString::from).collect() }
    }

    /// Starts it, and returns the connection to it.
    ///
    /// # Errors
    /// When the machine refuses another process or socket.
    pub fn start(&self) -> io::Result<(Child, Channel)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&self.file);
        command.arg0("vedette").args(&self.arguments).env_clear().envs(ENVIRONMENT);
        command.envs(std::env::var_os(LIBRARY_PATH).map(|path| (LIBRARY_PATH, path)));
        // What it would say is not listened to: a process that was taken over could write into the log whatever it likes.
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        // What a terminal sends to this program is not meant for the child, which ends when this program wants it no more.
        let process = command.process_group(0).spawn()?;
        let id = process.id();
        // Where the machine runs out of memory, a child goes before this program. Not every container has the file.
        let _ = std::fs::write(format!("/proc/{id}/oom_score_adj"), FIRST_TO_GO);
        Ok((Child { id, process: Some(process) }, Channel::new(ours)))
    }
}

impl Child {
    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Kills it, if it has not ended by itself, and says how it ended, such as `signal: 11 (SIGSEGV)`.
    pub fn end(mut self) -> String {
        self.kill()
    }

    fn kill(&mut self) -> String {
        let Some(mut process) = self.process.take() else { return "ended before".to_owned() };
        // The end of one that has crashed stays what it was: a process dies once.
        let killed = process.kill();
        match threads::with_deadline("reap", REAP, move || process.wait()) {
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => error.to_string(),
            None => match killed {
                Ok(()) => "killed, and held by the kernel".to_owned(),
                Err(error) => format!("cannot be killed: {error}"),
            },
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    /// A shell that runs `script`.
    fn shell(script: &str) -> Program {
        Program { file: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
    }

    #[test]
    fn a_child_has_its_socket_and_nothing_else_that_we_have_open_and_nothing_of_the_environment() {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let _open = File::open(&ours).unwrap();
        let (child, mut channel) = shell("exec 1>&0; env; ls -l /proc/self/fd; echo =").start().unwrap();
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(b"\n=\n") {
            channel.read(&mut byte).unwrap();
            bytes.push(byte[0]);
        }
        drop(child);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("socket:") && text.contains("\nORT_DISABLE_TELEMETRY=1\n"), "{text}");
        assert!(!text.contains("Cargo.toml"), "{text}");
        // A shell sets the first four by itself.
        let mut known = vec!["PWD", "OLDPWD", "SHLVL", "_", "LD_LIBRARY_PATH", ""];
        known.extend(ENVIRONMENT.map(|(name, _)| name));
        let strangers: Vec<&str> = text
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .filter(|name| !known.contains(name))
            .collect();
        assert!(strangers.is_empty(), "{strangers:?}");
    }

    #[test]
    fn how_a_child_ended_is_told_and_dropping_one_ends_it() {
        let (child, mut channel) = shell("kill -SEGV $$").start().unwrap();
        assert!(channel.receive().is_err(), "it is gone");
        assert!(child.end().contains("SIGSEGV"));
        let (child, mut channel) = shell("read line <&0; exit 3").start().unwrap();
        let claim = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id())).unwrap();
        assert_eq!(claim.trim(), FIRST_TO_GO);
        drop(child);
        assert!(channel.receive().is_err(), "the last hand on its end of the socket is gone");
    }
}
