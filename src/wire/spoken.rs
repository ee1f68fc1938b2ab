//! What agents say, by its topic, as a hub reads it: whose word it is stands in the topic, which a broker can guard, and
//! never in the message alone.

use crate::vocab::Id;

/// Where alerts, events and pictures of all agents are published, and what they answer to commands. Any one of several hubs
/// may take them.
pub const RECORDED: [&str; 4] =
    ["vedette/v1/+/alert/#", "vedette/v1/+/event/#", "vedette/v1/+/snapshot/#", "vedette/v1/+/reply/+"];
/// Where all agents say how they are, retained. Every hub must hear these.
pub const STATES: [&str; 4] =
    ["vedette/v1/+/status", "vedette/v1/+/health", "vedette/v1/+/camera/+/state", "vedette/v1/+/reported"];

/// A topic of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken<'a> {
    /// Whose.
    pub agent: Id,
    /// What is said there.
    pub what: Said<'a>,
}

/// What is said on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said<'a> {
    /// An [`EventMessage`](super::EventMessage), as alert or event.
    Event,
    /// A picture of this camera as JPEG.
    Snapshot {
        /// The camera.
        camera: Id,
        /// The episode, with `-update` or `-best` behind it where it is a later picture.
        name: &'a str,
    },
    /// A [`Reply`](super::Reply) to the command with this id.
    Reply(&'a str),
    /// A [`PresenceMessage`](super::PresenceMessage).
    Status,
    /// A [`HealthMessage`](super::HealthMessage).
    Health,
    /// A [`CameraStateMessage`](super::CameraStateMessage) of this camera.
    Camera(Id),
    /// A [`ReportedMessage`](super::ReportedMessage).
    Reported,
}

impl<'a> Spoken<'a> {
    /// Reads a topic; `None` where it is none of [`RECORDED`] or [`STATES`].
    pub fn read(topic: &'a str) -> Option<Self> {
        let (agent, rest) = topic.strip_prefix("vedette/v1/")?.split_once('/')?;
        let agent = Id::new(agent).ok()?;
        let levels: Vec<&str> = rest.split('/').collect();
        let what = match levels[..] {
            ["alert", ..] | ["event", ..] => Said::Event,
            ["snapshot", camera, name] if !name.is_empty() => Said::Snapshot { camera: Id::new(camera).ok()?, name },
            ["reply", command] if !command.is_empty() => Said::Reply(command),
            ["status"] => Said::Status,
            ["health"] => Said::Health,
            ["reported"] => Said::Reported,
            ["camera", camera, "state"] => Said::Camera(Id::new(camera).ok()?),
            _ => return None,
        };
        Some(Self { agent, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::EventKind;
    use crate::wire::Topics;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[test]
    fn a_hub_reads_the_topics_that_an_agent_writes() {
        let topics = Topics::new(&id("gate"));
        let said = [
            (topics.alert(&id("door"), &id("yard")), Said::Event),
            (topics.event(EventKind::Track), Said::Event),
            (topics.snapshot(&id("door"), "door-7"), Said::Snapshot { camera: id("door"), name: "door-7" }),
            (topics.reply("clip-7"), Said::Reply("clip-7")),
            (topics.status(), Said::Status),
            (topics.health(), Said::Health),
            (topics.camera_state(&id("door")), Said::Camera(id("door"))),
            (topics.reported(), Said::Reported),
        ];
        for (topic, what) in said {
            assert_eq!(Spoken::read(&topic), Some(Spoken { agent: id("gate"), what }), "{topic}");
        }
    }

    #[test]
    fn no_other_topic_is_taken_for_one() {
        for topic in [
            "",
            "vedette/v1/gate",
            "vedette/v1/gate/ack",
            "vedette/v1/Gate/status",
            "vedette/v1/gate/status/x",
            "vedette/v1/gate/snapshot/door",
            "vedette/v1/gate/snapshot/door/",
            "vedette/v1/gate/reply/",
            "vedette/v1/gate/reply/a/b",
            "vedette/v1/gate/camera/a b/state",
            "other/v1/gate/status",
        ] {
            assert_eq!(Spoken::read(topic), None, "{topic:?}");
        }
    }
}
