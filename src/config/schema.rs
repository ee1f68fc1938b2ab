//! The JSON Schema of the configuration, made from `Document`, and what it says of one place in words.
//!
//! It reads as much of JSON Schema as the schema of `Document` uses; a test fails when that grows.

use serde_json::{Map, Value as Json, json};

use super::document::Document;
use super::phrase;

/// The stand-in for an id that is missing or is none.
const NO_ID: &str = "unnamed";

/// The JSON Schema of the configuration (draft 2020-12), for editors.
pub fn schema() -> Json {
    schemars::schema_for!(Document).to_value()
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A mapping with known keys.
    Record,
    /// A mapping with names of the user's choice.
    Dictionary,
    List,
    Choice,
    Text,
    Number,
    Integer,
    Boolean,
}

pub(super) fn kind_of(schema: &Json) -> Kind {
    let kind = match &schema["type"] {
        Json::Array(kinds) => kinds.iter().find(|k| **k != "null").unwrap_or(&Json::Null),
        one => one,
    };
    match kind.as_str() {
        Some("object") if schema["properties"].is_object() => Kind::Record,
        Some("object") => Kind::Dictionary,
        Some("array") => Kind::List,
        Some("number") => Kind::Number,
        Some("integer") => Kind::Integer,
        Some("boolean") => Kind::Boolean,
        Some("string") if schema["enum"].is_null() => Kind::Text,
        _ => Kind::Choice,
    }
}

/// Follows references, and steps over the alternative `null` of an optional value.
pub(super) fn resolve<'s>(root: &'s Json, site: &'s Json) -> &'s Json {
    if let Some(reference) = site["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        return resolve(root, &root["$defs"][name]);
    }
    match site["anyOf"].as_array() {
        Some(alternatives) => alternatives.iter().find(|a| a["type"] != "null").map_or(site, |a| resolve(root, a)),
        None => site,
    }
}

pub(super) fn is_optional(site: &Json) -> bool {
    let null_type = site["type"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == "null"));
    null_type || site["anyOf"].as_array().is_some_and(|a| a.iter().any(|a| a["type"] == "null"))
}

pub(super) fn is_id(schema: &Json) -> bool {
    schema["pattern"].is_string()
}

pub(super) fn properties(schema: &Json) -> impl Iterator<Item = &str> {
    schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str)
}

pub(super) fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

pub(super) fn choices(schema: &Json) -> Vec<&str> {
    let plain = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().flat_map(|a| match &a["enum"] {
        Json::Array(several) => several.iter().collect(),
        _ => vec![&a["const"]],
    });
    plain.chain(described).filter_map(Json::as_str).collect()
}

pub(super) fn bounds(schema: &Json, least: &str, most: &str) -> (u64, u64) {
    (schema[least].as_u64().unwrap_or(0), schema[most].as_u64().unwrap_or(u64::MAX))
}

pub(super) fn range(least: u64, most: u64) -> String {
    match (least, most) {
        (least, u64::MAX) => format!("at least {least}"),
        (0, most) => format!("at most {most}"),
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    }
}

pub(super) fn limits(schema: &Json) -> String {
    format!("{} to {}", number(&schema["minimum"]), number(&schema["maximum"]))
}

/// A number as a person writes it: `60`, not `60.0`.
pub(super) fn number(json: &Json) -> String {
    json.as_f64().map_or_else(|| json.to_string(), |n| n.to_string())
}

/// What a schema allows, in words.
pub(super) fn allowed(root: &Json, schema: &Json) -> String {
    match kind_of(schema) {
        Kind::Record | Kind::Dictionary => "a mapping".to_owned(),
        Kind::List => {
            let (least, most) = bounds(schema, "minItems", "maxItems");
            let inner = resolve(root, &schema["items"]);
            let of = match kind_of(inner) {
                Kind::Record => "mappings",
                Kind::List => "points [x, y]",
                Kind::Number | Kind::Integer => "numbers",
                Kind::Choice => return format!("a list of any of {}", choices(inner).join(", ")),
                _ => "texts",
            };
            if (least, most) == (0, u64::MAX) {
                format!("a list of {of}")
            } else {
                format!("a list of {} {of}", range(least, most))
            }
        }
        Kind::Choice => phrase::either(&choices(schema)),
        Kind::Text if is_id(schema) => "an id (a-z, 0-9 and -)".to_owned(),
        Kind::Text => "a text".to_owned(),
        Kind::Number => format!("a number from {}", limits(schema)),
        Kind::Integer => format!("a whole number from {}", limits(schema)),
        Kind::Boolean => "true or false".to_owned(),
    }
}

