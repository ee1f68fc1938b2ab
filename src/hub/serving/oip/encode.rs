//! Writing an inference answer: JSON, and behind it the tensors that were asked for as bytes.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};

use super::super::http;
use super::super::values::{self, Texts};
use crate::detect::tensors::{Elements, Tensor, element_count};

/// How many bytes of JSON stand before the tensors.
pub const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// An answer to be written.
#[derive(Debug)]
pub struct InferAnswer<'a> {
    /// The model.
    pub model: &'a str,
    /// The version.
    pub version: u64,
    /// What the client called its request.
    pub id: Option<&'a str>,
    /// The outputs, and whether each comes as bytes.
    pub outputs: &'a [(Tensor, bool)],
}

/// An answer as bytes: how long the JSON is where tensors follow it, and the body.
#[derive(Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Bytes of JSON; `None` where the body is all JSON.
    pub header_length: Option<usize>,
    /// The body.
    pub body: Vec<u8>,
}

/// Writes an answer.
///
/// # Errors
/// When an element has no place in JSON.
pub fn encode(answer: &InferAnswer<'_>) -> Result<Encoded, String> {
    let mut out = Vec::with_capacity(256 + answer.outputs.iter().map(|(tensor, _)| room(tensor)).sum::<usize>());
    out.extend_from_slice(b"{\"model_name\":");
    write_text(&mut out, answer.model)?;
    out.extend_from_slice(format!(",\"model_version\":\"{}\"", answer.version).as_bytes());
    if let Some(id) = answer.id {
        out.extend_from_slice(b",\"id\":");
        write_text(&mut out, id)?;
    }
    out.extend_from_slice(b",\"outputs\":[");
    for (at, (tensor, is_binary)) in answer.outputs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_output(&mut out, tensor, *is_binary)?;
    }
    out.extend_from_slice(b"]}");
    let length = out.len();
    let mut has_binary = false;
    for (tensor, _) in answer.outputs.iter().filter(|(_, is_binary)| *is_binary) {
        has_binary = true;
        write_binary(&mut out, tensor);
    }
    Ok(Encoded { header_length: has_binary.then_some(length), body: out })
}

fn write_output(out: &mut Vec<u8>, tensor: &Tensor, is_binary: bool) -> Result<(), String> {
    out.extend_from_slice(b"{\"name\":");
    write_text(out, &tensor.name)?;
    let shape = super::super::validate::sizes(&tensor.shape);
    out.extend_from_slice(format!(",\"datatype\":\"{}\",\"shape\":{shape}", tensor.datatype).as_bytes());
    if is_binary {
        let size = binary_size(tensor);
        out.extend_from_slice(format!(",\"parameters\":{{\"binary_data_size\":{size}}}}}").as_bytes());
        return Ok(());
    }
    out.extend_from_slice(b",\"data\":[");
    let count = element_count(&tensor.shape).unwrap_or(0);
    let written = values::write_flat(out, tensor, 0..count, Texts::Strings);
    written.map_err(|error| format!("output '{}': {error}", tensor.name))?;
    out.extend_from_slice(b"]}");
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), String> {
    serde_json::to_writer(out, text).map_err(|error| error.to_string())
}

fn binary_size(tensor: &Tensor) -> usize {
    match &tensor.elements {
        Elements::Packed(bytes) => bytes.len(),
        Elements::Texts(texts) => texts.iter().map(|text| 4 + text.len()).sum(),
    }
}

fn write_binary(out: &mut Vec<u8>, tensor: &Tensor) {
    match &tensor.elements {
        Elements::Packed(bytes) => out.extend_from_slice(bytes),
        Elements::Texts(texts) => {
            for text in texts {
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(text);
            }
        }
    }
}

/// About how many bytes a tensor takes in the answer.
fn room(tensor: &Tensor) -> usize {
    128 + binary_size(tensor)
}

impl IntoResponse for Encoded {
    fn into_response(self) -> Response {
        let Some(length) = self.header_length else { return http::json_bytes(self.body) };
        let headers =
            [(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")), (HEADER_LENGTH, length.into())];
        (headers, self.body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tensors::Datatype;

    #[test]
    fn tensors_follow_the_json_in_the_order_of_the_outputs() {
        let number = Tensor {
            name: "n".into(),
            datatype: Datatype::Int16,
            shape: vec![2],
            elements: Elements::Packed(bytes::Bytes::from_static(&[1, 0, 255, 255])),
        };
        let text = Tensor {
            name: "t".into(),
            datatype: Datatype::Bytes,
            shape: vec![1],
            elements: Elements::Texts(vec!["ab".into()]),
        };
        let answer = |outputs: &[(Tensor, bool)]| {
            encode(&InferAnswer { model: "m", version: 3, id: Some("7"), outputs }).unwrap()
        };
        let plain = answer(&[(number.clone(), false), (text.clone(), false)]);
        let json = concat!(
            r#"{"model_name":"m","model_version":"3","id":"7","outputs":[{"name":"n","datatype":"INT16","shape":[2],"#,
            r#""data":[1,-1]},{"name":"t","datatype":"BYTES","shape":[1],"data":["ab"]}]}"#
        );
        assert_eq!((plain.header_length, String::from_utf8(plain.body).unwrap().as_str()), (None, json));
        let binary = answer(&[(number, true), (text, true)]);
        let length = binary.header_length.unwrap();
        assert!(std::str::from_utf8(&binary.body[..length]).unwrap().contains(r#""binary_data_size":6"#));
        assert_eq!(binary.body[length..], [1, 0, 255, 255, 2, 0, 0, 0, b'a', b'b']);
    }
}
