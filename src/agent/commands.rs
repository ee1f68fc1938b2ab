//! What a command asks for, and the log that makes each run at most once. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::vocab::Id;
use crate::wire::{Command, Reply, ReplyCode};

/// How long the answer to a command is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How many answers are remembered at most; the oldest go first.
const REMEMBERED_COUNT: usize = 1000;

/// What a command asks the agent to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Publish a picture of this camera now.
    Snapshot(Id),
    /// Switch a camera on or off until the next restart.
    Enable {
        /// Which one.
        camera: Id,
        /// On or off.
        enabled: bool,
    },
    /// Read the configuration file again.
    Reload,
    /// Open a camera anew.
    RestartCamera(Id),
    /// Answer with the agent's health.
    Status,
}

/// Reads what the command called `name` asks for.
///
/// # Errors
/// The reply to send instead: there is no such command, or its arguments are not right.
pub fn interpret(name: &str, command: &Command) -> Result<Order, Reply> {
    let arguments = Arguments { command };
    match name {
        "snapshot" => Ok(Order::Snapshot(arguments.only_camera()?)),
        "camera/enable" => {
            arguments.check(&["camera", "enabled"])?;
            Ok(Order::Enable { camera: arguments.camera()?, enabled: arguments.flag("enabled")? })
        }
        "reload" => arguments.check(&[]).map(|()| Order::Reload),
        "restart-camera" => Ok(Order::RestartCamera(arguments.only_camera()?)),
        "status" => arguments.check(&[]).map(|()| Order::Status),
        _ => {
            let known = "snapshot, camera/enable, reload, restart-camera, status";
            let reason = format!("there is no command {:?}; there are {known}", shortened(name));
            Err(Reply::refused(&command.id, ReplyCode::Unknown, reason))
        }
    }
}

struct Arguments<'a> {
    command: &'a Command,
}

impl Arguments<'_> {
    fn malformed(&self, reason: String) -> Reply {
        Reply::refused(&self.command.id, ReplyCode::Malformed, reason)
    }

    fn check(&self, allowed: &[&str]) -> Result<(), Reply> {
        match self.command.args.keys().find(|key| !allowed.contains(&key.as_str())) {
            Some(key) if allowed.is_empty() => {
                Err(self.malformed(format!("this command has no arguments; found {:?}", shortened(key))))
            }
            Some(key) => {
                let allowed = allowed.join(", ");
                Err(self.malformed(format!("unknown argument {:?}; allowed: {allowed}", shortened(key))))
            }
            None => Ok(()),
        }
    }

    fn only_camera(&self) -> Result<Id, Reply> {
        self.check(&["camera"])?;
        self.camera()
    }

    fn camera(&self) -> Result<Id, Reply> {
        let text = self.command.args.get("camera").and_then(|v| v.as_str());
        let text = text.ok_or_else(|| self.malformed("args.camera must name a camera".to_owned()))?;
        Id::new(text).map_err(|error| self.malformed(format!("args.camera: {error}")))
    }

    fn flag(&self, key: &str) -> Result<bool, Reply> {
        let value = self.command.args.get(key).and_then(serde_json::Value::as_bool);
        value.ok_or_else(|| self.malformed(format!("args.{key} must be true or false")))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The answers given in the last 24 hours. A command whose id is in it is answered as before and not run again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Log {
    answers: VecDeque<Answer>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    at_unix_s: i64,
    reply: Reply,
}

impl Log {
    /// The log from the bytes of [`Log::to_bytes`]; damaged bytes give an empty one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// The log as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What was answered to the command with this id.
    pub fn answer(&self, id: &str) -> Option<&Reply> {
        self.answers.iter().map(|a| &a.reply).find(|reply| reply.id == id)
    }

    /// Forgets what was answered to the command with this id.
    pub fn forget(&mut self, id: &str) {
        self.answers.retain(|a| a.reply.id != id);
    }

    /// Remembers an answer. The result itself is not kept: a repeated `status` is told that it was answered.
    pub fn remember(&mut self, unix_nanos: i64, reply: &Reply) {
        let at_unix_s = unix_nanos / 1_000_000_000;
        let oldest = at_unix_s - i64::try_from(REMEMBERED.as_secs()).unwrap_or(i64::MAX);
        self.answers.retain(|a| a.at_unix_s >= oldest);
        self.answers.push_back(Answer { at_unix_s, reply: Reply { result: None, ..reply.clone() } });
        while self.answers.len() > REMEMBERED_COUNT {
            self.answers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(args: &str) -> Command {
        let text = format!(r#"{{"id":"a-1","expires":"2026-11-23T14:30:00Z","args":{args}}}"#);
        Command::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn commands_say_what_they_ask_for() {
        let door = Id::new("door").unwrap();
        let cases = [
            ("snapshot", r#"{"camera":"door"}"#, Order::Snapshot(door.clone())),
            (
                "camera/enable",
                r#"{"camera":"door","enabled":false}"#,
                Order::Enable { camera: door.clone(), enabled: false },
            ),
            ("reload", "{}", Order::Reload),
            ("restart-camera", r#"{"camera":"door"}"#, Order::RestartCamera(door)),
            ("status", "{}", Order::Status),
        ];
        for (name, args, order) in cases {
            assert_eq!(interpret(name, &command(args)), Ok(order), "{name}");
        }
    }

    #[test]
    fn malformed_commands_are_refused_with_a_reason() {
        let cases = [
            ("format-disk", "{}", "there is no command \"format-disk\""),
            ("snapshot", "{}", "args.camera must name a camera"),
            ("snapshot", r#"{"camera":7}"#, "args.camera must name a camera"),
            ("snapshot", r#"{"camera":"a/+/#"}"#, "args.camera: an id is made of"),
            ("snapshot", r#"{"camera":"door","extra":1}"#, "unknown argument \"extra\"; allowed: camera"),
            ("camera/enable", r#"{"camera":"door","enabled":"no"}"#, "args.enabled must be true or false"),
            ("reload", r#"{"force":true}"#, "this command has no arguments"),
        ];
        for (name, args, reason) in cases {
            let reply = interpret(name, &command(args)).unwrap_err();
            assert!(reply.reason.contains(reason), "{name} {args}: {}", reply.reason);
            assert_eq!(reply.id, "a-1");
        }
    }

    #[test]
    fn a_repeated_command_is_answered_from_the_log_for_a_day() {
        const DAY: i64 = 24 * 3600 * 1_000_000_000;
        let mut log = Log::default();
        log.remember(0, &Reply::ok("first"));
        let mut log = Log::from_bytes(&log.to_bytes());
        assert_eq!(log.answer("first"), Some(&Reply::ok("first")));
        log.remember(DAY + 2_000_000_000, &Reply::ok("second"));
        assert_eq!(log.answer("first"), None);
        assert!(Log::from_bytes(b"damaged").answer("second").is_none());
    }

    #[test]
    fn the_log_is_bounded() {
        let mut log = Log::default();
        (0..5000).for_each(|i| log.remember(0, &Reply::ok(&i.to_string())));
        assert_eq!(log.answers.len(), REMEMBERED_COUNT);
        assert!(log.answer("4999").is_some() && log.answer("0").is_none());
    }
}
