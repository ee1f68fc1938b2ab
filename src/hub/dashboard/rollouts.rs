//! All rollouts, the newest first, and the form that orders one.

use std::collections::BTreeMap;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};

use super::Dashboard;
use super::explained::text;
use super::frame::{Frame, Visitor, page};
use super::gate::Fields;
use super::navigation::ROLLOUTS;
use super::told::When;
use super::trouble::Trouble;
use crate::hub::rollouts::spec::Target;
use crate::hub::rollouts::{Order, RolloutFacts};

#[derive(Template)]
#[template(path = "rollouts.html")]
struct Rollouts {
    frame: Frame,
    rollouts: Vec<Row>,
}

/// A rollout in the list.
struct Row {
    id: String,
    state: String,
    class: &'static str,
    why: String,
    what: What,
    stages: Vec<(String, u64)>,
    ordered: When,
    by: String,
}

/// What is rolled out.
pub(super) struct What {
    /// It.
    pub(super) name: String,
    /// As what, or what for.
    pub(super) role: String,
    /// The model's name in the registry; empty for a configuration.
    pub(super) model: String,
}

impl What {
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::Model { slot, package } => Self {
                name: format!("{} version {}", package.model, package.version),
                role: format!("as {slot}"),
                model: package.model.to_string(),
            },
            Target::Config { overlay, purpose } => Self {
                name: format!("configuration {}", overlay.sha256.chars().take(12).collect::<String>()),
                role: purpose.clone(),
                model: String::new(),
            },
        }
    }
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    let rollouts = dashboard.shared.rollouts.list().await?;
    page(&Rollouts {
        frame: Frame::new(&visitor, "Rollouts", Some(ROLLOUTS)),
        rollouts: rollouts.iter().map(Row::of).collect(),
    })
}

impl Row {
    fn of(facts: &RolloutFacts) -> Self {
        let told = json!(facts);
        let mut stages: BTreeMap<String, u64> = BTreeMap::new();
        for group in told["groups"].as_array().into_iter().flatten() {
            for (stage, many) in group["stages"].as_object().into_iter().flatten() {
                *stages.entry(stage.clone()).or_default() += many.as_u64().unwrap_or(0);
            }
        }
        let state = text(&told, "/state").unwrap_or_default().to_owned();
        Self {
            id: facts.id.clone(),
            class: class(&state),
            state,
            why: facts.why.clone(),
            what: What::of(&facts.spec.target),
            stages: stages.into_iter().collect(),
            ordered: When::at(facts.created_ns),
            by: facts.created_by.clone(),
        }
    }
}

/// How a state or stage is coloured.
pub(super) fn class(state: &str) -> &'static str {
    match state {
        "finished" | "committed" => "good",
        "reverting" | "reverted" | "aborted" | "rolled-back" | "failed" | "quarantined" | "refused" | "timed-out"
        | "stuck" => "bad",
        "paused" | "waiting-approval" => "fair",
        _ => "calm",
    }
}

/// Orders a rollout of a version, to all or to the agents with some labels.
pub(super) async fn order(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(model): Path<String>,
) -> Result<Response, Trouble> {
    let refused = |error: String| Trouble::new(StatusCode::BAD_REQUEST, error);
    let order: Order = serde_json::from_value(ordered(&model, &fields).map_err(refused)?)
        .map_err(|error| refused(format!("This cannot be rolled out: {error}.")))?;
    let Some(caller) = &visitor.caller else { return Ok(StatusCode::FORBIDDEN.into_response()) };
    let facts = dashboard.shared.rollouts.order(caller, &order).await?;
    Ok(Redirect::to(&format!("/ui/rollouts/{}", facts.id)).into_response())
}

/// The order that a form makes.
fn ordered(model: &str, fields: &Fields) -> Result<Value, String> {
    let mut order = json!({ "slot": fields.get("slot").trim(), "model": model, "version": fields.get("version") });
    let labels = fields.get("labels").trim();
    if labels.is_empty() {
        order["all"] = true.into();
    } else {
        for pair in labels.split_whitespace() {
            let told = || format!("Agents are chosen by labels such as region=north, and {pair} is none.");
            let (name, value) = pair.split_once('=').ok_or_else(told)?;
            order["labels"][name] = value.into();
        }
    }
    order["terms"]["needs_approval"] = (fields.get("needs_approval") == "yes").into();
    for (name, key) in [("soak", "soak_seconds"), ("trial", "trial_seconds"), ("shadow", "shadow_seconds")] {
        let minutes = fields.get(name).trim();
        if minutes.is_empty() {
            continue;
        }
        let told = || format!("{minutes} is no number of minutes.");
        let minutes: f64 = minutes.parse().ok().filter(|m| (0.0..=10_080.0).contains(m)).ok_or_else(told)?;
        let of = if key == "soak_seconds" { &mut order["terms"] } else { &mut order["terms"]["proof"] };
        of[key] = ((minutes * 60.0).ceil() as u64).into();
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: &[(&str, &str)]) -> Result<Value, String> {
        ordered("nano", &Fields::of(fields))
    }

    #[test]
    fn a_form_makes_an_order() {
        let all = order(&[("slot", " people "), ("version", "4")]).unwrap();
        let expected =
            json!({"slot": "people", "model": "nano", "version": "4", "all": true, "terms": {"needs_approval": false}});
        assert_eq!(all, expected);
        let some = order(&[
            ("slot", "people"),
            ("version", "champion"),
            ("labels", "region=north  kind=depot"),
            ("needs_approval", "yes"),
            ("soak", "0.5"),
            ("trial", "2"),
        ]);
        let some = some.unwrap();
        assert_eq!(some["labels"], json!({"region": "north", "kind": "depot"}));
        assert_eq!(some["terms"], json!({"needs_approval": true, "soak_seconds": 30, "proof": {"trial_seconds": 120}}));
        serde_json::from_value::<Order>(some).unwrap();
    }

    #[test]
    fn a_configuration_is_named_by_its_content_and_by_what_it_is_for() {
        let overlay = crate::wire::OverlayRef { sha256: "ab".repeat(32), size: 40 };
        let what = What::of(&Target::Config { overlay, purpose: "fewer alerts from cats".to_owned() });
        let told = (what.name.as_str(), what.role.as_str(), what.model.as_str());
        assert_eq!(told, ("configuration abababababab", "fewer alerts from cats", ""));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        assert!(order(&[("labels", "north")]).unwrap_err().contains("region=north"));
        for minutes in ["soon", "-1", "NaN", "1e9"] {
            assert!(order(&[("soak", minutes)]).unwrap_err().contains("minutes"), "{minutes}");
        }
    }
}
