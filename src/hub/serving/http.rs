//! What all handlers share: which model a path names, bodies, answers, and work that is too long for the async threads.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ServeError;
use super::models::Selector;

/// Bodies beyond this are decoded on a thread that may block.
const LONG_BODY: usize = 256 << 10;

/// The model and version that a path names: `{model}`, `{model}@{alias}`, and `{version}` or `{label}` where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The model.
    pub model: String,
    /// The version.
    pub selector: Selector,
}

impl Target {
    /// Reads `name` or `name@alias`.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('@') {
            Some((model, alias)) => Self { model: model.to_owned(), selector: Selector::parse(alias) },
            None => Self { model: text.to_owned(), selector: Selector::Default },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ServeError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ServeError> {
        let pieces = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Path(pieces) = pieces.map_err(|error| ServeError::Invalid(error.body_text()))?;
        let mut target = Self::parse(pieces.get("model").map_or("", String::as_str));
        if let Some(version) = pieces.get("version") {
            target.selector = Selector::parse(version);
        }
        if let Some(label) = pieces.get("label") {
            target.selector = Selector::Alias(label.clone());
        }
        Ok(target)
    }
}

/// The body, or why there is none.
///
/// # Errors
/// When it is too large or cannot be read.
pub fn whole(body: Result<Bytes, BytesRejection>, limit: usize) -> Result<Bytes, ServeError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ServeError::TooLarge { limit },
        _ => ServeError::Invalid(format!("cannot read the request body: {}", rejection.body_text())),
    })
}

/// A JSON answer with status 200.
pub fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json_bytes(body),
        Err(error) => ServeError::Internal { operation: "write an answer", reason: error.to_string() }.into_response(),
    }
}

/// A JSON answer that is written already.
pub fn json_bytes(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Does `work`, whose length goes with `bytes`: at once when that is short, else on a thread that may block.
///
/// # Errors
/// Those of `work`; and when it panicked.
pub async fn heavy<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, ServeError> + Send + 'static,
) -> Result<T, ServeError> {
    if bytes <= LONG_BODY { work() } else { blocking(work).await }
}

/// Does `work` on a thread that may block.
///
/// # Errors
/// Those of `work`; and when it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServeError> + Send + 'static,
) -> Result<T, ServeError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined
        .unwrap_or_else(|error| Err(ServeError::Internal { operation: "finish a request", reason: error.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_model_and_perhaps_a_version() {
        let target = |model: &str, selector| Target { model: model.to_owned(), selector };
        assert_eq!(Target::parse("street"), target("street", Selector::Default));
        assert_eq!(Target::parse("street@3"), target("street", Selector::Number(3)));
        assert_eq!(Target::parse("street@champion"), target("street", Selector::Alias("champion".to_owned())));
    }
}
