//! What TensorFlow Serving says of models: which there are, their versions' states, their signatures.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::Serving;
use super::super::error::ServeError;
use super::super::http::{self, Target};
use super::super::models::Selector;
use super::super::oip::metadata::names;
use crate::detect::tensors::{Datatype, TensorSpec};

/// `GET /v1/models`, as KServe has it.
pub async fn models(State(serving): State<Arc<Serving>>) -> Response {
    http::json(&json!({ "models": names(&serving) }))
}

/// `GET /v1/models/{model}[/versions/{version}|/labels/{label}]`.
///
/// # Errors
/// When it is not loaded.
pub async fn model(State(serving): State<Arc<Serving>>, target: Target) -> Result<Response, ServeError> {
    let versions = match target.selector {
        Selector::Default => serving.models.versions(&target.model)?,
        selector => vec![serving.find(&target.model, &selector)?],
    };
    let status = |number: u64| {
        let fine = json!({ "error_code": "OK", "error_message": "" });
        json!({ "version": number.to_string(), "state": "AVAILABLE", "status": fine })
    };
    // Newest first, as TensorFlow Serving lists them.
    let statuses: Vec<Value> = versions.iter().rev().map(|version| status(version.number())).collect();
    // KServe's clients look at `ready` and TensorFlow Serving's at the rest.
    Ok(http::json(&json!({ "name": target.model, "ready": true, "model_version_status": statuses })))
}

/// `GET /v1/models/{model}/metadata`.
///
/// # Errors
/// When it is not loaded.
pub async fn metadata(State(serving): State<Arc<Serving>>, target: Target) -> Result<Response, ServeError> {
    let version = serving.find(&target.model, &target.selector)?;
    let ports = |specs: &[TensorSpec]| -> Map<String, Value> {
        specs.iter().map(|spec| (spec.name.clone(), port(spec))).collect()
    };
    let signature = json!({
        "inputs": ports(version.inputs()),
        "outputs": ports(version.outputs()),
        "method_name": "tensorflow/serving/predict",
    });
    Ok(http::json(&json!({
        "model_spec": { "name": version.model(), "signature_name": "", "version": version.number().to_string() },
        "metadata": { "signature_def": { "signature_def": { "serving_default": signature } } },
    })))
}

fn port(spec: &TensorSpec) -> Value {
    let sides: Vec<Value> = spec.shape.iter().map(|side| json!({ "size": side.to_string(), "name": "" })).collect();
    json!({
        "dtype": dtype(spec.datatype),
        "tensor_shape": { "dim": sides, "unknown_rank": false },
        "name": spec.name,
    })
}

fn dtype(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Bool => "DT_BOOL",
        Datatype::Uint8 => "DT_UINT8",
        Datatype::Uint16 => "DT_UINT16",
        Datatype::Uint32 => "DT_UINT32",
        Datatype::Uint64 => "DT_UINT64",
        Datatype::Int8 => "DT_INT8",
        Datatype::Int16 => "DT_INT16",
        Datatype::Int32 => "DT_INT32",
        Datatype::Int64 => "DT_INT64",
        Datatype::Fp16 => "DT_HALF",
        Datatype::Bf16 => "DT_BFLOAT16",
        Datatype::Fp32 => "DT_FLOAT",
        Datatype::Fp64 => "DT_DOUBLE",
        Datatype::Bytes => "DT_STRING",
    }
}
