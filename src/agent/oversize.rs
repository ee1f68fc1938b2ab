//! What takes the place of an event that is too large to be sent: a gap under the same id.
//!
//! Whoever stores events counts their ids, and waits for one that is missing. A gap with the id of what was given up
//! is as good as the event itself for that, and says what is missing and why.

use crate::agent::envelope;
use crate::vocab::{EventKind, Evidence, Measure, Phase, Severity};
use crate::wire::{EventData, EventMessage, Topics, to_json};

/// How large something is and might be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oversize {
    /// What it has.
    pub size: usize,
    /// What it may have.
    pub limit: usize,
}

impl Oversize {
    /// The record to send in place of the one of `message`.
    pub fn stand_in(self, message: EventMessage) -> Vec<u8> {
        let topic = Topics::new(&message.id.agent).event(EventKind::Gap);
        envelope::seal(&topic, &to_json(&self.gap(message)))
    }

    fn gap(self, message: EventMessage) -> EventMessage {
        let Self { size, limit } = self;
        let EventMessage { id, data, .. } = &message;
        let told = data.camera.as_ref().map_or_else(String::new, |camera| format!(" of camera {camera}"));
        let text = format!(
            "record {} of class {} was given up: it told of {}{told} in {size} bytes, and at most {limit} are sent",
            id.seq,
            id.class.as_str(),
            data.kind.as_str(),
        );
        let measures = vec![
            Measure::plain("lost", 1.0),
            Measure::plain("first", id.seq as f64),
            Measure::plain("last", id.seq as f64),
            Measure { name: "size_bytes".to_owned(), value: size as f64, limit: Some(limit as f64) },
        ];
        EventMessage {
            kind: "vedette.event.gap.v1".to_owned(),
            data: EventData {
                kind: EventKind::Gap,
                severity: Severity::Event,
                phase: Phase::Start,
                rule: None,
                place: None,
                subject: None,
                explanation: text,
                measures,
                model: None,
                evidence: Evidence::default(),
                ..message.data
            },
            ..message
        }
    }
}
