//! Who am I, tokens, the record of changes.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use crate::hub::access::{Caller, Looked, Record, Role, TokenFacts};
use crate::hub::answer::Refusal;
use crate::vocab::Id;

/// The longest answer to a question for a list.
const LONGEST_LIST: u16 = 1000;

pub(super) async fn who_am_i(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "name": caller.name, "role": caller.role }))
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<TokenFacts>>, Refusal> {
    Ok(Json(shared.tokens.list(&caller).await?))
}

/// The body of a request for a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: Id,
    role: Role,
    expires_ns: Option<i64>,
    /// The agent that it is for, whose role is viewer.
    agent: Option<Id>,
}

pub(super) async fn create(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let new: NewToken = serde_json::from_slice(&body).map_err(|error| {
        Refusal::invalid(format!(r#"a token is asked for with {{"name": "night-guard", "role": "viewer"}}: {error}"#))
    })?;
    let NewToken { name, role, expires_ns, agent } = new;
    let token = match &agent {
        None => shared.tokens.create(&caller, &name, role, expires_ns).await?,
        Some(agent) if role == Role::Viewer => shared.tokens.create_for(&caller, &name, agent, expires_ns).await?,
        Some(_) => return Err(Refusal::invalid("the token of an agent has the role viewer")),
    };
    let mut made = json!({ "name": name, "role": role, "token": token.expose() });
    if let Some(agent) = agent {
        made["agent"] = json!(agent);
    }
    Ok(Json(made))
}

pub(super) async fn revoke(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let name = Id::new(&name).map_err(Refusal::invalid)?;
    shared.tokens.revoke(&caller, &name).await?;
    Ok(Json(json!({ "revoked": name })))
}

/// How many.
#[derive(Deserialize)]
pub(super) struct Limit {
    limit: Option<u16>,
}

pub(super) async fn audit(
    State(shared): State<Shared>,
    looked: Result<Query<Looked>, QueryRejection>,
    limit: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Vec<Record>>, Refusal> {
    let refused = |error: QueryRejection| Refusal::invalid(error.body_text());
    let (Query(looked), Query(Limit { limit })) = (looked.map_err(refused)?, limit.map_err(refused)?);
    Ok(Json(shared.audit.look(&looked, limit.unwrap_or(100).min(LONGEST_LIST)).await?))
}
