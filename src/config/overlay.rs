//! An overlay: a part of a configuration that is laid over a box's own file, as a hub rolls it out.
//!
//! It has the shape of the file and is laid over it as a JSON merge patch (RFC 7396): mappings key by key, `null` removes,
//! anything else takes the place of what was there. Lists of things with an `id` (`cameras`, `zones`, `lines`, `rules`,
//! `suppress`) are matched by it. They may be written as in the file or as a mapping by id, in which `null` removes one:
//!
//! ```yaml
//! models:
//!   people: { threshold: 0.5 }
//! cameras:
//!   "*":                          # every camera of the box; what is said of one camera counts more
//!     detect: { fps: 4 }
//!   door:
//!     rules:
//!       night-yard: { schedule: "21:00-06:00" }
//!       hang-around: null
//! ```
//!
//! The file stays its operator's. An overlay may change only what a trial can prove and what cannot cut the box off or
//! point it elsewhere: the lists [`MODEL`] and [`CAMERA`] are closed, and a key that they do not name is refused. It speaks
//! of the cameras and models that the box has, and neither adds nor removes one.

use super::fault::{Faults, Layer, Path, Position};
use super::phrase;
use super::yaml::{self, Entry, MOST_VALUES, Node, Value};
use crate::model::sha256_hex;

/// The largest overlay, in bytes: signed and with what is wished of models, it must fit into one message.
pub const LARGEST_OVERLAY: usize = 24 << 10;

/// The entry that speaks of every camera.
const EVERY: &str = "*";

/// What an overlay may say of a key.
#[derive(Clone, Copy)]
enum Reach {
    /// Anything.
    Value,
    /// Anything of things that are matched by their ids.
    Things,
}

/// What an overlay may change of a model: how its answers are read. Its file comes by a rollout of its own; who runs it is a
/// matter of the box's machine.
const MODEL: &[(&str, Reach)] =
    &[("threshold", Reach::Value), ("nms", Reach::Value), ("max_detections", Reach::Value), ("threads", Reach::Value)];

/// What an overlay may change of a camera: what is looked for in its pictures, and how they are carried and decoded, which a
/// trial sees in its frame rate.
const CAMERA: &[(&str, Reach)] = &[
    ("detect", Reach::Value),
    ("motion", Reach::Value),
    ("ground", Reach::Value),
    ("zones", Reach::Things),
    ("lines", Reach::Things),
    ("rules", Reach::Things),
    ("suppress", Reach::Things),
    ("stall_seconds", Reach::Value),
    ("frozen_seconds", Reach::Value),
    ("covered_seconds", Reach::Value),
    ("idle_keyframes", Reach::Value),
    ("ptz", Reach::Value),
    ("picture", Reach::Value),
    ("maps", Reach::Value),
    ("transport", Reach::Value),
    ("latency_ms", Reach::Value),
    ("decoder", Reach::Value),
    ("threads", Reach::Value),
];

/// Keys that somebody may well want to change from afar, and why that is refused.
const REASONS: &[(&str, &str)] = &[
    ("agent", "who the box is and where it keeps its state is its own"),
    ("mqtt", "a mistake would cut the box off from whoever could take it back"),
    ("hub", "a mistake would cut the box off from whoever could take it back"),
    ("runtime", "it says whose models are trusted, and is set up once, when the agent starts"),
    ("evidence", "it is set up once, when the agent starts, so that no trial could prove it"),
    ("history", "it is set up once, when the agent starts, so that no trial could prove it"),
    ("spool", "it is set up once, when the agent starts, so that no trial could prove it"),
    ("url", "a document from afar must not point a camera elsewhere"),
    ("username", "credentials stay on the box"),
    ("password_file", "credentials stay on the box"),
    ("verify_tls", "whom a camera's connection trusts stays with the box"),
    ("enabled", "which cameras are used stays with the box"),
    ("clips", "what is recorded of a place stays with the box"),
    ("identify", "whether people are recognised stays with the box"),
    ("reidentify", "whether people are recognised stays with the box"),
    ("privacy", "what a camera must not show stays with the box"),
    ("file", "models come by rollouts of models"),
    ("provider", "what the machine has stays with the box"),
    ("device", "what the machine has stays with the box"),
    ("required", "what the agent cannot start without stays with the box"),
];

