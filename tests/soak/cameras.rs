//! Eight cameras: an RTSP server in a process of its own that plays filmed streets over and over, for two cores cannot
//! encode eight streams and look at them too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process};
use vedette::decode::film;
use vedette::decode::serve::{Mount, RtspServer, Settings, Source};
use vedette::decode::street::Street;

use crate::stage::free_port;
use crate::support::child::{self, Running};

/// How many there are.
pub const CAMERAS: usize = 8;
const SIZE: (u32, u32) = (1280, 720);
const FPS: f64 = 15.0;
/// What the street does repeats itself after so long.
pub const SECONDS: u64 = 60;
/// Streets of different seeds, which the cameras share.
const SEEDS: [u64; 2] = [3, 4];
const CHILD: &str = "cameras::child_that_serves_cameras";

/// The server. Dropping it kills it.
pub struct Cameras {
    clips: Vec<PathBuf>,
    child: Running,
    pub port: u16,
}

impl Cameras {
    /// Films the streets into `folder`, where they are not there from an earlier run, and serves them.
    pub fn start(folder: &Path) -> Self {
        let film = |seed: &u64| {
            let path = folder.join(format!("street-{seed}-{}x{}-{FPS}-{SECONDS}.mkv", SIZE.0, SIZE.1));
            if !path.exists() {
                println!("filming {}", path.display());
                let fresh = folder.join(format!("unfinished-{seed}.mkv"));
                let street = Street::new(*seed, SIZE.0, SIZE.1, FPS);
                film(&street, (SECONDS as f64 * FPS) as u64, &fresh).unwrap();
                std::fs::rename(&fresh, &path).unwrap();
            }
            path
        };
        let clips: Vec<PathBuf> = SEEDS.iter().map(film).collect();
        let port = free_port();
        Self { child: spawn(&clips, port), clips, port }
    }

    /// As a pulled plug of the switch that powers them.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again on the same port, after [`Cameras::kill`].
    pub fn launch(&mut self) {
        self.child = spawn(&self.clips, self.port);
    }

    /// Stops it without ending it, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.pid() as i32).unwrap(), signal).unwrap();
    }
}

fn spawn(clips: &[PathBuf], port: u16) -> Running {
    let clips: Vec<&str> = clips.iter().map(|clip| clip.to_str().unwrap()).collect();
    let mut child = child::start(CHILD, &[("CLIPS", &clips.join("\n")), ("PORT", &port.to_string())]);
    child.line("serving").expect("the RTSP server starts");
    child
}

/// Played in a process of its own: serves the cameras until it is killed or whoever started it is gone.
#[test]
fn child_that_serves_cameras() {
    if !child::is(CHILD) {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap();
    let clips: Vec<String> = variable("CLIPS").lines().map(str::to_owned).collect();
    let mount = |n: usize| Mount { path: format!("/{n}"), source: Source::Clip(clips[n % clips.len()].clone().into()) };
    let mounts = (0..CAMERAS).map(mount).collect();
    let _server =
        RtspServer::start(Settings { port: variable("PORT").parse().unwrap(), mounts, ..Settings::default() }).unwrap();
    println!("serving");
    let parent = getppid();
    while getppid() == parent {
        std::thread::park_timeout(Duration::from_secs(1));
    }
}
