//! `POST /v1/models/{model}:predict` and `POST /predict`.
//!
//! Rows: `{"instances": [row, …]}` gives `{"predictions": [row, …]}`. Columns: `{"inputs": …}` gives `{"outputs": …}`. A model
//! with one input takes its value bare, one with several an object of values by name; outputs likewise. Bytes are
//! `{"b64": "…"}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::error::ServeError;
use super::super::http::{self, Target};
use super::super::models::Selector;
use super::super::pictures;
use super::super::validate::shown;
use super::super::values::{self, Texts};
use super::super::version::Version;
use super::super::{Ask, Serving};
use crate::detect::tensors::{Datatype, Elements, Tensor, TensorSpec};

/// `POST /v1/models/{model}:predict`, with the version or label behind the model where the path has one.
///
/// # Errors
/// When the request is refused or fails.
pub async fn predict(
    State(serving): State<Arc<Serving>>,
    Path(pieces): Path<BTreeMap<String, String>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ServeError> {
    let target = target(&pieces)?;
    answer(&serving, &target, body).await
}

/// `POST /predict`.
///
/// # Errors
/// When there is no default model, or the request is refused or fails.
pub async fn predict_default(
    State(serving): State<Arc<Serving>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ServeError> {
    let model = serving.settings.default_model.clone().ok_or(ServeError::NoModel)?;
    answer(&serving, &Target::parse(&model), body).await
}

/// What the verb behind the last colon is asked of.
fn target(pieces: &BTreeMap<String, String>) -> Result<Target, ServeError> {
    let piece = |key: &str| pieces.get(key).map(String::as_str);
    let last = piece("version").or(piece("label")).or(piece("model")).unwrap_or_default();
    let (subject, verb) = last
        .rsplit_once(':')
        .ok_or_else(|| ServeError::Invalid(format!("the path must end in :predict, not in '{}'", shown(last))))?;
    if verb != "predict" {
        return Err(ServeError::Unsupported(format!("the verb ':{}'", shown(verb))));
    }
    let mut target = Target::parse(piece("model").filter(|model| *model != last).unwrap_or(subject));
    if piece("version").is_some() {
        target.selector = Selector::parse(subject);
    }
    if piece("label").is_some() {
        target.selector = Selector::Alias(subject.to_owned());
    }
    Ok(target)
}

async fn answer(
    serving: &Serving,
    target: &Target,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ServeError> {
    let body = http::whole(body, serving.settings.max_request_bytes)?;
    let version = serving.find(&target.model, &target.selector)?;
    serving.note_request(&version);
    let arrived = serving.clock.mono();
    let reader = version.clone();
    let decoded = http::heavy(body.len(), move || decode(&reader, &body).map_err(ServeError::Invalid)).await;
    let failed = |error| serving.count_failure(&version, arrived, error);
    let (form, tensors) = decoded.map_err(failed)?;
    let inputs = pictures::letterboxed(&version, tensors, serving.settings.max_picture_pixels).await.map_err(failed)?;
    let ask = Ask { inputs, outputs: Vec::new(), limit: None };
    let answered = serving.run(version.clone(), &target.selector, ask).await?;
    let size = answered.done.outputs.iter().filter_map(Tensor::element_count).sum::<usize>().saturating_mul(8);
    let written = http::heavy(size, move || encode(form, &answered.done.outputs).map_err(ServeError::Invalid)).await?;
    Ok(http::json_bytes(written))
}

/// How a request is put, and so how its answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `instances` and `predictions`: so many rows.
    Rows(usize),
    /// `inputs` and `outputs`.
    Columns,
}

#[derive(Deserialize)]
struct PredictRequest<'a> {
    signature_name: Option<String>,
    #[serde(borrow)]
    instances: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
}

fn decode(version: &Version, body: &[u8]) -> Result<(Form, Vec<Tensor>), String> {
    read(version.inputs(), body)
}

fn read(specs: &[TensorSpec], body: &[u8]) -> Result<(Form, Vec<Tensor>), String> {
    let request: PredictRequest<'_> =
        serde_json::from_slice(body).map_err(|error| format!("failed to parse the request JSON: {error}"))?;
    if let Some(name) = request.signature_name.filter(|name| !matches!(name.as_str(), "" | "serving_default")) {
        return Err(format!("there is no signature '{}'; the only one is serving_default", shown(&name)));
    }
    match (request.instances, request.inputs) {
        (Some(rows), None) if rows.is_empty() => Err("instances holds no rows".to_owned()),
        (Some(rows), None) => Ok((Form::Rows(rows.len()), read_rows(specs, &rows)?)),
        (None, Some(columns)) => Ok((Form::Columns, read_columns(specs, columns)?)),
        (Some(_), Some(_)) => Err("a request has instances or inputs, not both".to_owned()),
        (None, None) => Err("a request needs instances (rows) or inputs (columns)".to_owned()),
    }
}

type Named<'a> = BTreeMap<String, &'a RawValue>;

fn read_columns(specs: &[TensorSpec], columns: &RawValue) -> Result<Vec<Tensor>, String> {
    let named = by_name(specs, columns)?;
    named.iter().map(|(name, value)| column(spec_of(specs, name)?, value)).collect()
}

fn column(spec: &TensorSpec, value: &RawValue) -> Result<Tensor, String> {
    let datatype = told_type(spec, value);
    let read = values::read(value.get(), datatype).map_err(|error| format!("input '{}': {error}", spec.name))?;
    let shape = read.shape.ok_or_else(|| format!("input '{}': its rows differ in length or depth", spec.name))?;
    Ok(Tensor { name: spec.name.clone(), datatype, shape, elements: read.elements })
}

/// Rows are columns whose first size is the number of rows.
fn read_rows(specs: &[TensorSpec], rows: &[&RawValue]) -> Result<Vec<Tensor>, String> {
    let rows: Vec<Named<'_>> = rows.iter().map(|row| by_name(specs, row)).collect::<Result<_, _>>()?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    if rows.iter().any(|row| !row.keys().eq(first.keys())) {
        return Err("every row must name the same inputs".to_owned());
    }
    first.keys().map(|name| stacked(spec_of(specs, name)?, rows.iter().filter_map(|row| row.get(name)))).collect()
}

