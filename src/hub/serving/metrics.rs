//! `GET /metrics`: Prometheus text under Triton's names, and what Triton does not count under this program's.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Serving;
use super::error::{FailureReason, ServeError};
use super::statistics::{BOUNDS_US, Statistics};
use super::version::Version;

type Count = fn(&Statistics) -> u64;

/// Name, what it is, and where it is counted.
const COUNTERS: [(&str, &str, Count); 8] = [
    ("nv_inference_request_success", "Number of successful inference requests", |s| s.success.total().count),
    ("nv_inference_count", "Number of inferences performed, a batch of n counting n times", |s| {
        s.inferences.load(Relaxed)
    }),
    ("nv_inference_exec_count", "Number of model executions", |s| s.executions.load(Relaxed)),
    ("nv_inference_request_duration_us", "Cumulative inference request duration in microseconds", |s| {
        s.success.total().ns / 1000
    }),
    ("nv_inference_queue_duration_us", "Cumulative inference queuing duration in microseconds", |s| {
        s.queue.total().ns / 1000
    }),
    ("nv_inference_compute_input_duration_us", "Cumulative compute input duration in microseconds", |s| {
        s.compute_input.total().ns / 1000
    }),
    ("nv_inference_compute_infer_duration_us", "Cumulative compute inference duration in microseconds", |s| {
        s.compute_infer.total().ns / 1000
    }),
    ("nv_inference_compute_output_duration_us", "Cumulative compute output duration in microseconds", |s| {
        s.compute_output.total().ns / 1000
    }),
];

const REASONS: [(FailureReason, &str); 3] =
    [(FailureReason::Rejected, "REJECTED"), (FailureReason::Backend, "BACKEND"), (FailureReason::Other, "OTHER")];

/// `GET /metrics`.
///
/// # Errors
/// Never; writing into memory is fallible in name only.
pub async fn metrics(State(serving): State<Arc<Serving>>) -> Result<Response, ServeError> {
    let mut text = String::new();
    write(&mut text, &serving.models.all())
        .map_err(|error| ServeError::Internal { operation: "write metrics", reason: error.to_string() })?;
    if let Some(further) = serving.further_metrics.get() {
        text += &further();
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

fn write(out: &mut String, versions: &[Arc<Version>]) -> fmt::Result {
    // Names of models have no character that a label would have to escape.
    let label = |version: &Version| format!("model=\"{}\",version=\"{}\"", version.model(), version.number());
    for (name, help, count) in COUNTERS {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter")?;
        for version in versions {
            writeln!(out, "{name}{{{}}} {}", label(version), count(version.statistics()))?;
        }
    }
    let name = "nv_inference_request_failure";
    writeln!(out, "# HELP {name} Number of failed inference requests\n# TYPE {name} counter")?;
    for version in versions {
        for (reason, text) in REASONS {
            let failures = version.statistics().failures(reason);
            writeln!(out, "{name}{{{},reason=\"{text}\"}} {failures}", label(version))?;
        }
    }
    let name = "nv_inference_pending_request_count";
    writeln!(out, "# HELP {name} Number of requests that wait for execution\n# TYPE {name} gauge")?;
    for version in versions {
        writeln!(out, "{name}{{{}}} {}", label(version), version.statistics().pending.load(Relaxed).max(0))?;
    }
    let name = "vedette_serving_loaded_bytes";
    writeln!(out, "# HELP {name} Bytes of the model's file, times its instances\n# TYPE {name} gauge")?;
    for version in versions {
        writeln!(out, "{name}{{{}}} {}", label(version), version.bytes())?;
    }
    write_durations(out, versions, label)
}

fn write_durations(out: &mut String, versions: &[Arc<Version>], label: impl Fn(&Version) -> String) -> fmt::Result {
    let name = "vedette_serving_request_duration_seconds";
    writeln!(out, "# HELP {name} Duration of successful requests\n# TYPE {name} histogram")?;
    for version in versions {
        let (label, counted) = (label(version), version.statistics());
        let durations = counted.durations();
        for (bound, count) in BOUNDS_US.iter().zip(&durations) {
            writeln!(out, "{name}_bucket{{{label},le=\"{}\"}} {count}", *bound as f64 / 1e6)?;
        }
        let all = durations.last().copied().unwrap_or(0);
        writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {all}")?;
        writeln!(out, "{name}_sum{{{label}}} {}", counted.success.total().ns as f64 / 1e9)?;
        writeln!(out, "{name}_count{{{label}}} {all}")?;
    }
    Ok(())
}
