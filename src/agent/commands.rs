//! What a command asks for, and the log that makes each run at most once. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::clips::{ClipRequest, Wanted};
use crate::vocab::{Id, WallTime};
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
    /// Answer what there is of a clip, cut it where there is none, and bring it to the hub if that is wanted.
    Clip(ClipRequest),
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
        "clip" => arguments.clip().map(Order::Clip),
        _ => {
            let known = "snapshot, camera/enable, reload, restart-camera, status, clip";
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

    /// `{"episode": …}`, or `{"camera": …, "from": …, "to": …}`; with `"upload": false` it stays here.
    fn clip(&self) -> Result<ClipRequest, Reply> {
        let args = &self.command.args;
        let upload = if args.contains_key("upload") { self.flag("upload")? } else { true };
        if args.contains_key("episode") {
            self.check(&["episode", "upload"])?;
            let episode = args.get("episode").and_then(|v| v.as_str());
            let episode = episode.ok_or_else(|| self.malformed("args.episode must name an episode".to_owned()))?;
            return Ok(ClipRequest { of: Wanted::Episode(episode.to_owned()), upload });
        }
        self.check(&["camera", "from", "to", "upload"])?;
        let of = Wanted::Span { camera: self.camera()?, from: self.time("from")?, to: self.time("to")? };
        Ok(ClipRequest { of, upload })
    }

    fn time(&self, key: &str) -> Result<WallTime, Reply> {
        let time =
            self.command.args.get(key).and_then(|v| v.as_str()).and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let nanos = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        let wrong = || self.malformed(format!("args.{key} must be a time such as 2026-11-23T14:30:00Z"));
        nanos.map(WallTime::from_unix_nanos).ok_or_else(wrong)
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
///
/// Each lies on the disk as a row of its own, so that a command costs one small row however many went before it. There
/// are [`REMEMBERED_COUNT`] rows, and the next answer takes the place of the oldest.
#[derive(Debug, Default)]
pub struct Log {
    answers: VecDeque<Answer>,
    /// How many were ever given.
    given: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// Its place in the order of all answers ever given.
    number: u64,
    at_unix_s: i64,
    reply: Reply,
}

/// One answer as it lies on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Under which name.
    pub name: String,
    /// What.
    pub bytes: Vec<u8>,
}

impl Log {
    /// How the names of all rows begin.
    pub const ROWS: &str = "commands/";

    /// The log from its rows, in any order; a damaged one is left out.
    pub fn from_rows<'a>(rows: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut answers: Vec<Answer> = rows.filter_map(|row| serde_json::from_slice(row).ok()).collect();
        answers.sort_by_key(|answer| answer.number);
        let given = answers.last().map_or(0, |answer| answer.number);
        Self { answers: answers.into(), given }
    }

    /// What was answered to the command with this id.
    pub fn answer(&self, id: &str) -> Option<&Reply> {
        self.answers.iter().map(|a| &a.reply).find(|reply| reply.id == id)
    }

    /// Remembers an answer, in place of what was answered to the command before; the row to write. The result itself is
    /// not kept: a repeated `status` is told that it was answered.
    pub fn remember(&mut self, unix_nanos: i64, reply: &Reply) -> Row {
        let at_unix_s = unix_nanos / 1_000_000_000;
        let oldest = at_unix_s - i64::try_from(REMEMBERED.as_secs()).unwrap_or(i64::MAX);
        let before = self.answers.iter().find(|a| a.reply.id == reply.id).map(|answer| answer.number);
        let number = before.unwrap_or(self.given + 1);
        self.given = self.given.max(number);
        self.answers.retain(|a| a.at_unix_s >= oldest && a.number != number);
        let answer = Answer { number, at_unix_s, reply: Reply { result: None, ..reply.clone() } };
        let row = Row {
            name: format!("{}{}", Self::ROWS, number % REMEMBERED_COUNT as u64),
            bytes: serde_json::to_vec(&answer).unwrap_or_default(),
        };
        let at = self.answers.partition_point(|a| a.number < number);
        self.answers.insert(at, answer);
        if self.answers.len() > REMEMBERED_COUNT {
            self.answers.pop_front();
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            (
                "clip",
                r#"{"episode":"gate-door-1-7","upload":false}"#,
                Order::Clip(ClipRequest { of: Wanted::Episode("gate-door-1-7".to_owned()), upload: false }),
            ),
            (
                "clip",
                r#"{"camera":"yard","from":"1970-01-01T00:00:01Z","to":"1970-01-01T01:00:03+01:00"}"#,
                Order::Clip(ClipRequest {
                    of: Wanted::Span {
                        camera: Id::new("yard").unwrap(),
                        from: WallTime::from_unix_nanos(1_000_000_000),
                        to: WallTime::from_unix_nanos(3_000_000_000),
                    },
                    upload: true,
                }),
            ),
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
            ("clip", "{}", "args.camera must name a camera"),
            ("clip", r#"{"episode":7}"#, "args.episode must name an episode"),
            ("clip", r#"{"camera":"door","from":"now"}"#, "args.from must be a time"),
            ("reload", r#"{"force":true}"#, "this command has no arguments"),
        ];
        for (name, args, reason) in cases {
            let reply = interpret(name, &command(args)).unwrap_err();
            assert!(reply.reason.contains(reason), "{name} {args}: {}", reply.reason);
            assert_eq!(reply.id, "a-1");
        }
    }

    /// What lies on the disk.
    #[derive(Default)]
    struct Rows(BTreeMap<String, Vec<u8>>);

    impl Rows {
        fn remember(&mut self, log: &mut Log, unix_nanos: i64, reply: &Reply) {
            let Row { name, bytes } = log.remember(unix_nanos, reply);
            self.0.insert(name, bytes);
        }

        fn reopened(&self) -> Log {
            Log::from_rows(self.0.values().map(Vec::as_slice))
        }
    }

    #[test]
    fn a_repeated_command_is_answered_from_the_log_for_a_day() {
        const DAY: i64 = 24 * 3600 * 1_000_000_000;
        let (mut log, mut rows) = (Log::default(), Rows::default());
        rows.remember(&mut log, 0, &Reply::ok("first"));
        let mut log = rows.reopened();
        assert_eq!(log.answer("first"), Some(&Reply::ok("first")));
        rows.remember(&mut log, DAY + 2_000_000_000, &Reply::ok("second"));
        assert_eq!(log.answer("first"), None);
        rows.0.values_mut().for_each(|row| *row = b"damaged".to_vec());
        assert_eq!(rows.reopened().answer("second"), None);
    }

    #[test]
    fn a_later_answer_to_the_same_command_takes_the_row_of_the_first() {
        let (mut log, mut rows) = (Log::default(), Rows::default());
        let begun = Reply::refused("a", ReplyCode::Failed, "the agent stopped while it ran");
        rows.remember(&mut log, 0, &begun);
        rows.remember(&mut log, 0, &Reply::ok("b"));
        assert_eq!(rows.reopened().answer("a"), Some(&begun));
        rows.remember(&mut log, 0, &Reply::ok("a"));
        assert_eq!((rows.0.len(), rows.reopened().answer("a")), (2, Some(&Reply::ok("a"))));
    }

    #[test]
    fn a_command_writes_one_small_row_however_many_went_before_and_the_rows_are_bounded() {
        let (mut log, mut rows) = (Log::default(), Rows::default());
        for i in 0..5000 {
            let reply = Reply::ok(&i.to_string());
            assert!(log.remember(0, &reply).bytes.len() < 200);
            rows.remember(&mut log, 0, &reply);
            if i % 700 == 0 {
                log = rows.reopened();
            }
        }
        assert_eq!((log.answers.len(), rows.0.len()), (REMEMBERED_COUNT, REMEMBERED_COUNT));
        let log = rows.reopened();
        assert!(log.answer("4999").is_some() && log.answer("4000").is_some() && log.answer("3999").is_none());
    }
}
