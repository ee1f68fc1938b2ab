//! One record as it lies in the file, and whether it still is what was written.

use super::queue::Stored;

/// Class, generation and number.
pub(super) type Key = (u8, u32, u64);

/// Bytes before the payload: CRC and time.
pub(super) const HEAD: usize = 12;

/// The value of a record.
pub(super) fn written(key: Key, stored: &Stored) -> Vec<u8> {
    let mut body = Vec::with_capacity(HEAD + stored.payload.len());
    body.extend([0; 4]);
    body.extend(stored.unix_ms.to_le_bytes());
    body.extend(&stored.payload);
    let crc = checksum(key, &body[4..]);
    body[..4].copy_from_slice(&crc.to_le_bytes());
    body
}

/// The record in a value; none where its bytes have changed.
pub(super) fn read(key: Key, value: &[u8]) -> Option<Stored> {
    let (crc, body) = value.split_first_chunk::<4>()?;
    let (time, payload) = body.split_first_chunk::<8>()?;
    let sound = checksum(key, body) == u32::from_le_bytes(*crc);
    sound.then(|| Stored { unix_ms: i64::from_le_bytes(*time), payload: payload.to_vec() })
}

fn checksum((class, generation, seq): Key, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[class]);
    crc.update(&generation.to_le_bytes());
    crc.update(&seq.to_le_bytes());
    crc.update(body);
    crc.finalize()
}
