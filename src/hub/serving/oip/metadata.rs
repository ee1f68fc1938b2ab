//! What the server and its models say of themselves: health, metadata, configuration.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::Serving;
use super::super::error::ServeError;
use super::super::http::{self, Target};
use super::super::settings::VersionPolicy;
use super::super::version::Version;
use crate::detect::Provider;
use crate::detect::tensors::{Datatype, TensorSpec};

/// The extensions that are spoken.
const EXTENSIONS: [&str; 7] = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "parameters",
    "statistics",
];

/// `GET /v2`.
pub async fn server() -> Response {
    http::json(&json!({ "name": "vedette", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS }))
}

/// `GET /v2/health/live`.
pub async fn live() -> Response {
    http::json(&json!({ "live": true }))
}

/// `GET /`: how clients of KServe's first protocol ask whether the server lives.
pub async fn alive() -> Response {
    http::json(&json!({ "status": "alive" }))
}

/// `GET /v2/health/ready`: once the models of the start are loaded.
pub async fn ready(State(serving): State<Arc<Serving>>) -> Response {
    let is_ready = serving.is_started.load(Relaxed);
    let answer = http::json(&json!({ "live": true, "ready": is_ready }));
    if is_ready { answer } else { (StatusCode::BAD_REQUEST, answer).into_response() }
}

/// `GET /v2/models`.
pub async fn models(State(serving): State<Arc<Serving>>) -> Response {
    http::json(&json!({ "models": names(&serving) }))
}

/// The names of the models that are loaded.
pub fn names(serving: &Serving) -> Vec<String> {
    let mut names: Vec<String> = serving.models.all().iter().map(|version| version.model().to_owned()).collect();
    names.dedup();
    names
}

/// `GET /v2/models/{model}`.
///
/// # Errors
/// When it is not loaded.
pub async fn model(State(serving): State<Arc<Serving>>, target: Target) -> Result<Response, ServeError> {
    let version = serving.find(&target.model, &target.selector)?;
    let loaded = serving.models.versions(&target.model)?;
    let numbers: Vec<String> = loaded.iter().map(|version| version.number().to_string()).collect();
    let specs = |specs: &[TensorSpec]| -> Vec<Value> {
        let spec =
            |spec: &TensorSpec| json!({ "name": spec.name, "datatype": spec.datatype.as_str(), "shape": spec.shape });
        specs.iter().map(spec).collect()
    };
    Ok(http::json(&json!({
        "name": version.model(),
        "versions": numbers,
        "platform": "onnx_onnxv1",
        "inputs": specs(version.inputs()),
        "outputs": specs(version.outputs()),
    })))
}

/// `GET /v2/models/{model}/ready`: 400 when it is not, as Triton says it.
pub async fn model_ready(State(serving): State<Arc<Serving>>, target: Target) -> Response {
    let is_ready = serving.find(&target.model, &target.selector).is_ok();
    let answer = http::json(&json!({ "name": target.model, "ready": is_ready }));
    if is_ready { answer } else { (StatusCode::BAD_REQUEST, answer).into_response() }
}

/// `GET /v2/models/{model}/config`, in the form of Triton's `ModelConfig`.
///
/// # Errors
/// When it is not loaded.
pub async fn config(State(serving): State<Arc<Serving>>, target: Target) -> Result<Response, ServeError> {
    let version = serving.find(&target.model, &target.selector)?;
    Ok(http::json(&configuration(&version)))
}

/// A model's configuration as Triton's clients read it: with batching, sizes leave the first one out.
pub fn configuration(version: &Version) -> Value {
    let rows = version.max_rows();
    let batches = rows > 1;
    let ports = |specs: &[TensorSpec]| -> Vec<Value> {
        let port = |spec: &TensorSpec| {
            let dims = spec.shape.get(usize::from(batches)..).unwrap_or_default();
            json!({ "name": spec.name, "data_type": data_type(spec.datatype), "dims": dims })
        };
        specs.iter().map(port).collect()
    };
    let tuning = version.tuning();
    let policy = match &tuning.versions {
        VersionPolicy::Latest(count) => json!({ "latest": { "num_versions": count } }),
        VersionPolicy::Specific(versions) => json!({ "specific": { "versions": versions } }),
        VersionPolicy::All => json!({ "all": {} }),
    };
    let kind = if version.placed().report.obtained == Provider::Cpu { "KIND_CPU" } else { "KIND_AUTO" };
    let mut config = json!({
        "name": version.model(),
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": policy,
        "max_batch_size": if batches { rows } else { 0 },
        "input": ports(version.inputs()),
        "output": ports(version.outputs()),
        "instance_group": [{ "name": version.model(), "kind": kind, "count": tuning.instances }],
        "default_model_filename": "model.onnx",
        "parameters": {
            "execution_provider": { "string_value": version.placed().report.obtained.as_str() },
            "intra_op_thread_count": { "string_value": tuning.threads.to_string() },
            "sha256": { "string_value": version.placed().sha256 },
        },
    });
    if batches {
        config["dynamic_batching"] = json!({
            "preferred_batch_size": [rows],
            "max_queue_delay_microseconds": tuning.max_queue_delay_us,
        });
    }
    config
}

fn data_type(datatype: Datatype) -> String {
    match datatype {
        Datatype::Bytes => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{other}"),
    }
}
