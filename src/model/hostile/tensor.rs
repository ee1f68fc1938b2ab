//! Tensors of an ONNX file: whether their shapes are possible and their bytes are as many as shape and type say.
//!
//! Field numbers are those of `onnx.proto`: `TensorProto` 1 dimensions, 2 element type, 3 segment, 4 to 7 and 9 to 11 the
//! data (float, int32, string, int64, raw, double, uint64), 8 name, 13 and 14 data outside the file.

use super::super::protobuf::{Fields, Value, WireError};
use super::error::HostileError;
use super::{MOST_DIMENSIONS, MOST_ELEMENTS, MOST_TEXT, shown};

/// Constants with at most this many elements may be the shape of something.
const MOST_NUMBERS: usize = 16;

/// What is told of a tensor that has passed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Checked<'a> {
    pub(super) name: &'a [u8],
    /// Its values, where it holds a few 64-bit integers: such tensors are shapes.
    pub(super) numbers: Option<Vec<i64>>,
}

/// A tensor as it stands in the file.
#[derive(Default)]
struct Tensor<'a> {
    name: &'a [u8],
    dimensions: Vec<i64>,
    element: i64,
    raw: Option<&'a [u8]>,
    /// Values in fields 4 (float), 5 (int32), 6 (string), 7 (int64), 10 (double) and 11 (uint64).
    counts: [u64; 12],
    numbers: Vec<i64>,
}

/// Checks one `TensorProto`; `owner` is named where it has no name of its own.
pub(super) fn check<'a>(bytes: &'a [u8], owner: &str) -> Result<Checked<'a>, HostileError> {
    let mut tensor = Tensor::default();
    let mut form = None;
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => tensor.add_dimensions(value, owner)?,
            (2, Value::Varint(number)) => tensor.element = number.cast_signed(),
            (3, Value::Bytes(_)) => form = Some("one segment of several"),
            (4, value) => tensor.counts[4] += fixed(value, 4),
            (5, value) => tensor.counts[5] += varints(value),
            (6, Value::Bytes(text)) => {
                long(text, &format!("the tensor {}", shown(tensor.name)))?;
                tensor.counts[6] += 1;
            }
            (7, value) => tensor.add_numbers(value)?,
            (8, Value::Bytes(name)) => tensor.name = name,
            (9, Value::Bytes(raw)) => tensor.raw = Some(raw),
            (10, value) => tensor.counts[10] += fixed(value, 8),
            (11, value) => tensor.counts[11] += varints(value),
            // Where it lies is refused even where the file says that it does not count.
            (13, Value::Bytes(_)) | (14, Value::Varint(1..)) => {
                return Err(HostileError::ExternalData { tensor: named(find_name(bytes)?, owner) });
            }
            _ => {}
        }
    }
    long(tensor.name, owner)?;
    if let Some(what) = form {
        return Err(HostileError::TensorForm { tensor: named(tensor.name, owner), what });
    }
    tensor.check(owner)
}

impl<'a> Tensor<'a> {
    fn add_dimensions(&mut self, value: Value<'_>, owner: &str) -> Result<(), HostileError> {
        for number in numbers(value) {
            self.dimensions.push(number?);
            if self.dimensions.len() > MOST_DIMENSIONS {
                let tensor = named(self.name, owner);
                return Err(HostileError::Shape { tensor, reason: format!("more than {MOST_DIMENSIONS} dimensions") });
            }
        }
        Ok(())
    }

    fn add_numbers(&mut self, value: Value<'_>) -> Result<(), HostileError> {
        for number in numbers(value) {
            let number = number?;
            self.counts[7] += 1;
            if self.numbers.len() <= MOST_NUMBERS {
                self.numbers.push(number);
            }
        }
        Ok(())
    }

    fn check(self, owner: &str) -> Result<Checked<'a>, HostileError> {
        let tensor = || named(self.name, owner);
        let elements = elements(&self.dimensions, tensor)?;
        let layout = Layout::of(self.element)
            .ok_or_else(|| HostileError::ElementType { tensor: tensor(), number: self.element })?;
        let given: u64 = self.counts.iter().sum();
        let (found, needed, unit) = match self.raw {
            // Raw bytes win in every reader; nothing else may stand beside them.
            Some(raw) if given == 0 && layout.bits > 0 => {
                (raw.len() as u64, (elements * layout.bits).div_ceil(8), "bytes")
            }
            Some(_) => return Err(HostileError::TensorForm { tensor: tensor(), what: "given in two forms" }),
            None => {
                let found = self.counts[layout.field];
                if found != given {
                    let what = "given in the form of another type";
                    return Err(HostileError::TensorForm { tensor: tensor(), what });
                }
                (found, (elements * layout.values.0).div_ceil(layout.values.1), "values")
            }
        };
        if found != needed {
            return Err(HostileError::WeightSize { tensor: tensor(), found, needed, unit });
        }
        Ok(Checked { name: self.name, numbers: self.small_numbers() })
    }

    fn small_numbers(&self) -> Option<Vec<i64>> {
        const INT64: i64 = 7;
        match self.raw {
            _ if self.element != INT64 => None,
            Some(raw) if raw.len() <= MOST_NUMBERS * 8 => {
                Some(raw.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap_or_default())).collect())
            }
            None if self.numbers.len() <= MOST_NUMBERS => Some(self.numbers.clone()),
            _ => None,
        }
    }
}

