//! `TensorProto` and `SparseTensorProto`: constants of a model, and their elements as Rust numbers.

use prost::Message;

use super::graph::StringStringEntryProto;

/// Numbers of `TensorProto.DataType`, those that are looked into here.
pub mod data_type {
    /// 32-bit float.
    pub const FLOAT: i32 = 1;
    /// Unsigned byte.
    pub const UINT8: i32 = 2;
    /// Signed byte.
    pub const INT8: i32 = 3;
    /// 32-bit integer.
    pub const INT32: i32 = 6;
    /// 64-bit integer.
    pub const INT64: i32 = 7;
    /// 16-bit float.
    pub const FLOAT16: i32 = 10;
}

/// A dense tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// Sizes, outermost first; none for a scalar.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// See [`data_type`].
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    /// Which part of a larger tensor this is.
    #[prost(message, optional, tag = "3")]
    pub segment: Option<Segment>,
    /// Elements of type float.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements of small integer and of 16-bit float types, an element each.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Elements of type string.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    /// Elements of type int64.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// The name under which nodes take it as an input.
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// Elements of any fixed-size type, little-endian, instead of the fields above.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
    /// Elements of type double.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Elements of types uint32 and uint64.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// For people.
    #[prost(string, optional, tag = "12")]
    pub doc_string: Option<String>,
    /// Where the elements lie outside this file.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// 1 where the elements lie outside this file.
    #[prost(int32, optional, tag = "14")]
    pub data_location: Option<i32>,
    /// Free key-value pairs.
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// `TensorProto.Segment`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Segment {
    /// First element.
    #[prost(int64, optional, tag = "1")]
    pub begin: Option<i64>,
    /// One past the last element.
    #[prost(int64, optional, tag = "2")]
    pub end: Option<i64>,
}

/// A sparse tensor.
#[derive(Clone, PartialEq, Message)]
pub struct SparseTensorProto {
    /// The elements that are not zero.
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
    /// Where they stand.
    #[prost(message, optional, tag = "2")]
    pub indices: Option<TensorProto>,
    /// Sizes, outermost first.
    #[prost(int64, repeated, packed = "false", tag = "3")]
    pub dims: Vec<i64>,
}

impl TensorProto {
    /// A tensor of 32-bit floats. `values` fill `dims` in row-major order.
    pub fn from_floats(name: impl Into<String>, dims: &[i64], values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, dims, data_type::FLOAT, raw)
    }

    /// A tensor of 64-bit integers.
    pub fn from_ints(name: impl Into<String>, dims: &[i64], values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, dims, data_type::INT64, raw)
    }

    /// A tensor of 32-bit integers.
    pub fn from_i32(name: impl Into<String>, dims: &[i64], values: &[i32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, dims, data_type::INT32, raw)
    }

    /// A tensor of elements of type `data_type` whose little-endian bytes are `raw`.
    pub fn raw(name: impl Into<String>, dims: &[i64], data_type: i32, raw: Vec<u8>) -> Self {
        let (name, dims) = (Some(name.into()), dims.to_vec());
        Self { dims, data_type: Some(data_type), name, raw_data: Some(raw), ..Self::default() }
    }

    /// How many elements the dimensions span; none where they are negative or beyond any memory.
    pub fn count(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |count, &dim| count.checked_mul(usize::try_from(dim).ok()?))
    }

    /// The elements of a tensor of 32-bit floats; none for other types, for data outside the file, and where the number
    /// of elements is not what the dimensions say.
    pub fn floats(&self) -> Option<Vec<f32>> {
        if self.data_type() != data_type::FLOAT || self.data_location.unwrap_or(0) != 0 {
            return None;
        }
        let values = match &self.raw_data {
            Some(raw) => read(raw, f32::from_le_bytes)?,
            None => self.float_data.clone(),
        };
        (Some(values.len()) == self.count()).then_some(values)
    }

    /// The elements of a tensor of 32-bit or 64-bit integers; none as for [`floats`](Self::floats).
    pub fn ints(&self) -> Option<Vec<i64>> {
        if self.data_location.unwrap_or(0) != 0 {
            return None;
        }
        let values = match (self.data_type(), &self.raw_data) {
            (data_type::INT64, Some(raw)) => read(raw, i64::from_le_bytes)?,
            (data_type::INT64, None) => self.int64_data.clone(),
            (data_type::INT32, Some(raw)) => read(raw, i32::from_le_bytes)?.into_iter().map(i64::from).collect(),
            (data_type::INT32, None) => self.int32_data.iter().map(|&value| i64::from(value)).collect(),
            _ => return None,
        };
        (Some(values.len()) == self.count()).then_some(values)
    }
}

fn read<T, const N: usize>(raw: &[u8], from: fn([u8; N]) -> T) -> Option<Vec<T>> {
    let (elements, rest) = raw.as_chunks::<N>();
    rest.is_empty().then(|| elements.iter().map(|bytes| from(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_from_either_field() {
        let raw = TensorProto::from_floats("a", &[2, 2], &[1.0, -2.0, 0.5, 4.0]);
        assert_eq!(raw.floats().unwrap(), [1.0, -2.0, 0.5, 4.0]);
        let listed =
            TensorProto { dims: vec![2], data_type: Some(7), int64_data: vec![3, -1], ..TensorProto::default() };
        assert_eq!(listed.ints().unwrap(), [3, -1]);
    }

    #[test]
    fn a_tensor_that_contradicts_itself_has_no_elements() {
        let short = TensorProto::from_floats("a", &[3], &[1.0, 2.0]);
        assert_eq!(short.floats(), None);
        assert_eq!(TensorProto { dims: vec![-1], ..short.clone() }.floats(), None);
        assert_eq!(TensorProto { dims: vec![i64::MAX, i64::MAX], ..short.clone() }.count(), None);
        assert_eq!(TensorProto { dims: vec![2], data_location: Some(1), ..short }.floats(), None);
        assert_eq!(TensorProto::raw("a", &[1], data_type::FLOAT, vec![0; 3]).floats(), None);
    }
}
