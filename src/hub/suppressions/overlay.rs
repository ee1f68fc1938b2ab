//! An overlay with one suppression more: the one that is in force on an agent, and what is added to it. Pure.
//!
//! Each rollout replaces the overlay before, so what is in force must be in the new one too. It is written anew, as JSON,
//! which YAML reads: comments are lost, and lists of things become mappings by id. Suppressions whose time has passed are
//! left out.

use serde_json::{Map, Value, json};

use super::cluster::Proposal;
use super::error::SuppressionError;
use crate::config::read_value;
use crate::vocab::Point;

/// What somebody has accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Accepted<'a> {
    /// It.
    pub(super) proposal: &'a Proposal,
    /// Until when it holds, RFC 3339.
    pub(super) until: jiff::Timestamp,
    /// Why, in the words of who accepted it.
    pub(super) reason: &'a str,
}

/// The text of `in_force` with what was accepted.
pub(super) fn with(
    in_force: Option<&str>,
    accepted: &Accepted<'_>,
    now: jiff::Timestamp,
) -> Result<String, SuppressionError> {
    let mut overlay = match in_force.map(|text| read_value(text.as_bytes())) {
        None => Map::new(),
        Some(Ok(Value::Object(overlay))) => overlay,
        Some(_) => return Err(SuppressionError::Unreadable),
    };
    let cameras = things(overlay.entry("cameras").or_insert_with(|| json!({})))?;
    for camera in cameras.values_mut() {
        drop_expired(camera, now)?;
    }
    let camera = cameras.entry(accepted.proposal.camera.as_str()).or_insert_with(|| json!({}));
    let Value::Object(camera) = camera else { return Err(SuppressionError::Unreadable) };
    let suppress = things(camera.entry("suppress").or_insert_with(|| json!({})))?;
    suppress.insert(accepted.proposal.id.clone(), entry(accepted));
    serde_json::to_string_pretty(&overlay).map_err(|_| SuppressionError::Unreadable)
}

fn entry(accepted: &Accepted<'_>) -> Value {
    let Accepted { proposal, until, reason } = accepted;
    let mut entry = json!({
        "rule": proposal.rule,
        "region": proposal.region.iter().map(corner).collect::<Vec<_>>(),
        "until": until.to_string(),
        "reason": reason,
    });
    if !proposal.labels.is_empty() {
        entry["labels"] = json!(proposal.labels);
    }
    entry
}

/// A corner in thousandths of the picture, without the dust of binary fractions.
fn corner(point: &Point) -> [f64; 2] {
    [point.x, point.y].map(|value| (f64::from(value) * 1000.0).round() / 1000.0)
}

fn drop_expired(camera: &mut Value, now: jiff::Timestamp) -> Result<(), SuppressionError> {
    let Some(suppress) = camera.get_mut("suppress").filter(|suppress| !suppress.is_null()) else { return Ok(()) };
    let until = |entry: &Value| entry.get("until")?.as_str()?.parse::<jiff::Timestamp>().ok();
    things(suppress)?.retain(|_, entry| until(entry).is_none_or(|until| until > now));
    Ok(())
}

/// Things by their ids, whether they are written so or as a list.
fn things(value: &mut Value) -> Result<&mut Map<String, Value>, SuppressionError> {
    if let Value::Array(list) = value {
        let mut by_id = Map::new();
        for mut thing in std::mem::take(list) {
            let id = thing.as_object_mut().and_then(|thing| thing.remove("id"));
            let Some(Value::String(id)) = id else { return Err(SuppressionError::Unreadable) };
            by_id.insert(id, thing);
        }
        *value = Value::Object(by_id);
    }
    // `null` would remove those of the box's own file, and one cannot say that and add one.
    value.as_object_mut().ok_or(SuppressionError::Unreadable)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Overlay;
    use crate::vocab::Id;

    fn proposal(camera: &str, id: &str) -> Proposal {
        let region = [[0.48f32, 0.58], [0.54, 0.58], [0.54, 0.62], [0.48, 0.62]].map(Point::from).into();
        Proposal {
            id: id.to_owned(),
            agent: Id::new("gate").unwrap(),
            camera: Id::new(camera).unwrap(),
            rule: Id::new("night-yard").unwrap(),
            labels: BTreeSet::from(["person".to_owned()]),
            region,
            episodes: Vec::new(),
            last_ns: 0,
        }
    }

    fn add(in_force: Option<&str>, camera: &str, id: &str) -> Result<Value, SuppressionError> {
        let (proposal, time) = (proposal(camera, id), |text: &str| text.parse().unwrap());
        let accepted = Accepted { proposal: &proposal, until: time("2026-12-10T12:00:00Z"), reason: "a bush" };
        let text = with(in_force, &accepted, time("2026-11-26T12:00:00Z"))?;
        Overlay::read(&text).unwrap();
        Ok(read_value(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_in_force_stays_and_one_more_is_added() {
        let expected = json!({
            "rule": "night-yard", "labels": ["person"], "until": "2026-12-10T12:00:00Z", "reason": "a bush",
            "region": [[0.48, 0.58], [0.54, 0.58], [0.54, 0.62], [0.48, 0.62]],
        });
        assert_eq!(add(None, "door", "a").unwrap(), json!({"cameras": {"door": {"suppress": {"a": expected}}}}));
        let in_force = "# quiet nights\nmodels: { people: { threshold: 0.5 } }\ncameras:\n  - id: door\n    detect: { fps: 4 }\n    \
            suppress:\n      - { id: old, until: \"2026-11-26T11:59:59Z\" }\n      - { id: young, until: \"2026-11-27T00:00:00Z\" }\n";
        let both = add(Some(in_force), "door", "a").unwrap();
        assert_eq!(both["models"]["people"]["threshold"], 0.5);
        assert_eq!(both["cameras"]["door"]["detect"]["fps"], 4);
        let suppress = both["cameras"]["door"]["suppress"].as_object().unwrap();
        assert_eq!(suppress.keys().collect::<Vec<_>>(), ["a", "young"]);
    }

    #[test]
    fn what_cannot_be_added_to_is_left_alone() {
        for in_force in
            ["- 1\n", "cameras: 7\n", "cameras: { door: { suppress: null } }\n", "cameras: [{ detect: {} }]\n"]
        {
            assert!(matches!(add(Some(in_force), "door", "a"), Err(SuppressionError::Unreadable)), "{in_force}");
        }
    }

    proptest! {
        #[test]
        fn each_of_many_is_there_in_the_end(ids in prop::collection::btree_set("[a-z]{1,6}", 1..8), every in any::<bool>()) {
            let mut text = every.then(|| "cameras: { \"*\": { detect: { fps: 3 } } }".to_owned());
            for id in &ids {
                text = Some(add(text.as_deref(), "door", id).unwrap().to_string());
            }
            let overlay = read_value(text.unwrap().as_bytes()).unwrap();
            let there: BTreeSet<String> =
                overlay["cameras"]["door"]["suppress"].as_object().unwrap().keys().cloned().collect();
            prop_assert_eq!(there, ids);
            prop_assert_eq!(overlay["cameras"]["*"]["detect"]["fps"] == 3, every);
        }
    }
}
