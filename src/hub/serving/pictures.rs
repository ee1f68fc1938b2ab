//! Pictures: JPEG and PNG as `BYTES` where a model takes a picture, and `POST /v1/detect`.
//!
//! Decoding and letterboxing are those of the agent, so a detector sees here what it sees on a site.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use half::f16;

use super::Serving;
use super::error::{ServeError, chain};
use super::http::{self, Target};
use super::statistics::Stages;
use super::version::Version;
use crate::detect::letterbox::Layout;
use crate::detect::tensors::{Datatype, Elements, Tensor, TensorSpec};
use crate::detect::{Detector, InputSpec, Picture, photograph};
use crate::toolchain::detect::{Shot, look};

/// Whether bytes begin as JPEG or PNG do.
pub fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff]) || bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Whether an input is a picture of three colours, as far as its shape says.
fn is_picture_input(spec: &TensorSpec) -> bool {
    let is_element = matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp16 | Datatype::Uint8);
    is_element && spec.shape.len() == 4 && (spec.shape[1] == 3 || spec.shape[3] == 3)
}

/// Whether a model's only input is a picture.
pub fn takes_pictures(version: &Version) -> bool {
    matches!(version.inputs(), [spec] if is_picture_input(spec))
}

/// One encoded picture as the tensor of the model's first input.
pub fn as_texts(version: &Version, body: Bytes) -> Tensor {
    let name = version.inputs().first().map_or(String::new(), |spec| spec.name.clone());
    Tensor { name, datatype: Datatype::Bytes, shape: vec![1], elements: Elements::Texts(vec![body]) }
}

/// The tensors of a request with encoded pictures, where an input takes pictures, turned into what the model is fed.
///
/// # Errors
/// When bytes are no picture, or the model is no detector.
pub async fn letterboxed(
    version: &Arc<Version>,
    tensors: Vec<Tensor>,
    most_pixels: u64,
) -> Result<Vec<Tensor>, ServeError> {
    let is_encoded = |tensor: &Tensor| {
        tensor.datatype == Datatype::Bytes
            && version.inputs().iter().any(|spec| spec.name == tensor.name && is_picture_input(spec))
    };
    if !tensors.iter().any(is_encoded) {
        return Ok(tensors);
    }
    let version = version.clone();
    http::blocking(move || {
        let each = tensors.into_iter().map(|tensor| {
            let spec = version.inputs().iter().find(|spec| spec.name == tensor.name && is_picture_input(spec));
            match (spec, &tensor.elements) {
                (Some(spec), Elements::Texts(pictures)) => drawn(&version, spec, pictures, most_pixels),
                _ => Ok(tensor),
            }
        });
        each.collect()
    })
    .await
}

fn drawn(version: &Version, spec: &TensorSpec, encoded: &[Bytes], most_pixels: u64) -> Result<Tensor, ServeError> {
    let pictures = encoded.iter().map(|bytes| decoded(bytes, most_pixels)).collect::<Result<Vec<_>, _>>()?;
    let (tensors, input) = version.with_detector(|detector| {
        let tensors = pictures.iter().map(|picture| detector.tensor_of(picture)).collect::<Result<Vec<_>, _>>();
        (tensors, detector.input())
    })?;
    let tensors = tensors.map_err(|error| ServeError::Invalid(chain(&error)))?;
    let mut packed = Vec::new();
    for value in tensors.iter().flatten() {
        match spec.datatype {
            Datatype::Uint8 => packed.push(value.round().clamp(0.0, 255.0) as u8),
            Datatype::Fp16 => packed.extend(f16::from_f32(*value).to_le_bytes()),
            _ => packed.extend(value.to_le_bytes()),
        }
    }
    let InputSpec { width, height, layout, .. } = input;
    let (rows, width, height) = (i64::try_from(encoded.len()).unwrap_or(0), i64::from(width), i64::from(height));
    let shape = match layout {
        Layout::Nchw => vec![rows, 3, height, width],
        Layout::Nhwc => vec![rows, height, width, 3],
    };
    let elements = Elements::Packed(packed.into());
    Ok(Tensor { name: spec.name.clone(), datatype: spec.datatype, shape, elements })
}