fn stacked<'a>(spec: &TensorSpec, values: impl Iterator<Item = &'a &'a RawValue>) -> Result<Tensor, String> {
    let (mut packed, mut texts, mut row_shape, mut count) = (Vec::new(), Vec::new(), None, 0i64);
    let mut datatype = spec.datatype;
    for value in values {
        let row = column(spec, value)?;
        if row_shape.as_ref().is_some_and(|shape| *shape != row.shape) {
            return Err(format!("input '{}': its rows differ in shape", spec.name));
        }
        match row.elements {
            Elements::Packed(bytes) => packed.extend_from_slice(&bytes),
            Elements::Texts(all) => texts.extend(all),
        }
        (row_shape, datatype, count) = (Some(row.shape), row.datatype, count + 1);
    }
    let shape = std::iter::once(count).chain(row_shape.unwrap_or_default()).collect();
    let elements = match datatype {
        Datatype::Bytes => Elements::Texts(texts),
        _ => Elements::Packed(packed.into()),
    };
    Ok(Tensor { name: spec.name.clone(), datatype, shape, elements })
}

/// An object with `b64` in it is an encoded picture where numbers are expected; the server decodes it.
fn told_type(spec: &TensorSpec, value: &RawValue) -> Datatype {
    let is_encoded = value.get().trim_start_matches(['[', ' ', '\n', '\t', '\r']).starts_with('{');
    if is_encoded { Datatype::Bytes } else { spec.datatype }
}

/// The values of a row or of the columns by the names of inputs.
fn by_name<'a>(specs: &[TensorSpec], value: &'a RawValue) -> Result<Named<'a>, String> {
    let is_object = value.get().trim_start().starts_with('{');
    let object: Option<Named<'a>> = if is_object { serde_json::from_str(value.get()).ok() } else { None };
    match (object, specs) {
        (Some(object), _) if !object.contains_key("b64") => Ok(object),
        (_, [spec]) => Ok(BTreeMap::from([(spec.name.clone(), value)])),
        _ => Err(format!("the model has {} inputs; name each value with its input", specs.len())),
    }
}

fn spec_of<'a>(specs: &'a [TensorSpec], name: &str) -> Result<&'a TensorSpec, String> {
    specs.iter().find(|spec| spec.name == name).ok_or_else(|| {
        let names = specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ");
        format!("there is no input '{}'; the model takes {names}", shown(name))
    })
}

