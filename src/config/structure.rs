//! The shape of a file against the JSON Schema of `Document`: unknown and missing keys, wrong types, values out of
//! range. Finds every such fault, not just the first, and repairs what it finds, so that the checks of meaning in
//! `check` can go on behind it: a faulty value gives way to its default, and one that has none to a stand-in.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::document::Document;
use super::fault::{Faults, Path, Position};
use super::phrase;
use super::schema::{Kind, allowed, bounds, choices, is_id, is_optional, kind_of, limits, number, properties, range};
use super::schema::{remedy, required, resolve, schema, stand_in};
use super::yaml::{Entry, Node, Value};
use crate::vocab::Id;

/// A document that is sound in shape, and where it had to be repaired.
pub(super) struct Repaired {
    pub document: Document,
    pub repairs: Vec<Path>,
}

/// Checks the tree and makes it a document. `None` only when schema and types disagree, which is told as a fault.
pub(super) fn read(tree: &mut Node, faults: &mut Faults) -> Option<Repaired> {
    let root = schema();
    let mut walk = Walk { root: &root, faults, repairs: Vec::new() };
    let value = walk.value(&root, tree, &Path::default()).unwrap_or_else(|| stand_in(&root, &root));
    let repairs = walk.repairs;
    match serde_json::from_value(value) {
        Ok(document) => Some(Repaired { document, repairs }),
        Err(error) => {
            // serde's message may show a value, so only its kind is told.
            let problem =
                format!("found a value that the schema allows but the program does not ({:?})", error.classify());
            faults.error(Position::START, &Path::default(), problem, "report this as a fault of the program");
            None
        }
    }
}

struct Walk<'s, 'f> {
    root: &'s Json,
    faults: &'f mut Faults,
    repairs: Vec<Path>,
}

