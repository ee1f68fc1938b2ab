//! What is published besides the outbox: states, of which only the latest counts, and answers, which are not worth
//! keeping across a lost connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Answers that wait; beyond it new ones are dropped.
const WAITING: usize = 64;

/// Shared between whoever has something to say and the connection.
#[derive(Debug, Default)]
pub(super) struct Board {
    notes: Mutex<Notes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Notes {
    version: u64,
    retained: BTreeMap<String, Note>,
    passing: VecDeque<(String, Vec<u8>)>,
}

/// A state and when it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) version: u64,
    pub(super) payload: Vec<u8>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a state. One that is set already to the same bytes is not published again.
    pub(super) fn set(&self, topic: &str, payload: Vec<u8>) {
        let mut notes = self.lock();
        if notes.retained.get(topic).is_some_and(|note| note.payload == payload) {
            return;
        }
        notes.version += 1;
        let version = notes.version;
        notes.retained.insert(topic.to_owned(), Note { version, payload });
        drop(notes);
        self.changed.notify_one();
    }

    /// Leaves an answer; returns whether there was room.
    pub(super) fn leave(&self, topic: &str, payload: Vec<u8>) -> bool {
        let mut notes = self.lock();
        if notes.passing.len() >= WAITING {
            return false;
        }
        notes.passing.push_back((topic.to_owned(), payload));
        drop(notes);
        self.changed.notify_one();
        true
    }

    /// The state that was set first after `version`.
    pub(super) fn next_state(&self, version: u64) -> Option<(String, Note)> {
        let notes = self.lock();
        let later = notes.retained.iter().filter(|(_, note)| note.version > version);
        later.min_by_key(|(_, note)| note.version).map(|(topic, note)| (topic.clone(), note.clone()))
    }

    /// The answer that waits longest.
    pub(super) fn next_answer(&self) -> Option<(String, Vec<u8>)> {
        self.lock().passing.pop_front()
    }

    /// Resolves when something was set or left since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_of_a_state_is_told_and_a_new_reader_is_told_all() {
        let board = Board::default();
        for n in 0..10u8 {
            board.set("a", vec![n]);
            board.set("b", vec![n / 5]);
        }
        let (topic, first) = board.next_state(0).unwrap();
        assert_eq!((topic.as_str(), first.payload.as_slice()), ("b", &[1][..]));
        let (topic, second) = board.next_state(first.version).unwrap();
        assert_eq!((topic.as_str(), second.payload.as_slice()), ("a", &[9][..]));
        assert_eq!(board.next_state(second.version), None);
        board.set("a", vec![9]);
        assert_eq!(board.next_state(second.version), None, "the same again is no news");
    }

    #[test]
    fn answers_are_bounded() {
        let board = Board::default();
        assert_eq!((0..100).filter(|_| board.leave("r", vec![])).count(), WAITING);
        assert!(board.next_answer().is_some());
        assert!(board.leave("r", vec![]));
    }
}
