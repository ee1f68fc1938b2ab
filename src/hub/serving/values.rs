//! The elements of tensors as JSON values, both ways.
//!
//! Reading takes nested or flat arrays and notes the shape that the nesting has. Memory grows with the text that is read,
//! never with a number in it; the depth is bounded by `serde_json`. Floats that JSON has no word for are written as `null`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use half::{bf16, f16};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use crate::detect::tensors::{Datatype, Elements, Tensor};

/// Elements read from JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The elements, row by row.
    pub elements: Elements,
    /// How many there are.
    pub count: usize,
    /// The sizes of the nested arrays, outermost first; `None` where rows differ in length or depth.
    pub shape: Option<Vec<i64>>,
}

/// Reads nested or flat arrays of elements, or a single one.
///
/// # Errors
/// When the text is no such thing, or an element is not of the datatype; in words that follow "element".
pub fn read(text: &str, datatype: Datatype) -> Result<Read, String> {
    let mut reading = Reading::new(datatype);
    let mut json = serde_json::Deserializer::from_str(text);
    Nested { into: &mut reading, depth: 0 }.deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    Ok(reading.finish())
}

struct Reading {
    datatype: Datatype,
    packed: Vec<u8>,
    texts: Vec<Bytes>,
    count: usize,
    /// By depth; the inner ones are known before the outer.
    sides: Vec<Option<usize>>,
    leaf_depth: Option<usize>,
    is_regular: bool,
}

impl Reading {
    fn new(datatype: Datatype) -> Self {
        let (packed, texts, sides) = Default::default();
        Self { datatype, packed, texts, count: 0, sides, leaf_depth: None, is_regular: true }
    }

    fn finish(self) -> Read {
        // An empty array is of one dimension.
        let is_regular = self.is_regular && self.leaf_depth.is_none_or(|depth| depth == self.sides.len());
        let sides = self.sides.iter().map(|&side| i64::try_from(side.unwrap_or(0)).unwrap_or(i64::MAX));
        let shape = is_regular.then(|| sides.collect());
        let elements = match self.datatype {
            Datatype::Bytes => Elements::Texts(self.texts),
            _ => Elements::Packed(self.packed.into()),
        };
        Read { elements, count: self.count, shape }
    }

    fn note_leaf(&mut self, depth: usize) {
        self.count += 1;
        self.is_regular &= *self.leaf_depth.get_or_insert(depth) == depth;
    }

    fn note_side(&mut self, depth: usize, side: usize) {
        if self.sides.len() <= depth {
            self.sides.resize(depth + 1, None);
        }
        self.is_regular &= *self.sides[depth].get_or_insert(side) == side;
    }

    fn float(&mut self, value: f64) -> Result<(), String> {
        match self.datatype {
            Datatype::Fp32 => self.packed.extend((value as f32).to_le_bytes()),
            Datatype::Fp64 => self.packed.extend(value.to_le_bytes()),
            Datatype::Fp16 => self.packed.extend(f16::from_f64(value).to_le_bytes()),
            Datatype::Bf16 => self.packed.extend(bf16::from_f64(value).to_le_bytes()),
            other => return Err(format!("{value} is no {other}")),
        }
        Ok(())
    }

    fn integer(&mut self, value: i128) -> Result<(), String> {
        let least_and_most = match self.datatype {
            Datatype::Bool => (0, 1),
            Datatype::Uint8 => (0, i128::from(u8::MAX)),
            Datatype::Uint16 => (0, i128::from(u16::MAX)),
            Datatype::Uint32 => (0, i128::from(u32::MAX)),
            Datatype::Uint64 => (0, i128::from(u64::MAX)),
            Datatype::Int8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
            Datatype::Int16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
            Datatype::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
            Datatype::Int64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
            _ => return self.float(value as f64),
        };
        let size = self.datatype.size().filter(|_| least_and_most.0 <= value && value <= least_and_most.1);
        let size = size.ok_or_else(|| format!("{value} is no {}", self.datatype))?;
        // Two's complement, so the low bytes are the value whatever the width.
        self.packed.extend(&value.to_le_bytes()[..size]);
        Ok(())
    }

