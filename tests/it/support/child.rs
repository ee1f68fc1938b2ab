//! Runs a part of a test in a process of its own, which can be killed: the test binary is started again for one test.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "VEDETTE_TEST_CHILD";

/// A running child; killed with SIGKILL when dropped.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Starts the test called `test` (its full path) in a child, with `variables`.
pub fn start(test: &str, variables: &[(&str, &str)]) -> Running {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, test)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Running { child, lines }
}

/// Whether this process is a child that is to play `test`.
pub fn is(test: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|role| role == test)
}

impl Running {
    /// The next line that the child prints and that begins with `mark`, without it. `None` once it has ended.
    pub fn line(&mut self, mark: &str) -> Option<String> {
        // The test runner prints the test's name on the line on which the child begins to print.
        let found = |line: String| line.split_once(mark).map(|(_, rest)| rest.to_owned());
        self.lines.by_ref().map_while(Result::ok).find_map(found)
    }

    /// Its process, to which a signal can be sent.
    #[allow(dead_code, reason = "not every test binary signals a child")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
