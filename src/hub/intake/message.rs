//! What came in, read and held against what it must be. Pure.
//!
//! An event is read leniently: a hub must store what a newer agent says, so of its `data` only what is filtered by is
//! looked at, and none of it has to be there. Whose event it is must be said twice and alike: in the topic, which the
//! broker guards, and in its id.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::reported;
use crate::hub::events::snapshots::{NewSnapshot, is_jpeg};
use crate::hub::events::store::NewEvent;
use crate::hub::fleet::{HeardHealth, HeardReport};
use crate::vocab::Id;
use crate::wire::{Class, Gap, MessageId, PresenceMessage, Reply, Said, Spoken};

/// The longest text that is filtered by, in bytes: longer ones do not fit into an index.
const LONGEST: usize = 256;

/// A message that is understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    Event(Box<NewEvent>),
    Snapshot(NewSnapshot),
    Reply(Reply),
    Presence(PresenceMessage),
    Health(HeardHealth),
    Camera(Id, String),
    Reported(HeardReport),
}

/// Why a message is not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("nothing is expected on this topic")]
    Topic,
    #[error("it was published by {topic} and claims to be of {id}")]
    Agent { topic: Id, id: Id },
    #[error("it is no CloudEvent of an agent: {0}")]
    Event(String),
    #[error("it does not say how an agent is: {0}")]
    State(String),
    #[error("it is no JPEG")]
    Picture,
    #[error("it is no answer to the command {command}: {reason}")]
    Reply { command: String, reason: String },
}

/// A message as a hub needs it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: MessageId,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(rename = "time", deserialize_with = "nanoseconds")]
    time_ns: i64,
    #[serde(default)]
    data: Facts,
}

/// What is filtered by.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Facts {
    kind: Option<String>,
    severity: Option<String>,
    phase: Option<String>,
    episode: Option<String>,
    camera: Option<String>,
    rule: Option<String>,
    subject: Option<Subject>,
    #[serde(deserialize_with = "gap")]
    gap: Option<Gap>,
}

