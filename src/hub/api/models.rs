//! Models, versions and aliases.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::answer::Refusal;
use crate::hub::registry::{ModelFacts, Push, VersionFacts};
use crate::vocab::Id;

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Vec<ModelFacts>>, Refusal> {
    Ok(Json(shared.registry.models().await?))
}

pub(super) async fn show(State(shared): State<Shared>, Path(model): Path<String>) -> Result<Json<ModelFacts>, Refusal> {
    Ok(Json(shared.registry.model(&id(&model)?).await?))
}

pub(super) async fn version(
    State(shared): State<Shared>,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<VersionFacts>, Refusal> {
    Ok(Json(shared.registry.version(&id(&model)?, &version).await?))
}

pub(super) async fn push(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<VersionFacts>, Refusal> {
    let push: Push = serde_json::from_slice(&body).map_err(|error| {
        Refusal::invalid(format!(r#"a version is registered with {{"sha256": "…", "note": "…"}}: {error}"#))
    })?;
    let version = shared.registry.push(&caller, &push).await?;
    serve(&shared, &version.model);
    Ok(Json(version))
}

pub(super) async fn remove(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let model = id(&model)?;
    let number = version.parse().map_err(|_| Refusal::invalid("a version is deleted by its number"))?;
    shared.registry.delete(&caller, &model, number).await?;
    serve(&shared, model.as_str());
    Ok(Json(json!({ "model": model, "deleted": number })))
}

/// The body of a request that points an alias at a version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    version: i64,
}

pub(super) async fn set_alias(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((model, alias)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<ModelFacts>, Refusal> {
    let (model, alias) = (id(&model)?, id(&alias)?);
    if alias.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::invalid("an alias of digits alone would be read as a version"));
    }
    let target: Target = serde_json::from_slice(&body)
        .map_err(|error| Refusal::invalid(format!(r#"an alias is set with {{"version": 3}}: {error}"#)))?;
    shared.registry.set_alias(&caller, &model, &alias, target.version).await?;
    serve(&shared, model.as_str());
    Ok(Json(shared.registry.model(&model).await?))
}

pub(super) async fn remove_alias(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((model, alias)): Path<(String, String)>,
) -> Result<Json<ModelFacts>, Refusal> {
    let (model, alias) = (id(&model)?, id(&alias)?);
    shared.registry.remove_alias(&caller, &model, &alias).await?;
    serve(&shared, model.as_str());
    Ok(Json(shared.registry.model(&model).await?))
}

fn id(text: &str) -> Result<Id, Refusal> {
    Id::new(text).map_err(Refusal::invalid)
}

/// Serving follows on a thread of its own: sessions take seconds to open, and the registry is right without them.
fn serve(shared: &Shared, model: &str) {
    let (serving, model) = (shared.serving.clone(), model.to_owned());
    tokio::task::spawn_blocking(move || serving.follow_catalogue(&model));
}
