//! The shape of a file against the JSON Schema of `Document`: unknown and missing keys, wrong types, values out of
//! range. Finds every such fault, not just the first, and repairs what it finds, so that the checks of meaning in
//! `check` can go on behind it: a faulty value gives way to its default, and one that has none to a stand-in.

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
pub(super) fn read(tree: &Node, faults: &mut Faults) -> Option<Repaired> {
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
    fn value(&mut self, site: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        if node.value == Value::Null && is_optional(site) {
            return Some(Json::Null);
        }
        let schema = resolve(self.root, site);
        match kind_of(schema) {
            Kind::Record => self.record(schema, node, path),
            Kind::Dictionary => self.dictionary(schema, node, path),
            Kind::List => self.list(schema, node, path),
            Kind::Choice => self.choice(schema, node, path),
            Kind::Text => self.text(schema, node, path),
            Kind::Number | Kind::Integer => self.number(schema, node, path),
            Kind::Boolean => match node.value {
                Value::Bool(b) => Some(json!(b)),
                _ => self.refuse(schema, node, path, "write true or false"),
            },
        }
    }

    fn record(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let Value::Map(entries) = &node.value else {
            let keys = phrase::either(&required(schema).collect::<Vec<_>>());
            return self.refuse(schema, node, path, &format!("write keys such as {keys} below it"));
        };
        let properties = &schema["properties"];
        let mut record = Map::new();
        for entry in entries {
            match properties.get(&entry.key) {
                None => self.unknown_key(schema, entry, path),
                Some(site) => {
                    let value = self.value(site, &entry.node, &path.key(&entry.key));
                    record.extend(value.map(|v| (entry.key.clone(), v)));
                }
            }
        }
        for key in required(schema).filter(|key| !record.contains_key(*key)).collect::<Vec<_>>() {
            let site = &properties[key];
            if node.get(key).is_none() {
                self.missing_key(site, node, &path.key(key));
            }
            record.insert(key.to_owned(), stand_in(self.root, site));
        }
        Some(Json::Object(record))
    }

    fn dictionary(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let Value::Map(entries) = &node.value else {
            return self.refuse(schema, node, path, "write a name, a colon and the value for each");
        };
        let most = schema["maxProperties"].as_u64().unwrap_or(u64::MAX);
        if entries.len() as u64 > most {
            let problem = format!("found {} entries, must be at most {most}", entries.len());
            self.faults.error(node.at, path, problem, "remove some");
        }
        let site = &schema["additionalProperties"];
        let mut values = Map::new();
        for Entry { key, node, .. } in entries {
            let value = self.value(site, node, &path.key(&phrase::step(key)));
            values.insert(key.clone(), value.unwrap_or_else(|| stand_in(self.root, site)));
        }
        Some(Json::Object(values))
    }

    fn list(&mut self, schema: &'s Json, node: &Node, path: &Path) -> Option<Json> {
        let Value::List(elements) = &node.value else {
            return self.refuse(schema, node, path, "write `[a, b]`, or a line with `- ` for each");
        };
        let (least, most) = bounds(schema, "minItems", "maxItems");
        if !(least..=most).contains(&(elements.len() as u64)) {
            self.repairs.push(path.clone());
            let problem = format!("found {} elements, must be {}", elements.len(), range(least, most));
            let remedy = if (elements.len() as u64) < least { "add what is missing" } else { "remove some" };
            self.faults.error(node.at, path, problem, remedy);
        }
        let site = &schema["items"];
        let element = |(i, node): (usize, &Node)| {
            self.value(site, node, &path.index(i)).unwrap_or_else(|| stand_in(self.root, site))
        };
        let mut list: Vec<Json> = elements.iter().enumerate().map(element).collect();
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
                let remedy =
                    meant.map_or_else(|| remedy(schema, "take one of them"), |m| format!("did you mean `{m}`?"));
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
        if is_id(schema)
            && let Err(error) = Id::new(text)
        {
            let problem =
                format!("found {}, must be a-z, 0-9 and -, not - first, at most 63 of them", phrase::name(text));
            let meant = id_like(text).map_or_else(|| error.to_string(), |id| format!("write `{id}`, for instance"));
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
        let problem = format!("found {}, must be {}", phrase::found(node), limits(schema));
        self.tell(node, path, &problem, &advice)
    }

    fn unknown_key(&mut self, schema: &'s Json, entry: &Entry, path: &Path) {
        let keys: Vec<&str> = properties(schema).collect();
        let (problem, inside) = match phrase::step(&entry.key).as_str() {
            "…" => ("found something that is no key".to_owned(), path.clone()),
            key => ("found an unknown key".to_owned(), path.key(key)),
        };
        let problem = format!("{problem}, must be one of {}", keys.join(", "));
        let remedy = match phrase::nearest(&entry.key, keys.iter().copied()) {
            _ if entry.key.to_lowercase().contains("passw") && keys.contains(&"password_file") => {
                "put the password into a file that only its owner can read, and name it with `password_file`".to_owned()
            }
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "remove it, or look for the key that does what you want in the list".to_owned(),
        };
        self.faults.error(entry.key_at, &inside, problem, remedy);
    }

    fn missing_key(&mut self, site: &'s Json, record: &Node, path: &Path) {
        self.repairs.push(path.clone());
        let schema = resolve(self.root, site);
        let problem = format!("found nothing, must be {}", allowed(self.root, schema));
        let meaning = site["description"].as_str().or(schema["description"].as_str()).unwrap_or_default();
        let remedy = format!("add it: {}", meaning.replace('\n', " "));
        self.faults.error(record.at, path, problem, remedy);
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
    let mapped: String =
        text.chars().take(63).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Id::new(mapped.trim_matches('-')).ok()
}
