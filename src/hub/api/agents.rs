//! Agents: which there are, how they are, what people say of them.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::answer::Refusal;
use crate::hub::fleet::AgentFacts;
use crate::vocab::Id;

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Vec<AgentFacts>>, Refusal> {
    Ok(Json(shared.fleet.agents().await?))
}

pub(super) async fn show(State(shared): State<Shared>, Path(agent): Path<String>) -> Result<Json<AgentFacts>, Refusal> {
    Ok(Json(shared.fleet.agent(&id(&agent)?).await?))
}

pub(super) async fn label(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(agent): Path<String>,
    body: Bytes,
) -> Result<Json<AgentFacts>, Refusal> {
    let agent = id(&agent)?;
    let labels: BTreeMap<Id, String> = serde_json::from_slice(&body)
        .map_err(|error| Refusal::invalid(format!(r#"labels are set with {{"region": "north"}}: {error}"#)))?;
    shared.fleet.label(&caller, &agent, &labels).await?;
    Ok(Json(shared.fleet.agent(&agent).await?))
}

/// The body of a request that admits an agent or takes that back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admission {
    admitted: bool,
}

pub(super) async fn admit(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(agent): Path<String>,
    body: Bytes,
) -> Result<Json<AgentFacts>, Refusal> {
    let agent = id(&agent)?;
    let admission: Admission = serde_json::from_slice(&body)
        .map_err(|error| Refusal::invalid(format!(r#"an agent is admitted with {{"admitted": true}}: {error}"#)))?;
    shared.fleet.admit(&caller, &agent, admission.admitted).await?;
    Ok(Json(shared.fleet.agent(&agent).await?))
}

fn id(text: &str) -> Result<Id, Refusal> {
    Id::new(text).map_err(Refusal::invalid)
}
