//! `GET /v2/models/stats` and `GET /v2/models/{model}/stats`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Serving;
use super::super::error::ServeError;
use super::super::http::{self, Target};
use super::super::models::Selector;
use super::super::statistics::Total;
use super::super::version::Version;

/// The statistics of every version that is loaded.
pub async fn all(State(serving): State<Arc<Serving>>) -> Response {
    answer(&serving.models.all())
}

/// The statistics of one model: of all its versions, or of the one that is named.
///
/// # Errors
/// When it is not loaded.
pub async fn one(State(serving): State<Arc<Serving>>, target: Target) -> Result<Response, ServeError> {
    let versions = match target.selector {
        Selector::Default => serving.models.versions(&target.model)?,
        selector => vec![serving.find(&target.model, &selector)?],
    };
    Ok(answer(&versions))
}

fn answer(versions: &[Arc<Version>]) -> Response {
    let stats: Vec<Value> = versions.iter().map(|version| told(version)).collect();
    http::json(&json!({ "model_stats": stats }))
}

fn total(total: Total) -> Value {
    json!({ "count": total.count, "ns": total.ns })
}

fn told(version: &Version) -> Value {
    let counted = version.statistics();
    let batches: Vec<Value> = counted
        .batches()
        .into_iter()
        .map(|(size, totals)| {
            json!({
                "batch_size": size,
                "compute_input": total(totals.input),
                "compute_infer": total(totals.infer),
                "compute_output": total(totals.output),
            })
        })
        .collect();
    let nothing = total(Total::default());
    json!({
        "name": version.model(),
        "version": version.number().to_string(),
        "last_inference": counted.last_ms.load(Relaxed),
        "inference_count": counted.inferences.load(Relaxed),
        "execution_count": counted.executions.load(Relaxed),
        "inference_stats": {
            "success": total(counted.success.total()),
            "fail": total(counted.fail.total()),
            "queue": total(counted.queue.total()),
            "compute_input": total(counted.compute_input.total()),
            "compute_infer": total(counted.compute_infer.total()),
            "compute_output": total(counted.compute_output.total()),
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": batches,
    })
}