/// Numbers that the agent gave up. What is none, or names what a hub does not count, is no reason to refuse the event.
fn gap<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Gap>, D::Error> {
    let told = Option::<serde_json::Value>::deserialize(from)?;
    let gap = told.and_then(|told| serde_json::from_value::<Gap>(told).ok());
    let is_counted = |gap: &Gap| gap.class != Class::Telemetry && (1..=gap.last).contains(&gap.first);
    Ok(gap.filter(|gap| is_counted(gap) && i64::try_from(gap.last).is_ok()))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Subject {
    label: Option<String>,
}

/// What is needed of a health message.
#[derive(Deserialize)]
struct Health {
    boot: String,
    #[serde(rename = "time", deserialize_with = "nanoseconds")]
    time_ns: i64,
}

#[derive(Deserialize)]
struct Camera {
    camera: Id,
}

/// Reads a message that arrived at `now`.
pub(super) fn read(topic: &str, payload: Vec<u8>, retained: bool, now: i64) -> Result<(Id, News), Refused> {
    let Spoken { agent, what } = Spoken::read(topic).ok_or(Refused::Topic)?;
    let news = match what {
        Said::Event => News::Event(Box::new(event(&agent, payload)?)),
        Said::Snapshot { camera, name } => {
            if !is_jpeg(&payload) {
                return Err(Refused::Picture);
            }
            let name = name.chars().take(LONGEST).collect();
            let (agent, camera) = (agent.as_str().to_owned(), camera.as_str().to_owned());
            News::Snapshot(NewSnapshot { agent, camera, name, jpeg: payload })
        }
        Said::Reply(command) => News::Reply(reply(command, &payload)?),
        Said::Status => {
            let presence: PresenceMessage = serde_json::from_slice(&payload).map_err(state)?;
            plain(&presence.boot).and_then(|()| plain(&presence.version)).map_err(Refused::State)?;
            News::Presence(presence)
        }
        Said::Health => News::Health(health(payload, retained, now)?),
        Said::Reported => News::Reported(reported::read(payload).map_err(Refused::State)?),
        Said::Camera(camera) => {
            let (told, body) = parsed::<Camera>(payload).map_err(Refused::State)?;
            if told.camera != camera {
                return Err(Refused::State(format!("it is about the camera {}", told.camera)));
            }
            News::Camera(camera, body)
        }
    };
    Ok((agent, news))
}

fn reply(command: &str, payload: &[u8]) -> Result<Reply, Refused> {
    let refused = |reason: String| Refused::Reply { command: command.chars().take(LONGEST).collect(), reason };
    let reply: Reply = serde_json::from_slice(payload).map_err(|error| refused(error.to_string()))?;
    if reply.id != command { Err(refused(format!("it says that it answers {}", reply.id))) } else { Ok(reply) }
}

fn state(error: serde_json::Error) -> Refused {
    Refused::State(error.to_string())
}

fn health(payload: Vec<u8>, retained: bool, now: i64) -> Result<HeardHealth, Refused> {
    let (health, body) = parsed::<Health>(payload).map_err(Refused::State)?;
    plain(&health.boot).map_err(Refused::State)?;
    // How long it lay at the broker only the agent's own clock tells.
    let at_ns = if retained { health.time_ns.min(now) } else { now };
    Ok(HeardHealth { body, boot: health.boot, at_ns })
}

fn event(agent: &Id, payload: Vec<u8>) -> Result<NewEvent, Refused> {
    let text = String::from_utf8(payload).map_err(|error| Refused::Event(error.to_string()))?;
    let envelope: Envelope<'_> = serde_json::from_str(&text).map_err(|error| Refused::Event(error.to_string()))?;
    if envelope.id.agent != *agent {
        return Err(Refused::Agent { topic: agent.clone(), id: envelope.id.agent });
    }
    if envelope.specversion != "1.0" || envelope.source.is_empty() || envelope.kind.is_empty() {
        return Err(Refused::Event("specversion must be 1.0, source and type must not be empty".to_owned()));
    }
    if i64::try_from(envelope.id.seq).is_err() {
        return Err(Refused::Event("its number is too large".to_owned()));
    }
    let Facts { kind, severity, phase, episode, camera, rule, subject, gap } = envelope.data;
    let label = subject.unwrap_or_default().label;
    let [kind, severity, phase, episode, camera, rule, label] =
        [Some(kind.unwrap_or_else(|| envelope.kind.into_owned())), severity, phase, episode, camera, rule, label]
            .map(Option::unwrap_or_default);
    for told in [&kind, &severity, &phase, &episode, &camera, &rule, &label] {
        plain(told).map_err(Refused::Event)?;
    }
    let (id, time_ns) = (envelope.id, envelope.time_ns);
    let body = one_line(text).map_err(Refused::Event)?;
    let gap = gap.filter(|_| kind == "gap");
    Ok(NewEvent { id, time_ns, kind, severity, phase, episode, camera, rule, label, body, gap })
}

/// Reads JSON; also returns it in one line.
fn parsed<T: serde::de::DeserializeOwned>(payload: Vec<u8>) -> Result<(T, String), String> {
    let text = String::from_utf8(payload).map_err(|error| error.to_string())?;
    let value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok((value, one_line(text)?))
}

/// JSON without line breaks, which can stand in it only between its parts: what is exported has one event a line.
pub(super) fn one_line(text: String) -> Result<String, String> {
    if !text.contains(['\n', '\r']) {
        return Ok(text);
    }
    let whole: Box<RawValue> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(whole.get().replace(['\n', '\r'], " "))
}

/// Refuses what a column cannot hold: PostgreSQL takes no NUL, and indexes no long text.
pub(super) fn plain(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("a text of {} bytes, where at most {LONGEST} are expected", text.len()));
    }
    if text.contains('\0') { Err("a text with a NUL character".to_owned()) } else { Ok(()) }
}

