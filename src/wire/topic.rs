//! The topics under `vedette/v1/<agent>/`: built from ids, which cannot carry a level or a wildcard, and read back.

use crate::vocab::{EventKind, Id};

/// Builds the topics of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
}

impl Topics {
    /// The topics of `agent`.
    pub fn new(agent: &Id) -> Self {
        Self { base: format!("vedette/v1/{agent}/") }
    }

    fn under(&self, rest: &str) -> String {
        format!("{}{rest}", self.base)
    }

    /// Online or offline; retained, and the Last Will.
    pub fn status(&self) -> String {
        self.under("status")
    }

    /// How the agent is; retained.
    pub fn health(&self) -> String {
        self.under("health")
    }

    /// How one camera is; retained.
    pub fn camera_state(&self, camera: &Id) -> String {
        self.under(&format!("camera/{camera}/state"))
    }

    /// Alerts of one rule on one camera.
    pub fn alert(&self, camera: &Id, rule: &Id) -> String {
        self.under(&format!("alert/{camera}/{rule}"))
    }

    /// Events that nobody needs to look at now.
    pub fn event(&self, kind: EventKind) -> String {
        self.under(&format!("event/{}", kind.as_str()))
    }

    /// Live counts of one zone or line; retained.
    pub fn count(&self, camera: &Id, place: &Id) -> String {
        self.under(&format!("count/{camera}/{place}"))
    }

    /// The JPEG of one event. `episode` may be any text: characters outside `[A-Za-z0-9._-]` become `-`.
    pub fn snapshot(&self, camera: &Id, episode: &str) -> String {
        self.under(&format!("snapshot/{camera}/{}", level(episode)))
    }

    /// The answer to the command with this id, which may be any text: see [`Topics::snapshot`].
    pub fn reply(&self, command_id: &str) -> String {
        self.under(&format!("reply/{}", level(command_id)))
    }

    /// What the agent reports to have; retained.
    pub fn reported(&self) -> String {
        self.under("reported")
    }

    /// What the agent is told to have; retained, from the hub.
    pub fn desired(&self) -> String {
        self.under("desired")
    }

    /// Commands with this name, which may have levels: `camera/enable`.
    pub fn command(&self, name: &str) -> String {
        let levels: Vec<String> = name.split('/').map(level).collect();
        self.under(&format!("command/{}", levels.join("/")))
    }

    /// The hub's word on what it has stored.
    pub fn ack(&self) -> String {
        self.under("ack")
    }

    /// What an agent subscribes to. Command names may have levels (`camera/enable`), hence the `#`.
    pub fn subscriptions(&self) -> Vec<String> {
        ["command/#", "ack", "desired"].map(|t| self.under(t)).into()
    }

    /// Reads the topic of a message that came in; `None` where it is not one that an agent is meant to receive.
    pub fn read<'a>(&self, topic: &'a str) -> Option<Inbound<'a>> {
        let rest = topic.strip_prefix(&self.base)?;
        match rest {
            "ack" => Some(Inbound::Ack),
            "desired" => Some(Inbound::Desired),
            _ => rest.strip_prefix("command/").filter(|name| is_command_name(name)).map(Inbound::Command),
        }
    }
}

/// What came in, by its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// A [`Command`](super::Command) with this name, such as `snapshot` or `camera/enable`.
    Command(&'a str),
    /// An [`AckMessage`](super::AckMessage).
    Ack,
    /// The desired state.
    Desired,
}

fn is_command_name(name: &str) -> bool {
    name.len() <= 64 && name.split('/').all(|part| Id::new(part).is_ok())
}

/// `text` as one safe level of a topic: what is not plain becomes `-`.
fn level(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    let safe: String = text.chars().take(128).map(|c| if plain(c) { c } else { '-' }).collect();
    if safe.is_empty() { "-".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[test]
    fn topics_are_those_that_are_promised() {
        let topics = Topics::new(&id("gate-north"));
        let all = [
            topics.status(),
            topics.health(),
            topics.camera_state(&id("door")),
            topics.alert(&id("door"), &id("night-yard")),
            topics.event(EventKind::CameraState),
            topics.count(&id("door"), &id("gate")),
            topics.snapshot(&id("door"), "door-7-42"),
            topics.command("snapshot"),
            topics.reply("a1"),
            topics.desired(),
            topics.reported(),
            topics.ack(),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        vedette/v1/gate-north/status
        vedette/v1/gate-north/health
        vedette/v1/gate-north/camera/door/state
        vedette/v1/gate-north/alert/door/night-yard
        vedette/v1/gate-north/event/camera-state
        vedette/v1/gate-north/count/door/gate
        vedette/v1/gate-north/snapshot/door/door-7-42
        vedette/v1/gate-north/command/snapshot
        vedette/v1/gate-north/reply/a1
        vedette/v1/gate-north/desired
        vedette/v1/gate-north/reported
        vedette/v1/gate-north/ack
        ");
    }

    #[test]
    fn what_comes_in_is_read_and_anything_else_is_not() {
        let topics = Topics::new(&id("a"));
        assert_eq!(topics.read("vedette/v1/a/command/snapshot"), Some(Inbound::Command("snapshot")));
        assert_eq!(topics.read("vedette/v1/a/command/camera/enable"), Some(Inbound::Command("camera/enable")));
        assert_eq!(topics.read("vedette/v1/a/ack"), Some(Inbound::Ack));
        assert_eq!(topics.read("vedette/v1/a/desired"), Some(Inbound::Desired));
        for topic in
            ["vedette/v1/b/ack", "vedette/v1/a/command/", "vedette/v1/a/command/../x", "vedette/v1/a/status", ""]
        {
            assert_eq!(topics.read(topic), None, "{topic:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_adds_a_level_or_a_wildcard(text in ".*") {
            let topic = Topics::new(&id("a")).reply(&text);
            prop_assert_eq!(topic.matches('/').count(), 4);
            prop_assert!(!topic.contains(['+', '#', '\0']));
        }
    }
}
