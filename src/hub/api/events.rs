//! Events, their pictures, and how they come in.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tower_http::services::ServeFile;

use super::Shared;
use crate::hub::answer::Refusal;
use crate::hub::events::query::{self, Filter, Page, SpoolFacts};
use crate::vocab::Id;

pub(super) async fn list(
    State(shared): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Page>, Refusal> {
    let Query(filter) = filter.map_err(|error| Refusal::invalid(error.body_text()))?;
    Ok(Json(query::page(&shared.database, &filter).await?))
}

pub(super) async fn spools(
    State(shared): State<Shared>,
    Path(agent): Path<String>,
) -> Result<Json<Vec<SpoolFacts>>, Refusal> {
    let agent = Id::new(&agent).map_err(Refusal::invalid)?;
    Ok(Json(query::spools(&shared.database, agent.as_str()).await?))
}

pub(super) async fn snapshot(
    State(shared): State<Shared>,
    Path((agent, camera, name)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let missing = || Refusal::missing(format!("there is no picture {name} of the camera {camera} of {agent}"));
    let path = shared.snapshots.path(&agent, &camera, &name).await?.ok_or_else(missing)?;
    let Ok(served) = ServeFile::new(path).try_call(request).await else { return Err(missing()) };
    let mut response = served.map(Body::new).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    Ok(response)
}

pub(super) async fn intake(State(shared): State<Shared>) -> Json<Value> {
    let Some(gauge) = &shared.intake else { return Json(json!({ "configured": false })) };
    let link = gauge.link();
    let files = shared.broker_files.as_ref().map(|state| state.borrow().clone());
    Json(json!({
        "configured": true,
        "broker_files": files,
        "connected_since_ns": link.connected_since,
        "connections": link.connections,
        "last_error": link.last_error.map(|error| error.to_string()),
        "refused_filters": link.unheard,
        "counts": gauge.counted(),
    }))
}
