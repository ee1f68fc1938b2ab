//! Alerts and events: CloudEvents 1.0 in JSON structured mode, with all that a person needs to trust them in `data`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::appearance::Appearance;
use super::number::short;
use super::{Gap, Heat, MessageId};
use crate::vocab::{self, ClockState, Condition, Event, EventKind, Evidence, Id, Measure, Phase, Place, Severity};

/// Who speaks: the same for every message of one run of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The agent.
    pub agent: Id,
    /// Its site, where one is configured.
    pub site: Option<Id>,
    /// Drawn at random when the agent started; the same as in [`PresenceMessage`](super::PresenceMessage).
    pub boot: String,
}

/// An alert or event as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventMessage {
    /// The version of CloudEvents: `1.0`.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// Unique among all messages of all agents; a repetition has the same.
    pub id: MessageId,
    /// `/vedette/<site>/<agent>`, or `/vedette/<agent>` without a site.
    #[schemars(extend("format" = "uri-reference", "pattern" = "^/vedette/"))]
    pub source: String,
    /// `vedette.<severity>.<kind>.v1`, such as `vedette.alert.line-crossing.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("pattern" = "^vedette\\.(alert|event)\\.[a-z-]+\\.v1$"))]
    pub kind: String,
    /// When the picture was captured, RFC 3339 in UTC. `data.capture.clock` says how far it can be believed.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// Of `data`: `application/json`.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    /// What happened.
    pub data: EventData,
}

/// What happened, where, who, and why it was raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventData {
    /// What happened.
    pub kind: EventKind,
    /// Whether somebody should look now.
    pub severity: Severity,
    /// Which part of the happening this is.
    pub phase: Phase,
    /// The same for every phase of one happening.
    pub episode: String,
    /// The camera, where one saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Id>,
    /// The rule, where one fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Id>,
    /// The zone or line, where the rule has one: `{"zone": "yard"}` or `{"line": "gate"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Who or what, where the event is about one object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Where in the picture, where it is about a place and no track: left, top, right, bottom, 0..1 over the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<[f64; 4]>,
    /// One sentence for a person.
    pub explanation: String,
    /// Every quantity that was compared, beside its limit.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// When and on which clock.
    pub capture: Capture,
    /// The model whose detections led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// The configuration that was in force: the first 12 hex digits of its SHA-256.
    pub config_revision: String,
    /// Pictures and clips that show it.
    #[serde(default)]
    pub evidence: Evidence,
    /// With an event of the kind `gap`: numbers under which nothing will be sent any more, where they are known exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// With an event of the kind `camera-condition`: what ails the camera's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// With an event of the kind `heat-map`: where those who were followed stood and went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<Heat>,
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// Its track.
    pub track: u64,
    /// What it is.
    pub label: String,
    /// Where it is: left, top, right, bottom, 0..1 over the picture.
    #[serde(rename = "box")]
    pub bbox: [f64; 4],
    /// Score of its last detection, 0..1.
    pub score: f64,
    /// Its best score so far, 0..1.
    pub best_score: f64,
    /// How long it has been followed, in milliseconds.
    pub age_ms: u64,
    /// Who it was taken for, where faces are recognised and one was good enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Whether it was seen before, where people are recognised by how they look and one picture was good enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appearance: Option<Appearance>,
}

/// Who somebody was taken for, with all that was compared. Without `person` he is unknown: nobody of the gallery comes close
/// enough, or two do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The id of the person of the gallery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Id>,
    /// The person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The watch lists that name the person.
    #[serde(default)]
    pub lists: Vec<Id>,
    /// How like the closest person of the gallery he is: a cosine, -1..1.
    pub score: f64,
    /// What that had to reach.
    pub threshold: f64,
    /// By how much it exceeds the likeness to anybody else.
    pub margin: f64,
    /// What that had to reach.
    pub least_margin: f64,
    /// The model whose vectors were compared, how it was fed, and how long a vector is.
    pub space: String,
    /// The gallery's revision.
    pub gallery: u64,
}

