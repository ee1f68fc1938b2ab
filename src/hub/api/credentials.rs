//! Credentials of agents at the broker, and the files for a broker elsewhere.

use std::path::PathBuf;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::accounts::files::{Files, configuration};
use crate::hub::accounts::{AccountError, AccountFacts, Kind};
use crate::hub::answer::Refusal;
use crate::vocab::Id;

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Vec<AccountFacts>>, Refusal> {
    Ok(Json(shared.accounts.list().await?))
}

pub(super) async fn show(
    State(shared): State<Shared>,
    Path(agent): Path<String>,
) -> Result<Json<AccountFacts>, Refusal> {
    Ok(Json(shared.accounts.show(&id(&agent)?).await?))
}

/// The body of a request for a password. All of it may be left out.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    at_once: bool,
}

pub(super) async fn issue(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(agent): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let agent = id(&agent)?;
    let wanted: Wanted = match body.is_empty() {
        true => Wanted::default(),
        false => serde_json::from_slice(&body).map_err(|error| {
            Refusal::invalid(format!(r#"a password is asked for with {{"at_once": false}}: {error}"#))
        })?,
    };
    let issued = shared.accounts.issue(&caller, &agent, wanted.at_once).await?;
    let told = json!({ "username": issued.user, "password": issued.password.expose(), "pending": issued.is_pending });
    // Nothing on the way may keep it.
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(told)).into_response())
}

pub(super) async fn activate(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(agent): Path<String>,
) -> Result<Json<AccountFacts>, Refusal> {
    Ok(Json(shared.accounts.activate(&caller, &id(&agent)?).await?))
}

pub(super) async fn revoke(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(agent): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let agent = id(&agent)?;
    shared.accounts.revoke(&caller, &agent).await?;
    Ok(Json(json!({ "revoked": agent })))
}

/// Where the files will lie on the broker's machine.
#[derive(Deserialize)]
pub(super) struct Place {
    folder: Option<PathBuf>,
}

pub(super) async fn broker_config(
    State(shared): State<Shared>,
    place: Result<Query<Place>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let folder = place.map_err(|error| Refusal::invalid(error.body_text()))?.0.folder;
    let folder = folder.unwrap_or_else(|| PathBuf::from("/etc/mosquitto/vedette"));
    // It would stand in a line of its own.
    if folder.to_string_lossy().contains(char::is_control) {
        return Err(Refusal::invalid("a folder's name has no control characters"));
    }
    let accounts = shared.accounts.all().await?;
    if !accounts.iter().any(|account| account.kind == Kind::Hub) {
        return Err(AccountError::NoHub.into());
    }
    let Files { passwd, acl } = Files::of(&accounts);
    Ok(Json(json!({ "passwd": passwd, "acl": acl, "mosquitto.conf": configuration(&folder) })))
}

fn id(text: &str) -> Result<Id, Refusal> {
    Id::new(text).map_err(Refusal::invalid)
}
