//! What a caller may do, as four steps of which each includes those below it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A role. The order is that of power: `Admin` may do what everybody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees alerts, events, agents and models. An agent's own token is a viewer's, with one right more: to hand in what
    /// that agent has recorded.
    Viewer,
    /// Admits and labels agents, gives verdicts, uses models, sends agents commands.
    Operator,
    /// Registers models and rolls them out, and publishes galleries.
    Engineer,
    /// Makes tokens and accounts at the broker, and reads the record of changes.
    Admin,
}

/// Why a text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role: viewer, operator, engineer or admin")]
pub struct UnknownRole(String);

impl Role {
    /// All, from the least powerful.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Engineer, Self::Admin];

    /// The role as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let named = Self::ALL.into_iter().find(|role| role.as_str() == text);
        named.ok_or_else(|| UnknownRole(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written_and_ordered_by_power() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!(Role::ALL.is_sorted());
        assert!("root".parse::<Role>().is_err());
    }
}
