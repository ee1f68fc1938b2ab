//! What must outlive a restart: the counts of lines, and which track numbers were used.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::behaviour;
use crate::spool::Spool;
use crate::vocab::{Id, TrackId};

/// How many track numbers are set aside at once, so that none is used again after a crash.
const TRACKS_AHEAD: TrackId = 1000;

/// The small state beside the spool's records.
pub struct Kept {
    spool: Arc<dyn Spool>,
    /// The track numbers set aside, by camera.
    set_aside: BTreeMap<Id, TrackId>,
}

impl Kept {
    /// Keeps in `spool`.
    pub fn new(spool: Arc<dyn Spool>) -> Self {
        Self { spool, set_aside: BTreeMap::new() }
    }

    /// The counts that the last run left.
    pub fn counts(&self, camera: &Id) -> Option<behaviour::Counts> {
        serde_json::from_slice(&self.spool.get_state(&counts_key(camera))?).ok()
    }

    /// Keeps counts, as they were serialised.
    pub fn keep_counts(&self, camera: &Id, counts: &[u8]) {
        self.spool.put_state(&counts_key(camera), counts);
    }

    /// The first track number that no run of this camera has used.
    pub fn first_track(&self, camera: &Id) -> TrackId {
        let saved = self.spool.get_state(&tracks_key(camera));
        let number = saved.and_then(|bytes| Some(TrackId::from_le_bytes(bytes.try_into().ok()?)));
        number.unwrap_or(1)
    }

    /// Sets numbers aside when those set aside before are nearly used up; `next` is the next to be used.
    pub fn set_tracks_aside(&mut self, camera: &Id, next: TrackId) {
        if self.set_aside.get(camera).is_none_or(|aside| next + TRACKS_AHEAD / 10 > *aside) {
            self.next_track(camera, next + TRACKS_AHEAD);
        }
    }

    /// Notes the first number that the next line of this camera may use.
    pub fn next_track(&mut self, camera: &Id, next: TrackId) {
        self.spool.put_state(&tracks_key(camera), &next.to_le_bytes());
        self.set_aside.insert(camera.clone(), next);
    }
}

fn counts_key(camera: &Id) -> String {
    format!("counts/{camera}")
}

fn tracks_key(camera: &Id) -> String {
    format!("tracks/{camera}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::spool::{MemorySpool, Settings};

    #[test]
    fn no_track_number_is_used_by_two_runs_however_the_first_one_ends() {
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), SimulatedClock::at(0)));
        let door = Id::new("door").unwrap();
        let mut first = Kept::new(spool.clone());
        let mut next = first.first_track(&door);
        assert_eq!(next, 1);
        for _ in 0..5000 {
            first.set_tracks_aside(&door, next);
            next += 1;
        }
        // The first run is killed here.
        assert!(Kept::new(spool).first_track(&door) >= next);
    }
}