pub(super) fn remedy(schema: &Json, otherwise: &str) -> String {
    schema["x-remedy"].as_str().unwrap_or(otherwise).to_owned()
}

/// Any value that the types accept, for a place whose own value cannot be used.
pub(super) fn stand_in(root: &Json, site: &Json) -> Json {
    if !site["default"].is_null() {
        return site["default"].clone();
    }
    if is_optional(site) {
        return Json::Null;
    }
    let schema = resolve(root, site);
    match kind_of(schema) {
        Kind::Record => {
            required(schema).map(|key| (key.to_owned(), stand_in(root, &schema["properties"][key]))).collect()
        }
        Kind::Dictionary => json!({}),
        Kind::List => {
            let (least, most) = bounds(schema, "minItems", "maxItems");
            let fixed = if least == most { least } else { 0 };
            (0..fixed).map(|_| stand_in(root, &schema["items"])).collect()
        }
        Kind::Choice => json!(choices(schema).first()),
        Kind::Text if is_id(schema) => json!(NO_ID),
        Kind::Text => json!(""),
        Kind::Number | Kind::Integer => schema["minimum"].clone(),
        Kind::Boolean => json!(false),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::fault::{Faults, Layer};
    use crate::config::structure;
    use crate::config::yaml::{self, Node, Value};

    fn as_json(node: &Node) -> Json {
        match &node.value {
            Value::Null | Value::Faulty => Json::Null,
            Value::Bool(b) => json!(b),
            Value::Integer(n) => json!(n),
            Value::Float(n) => json!(n),
            Value::Text(text) => json!(text),
            Value::List(list) => list.iter().map(as_json).collect(),
            Value::Map(entries) => entries.iter().map(|e| (e.key.clone(), as_json(&e.node))).collect(),
        }
    }

    #[test]
    fn an_independent_validator_and_this_program_refuse_the_same_files() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for folder in ["systemd/examples", "tests/it/config/faulty"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                let mut faults = Faults::default();
                let Some(mut tree) = yaml::parse(&text, Layer::File, &mut faults).filter(|_| !faults.any_errors())
                else {
                    continue;
                };
                let is_valid = validator.is_valid(&as_json(&tree));
                structure::read(&mut tree, &mut faults);
                assert_eq!(is_valid, !faults.any_errors(), "{}\n{}", path.display(), faults.render("f"));
                *(if is_valid { &mut accepted } else { &mut refused }) += 1;
            }
        }
        assert!(accepted >= 20 && refused >= 15, "{accepted} accepted, {refused} refused");
    }

    /// Every schema below this one.
    fn all<'s>(schema: &'s Json, into: &mut Vec<&'s Json>) {
        into.push(schema);
        let inner = ["properties", "$defs"].iter().filter_map(|key| schema[*key].as_object()).flat_map(Map::values);
        inner.for_each(|s| all(s, into));
        ["items", "additionalProperties"]
            .iter()
            .filter(|k| schema[**k].is_object())
            .for_each(|k| all(&schema[*k], into));
        schema["anyOf"].as_array().into_iter().flatten().for_each(|s| all(s, into));
    }

    #[test]
    fn no_more_of_json_schema_is_used_than_is_read() {
        const READ: [&str; 25] = [
            "$defs",
            "$ref",
            "$schema",
            "additionalProperties",
            "anyOf",
            "const",
            "default",
            "description",
            "enum",
            "examples",
            "format",
            "items",
            "maxItems",
            "maxLength",
            "maxProperties",
            "maximum",
            "minItems",
            "minLength",
            "minimum",
            "oneOf",
            "pattern",
            "properties",
            "required",
            "title",
            "type",
        ];
        let (root, mut schemas) = (schema(), Vec::new());
        all(&root, &mut schemas);
        assert!(schemas.len() > 100, "found only {}", schemas.len());
        for schema in schemas {
            for key in schema.as_object().into_iter().flat_map(Map::keys) {
                assert!(READ.contains(&key.as_str()) || key.starts_with("x-"), "{key} is not read: {schema}");
            }
            if let Some(pattern) = schema["pattern"].as_str() {
                assert_eq!(pattern, "^[a-z0-9][a-z0-9-]{0,62}$", "only the pattern of an id is known");
            }
            if ["number", "integer"].contains(&schema["type"].as_str().unwrap_or_default()) {
                assert!(schema["minimum"].is_number() && schema["maximum"].is_number(), "no limits: {schema}");
            }
        }
    }

    #[test]
    fn stand_ins_make_a_document() {
        let root = schema();
        let document: Result<Document, _> = serde_json::from_value(stand_in(&root, &root));
        assert!(document.is_ok(), "{document:?}");
    }
}