/// An overlay that is sound in itself; whether it fits a file is seen when it is laid over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    text: String,
    /// As it was read, but for lists of things, which are mappings by id.
    patch: Node,
}

impl Overlay {
    /// Reads one.
    ///
    /// # Errors
    /// Every fault in it that can be told without a file: broken YAML, keys that it must not change, things without ids.
    pub fn read(text: &str) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let patch = sound(text, &mut faults);
        faults.sort();
        match patch {
            Some(patch) if !faults.any_errors() => Ok(Self { text: text.to_owned(), patch }),
            _ => Err(faults),
        }
    }

    /// Its text, as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What names it: the SHA-256 of its text, 64 hexadecimal digits.
    pub fn sha256(&self) -> String {
        sha256_hex(self.text.as_bytes())
    }

    /// Lays it over a file's tree, telling what it speaks of that is not there.
    pub(super) fn lay(&self, tree: &mut Node, faults: &mut Faults) {
        if let Some(patch) = self.patch.get("models") {
            lay_models(tree, patch, faults);
        }
        if let Some(patch) = self.patch.get("cameras") {
            lay_cameras(tree, patch, faults);
        }
    }
}

fn sound(text: &str, faults: &mut Faults) -> Option<Node> {
    let root = Path::default();
    if text.len() > LARGEST_OVERLAY {
        let problem = format!("found {} bytes, must be at most {LARGEST_OVERLAY}", text.len());
        faults.error(
            START,
            &root,
            problem,
            "split it: each rollout replaces the overlay before, so name only what differs",
        );
        return None;
    }
    let mut patch = yaml::parse(text, Layer::Overlay, faults)?;
    let Value::Map(entries) = &mut patch.value else {
        let problem = format!("found {}, must be a mapping", phrase::kind(&patch));
        faults.error(
            patch.at,
            &root,
            problem,
            "write `models` or `cameras` and what differs below them, or {} for nothing",
        );
        return None;
    };
    for Entry { key, key_at, node } in entries {
        match key.as_str() {
            "models" => named(node, MODEL, &root.key("models"), faults),
            "cameras" => {
                by_id(node, &root.key("cameras"), faults);
                named(node, CAMERA, &root.key("cameras"), faults);
            }
            key => refuse(key, *key_at, &["models", "cameras"], &root, faults),
        }
    }
    Some(patch)
}

const START: Position = Position { line: 1, column: 1, layer: Layer::Overlay };

/// Checks what is said of the things that `node` names, and makes mappings by id of the lists in it.
fn named(node: &mut Node, keys: &[(&str, Reach)], path: &Path, faults: &mut Faults) {
    let Value::Map(things) = &mut node.value else {
        return wrong_kind(node, path, "a mapping of names", "write the name of each below it", faults);
    };
    for Entry { key: name, node, .. } in things {
        let path = path.key(&if name == EVERY { EVERY.to_owned() } else { phrase::step(name) });
        let Value::Map(entries) = &mut node.value else {
            wrong_kind(node, &path, "a mapping of what differs", "the box's own file says what there is", faults);
            continue;
        };
        let known: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
        for Entry { key, key_at, node } in entries {
            match keys.iter().find(|(known, _)| *known == key.as_str()) {
                None => refuse(key, *key_at, &known, &path, faults),
                Some((key, Reach::Things)) => things_by_id(node, &path.key(key), faults),
                Some((_, Reach::Value)) => {}
            }
        }
    }
}

fn wrong_kind(node: &Node, path: &Path, must: &str, remedy: &str, faults: &mut Faults) {
    // What is faulty has been told.
    if node.value != Value::Faulty {
        faults.error(node.at, path, format!("found {}, must be {must}", phrase::kind(node)), remedy);
    }
}

