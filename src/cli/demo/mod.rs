//! `vedette demo`: the whole line on this machine, nothing configured.

mod centre;
mod fleet;
mod screen;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;

use super::run::{refused_or_failed, stop_on_signals};
use super::{Failure, check, onnx_runtime};
use crate::agent::demo::{Heard, Play, Stage, StageError};
use crate::agent::run::{self, Options};
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::logging::{self, Target};
use crate::base::shutdown::{Shutdown, Stopping};
use crate::config::Config;
use crate::toolchain::detect::bundled;
use crate::wire::{EventMessage, HealthMessage};
use centre::Centre;
use screen::{CameraRow, Screen, Shown};

/// Show the whole line on this machine: real RTSP, real broker, nothing to configure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette demo
  vedette demo --input rtsp://10.0.0.5/stream2 --model yolox_nano_416.onnx --seconds 600
  vedette demo --input clip.mp4 --model yolov8n.onnx
  vedette demo --fleet

A hub runs beside the agent; its address and a token for it are printed. With --fleet there are three agents, and a model \
that sees nothing is rolled out to them, caught at the first one and taken back. Without --input it plays a street that it draws itself; without --model it looks with the detector that the program \
brings.")]
pub struct Args {
    /// A clip, or the rtsp:// URL of a camera; by default a street that is drawn
    #[arg(long, value_name = "FILE|URL")]
    input: Option<String>,
    /// The detector, an ONNX file or package; by default the one that the program brings
    #[arg(long, value_name = "FILE", default_value = bundled::DETECTOR)]
    model: PathBuf,
    /// End after so many seconds
    #[arg(long, value_name = "N", default_value_t = 45)]
    seconds: u64,
    /// Where to write the configuration, the log and the pictures; a new folder under the system's temporary one by default
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print plain lines even on a terminal
    #[arg(long)]
    plain: bool,
    /// Three agents, and a rollout of a bad model that is caught and reversed
    #[arg(long, conflicts_with_all = ["input", "model", "seconds", "plain"])]
    fleet: bool,
}

/// What the agent of the demo is called.
const AGENT: &str = "demo";

/// Runs the command.
///
/// # Errors
/// When there is nothing to play, the stage cannot be set, or no alert came through the broker.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (play, model) = (play(args.input.as_deref())?, model(&args.model)?);
    let folder =
        args.out.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("vedette-demo-{}", std::process::id())));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let log = folder.join("agent.log");
    logging::start(Target::File(&log), "info,ort=warn");
    let clock = SystemClock::shared();
    // The hub checks packages and writes pictures beside what the agent does.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(32).thread_name("async").enable_all().build();
    let runtime = runtime.context("cannot start the asynchronous runtime")?;
    if args.fleet {
        let done = runtime.block_on(fleet::perform(&folder, clock));
        runtime.shutdown_background();
        say(format_args!("configurations and log: {}", folder.display()));
        return done;
    }
    let heard = runtime.block_on(perform(args, &play, &model, &folder, clock))?;
    runtime.shutdown_background();
    say(format_args!("{} alerts and {} snapshots came through the broker", heard.alerts, heard.snapshots));
    say(format_args!("pictures: {}", folder.join(format!("state-{AGENT}/evidence")).display()));
    say(format_args!("configuration and log: {}", folder.display()));
    if heard.alerts == 0 {
        return Err(Failure::Running(anyhow!(
            "no alert came through the broker in {} s; the log is {}",
            args.seconds,
            log.display()
        )));
    }
    Ok(())
}

/// What is played.
fn play(input: Option<&str>) -> Result<Play, Failure> {
    match input {
        Some(url) if url.contains("://") => Ok(Play::Camera(url.to_owned())),
        Some(file) if Path::new(file).exists() => Ok(Play::Clip(absolute(Path::new(file)))),
        Some(file) => Err(Failure::Refused(anyhow!("there is no file {file}; pass --input FILE or an rtsp:// URL"))),
        None => Ok(Play::Street),
    }
}