fn encode(form: Form, outputs: &[Tensor]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match form {
        Form::Columns => {
            out.extend_from_slice(b"{\"outputs\":");
            write_named(&mut out, outputs, |out, tensor| {
                values::write_nested(out, tensor, &tensor.shape, 0, Texts::StringsOrBase64).map(drop)
            })?;
        }
        Form::Rows(count) => {
            let has_rows =
                |tensor: &Tensor| tensor.shape.first().is_some_and(|&rows| usize::try_from(rows) == Ok(count));
            if let Some(tensor) = outputs.iter().find(|tensor| !has_rows(tensor)) {
                return Err(format!("output '{}' has no row for each of {count} rows; ask with inputs", tensor.name));
            }
            out.extend_from_slice(b"{\"predictions\":[");
            for row in 0..count {
                if row > 0 {
                    out.push(b',');
                }
                write_named(&mut out, outputs, |out, tensor| {
                    let tail = tensor.shape.get(1..).unwrap_or_default();
                    let from = row * crate::detect::tensors::element_count(tail).unwrap_or(0);
                    values::write_nested(out, tensor, tail, from, Texts::StringsOrBase64).map(drop)
                })?;
            }
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(out)
}

/// One output bare, several as an object.
fn write_named(
    out: &mut Vec<u8>,
    outputs: &[Tensor],
    write: impl Fn(&mut Vec<u8>, &Tensor) -> Result<(), String>,
) -> Result<(), String> {
    if let [only] = outputs {
        return write(out, only);
    }
    out.push(b'{');
    for (at, tensor) in outputs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, &tensor.name).map_err(|error| error.to_string())?;
        out.push(b':');
        write(out, tensor)?;
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec(name: &str, datatype: Datatype) -> TensorSpec {
        TensorSpec { name: name.to_owned(), datatype, shape: vec![-1, 2], symbols: Vec::new() }
    }

    fn shapes(specs: &[TensorSpec], body: &str) -> Result<Vec<(String, Datatype, Vec<i64>)>, String> {
        let (_, tensors) = read(specs, body.as_bytes())?;
        Ok(tensors.into_iter().map(|tensor| (tensor.name, tensor.datatype, tensor.shape)).collect())
    }

    #[test]
    fn rows_and_columns_are_the_same_tensors() {
        let one = [spec("a", Datatype::Fp32)];
        let expected = Ok(vec![("a".to_owned(), Datatype::Fp32, vec![3, 2])]);
        for body in [
            r#"{"instances":[[1,2],[3,4],[5,6]]}"#,
            r#"{"inputs":[[1,2],[3,4],[5,6]]}"#,
            r#"{"signature_name":"serving_default","instances":[{"a":[1,2]},{"a":[3,4]},{"a":[5,6]}]}"#,
            r#"{"inputs":{"a":[[1,2],[3,4],[5,6]]}}"#,
        ] {
            assert_eq!(shapes(&one, body), expected, "{body}");
        }
        let b64 = r#"{"instances":[{"b64":"AAE="},{"b64":"AAE="}]}"#;
        assert_eq!(shapes(&one, b64), Ok(vec![("a".to_owned(), Datatype::Bytes, vec![2])]));
        let two = [spec("a", Datatype::Fp32), spec("b", Datatype::Bytes)];
        assert!(shapes(&two, r#"{"instances":[{"a":[1,2],"b":["x","y"]}]}"#).is_ok());
        for body in [
            r#"{"instances":[[1,2]]}"#,
            r#"{"instances":[{"a":[1,2]},{"b":["x","y"]}]}"#,
            r#"{"instances":[],"inputs":[]}"#,
            r#"{"instances":[]}"#,
            r#"{"instances":[{"c":1}]}"#,
            r#"{"inputs":{"a":[[1,2],[3]]}}"#,
            r#"{"signature_name":"other","inputs":[1]}"#,
            "{}",
        ] {
            assert!(shapes(&two, body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_verb_stands_behind_the_last_colon() {
        let target = |pairs: &[(&str, &str)]| {
            target(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        let found = target(&[("model", "m:predict")]).unwrap();
        assert_eq!(found, Target { model: "m".to_owned(), selector: Selector::Default });
        let found = target(&[("model", "m"), ("version", "3:predict")]).unwrap();
        assert_eq!(found, Target { model: "m".to_owned(), selector: Selector::Number(3) });
        let found = target(&[("model", "m"), ("label", "canary:predict")]).unwrap();
        assert_eq!(found, Target { model: "m".to_owned(), selector: Selector::Alias("canary".to_owned()) });
        assert!(matches!(target(&[("model", "m:classify")]), Err(ServeError::Unsupported(_))));
        assert!(matches!(target(&[("model", "m")]), Err(ServeError::Invalid(_))));
    }

    #[test]
    fn answers_are_bare_or_named_in_rows_or_columns() {
        let tensor = |name: &str| Tensor {
            name: name.to_owned(),
            datatype: Datatype::Uint8,
            shape: vec![2, 1],
            elements: Elements::Packed(Bytes::from_static(&[7, 8])),
        };
        let text = |form, outputs: &[Tensor]| String::from_utf8(encode(form, outputs).unwrap()).unwrap();
        assert_eq!(text(Form::Columns, &[tensor("x")]), r#"{"outputs":[[7],[8]]}"#);
        assert_eq!(text(Form::Rows(2), &[tensor("x")]), r#"{"predictions":[[7],[8]]}"#);
        let both = [tensor("x"), tensor("y")];
        assert_eq!(text(Form::Rows(2), &both), r#"{"predictions":[{"x":[7],"y":[7]},{"x":[8],"y":[8]}]}"#);
        assert_eq!(text(Form::Columns, &both), r#"{"outputs":{"x":[[7],[8]],"y":[[7],[8]]}}"#);
        assert!(encode(Form::Rows(3), &both).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}0-9eE\",:.bainputsces-]{0,60}") {
            let _ = read(&[spec("a", Datatype::Fp32)], text.as_bytes());
            let _ = read(&[spec("a", Datatype::Fp32)], format!("{{\"inputs\":{text}}}").as_bytes());
            let _ = read(&[spec("a", Datatype::Bytes)], format!("{{\"instances\":[{text}]}}").as_bytes());
        }
    }
}
