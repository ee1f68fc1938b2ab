//! Canonical JSON: one text for one value, so that what is signed can be compared byte by byte.
//!
//! Keys are in the order of their bytes, nothing stands between the tokens, and numbers and texts are as `serde_json`
//! writes them: the shortest decimal that reads back as the same double. A reader writes what it has read again and
//! compares; that refuses spaces, keys given twice, other spellings of a number, and everything that it did not
//! understand.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a text is not the canonical one of any value.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// It is no JSON, or not of this kind of document.
    #[error("line {line}, column {column}: {reason}", line = .0.line(), column = .0.column(), reason = reason(.0))]
    Json(#[source] serde_json::Error),
    /// It says something in another form than the one that is signed.
    #[error("it is not in canonical form: it differs from byte {at} on")]
    Form {
        /// The first byte that differs.
        at: usize,
    },
}

/// serde's words without the place, which is told once.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().chars().take(200).collect()
}

/// The canonical text of `value`.
///
/// # Errors
/// When it has no JSON form, such as a map whose keys are no texts.
pub fn write(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    append(&serde_json::to_value(value)?, &mut text)?;
    Ok(text)
}

/// Reads a value from its canonical text.
///
/// # Errors
/// When it is no JSON of this type, has keys that the type does not know, or is not the canonical text.
pub fn read<T: Serialize + DeserializeOwned>(text: &[u8]) -> Result<T, CanonicalError> {
    let value: T = serde_json::from_slice(text).map_err(CanonicalError::Json)?;
    let again = write(&value).map_err(CanonicalError::Json)?;
    if again == text {
        return Ok(value);
    }
    let at = again.iter().zip(text).take_while(|(a, b)| a == b).count();
    Err(CanonicalError::Form { at })
}

/// Appends `value`; serde_json's own maps are sorted or not as a feature of some other crate wills it.
fn append(value: &Value, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            text.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                serde_json::to_writer(&mut *text, key)?;
                text.push(b':');
                append(value, text)?;
            }
            text.push(b'}');
        }
        Value::Array(list) => {
            text.push(b'[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                append(value, text)?;
            }
            text.push(b']');
        }
        scalar => serde_json::to_writer(text, scalar)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_between() {
        let value: Value = serde_json::from_str(r#"{"b": [1, 2.50], "a": {"z": null, "é": "x\n"}}"#).unwrap();
        assert_eq!(String::from_utf8(write(&value).unwrap()).unwrap(), r#"{"a":{"z":null,"é":"x\n"},"b":[1,2.5]}"#);
    }

    #[test]
    fn another_form_of_the_same_value_is_refused() {
        let read = |text: &str| read::<BTreeMap<String, f64>>(text.as_bytes());
        assert_eq!(read(r#"{"a":1.5,"b":2.0}"#).unwrap()["b"], 2.0);
        for other in
            [r#"{"a": 1.5}"#, r#"{"b":1.5,"a":2.0}"#, r#"{"a":1.5,"a":1.5}"#, r#"{"a":1.50}"#, r#"{"a":15e-1}"#]
        {
            assert!(matches!(read(other), Err(CanonicalError::Form { .. })), "{other}");
        }
        assert!(matches!(read(r#"{"a":"#), Err(CanonicalError::Json(_))));
    }

    proptest! {
        #[test]
        fn every_double_is_read_back_as_it_was_written(number in proptest::num::f64::NORMAL) {
            let text = write(&number).unwrap();
            prop_assert_eq!(read::<f64>(&text).unwrap().to_bits(), number.to_bits());
        }
    }
}