/// The model as the configuration of the demo names it.
fn model(file: &Path) -> Result<PathBuf, Failure> {
    match file {
        file if bundled::find(file).is_some() => Ok(file.to_owned()),
        file if file.exists() => Ok(absolute(file)),
        file => Err(Failure::Refused(anyhow!("there is no file {}; pass --model FILE", file.display()))),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What came through the broker.
#[derive(Debug, Default)]
struct Tally {
    alerts: u64,
    snapshots: u64,
}

async fn perform(args: &Args, play: &Play, model: &Path, folder: &Path, clock: SharedClock) -> Result<Tally, Failure> {
    let interrupted = stop_on_signals()?;
    let stage = Stage::set(play, folder, &clock, &interrupted).map_err(|error| match error {
        StageError::Serve(error) => Failure::Refused(error.into()),
        error => Failure::Running(error.into()),
    })?;
    let centre = Centre::open(folder, &stage.broker_url(), &clock).await?;
    let file = stage.write_configuration(AGENT, model, Some(&centre.place)).map_err(anyhow::Error::from)?;
    let (config, options) = agent(file)?;
    let (end, ending) = Shutdown::new();
    let heard = stage.listen(clock.clone(), ending.clone());
    let (_reload, reloads) = mpsc::channel(1);
    let agent = tokio::spawn(run::run(config, options, clock.clone(), reloads, ending));
    let view = View::open(args, &stage, model, &centre);
    let tally = watch(args, view, heard, &interrupted, &clock, &agent).await;
    drop(end);
    match agent.await {
        Ok(result) => result.map_err(refused_or_failed)?,
        Err(error) => return Err(Failure::Running(anyhow!("the agent ended in a panic: {error}"))),
    }
    centre.end().await?;
    Ok(tally)
}

/// What it takes to run the agent that `file` configures.
fn agent(file: PathBuf) -> Result<(Config, Options), Failure> {
    let config = check::configuration(&file)?.config;
    let folders = check::folders(&file);
    let search = onnx_runtime::search(None);
    Ok((config, Options { folders, file, search, health_interval: Duration::from_secs(1) }))
}

/// Shows what is heard until the time is over, somebody quits, or the agent ends.
async fn watch(
    args: &Args,
    mut view: View,
    mut heard: mpsc::Receiver<Heard>,
    interrupted: &Stopping,
    clock: &SharedClock,
    agent: &tokio::task::JoinHandle<Result<(), run::StartError>>,
) -> Tally {
    let begin = clock.mono();
    let mut tally = Tally::default();
    let mut frame = tokio::time::interval(Duration::from_millis(100));
    let length = Duration::from_secs(args.seconds);
    while clock.mono().saturating_sub(begin) < length && !agent.is_finished() {
        tokio::select! {
            () = interrupted.stopped() => break,
            _ = frame.tick() => if view.refresh(length.saturating_sub(clock.mono().saturating_sub(begin))) { break },
            Some(message) = heard.recv() => match message {
                Heard::Alert(alert) => {
                    tally.alerts += 1;
                    view.alert(&alert);
                }
                Heard::Health(health) => view.health(&health),
                Heard::Snapshot(_) => tally.snapshots += 1,
                Heard::Other => {}
            },
        }
    }
    tally
}

/// One screen on a terminal, plain lines elsewhere.
struct View {
    screen: Option<Screen>,
    shown: Shown,
    folder: String,
    /// Where the hub is, and the token to sign in with.
    hub: String,
    last_line: String,
}

impl View {
    fn open(args: &Args, stage: &Stage, model: &Path, centre: &Centre) -> Self {
        let model = model.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let title = format!(" vedette demo: {} through {model}, broker {} ", stage.camera_url(), stage.broker_url());
        let wants_screen = !args.plain && io::stdout().is_terminal();
        let screen = wants_screen.then(|| Screen::open().ok()).flatten();
        if screen.is_none() {
            say(format_args!("{}", title.trim()));
            say(format_args!(
                "listen with: mosquitto_sub -h 127.0.0.1 -p {} -t 'vedette/#' -v",
                port(&stage.broker_url())
            ));
            say(format_args!("{}", centre.address()));
        }
        let folder = stage.evidence(AGENT).display().to_string();
        let hub = centre.address();
        Self { screen, shown: Shown { title, ..Shown::default() }, folder, hub, last_line: String::new() }
    }

    fn alert(&mut self, alert: &EventMessage) {
        let phase = format!("{:?}", alert.data.phase).to_lowercase();
        let rule = alert.data.rule.as_ref().map(ToString::to_string).unwrap_or_default();
        let time = alert.time.get(11..23).unwrap_or(&alert.time);
        let line = format!("{time}  {phase:<6}  {rule:<14}  {}", alert.data.explanation);
        if self.screen.is_none() {
            say(format_args!("{line}"));
        }
        self.shown.alert(line);
    }

    fn health(&mut self, health: &HealthMessage) {
        let infer = health.stages.iter().find(|(name, _)| name.ends_with("/infer")).map(|(_, latency)| latency);
        self.shown.cameras = health
            .cameras
            .iter()
            .map(|(id, camera)| CameraRow {
                id: id.to_string(),
                state: serde_json::to_value(camera.state)
                    .ok()
                    .and_then(|v| Some(v.as_str()?.to_owned()))
                    .unwrap_or_default(),
                fps: camera.received_fps as f32,
                inferences: camera.inferred_fps as f32,
                latency: infer.map(|l| (l.p50_ms as f32, l.p95_ms as f32)).unwrap_or_default(),
                decoder: format!(
                    "{} {}",
                    camera.decoder.as_deref().unwrap_or("-"),
                    camera.size.map(|(w, h)| format!("{w}x{h}")).unwrap_or_default()
                ),
            })
            .collect();
        if self.screen.is_none() {
            self.tell_states();
        }
    }

    /// A line whenever a camera's state changes, for those who have no screen.
    fn tell_states(&mut self) {
        let states: Vec<String> = self.shown.cameras.iter().map(|c| format!("{} is {}", c.id, c.state)).collect();
        let line = states.join(", ");
        if line != self.last_line {
            say(format_args!("{line}"));
            self.last_line = line;
        }
    }

    /// Draws; whether somebody wants to quit.
    fn refresh(&mut self, left: Duration) -> bool {
        self.shown.footer = format!("{}\npictures in {}   {} s left, q quits", self.hub, self.folder, left.as_secs());
        let Some(screen) = &mut self.screen else { return false };
        // A terminal that is gone ends the demo like somebody who quits.
        let drawn = screen.draw(&self.shown).and_then(|()| screen.quit_pressed(Duration::ZERO));
        drawn.unwrap_or(true)
    }
}

fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap_or_default()
}

/// A line of the command's own data.
fn say(line: std::fmt::Arguments<'_>) {
    // Nobody reads any more: that is no reason to fail.
    let _ = writeln!(io::stdout(), "{line}");
}
