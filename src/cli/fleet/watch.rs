//! A rollout on a terminal, drawn anew until it is over.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ratatui::crossterm::terminal;
use serde_json::Value;

use super::super::Failure;
use super::super::connection::{failed, print};
use crate::base::shutdown::Shutdown;
use crate::client::{Client, ClientError};

/// How often the hub is asked.
const PAUSE: Duration = Duration::from_secs(1);
/// How often in a row it may not answer, as while it starts anew.
const PATIENCE: u32 = 120;
/// The most agents that are drawn.
const MOST_DRAWN: usize = 20;

/// Shows the rollout at `place` until it is over.
///
/// # Errors
/// When the hub refuses, does not answer for minutes, or the rollout turned back.
pub(super) fn run(client: &Client, place: &str) -> Result<(), Failure> {
    let (_running, stopping) = Shutdown::new();
    let mut screen = Screen::new();
    let mut unanswered = 0;
    loop {
        match client.get(place) {
            Ok(rollout) => {
                unanswered = 0;
                screen.show(&rollout)?;
                if rollout["settled"] == true {
                    return end(&rollout);
                }
            }
            Err(error @ (ClientError::Reach { .. } | ClientError::Away { .. })) if unanswered < PATIENCE => {
                unanswered += 1;
                tracing::warn!(%error, "the hub does not answer");
            }
            Err(error) => return Err(failed(error)),
        }
        stopping.wait(PAUSE);
    }
}

fn end(rollout: &Value) -> Result<(), Failure> {
    match rollout["state"].as_str() {
        Some("finished") => Ok(()),
        state => {
            let (id, why) = (rollout["id"].as_str().unwrap_or_default(), rollout["why"].as_str().unwrap_or_default());
            Err(Failure::Running(anyhow!("{id} is {}: {why}", state.unwrap_or("not over"))))
        }
    }
}

/// What was shown last.
struct Screen {
    is_terminal: bool,
    drawn: usize,
    shown: Value,
}

impl Screen {
    fn new() -> Self {
        Self { is_terminal: std::io::stdout().is_terminal(), drawn: 0, shown: Value::Null }
    }

    fn show(&mut self, rollout: &Value) -> Result<(), Failure> {
        if !self.is_terminal {
            if *rollout == self.shown {
                return Ok(());
            }
            self.shown = rollout.clone();
            return print(rollout);
        }
        let width = terminal::size().map_or(80, |(width, _)| usize::from(width).max(20));
        let text = drawing(rollout, width);
        let mut out = std::io::stdout().lock();
        let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        self.drawn = text.lines().count();
        Ok(write!(out, "{up}{text}").and_then(|()| out.flush()).context("writing to stdout")?)
    }
}

/// The rollout in lines of at most `width` characters.
fn drawing(rollout: &Value, width: usize) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (package, overlay) = (&rollout["package"], &rollout["overlay"]);
    let what = if overlay.is_null() {
        format!("{} {} for {}", text(&package["model"]), package["version"], text(&rollout["slot"]))
    } else {
        let sha256: String = text(&overlay["sha256"]).chars().take(12).collect();
        format!("overlay {sha256}  {}", text(&rollout["purpose"]))
    };
    let mut lines = vec![format!("{}  {}  {what}", text(&rollout["id"]), text(&rollout["state"]))];
    if !text(&rollout["why"]).is_empty() {
        lines.push(format!("  {}", text(&rollout["why"])));
    }
    for group in rollout["groups"].as_array().into_iter().flatten() {
        let stages = group["stages"].as_object().into_iter().flatten();
        let stages: Vec<String> = stages.map(|(stage, many)| format!("{many} {stage}")).collect();
        lines.push(format!("  group {}: {} agents: {}", group["group"], group["nodes"], stages.join(", ")));
    }
    let nodes = rollout["nodes"].as_array().into_iter().flatten();
    let busy: Vec<&Value> = nodes.filter(|node| !["waiting", "committed"].contains(&&*text(&node["stage"]))).collect();
    for node in busy.iter().take(MOST_DRAWN) {
        let (agent, stage, presence) = (text(&node["agent"]), text(&node["stage"]), text(&node["presence"]));
        lines.push(format!("    {agent:<24} {stage:<12} {presence:<8} {}", text(&node["reason"])));
    }
    if busy.len() > MOST_DRAWN {
        lines.push(format!("    and {} more", busy.len() - MOST_DRAWN));
    }
    lines.iter().fold(String::new(), |mut whole, line| {
        // What agents say may hold anything; a line break or an escape would spoil the drawing.
        let plain: String = line.chars().filter(|c| !c.is_control()).take(width).collect();
        let _ = writeln!(whole, "{}", plain.trim_end());
        whole
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_drawing_says_how_far_each_group_is_and_who_is_at_it() {
        let node = |agent: &str, stage: &str, reason: &str| json!({"agent": agent, "stage": stage, "presence": "online", "reason": reason});
        let rollout = json!({
            "id": "people-4-1", "state": "reverting", "slot": "people", "package": {"model": "people", "version": 4},
            "why": "1 of 2 told have failed: gate-2 rolled-back: it is\nslow\u{1b}[2J",
            "groups": [{"group": 1, "nodes": 2, "told": true, "stages": {"committed": 1, "going-back": 1}},
                       {"group": 2, "nodes": 6, "told": false, "stages": {"waiting": 6}}],
            "nodes": [node("gate-1", "committed", ""), node("gate-2", "going-back", ""), node("gate-3", "waiting", "")],
        });
        insta::assert_snapshot!(drawing(&rollout, 70));
        let configuration = json!({
            "id": "config-2", "state": "running", "overlay": {"sha256": "ab".repeat(32), "size": 40},
            "purpose": "fewer alerts from cats", "groups": [],
        });
        assert_eq!(drawing(&configuration, 80), "config-2  running  overlay abababababab  fewer alerts from cats\n");
        assert!(drawing(&json!({}), 20).lines().all(|line| line.len() <= 20));
    }
}
