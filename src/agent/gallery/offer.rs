//! Whether a gallery that the hub offers is fetched, and whether what came is taken. Pure.
//!
//! What the hub says is worth nothing by itself: it spares a download at most. What counts is what the key of this box
//! opens, and there the revision alone: whoever has the hub, or an old backup of it, can bring nobody back who was removed.

use serde::Deserialize;
use serde_json::Value;

use crate::identify::gallery::{Gallery, Known, MOST_BYTES};
use crate::model::hex;

/// What the hub says of the gallery that it has. It says more, which does not concern a box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Offer {
    /// The revision.
    pub revision: u64,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// The file's bytes.
    pub size: u64,
}

/// What is here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// What is known of it.
    pub known: Known,
    /// SHA-256 of the file, where it opens.
    pub sha256: Option<String>,
}

/// What is to be done about an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is here already.
    Nothing,
    /// It is to be fetched.
    Fetch,
}

/// Why a gallery is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The hub's answer is none.
    #[error("the hub's answer offers no gallery")]
    Answer,
    /// It is larger than any gallery.
    #[error("the hub offers {0} bytes; a gallery has at most {MOST_BYTES}")]
    TooLarge(u64),
    /// It is older than what was here.
    #[error("the hub has revision {offered}, and revision {highest} was here: whoever was removed since would be back")]
    Older {
        /// That of the hub.
        offered: u64,
        /// The highest that was here.
        highest: u64,
    },
    /// It is another one with the same revision.
    #[error("the hub has another gallery of revision {0} than this box: they were changed apart from each other")]
    Another(u64),
    /// It is not what it was said to be.
    #[error("the hub offered revision {offered} and sent revision {found}")]
    Mislabelled {
        /// What was said.
        offered: u64,
        /// What is sealed in it.
        found: u64,
    },
    /// The models here make other vectors.
    #[error("the hub's gallery is of another embedding model: {found}, not {ours}")]
    Space {
        /// That of the gallery.
        found: String,
        /// That of the models here.
        ours: String,
    },
}

impl Offer {
    /// Reads the hub's answer.
    ///
    /// # Errors
    /// When it is none. Its digest becomes part of a file's name, so it is looked at closely.
    pub fn read(answer: Value) -> Result<Self, Refusal> {
        let offer: Self = serde_json::from_value(answer).map_err(|_| Refusal::Answer)?;
        let is_digest = hex::decode::<32>(&offer.sha256).is_some();
        if is_digest { Ok(offer) } else { Err(Refusal::Answer) }
    }
}

/// Whether an offer is to be fetched.
///
/// # Errors
/// When it would not be taken, if it is what it is said to be.
pub fn consider(offer: &Offer, held: &Held) -> Result<Step, Refusal> {
    not_older(offer.revision, held.known)?;
    if held.sha256.as_deref() == Some(&offer.sha256) {
        return Ok(Step::Nothing);
    }
    other(offer.revision, held.known)?;
    if offer.size > MOST_BYTES as u64 {
        return Err(Refusal::TooLarge(offer.size));
    }
    Ok(Step::Fetch)
}

/// Whether what came, and was opened, is taken. `space` is that of the models here.
///
/// # Errors
/// When it is not.
pub fn judge(gallery: &Gallery, offer: &Offer, known: Known, space: &str) -> Result<(), Refusal> {
    if gallery.revision != offer.revision {
        return Err(Refusal::Mislabelled { offered: offer.revision, found: gallery.revision });
    }
    not_older(gallery.revision, known)?;
    other(gallery.revision, known)?;
    if gallery.space != space {
        return Err(Refusal::Space { found: gallery.space.clone(), ours: space.to_owned() });
    }
    Ok(())
}

fn not_older(revision: u64, known: Known) -> Result<(), Refusal> {
    match known.highest {
        Some(highest) if revision < highest => Err(Refusal::Older { offered: revision, highest }),
        _ => Ok(()),
    }
}

/// The revision that was here last may come again only where its file is gone or damaged.
fn other(revision: u64, known: Known) -> Result<(), Refusal> {
    if known.has == Some(revision) { Err(Refusal::Another(revision)) } else { Ok(()) }
}