/// When the picture was captured, and how far that can be believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capture {
    /// On the wall clock, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// How far the wall clock can be believed.
    pub clock: ClockState,
    /// On the camera's media clock, in milliseconds since its stream began; durations are differences of this.
    pub pts_ms: u64,
    /// Names the run of the agent: media clocks of different runs cannot be compared.
    pub boot: String,
}

/// Which model saw it, and what really ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// Its name in the configuration.
    pub name: String,
    /// Its version; empty when it has none.
    pub version: String,
    /// SHA-256 of the ONNX file, in hex.
    pub sha256: String,
    /// The execution provider that really ran it.
    pub provider: String,
    /// The score that a detection had to pass.
    pub threshold: f64,
}

impl EventMessage {
    /// `event` as it is sent by `origin` under `id`.
    pub fn new(origin: &Origin, id: MessageId, event: &Event) -> Self {
        let severity = match event.severity {
            Severity::Alert => "alert",
            Severity::Event => "event",
        };
        let site = origin.site.as_ref().map(|s| format!("{s}/")).unwrap_or_default();
        Self {
            specversion: "1.0".to_owned(),
            id,
            source: format!("/vedette/{site}{}", origin.agent),
            kind: format!("vedette.{severity}.{}.v1", event.kind.as_str()),
            time: event.captured.to_rfc3339(),
            datacontenttype: "application/json".to_owned(),
            data: EventData::new(event, &origin.boot),
        }
    }
}

impl EventData {
    fn new(event: &Event, boot: &str) -> Self {
        Self {
            kind: event.kind,
            severity: event.severity,
            phase: event.phase,
            episode: event.episode.clone(),
            camera: event.camera.clone(),
            rule: event.rule.clone(),
            place: event.place.clone(),
            subject: event.subject.as_ref().map(Subject::from),
            region: event.region.map(|b| [b.x1, b.y1, b.x2, b.y2].map(short)),
            explanation: event.explanation.text.clone(),
            measures: event.explanation.measures.iter().map(shortened).collect(),
            capture: Capture {
                time: event.captured.to_rfc3339(),
                clock: event.clock,
                pts_ms: event.pts.as_millis(),
                boot: boot.to_owned(),
            },
            model: event.model.as_ref().map(Model::from),
            config_revision: event.config_revision.clone(),
            evidence: event.evidence.clone(),
            gap: event.gap.as_ref().and_then(Gap::new),
            condition: event.condition,
            heat: event.heat.as_deref().map(Heat::new),
        }
    }
}

fn shortened(measure: &Measure) -> Measure {
    Measure { name: measure.name.clone(), value: short(measure.value), limit: measure.limit.map(short) }
}

impl From<&vocab::Subject> for Subject {
    fn from(subject: &vocab::Subject) -> Self {
        let b = subject.bbox;
        Self {
            track: subject.track,
            label: subject.label.clone(),
            bbox: [b.x1, b.y1, b.x2, b.y2].map(short),
            score: short(subject.score),
            best_score: short(subject.best_score),
            age_ms: subject.age_ms,
            identity: subject.identity.as_ref().map(Identity::from),
            appearance: subject.appearance.as_ref().map(Appearance::from),
        }
    }
}

impl From<&vocab::Identity> for Identity {
    fn from(identity: &vocab::Identity) -> Self {
        let person = identity.person.as_ref();
        Self {
            person: person.map(|person| person.id.clone()),
            name: person.map(|person| person.name.clone()),
            lists: person.map(|person| person.lists.clone()).unwrap_or_default(),
            score: short(identity.score),
            threshold: short(identity.threshold),
            margin: short(identity.margin),
            least_margin: short(identity.least_margin),
            space: identity.space.clone(),
            gallery: identity.gallery,
        }
    }
}

impl From<&vocab::ModelFacts> for Model {
    fn from(facts: &vocab::ModelFacts) -> Self {
        Self {
            name: facts.name.clone(),
            version: facts.version.clone(),
            sha256: facts.sha256.clone(),
            provider: facts.provider.clone(),
            threshold: short(facts.threshold),
        }
    }
}
