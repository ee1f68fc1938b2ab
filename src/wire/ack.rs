//! The hub's word on what it has stored; only then may a spool that waits for the hub let go of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Class;

/// Everything of this class and epoch up to and including `upto` is stored, or was given up by the agent; the numbers in
/// `also` are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AckMessage {
    /// Which class.
    pub class: Class,
    /// Which epoch: 16 hex digits, as in the message ids.
    #[serde(with = "hex")]
    #[schemars(with = "String", extend("pattern" = "^[0-9a-f]{16}$"))]
    pub epoch: u64,
    /// The highest number up to which nothing is missing; 0 while the first is missing.
    pub upto: u64,
    /// Numbers above `upto` that are stored too; at most 1000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub also: Vec<u64>,
}

pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::wire) fn serialize<S: Serializer>(epoch: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{epoch:016x}"))
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        let plain = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !plain {
            return Err(D::Error::custom("an epoch is 16 hex digits"));
        }
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_sixteen_hex_digits_in_both_directions() {
        let ack = AckMessage { class: Class::Alert, epoch: 0xfe, upto: 7, also: vec![9] };
        let text = serde_json::to_string(&ack).unwrap();
        assert_eq!(text, r#"{"class":"alert","epoch":"00000000000000fe","upto":7,"also":[9]}"#);
        assert_eq!(serde_json::from_str::<AckMessage>(&text).unwrap(), ack);
        for epoch in ["fe", "00000000000000FE", "+0000000000000fe"] {
            let text = format!(r#"{{"class":"alert","epoch":"{epoch}","upto":7}}"#);
            assert!(serde_json::from_str::<AckMessage>(&text).is_err(), "{epoch} must be refused");
        }
    }
}
