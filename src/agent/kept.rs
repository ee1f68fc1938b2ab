//! What must outlive a restart: the counts of lines, maps of this hour, which track numbers were used, and what lies retained at the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::behaviour;
use crate::detect::{Accepted, PackageFacts};
use crate::spool::Spool;
use crate::vocab::{Id, TrackId};

/// How many track numbers are set aside at once, so that none is used again after a crash.
const TRACKS_AHEAD: TrackId = 1000;

/// The small state beside the spool's records.
pub struct Kept {
    spool: Arc<dyn Spool>,
    /// The track numbers set aside, by camera.
    set_aside: BTreeMap<Id, TrackId>,
    /// The counts as they are on the disk, as far as this run has written them.
    counts: BTreeMap<Id, Vec<u8>>,
}

/// Where the packages lie that were accepted.
const PACKAGES_KEY: &str = "packages";
/// Where the topics lie on which states are retained.
const RETAINED_KEY: &str = "retained";

impl Kept {
    /// Keeps in `spool`.
    pub fn new(spool: Arc<dyn Spool>) -> Self {
        Self { spool, set_aside: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// The counts that the last run left.
    pub fn counts(&self, camera: &Id) -> Option<behaviour::Counts> {
        serde_json::from_slice(&self.spool.get_state(&counts_key(camera))?).ok()
    }

    /// Keeps counts, as they were serialised. Whoever only comes and goes changes what is told and not what is kept, and
    /// each writing wears the disk.
    pub fn keep_counts(&mut self, camera: &Id, counts: &[u8]) {
        if self.counts.get(camera).is_none_or(|known| known != counts) {
            self.spool.put_state(&counts_key(camera), counts);
            self.counts.insert(camera.clone(), counts.to_owned());
        }
    }

    /// The map that the last run left.
    pub fn heat(&self, camera: &Id) -> Option<behaviour::SavedHeat> {
        serde_json::from_slice(&self.spool.get_state(&heat_key(camera))?).ok()
    }

    /// Keeps what a map has come to.
    pub fn keep_heat(&self, camera: &Id, heat: &behaviour::SavedHeat) {
        self.spool.put_state(&heat_key(camera), &serde_json::to_vec(heat).unwrap_or_default());
    }

    /// Notes the topics on which states are retained from now on. Returns those on which this run or one before it
    /// retained something that is no longer true of anything.
    pub fn retain(&self, topics: &BTreeSet<String>) -> Vec<String> {
        let saved = self.spool.get_state(RETAINED_KEY).unwrap_or_default();
        let before: BTreeSet<String> = serde_json::from_slice(&saved).unwrap_or_default();
        if before != *topics {
            self.spool.put_state(RETAINED_KEY, &serde_json::to_vec(topics).unwrap_or_default());
        }
        before.difference(topics).cloned().collect()
    }

    /// The model packages that were accepted, by the names of their models.
    pub fn packages(&self) -> BTreeMap<String, Accepted> {
        let saved = self.spool.get_state(PACKAGES_KEY).unwrap_or_default();
        serde_json::from_slice(&saved).unwrap_or_default()
    }

    /// Notes a package that runs: it may go on when it has expired, and where its maker is known no older security version
    /// is accepted after it. Of one that anybody may have made, the version means nothing.
    pub fn accept(&self, package: &PackageFacts) {
        let mut packages = self.packages();
        let before = packages.get(&package.name);
        let highest = before.map_or(0, |before| before.security_version);
        let own = if package.is_trusted { package.security_version } else { 0 };
        let kept = Accepted { digest: package.digest.clone(), security_version: highest.max(own) };
        if before != Some(&kept) {
            packages.insert(package.name.clone(), kept);
            self.spool.put_state(PACKAGES_KEY, &serde_json::to_vec(&packages).unwrap_or_default());
        }
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

fn heat_key(camera: &Id) -> String {
    format!("heat/{camera}")
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

    #[test]
    fn what_was_retained_of_a_removed_camera_is_found_by_the_next_run() {
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), SimulatedClock::at(0)));
        let topics = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        assert!(Kept::new(spool.clone()).retain(&topics(&["door", "yard"])).is_empty());
        let next = Kept::new(spool);
        assert_eq!(next.retain(&topics(&["door", "gate"])), ["yard"]);
        assert!(next.retain(&topics(&["door", "gate"])).is_empty());
    }

    #[test]
    fn the_security_version_of_a_trusted_package_is_never_forgotten() {
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), SimulatedClock::at(0)));
        let package = |digest: &str, security_version, is_trusted| PackageFacts {
            name: "people".into(),
            version: "1.0.0".parse().unwrap(),
            security_version,
            digest: digest.into(),
            signers: Vec::new(),
            is_trusted,
            is_expired: false,
            thresholds: crate::detect::Thresholds::default(),
        };
        let kept = Kept::new(spool.clone());
        kept.accept(&package("a", 3, true));
        kept.accept(&package("b", 99, false));
        kept.accept(&package("c", 2, true));
        let expected = Accepted { digest: "c".into(), security_version: 3 };
        assert_eq!(Kept::new(spool).packages()["people"], expected);
    }

    #[test]
    fn counts_are_written_only_when_they_changed() {
        let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&Settings::default(), SimulatedClock::at(0)));
        let door = Id::new("door").unwrap();
        let mut kept = Kept::new(spool.clone());
        kept.keep_counts(&door, b"1");
        spool.put_state(&counts_key(&door), b"untouched");
        kept.keep_counts(&door, b"1");
        assert_eq!(spool.get_state(&counts_key(&door)).unwrap(), b"untouched");
        kept.keep_counts(&door, b"2");
        assert_eq!(spool.get_state(&counts_key(&door)).unwrap(), b"2");
    }
}
