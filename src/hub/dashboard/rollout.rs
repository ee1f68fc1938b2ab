//! One rollout as it happens: its groups, each agent with what was measured there, and the buttons that steer it.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};

use super::Dashboard;
use super::explained::text;
use super::frame::{Frame, Visitor, page, polled};
use super::navigation::ROLLOUTS;
use super::rollouts::{What, class};
use super::told::{When, number, short};
use super::trouble::Trouble;
use crate::hub::access::Role;
use crate::hub::rollouts::RolloutFacts;
use crate::hub::rollouts::plan::Action;

#[derive(Template)]
#[template(path = "rollout.html")]
struct Rollout {
    frame: Frame,
    id: String,
    what: What,
    text: String,
    ordered: When,
    by: String,
    course: Course,
}

/// The part that changes.
#[derive(Template)]
#[template(path = "rollout_course.html")]
struct Course {
    id: String,
    csrf: String,
    state: String,
    class: &'static str,
    is_bad: bool,
    why: String,
    changed: When,
    actions: Vec<(&'static str, &'static str)>,
    groups: Vec<Group>,
}

struct Group {
    number: u64,
    told: bool,
    nodes: Vec<Node>,
}

struct Node {
    agent: String,
    presence: String,
    stage: String,
    class: &'static str,
    reason: String,
    fault: String,
    previous: String,
    measured: Vec<String>,
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(rollout): Path<String>,
) -> Result<Response, Trouble> {
    let facts = dashboard.shared.rollouts.show(&rollout).await?;
    page(&Rollout::of(&facts, &visitor))
}

pub(super) async fn part(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(rollout): Path<String>,
) -> Result<Response, Trouble> {
    polled(&visitor, &Course::of(&dashboard.shared.rollouts.show(&rollout).await?, &visitor))
}

pub(super) async fn steer(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(rollout): Path<String>,
    action: Action,
) -> Result<Response, Trouble> {
    if let Some(caller) = &visitor.caller {
        dashboard.shared.rollouts.act(caller, &rollout, action).await?;
    }
    Ok(Redirect::to(&format!("/ui/rollouts/{rollout}")).into_response())
}

impl Rollout {
    fn of(facts: &RolloutFacts, visitor: &Visitor) -> Self {
        Self {
            frame: Frame::new(visitor, facts.id.clone(), Some(ROLLOUTS)),
            id: facts.id.clone(),
            what: What::of(&facts.spec.target),
            text: facts.text.clone().unwrap_or_default(),
            ordered: When::at(facts.created_ns),
            by: facts.created_by.clone(),
            course: Course::of(facts, visitor),
        }
    }
}

impl Course {
    fn of(facts: &RolloutFacts, visitor: &Visitor) -> Self {
        let told = json!(facts);
        let state = text(&told, "/state").unwrap_or_default().to_owned();
        let nodes: Vec<&Value> = told["nodes"].as_array().into_iter().flatten().collect();
        let group = |group: &Value| Group {
            number: group["group"].as_u64().unwrap_or(0),
            told: group["told"] == true,
            nodes: nodes.iter().filter(|node| node["group"] == group["group"]).map(|node| Node::of(node)).collect(),
        };
        Self {
            id: facts.id.clone(),
            csrf: visitor.csrf.clone(),
            class: class(&state),
            is_bad: class(&state) == "bad",
            why: facts.why.clone(),
            changed: When::at(facts.changed_ns),
            actions: actions(&state, visitor),
            groups: told["groups"].as_array().into_iter().flatten().map(group).collect(),
            state,
        }
    }
}

/// What somebody may do about a rollout in this state.
fn actions(state: &str, visitor: &Visitor) -> Vec<(&'static str, &'static str)> {
    let all = [
        ("approve", "Approve of the next group", Role::Engineer, &["waiting-approval"][..]),
        ("resume", "Resume", Role::Engineer, &["paused"]),
        ("pause", "Pause", Role::Operator, &["created", "running", "waiting-approval"]),
        ("abort", "Take it back everywhere", Role::Operator, &["created", "running", "waiting-approval", "paused"]),
    ];
    let fits = all.into_iter().filter(|(_, _, role, states)| visitor.may(*role) && states.contains(&state));
    fits.map(|(action, name, ..)| (action, name)).collect()
}

