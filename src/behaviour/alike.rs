//! Who comes again: tracks that are taken for one person by how he looks, for the rules that count how often somebody comes.
//!
//! - Whoever recognises people again says of a track which person it is, by an id that is the same for all his tracks. The first
//!   of them lends its number to those that follow, so that `repeated-passing` and `journey` go on where he was last.
//! - It is known some time after a track began. Visits that were counted meanwhile are his from then on, and so is a first line
//!   that was crossed. A second line that was crossed before does not end the journey afterwards.
//! - No other rule goes by it: who looks like somebody is not for that recognised as him, and what is told of a zone holds for
//!   those who are there.
//! - Nothing is kept over a cut, after which times cannot be compared.

use std::collections::VecDeque;

use super::motion::Movements;
use crate::vocab::TrackId;

/// Of so many people, and of so many who came again, the first are forgotten before their time.
const MOST: usize = 512;

/// An object that turned out to be one that was there before, both by the numbers by which they were known first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    pub object: TrackId,
    pub before: TrackId,
}

/// Who is who by how he looks.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// Each person's id, and the number by which he was known first.
    people: VecDeque<(String, TrackId)>,
    joined: VecDeque<Joined>,
    /// What was joined since the last step.
    news: Vec<Joined>,
}

impl Alike {
    /// Takes in which person a track is.
    pub(super) fn learn(&mut self, track: TrackId, person: &str, movements: &Movements) {
        let object = self.object(track, movements);
        let Some((_, before)) = self.people.iter().find(|(id, _)| id == person) else {
            push(&mut self.people, (person.to_owned(), object));
            return;
        };
        let joined = Joined { object, before: *before };
        if object != joined.before {
            // Whoever was joined to that one comes along.
            self.joined.iter_mut().filter(|j| j.before == object).for_each(|j| j.before = joined.before);
            self.people.iter_mut().filter(|(_, first)| *first == object).for_each(|(_, first)| *first = joined.before);
            push(&mut self.joined, joined);
            self.news.push(joined);
        }
    }

    /// The number by which the object of `track` was known first, by whatever way.
    pub(super) fn object(&self, track: TrackId, movements: &Movements) -> TrackId {
        let object = movements.first_known_as(track);
        self.joined.iter().find(|joined| joined.object == object).map_or(object, |joined| joined.before)
    }

    /// Who turned out to be somebody before since the last step.
    pub(super) fn news(&self) -> &[Joined] {
        &self.news
    }

    /// The step is over.
    pub(super) fn settle(&mut self) {
        self.news.clear();
    }

    /// Times before and after this moment cannot be compared.
    pub(super) fn cut(&mut self) {
        self.people.clear();
        self.joined.clear();
        self.news.clear();
    }
}

fn push<T>(list: &mut VecDeque<T>, element: T) {
    if list.len() == MOST {
        list.pop_front();
    }
    list.push_back(element);
}