    fn truth(&mut self, value: bool) -> Result<(), String> {
        if self.datatype != Datatype::Bool {
            return Err(format!("{value} is no {}", self.datatype));
        }
        self.packed.push(u8::from(value));
        Ok(())
    }

    fn text(&mut self, value: Bytes) -> Result<(), String> {
        if self.datatype != Datatype::Bytes {
            return Err(format!("a text is no {}", self.datatype));
        }
        self.texts.push(value);
        Ok(())
    }
}

/// A value that lies in so many arrays.
struct Nested<'a> {
    into: &'a mut Reading,
    depth: usize,
}

impl Nested<'_> {
    fn leaf<E: Error>(self, put: impl FnOnce(&mut Reading) -> Result<(), String>) -> Result<(), E> {
        self.into.note_leaf(self.depth);
        put(self.into).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "elements of type {}", self.into.datatype)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { into, depth } = self;
        let mut side = 0;
        while seq.next_element_seed(Nested { into: &mut *into, depth: depth + 1 })?.is_some() {
            side += 1;
        }
        into.note_side(depth, side);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf(|into| into.float(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.leaf(|into| into.integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.leaf(|into| into.integer(value.into()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.leaf(|into| into.truth(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.leaf(|into| into.text(Bytes::copy_from_slice(value.as_bytes())))
    }

    /// TensorFlow Serving's `{"b64": "…"}`.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let entry: Option<(String, String)> = map.next_entry()?;
        let text = entry.filter(|(key, _)| key == "b64").map(|(_, text)| text);
        let text = text.ok_or_else(|| A::Error::custom("an object is no element; a text is, and {\"b64\": \"…\"}"))?;
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("an object with \"b64\" has nothing else in it"));
        }
        let bytes = STANDARD.decode(text).map_err(|error| A::Error::custom(format!("not base64: {error}")))?;
        self.leaf(|into| into.text(bytes.into()))
    }
}

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// As JSON strings; those that are no UTF-8 are refused.
    Strings,
    /// As JSON strings, and those that are no UTF-8 as `{"b64": "…"}`.
    StringsOrBase64,
}

/// Writes the elements `range` of a tensor as JSON values with commas between them.
///
/// # Errors
/// When a text is no UTF-8 and must be.
pub fn write_flat(
    out: &mut Vec<u8>,
    tensor: &Tensor,
    range: std::ops::Range<usize>,
    texts: Texts,
) -> Result<(), String> {
    let first = range.start;
    for at in range {
        if at > first {
            out.push(b',');
        }
        write_one(out, tensor, at, texts)?;
    }
    Ok(())
}

/// Writes elements nested as `shape` says, beginning with element `from`; returns the element after the last.
///
/// # Errors
/// When a text is no UTF-8 and must be.
pub fn write_nested(
    out: &mut Vec<u8>,
    tensor: &Tensor,
    shape: &[i64],
    from: usize,
    texts: Texts,
) -> Result<usize, String> {
    let Some((&side, inner)) = shape.split_first() else {
        write_one(out, tensor, from, texts)?;
        return Ok(from + 1);
    };
    out.push(b'[');
    let mut at = from;
    for place in 0..side {
        if place > 0 {
            out.push(b',');
        }
        at = write_nested(out, tensor, inner, at, texts)?;
    }
    out.push(b']');
    Ok(at)
}

fn write_one(out: &mut Vec<u8>, tensor: &Tensor, at: usize, texts: Texts) -> Result<(), String> {
    match &tensor.elements {
        Elements::Texts(all) => write_text(out, all.get(at).map_or(&[][..], |text| text), texts),
        Elements::Packed(bytes) => {
            let size = tensor.datatype.size().unwrap_or(1);
            let element = bytes.get(at * size..(at + 1) * size).unwrap_or_default();
            write_number(out, tensor.datatype, element).map_err(|error| error.to_string())
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &[u8], texts: Texts) -> Result<(), String> {
    let written = match (std::str::from_utf8(text), texts) {
        (Ok(text), _) => serde_json::to_writer(out, text),
        (Err(_), Texts::StringsOrBase64) => {
            serde_json::to_writer(out, &serde_json::json!({ "b64": STANDARD.encode(text) }))
        }
        (Err(_), Texts::Strings) => return Err("an element is no UTF-8; ask for binary data".to_owned()),
    };
    written.map_err(|error| error.to_string())
}

fn write_number(out: &mut Vec<u8>, datatype: Datatype, bytes: &[u8]) -> serde_json::Result<()> {
    let mut eight = [0u8; 8];
    eight[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    let unsigned = u64::from_le_bytes(eight);
    match datatype {
        Datatype::Bool => serde_json::to_writer(out, &(unsigned != 0)),
        Datatype::Int8 => serde_json::to_writer(out, &(unsigned as i8)),
        Datatype::Int16 => serde_json::to_writer(out, &(unsigned as i16)),
        Datatype::Int32 => serde_json::to_writer(out, &(unsigned as i32)),
        Datatype::Int64 => serde_json::to_writer(out, &(unsigned as i64)),
        Datatype::Fp16 => serde_json::to_writer(out, &f16::from_bits(unsigned as u16).to_f32()),
        Datatype::Bf16 => serde_json::to_writer(out, &bf16::from_bits(unsigned as u16).to_f32()),
        Datatype::Fp32 => serde_json::to_writer(out, &f32::from_bits(unsigned as u32)),
        Datatype::Fp64 => serde_json::to_writer(out, &f64::from_bits(unsigned)),
        _ => serde_json::to_writer(out, &unsigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape_of(text: &str) -> Option<Vec<i64>> {
        read(text, Datatype::Fp32).unwrap().shape
    }

    #[test]
    fn nesting_gives_the_shape_and_rows_of_other_lengths_give_none() {
        assert_eq!(shape_of("1"), Some(vec![]));
        assert_eq!(shape_of("[1,2,3]"), Some(vec![3]));
        assert_eq!(shape_of("[[1,2,3],[4,5,6]]"), Some(vec![2, 3]));
        assert_eq!(shape_of("[[1,2],[3]]"), None);
        assert_eq!(shape_of("[[1,2],3]"), None);
        assert_eq!(shape_of("[]"), Some(vec![0]));
    }

    #[test]
    fn an_element_must_be_of_its_type() {
        for (text, datatype) in [("256", Datatype::Uint8), ("-1", Datatype::Uint64), ("1.5", Datatype::Int32)] {
            assert!(read(text, datatype).is_err(), "{text}");
        }
        for text in ["\"a\"", "true", "null", "{}", "[1", "1 2", "{\"b64\":\"!\"}"] {
            assert!(read(text, Datatype::Fp32).is_err(), "{text}");
        }
        assert!(read("[18446744073709551615]", Datatype::Uint64).is_ok());
        let texts = read(r#"["a",{"b64":"AAE="}]"#, Datatype::Bytes).unwrap();
        assert_eq!(texts.elements, Elements::Texts(vec!["a".into(), Bytes::from_static(&[0, 1])]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..20)) {
            let elements = Elements::Packed(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>().into());
            let shape = vec![values.len() as i64];
            let tensor = Tensor { name: String::new(), datatype: Datatype::Fp32, shape, elements };
            let mut out = Vec::new();
            write_nested(&mut out, &tensor, &tensor.shape, 0, Texts::Strings).unwrap();
            let back = read(std::str::from_utf8(&out).unwrap(), Datatype::Fp32).unwrap();
            prop_assert_eq!(back.elements, tensor.elements);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}0-9eE\",:.btrue64-]{0,40}") {
            for datatype in Datatype::all() {
                let _ = read(&text, datatype);
            }
        }
    }
}