/// How the elements of a type are laid out.
struct Layout {
    /// Bits of an element in raw form; 0 where there is none.
    bits: u64,
    /// The field that holds them otherwise.
    field: usize,
    /// Values of that field, per elements.
    values: (u64, u64),
}

impl Layout {
    /// By the number in `TensorProto.DataType`.
    fn of(number: i64) -> Option<Self> {
        let (bits, field, values) = match number {
            1 => (32, 4, (1, 1)),
            2 | 3 | 9 | 17..=20 | 24 => (8, 5, (1, 1)),
            4 | 5 | 10 | 16 => (16, 5, (1, 1)),
            6 => (32, 5, (1, 1)),
            7 => (64, 7, (1, 1)),
            8 => (0, 6, (1, 1)),
            11 => (64, 10, (1, 1)),
            12 => (32, 11, (1, 1)),
            13 => (64, 11, (1, 1)),
            14 => (64, 4, (2, 1)),
            15 => (128, 10, (2, 1)),
            21..=23 => (4, 5, (1, 2)),
            25 | 26 => (2, 5, (1, 4)),
            _ => return None,
        };
        Some(Self { bits, field, values })
    }
}

/// How many elements a shape has. Dimensions must not be negative, and not too many elements come of them.
pub(super) fn elements(dimensions: &[i64], tensor: impl Fn() -> String) -> Result<u64, HostileError> {
    let mut product = 1u64;
    let mut is_empty = false;
    for &dimension in dimensions {
        let side = u64::try_from(dimension)
            .map_err(|_| HostileError::Shape { tensor: tensor(), reason: format!("a dimension of {dimension}") })?;
        is_empty |= side == 0;
        // An empty tensor of absurd sides is refused too: parts of it would not be empty.
        product = product.saturating_mul(side.max(1));
        if product > MOST_ELEMENTS {
            let sides: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
            let shape = format!("[{}]", sides.join(","));
            return Err(HostileError::Elements { tensor: tensor(), shape, limit: MOST_ELEMENTS });
        }
    }
    Ok(if is_empty { 0 } else { product })
}

/// The numbers of a repeated `int64` field, one by one or packed.
pub(super) fn numbers(value: Value<'_>) -> impl Iterator<Item = Result<i64, WireError>> {
    let (single, packed): (Option<i64>, &[u8]) = match value {
        Value::Varint(number) => (Some(number.cast_signed()), &[]),
        Value::Bytes(bytes) => (None, bytes),
        Value::Fixed => (None, &[]),
    };
    single.map(Ok).into_iter().chain(Fields::packed(packed).map(|number| number.map(u64::cast_signed)))
}

/// How many values of `size` bytes each are in a repeated field, one by one or packed.
fn fixed(value: Value<'_>, size: u64) -> u64 {
    match value {
        Value::Fixed => 1,
        Value::Bytes(bytes) => bytes.len() as u64 / size,
        Value::Varint(_) => 0,
    }
}

/// How many varints are in a repeated field: one, or as many as bytes that end one.
fn varints(value: Value<'_>) -> u64 {
    match value {
        Value::Varint(_) => 1,
        Value::Bytes(bytes) => bytes.iter().filter(|byte| **byte & 0x80 == 0).count() as u64,
        Value::Fixed => 0,
    }
}

fn find_name(bytes: &[u8]) -> Result<&[u8], WireError> {
    let mut name: &[u8] = &[];
    for field in Fields::of(bytes) {
        if let (8, Value::Bytes(found)) = field? {
            name = found;
        }
    }
    Ok(name)
}

fn named(name: &[u8], owner: &str) -> String {
    if name.is_empty() { format!("of {owner}") } else { shown(name) }
}

/// Refuses a text that is too long for a name.
pub(super) fn long(text: &[u8], place: &str) -> Result<(), HostileError> {
    if text.len() > MOST_TEXT {
        return Err(HostileError::Text { place: place.to_owned(), length: text.len(), limit: MOST_TEXT });
    }
    Ok(())
}
