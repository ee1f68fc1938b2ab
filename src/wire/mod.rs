//! What crosses the network: topics, versioned messages and their JSON Schemas.
//!
//! Everything lies under `vedette/v1/<agent>/`; [`Topics`] builds the topics; an agent reads those that come in as
//! [`Inbound`], a hub as [`Spoken`]. A message is a type of this room that can be written, read and described by a schema; agent and hub share it, so
//! they cannot disagree. A field may be added within version 1; a change of meaning is a new version in the topic.
//!
//! Numbers are written with at most four decimals: `0.87`, never `0.8700000047683716`.

mod ack;
mod appearance;
mod camera;
mod command;
mod count;
mod desired;
mod event;
mod gap;
mod health;
mod heat;
mod message_id;
mod number;
mod overlay;
mod presence;
mod reported;
mod rights;
mod spoken;
mod topic;

pub use ack::AckMessage;
pub use appearance::{Appearance, SeenBefore};
pub use camera::{CameraStateMessage, ConditionState};
pub use command::{Command, CommandError, Reply, ReplyCode};
pub use count::CountMessage;
pub use desired::{DesiredError, DesiredMessage, DesiredModel, PackageRef, Proof, SignError, SignedDesired};
pub use event::{Capture, EventData, EventMessage, Model, Origin, Subject};
pub use gap::Gap;
pub use health::{
    CameraHealth, ClassHealth, FacesHealth, GalleryHealth, HealthMessage, HistoryHealth, Latency, LinkHealth,
    ModelHealth, ReidentifyHealth, ResourceHealth, SpoolHealth, SuppressedHealth,
};
pub use heat::Heat;
pub use message_id::{Class, MessageId, MessageIdError};
pub use overlay::{
    CameraRates, ConfigEvidence, DesiredConfig, LARGEST_OVERLAY, OverlayFault, OverlayRef, ReportedConfig, Trial,
};
pub use presence::{Presence, PresenceMessage};
pub use reported::{ProofEvidence, ReportedMessage, ReportedModel, RolloutStage};
pub use rights::{Access, Right, agent_rights, hub_rights};
pub use spoken::{RECORDED, STATES, Said, Spoken};
pub use topic::{Inbound, Topics};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

/// Every message by name, with its JSON Schema (draft 2020-12).
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("ack", schema::<AckMessage>()),
        ("camera-state", schema::<CameraStateMessage>()),
        ("command", schema::<Command>()),
        ("count", schema::<CountMessage>()),
        ("desired", schema::<SignedDesired>()),
        ("desired-payload", schema::<DesiredMessage>()),
        ("event", schema::<EventMessage>()),
        ("health", schema::<HealthMessage>()),
        ("reply", schema::<Reply>()),
        ("reported", schema::<ReportedMessage>()),
        ("status", schema::<PresenceMessage>()),
    ]
}

fn schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// A message as it is sent: JSON in UTF-8.
pub fn to_json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages have only text keys and finite numbers")
}

#[cfg(test)]
mod tests;
