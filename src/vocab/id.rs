//! Identifiers that are safe in topics, file names and logs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of an agent, site, camera, model, zone, line or rule: `[a-z0-9][a-z0-9-]{0,62}`.
///
/// The alphabet leaves out `/`, `+` and `#`, so that an id can never add a level or a wildcard to an MQTT topic, and
/// `.` and `_`, so that it can never leave a folder. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[a-z0-9][a-z0-9-]{0,62}$"))]
pub struct Id(Arc<str>);

/// Why a text is not an [`Id`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text has more than 63 characters.
    #[error("an id has at most 63 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside `a-z`, `0-9` and `-`, or a leading `-`.
    #[error("an id is made of a-z, 0-9 and -, and does not start with -; found {found:?} in {text:?}")]
    Character {
        /// The first character that is not allowed.
        found: char,
        /// The whole text.
        text: String,
    },
}

impl Id {
    /// Checks `text` and makes it an id.
    pub fn new(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let first_fault = text.chars().enumerate().find(|&(i, c)| !allowed(c) || (i == 0 && c == '-'));
        if let Some((_, found)) = first_fault {
            return Err(IdError::Character { found, text: text.chars().take(80).collect() });
        }
        if text.len() > 63 {
            return Err(IdError::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for Id {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Id {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_changes_a_topic_or_a_path_is_an_id() {
        for text in ["", "-a", "a/b", "a+", "#", "..", "A", "a_b", "a b", "ä", "a\0"] {
            assert!(Id::new(text).is_err(), "{text:?} must be refused");
        }
        assert!(Id::new(&"a".repeat(63)).is_ok());
        assert_eq!(Id::new(&"a".repeat(64)), Err(IdError::TooLong(64)));
    }

    proptest! {
        #[test]
        fn every_text_of_the_documented_form_is_an_id(text in "[a-z0-9][a-z0-9-]{0,62}") {
            let id = Id::new(&text).unwrap();
            prop_assert_eq!(id.as_str(), text);
        }
    }
}
