//! All models: registered or lying in the folder, their aliases, and which versions are loaded.

use std::collections::BTreeMap;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::Dashboard;
use super::frame::{Frame, Visitor, page};
use super::navigation::MODELS;
use super::trouble::Trouble;
use crate::hub::serving::Line;

#[derive(Template)]
#[template(path = "models.html")]
struct Models {
    frame: Frame,
    models: Vec<Row>,
}

/// A model in the list.
struct Row {
    name: String,
    is_registered: bool,
    versions: String,
    aliases: Vec<(String, i64)>,
    loaded: String,
    failures: Vec<String>,
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    let registered = dashboard.shared.registry.models().await?;
    let served = served(&dashboard).await?;
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for model in &registered {
        let versions: Vec<String> = model.versions.iter().map(|version| version.version.to_string()).collect();
        let row = Row {
            name: model.name.clone(),
            is_registered: true,
            versions: versions.join(", "),
            aliases: model.aliases.iter().map(|(alias, version)| (alias.clone(), *version)).collect(),
            loaded: String::new(),
            failures: Vec::new(),
        };
        rows.insert(model.name.clone(), row);
    }
    for line in served {
        let row = rows.entry(line.name.clone()).or_insert_with(|| Row::of_folder(&line));
        if !row.is_registered {
            append(&mut row.versions, line.version);
        }
        if line.is_ready {
            append(&mut row.loaded, line.version);
        } else if !line.reason.is_empty() {
            row.failures.push(format!("{}: {}", line.version, line.reason));
        }
    }
    page(&Models { frame: Frame::new(&visitor, "Models", Some(MODELS)), models: rows.into_values().collect() })
}

impl Row {
    /// A model of which the registry knows nothing.
    fn of_folder(line: &Line) -> Self {
        Self {
            name: line.name.clone(),
            is_registered: false,
            versions: String::new(),
            aliases: Vec::new(),
            loaded: String::new(),
            failures: Vec::new(),
        }
    }
}

fn append(list: &mut String, version: u64) {
    let comma = if list.is_empty() { "" } else { ", " };
    *list += &format!("{comma}{version}");
}

/// What is served, and what is not and why.
pub(super) async fn served(dashboard: &Dashboard) -> Result<Vec<Line>, Trouble> {
    let serving = dashboard.shared.serving.clone();
    let lines = tokio::task::spawn_blocking(move || serving.index()).await;
    let lines = lines.map_err(|error| Trouble::internal("looking at what is served", &error))?;
    lines.map_err(|error| Trouble::internal("looking at what is served", &error))
}
