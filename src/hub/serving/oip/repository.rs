//! Triton's repository extension: what there is, loading and unloading.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Serving;
use super::super::error::ServeError;
use super::super::http::{self, Target};
use super::super::models::{Line, Load};
use super::super::settings::{Tuning, VersionPolicy};

#[derive(Deserialize, Default)]
struct IndexRequest {
    #[serde(default)]
    ready: bool,
}

/// `POST /v2/repository/index`: every version of the catalogue and its state; with `{"ready":true}` those that are loaded.
///
/// # Errors
/// When the body is something else, or the catalogue cannot be read.
pub async fn index(
    State(serving): State<Arc<Serving>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ServeError> {
    let request: IndexRequest = read(&http::whole(body, serving.settings.max_request_bytes)?)?;
    let lines = http::blocking(move || serving.models.index()).await?;
    let line = |line: Line| {
        let state = if line.is_ready { "READY" } else { "UNAVAILABLE" };
        json!({ "name": line.name, "version": line.version.to_string(), "state": state, "reason": line.reason })
    };
    let lines: Vec<Value> = lines.into_iter().filter(|line| line.is_ready || !request.ready).map(line).collect();
    Ok(http::json(&lines))
}

#[derive(Deserialize, Default)]
struct LoadRequest {
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
}

/// `POST /v2/repository/models/{model}/load`.
///
/// # Errors
/// When the model cannot be loaded; what was loaded before goes on.
pub async fn load(
    State(serving): State<Arc<Serving>>,
    target: Target,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ServeError> {
    let body = http::whole(body, serving.settings.max_request_bytes)?;
    http::blocking(move || {
        let request: LoadRequest = read(&body)?;
        let usual = serving.settings.tuning_of(&target.model).clone();
        let load = asked(&request.parameters, usual).map_err(ServeError::Invalid)?;
        serving.load(&target.model, load)
    })
    .await?;
    Ok(http::json(&json!({})))
}

/// `POST /v2/repository/models/{model}/unload`.
///
/// # Errors
/// When the model is not loaded.
pub async fn unload(State(serving): State<Arc<Serving>>, target: Target) -> Result<Response, ServeError> {
    http::blocking(move || serving.unload(&target.model)).await?;
    Ok(http::json(&json!({})))
}

/// An empty body is an empty object.
fn read<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Result<T, ServeError> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| ServeError::Invalid(format!("failed to parse the request JSON: {error}")))
}

/// What a load request overrides: `config`, a text of JSON, and files as `file:<version>/model.onnx` in base64.
fn asked(parameters: &BTreeMap<String, Value>, usual: Tuning) -> Result<Load, String> {
    let mut load = Load::default();
    for (key, value) in parameters {
        let text = value.as_str().ok_or_else(|| format!("parameter {key:?} must be a text"))?;
        if key == "config" {
            load.tuning = Some(overridden(text, usual.clone())?);
        } else if let Some(path) = key.strip_prefix("file:") {
            let version = path.split_once('/').and_then(|(version, _)| version.parse().ok());
            let version = version.ok_or_else(|| format!("{key:?} must be named file:<version>/model.onnx"))?;
            let bytes = STANDARD.decode(text).map_err(|error| format!("{key:?} is not base64: {error}"))?;
            load.files.insert(version, bytes);
        } else {
            return Err(format!("parameter {key:?} is not known; allowed: config, file:<version>/model.onnx"));
        }
    }
    if !load.files.is_empty() && load.tuning.is_none() {
        return Err("a load with files needs the parameter config too; {} will do".to_owned());
    }
    Ok(load)
}

/// The parts of Triton's `ModelConfig` that mean something here.
#[derive(Deserialize)]
struct Config {
    version_policy: Option<Policy>,
    max_batch_size: Option<usize>,
    #[serde(default)]
    instance_group: Vec<Group>,
    dynamic_batching: Option<Dynamic>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Latest { num_versions: usize },
    Specific { versions: Vec<u64> },
    All {},
}

#[derive(Deserialize)]
struct Group {
    count: Option<u16>,
}

#[derive(Deserialize)]
struct Dynamic {
    max_queue_delay_microseconds: Option<u64>,
}

fn overridden(config: &str, usual: Tuning) -> Result<Tuning, String> {
    let config: Config = serde_json::from_str(config).map_err(|error| format!("cannot use config: {error}"))?;
    let versions = config.version_policy.map(|policy| match policy {
        Policy::Latest { num_versions } => VersionPolicy::Latest(num_versions),
        Policy::Specific { versions } => VersionPolicy::Specific(versions),
        Policy::All {} => VersionPolicy::All,
    });
    let tuning = Tuning {
        versions: versions.unwrap_or(usual.versions),
        instances: config.instance_group.first().and_then(|group| group.count).unwrap_or(usual.instances),
        max_batch: config.max_batch_size.map_or(usual.max_batch, |size| size.max(1)),
        max_queue_delay_us: config
            .dynamic_batching
            .and_then(|dynamic| dynamic.max_queue_delay_microseconds)
            .unwrap_or(usual.max_queue_delay_us),
        ..usual
    };
    let faults = tuning.faults("config");
    if faults.is_empty() { Ok(tuning) } else { Err(faults.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_overrides_configuration_and_files() {
        let parameters = |json: Value| serde_json::from_value::<BTreeMap<String, Value>>(json).unwrap();
        let config = r#"{"max_batch_size":4,"instance_group":[{"kind":"KIND_CPU","count":2}],"backend":"onnxruntime",
            "version_policy":{"specific":{"versions":[7]}},"dynamic_batching":{"max_queue_delay_microseconds":9}}"#;
        let load =
            asked(&parameters(json!({ "config": config, "file:7/model.onnx": "AAE=" })), Tuning::default()).unwrap();
        let tuning = load.tuning.unwrap();
        assert_eq!((tuning.max_batch, tuning.instances, tuning.max_queue_delay_us), (4, 2, 9));
        assert_eq!(tuning.versions, VersionPolicy::Specific(vec![7]));
        assert_eq!(load.files, BTreeMap::from([(7, vec![0, 1])]));
        for refused in [
            json!({ "file:1/model.onnx": "AAE=" }),
            json!({ "config": "{}", "file:x/model.onnx": "AAE=" }),
            json!({ "config": "{}", "file:1/model.onnx": "!" }),
            json!({ "config": "{\"instance_group\":[{\"count\":900}]}" }),
            json!({ "config": 1 }),
            json!({ "other": "1" }),
        ] {
            assert!(asked(&parameters(refused.clone()), Tuning::default()).is_err(), "{refused}");
        }
    }
}