impl<'s> Walk<'s, '_> {
    /// The value as JSON, or `None` after telling why it cannot be used.
    fn value(&mut self, site: &'s Json, node: &mut Node, path: &Path) -> Option<Json> {
        if node.value == Value::Faulty {
            self.repairs.push(path.clone());
            return None;
        }
        if node.value == Value::Null && is_optional(site) {
            return Some(Json::Null);
        }
        let schema = resolve(self.root, site);
        if schema["x-single"] == true && matches!(node.value, Value::Text(_)) {
            // Where a list of one may be written without brackets.
            return self.value(&schema["items"], node, path).map(|one| json!([one]));
        }
        match kind_of(schema) {
            Kind::Record => self.record(schema, node, path),
            Kind::Dictionary => self.dictionary(schema, node, path),
            Kind::List => self.list(schema, node, path),
            Kind::Choice => self.choice(schema, node, path),
            Kind::Text => self.text(schema, node, path),
            Kind::Number | Kind::Integer => self.number(schema, node, path),
            Kind::Boolean => self.boolean(schema, node, path),
        }
    }

    fn record(&mut self, schema: &'s Json, node: &mut Node, path: &Path) -> Option<Json> {
        let at = node.at;
        let Value::Map(entries) = &mut node.value else {
            let keys = phrase::either(&required(schema).collect::<Vec<_>>());
            return self.refuse(schema, node, path, &format!("write keys such as {keys} below it"));
        };
        self.correct_keys(schema, entries, path);
        let properties = &schema["properties"];
        let mut record = Map::new();
        let mut given = HashSet::new();
        for Entry { key, node, .. } in entries {
            let Some(site) = properties.get(&*key) else { continue };
            given.insert(key.clone());
            let value = self.value(site, node, &path.key(key));
            record.extend(value.map(|v| (key.clone(), v)));
        }
        for key in required(schema) {
            let site = &properties[key];
            if !given.contains(key) {
                self.missing_key(site, at, &path.key(key));
            }
            record.entry(key).or_insert_with(|| stand_in(self.root, site));
        }
        Some(Json::Object(record))
    }

    /// Tells every unknown key. One that is nearly a known key is read as that one from here on: what stands below it
    /// is checked too, and what it gives is not missed.
    fn correct_keys(&mut self, schema: &'s Json, entries: &mut [Entry], path: &Path) {
        let known: Vec<&str> = properties(schema).collect();
        let mut given: HashSet<String> = entries.iter().map(|e| e.key.clone()).collect();
        for entry in entries.iter_mut().filter(|e| !known.contains(&e.key.as_str())) {
            let meant = phrase::nearest(&entry.key, known.iter().copied());
            self.unknown_key(&known, entry, meant, path);
            if let Some(meant) = meant.filter(|m| !given.contains(*m)) {
                given.insert(meant.to_owned());
                meant.clone_into(&mut entry.key);
            }
        }
    }

    fn dictionary(&mut self, schema: &'s Json, node: &mut Node, path: &Path) -> Option<Json> {
        let at = node.at;
        let Value::Map(entries) = &mut node.value else {
            return self.refuse(schema, node, path, "write a name, a colon and the value for each");
        };
        let most = schema["maxProperties"].as_u64().unwrap_or(u64::MAX);
        if entries.len() as u64 > most {
            let problem = format!("found {} entries, must be at most {most}", entries.len());
            self.faults.error(at, path, problem, "remove some");
        }
        let site = &schema["additionalProperties"];
        let mut values = Map::new();
        for Entry { key, node, .. } in entries {
            let value = self.value(site, node, &path.key(&phrase::step(key)));
            values.insert(key.clone(), value.unwrap_or_else(|| stand_in(self.root, site)));
        }
        Some(Json::Object(values))
    }

    fn list(&mut self, schema: &'s Json, node: &mut Node, path: &Path) -> Option<Json> {
        let at = node.at;
        let Value::List(elements) = &mut node.value else {
            return self.refuse(schema, node, path, "write `[a, b]`, or a line with `- ` for each");
        };
        let (least, most) = bounds(schema, "minItems", "maxItems");
        let found = elements.len();
        if !(least..=most).contains(&(found as u64)) {
            self.repairs.push(path.clone());
            let problem = format!("found {}, must be {}", phrase::count(found, "element"), range(least, most));
            let remedy = if (found as u64) < least { "add what is missing" } else { "remove some" };
            self.faults.error(at, path, problem, remedy);
        }
        let site = &schema["items"];
        let mut list = Vec::with_capacity(found);
        for (i, node) in elements.iter_mut().enumerate() {
            let value = self.value(site, node, &path.index(i));
            list.push(value.unwrap_or_else(|| stand_in(self.root, site)));
        }
        // Only a list of fixed length must be brought to it; the types read any other.
        if least == most {
            list.resize_with(usize::try_from(least).unwrap_or(0), || stand_in(self.root, site));
        }
        Some(Json::Array(list))
    }

    fn choice(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let choices = choices(schema);
        match &node.value {
            Value::Text(text) if choices.contains(&text.as_str()) => Some(json!(text)),
            Value::Text(text) => {
                let meant = phrase::nearest(text, choices.iter().copied());
                let remedy = meant.map_or_else(|| remedy(schema, "take one of them"), phrase::did_you_mean);
                self.refuse(schema, node, path, &remedy)
            }
            _ => self.refuse(schema, node, path, &remedy(schema, "take one of them")),
        }
    }

    fn text(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let Value::Text(text) = &node.value else {
            let quote = matches!(node.value, Value::Bool(_) | Value::Integer(_) | Value::Float(_));
            let remedy = if quote { "put it in quotation marks" } else { "write a text" };
            return self.refuse(schema, node, path, remedy);
        };
        if is_id(schema) && Id::new(text).is_err() {
            let problem =
                format!("found {}, must be a-z, 0-9 and -, not - first, at most 63 of them", phrase::name(text));
            let meant = id_like(text).map_or_else(
                || "write a short name such as `gate-2`".to_owned(),
                |id| format!("write `{id}`, for instance"),
            );
            return self.tell(node, path, &problem, &meant);
        }
        let (least, most) = bounds(schema, "minLength", "maxLength");
        let length = text.chars().count() as u64;
        if !(least..=most).contains(&length) {
            let problem = format!("found a text of {length} characters, must be {}", range(least, most));
            return self.tell(node, path, &problem, if length < least { "write something" } else { "shorten it" });
        }
        Some(json!(text))
    }

    fn boolean(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let remedy = match &node.value {
            Value::Bool(b) => return Some(json!(b)),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "yes" | "y" | "on" => "write true: YAML 1.2 has no other word for it",
                "no" | "n" | "off" => "write false: YAML 1.2 has no other word for it",
                _ => "write true or false",
            },
            _ => "write true or false",
        };
        self.refuse(schema, node, path, remedy)
    }

    fn number(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let default = &schema["default"];
        let default = if default.is_null() { String::new() } else { format!("; the default is {}", number(default)) };
        let advice = remedy(schema, &format!("set it to {}{default}", allowed(self.root, schema)));
        let (value, json) = match node.value {
            Value::Integer(n) if kind_of(schema) == Kind::Integer => (n as f64, json!(n)),
            Value::Integer(n) => (n as f64, json!(n as f64)),
            Value::Float(n) if kind_of(schema) == Kind::Number => (n, json!(n)),
            _ => return self.refuse(schema, node, path, &advice),
        };
        let bound = |key: &str, none: f64| schema[key].as_f64().unwrap_or(none);
        // Written so that NaN is out of range.
        if (bound("minimum", f64::MIN)..=bound("maximum", f64::MAX)).contains(&value) {
            return Some(json);
        }
        // A polygon in pixels is one fault, not one for every coordinate.
        if path.list_of_lists().is_some_and(|list| self.repairs.iter().any(|r| r.list_of_lists() == Some(list))) {
            self.repairs.push(path.clone());
            return None;
        }
        let problem = format!("found {}, must be {}", phrase::found(node), limits(schema));
        self.tell(node, path, &problem, &advice)
    }

    fn unknown_key(&mut self, known: &[&str], entry: &Entry, meant: Option<&str>, path: &Path) {
        let (found, inside) = match phrase::step(&entry.key).as_str() {
            "…" => ("found something that is no key", path.clone()),
            key => ("found an unknown key", path.key(key)),
        };
        let remedy = match meant {
            Some(meant) => phrase::did_you_mean(meant),
            None if entry.key.to_lowercase().contains("passw") && known.contains(&"password_file") => {
                "put the password into a file that only its owner can read, and name it with `password_file`".to_owned()
            }
            None => "remove it, or look for the key that does what you want in the list".to_owned(),
        };
        let problem = format!("{found}, must be one of {}", known.join(", "));
        self.faults.error(entry.key_at, &inside, problem, remedy);
    }

    fn missing_key(&mut self, site: &'s Json, at: Position, path: &Path) {
        self.repairs.push(path.clone());
        let schema = resolve(self.root, site);
        let problem = format!("found nothing, must be {}", allowed(self.root, schema));
        let meaning = site["description"].as_str().or(schema["description"].as_str()).unwrap_or_default();
        let remedy = format!("add it: {}", meaning.replace('\n', " "));
        self.faults.error(at, path, problem, remedy);
    }

    /// Tells that this is not what the schema allows.
    fn refuse(&mut self, schema: &'s Json, node: &Node, path: &Path, remedy: &str) -> Option<Json> {
        let scalar =
            matches!(kind_of(schema), Kind::Choice | Kind::Text | Kind::Number | Kind::Integer | Kind::Boolean);
        let found =
            if scalar && schema["x-private"] != true { phrase::found(node) } else { phrase::kind(node).to_owned() };
        let problem = format!("found {found}, must be {}", allowed(self.root, schema));
        self.tell(node, path, &problem, remedy)
    }

    fn tell(&mut self, node: &Node, path: &Path, problem: &str, remedy: &str) -> Option<Json> {
        self.repairs.push(path.clone());
        self.faults.error(node.at, path, problem, remedy);
        None
    }
}

/// The id that somebody who typed `text` may take instead.
fn id_like(text: &str) -> Option<Id> {
    if text.chars().nth(63).is_some() {
        return None;
    }
    let mapped: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Id::new(mapped.trim_matches('-')).ok()
}
