//! The hub's own API under `/api/v1`: who am I, tokens, the record of changes.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Audit, Caller, Record, Role, TokenFacts, Tokens};
use super::answer::Refusal;
use crate::vocab::Id;

/// The longest answer to a question for a list.
const LONGEST_LIST: u16 = 1000;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) tokens: Tokens,
    pub(super) audit: Audit,
}

/// A path and the role that it needs.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path as the router matches it.
    pub path: &'static str,
    /// The least role.
    pub role: Role,
    operation: Operation,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    WhoAmI,
    ListTokens,
    CreateToken,
    RevokeToken,
    Audit,
}

const fn route(method: &'static str, path: &'static str, role: Role, operation: Operation) -> Route {
    Route { method, path, role, operation }
}

/// Every path of the API.
pub const ROUTES: &[Route] = &[
    route("GET", "/api/v1/whoami", Role::Viewer, Operation::WhoAmI),
    route("GET", "/api/v1/tokens", Role::Admin, Operation::ListTokens),
    route("POST", "/api/v1/tokens", Role::Admin, Operation::CreateToken),
    route("DELETE", "/api/v1/tokens/{name}", Role::Admin, Operation::RevokeToken),
    route("GET", "/api/v1/audit", Role::Admin, Operation::Audit),
];

/// The API as a router, to be put behind the guard.
pub(super) fn router(shared: Shared) -> Router {
    let handler = |operation| -> MethodRouter<Shared> {
        match operation {
            Operation::WhoAmI => get(who_am_i),
            Operation::ListTokens => get(list_tokens),
            Operation::CreateToken => post(create_token),
            Operation::RevokeToken => delete(revoke_token),
            Operation::Audit => get(audit),
        }
    };
    let add = |router: Router<Shared>, route: &Route| router.route(route.path, handler(route.operation));
    ROUTES.iter().fold(Router::new(), add).with_state(shared)
}

async fn who_am_i(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "name": caller.name, "role": caller.role }))
}

async fn list_tokens(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<TokenFacts>>, Refusal> {
    Ok(Json(shared.tokens.list(&caller).await?))
}

/// The body of a request for a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: Id,
    role: Role,
    expires_ns: Option<i64>,
}

async fn create_token(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let new: NewToken = serde_json::from_slice(&body).map_err(|error| {
        Refusal::invalid(format!(r#"a token is asked for with {{"name": "night-guard", "role": "viewer"}}: {error}"#))
    })?;
    let token = shared.tokens.create(&caller, &new.name, new.role, new.expires_ns).await?;
    Ok(Json(json!({ "name": new.name, "role": new.role, "token": token.expose() })))
}

async fn revoke_token(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let name = Id::new(&name).map_err(Refusal::invalid)?;
    shared.tokens.revoke(&caller, &name).await?;
    Ok(Json(json!({ "revoked": name })))
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<u16>,
}

async fn audit(
    State(shared): State<Shared>,
    limit: Result<Query<Limit>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<Record>>, Refusal> {
    let limit = limit.map_err(|error| Refusal::invalid(error.body_text()))?.0.limit;
    Ok(Json(shared.audit.newest(limit.unwrap_or(100).min(LONGEST_LIST)).await?))
}
