//! Serves commands: each is read, run at most once before its expiry, and answered.

use std::sync::Arc;

use crate::agent::clips::ClipRequest;
use crate::agent::commands::{self, Log, Order};
use crate::agent::post::Post;
use crate::agent::site::Site;
use crate::camera::Camera;
use crate::mqtt::{self, NotPublished};
use crate::vocab::{Id, WallTime};
use crate::wire::{Command, CommandError, HealthMessage, Reply, ReplyCode, Topics, to_json};

/// What some commands ask of the agent as a whole.
pub trait Office {
    /// Reads the configuration again; what of it needs a restart.
    ///
    /// # Errors
    /// Why it was not taken, in words.
    fn reload(&self, site: &mut Site) -> Result<Vec<&'static str>, String>;
    /// How everything is.
    fn health(&self, site: &Site) -> HealthMessage;
}

/// Serves commands and remembers what it answered, over restarts too.
#[derive(Debug)]
pub struct CommandDesk {
    log: Log,
}

impl CommandDesk {
    /// Opens with the log that the last run left.
    pub fn open(site: &Site) -> Self {
        let rows = site.spool().states(Log::ROWS);
        Self { log: Log::from_rows(rows.values().map(Vec::as_slice)) }
    }

    /// Serves the command called `name` that came in as `bytes`.
    pub fn serve(&mut self, site: &mut Site, name: &str, bytes: &[u8], office: &impl Office) {
        let reply = match Command::read(bytes) {
            Ok(command) => self.answer(site, name, &command, office),
            Err(error) => {
                tracing::warn!(command = name, %error, "a command was refused");
                let Some(id) = readable_id(bytes, &error) else { return };
                Reply::refused(&id, ReplyCode::Malformed, error.to_string())
            }
        };
        send(&site.means().broker, &site.means().topics, &reply);
    }

    fn answer(&mut self, site: &mut Site, name: &str, command: &Command, office: &impl Office) -> Reply {
        if let Some(before) = self.log.answer(&command.id) {
            return before.clone();
        }
        let now = site.clock().unix_nanos();
        if command.is_expired(now) {
            let reason = format!("it expired at {}; the clock here says {}", command.expires, wall(now));
            return Reply::refused(&command.id, ReplyCode::Expired, reason);
        }
        let order = match commands::interpret(name, command) {
            Ok(order) => order,
            Err(reply) => return reply,
        };
        // Remembered before it is run: a command that kills the agent must not be run again by the next one.
        self.remember(site, now, &Reply::refused(&command.id, ReplyCode::Failed, "the agent stopped while it ran"));
        let reply = carry_out(site, &order, &command.id, office);
        self.remember(site, now, &reply);
        tracing::info!(command = name, id = command.id, code = ?reply.code, "a command was served");
        reply
    }

    fn remember(&mut self, site: &Site, now: i64, reply: &Reply) {
        let row = self.log.remember(now, reply);
        site.spool().put_state(&row.name, &row.bytes);
    }
}

/// Publishes an answer; where the broker may not be sent one so large, a short one that says so.
fn send(broker: &mqtt::Handle, topics: &Topics, reply: &Reply) {
    let topic = topics.reply(&reply.id);
    let sent = match broker.publish(&topic, to_json(reply)) {
        Err(NotPublished::Refused(why)) => {
            tracing::warn!(id = reply.id, %why, "an answer is too large");
            let reason = format!("the answer cannot be sent: {why}");
            broker.publish(&topic, to_json(&Reply::refused(&reply.id, ReplyCode::TooLarge, reason)))
        }
        sent => sent,
    };
    if let Err(error) = sent {
        tracing::warn!(id = reply.id, %error, "a command is not answered");
    }
}

fn carry_out(site: &mut Site, order: &Order, id: &str, office: &impl Office) -> Reply {
    match order {
        Order::Snapshot(camera) => at_post(site, camera, id, |post| snapshot(post, id)),
        Order::Enable { camera, enabled } => {
            at_post(site, camera, id, |post| connected(post, |camera| camera.set_enabled(*enabled)))
        }
        Order::RestartCamera(camera) => at_post(site, camera, id, |post| connected(post, Camera::restart)),
        Order::Reload => match office.reload(site) {
            Ok(needs_restart) if needs_restart.is_empty() => Reply::ok(id),
            Ok(needs_restart) => {
                let reason = format!("applied, but these need a restart of the agent: {}", needs_restart.join(", "));
                Reply { reason, ..Reply::ok(id) }
            }
            Err(reason) => Reply::refused(id, ReplyCode::Refused, reason),
        },
        Order::Clip(request) => clip(site, request, id),
        Order::Status => Reply { result: serde_json::to_value(office.health(site)).ok(), ..Reply::ok(id) },
    }
}

/// Does something at the post of `camera`; the action says why it cannot.
fn at_post(site: &Site, camera: &Id, id: &str, action: impl FnOnce(&Arc<Post>) -> Result<(), String>) -> Reply {
    match site.post_of(camera) {
        Some(post) => match action(post) {
            Ok(()) => Reply::ok(id),
            Err(reason) => Reply::refused(id, ReplyCode::Failed, reason),
        },
        None => Reply::refused(id, ReplyCode::NotFound, format!("there is no camera {camera}")),
    }
}

fn clip(site: &Site, request: &ClipRequest, id: &str) -> Reply {
    let Some(clips) = site.clips() else {
        let reason = "no clips are kept here: evidence.clips.keep is none";
        return Reply::refused(id, ReplyCode::Refused, reason);
    };
    match clips.ask(request, id, WallTime::from_unix_nanos(site.clock().unix_nanos())) {
        Ok(result) => Reply { result: Some(result), ..Reply::ok(id) },
        Err((code, reason)) => Reply::refused(id, code, reason),
    }
}

fn snapshot(post: &Post, id: &str) -> Result<(), String> {
    if !post.state().has_pictures() {
        return Err(format!("no picture comes; camera/{}/state says why", post.id()));
    }
    let taken = post.want_picture(&format!("command-{id}"));
    if taken { Ok(()) } else { Err("too many pictures are waited for".to_owned()) }
}

fn connected(post: &Post, action: impl FnOnce(&Camera)) -> Result<(), String> {
    if post.with_camera(action) {
        return Ok(());
    }
    let cause = post.unusable().map(|(_, cause)| cause).unwrap_or_default();
    Err(format!("the camera cannot be used: {cause}"))
}

/// The id of a command that is malformed otherwise, so that its sender gets an answer.
fn readable_id(bytes: &[u8], error: &CommandError) -> Option<String> {
    if matches!(error, CommandError::TooLarge { .. } | CommandError::Id) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let id = value.get("id")?.as_str()?;
    let is_plain =
        !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    is_plain.then(|| id.to_owned())
}

fn wall(unix_nanos: i64) -> String {
    WallTime::from_unix_nanos(unix_nanos).to_rfc3339()
}
