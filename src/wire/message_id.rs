//! The name of one spooled message, by which a hub tells a repetition from news: `agent/class/epoch/seq`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocab::Id;

/// How a message is kept and in which order it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Leaves first, is given up last.
    Alert,
    /// Kept for the record.
    Event,
    /// Given up first.
    Telemetry,
}

impl Class {
    /// The class as it stands in a message id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Event => "event",
            Self::Telemetry => "telemetry",
        }
    }
}

/// `agent/class/epoch/seq`, such as `gate-north/alert/9f86d081884c7d65/42`: the epoch is 16 hex digits drawn at random
/// when the spool was made, the number counts from 1 without gaps within class and epoch. The same text is never used
/// for two messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(
    with = "String",
    extend("pattern" = "^[a-z0-9][a-z0-9-]{0,62}/(alert|event|telemetry)/[0-9a-f]{16}/[1-9][0-9]*$")
)]
pub struct MessageId {
    /// The agent that made it.
    pub agent: Id,
    /// How it is kept.
    pub class: Class,
    /// Which spool it lay in.
    pub epoch: u64,
    /// Its number within class and epoch, from 1.
    pub seq: u64,
}

impl FromStr for Class {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        let named = [Self::Alert, Self::Event, Self::Telemetry].into_iter().find(|class| class.as_str() == text);
        named.ok_or_else(|| MessageIdError { text: text.chars().take(160).collect() })
    }
}

/// Why a text is not a [`MessageId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message id has the form agent/class/epoch/seq; found {text:?}")]
pub struct MessageIdError {
    text: String,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:016x}/{}", self.agent, self.class.as_str(), self.epoch, self.seq)
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        parse(text).ok_or_else(|| MessageIdError { text: text.chars().take(160).collect() })
    }
}

fn parse(text: &str) -> Option<MessageId> {
    let mut parts = text.split('/');
    let agent = Id::new(parts.next()?).ok()?;
    let class = parts.next()?.parse().ok()?;
    let epoch = u64::from_str_radix(parts.next()?, 16).ok()?;
    let seq = parts.next()?.parse().ok()?;
    let id = MessageId { agent, class, epoch, seq };
    // One id, one spelling: no signs, no leading zeros, no capitals, nothing after it.
    (seq > 0 && id.to_string() == text).then_some(id)
}

impl TryFrom<String> for MessageId {
    type Error = MessageIdError;
    fn try_from(text: String) -> Result<Self, MessageIdError> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_exactly_one_spelling() {
        for text in [
            "",
            "a/alert/0/1",
            "a/alert/9F86D081884C7D65/1",
            "a/alert/9f86d081884c7d65/0",
            "a/alert/9f86d081884c7d65/01",
            "a/alert/9f86d081884c7d65/+1",
            "a/other/9f86d081884c7d65/1",
            "a/alert/9f86d081884c7d65/1/x",
            "a/b/alert/9f86d081884c7d65/1",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text:?} must be refused");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(agent in "[a-z0-9][a-z0-9-]{0,62}", epoch: u64, seq in 1u64.., class in 0..3) {
            let class = [Class::Alert, Class::Event, Class::Telemetry][class as usize];
            let id = MessageId { agent: Id::new(&agent).unwrap(), class, epoch, seq };
            prop_assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        }
    }
}
