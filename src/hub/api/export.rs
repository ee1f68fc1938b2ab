//! Events as a file.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::Shared;
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
    let body = Body::from_stream(stream::unfold(Some(export), next));
    Ok(([(CONTENT_TYPE, format.content_type().to_owned()), (CONTENT_DISPOSITION, name)], body).into_response())
}

/// The next piece of a file, and the rest of it; an error ends it.
async fn next(export: Option<Export>) -> Option<(Result<axum::body::Bytes, ExportError>, Option<Export>)> {
    let mut export = export?;
    match export.next().await {
        Ok(piece) => Some((Ok(piece?), Some(export))),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "an export of events broke off");
            Some((Err(error), None))
        }
    }
}
