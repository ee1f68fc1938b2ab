//! Suppressions that verdicts propose: seen, accepted and dismissed.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::answer::Refusal;
use crate::hub::suppressions::{Listed, Terms};
use crate::vocab::Id;

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Listed>, Refusal> {
    Ok(Json(shared.suppressions.list().await?))
}

pub(super) async fn accept(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((agent, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    let terms: Terms = match body.is_empty() {
        true => Terms::default(),
        false => serde_json::from_slice(&body).map_err(|error| {
            Refusal::invalid(format!(
                r#"one is accepted with {{"until": "2026-12-10T12:00:00Z", "reason": "a bush"}}: {error}"#
            ))
        })?,
    };
    let rollout = shared.suppressions.accept(&caller, &agent, &id, &terms).await?;
    Ok(Json(json!({ "rollout": rollout })))
}

pub(super) async fn dismiss(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((agent, id)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    shared.suppressions.dismiss(&caller, &agent, &id).await?;
    Ok(Json(json!({ "dismissed": id })))
}
