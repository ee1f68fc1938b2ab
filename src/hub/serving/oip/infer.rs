//! `POST /v2/models/{model}/infer`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::super::error::ServeError;
use super::super::http::{self, Target};
use super::super::pictures;
use super::super::version::Version;
use super::super::{Answered, Ask, Serving};
use super::classify::classify;
use super::decode::{self, InferRequest, Inputs, WantedOutput};
use super::encode::{self, Encoded, HEADER_LENGTH, InferAnswer};
use crate::detect::tensors::Tensor;

/// Runs a model on tensors.
///
/// # Errors
/// When the request is refused or fails.
pub async fn infer(
    State(serving): State<Arc<Serving>>,
    target: Target,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ServeError> {
    let body = http::whole(body, serving.settings.max_request_bytes)?;
    let version = serving.find(&target.model, &target.selector)?;
    serving.note_request(&version);
    let arrived = serving.clock.mono();
    let length = match headers.get(HEADER_LENGTH).map(|value| value.to_str()) {
        Some(Ok(text)) => Some(text.to_owned()),
        Some(Err(_)) => Some(String::from("?")),
        None => None,
    };
    // Tensors in binary are not looked at, however long they are.
    let json_bytes = length.as_deref().and_then(|text| text.parse().ok()).unwrap_or(body.len());
    let decoded =
        http::heavy(json_bytes, move || decode::decode(length.as_deref(), &body).map_err(ServeError::Invalid));
    let request = decoded.await.map_err(|error| serving.count_failure(&version, arrived, error))?;
    let InferRequest { id, inputs, outputs, is_binary, limit } = request;
    let tensors = tensors(&serving, &version, inputs).await;
    let inputs = tensors.map_err(|error| serving.count_failure(&version, arrived, error))?;
    let names = outputs.iter().map(|output| output.name.clone()).collect();
    let ask = Ask { inputs, outputs: names, limit };
    let answered = serving.run(version, &target.selector, ask).await?;
    let bytes = if is_binary && outputs.is_empty() { 0 } else { json_size(&answered, &outputs) };
    let encoded = http::heavy(bytes, move || answer(&answered, id.as_deref(), &outputs, is_binary)).await?;
    Ok(encoded.into_response())
}

/// Pictures become tensors here; all else passes.
async fn tensors(serving: &Serving, version: &Arc<Version>, inputs: Inputs) -> Result<Vec<Tensor>, ServeError> {
    let tensors = match inputs {
        Inputs::Tensors(tensors) => tensors,
        Inputs::Raw(body) if pictures::is_picture(&body) && pictures::takes_pictures(version) => {
            vec![pictures::as_texts(version, body)]
        }
        Inputs::Raw(body) => {
            vec![decode::raw_input(version.model(), version.inputs(), body).map_err(ServeError::Invalid)?]
        }
    };
    pictures::letterboxed(version, tensors, serving.settings.max_picture_pixels).await
}

fn json_size(answered: &Answered, outputs: &[WantedOutput]) -> usize {
    let is_json = |at: usize| outputs.get(at).is_none_or(|output| !output.is_binary);
    let json = answered.done.outputs.iter().enumerate().filter(|(at, _)| is_json(*at));
    json.map(|(_, tensor)| tensor.element_count().unwrap_or(0).saturating_mul(8)).sum()
}

fn answer(
    answered: &Answered,
    id: Option<&str>,
    wanted: &[WantedOutput],
    is_binary: bool,
) -> Result<Encoded, ServeError> {
    let version = &answered.version;
    let mut outputs = Vec::with_capacity(answered.done.outputs.len());
    for (at, tensor) in answered.done.outputs.iter().enumerate() {
        let wanted = wanted.get(at);
        let tensor = match wanted.and_then(|wanted| wanted.classes) {
            Some(count) => classify(tensor, count, version.labels()).map_err(ServeError::Invalid)?,
            None => tensor.clone(),
        };
        outputs.push((tensor, wanted.map_or(is_binary, |wanted| wanted.is_binary)));
    }
    let answer = InferAnswer { model: version.model(), version: version.number(), id, outputs: &outputs };
    encode::encode(&answer).map_err(ServeError::Invalid)
}
