//! How a message lies in the spool: its topic, then its bytes.
//!
//! ```text
//! length of the topic, u16 little-endian │ topic, UTF-8 │ payload, to the end
//! ```

/// The record of a message.
pub fn seal(topic: &str, payload: &[u8]) -> Vec<u8> {
    let topic = &topic.as_bytes()[..topic.len().min(usize::from(u16::MAX))];
    let mut record = Vec::with_capacity(2 + topic.len() + payload.len());
    record.extend_from_slice(&(topic.len() as u16).to_le_bytes());
    record.extend_from_slice(topic);
    record.extend_from_slice(payload);
    record
}

/// Topic and payload of a record; none if it is not one.
pub fn open(record: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = record.split_first_chunk::<2>()?;
    let (topic, payload) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(topic).ok()?, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_to_the_same(topic in "[a-z/]{0,80}", payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let record = seal(&topic, &payload);
            prop_assert_eq!(open(&record), Some((topic.as_str(), payload.as_slice())));
        }

        #[test]
        fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = open(&bytes);
        }
    }
}