impl Node {
    fn of(node: &Value) -> Self {
        let said = |pointer| text(node, pointer).unwrap_or_default().to_owned();
        let stage = said("/stage");
        let previous = match (node.get("previous").filter(|p| !p.is_null()), node["told_ns"].is_null()) {
            (_, true) => String::new(),
            (None, false) => "its own file".to_owned(),
            (Some(overlay), false) if overlay["model"].is_null() => {
                format!("overlay {}", short(text(overlay, "/sha256").unwrap_or_default(), 12))
            }
            (Some(package), false) => format!("{} {}", text(package, "/model").unwrap_or_default(), package["version"]),
        };
        Self {
            agent: said("/agent"),
            presence: said("/presence"),
            class: class(&stage),
            stage,
            reason: said("/reason"),
            fault: said("/fault/reason"),
            previous: short(&previous, 40),
            measured: measured(&node["evidence"]),
        }
    }
}

/// What was measured while it proved itself, before and now.
fn measured(evidence: &Value) -> Vec<String> {
    if let Some(cameras) = evidence["cameras"].as_object() {
        return cameras.iter().map(|(camera, rates)| rates_of(camera, rates)).collect();
    }
    let known = |name: &str| evidence.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    if known("looks") == 0.0 {
        return Vec::new();
    }
    let mut all = vec![
        format!("{} pictures", number(known("looks"))),
        format!(
            "objects {} → {}, {} the same",
            number(known("objects_before")),
            number(known("objects")),
            number(known("same"))
        ),
        format!("{} → {} ms a look", number(known("look_before_ms")), number(known("look_ms"))),
    ];
    if known("frame_rate") > 0.0 {
        all.push(format!("{} → {} frames/s", number(known("frame_rate_before")), number(known("frame_rate"))));
    }
    all
}

/// The frame rate of a camera before a configuration was on trial, and meanwhile.
fn rates_of(camera: &str, rates: &Value) -> String {
    let rate = |name: &str| number(rates[name].as_f64().unwrap_or(0.0));
    format!("{camera} {} → {} frames/s", rate("before"), rate("on_trial"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::hub::rollouts::plan::State;
    use crate::hub::rollouts::spec::{Spec, Target, Terms};
    use crate::wire::OverlayRef;

    #[test]
    fn a_configuration_is_shown_with_its_text_as_text_and_what_it_is_for() {
        let text = "cameras: {} # <script>alert(1)</script>";
        let purpose = "fewer alerts <b>from cats</b>".to_owned();
        let target = Target::Config { overlay: OverlayRef::of(text), purpose };
        let facts = RolloutFacts {
            id: "config-1".to_owned(),
            state: State::Running,
            settled: false,
            why: String::new(),
            spec: Spec { target, terms: Terms::default() },
            created_by: "eve".to_owned(),
            created_ns: 0,
            changed_ns: 0,
            succeeded_ns: None,
            groups: Vec::new(),
            text: Some(text.to_owned()),
            nodes: Some(Vec::new()),
        };
        let visitor = Visitor::stranger(&HeaderMap::new(), String::new(), "/ui/rollouts/config-1".to_owned());
        let html = Rollout::of(&facts, &visitor).render().unwrap();
        assert!(html.contains("cameras: {} # ") && html.contains("fewer alerts "), "{html}");
        assert!(!html.contains("<script>alert") && !html.contains("<b>from cats"), "{html}");
        assert!(!html.contains("/ui/models/\""), "there is no model to go to");
    }

    #[test]
    fn what_was_measured_is_told_before_and_now() {
        let evidence =
            json!({"looks": 40, "objects_before": 127, "objects": 3, "same": 2, "look_before_ms": 4.1, "look_ms": 4.0});
        let expected = ["40 pictures", "objects 127 → 3, 2 the same", "4.1 → 4 ms a look"];
        assert_eq!(measured(&evidence), expected);
        let configuration = json!({"cameras": {"door": {"before": 25.0, "on_trial": 3.1}}, "link_away_s": 0.0});
        assert_eq!(measured(&configuration), ["door 25 → 3.1 frames/s"]);
        assert!(measured(&Value::Null).is_empty());
    }
}
