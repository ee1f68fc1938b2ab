//! Bytes to values of ONNX Runtime and back, for every type of elements.

use std::borrow::Cow;
use std::fmt::Debug;

use bytemuck::checked::try_cast_slice as try_cast_checked;
use bytemuck::{NoUninit, Pod, PodCastError, try_cast_slice};
use bytes::Bytes;
use half::{bf16, f16};
use ort::session::SessionInputValue;
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor as OrtTensor, TensorRef};

use super::{Datatype, Elements, Tensor};

/// Calls `$function::<T>($arguments)` with the Rust type of a datatype; `$truths` and `$texts` stand for the two that are no
/// numbers.
macro_rules! for_type {
    ($datatype:expr, $function:ident($($argument:expr),*), $truths:expr, $texts:expr) => {
        match $datatype {
            Datatype::Bool => $truths,
            Datatype::Uint8 => $function::<u8>($($argument),*),
            Datatype::Uint16 => $function::<u16>($($argument),*),
            Datatype::Uint32 => $function::<u32>($($argument),*),
            Datatype::Uint64 => $function::<u64>($($argument),*),
            Datatype::Int8 => $function::<i8>($($argument),*),
            Datatype::Int16 => $function::<i16>($($argument),*),
            Datatype::Int32 => $function::<i32>($($argument),*),
            Datatype::Int64 => $function::<i64>($($argument),*),
            Datatype::Fp16 => $function::<f16>($($argument),*),
            Datatype::Bf16 => $function::<bf16>($($argument),*),
            Datatype::Fp32 => $function::<f32>($($argument),*),
            Datatype::Fp64 => $function::<f64>($($argument),*),
            Datatype::Bytes => $texts,
        }
    };
}

/// The tensor as a value that ONNX Runtime takes. Elements that lie aligned are not copied.
///
/// # Errors
/// When the elements are not as many as the shape says, a truth value is neither 0 nor 1, or a text is no UTF-8.
pub(super) fn input_value(tensor: &Tensor) -> Result<SessionInputValue<'_>, String> {
    match &tensor.elements {
        Elements::Packed(bytes) => {
            let texts = Err("it has numbers where texts are expected".to_owned());
            for_type!(tensor.datatype, number_value(&tensor.shape, bytes), truth_value(&tensor.shape, bytes), texts)
        }
        Elements::Texts(texts) => text_value(&tensor.shape, texts),
    }
}

fn number_value<'a, T: Pod + PrimitiveTensorElementType + Debug>(
    shape: &'a [i64],
    bytes: &'a [u8],
) -> Result<SessionInputValue<'a>, String> {
    let value = match elements::<T>(bytes)? {
        Cow::Borrowed(elements) => TensorRef::from_array_view((shape, elements)).map(SessionInputValue::from),
        Cow::Owned(elements) => OrtTensor::from_array((shape, elements)).map(SessionInputValue::from),
    };
    value.map_err(|error| error.to_string())
}

/// The bytes as elements: where they lie if they lie aligned, else copied to where they do.
fn elements<T: Pod>(bytes: &[u8]) -> Result<Cow<'_, [T]>, String> {
    if !bytes.len().is_multiple_of(size_of::<T>()) {
        return Err("its last element is cut".to_owned());
    }
    match try_cast_slice(bytes) {
        Ok(elements) => Ok(Cow::Borrowed(elements)),
        Err(PodCastError::TargetAlignmentGreaterAndInputNotAligned) => {
            Ok(Cow::Owned(bytemuck::allocation::pod_collect_to_vec(bytes)))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn truth_value<'a>(shape: &'a [i64], bytes: &'a [u8]) -> Result<SessionInputValue<'a>, String> {
    let truths: &[bool] = try_cast_checked(bytes).map_err(|_| "a truth value is neither 0 nor 1".to_owned())?;
    TensorRef::from_array_view((shape, truths)).map(Into::into).map_err(|error| error.to_string())
}

fn text_value(shape: &[i64], texts: &[Bytes]) -> Result<SessionInputValue<'static>, String> {
    let utf8 = |bytes: &Bytes| match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err("a text has a zero byte in it".to_owned()),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err("a text is no UTF-8".to_owned()),
    };
    let texts: Vec<String> = texts.iter().map(utf8).collect::<Result<_, _>>()?;
    OrtTensor::from_string_array((shape, texts.as_slice())).map(Into::into).map_err(|error| error.to_string())
}

/// Copies an output out of ONNX Runtime.
///
/// # Errors
/// When it is no tensor of a type that the protocol has a name for.
pub(super) fn output_tensor(name: &str, value: &DynValue) -> Result<Tensor, String> {
    let element = value.dtype().tensor_type().and_then(Datatype::of);
    let datatype = element.ok_or_else(|| format!("output {name} is {}", value.dtype()))?;
    let (shape, elements) =
        for_type!(datatype, packed(value), packed::<bool>(value), texts(value)).map_err(|error| error.to_string())?;
    Ok(Tensor { name: name.to_owned(), datatype, shape, elements })
}

fn packed<T: NoUninit + PrimitiveTensorElementType>(value: &DynValue) -> ort::Result<(Vec<i64>, Elements)> {
    let (shape, elements) = value.try_extract_tensor::<T>()?;
    Ok((shape.to_vec(), Elements::Packed(Bytes::copy_from_slice(bytemuck::cast_slice(elements)))))
}

fn texts(value: &DynValue) -> ort::Result<(Vec<i64>, Elements)> {
    let (shape, texts) = value.try_extract_strings()?;
    Ok((shape.to_vec(), Elements::Texts(texts.into_iter().map(Bytes::from).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_borrowed_where_aligned_and_copied_where_not() {
        let store: Vec<u64> = vec![0x3f80_0000_4000_0000, 0];
        let bytes: &[u8] = bytemuck::cast_slice(&store);
        assert!(matches!(elements::<f32>(&bytes[..8]), Ok(Cow::Borrowed([2.0, 1.0]))));
        assert!(matches!(elements::<f32>(&bytes[1..9]), Ok(Cow::Owned(copied)) if copied.len() == 2));
        assert!(elements::<f32>(&bytes[..7]).is_err());
        assert!(elements::<f32>(&bytes[1..6]).is_err());
        assert!(truth_value(&[3], &[0, 1, 2]).is_err());
    }
}
