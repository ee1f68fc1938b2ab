//! What is on the disk about clips: which were announced, which are there, and which are to be brought to the hub.
//!
//! A row for each clip, beside the records of the spool. It is written before an event names the clip, and its place is
//! taken by another once the clip is gone; so there are never more rows than there were clips at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::spool::Spool;
use crate::vocab::{ClipFile, Id};

/// How the names of all rows begin.
const ROWS: &str = "clips/";

/// What is known of one clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The name of its file.
    pub file: String,
    /// The camera.
    pub camera: Id,
    /// The episodes that it shows, as far as they are told.
    pub episodes: Vec<String>,
    /// Whether it is deleted only after all that are not: it shows an alert, or somebody asked for it.
    pub precious: bool,
    /// How far it is.
    pub stage: Stage,
    /// The command that wants it brought to the hub, while that is not done.
    #[serde(default)]
    pub upload: Option<String>,
}

/// How far a clip is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Events name it.
    Announced,
    /// Its file is about to be there; digest and length may still be missing.
    Closing(ClipFile),
    /// Its file is there, and that was told.
    Written(ClipFile),
}

/// All rows.
pub struct Ledger {
    spool: Arc<dyn Spool>,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    entries: BTreeMap<String, (u64, Entry)>,
    free: Vec<u64>,
    next: u64,
}

impl Ledger {
    /// What the last run left.
    pub fn open(spool: Arc<dyn Spool>) -> Self {
        let mut rows = Rows::default();
        for (name, bytes) in spool.states(ROWS) {
            let Some(slot) = name.strip_prefix(ROWS).and_then(|slot| slot.parse::<u64>().ok()) else { continue };
            rows.next = rows.next.max(slot + 1);
            // A free place is empty; what is damaged names no clip that could be asked for.
            match serde_json::from_slice::<Entry>(&bytes) {
                Ok(entry) => drop(rows.entries.insert(entry.file.clone(), (slot, entry))),
                Err(_) => rows.free.push(slot),
            }
        }
        Self { spool, rows: Mutex::new(rows) }
    }

    /// Notes that an event names this clip; the first such event makes the row.
    pub fn announce(&self, file: &str, camera: &Id, episode: Option<&str>, precious: bool) {
        let mut rows = self.lock();
        let mut entry = rows.entries.get(file).map_or_else(
            || Entry {
                file: file.to_owned(),
                camera: camera.clone(),
                episodes: Vec::new(),
                precious: false,
                stage: Stage::Announced,
                upload: None,
            },
            |(_, entry)| entry.clone(),
        );
        let is_known = episode.is_none_or(|episode| entry.episodes.iter().any(|known| known == episode));
        entry.episodes.extend(episode.filter(|_| !is_known).map(str::to_owned));
        entry.precious |= precious;
        self.put(&mut rows, entry);
    }

    /// Notes how far a clip is. Does nothing for one that has no row.
    pub fn advance(&self, file: &str, stage: Stage) {
        self.change(file, |entry| entry.stage = stage);
    }

    /// Notes which command wants the clip brought to the hub, or that it is done with.
    pub fn set_upload(&self, file: &str, command: Option<String>) {
        self.change(file, |entry| entry.upload = command);
    }

    /// Forgets clips that are gone.
    pub fn forget<'f>(&self, files: impl IntoIterator<Item = &'f str>) {
        let mut rows = self.lock();
        for file in files {
            if let Some((slot, _)) = rows.entries.remove(file) {
                self.spool.put_state(&key(slot), &[]);
                rows.free.push(slot);
            }
        }
    }

    /// What is known of the clip with this file.
    pub fn entry(&self, file: &str) -> Option<Entry> {
        self.lock().entries.get(file).map(|(_, entry)| entry.clone())
    }

    /// The clip that shows an episode.
    pub fn of_episode(&self, episode: &str) -> Option<Entry> {
        let shows = |entry: &&Entry| entry.episodes.iter().any(|shown| shown == episode);
        self.lock().entries.values().map(|(_, entry)| entry).find(shows).cloned()
    }

    /// All that is known.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.values().map(|(_, entry)| entry.clone()).collect()
    }

    fn change(&self, file: &str, change: impl FnOnce(&mut Entry)) {
        let mut rows = self.lock();
        let Some((_, entry)) = rows.entries.get(file) else { return };
        let mut entry = entry.clone();
        change(&mut entry);
        self.put(&mut rows, entry);
    }

    /// Writes a row where it differs from what is there.
    fn put(&self, rows: &mut Rows, entry: Entry) {
        let known = rows.entries.get(&entry.file);
        if known.is_some_and(|(_, known)| *known == entry) {
            return;
        }
        let slot = known.map(|(slot, _)| *slot).or_else(|| rows.free.pop()).unwrap_or_else(|| {
            rows.next += 1;
            rows.next - 1
        });
        self.spool.put_state(&key(slot), &serde_json::to_vec(&entry).unwrap_or_default());
        rows.entries.insert(entry.file.clone(), (slot, entry));
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(slot: u64) -> String {
    format!("{ROWS}{slot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::spool::{MemorySpool, Settings};

    fn file() -> ClipFile {
        ClipFile {
            sha256: "ab".to_owned(),
            bytes: 7,
            begins: "2026-11-23T12:00:00.000Z".to_owned(),
            ends: "2026-11-23T12:00:10.000Z".to_owned(),
            begins_pts_ms: 0,
            ends_pts_ms: 10_000,
            episodes: vec!["e1".to_owned()],
        }
    }

    #[test]
    fn what_was_announced_and_what_became_of_it_outlives_the_program() {
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), SimulatedClock::at(0)));
        let door = Id::new("door").unwrap();
        let ledger = Ledger::open(spool.clone());
        ledger.announce("e1.mp4", &door, Some("e1"), false);
        ledger.announce("e1.mp4", &door, Some("e2"), true);
        ledger.announce("e3.mp4", &door, Some("e3"), false);
        ledger.advance("e3.mp4", Stage::Written(file()));
        ledger.set_upload("e3.mp4", Some("c-1".to_owned()));
        ledger.advance("unknown.mp4", Stage::Announced);
        let again = Ledger::open(spool.clone());
        assert_eq!(again.entries(), ledger.entries());
        let shared = again.of_episode("e2").unwrap();
        assert_eq!((shared.file.as_str(), shared.precious, shared.episodes.len()), ("e1.mp4", true, 2));
        assert_eq!(again.entry("e3.mp4").unwrap().upload.as_deref(), Some("c-1"));
        again.forget(["e1.mp4", "unknown.mp4"]);
        again.announce("e4.mp4", &door, Some("e4"), false);
        let last = Ledger::open(spool.clone());
        assert_eq!(last.entries().iter().map(|e| e.file.as_str()).collect::<Vec<_>>(), ["e3.mp4", "e4.mp4"]);
        assert_eq!(spool.states(ROWS).len(), 2, "the place of what is gone is taken");
    }
}
