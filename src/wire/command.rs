//! Commands to the agent and its answers. A command runs at most once and not after its expiry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A command as it comes in on `command/<name>`; the name stands in the topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Chosen by the sender, at most 64 of `[A-Za-z0-9._-]`; the answer goes to `reply/<id>`. A repeated id is answered as before
    /// and not run again.
    #[schemars(extend("pattern" = "^[A-Za-z0-9._-]{1,64}$"))]
    pub id: String,
    /// Not to be run after this moment, RFC 3339 with offset or `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub expires: String,
    /// What the command needs, such as `{"camera": "door"}`.
    #[serde(default)]
    pub args: Map<String, Value>,
}

/// Why bytes are not a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// More bytes than a command may have.
    #[error("a command has at most {limit} bytes, this one has {size}", limit = Command::LARGEST)]
    TooLarge {
        /// How many there are.
        size: usize,
    },
    /// Not JSON, or not of the form.
    #[error("the command is not of the form {{id, expires, args}}: {0}")]
    Form(String),
    /// The id could not be part of a topic.
    #[error("a command's id has 1 to 64 characters out of A-Z, a-z, 0-9, '.', '_' and '-'")]
    Id,
    /// `expires` is not a time.
    #[error("a command's expires is a time such as 2026-11-23T14:30:00Z: {0}")]
    Expires(String),
}

impl Command {
    /// The name of the command that asks for a clip of an episode, as `{"episode": "door-17"}`, to be handed in at the hub.
    pub const CLIP: &str = "clip";

    /// The most bytes that a command may have.
    pub const LARGEST: usize = 16 * 1024;

    /// Reads a command and checks its id and expiry time, whatever the bytes are.
    ///
    /// # Errors
    /// When it is too large or not of the form.
    pub fn read(bytes: &[u8]) -> Result<Self, CommandError> {
        if bytes.len() > Self::LARGEST {
            return Err(CommandError::TooLarge { size: bytes.len() });
        }
        let command: Self = serde_json::from_slice(bytes).map_err(|e| CommandError::Form(e.to_string()))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
        if command.id.is_empty() || command.id.len() > 64 || !command.id.chars().all(plain) {
            return Err(CommandError::Id);
        }
        command.expires_unix_nanos().map_err(|e| CommandError::Expires(e.to_string()))?;
        Ok(command)
    }

    /// Whether it must no longer be run at `now`, in nanoseconds since 1970. A time that cannot be read has passed.
    pub fn is_expired(&self, now_unix_nanos: i64) -> bool {
        self.expires_unix_nanos().map_or(true, |expires| i128::from(now_unix_nanos) > expires)
    }

    fn expires_unix_nanos(&self) -> Result<i128, jiff::Error> {
        Ok(self.expires.parse::<jiff::Timestamp>()?.as_nanosecond())
    }
}

/// How a command went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyCode {
    /// Done.
    Ok,
    /// Not of the form, or its arguments are not.
    Malformed,
    /// No command has this name.
    Unknown,
    /// It came too late.
    Expired,
    /// It names a camera or something else that there is not.
    NotFound,
    /// It may not be done now, or at all.
    Refused,
    /// It was tried and failed.
    Failed,
    /// It was done, but what it was asked for is larger than the broker may be sent.
    TooLarge,
}

/// The answer, on `reply/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// The id of the command.
    pub id: String,
    /// How it went.
    pub code: ReplyCode,
    /// Why, in words; empty when there is nothing to say.
    #[serde(default)]
    pub reason: String,
    /// What the command was asked for, such as the agent's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

impl Reply {
    /// It was done.
    pub fn ok(id: &str) -> Self {
        Self { id: id.to_owned(), code: ReplyCode::Ok, reason: String::new(), result: None }
    }

    /// It was not done.
    pub fn refused(id: &str, code: ReplyCode, reason: impl Into<String>) -> Self {
        Self { id: id.to_owned(), code, reason: reason.into(), result: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"id":"a-1","expires":"2026-11-23T14:30:00Z","args":{"camera":"door"}}"#;

    #[test]
    fn a_command_is_read_and_expires() {
        let command = Command::read(GOOD.as_bytes()).unwrap();
        assert_eq!(command.args["camera"], "door");
        let expiry = 1_795_444_200_000_000_000;
        assert!(!command.is_expired(expiry));
        assert!(command.is_expired(expiry + 1));
    }

    #[test]
    fn what_is_not_a_command_is_refused_with_a_reason() {
        let cases = [
            ("", "not of the form"),
            ("[]", "not of the form"),
            ("nan", "not of the form"),
            (r#"{"id":"a"}"#, "missing field `expires`"),
            (r#"{"id":"a/b","expires":"2026-11-23T14:30:00Z"}"#, "1 to 64 characters"),
            (r#"{"id":"","expires":"2026-11-23T14:30:00Z"}"#, "1 to 64 characters"),
            (r#"{"id":"a","expires":"tomorrow"}"#, "is a time such as"),
            (r#"{"id":"a","expires":"2026-11-23T14:30:00Z","shell":"rm"}"#, "unknown field `shell`"),
            (r#"{"id":"a","id":"b","expires":"2026-11-23T14:30:00Z"}"#, "duplicate field `id`"),
            (r#"{"id":1,"expires":"2026-11-23T14:30:00Z"}"#, "invalid type"),
        ];
        for (text, reason) in cases {
            let error = Command::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let deep = format!(r#"{{"id":"a","expires":"2026-11-23T14:30:00Z","args":{{"x":{}}}}}"#, "[".repeat(8000));
        assert!(matches!(Command::read(deep.as_bytes()), Err(CommandError::Form(_))));
        assert_eq!(Command::read(&[b' '; 20_000]), Err(CommandError::TooLarge { size: 20_000 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::read(&bytes);
        }
    }
}
