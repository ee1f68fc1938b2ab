//! A gallery: the people who are known, each with a few vectors, in one file that is sealed.
//!
//! A vector of a face is as private as the face: it is what a person is recognised by, and nobody can change his. So a
//! gallery is encrypted wherever it lies, holds no pictures, forgets whoever is removed, and everything that is done to it,
//! and every question that is put to it by hand, stands in a log that cannot be rewritten unnoticed.
//!
//! - [`sealed`] is the file's format, [`Key`] what opens it.
//! - [`audit`] is the log beside it, a chain of lines of which each names the one before.
//! - [`Store`] reads and changes both on the disk. A revision never goes back: a file that is older than its log says is
//!   refused, so that nobody brings back who was removed by putting an old copy in place. The same holds for one that came
//!   from elsewhere ([`Store::receive`]); its own log is kept where it is changed, and the log here tells what came when.

pub mod audit;
mod key;
mod sealed;
mod store;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::embedding::Embedding;
use super::matching;
use crate::vocab::{Id, WallTime};

pub use key::{Key, KeyError};
pub use sealed::{FormatError, Head, MOST_BYTES, head, open, outline, seal};
pub use store::{Change, Known, Store, StoreError, look};

/// The most people of a gallery.
pub const MOST_PEOPLE: usize = 10_000;
/// The most vectors of a person.
pub const MOST_TEMPLATES: usize = 16;

/// The people who are known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gallery {
    /// What names the model that made the vectors, see [`Embedding::space`].
    pub space: String,
    /// Counts the changes; never goes back.
    pub revision: u64,
    /// The people, in the order of their ids.
    pub people: Vec<Person>,
    /// The lines of the log that tell of the last change, so that a log which lost them is noticed.
    pub last: Vec<audit::Line>,
}

/// A person who is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The id, unique in the gallery.
    pub id: Id,
    /// The name for people.
    pub name: String,
    /// The watch lists that name him.
    pub lists: Vec<Id>,
    /// When he was enrolled, in seconds since 1970-01-01 UTC.
    pub created: i64,
    /// From when on he is no longer recognised, in the same way; never where there is none.
    pub expires: Option<i64>,
    /// What he is recognised by.
    pub templates: Vec<Template>,
}

/// One vector of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its numbers, of length one.
    pub vector: Vec<f32>,
    /// How good the face was, 0..1.
    pub worth: f32,
    /// Where it came from, for people; a file's name, never a picture.
    pub source: String,
}

/// Who somebody is said to be when he is enrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolment {
    /// The id.
    pub id: Id,
    /// The name for people; that of before, or the id, where there is none.
    pub name: Option<String>,
    /// The watch lists that name him; those of before where there are none.
    pub lists: Vec<Id>,
    /// From when on he is no longer recognised, in seconds since 1970-01-01 UTC; as before where there is none.
    pub expires: Option<i64>,
}

/// Why somebody is not enrolled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EnrolError {
    /// The vectors are of another model.
    #[error(transparent)]
    Space(#[from] super::OtherSpace),
    /// He looks like somebody else who is known.
    #[error(
        "{source_name} looks like {other} ({score:.2}, from {threshold:.2} on they are one person); enrol it under that id, or remove {other}"
    )]
    Taken {
        /// Where the vector came from.
        source_name: String,
        /// Whom it looks like.
        other: Id,
        /// How much.
        score: f32,
        /// From when on two are one.
        threshold: f32,
    },
    /// One picture is not of him.
    #[error(
        "{source_name} does not look like the other pictures of {id} ({score:.2}, must be at least {threshold:.2})"
    )]
    Stranger {
        /// Where the vector came from.
        source_name: String,
        /// Who it was said to be.
        id: Id,
        /// How alike it is.
        score: f32,
        /// How alike it must be.
        threshold: f32,
    },
    /// There is no room.
    #[error("{what} would be {found}, must be at most {most}")]
    Full {
        /// What there is too much of.
        what: String,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        most: usize,
    },
}