fn refuse(key: &str, at: Position, open: &[&str], path: &Path, faults: &mut Faults) {
    let inside = match phrase::step(key).as_str() {
        "…" => path.clone(),
        step => path.key(step),
    };
    let reason = REASONS.iter().find(|(closed, _)| *closed == key).map(|(_, reason)| *reason);
    let remedy = match (reason, phrase::nearest(key, open.iter().copied())) {
        (Some(reason), _) => format!("{reason}: change the file on the box"),
        (None, Some(meant)) => phrase::did_you_mean(meant),
        (None, None) => "remove it, or change the file on the box".to_owned(),
    };
    let problem = format!("found a key that an overlay must not change, must be one of {}", open.join(", "));
    faults.error(at, &inside, problem, remedy);
}

/// Zones, lines, rules or suppressions; none at all removes them all.
fn things_by_id(node: &mut Node, path: &Path, faults: &mut Faults) {
    if node.value == Value::Null {
        return;
    }
    by_id(node, path, faults);
    let Value::Map(things) = &node.value else {
        return wrong_kind(node, path, "a list, or a mapping by id", "write what differs below the id of each", faults);
    };
    for Entry { key, node, .. } in things {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            wrong_kind(node, &path.key(&phrase::step(key)), "a mapping, or null", "write what differs", faults);
        }
    }
}

/// Makes a mapping by id of a list of things.
fn by_id(node: &mut Node, path: &Path, faults: &mut Faults) {
    let Value::List(list) = &mut node.value else { return };
    let mut things: Vec<Entry> = Vec::new();
    for (index, mut node) in std::mem::take(list).into_iter().enumerate() {
        let Some(Entry { node: id, .. }) = take_id(&mut node) else {
            let problem = "found no `id`, must name one thing";
            faults.error(node.at, &path.index(index), problem, "write the id of what is changed or added");
            continue;
        };
        let Value::Text(key) = id.value else {
            wrong_kind(&id, &path.index(index).key("id"), "a text", "put it in quotation marks", faults);
            continue;
        };
        if things.iter().any(|thing| thing.key == key) {
            let problem = format!("found {} a second time, must be there once", phrase::name(&key));
            faults.error(id.at, &path.index(index).key("id"), problem, "say all of it in one place");
            continue;
        }
        things.push(Entry { key, key_at: id.at, node });
    }
    node.value = Value::Map(things);
}

fn take_id(node: &mut Node) -> Option<Entry> {
    let Value::Map(entries) = &mut node.value else { return None };
    let place = entries.iter().position(|entry| entry.key == "id")?;
    Some(entries.remove(place))
}

fn lay_models(tree: &mut Node, patch: &Node, faults: &mut Faults) {
    let models = tree.get_mut("models");
    let has = |name: &str| models.as_ref().is_some_and(|models| models.get(name).is_some());
    let strangers = entries(patch).iter().filter(|entry| !has(&entry.key));
    strangers.for_each(|entry| stranger(entry, "models", "a model of this agent", faults));
    let Some(models) = models else { return };
    for entry in entries(patch) {
        if let Some(model) = models.get_mut(&entry.key) {
            lay_map(model, &entry.node);
        }
    }
}

fn lay_cameras(tree: &mut Node, patch: &Node, faults: &mut Faults) {
    let base = tree.size().0;
    let cameras = match tree.get_mut("cameras").map(|cameras| &mut cameras.value) {
        Some(Value::List(cameras)) => cameras.as_mut_slice(),
        // The file has no cameras or is broken there, which is told when it is checked.
        _ => &mut [],
    };
    let has = |id: &str| id == EVERY || cameras.iter().any(|camera| id_of(camera) == Some(id));
    let strangers = entries(patch).iter().filter(|entry| !has(&entry.key));
    strangers.for_each(|entry| stranger(entry, "cameras", "a camera of this agent, or `*`", faults));
    // Before anything is copied: a few lines for every camera may unfold to more than there is room for.
    if base.saturating_add(patch.size().0.saturating_mul(cameras.len())) > MOST_VALUES {
        let problem = format!("found more than {MOST_VALUES} values once it is laid over every camera, must be less");
        faults.error(patch.at, &Path::default().key("cameras"), problem, "use fewer aliases, or name single cameras");
        return;
    }
    for camera in cameras {
        let one = id_of(camera).and_then(|id| patch.get(id));
        match (patch.get(EVERY), one) {
            (Some(every), Some(one)) => lay_map(camera, &joined(every, one)),
            (Some(patch), None) | (None, Some(patch)) => lay_map(camera, patch),
            (None, None) => {}
        }
    }
}

