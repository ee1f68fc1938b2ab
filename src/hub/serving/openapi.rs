//! `GET /openapi.json`: [`ROUTES`] described for programs, in OpenAPI 3.1.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::routes::{Access, Operation, ROUTES, Route};
use super::{Serving, http};

/// `GET /openapi.json`.
pub async fn document(State(serving): State<Arc<Serving>>) -> Response {
    http::json(serving.document.get_or_init(build))
}

/// The document, with paths of another part of the program.
pub fn build_with(further: Map<String, Value>) -> Value {
    let mut document = build();
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.extend(further);
    }
    document
}

/// The document.
pub fn build() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.documented_path()).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = described(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vedette: models as a service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Open Inference Protocol v2, TensorFlow Serving v1, detection in pictures, metrics.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn described(route: &Route) -> Value {
    let (summary, answer) = told(route.operation);
    let status = |description: &str, schema: Value| json!({ "description": description, "content": { "application/json": { "schema": schema } } });
    let mut responses = json!({ "200": status("Done", answer) });
    for (code, why) in refusals(route.operation) {
        responses[code] = status(why, reference("Error"));
    }
    let mut described = json!({
        "operationId": operation_id(route),
        "summary": summary,
        "parameters": parameters(route),
        "responses": responses,
    });
    if let Some(body) = body(route.operation) {
        described["requestBody"] = body;
    }
    if route.access != Access::Open {
        let scope = if route.access == Access::Admin { "admin" } else { "infer" };
        described["security"] = json!([{ "bearer": [scope] }]);
    }
    described
}

/// Unique: the operation and what the path names.
fn operation_id(route: &Route) -> String {
    let by = if route.path.contains("{version}") {
        "OfVersion"
    } else if route.path.contains("{label}") {
        "OfLabel"
    } else {
        ""
    };
    format!("{:?}{by}", route.operation)
}

fn parameters(route: &Route) -> Vec<Value> {
    let of_path = route.path.split('/').filter_map(|piece| piece.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        of_path.map(|name| parameter(name, "path", true, &json!({ "type": "string" }))).collect();
    if route.operation == Operation::Detect {
        parameters.push(parameter("model", "query", false, &json!({ "type": "string" })));
        parameters.push(parameter(
            "threshold",
            "query",
            false,
            &json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        ));
    }
    if route.operation == Operation::ModelInfer {
        let length = json!({ "type": "integer", "minimum": 0 });
        parameters.push(parameter("Inference-Header-Content-Length", "header", false, &length));
    }
    parameters
}

fn parameter(name: &str, place: &str, is_required: bool, schema: &Value) -> Value {
    json!({ "name": name, "in": place, "required": is_required, "schema": schema })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// What an operation does, and the schema of its answer.
fn told(operation: Operation) -> (&'static str, Value) {
    let object = || json!({ "type": "object" });
    match operation {
        Operation::ServerMetadata => ("The server's name, version and extensions", reference("ServerMetadata")),
        Operation::ServerLive => ("Whether the server lives", object()),
        Operation::ServerAlive => ("Whether the server lives, as KServe's first protocol asks", object()),
        Operation::ServerReady => ("Whether the models of the start are loaded", object()),
        Operation::ModelList => ("The models that are loaded", reference("ModelList")),
        Operation::ModelMetadata => ("A model's versions, inputs and outputs", reference("ModelMetadata")),
        Operation::ModelReady => ("Whether a model is loaded", object()),
        Operation::ModelConfig => ("A model's configuration, in Triton's form", object()),
        Operation::ModelStats => ("A model's statistics", object()),
        Operation::AllStats => ("The statistics of all models that are loaded", object()),
        Operation::ModelInfer => ("Runs a model on tensors, JSON or binary", reference("InferResponse")),
        Operation::RepositoryIndex => {
            ("Every version of every model, and its state", json!({ "type": "array", "items": { "type": "object" } }))
        }
        Operation::RepositoryLoad => ("Loads a model, or loads it anew without a failed request", object()),
        Operation::RepositoryUnload => ("Unloads a model, once those that wait are answered", object()),
        Operation::V1ModelList => ("The models that are loaded", reference("ModelList")),
        Operation::V1ModelStatus => ("The states of a model's versions", object()),
        Operation::V1ModelMetadata => ("A model's signature", object()),
        Operation::V1Predict => ("Runs a model on rows or columns", reference("PredictResponse")),
        Operation::Predict => ("Runs the default model on rows or columns", reference("PredictResponse")),
        Operation::Detect => ("What a detector sees in a JPEG or PNG", reference("Detections")),
        Operation::Metrics => ("Metrics as Prometheus text", json!({ "type": "string" })),
        Operation::OpenApi => ("This document", object()),
    }
}

fn refusals(operation: Operation) -> &'static [(&'static str, &'static str)] {
    const RUN: &[(&str, &str)] = &[
        ("400", "The request is wrong"),
        ("404", "The model is not loaded"),
        ("413", "The body is too large"),
        ("500", "The inference failed"),
        ("503", "The queue is full, or the wait was too long"),
    ];
    match operation {
        Operation::ModelInfer | Operation::V1Predict | Operation::Predict | Operation::Detect => RUN,
        Operation::ServerReady | Operation::ModelReady => &[("400", "Not ready")],
        Operation::ModelMetadata
        | Operation::ModelConfig
        | Operation::ModelStats
        | Operation::V1ModelStatus
        | Operation::V1ModelMetadata
        | Operation::RepositoryUnload => &[("404", "The model is not loaded")],
        Operation::RepositoryLoad => {
            &[("400", "The model cannot be opened"), ("404", "There is no such model"), ("503", "There is no room")]
        }
        _ => &[],
    }
}

fn body(operation: Operation) -> Option<Value> {
    let binary = || json!({ "schema": { "type": "string", "format": "binary" } });
    let json_of = |schema: &str| json!({ "application/json": { "schema": reference(schema) } });
    let content = match operation {
        Operation::ModelInfer => json!({
            "application/json": { "schema": reference("InferRequest") },
            "application/octet-stream": binary(),
        }),
        Operation::V1Predict | Operation::Predict => json_of("PredictRequest"),
        Operation::Detect => json!({
            "image/jpeg": binary(),
            "image/png": binary(),
            "multipart/form-data": { "schema": { "type": "object" } },
        }),
        Operation::RepositoryIndex | Operation::RepositoryLoad | Operation::RepositoryUnload => {
            json!({ "application/json": { "schema": { "type": "object" } } })
        }
        _ => return None,
    };
    Some(json!({ "content": content }))
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let shape = || json!({ "type": "array", "items": { "type": "integer" } });
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    let tensor = json!({ "name": text(), "shape": shape(), "datatype": text(), "parameters": {}, "data": {} });
    let port = json!({ "name": text(), "datatype": text(), "shape": shape() });
    let seen = json!({
        "label": text(),
        "class": { "type": "integer" },
        "score": { "type": "number" },
        "box": { "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4 },
    });
    json!({
        "Error": object(&["error"], json!({ "error": text() })),
        "ServerMetadata": object(
            &["name", "version", "extensions"],
            json!({ "name": text(), "version": text(), "extensions": texts() }),
        ),
        "ModelList": object(&["models"], json!({ "models": texts() })),
        "Port": object(&["name", "datatype", "shape"], port),
        "ModelMetadata": object(&["name", "versions", "platform", "inputs", "outputs"], json!({
            "name": text(), "versions": texts(), "platform": text(), "inputs": list("Port"), "outputs": list("Port"),
        })),
        "Tensor": object(&["name", "shape", "datatype"], tensor),
        "InferRequest": object(&["inputs"], json!({
            "id": text(), "parameters": { "type": "object" }, "inputs": list("Tensor"),
            "outputs": { "type": "array", "items": object(&["name"], json!({ "name": text(), "parameters": {} })) },
        })),
        "InferResponse": object(&["model_name", "outputs"], json!({
            "model_name": text(), "model_version": text(), "id": text(), "outputs": list("Tensor"),
        })),
        "PredictRequest": object(&[], json!({ "signature_name": text(), "instances": { "type": "array" }, "inputs": {} })),
        "PredictResponse": object(&[], json!({ "predictions": { "type": "array" }, "outputs": {} })),
        "Seen": object(&["label", "class", "score", "box"], seen),
        "Detections": object(&["source", "frame", "pts_ms", "width", "height", "detections"], json!({
            "source": text(), "frame": { "type": "integer" }, "pts_ms": { "type": "integer" },
            "width": { "type": "integer" }, "height": { "type": "integer" }, "detections": list("Seen"),
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = build();
        let paths = document["paths"].as_object().unwrap();
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let routes: BTreeSet<_> =
            ROUTES.iter().map(|route| (route.method.to_owned(), route.documented_path())).collect();
        assert_eq!((routes.len(), described), (ROUTES.len(), routes));
    }

    #[test]
    fn references_lead_somewhere_and_names_of_operations_are_unique() {
        let document = build();
        let text = document.to_string();
        for piece in text.split("#/components/schemas/").skip(1) {
            let name = piece.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        let ids: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len());
    }
}
