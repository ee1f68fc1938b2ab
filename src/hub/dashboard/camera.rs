//! One camera: how it is, what it last saw, how much happened there, what it went through.

use askama::Template;
use axum::Extension;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Dashboard;
use super::activity::{self, Week};
use super::agent::{Stage, stages};
use super::events::Row;
use super::explained::{self, Fact, text};
use super::fleet::{Camera, State};
use super::frame::{Frame, Visitor, page};
use super::navigation::FLEET;
use super::told::{When, number};
use super::trouble::Trouble;
use crate::hub::events::history;
use crate::hub::events::query::{self, Filter};
use crate::vocab::{EventKind, Id};

/// How many changes of state and how many alerts are shown.
const CHANGES: u16 = 40;
const ALERTS: u16 = 10;
/// How many maps of where people stood and went.
const MAPS: u16 = 6;

#[derive(Template)]
#[template(path = "camera.html")]
struct Shown {
    frame: Frame,
    agent: String,
    agent_state: State,
    camera: Camera,
    facts: Vec<Fact>,
    week: Week,
    /// Of the whole agent, which is where a camera's frames spend their time.
    stages: Vec<Stage>,
    alerts: Vec<Row>,
    changes: Vec<Row>,
    maps: Vec<Map>,
}

/// Where people stood and went in one hour.
struct Map {
    number: i64,
    until: Option<When>,
    sentence: String,
    picture: String,
}

pub(super) async fn show(
    extract::State(dashboard): extract::State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path((agent, camera)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let missing = |error: &dyn std::fmt::Display| Trouble::new(StatusCode::NOT_FOUND, error);
    let (agent, camera) = (Id::new(&agent), Id::new(&camera));
    let (agent, camera) = (agent.map_err(|error| missing(&error))?, camera.map_err(|error| missing(&error))?);
    let facts = dashboard.shared.fleet.agent(&agent).await?;
    let known = facts.cameras.iter().flatten().find(|known| known.camera == camera.as_str());
    let known = known.ok_or_else(|| missing(&format!("No camera named {camera} of {agent} has been heard of.")))?;
    let health = facts.health.clone().unwrap_or_default();
    let database = &dashboard.shared.database;
    let now = dashboard.clock.unix_nanos();
    let (from, until) = activity::span(now);
    let hours = history::activity(database, agent.as_str(), camera.as_str(), from, until).await?;
    let changes = history::changes(database, agent.as_str(), Some(camera.as_str()), CHANGES).await?;
    let alerts = Filter {
        agent: Some(agent.to_string()),
        camera: Some(camera.to_string()),
        severity: Some("alert".to_owned()),
        limit: Some(ALERTS),
        ..Filter::default()
    };
    let alerts = query::page(database, &alerts).await?;
    let maps = maps(&dashboard, &agent, &camera).await?;
    let state = State::of(&facts);
    page(&Shown {
        frame: Frame::new(&visitor, format!("{camera} of {agent}"), Some(FLEET)),
        agent: facts.agent.clone(),
        agent_state: state,
        camera: Camera::of(known, state),
        facts: numbers(&health, camera.as_str()),
        week: activity::week(&hours, from, now),
        stages: stages(&health),
        alerts: alerts.events.iter().map(Row::of).collect(),
        changes: changes.iter().map(Row::of).collect(),
        maps,
    })
}

/// The newest maps that have a picture here.
async fn maps(dashboard: &Dashboard, agent: &Id, camera: &Id) -> Result<Vec<Map>, Trouble> {
    let wanted = Filter {
        agent: Some(agent.to_string()),
        camera: Some(camera.to_string()),
        kind: Some(EventKind::HeatMap.as_str().to_owned()),
        limit: Some(MAPS),
        ..Filter::default()
    };
    let mut maps = Vec::new();
    for facts in query::page(&dashboard.shared.database, &wanted).await?.events {
        // It was read before it was stored.
        let event: Value = serde_json::from_str(facts.event.get()).unwrap_or_default();
        let episode = text(&event, "/data/episode").unwrap_or_default();
        if dashboard.shared.snapshots.path(agent.as_str(), camera.as_str(), episode).await?.is_some() {
            maps.push(Map {
                number: facts.number,
                until: text(&event, "/data/heat/until").and_then(When::read),
                sentence: explained::sentence(&event),
                picture: format!("/ui/snapshots/{agent}/{camera}/{}", utf8_percent_encode(episode, NON_ALPHANUMERIC)),
            });
        }
    }
    Ok(maps)
}

/// What the agent's health says of the camera.
fn numbers(health: &Value, camera: &str) -> Vec<Fact> {
    let Some(of_camera) = health.get("cameras").and_then(|cameras| cameras.get(camera)) else { return Vec::new() };
    let mut all = Vec::new();
    let mut add =
        |name: &str, value: Option<String>| all.extend(value.map(|value| Fact { name: name.to_owned(), value }));
    let rate =
        |name: &str| of_camera.get(name).and_then(Value::as_f64).map(|rate| format!("{} a second", number(rate)));
    let count = |name: &str| of_camera.get(name).and_then(Value::as_u64).map(|count| count.to_string());
    let size = of_camera.get("size").and_then(Value::as_array);
    let size: Option<Vec<String>> = size.map(|sides| sides.iter().map(Value::to_string).collect());
    add("Picture", size.map(|sides| sides.join(" × ")));
    add("Sees by", text(of_camera, "/mode").map(str::to_owned));
    add("Received", rate("received_fps"));
    add("Decoded", rate("decoded_fps"));
    add("Looked at", rate("inferred_fps"));
    add("Decoder", text(of_camera, "/decoder").map(str::to_owned));
    add("Connected anew", count("reconnects"));
    for (reason, dropped) in of_camera.get("drops").and_then(Value::as_object).into_iter().flatten() {
        add(&format!("Not looked at: {reason}"), Some(dropped.to_string()));
    }
    all
}