fn stranger(entry: &Entry, of: &str, must: &str, faults: &mut Faults) {
    let path = Path::default().key(of).key(&phrase::step(&entry.key));
    let problem = format!("found {}, must be {must}", phrase::name(&entry.key));
    faults.error(entry.key_at, &path, problem, "roll it out to agents that have one, by their labels");
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

fn id_of(thing: &Node) -> Option<&str> {
    match &thing.get("id")?.value {
        Value::Text(id) => Some(id),
        _ => None,
    }
}

/// What `one` says, and what `every` says where `one` says nothing. What either removes is still said.
fn joined(every: &Node, one: &Node) -> Node {
    let (Value::Map(of_every), Value::Map(of_one)) = (&every.value, &one.value) else { return one.clone() };
    let mut all = of_every.clone();
    for entry in of_one {
        match all.iter_mut().find(|other| other.key == entry.key) {
            Some(other) => *other = Entry { node: joined(&other.node, &entry.node), ..entry.clone() },
            None => all.push(entry.clone()),
        }
    }
    Node { at: one.at, value: Value::Map(all) }
}

/// Lays a mapping over what is there.
fn lay_map(base: &mut Node, patch: &Node) {
    if !matches!(base.value, Value::Map(_)) {
        *base = Node { at: patch.at, value: Value::Map(Vec::new()) };
    }
    let Value::Map(base) = &mut base.value else { return };
    for entry in entries(patch) {
        let is_things = CAMERA.iter().any(|(key, reach)| *key == entry.key && matches!(reach, Reach::Things));
        match &entry.node.value {
            Value::Null => base.retain(|other| other.key != entry.key),
            Value::Map(_) => {
                let below = below(base, entry);
                if is_things { lay_things(below, &entry.node) } else { lay_map(below, &entry.node) }
            }
            _ => below(base, entry).clone_from(&entry.node),
        }
    }
}

/// What stands under the key of `entry`, put there where nothing does.
fn below<'b>(base: &'b mut Vec<Entry>, entry: &Entry) -> &'b mut Node {
    let place = base.iter().position(|other| other.key == entry.key).unwrap_or_else(|| {
        let node = Node { at: entry.node.at, value: Value::Null };
        base.push(Entry { key: entry.key.clone(), key_at: entry.key_at, node });
        base.len() - 1
    });
    &mut base[place].node
}

/// Lays things, by their ids, over a list of them. What is there and no list is left alone, for its fault to be told.
fn lay_things(base: &mut Node, patch: &Node) {
    if base.value == Value::Null {
        *base = Node { at: patch.at, value: Value::List(Vec::new()) };
    }
    let Value::List(list) = &mut base.value else { return };
    for Entry { key, key_at, node } in entries(patch) {
        let place = list.iter().position(|thing| id_of(thing) == Some(key));
        match (place, &node.value) {
            (Some(place), Value::Null) => drop(list.remove(place)),
            (None, Value::Null) => {}
            (Some(place), _) => lay_map(&mut list[place], node),
            (None, _) => {
                let id = Node { at: *key_at, value: Value::Text(key.clone()) };
                let id = Entry { key: "id".to_owned(), key_at: *key_at, node: id };
                let mut thing = Node { at: node.at, value: Value::Map(vec![id]) };
                lay_map(&mut thing, node);
                list.push(thing);
            }
        }
    }
}

#[cfg(test)]
mod tests;
