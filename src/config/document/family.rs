//! What a detector's outputs mean: `auto`, or a family by the name that `detect` gives it, so that a new family needs no
//! word here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::detect;

const AUTO: &str = "auto";

/// What a detector's outputs mean; none where it is told from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Family(pub Option<detect::Family>);

impl Family {
    fn names() -> Vec<&'static str> {
        std::iter::once(AUTO).chain(detect::Family::names()).collect()
    }
}

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.map_or(AUTO, detect::Family::as_str))
    }
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        match text.as_ref() {
            AUTO => Ok(Self(None)),
            name => name.parse().map(|family| Self(Some(family))).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Family {
    fn schema_name() -> Cow<'static, str> {
        "Family".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What a detector's outputs mean.",
            "type": "string",
            "enum": Self::names(),
        })
    }
}
