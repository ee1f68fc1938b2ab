//! Numbers under which nothing will be sent any more, so that whoever counts them does not wait for ever.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Class;
use super::ack::hex;
use crate::vocab;

/// The agent sends nothing any more under any number from `first` to `last` of this class and epoch. What it sent before
/// may still arrive, and is then as good as any other message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Which class.
    pub class: Class,
    /// Which epoch: 16 hex digits, as in the message ids.
    #[serde(with = "hex")]
    #[schemars(with = "String", extend("pattern" = "^[0-9a-f]{16}$"))]
    pub epoch: u64,
    /// The first number, from 1.
    #[schemars(range(min = 1))]
    pub first: u64,
    /// The last number, not below the first.
    #[schemars(range(min = 1))]
    pub last: u64,
}

impl Gap {
    /// As it is sent; none where no class has this name.
    pub fn new(gap: &vocab::Gap) -> Option<Self> {
        let class = gap.class.parse().ok()?;
        Some(Self { class, epoch: gap.epoch, first: gap.first, last: gap.last })
    }
}