/// Decodes a picture whose size was looked at first: a few bytes may say that they are gigabytes.
fn decoded(bytes: &[u8], most_pixels: u64) -> Result<Picture, ServeError> {
    if !is_picture(bytes) {
        return Err(ServeError::Invalid("the bytes are no JPEG and no PNG".to_owned()));
    }
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let sides = reader.map_err(image::ImageError::from).and_then(image::ImageReader::into_dimensions);
    let (width, height) = sides.map_err(|error| ServeError::Invalid(format!("cannot decode the picture: {error}")))?;
    if u64::from(width) * u64::from(height) > most_pixels {
        return Err(ServeError::Invalid(format!(
            "the picture has {width}x{height} pixels, more than {most_pixels}; send a smaller one, or raise \
             `max_picture_pixels`"
        )));
    }
    photograph(bytes).map_err(|error| ServeError::Invalid(format!("cannot decode the picture: {}", chain(&error))))
}

/// `POST /v1/detect`: a picture as the body or as a part of a form; `model=` and `threshold=` in the query. Answers what
/// `vedette detect` prints.
///
/// # Errors
/// When the picture or the query is refused, the model is no detector or not loaded, or too many pictures wait.
pub async fn detect(
    State(serving): State<Arc<Serving>>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Result<Response, ServeError> {
    let named = query.get("model").or(serving.settings.default_model.as_ref()).ok_or(ServeError::NoModel)?;
    let target = Target::parse(named);
    let threshold = query.get("threshold").map(|text| threshold(text)).transpose()?;
    let version = serving.find(&target.model, &target.selector)?;
    serving.note_request(&version);
    let (source, bytes) = picture_of(request, serving.settings.max_request_bytes).await?;
    let limit = serving.settings.max_queue;
    let turn = serving.looks.clone().try_acquire_owned();
    let turn = turn.map_err(|_| ServeError::QueueFull { model: target.model.clone(), limit })?;
    let arrived = serving.clock.mono();
    let most_pixels = serving.settings.max_picture_pixels;
    let seen = version.clone();
    let looked = http::blocking(move || {
        let _until_done = turn;
        let picture = decoded(&bytes, most_pixels)?;
        seen.with_detector(|detector| see(detector, source, picture, threshold))?
    });
    let record = looked.await.map_err(|error| serving.count_failure(&version, arrived, error))?;
    let took = serving.clock.mono().saturating_sub(arrived);
    let stages = Stages { infer: took, ..Stages::default() };
    version.statistics().executed(1, &stages);
    version.statistics().succeeded(took, &stages);
    Ok(http::json_bytes(record))
}

fn threshold(text: &str) -> Result<f32, ServeError> {
    let threshold = text.parse::<f32>().ok().filter(|threshold| (0.0..=1.0).contains(threshold));
    threshold
        .ok_or_else(|| ServeError::Invalid(format!("threshold is {:?}; allowed: 0 to 1", super::validate::shown(text))))
}

/// Looks at the picture, with another threshold this once.
fn see(
    detector: &mut Detector,
    source: String,
    picture: Picture,
    threshold: Option<f32>,
) -> Result<Vec<u8>, ServeError> {
    let usual = detector.facts().threshold;
    detector.set_threshold(threshold.unwrap_or(usual));
    let shot = Shot { source, frame: 0, pts_ms: 0, picture };
    let mut written = Vec::new();
    let result = look(detector, &shot, None, |record| Ok(serde_json::to_writer(&mut written, record)?));
    detector.set_threshold(usual);
    match result {
        Ok(()) => Ok(written),
        Err(error) => Err(ServeError::Internal { operation: "look at a picture", reason: chain(&error) }),
    }
}

/// The picture of a request and what it is called.
async fn picture_of(request: Request, limit: usize) -> Result<(String, Bytes), ServeError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        let body = http::whole(Bytes::from_request(request, &()).await, limit)?;
        return Ok(("body".to_owned(), body));
    }
    let unread = |text: String| ServeError::Invalid(format!("cannot read the form: {text}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| unread(error.body_text()))?;
    while let Some(part) = form.next_field().await.map_err(|error| unread(error.body_text()))? {
        let name = part.file_name().or(part.name()).unwrap_or("part").to_owned();
        let bytes = part.bytes().await.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ServeError::TooLarge { limit },
            _ => unread(error.body_text()),
        })?;
        if is_picture(&bytes) {
            return Ok((name, bytes));
        }
    }
    Err(unread("no part of it is a JPEG or PNG".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_that_says_it_is_huge_is_refused_before_it_is_decoded() {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let header = [&b"IHDR"[..], &30_000u32.to_be_bytes(), &30_000u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        png.extend(13u32.to_be_bytes());
        png.extend(&header);
        png.extend(crc32fast::hash(&header).to_be_bytes());
        png.extend(0u32.to_be_bytes());
        png.extend(b"IDAT");
        let error = decoded(&png, 1_000_000).unwrap_err().to_string();
        assert!(error.contains("30000x30000"), "{error}");
        assert!(decoded(b"GIF89a", 1_000_000).is_err());
    }
}
