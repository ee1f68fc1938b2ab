//! Events as a file.

use std::collections::BTreeMap;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

use super::Shared;
use super::handing::{Maker, PATIENCE, hand_over};
use crate::hub::answer::Refusal;
use crate::hub::events::export::{Export, ExportError, Format};
use crate::hub::events::query::Filter;

pub(super) async fn export(
    State(shared): State<Shared>,
    asked: Result<Query<BTreeMap<String, String>>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(mut asked) = asked.map_err(|error| Refusal::invalid(error.body_text()))?;
    let format: Format = asked.remove("format").as_deref().unwrap_or("jsonl").parse()?;
    if asked.contains_key("limit") {
        return Err(ExportError::Page.into());
    }
    let asked = asked.into_iter().map(|(key, value)| (key, value.into())).collect();
    let filter: Filter = serde_json::from_value(serde_json::Value::Object(asked)).map_err(Refusal::invalid)?;
    let export = shared.exports.begin(filter, format).await?;
    let name = format!("attachment; filename=\"vedette-events-{}.{}\"", export.upto(), format.extension());
    let body = Body::from_stream(hand_over(Pieces(Some(export)), PATIENCE).map(|piece| piece?));
    Ok(([(CONTENT_TYPE, format.content_type().to_owned()), (CONTENT_DISPOSITION, name)], body).into_response())
}

/// The pieces of a file; an error is the last.
struct Pieces(Option<Export>);

impl Maker for Pieces {
    type Piece = Result<Bytes, BoxError>;

    async fn next(&mut self) -> Option<Self::Piece> {
        let error = match self.0.as_mut()?.next().await {
            Ok(piece) => return piece.map(Ok),
            Err(error) => error,
        };
        self.0 = None;
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "an export of events broke off");
        Some(Err(error.into()))
    }
}
