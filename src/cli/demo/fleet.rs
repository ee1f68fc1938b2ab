//! `vedette demo --fleet`: three agents and a hub, a model that sees nothing, and what becomes of it, told as it happens.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::centre::{Centre, ask};
use super::{agent, say};
use crate::agent::demo::{Play, Stage};
use crate::agent::run;
use crate::base::clock::SharedClock;
use crate::base::shutdown::Shutdown;
use crate::cli::Failure;
use crate::cli::run::{refused_or_failed, stop_on_signals};
use crate::toolchain::detect::bundled;
use crate::toolchain::spoil;

const AGENTS: [&str; 3] = ["north", "south", "west"];
/// How long agents may take to appear, and a rollout to come to its end.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the hub is asked how far it is.
const LOOK: Duration = Duration::from_millis(250);

/// Runs the demo to its end.
///
/// # Errors
/// When something does not start, or a rollout does not end as it must.
pub(super) async fn perform(folder: &Path, clock: SharedClock) -> Result<(), Failure> {
    let interrupted = stop_on_signals()?;
    let stage = Stage::set(&Play::Street, folder, &clock, &interrupted).map_err(anyhow::Error::from)?;
    let centre = Centre::open(folder, &stage.broker_url(), &clock).await?;
    say(format_args!("a broker at {}, a camera at {}, and a hub", stage.broker_url(), stage.camera_url()));
    say(format_args!("{}", centre.address()));
    let (end, ending) = Shutdown::new();
    let mut agents = Vec::new();
    for name in AGENTS {
        let file = stage.write_configuration(name, Path::new(bundled::DETECTOR), Some(&centre.place));
        let (config, options) = agent(file.map_err(anyhow::Error::from)?)?;
        let (reload, reloads) = mpsc::channel(1);
        let run = run::run(config, options, clock.clone(), reloads, ending.clone());
        agents.push((reload, tokio::spawn(run)));
    }
    let tale = Tale { centre: &centre, clock: &clock, folder };
    let told = tokio::select! {
        told = tale.tell() => told,
        () = interrupted.stopped() => Err(Failure::Running(anyhow!("interrupted"))),
    };
    drop(end);
    for (_reload, agent) in agents {
        match agent.await {
            Ok(result) => result.map_err(refused_or_failed)?,
            Err(error) => return Err(Failure::Running(anyhow!("an agent ended in a panic: {error}"))),
        }
    }
    centre.end().await?;
    told
}

/// What is done and shown.
struct Tale<'a> {
    centre: &'a Centre,
    clock: &'a SharedClock,
    folder: &'a Path,
}

impl Tale<'_> {
    async fn tell(&self) -> Result<(), Failure> {
        self.admit().await?;
        let (blind, sound) =
            (spoil::blind().map_err(anyhow::Error::from)?, spoil::sound().map_err(anyhow::Error::from)?);
        say(format_args!("1. somebody registers a model that sees nothing, and rolls it out to all three"));
        self.push("blind.vedette", &blind).await?;
        let state = self.roll_out(1).await?;
        if state != "reverted" {
            return Err(anyhow!("the model that sees nothing is {state} and not reverted").into());
        }
        say(format_args!("   nobody had to do anything: it looked beside the model in force and decided nothing"));
        say(format_args!("2. a sound one takes the same way"));
        self.push("sound.vedette", &sound).await?;
        let state = self.roll_out(2).await?;
        if state != "finished" {
            return Err(anyhow!("the sound model is {state} and not everywhere").into());
        }
        say(format_args!("   all three run it, and no camera was disturbed"));
        Ok(())
    }

    /// Waits until the agents are there, and admits them.
    async fn admit(&self) -> Result<(), Failure> {
        let begin = self.clock.mono();
        loop {
            let agents = self.get("/api/v1/agents").await?;
            let is_there = |name: &&str| {
                let agents = agents.as_array().into_iter().flatten();
                agents.into_iter().any(|a| a["agent"] == **name && a["condition"]["state"] == "online")
            };
            if AGENTS.iter().all(is_there) {
                break;
            }
            self.wait(begin, "the agents do not appear at the hub").await?;
        }
        for name in AGENTS {
            let path = format!("/api/v1/agents/{name}/admission");
            ask(&self.centre.client, move |client| client.put(&path, &json!({ "admitted": true }))).await?;
        }
        say(format_args!("{} have appeared at the hub and are admitted", AGENTS.join(", ")));
        Ok(())
    }

    async fn push(&self, name: &str, package: &[u8]) -> Result<(), Failure> {
        let file = self.folder.join(name);
        std::fs::write(&file, package).map_err(anyhow::Error::from)?;
        let pushed = ask(&self.centre.client, move |client| client.push(&file, "", None, &mut |_, _| {})).await?;
        say(format_args!("   registered as {} version {}", text(&pushed["model"]), pushed["version"]));
        Ok(())
    }

    /// Rolls a version out and tells how far each agent is; the state in which it ends.
    async fn roll_out(&self, version: i64) -> Result<String, Failure> {
        // So short a trial on a busy machine says little about frame rates and times; what the model sees is what matters here.
        let proof = json!({
            "shadow_looks": 30, "shadow_seconds": 60, "trial_seconds": 5, "latency_ratio": 5.0, "frame_rate": 0.5,
            "superseded": 0.5,
        });
        let order = json!({
            "slot": "people", "model": "vedette-nano", "version": version, "all": true,
            "terms": { "groups": [1, "100%"], "soak_seconds": 2, "proof": proof },
        });
        let ordered = ask(&self.centre.client, move |client| client.post("/api/v1/rollouts", &order)).await?;
        let path = format!("/api/v1/rollouts/{}", text(&ordered["id"]));
        let (begin, mut told) = (self.clock.mono(), BTreeMap::new());
        loop {
            let rollout = self.get(&path).await?;
            for node in rollout["nodes"].as_array().into_iter().flatten() {
                let (agent, stage) = (text(&node["agent"]).to_owned(), text(&node["stage"]).to_owned());
                if told.get(&agent) != Some(&stage) {
                    say(format_args!("   {agent:<6} {stage:<12} {}", text(&node["reason"])));
                    told.insert(agent, stage);
                }
            }
            if rollout["settled"] == true {
                let state = text(&rollout["state"]).to_owned();
                say(format_args!("   the rollout is {state}. {}", text(&rollout["why"])));
                return Ok(state);
            }
            self.wait(begin, "the rollout does not come to an end").await?;
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        let path = path.to_owned();
        ask(&self.centre.client, move |client| client.get(&path)).await
    }

    async fn wait(&self, begin: Duration, vain: &'static str) -> Result<(), Failure> {
        if self.clock.mono().saturating_sub(begin) > PATIENCE {
            return Err(Failure::Running(anyhow!("{vain} within {} s", PATIENCE.as_secs())));
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
