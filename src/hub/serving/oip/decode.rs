//! Reading an inference request: JSON, and with the binary extension the tensors behind it.
//!
//! ```text
//!   Inference-Header-Content-Length: n     body: n bytes of JSON, then the tensors with `binary_data_size`, in order
//!   absent                                 body: JSON
//!   0                                      body: the bytes of the model's only input
//! ```
//!
//! Binary tensors are little-endian, row by row; texts have their length before them, 4 bytes little-endian. Nothing is
//! copied out of the body. A number in the request never decides how much memory is taken.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::validate::shown;
use super::super::values;
use crate::detect::tensors::{Datatype, Elements, Tensor, TensorSpec, element_count};

/// Tensors of a request, and outputs that it asks for.
const MOST_TENSORS: usize = 4096;
/// Dimensions of a tensor.
const MOST_DIMENSIONS: usize = 32;

/// A request that was read, but not compared with the model.
#[derive(Debug, Default, PartialEq)]
pub struct InferRequest {
    /// What the client calls it; comes back with the answer.
    pub id: Option<String>,
    /// Its tensors.
    pub inputs: Inputs,
    /// The outputs it wants; empty for all.
    pub outputs: Vec<WantedOutput>,
    /// How outputs come that do not say.
    pub is_binary: bool,
    /// How long it may take, where it says.
    pub limit: Option<Duration>,
}

/// The tensors of a request.
#[derive(Debug, PartialEq)]
pub enum Inputs {
    /// With names, types and shapes.
    Tensors(Vec<Tensor>),
    /// The whole body, for the model's only input.
    Raw(Bytes),
}

/// An output that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedOutput {
    /// Its name.
    pub name: String,
    /// Whether it comes as bytes behind the JSON.
    pub is_binary: bool,
    /// Instead of its elements, so many of the largest and their indexes.
    pub classes: Option<usize>,
}

#[derive(Deserialize)]
struct RawRequest<'a> {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    inputs: Vec<RawInput<'a>>,
    #[serde(default)]
    outputs: Vec<RawOutput>,
}

#[derive(Deserialize)]
struct RawInput<'a> {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawOutput {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// Those that are known; others are for other servers and are passed over, as the protocol says.
#[derive(Deserialize, Default)]
struct Parameters {
    binary_data_size: Option<u64>,
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    classification: Option<u64>,
    /// Microseconds.
    timeout: Option<u64>,
    shared_memory_region: Option<Value>,
    sequence_id: Option<Value>,
}

impl Default for Inputs {
    fn default() -> Self {
        Self::Tensors(Vec::new())
    }
}

/// Reads a request. `header_length` is the header `Inference-Header-Content-Length`, where there is one.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn decode(header_length: Option<&str>, body: &Bytes) -> Result<InferRequest, String> {
    let length = match header_length {
        None => body.len(),
        Some(text) => text.trim().parse().map_err(|_| {
            format!("Inference-Header-Content-Length is {:?}, which is no number of bytes", shown(text))
        })?,
    };
    if header_length.is_some() && length == 0 {
        return Ok(InferRequest { inputs: Inputs::Raw(body.clone()), is_binary: true, ..InferRequest::default() });
    }
    if length > body.len() {
        let found = body.len();
        return Err(format!("Inference-Header-Content-Length is {length}, but the body has {found} bytes"));
    }
    let request: RawRequest<'_> = serde_json::from_slice(&body[..length])
        .map_err(|error| format!("failed to parse the request JSON: {error}"))?;
    if request.inputs.len() > MOST_TENSORS || request.outputs.len() > MOST_TENSORS {
        return Err(format!("a request has at most {MOST_TENSORS} inputs and as many outputs"));
    }
    refuse_what_is_not_done(&request)?;
    let mut rest = body.slice(length..);
    let inputs = request.inputs.into_iter().map(|input| read_input(input, &mut rest)).collect::<Result<_, _>>()?;
    if !rest.is_empty() {
        return Err(format!("unexpected additional {} bytes behind the last input", rest.len()));
    }
    let is_binary = request.parameters.binary_data_output.unwrap_or(false);
    let outputs = request.outputs.into_iter().map(|output| wanted(output, is_binary)).collect::<Result<_, _>>()?;
    let limit = request.parameters.timeout.filter(|&micros| micros > 0).map(Duration::from_micros);
    Ok(InferRequest { id: request.id, inputs: Inputs::Tensors(inputs), outputs, is_binary, limit })
}

fn refuse_what_is_not_done(request: &RawRequest<'_>) -> Result<(), String> {
    let inputs = request.inputs.iter().map(|input| &input.parameters);
    let mut all = inputs.chain(request.outputs.iter().map(|output| &output.parameters)).chain([&request.parameters]);
    if all.any(|parameters| parameters.shared_memory_region.is_some()) {
        return Err("shared memory is not supported; send the tensors in the request".to_owned());
    }
    let is_none = |id: &Value| *id == 0 || *id == "";
    if request.parameters.sequence_id.as_ref().is_some_and(|id| !is_none(id)) {
        return Err("sequences are not supported; every request stands alone".to_owned());
    }
    Ok(())
}

