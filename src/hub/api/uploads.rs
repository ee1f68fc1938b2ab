//! Files, received in pieces under their SHA-256.
//!
//! `PUT /api/v1/uploads/<sha256>` with the whole file is an upload. One that broke off goes on: `GET` says how much is there,
//! and the next `PUT` sends the rest with `Upload-Offset`. A piece that is not the last has `Upload-Complete: ?0`. The two
//! headers are those of the IETF's draft on resumable uploads (draft-ietf-httpbis-resumable-upload).

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use http_body_util::BodyExt as _;

use super::Shared;
use crate::hub::answer::Refusal;
use crate::hub::blobs::{BlobError, BlobName, Piece, Received};

/// Where a piece begins.
const OFFSET: &str = "upload-offset";
/// Whether it is the last; `?1` where nothing is said.
const COMPLETE: &str = "upload-complete";

pub(super) async fn state(State(shared): State<Shared>, Path(name): Path<String>) -> Result<Json<Received>, Refusal> {
    let name = BlobName::new(&name).map_err(Refusal::invalid)?;
    let blobs = shared.registry.blobs().clone();
    Ok(Json(blocking(move || blobs.state(&name)).await?))
}

pub(super) async fn receive(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Received>, Refusal> {
    let name = BlobName::new(&name).map_err(Refusal::invalid)?;
    let offset = offset(&headers)?;
    let is_last = headers.get(COMPLETE).is_none_or(|value| value != "?0");
    let blobs = shared.registry.blobs().clone();
    let known = blocking({
        let (blobs, name) = (blobs.clone(), name.clone());
        move || blobs.state(&name)
    })
    .await?;
    if known.complete {
        return Ok(Json(known));
    }
    let piece = blocking({
        let name = name.clone();
        move || blobs.receive(&name, offset)
    })
    .await?;
    let piece = take(piece, body).await?;
    if is_last {
        shared.registry.expect(&name).await?;
    }
    Ok(Json(blocking(move || if is_last { piece.finish() } else { piece.pause() }).await?))
}

/// Writes what comes, frame by frame; a sender that breaks off loses nothing of it.
async fn take(mut piece: Piece, mut body: Body) -> Result<Piece, Refusal> {
    while let Some(frame) = body.frame().await {
        let broke_off =
            |error| Refusal::invalid(format!("the upload broke off: {error}; ask how much is there and go on"));
        let Ok(bytes) = frame.map_err(broke_off)?.into_data() else { continue };
        piece = blocking(move || piece.write(&bytes).map(|()| piece)).await?;
    }
    Ok(piece)
}

pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Refusal> {
    let Some(value) = headers.get(OFFSET) else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Refusal::invalid("Upload-Offset is the number of bytes that were received before"))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Refusal::internal("working on a file", &error)),
    }
}
