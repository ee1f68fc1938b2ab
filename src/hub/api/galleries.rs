//! Galleries: seen, published and withdrawn. Their bytes come and go as those of packages do.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use crate::hub::access::Caller;
use crate::hub::answer::Refusal;
use crate::hub::galleries::{GalleryFacts, Shown};
use crate::vocab::Id;

pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Shown>, Refusal> {
    Ok(Json(shared.galleries.show().await?))
}

/// What agents ask again and again.
pub(super) async fn show(
    State(shared): State<Shared>,
    Path(gallery): Path<String>,
) -> Result<Json<GalleryFacts>, Refusal> {
    Ok(Json(shared.galleries.gallery(&Id::new(&gallery).map_err(Refusal::invalid)?).await?))
}

/// The body of a request that publishes a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sha256: String,
}

pub(super) async fn publish(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(gallery): Path<String>,
    body: Bytes,
) -> Result<Json<GalleryFacts>, Refusal> {
    let gallery = Id::new(&gallery).map_err(Refusal::invalid)?;
    let file: File = serde_json::from_slice(&body)
        .map_err(|error| Refusal::invalid(format!(r#"a gallery is published with {{"sha256": "…"}}: {error}"#)))?;
    Ok(Json(shared.galleries.publish(&caller, &gallery, &file.sha256).await?))
}

pub(super) async fn withdraw(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(gallery): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let gallery = Id::new(&gallery).map_err(Refusal::invalid)?;
    shared.galleries.withdraw(&caller, &gallery).await?;
    Ok(Json(json!({ "withdrawn": gallery })))
}
