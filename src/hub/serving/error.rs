//! Why a request is refused, and the status that says so.
//!
//! The body is `{"error": "…"}` everywhere. Statuses are those that clients of Triton know: 400 for a request that is
//! wrong, 404 for what is not there, 503 for what may work later, 501 for what this server never does, 500 for the rest.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::catalogue::CatalogueError;
use crate::detect::DetectError;
use crate::hub::answer::RETRY_AFTER;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No model of that name is loaded.
    #[error("Request for unknown model: '{model}' is not found")]
    UnknownModel {
        /// The name in the request.
        model: String,
    },
    /// The model is loaded, but not in that version.
    #[error("Request for unknown model: '{model}' version {version} is not found")]
    UnknownVersion {
        /// The model.
        model: String,
        /// The version, alias or label in the request.
        version: String,
    },
    /// No default model is configured and the request names none.
    #[error("the request names no model; name one, or set `default_model` for the server")]
    NoModel,
    /// Nothing is served under this path.
    #[error("nothing is served under {path}; /openapi.json lists what is")]
    NoRoute {
        /// The path.
        path: String,
    },
    /// The path is served, but not with this method.
    #[error("{method} is not served under {path}; /openapi.json lists what is")]
    NoMethod {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The request is not what the protocol or the model allows.
    #[error("{0}")]
    Invalid(String),
    /// The request asks for something that this server never does.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// The body is larger than allowed.
    #[error("the request body is larger than {limit} bytes; send less, or raise `max_request_bytes`")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// As many requests wait as may.
    #[error("the queue of model '{model}' is full: {limit} requests wait; try again later")]
    QueueFull {
        /// The model.
        model: String,
        /// How many may wait.
        limit: usize,
    },
    /// The request waited for longer than it may.
    #[error("the request to model '{model}' took longer than {limit_ms} ms; try again later")]
    Timeout {
        /// The model.
        model: String,
        /// How long it may take.
        limit_ms: u64,
    },
    /// The version stopped while the request waited, and no other took its place.
    #[error("model '{model}' is being unloaded")]
    Stopping {
        /// The model.
        model: String,
    },
    /// The models that are loaded leave no room for another.
    #[error(
        "cannot load model '{model}': {needed} bytes are needed and {free} of {limit} are free; unload another model, or \
         raise `max_loaded_bytes`"
    )]
    Memory {
        /// The model.
        model: String,
        /// Bytes of its file, times its instances.
        needed: u64,
        /// Bytes that are left.
        free: u64,
        /// What all models together may take.
        limit: u64,
    },
    /// The catalogue cannot say which models there are.
    #[error("cannot look into the model catalogue: {}", chain(.0))]
    Catalogue(#[source] CatalogueError),
    /// The model cannot be opened.
    #[error("failed to load '{model}' version {version}: {}", chain(.source))]
    Load {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// Why.
        source: Box<DetectError>,
    },
    /// An inference failed.
    #[error("inference of model '{model}' failed: {reason}")]
    Run {
        /// The model.
        model: String,
        /// What the runtime says.
        reason: String,
    },
    /// The server that requests are handed on to cannot be reached.
    #[error("the inference server {url} does not answer: {reason}")]
    Upstream {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The machine refused what a request needs.
    #[error("the server cannot {operation}: {reason}")]
    Internal {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        reason: String,
    },
}

/// An error and its causes in one sentence: a client sees no log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl ServeError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownModel { .. } | Self::UnknownVersion { .. } | Self::NoRoute { .. } => StatusCode::NOT_FOUND,
            Self::NoMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid(_) | Self::NoModel | Self::Load { .. } => StatusCode::BAD_REQUEST,
            Self::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::QueueFull { .. }
            | Self::Timeout { .. }
            | Self::Stopping { .. }
            | Self::Memory { .. }
            | Self::Upstream { .. }
            | Self::Catalogue(CatalogueError::Fetch { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Catalogue(_) | Self::Run { .. } | Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The reason under which metrics count it, in Triton's words.
    pub(super) fn reason(&self) -> FailureReason {
        match self {
            Self::QueueFull { .. } | Self::Timeout { .. } | Self::Stopping { .. } => FailureReason::Rejected,
            Self::Run { .. } => FailureReason::Backend,
            _ => FailureReason::Other,
        }
    }
}

/// Under which reason metrics count a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// The queue was full or the wait too long.
    Rejected,
    /// The runtime failed.
    Backend,
    /// The request was wrong.
    Other,
}

impl IntoResponse for ServeError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.to_string() }).to_string();
        let mut response = (self.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if matches!(self, Self::Catalogue(CatalogueError::Fetch { .. })) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
        }
        response
    }
}
