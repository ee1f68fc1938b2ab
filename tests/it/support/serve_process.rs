//! The RTSP server as a process of its own, which a test can stop, pause and start again.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use vedette::decode::serve::{Login, Mount, RtspServer, Settings, Source};
use vedette::vocab::Secret;

/// A server process; dropping it kills it.
pub struct ServerProcess {
    child: Child,
    /// Where its only stream is to be found.
    pub url: String,
    /// Its port, so that another can take its place.
    pub port: u16,
}

impl ServerProcess {
    /// Starts this test binary once more as a server of `source` (a clip's path, or `scene` for the street) at `port`,
    /// 0 for any.
    pub fn start(source: &str, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "support::serve_process::serve_as_a_process", "--ignored", "--nocapture"])
            .env("VEDETTE_TEST_SERVE", source)
            .env("VEDETTE_TEST_PORT", port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("serving ")?.1.to_owned()));
        let url = url.expect("the server process says where it serves");
        let port = url.split([':', '/']).find_map(|part| part.parse().ok()).unwrap();
        Self { child, url, port }
    }

    /// Its process id, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process runs. As a test it does nothing.
#[test]
#[ignore = "is started by ServerProcess"]
fn serve_as_a_process() {
    let Ok(source) = std::env::var("VEDETTE_TEST_SERVE") else { return };
    let port = std::env::var("VEDETTE_TEST_PORT").unwrap().parse().unwrap();
    let source = match source.as_str() {
        "scene" => Source::Street { seed: 7, width: 320, height: 180, fps: 10.0 },
        path => Source::Clip(path.into()),
    };
    let mounts = vec![Mount { path: "/stream".to_owned(), source }];
    let server = RtspServer::start(Settings { port, mounts, ..Settings::default() }).unwrap();
    println!("serving {}", server.url());
    // Until whoever started it closes the pipe or kills it.
    let _ = std::io::stdin().lines().next();
}

/// A login for tests.
pub fn login(digest: bool) -> Login {
    Login { user: "viewer".to_owned(), password: Secret::new("canary-password"), digest }
}
