//! The file of a gallery. Pure.
//!
//! ```text
//!   offset  bytes
//!   0       8   `VEDGALRY`
//!   8       2   version of the format, little-endian: 1
//!   10      2   length H of the head, little-endian
//!   12      H   the head, JSON: space and revision, for who has no key
//!   12 + H  12  nonce, drawn anew for each writing
//!   24 + H  …   ChaCha20-Poly1305 of the gallery as JSON, and its tag of 16 bytes (RFC 8439)
//! ```
//!
//! What stands before the nonce is authenticated with the rest: a head of another file, or an older one, does not open. What
//! is read is bounded before anything is made of it.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use super::{Gallery, Key, MOST_PEOPLE, MOST_TEMPLATES};

const MAGIC: &[u8; 8] = b"VEDGALRY";
const VERSION: u16 = 1;
/// Before the head.
const START: usize = 12;
/// The largest file.
pub const MOST_BYTES: usize = 256 << 20;
/// So many bytes from the beginning of a file tell its head, whatever that holds.
pub const LONGEST_START: u64 = START as u64 + u16::MAX as u64;
/// Longer names are a fault.
const LONGEST_TEXT: usize = 256;

/// What a file says of itself to who has no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What names the model that made the vectors.
    pub space: String,
    /// Counts the changes.
    pub revision: u64,
}

/// Why bytes are no gallery, or not one that this key opens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes are something else.
    #[error("it is no gallery")]
    NotAGallery,
    /// A later program wrote it.
    #[error("it is of version {0} of the format; this program reads version {VERSION}")]
    Version(u16),
    /// It breaks off or is too long.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It does not open.
    #[error("the key does not open it: it is the key of another gallery, or the file was changed")]
    Sealed,
    /// What is in it is impossible.
    #[error("what is in it is impossible: {0}")]
    Content(&'static str),
}

/// Seals a gallery with a nonce that was never used with this key before.
///
/// # Errors
/// When it is larger than any file may be.
pub fn seal(gallery: &Gallery, key: &Key, nonce: [u8; NONCE_LEN]) -> Result<Vec<u8>, FormatError> {
    check(gallery)?;
    let head = Head { space: gallery.space.clone(), revision: gallery.revision };
    let head = serde_json::to_vec(&head).map_err(|_| FormatError::Content("the head"))?;
    let length = u16::try_from(head.len()).map_err(|_| FormatError::Content("the space's name is too long"))?;
    let mut body = serde_json::to_vec(gallery).map_err(|_| FormatError::Content("a number is not finite"))?;
    let mut file = Vec::with_capacity(START + head.len() + NONCE_LEN + body.len() + CHACHA20_POLY1305.tag_len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&head);
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&file), &mut body)
        .map_err(|_| FormatError::Damaged("it is too large"))?;
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&body);
    if file.len() > MOST_BYTES {
        return Err(FormatError::Damaged("it is too large"));
    }
    Ok(file)
}

/// What a file says of itself. Nothing vouches for it before the file is [`open`]ed.
///
/// # Errors
/// When it is no gallery.
pub fn head(file: &[u8]) -> Result<Head, FormatError> {
    split(file).map(|(head, _, _)| head)
}

/// What a file of `size` bytes says of itself, by its beginning: its first [`LONGEST_START`] bytes, or all. Nothing vouches
/// for it before the file is [`open`]ed.
///
/// # Errors
/// When it is no gallery, is too large, or too short for what its head promises.
pub fn outline(start: &[u8], size: u64) -> Result<Head, FormatError> {
    let (head, before, _) = split(start)?;
    if size > MOST_BYTES as u64 {
        return Err(FormatError::Damaged("it is too large"));
    }
    if size < (before.len() + NONCE_LEN + CHACHA20_POLY1305.tag_len()) as u64 {
        return Err(FormatError::Damaged("it breaks off"));
    }
    Ok(head)
}

/// Opens a sealed gallery.
///
/// # Errors
/// When it is none, the key is another one's, any byte was changed, or what is in it is impossible.
pub fn open(file: &[u8], key: &Key) -> Result<Gallery, FormatError> {
    let (head, open, rest) = split(file)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(FormatError::Damaged("it breaks off"))?;
    let mut body = sealed.to_vec();
    let plain = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(open), &mut body)
        .map_err(|_| FormatError::Sealed)?;
    let gallery: Gallery = serde_json::from_slice(plain).map_err(|_| FormatError::Content("its form"))?;
    if head.space != gallery.space || head.revision != gallery.revision {
        return Err(FormatError::Content("the head tells of another gallery"));
    }
    check(&gallery)?;
    Ok(gallery)
}

/// The head, everything before the nonce, and the rest.
fn split(file: &[u8]) -> Result<(Head, &[u8], &[u8]), FormatError> {
    if file.len() > MOST_BYTES {
        return Err(FormatError::Damaged("it is too large"));
    }
    let rest = file.strip_prefix(MAGIC).ok_or(FormatError::NotAGallery)?;
    let short = FormatError::Damaged("it breaks off");
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
    let (head, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or(short)?;
    let before = file.len() - rest.len();
    let head = serde_json::from_slice(head).map_err(|_| FormatError::Damaged("its head cannot be read"))?;
    Ok((head, &file[..before], rest))
}

fn cipher(key: &Key) -> Result<LessSafeKey, FormatError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.bytes()).map_err(|_| FormatError::Sealed)?;
    Ok(LessSafeKey::new(key))
}

/// Whether a gallery keeps within bounds and its vectors can be compared.
fn check(gallery: &Gallery) -> Result<(), FormatError> {
    let people = &gallery.people;
    if people.len() > MOST_PEOPLE || people.iter().any(|person| person.templates.len() > MOST_TEMPLATES) {
        return Err(FormatError::Content("too many people or vectors"));
    }
    if !people.is_sorted_by(|a, b| a.id < b.id) {
        return Err(FormatError::Content("its people are not in the order of their ids"));
    }
    let texts = people.iter().flat_map(|p| p.templates.iter().map(|t| &t.source).chain([&p.name]));
    if texts.chain([&gallery.space]).any(|text| text.len() > LONGEST_TEXT) {
        return Err(FormatError::Content("a name is too long"));
    }
    let mut vectors = people.iter().flat_map(|person| &person.templates).map(|template| &template.vector);
    let length = |vector: &[f32]| vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let first = vectors.clone().next().map_or(0, Vec::len);
    if vectors.any(|vector| vector.len() != first || (length(vector) - 1.0).abs() > 1e-3) {
        return Err(FormatError::Content("a vector is not of length one, or of another size than the first"));
    }
    Ok(())
}