fn wanted(output: RawOutput, is_binary: bool) -> Result<WantedOutput, String> {
    let RawOutput { name, parameters } = output;
    let classes = parameters.classification.filter(|&count| count > 0).map(usize::try_from).transpose();
    let classes = classes.map_err(|_| format!("classification of output '{}' is beyond all classes", shown(&name)))?;
    Ok(WantedOutput { name, is_binary: parameters.binary_data.unwrap_or(is_binary), classes })
}

fn read_input(input: RawInput<'_>, rest: &mut Bytes) -> Result<Tensor, String> {
    let RawInput { name, shape, datatype, parameters, data } = input;
    let fault = |what: String| format!("input '{}': {what}", shown(&name));
    let datatype: Datatype = datatype.parse().map_err(|error| fault(format!("{error}")))?;
    if shape.len() > MOST_DIMENSIONS {
        return Err(fault(format!("has {} dimensions; at most {MOST_DIMENSIONS} are allowed", shape.len())));
    }
    let count =
        element_count(&shape).ok_or_else(|| fault("has a negative size, or one beyond all memory".to_owned()))?;
    let elements = match (parameters.binary_data_size, data) {
        (Some(_), Some(_)) => return Err(fault("has both data and binary_data_size; send one of them".to_owned())),
        (None, None) => return Err(fault("has neither data nor binary_data_size".to_owned())),
        (Some(size), None) => {
            let left = rest.len();
            let size = usize::try_from(size).ok().filter(|&size| size <= left);
            let size = size.ok_or_else(|| fault(format!("binary_data_size is more than the {left} bytes left")))?;
            binary(datatype, count, rest.split_to(size)).map_err(fault)?
        }
        (None, Some(data)) => {
            let read =
                values::read(data.get(), datatype).map_err(|error| fault(format!("cannot use data: {error}")))?;
            if read.count != count {
                return Err(fault(format!("data has {} elements, its shape {count}", read.count)));
            }
            read.elements
        }
    };
    Ok(Tensor { name, datatype, shape, elements })
}

/// Elements that came as bytes.
fn binary(datatype: Datatype, count: usize, bytes: Bytes) -> Result<Elements, String> {
    let Some(size) = datatype.size() else { return texts(count, bytes) };
    let found = bytes.len();
    match count.checked_mul(size) {
        Some(needed) if needed == found => {}
        needed => {
            let needed = needed.map_or("more than all memory".to_owned(), |needed| needed.to_string());
            return Err(format!("unexpected total byte size {found}, expecting {needed}"));
        }
    }
    if datatype == Datatype::Bool && bytes.iter().any(|&byte| byte > 1) {
        return Err("a truth value is neither 0 nor 1".to_owned());
    }
    Ok(Elements::Packed(bytes))
}

fn texts(count: usize, mut bytes: Bytes) -> Result<Elements, String> {
    let mut texts = Vec::new();
    while let Some((length, _)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let _ = bytes.split_to(4);
        if length > bytes.len() {
            return Err(format!("element {} has {length} bytes, but {} are left", texts.len(), bytes.len()));
        }
        texts.push(bytes.split_to(length));
        if texts.len() > count {
            break;
        }
    }
    match (texts.len() == count, bytes.is_empty()) {
        (true, true) => Ok(Elements::Texts(texts)),
        _ => Err(format!("its bytes are not {count} elements, each behind its length")),
    }
}

