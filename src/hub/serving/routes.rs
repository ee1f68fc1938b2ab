//! Every path that is served, in one list, and the router made from it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{MethodRouter, get, post};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;

use super::error::ServeError;
use super::oip::{infer, metadata, repository, stats};
use super::tfs::{predict, status};
use super::{Serving, metrics, openapi, pictures, upstream};

/// What a path asks of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// That it may use models.
    Infer,
    /// That it may change what is loaded.
    Admin,
}

/// A path and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path as the router matches it, `{name}` standing for a segment.
    pub path: &'static str,
    /// What it asks of a caller.
    pub access: Access,
    /// What it does.
    pub operation: Operation,
}

/// What a path does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Open Inference Protocol: the server's metadata.
    ServerMetadata,
    /// Whether the server lives.
    ServerLive,
    /// Whether the server lives, as KServe's first protocol asks.
    ServerAlive,
    /// Whether the server is ready.
    ServerReady,
    /// The models that are loaded.
    ModelList,
    /// A model's metadata.
    ModelMetadata,
    /// Whether a model is ready.
    ModelReady,
    /// A model's configuration.
    ModelConfig,
    /// A model's statistics.
    ModelStats,
    /// Statistics of all models.
    AllStats,
    /// An inference.
    ModelInfer,
    /// Every model of the catalogue.
    RepositoryIndex,
    /// Loads a model.
    RepositoryLoad,
    /// Unloads a model.
    RepositoryUnload,
    /// TensorFlow Serving: the models that are loaded.
    V1ModelList,
    /// The state of a model's versions.
    V1ModelStatus,
    /// A model's signature.
    V1ModelMetadata,
    /// An inference.
    V1Predict,
    /// An inference of the default model.
    Predict,
    /// Detection in a picture.
    Detect,
    /// Prometheus metrics.
    Metrics,
    /// The description of all this.
    OpenApi,
}

const fn route(method: &'static str, path: &'static str, access: Access, operation: Operation) -> Route {
    Route { method, path, access, operation }
}

/// Every path that is served.
pub const ROUTES: &[Route] = &[
    route("GET", "/v2", Access::Open, Operation::ServerMetadata),
    route("GET", "/", Access::Open, Operation::ServerAlive),
    route("GET", "/v2/health/live", Access::Open, Operation::ServerLive),
    route("GET", "/v2/health/ready", Access::Open, Operation::ServerReady),
    route("GET", "/v2/models", Access::Infer, Operation::ModelList),
    route("GET", "/v2/models/stats", Access::Infer, Operation::AllStats),
    route("GET", "/v2/models/{model}", Access::Infer, Operation::ModelMetadata),
    route("GET", "/v2/models/{model}/ready", Access::Infer, Operation::ModelReady),
    route("GET", "/v2/models/{model}/config", Access::Infer, Operation::ModelConfig),
    route("GET", "/v2/models/{model}/stats", Access::Infer, Operation::ModelStats),
    route("POST", "/v2/models/{model}/infer", Access::Infer, Operation::ModelInfer),
    route("GET", "/v2/models/{model}/versions/{version}", Access::Infer, Operation::ModelMetadata),
    route("GET", "/v2/models/{model}/versions/{version}/ready", Access::Infer, Operation::ModelReady),
    route("GET", "/v2/models/{model}/versions/{version}/config", Access::Infer, Operation::ModelConfig),
    route("GET", "/v2/models/{model}/versions/{version}/stats", Access::Infer, Operation::ModelStats),
    route("POST", "/v2/models/{model}/versions/{version}/infer", Access::Infer, Operation::ModelInfer),
    route("POST", "/v2/repository/index", Access::Infer, Operation::RepositoryIndex),
    route("POST", "/v2/repository/models/{model}/load", Access::Admin, Operation::RepositoryLoad),
    route("POST", "/v2/repository/models/{model}/unload", Access::Admin, Operation::RepositoryUnload),
    route("GET", "/v1/models", Access::Infer, Operation::V1ModelList),
    route("GET", "/v1/models/{model}", Access::Infer, Operation::V1ModelStatus),
    route("POST", "/v1/models/{model}", Access::Infer, Operation::V1Predict),
    route("GET", "/v1/models/{model}/metadata", Access::Infer, Operation::V1ModelMetadata),
    route("GET", "/v1/models/{model}/versions/{version}", Access::Infer, Operation::V1ModelStatus),
    route("POST", "/v1/models/{model}/versions/{version}", Access::Infer, Operation::V1Predict),
    route("GET", "/v1/models/{model}/versions/{version}/metadata", Access::Infer, Operation::V1ModelMetadata),
    route("GET", "/v1/models/{model}/labels/{label}", Access::Infer, Operation::V1ModelStatus),
    route("POST", "/v1/models/{model}/labels/{label}", Access::Infer, Operation::V1Predict),
    route("GET", "/v1/models/{model}/labels/{label}/metadata", Access::Infer, Operation::V1ModelMetadata),
    route("POST", "/predict", Access::Infer, Operation::Predict),
    route("POST", "/v1/detect", Access::Infer, Operation::Detect),
    route("GET", "/metrics", Access::Infer, Operation::Metrics),
    route("GET", "/openapi.json", Access::Open, Operation::OpenApi),
];