/// A time of RFC 3339 in nanoseconds since 1970.
fn nanoseconds<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let text = <Cow<'de, str>>::deserialize(from)?;
    let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
    i64::try_from(time.as_nanosecond()).map_err(|_| D::Error::custom("a time between 1678 and 2262 is expected"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const TOPIC: &str = "vedette/v1/gate/event/track";

    fn cloud_event() -> Value {
        json!({
            "specversion": "1.0", "id": "gate/event/00000000000000fe/7", "source": "/vedette/gate",
            "type": "vedette.event.track.v1", "time": "2026-11-23T14:27:53.12Z",
            "data": {"kind": "track", "severity": "event", "phase": "start", "episode": "door-17", "camera": "door",
                     "subject": {"label": "person", "track": 17}},
        })
    }

    fn read_event(value: &Value) -> Result<NewEvent, Refused> {
        match read(TOPIC, value.to_string().into_bytes(), false, 0)?.1 {
            News::Event(event) => Ok(*event),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_filtered_by_is_found_and_the_rest_is_kept_as_it_came() {
        let event = read_event(&cloud_event()).unwrap();
        assert_eq!((event.kind.as_str(), event.camera.as_str(), event.label.as_str()), ("track", "door", "person"));
        assert_eq!((event.time_ns, event.rule.as_str()), (1_795_444_073_120_000_000, ""));
        let spaced = serde_json::to_string_pretty(&cloud_event()).unwrap();
        let (_, News::Event(event)) = read(TOPIC, spaced.into_bytes(), false, 0).unwrap() else { panic!() };
        assert!(!event.body.contains('\n'));
        assert_eq!(serde_json::from_str::<Value>(&event.body).unwrap(), cloud_event());
    }

    #[test]
    fn what_a_newer_agent_adds_or_leaves_out_is_no_reason_to_lose_an_event() {
        let mut event = cloud_event();
        event["data"] = json!({"kind": "levitation", "new": [1]});
        assert_eq!(read_event(&event).unwrap().kind, "levitation");
        event.as_object_mut().unwrap().remove("data");
        assert_eq!(read_event(&event).unwrap().kind, "vedette.event.track.v1");
    }

    #[test]
    fn only_numbers_that_are_counted_are_given_up() {
        let told = |kind: &str, gap: Value| {
            let mut event = cloud_event();
            (event["data"]["kind"], event["data"]["gap"]) = (json!(kind), gap);
            read_event(&event).unwrap().gap
        };
        let gap = json!({"class": "alert", "epoch": "00000000000000fe", "first": 3, "last": 5});
        let read = told("gap", gap.clone()).unwrap();
        assert_eq!((read.class, read.epoch, read.first, read.last), (Class::Alert, 0xfe, 3, 5));
        assert_eq!(told("track", gap.clone()), None);
        for (key, wrong) in [
            ("class", json!("telemetry")),
            ("epoch", json!(7)),
            ("first", json!(0)),
            ("first", json!(6)),
            ("last", json!(9_223_372_036_854_775_808u64)),
        ] {
            let mut gap = gap.clone();
            gap[key] = wrong.clone();
            assert_eq!(told("gap", gap), None, "{key} {wrong}");
        }
        assert_eq!(told("gap", json!("all")), None);
    }

    #[test]
    fn nobody_speaks_for_another_agent() {
        let mut event = cloud_event();
        event["id"] = json!("yard/event/00000000000000fe/7");
        assert!(matches!(read_event(&event), Err(Refused::Agent { .. })));
    }

    #[test]
    fn what_cannot_be_stored_is_refused_and_not_tried_for_ever() {
        for (pointer, wrong) in [
            ("/specversion", json!("0.3")),
            ("/id", json!("gate/event/1/1")),
            ("/id", json!("gate/event/00000000000000fe/9223372036854775808")),
            ("/time", json!("yesterday")),
            ("/time", json!("9999-01-01T00:00:00Z")),
            ("/type", json!("")),
            ("/data/episode", json!("a\0b")),
            ("/data/episode", json!("x".repeat(300))),
            ("/data/camera", json!(7)),
        ] {
            let mut event = cloud_event();
            *event.pointer_mut(pointer).unwrap() = wrong.clone();
            assert!(matches!(read_event(&event), Err(Refused::Event(_))), "{pointer} {wrong}");
        }
        assert_eq!(read("vedette/v1/gate/snapshot/door/x", b"no".to_vec(), false, 0), Err(Refused::Picture));
        assert_eq!(read("vedette/v1/gate/other", Vec::new(), false, 0), Err(Refused::Topic));
    }

    #[test]
    fn an_answer_names_the_command_of_its_topic() {
        let answer = br#"{"id": "hub-clip-1", "code": "not-found", "reason": "overwritten"}"#.to_vec();
        let read = |topic: &str| read(topic, answer.clone(), false, 0).map(|(_, news)| news);
        let Ok(News::Reply(reply)) = read("vedette/v1/gate/reply/hub-clip-1") else { panic!() };
        assert_eq!(reply.reason, "overwritten");
        assert!(matches!(read("vedette/v1/gate/reply/hub-clip-2"), Err(Refused::Reply { .. })));
    }

    #[test]
    fn a_health_that_lay_at_the_broker_is_as_old_as_it_says() {
        let health = json!({"boot": "b", "time": "1970-01-01T00:00:05Z"}).to_string().into_bytes();
        let at = |retained, now| match read("vedette/v1/gate/health", health.clone(), retained, now).unwrap().1 {
            News::Health(health) => health.at_ns,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(false, 9_000_000_000), 9_000_000_000);
        assert_eq!(at(true, 9_000_000_000), 5_000_000_000);
        assert_eq!(at(true, 4_000_000_000), 4_000_000_000, "a clock that is ahead does not make it fresh for ever");
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..7) {
            let topics = ["event/track", "snapshot/door/x", "status", "health", "camera/door/state", "reported", "reply/x"];
            let _ = read(&format!("vedette/v1/gate/{}", topics[which]), bytes, false, 0);
        }
    }
}
