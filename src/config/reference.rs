//! The reference of the configuration: a YAML file with every key, its meaning, its range and its default, written from
//! the same schema that files are checked against.

use serde_json::Value as Json;

use super::schema::{Kind, choices, is_id, kind_of, limits, required, resolve, schema};

const WIDTH: usize = 110;
const HEAD: &str = "\
# Every key of the configuration. A key that is written out has its default, or an example where it must be given; one
# that is commented out has no default.
";

/// The reference. It is itself a configuration that loads.
pub fn reference() -> String {
    let root = schema();
    let mut text = HEAD.to_owned();
    record(&root, &root, 0, &mut text);
    text
}

/// Writes every key of a record: its name first, then what must be given, and sections behind single values.
fn record(root: &Json, schema: &Json, indent: usize, text: &mut String) {
    let required: Vec<&str> = required(schema).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut keys: Vec<(&String, &Json)> = properties.collect();
    keys.sort_by_key(|(key, site)| {
        let key = key.as_str();
        (section(root, resolve(root, site)).is_some(), key != "id", !required.contains(&key))
    });
    for (key, site) in keys {
        if indent == 0 {
            text.push('\n');
        }
        let inner = resolve(root, site);
        comment(site, inner, indent, text);
        match section(root, inner) {
            Some((opening, depth, below)) => {
                let mut keys = String::new();
                record(root, below, indent + depth, &mut keys);
                // A section in which nothing is written out would be nothing, which is no section.
                let is_live = keys.lines().any(|line| !line.trim_start().starts_with('#'));
                let mark = if is_live { "" } else { "# " };
                text.push_str(&format!("{:indent$}{mark}{key}:\n", ""));
                text.push_str(&format!(
                    "{}{keys}",
                    opening.map(|o| format!("{:indent$}  {o}\n", "")).unwrap_or_default()
                ));
            }
            None => {
                let value = [&site["default"], &site["examples"][0]].into_iter().find(|v| !v.is_null());
                let line = value.map_or_else(|| format!("# {key}:"), |value| format!("{key}: {}", written(value)));
                text.push_str(&format!("{:indent$}{line}\n", ""));
            }
        }
    }
}

/// For a value that holds records: the line before the first one's keys, how deep those are, and what they are.
fn section<'s>(root: &'s Json, schema: &'s Json) -> Option<(Option<&'static str>, usize, &'s Json)> {
    match kind_of(schema) {
        Kind::Record => Some((None, 2, schema)),
        Kind::Dictionary => Some((Some("people:"), 4, resolve(root, &schema["additionalProperties"]))),
        Kind::List => {
            let element = resolve(root, &schema["items"]);
            (kind_of(element) == Kind::Record).then_some((Some("-"), 4, element))
        }
        _ => None,
    }
}

/// Writes what a key means and what it may be, as a comment.
fn comment(site: &Json, schema: &Json, indent: usize, text: &mut String) {
    let meaning = site["description"].as_str().unwrap_or_default().replace('\n', " ");
    let range = match kind_of(schema) {
        Kind::Number | Kind::Integer => format!(" Range: {}.", limits(schema)),
        Kind::Choice => format!(" Choices: {}.", choices(schema).join(", ")),
        Kind::Text if is_id(schema) => " Has the form of an id.".to_owned(),
        _ => String::new(),
    };
    let pad = " ".repeat(indent);
    let mut line = String::new();
    for word in format!("{meaning}{range}").split_whitespace() {
        if !line.is_empty() && indent + 2 + line.len() + 1 + word.len() > WIDTH {
            text.push_str(&format!("{pad}# {line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&format!("{pad}# {line}\n"));
}

/// A value as YAML, on one line.
fn written(value: &Json) -> String {
    match value {
        Json::String(text) if text.contains([':', '#', ' ']) => value.to_string(),
        Json::String(text) => text.clone(),
        Json::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |n| n.to_string()),
        Json::Array(list) => format!("[{}]", list.iter().map(written).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}