impl Person {
    /// Whether his time has run out at `now`.
    pub fn has_expired(&self, now: WallTime) -> bool {
        self.expires.is_some_and(|expires| now.unix_nanos().div_euclid(1_000_000_000) >= expires)
    }
}

impl Gallery {
    /// One in which nobody is, for vectors of `space`.
    pub fn new(space: &str) -> Self {
        Self { space: space.to_owned(), ..Self::default() }
    }

    /// The person with this id.
    pub fn person(&self, id: &Id) -> Option<&Person> {
        self.people.iter().find(|person| person.id == *id)
    }

    /// Every watch list that names somebody.
    pub fn lists(&self) -> BTreeSet<&Id> {
        self.people.iter().flat_map(|person| &person.lists).collect()
    }

    /// Adds vectors to a person, who is new or known already. The gallery is left as it is where one does not fit.
    ///
    /// # Errors
    /// When a vector is of another model, looks like somebody else or not like the other pictures of him, or there is no
    /// room. `threshold` is from when on two vectors are taken to be of one person.
    pub fn enrol(
        &mut self,
        enrolment: Enrolment,
        faces: &[(Embedding, Template)],
        threshold: f32,
        now: WallTime,
    ) -> Result<(), EnrolError> {
        let before = self.person(&enrolment.id).cloned();
        let is_new = before.is_none();
        let mut person = before.unwrap_or_else(|| Person {
            id: enrolment.id.clone(),
            name: enrolment.id.to_string(),
            lists: Vec::new(),
            created: now.unix_nanos().div_euclid(1_000_000_000),
            expires: None,
            templates: Vec::new(),
        });
        for (face, template) in faces {
            face.of_space(&self.space)?;
            self.fits(&person, face, &template.source, threshold)?;
            person.templates.push(template.clone());
        }
        full("the vectors of a person", person.templates.len(), MOST_TEMPLATES)?;
        full("the people of the gallery", self.people.len() + usize::from(is_new), MOST_PEOPLE)?;
        person.name = enrolment.name.unwrap_or(person.name);
        if !enrolment.lists.is_empty() {
            person.lists = enrolment.lists.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        }
        person.expires = enrolment.expires.or(person.expires);
        self.people.retain(|other| other.id != person.id);
        let at = self.people.partition_point(|other| other.id < person.id);
        self.people.insert(at, person);
        Ok(())
    }

    fn fits(&self, person: &Person, face: &Embedding, source: &str, threshold: f32) -> Result<(), EnrolError> {
        let source_name = || source.to_owned();
        if let Some(score) = matching::closest(person, face).filter(|score| *score < threshold) {
            return Err(EnrolError::Stranger { source_name: source_name(), id: person.id.clone(), score, threshold });
        }
        for other in self.people.iter().filter(|other| other.id != person.id) {
            if let Some(score) = matching::closest(other, face).filter(|score| *score >= threshold) {
                return Err(EnrolError::Taken {
                    source_name: source_name(),
                    other: other.id.clone(),
                    score,
                    threshold,
                });
            }
        }
        Ok(())
    }

    /// Forgets a person. False where nobody has this id.
    pub fn remove(&mut self, id: &Id) -> bool {
        let before = self.people.len();
        self.people.retain(|person| person.id != *id);
        self.people.len() < before
    }

    /// Forgets everybody whose time has run out at `now`; who that was.
    pub fn purge(&mut self, now: WallTime) -> Vec<Id> {
        let gone = self.people.extract_if(.., |person| person.has_expired(now));
        gone.map(|person| person.id).collect()
    }
}

fn full(what: &str, found: usize, most: usize) -> Result<(), EnrolError> {
    if found <= most {
        return Ok(());
    }
    Err(EnrolError::Full { what: what.to_owned(), found, most })
}

#[cfg(test)]
mod tests;