/// The tensor that a body without JSON is, for the model's only input. Where one size is open, it follows from the bytes.
///
/// # Errors
/// When the model has several inputs, or the bytes do not fit.
pub fn raw_input(model: &str, specs: &[TensorSpec], body: Bytes) -> Result<Tensor, String> {
    let [spec] = specs else {
        return Err(format!("model '{model}' has {} inputs; a body without JSON is for models with one", specs.len()));
    };
    let Some(size) = spec.datatype.size() else {
        let elements = Elements::Texts(vec![body]);
        let shape = spec.shape.iter().map(|&side| side.max(1)).collect();
        return Ok(Tensor { name: spec.name.clone(), datatype: spec.datatype, shape, elements });
    };
    let open = spec.shape.iter().filter(|&&side| side < 0).count();
    let fixed: Vec<i64> = spec.shape.iter().copied().filter(|&side| side >= 0).collect();
    let row = element_count(&fixed).and_then(|count| count.checked_mul(size)).unwrap_or(0);
    let rows = if row > 0 && body.len().is_multiple_of(row) { body.len() / row } else { 0 };
    if open > 1 || rows == 0 || (open == 0 && rows != 1) {
        let found = body.len();
        return Err(format!("unexpected total byte size {found} for input '{}', expecting {row} per row", spec.name));
    }
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let shape = spec.shape.iter().map(|&side| if side < 0 { rows } else { side }).collect();
    let elements = binary(spec.datatype, body.len() / size, body)?;
    Ok(Tensor { name: spec.name.clone(), datatype: spec.datatype, shape, elements })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(json: &str, tail: &[u8]) -> Result<InferRequest, String> {
        let body = Bytes::from([json.as_bytes(), tail].concat());
        decode(Some(&json.len().to_string()), &body)
    }

    fn tensors(request: InferRequest) -> Vec<Tensor> {
        match request.inputs {
            Inputs::Tensors(tensors) => tensors,
            Inputs::Raw(_) => Vec::new(),
        }
    }

    const BOTH: &str = r#"{"id":"7","parameters":{"binary_data_output":true,"timeout":5},"inputs":[
        {"name":"a","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}},
        {"name":"b","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":11}},
        {"name":"c","shape":[1,2],"datatype":"FP32","data":[[1,2.5]]}],
        "outputs":[{"name":"y","parameters":{"binary_data":false,"classification":3}},{"name":"z"}]}"#;

    #[test]
    fn json_and_binary_inputs_stand_beside_each_other() {
        let tail = [1, 0, 2, 0, 3, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0];
        let request = decoded(BOTH, &tail).unwrap();
        assert_eq!((request.id.as_deref(), request.is_binary), (Some("7"), true));
        assert_eq!(request.limit, Some(Duration::from_micros(5)));
        let output = |name: &str, is_binary, classes| WantedOutput { name: name.to_owned(), is_binary, classes };
        assert_eq!(request.outputs, [output("y", false, Some(3)), output("z", true, None)]);
        let tensors = tensors(request);
        assert_eq!(tensors[0].elements, Elements::Packed(Bytes::from_static(&[1, 0, 2, 0])));
        assert_eq!(tensors[1].elements, Elements::Texts(vec!["abc".into(), Bytes::new()]));
        assert_eq!(tensors[2].elements, Elements::Packed([1f32, 2.5].iter().flat_map(|v| v.to_le_bytes()).collect()));
    }

    #[test]
    fn what_does_not_add_up_is_refused_by_name() {
        let tail = [1, 0, 2, 0, 3, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0];
        let fault = |tail: &[u8]| decoded(BOTH, tail).unwrap_err();
        assert!(fault(&tail[..14]).starts_with("input 'b': binary_data_size is more than the 10 bytes left"));
        assert!(fault(&[&tail[..], &[0]].concat()).contains("additional 1 bytes"));
        let mut long = tail;
        long[4] = 200;
        assert!(fault(&long).starts_with("input 'b': element 0 has 200 bytes"));
        let refused = |input: &str| decoded(&format!(r#"{{"inputs":[{{"name":"a",{input}}}]}}"#), &[]).unwrap_err();
        assert!(refused(r#""shape":[2],"datatype":"FP32","data":[1]"#).contains("data has 1 elements, its shape 2"));
        assert!(refused(r#""shape":[-1],"datatype":"FP32","data":[1]"#).contains("negative"));
        assert!(refused(r#""shape":[1],"datatype":"FLOAT","data":[1]"#).contains("allowed: BOOL"));
        assert!(refused(r#""shape":[1],"datatype":"FP32""#).contains("neither"));
        assert!(decode(Some("9"), &Bytes::from_static(b"{}")).is_err());
        assert!(decode(Some("x"), &Bytes::from_static(b"{}")).is_err());
    }

    #[test]
    fn a_body_without_json_is_the_only_input() {
        let spec = |shape: &[i64]| TensorSpec {
            name: "a".to_owned(),
            datatype: Datatype::Int16,
            shape: shape.to_vec(),
            symbols: Vec::new(),
        };
        let shape = |sides: &[i64], bytes: usize| {
            raw_input("m", &[spec(sides)], vec![0; bytes].into()).map(|tensor| tensor.shape)
        };
        assert_eq!(shape(&[-1, 2], 12), Ok(vec![3, 2]));
        assert_eq!(shape(&[2, 2], 8), Ok(vec![2, 2]));
        assert!(shape(&[2, 2], 16).is_err());
        assert!(shape(&[-1, 2], 7).is_err());
        assert!(shape(&[-1, -1], 8).is_err());
        assert!(shape(&[-1, 0], 8).is_err());
        assert!(raw_input("m", &[], Bytes::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(length in any::<u16>(), body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let body = Bytes::from(body);
            let _ = decode(None, &body);
            let _ = decode(Some(&length.to_string()), &body);
        }

        /// Well-formed JSON with numbers that lie, and any tail.
        #[test]
        fn any_sizes_are_read_or_refused(
            shape in proptest::collection::vec(any::<i64>(), 0..4),
            small in proptest::collection::vec(0i64..4, 0..4),
            size in any::<u64>(),
            datatype in 0usize..14,
            tail in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let datatype = Datatype::all().nth(datatype).map_or("", Datatype::as_str);
            for (shape, size) in [(&shape, size), (&small, tail.len() as u64), (&shape, tail.len() as u64)] {
                let json = format!(
                    r#"{{"inputs":[{{"name":"a","shape":{shape:?},"datatype":"{datatype}","parameters":{{"binary_data_size":{size}}}}}]}}"#
                );
                let _ = decoded(&json, &tail);
            }
        }
    }
}