impl Route {
    /// The path as people write it: what TensorFlow Serving puts behind a colon is no segment of its own.
    pub fn documented_path(&self) -> String {
        match self.operation {
            Operation::V1Predict => format!("{}:predict", self.path),
            _ => self.path.to_owned(),
        }
    }

    fn handler(&self) -> MethodRouter<Arc<Serving>> {
        match self.operation {
            Operation::ServerMetadata => get(metadata::server),
            Operation::ServerAlive => get(metadata::alive),
            Operation::ServerLive => get(metadata::live),
            Operation::ServerReady => get(metadata::ready),
            Operation::ModelList => get(metadata::models),
            Operation::ModelMetadata => get(metadata::model),
            Operation::ModelReady => get(metadata::model_ready),
            Operation::ModelConfig => get(metadata::config),
            Operation::ModelStats => get(stats::one),
            Operation::AllStats => get(stats::all),
            Operation::ModelInfer => post(infer::infer),
            Operation::RepositoryIndex => post(repository::index),
            Operation::RepositoryLoad => post(repository::load),
            Operation::RepositoryUnload => post(repository::unload),
            Operation::V1ModelList => get(status::models),
            Operation::V1ModelStatus => get(status::model),
            Operation::V1ModelMetadata => get(status::metadata),
            Operation::V1Predict => post(predict::predict),
            Operation::Predict => post(predict::predict_default),
            Operation::Detect => post(pictures::detect),
            Operation::Metrics => get(metrics::metrics),
            Operation::OpenApi => get(openapi::document),
        }
    }

    fn is_handed_on(&self) -> bool {
        self.path == "/v2" || self.path.starts_with("/v2/")
    }

    fn handed_on(&self) -> MethodRouter<Arc<Serving>> {
        if self.method == "GET" { get(upstream::hand_on) } else { post(upstream::hand_on) }
    }
}

/// All of [`ROUTES`], without authentication.
pub fn router(serving: Arc<Serving>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let hands_on = serving.upstream.is_some() && route.is_handed_on();
        router = router.route(route.path, if hands_on { route.handed_on() } else { route.handler() });
    }
    // What compresses a tensor well costs more than the network does.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    router
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(serving.settings.max_request_bytes))
        .layer(RequestDecompressionLayer::new())
        .layer(compression)
        .with_state(serving)
}

async fn no_method(method: Method, uri: Uri) -> ServeError {
    ServeError::NoMethod { method: method.to_string(), path: uri.path().to_owned() }
}

/// The answer to a path that nobody serves, in the form of this room's errors; whoever mounts [`router`] may take it as
/// the fallback.
pub async fn not_found(uri: Uri) -> ServeError {
    ServeError::NoRoute { path: super::validate::shown(uri.path()) }
}
