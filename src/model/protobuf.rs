//! Walks the fields of one protobuf message in place: the wire format, and nothing of any schema.
//!
//! A message is a sequence of fields: a varint key `number << 3 | kind`, then the value: kind 0 a varint, 1 eight bytes,
//! 2 a varint length and that many bytes, 5 four bytes. Kinds 3 and 4 (groups) left the format before ONNX began.

/// Why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the bytes end inside the field that starts at byte {0}")]
    Truncated(usize),
    /// A varint is longer than ten bytes.
    #[error("the number at byte {0} does not end")]
    Varint(usize),
    /// A field number or kind that no message has.
    #[error("no field has the key {key:#x} that stands at byte {at}")]
    Key {
        /// Where it stands.
        at: usize,
        /// The key.
        key: u64,
    },
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// Bytes: a text, a nested message, packed numbers.
    Bytes(&'a [u8]),
    /// Four or eight bytes that no caller here looks into.
    Fixed,
}

impl<'a> Value<'a> {
    /// The bytes, or none where the field is of another kind.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The bytes as text, invalid UTF-8 replaced.
    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The number as protobuf's `int64`, or 0 where the field is of another kind.
    pub(super) fn int(self) -> i64 {
        match self {
            Self::Varint(number) => number.cast_signed(),
            _ => 0,
        }
    }
}

/// The fields of a message in order. Ends after the first error.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the message that `bytes` are.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The varints that `bytes` are, as a packed repeated field holds them. Ends after the first error.
    pub(super) fn packed(bytes: &'a [u8]) -> impl Iterator<Item = Result<u64, WireError>> {
        let mut rest = Self::of(bytes);
        std::iter::from_fn(move || {
            if rest.at >= rest.bytes.len() {
                return None;
            }
            let number = rest.varint();
            if number.is_err() {
                rest.at = rest.bytes.len();
            }
            Some(number)
        })
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(WireError::Truncated(start))?;
            self.at += 1;
            // The tenth byte holds one bit; what is above it is dropped, as protobuf's own readers do.
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Varint(start))
    }

    fn skip(&mut self, start: usize, count: u64) -> Result<&'a [u8], WireError> {
        let count = usize::try_from(count).map_err(|_| WireError::Truncated(start))?;
        let end = self.at.checked_add(count).ok_or(WireError::Truncated(start))?;
        let bytes = self.bytes.get(self.at..end).ok_or(WireError::Truncated(start))?;
        self.at = end;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), WireError> {
        let start = self.at;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return Err(WireError::Key { at: start, key });
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.skip(start, 8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.skip(start, length)?)
            }
            5 => self.skip(start, 4).map(|_| Value::Fixed)?,
            _ => return Err(WireError::Key { at: start, key }),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_is_read_field_by_field() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 2, 3, 4];
        let fields: Vec<_> = Fields::of(&message).map(Result::unwrap).collect();
        assert_eq!(fields, [(1, Value::Varint(150)), (2, Value::Bytes(b"hi")), (3, Value::Fixed)]);
    }

    #[test]
    fn packed_numbers_are_read_one_after_the_other() {
        let numbers: Vec<_> = Fields::packed(&[1, 0x96, 0x01, 0]).map(Result::unwrap).collect();
        assert_eq!(numbers, [1, 150, 0]);
        assert_eq!(Fields::packed(&[5, 0x80]).last(), Some(Err(WireError::Truncated(1))));
    }

    #[test]
    fn what_is_cut_or_impossible_is_an_error() {
        let first_error = |bytes: &[u8]| Fields::of(bytes).find_map(Result::err);
        assert_eq!(first_error(&[0x12, 0x05, b'h']), Some(WireError::Truncated(0)));
        assert_eq!(first_error(&[0x08]), Some(WireError::Truncated(1)));
        assert_eq!(first_error(&[0xff; 12]), Some(WireError::Varint(0)));
        assert_eq!(first_error(&[0x0b]), Some(WireError::Key { at: 0, key: 0x0b }));
        assert_eq!(first_error(&[0x00]), Some(WireError::Key { at: 0, key: 0 }));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_fields_or_one_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let fields: Vec<_> = Fields::of(&bytes).collect();
            prop_assert!(fields.iter().rev().skip(1).all(Result::is_ok));
            prop_assert!(fields.len() <= bytes.len());
        }
    }
}
