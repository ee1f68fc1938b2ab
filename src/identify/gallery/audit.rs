//! The log of a gallery: who did what and when, a JSON line each, chained so that no line can be changed or taken out.
//!
//! Each line has the SHA-256 of the one before and its own, which is taken over the entry as it is written. Lines are only
//! ever appended. The gallery itself keeps the lines that tell of its last change, sealed: a log that was cut short is noticed.
//! No line holds a vector or a picture. A person's id stays in the log when the person is removed: what was done is told
//! for as long as the log is kept. Choose ids that say no more than they must.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::hex;
use crate::vocab::Id;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A person was enrolled, or has more vectors.
    Enrol,
    /// A person was removed by somebody.
    Remove,
    /// A person was removed because his time had run out.
    Expire,
    /// A picture was compared with everybody, by hand.
    Match,
    /// A whole gallery came from where it is kept, and took this one's place.
    Receive,
}

/// What one line tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who: the user of the system.
    pub who: String,
    /// What was done.
    pub action: Action,
    /// To whom; for a match, who was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Id>,
    /// In words.
    pub detail: String,
    /// The gallery's revision afterwards.
    pub revision: u64,
    /// The hash of the line before; empty in the first.
    pub previous: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it tells.
    pub entry: Entry,
    /// SHA-256 of the entry as it is written, in hex.
    pub hash: String,
}

/// A log that was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A line is no line of such a log.
    #[error("line {0} cannot be read")]
    Form(usize),
    /// A line is not what it was, or one before it is missing.
    #[error("line {0} does not continue the one before: the log was changed")]
    Chain(usize),
}

impl Line {
    /// The line of an entry.
    pub fn of(entry: Entry) -> Self {
        let hash = hash(&entry);
        Self { entry, hash }
    }

    /// As it stands in the log, with its end.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Reads a log and checks its chain. A last line without its end was cut off by a crash and does not count.
///
/// # Errors
/// When a line cannot be read or does not continue the one before.
pub fn read(text: &str) -> Result<Vec<Line>, AuditError> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, text) in text.split_inclusive('\n').enumerate().filter(|(_, text)| text.ends_with('\n')) {
        let line: Line = serde_json::from_str(text.trim_end()).map_err(|_| AuditError::Form(at + 1))?;
        let previous = lines.last().map_or("", |line| line.hash.as_str());
        if line.entry.previous != previous || hash(&line.entry) != line.hash {
            return Err(AuditError::Chain(at + 1));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn hash(entry: &Entry) -> String {
    hex::encode(&Sha256::digest(serde_json::to_vec(entry).unwrap_or_default()))
}
