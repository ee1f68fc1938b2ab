//! One registered model: its versions, where each came from, what was measured, what the checks found, what is loaded.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::Dashboard;
use super::explained::{Fact, text};
use super::frame::{Frame, Visitor, page};
use super::models::served;
use super::navigation::MODELS;
use super::told::{When, bytes, number};
use super::trouble::Trouble;
use crate::hub::access::Role;
use crate::hub::registry::VersionFacts;
use crate::hub::serving::Line;
use crate::vocab::Id;

#[derive(Template)]
#[template(path = "model.html")]
struct Model {
    frame: Frame,
    may_order: bool,
    name: String,
    versions: Vec<Version>,
}

/// A version, the newest first.
struct Version {
    number: i64,
    aliases: Vec<String>,
    service: String,
    is_loaded: bool,
    pushed: When,
    facts: Vec<Fact>,
    metrics: Vec<Fact>,
    lineage: Vec<Fact>,
    files: Vec<File>,
    sha256: String,
}

/// A file of a package, and how it ran when it was received.
struct File {
    provider: String,
    size: String,
    ran: String,
}

pub(super) async fn show(
    State(dashboard): State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(model): Path<String>,
) -> Result<Response, Trouble> {
    let id = Id::new(&model).map_err(|error| Trouble::new(StatusCode::NOT_FOUND, error))?;
    let facts = dashboard.shared.registry.model(&id).await?;
    let served = served(&dashboard).await?;
    let version = |version: &VersionFacts| {
        let aliases = facts.aliases.iter().filter(|(_, number)| **number == version.version);
        let line =
            served.iter().find(|line| line.name == facts.name && i64::try_from(line.version) == Ok(version.version));
        Version::of(version, aliases.map(|(alias, _)| alias.clone()).collect(), line)
    };
    page(&Model {
        frame: Frame::new(&visitor, facts.name.clone(), Some(MODELS)),
        versions: facts.versions.iter().rev().map(version).collect(),
        may_order: visitor.may(Role::Engineer),
        name: facts.name.clone(),
    })
}

impl Version {
    fn of(facts: &VersionFacts, aliases: Vec<String>, line: Option<&Line>) -> Self {
        let files = facts.report.get("profiles").and_then(Value::as_array).into_iter().flatten();
        Self {
            number: facts.version,
            aliases,
            is_loaded: line.is_some_and(|line| line.is_ready),
            service: match line {
                Some(line) if line.is_ready => "loaded".to_owned(),
                Some(line) if !line.reason.is_empty() => format!("not loaded: {}", line.reason),
                _ => "not loaded".to_owned(),
            },
            pushed: When::at(facts.pushed_ns),
            facts: general(facts),
            metrics: listed(&facts.manifest, "metrics"),
            lineage: lineage(facts),
            files: files.map(File::of).collect(),
            sha256: facts.sha256.clone(),
        }
    }
}

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact { name: name.to_owned(), value: value.into() }
}

fn general(facts: &VersionFacts) -> Vec<Fact> {
    let mut all = vec![fact("Pushed by", &facts.pushed_by)];
    let report = [("/version", "Release"), ("/family", "Family"), ("/licence", "Licence")];
    all.extend(report.iter().filter_map(|(pointer, name)| Some(fact(name, text(&facts.report, pointer)?))));
    let texts = |value: Option<&Value>, inner: &str| -> Vec<String> {
        let texts = value.and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(|value| Some(value.pointer(inner)?.as_str()?.to_owned())).collect()
    };
    let labels = texts(facts.report.get("labels"), "");
    all.push(fact("Labels", labels.join(", ")));
    let signers = texts(facts.report.get("signers"), "/id");
    all.push(fact("Signed by", if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") }));
    all.push(fact("Size", bytes(u64::try_from(facts.size).unwrap_or(0))));
    if !facts.note.is_empty() {
        all.push(fact("Note", &facts.note));
    }
    all
}

/// What it was made from and how.
fn lineage(facts: &VersionFacts) -> Vec<Fact> {
    let parent = facts.parent.map(|parent| fact("Made from version", parent.to_string()));
    let listed = ["calibration", "training"].into_iter().flat_map(|name| {
        listed(&facts.manifest, name).into_iter().map(move |told| fact(&format!("{name}: {}", told.name), told.value))
    });
    parent.into_iter().chain(listed).collect()
}

/// The entries of an object of the manifest.
fn listed(manifest: &Value, name: &str) -> Vec<Fact> {
    let entries = manifest.get(name).and_then(Value::as_object).into_iter().flatten();
    let value = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    entries.map(|(name, told)| fact(name, value(told))).collect()
}

impl File {
    fn of(profile: &Value) -> Self {
        let count = |pointer: &str| profile.pointer(pointer).and_then(Value::as_u64);
        let ran = match profile.get("run") {
            Some(run) => format!(
                "by {}: {} golden pictures, {} ms, {} MiB",
                text(run, "/provider").unwrap_or_default(),
                count("/run/golden").unwrap_or(0),
                number(run.get("inference_ms").and_then(Value::as_f64).unwrap_or(0.0)),
                count("/run/memory_mib").unwrap_or(0)
            ),
            None => format!("not run here: {}", text(profile, "/not_run").unwrap_or("nobody said why")),
        };
        Self {
            provider: text(profile, "/provider").unwrap_or_default().to_owned(),
            size: bytes(count("/size").unwrap_or(0)),
            ran,
        }
    }
}
