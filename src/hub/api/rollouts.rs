//! Rollouts: ordered, listed, shown, paused, resumed, approved of, aborted.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::answer::Refusal;
use crate::hub::rollouts::plan::Action;
use crate::hub::rollouts::{Order, RolloutFacts};

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Vec<RolloutFacts>>, Refusal> {
    Ok(Json(shared.rollouts.list().await?))
}

pub(super) async fn show(
    State(shared): State<Shared>,
    Path(rollout): Path<String>,
) -> Result<Json<RolloutFacts>, Refusal> {
    Ok(Json(shared.rollouts.show(&rollout).await?))
}

pub(super) async fn order(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<RolloutFacts>, Refusal> {
    let order: Order = serde_json::from_slice(&body).map_err(|error| {
        let example = r#"{"slot": "people", "model": "people", "version": "champion", "labels": {"region": "north"}}"#;
        let overlay = r#"{"overlay": "cameras: …", "all": true}"#;
        Refusal::invalid(format!("a rollout is ordered with {example} or {overlay}: {error}"))
    })?;
    Ok(Json(shared.rollouts.order(&caller, &order).await?))
}

pub(super) async fn pause(
    shared: State<Shared>,
    caller: Extension<Caller>,
    rollout: Path<String>,
) -> Result<Json<RolloutFacts>, Refusal> {
    act(shared, caller, rollout, Action::Pause).await
}

pub(super) async fn resume(
    shared: State<Shared>,
    caller: Extension<Caller>,
    rollout: Path<String>,
) -> Result<Json<RolloutFacts>, Refusal> {
    act(shared, caller, rollout, Action::Resume).await
}

pub(super) async fn approve(
    shared: State<Shared>,
    caller: Extension<Caller>,
    rollout: Path<String>,
) -> Result<Json<RolloutFacts>, Refusal> {
    act(shared, caller, rollout, Action::Approve).await
}

pub(super) async fn abort(
    shared: State<Shared>,
    caller: Extension<Caller>,
    rollout: Path<String>,
) -> Result<Json<RolloutFacts>, Refusal> {
    act(shared, caller, rollout, Action::Abort).await
}

async fn act(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(rollout): Path<String>,
    action: Action,
) -> Result<Json<RolloutFacts>, Refusal> {
    Ok(Json(shared.rollouts.act(&caller, &rollout, action).await?))
}

/// The key that agents must trust to take what this hub wishes.
pub(super) async fn key(State(shared): State<Shared>) -> Json<Value> {
    let key = shared.rollouts.key();
    Json(json!({ "public": key, "id": key.id() }))
}
