//! Who somebody was taken for, with all that was compared.

use super::Id;

/// Who somebody was taken for. Of whom nobody in the gallery comes close enough, or two do, `person` says nothing: he is
/// unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The person of the gallery.
    pub person: Option<KnownPerson>,
    /// How like the closest person of the gallery he is: the cosine of two vectors, -1..1.
    pub score: f32,
    /// What the score had to reach.
    pub threshold: f32,
    /// By how much the score exceeds that of the next person.
    pub margin: f32,
    /// What the margin had to reach.
    pub least_margin: f32,
    /// The model whose vectors were compared, and how it was fed.
    pub space: String,
    /// The revision of the gallery.
    pub gallery: u64,
}

/// A person of a gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPerson {
    /// The id.
    pub id: Id,
    /// The name for people.
    pub name: String,
    /// The watch lists that name the person.
    pub lists: Vec<Id>,
}
