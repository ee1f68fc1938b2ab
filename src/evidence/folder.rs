//! The files: written so that a power cut leaves a whole file or none, and within a quota.
//!
//! A file is written under a name that begins with a dot, synchronised, renamed, and then the folder is synchronised. What
//! begins with a dot at the start was left by a crash and is deleted. Before a file is written, the oldest ones are deleted
//! until it fits the quota; those that are precious go last.
//!
//! Pictures and clips lie in one folder, each kind with a quota of its own, by the extension of their names.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::{ClipSettings, Settings};

/// File names are cut to this length, without their extension.
const LONGEST_NAME: usize = 120;
/// The extensions of pictures.
const PICTURES: &[&str] = &["jpg", "png"];
/// The extension of clips.
const CLIPS: &[&str] = &[CLIP];
const CLIP: &str = "mp4";

/// Why a file was not kept.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The folder cannot be created or read.
    #[error("cannot use the evidence folder {}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk or the user's quota on it is full.
    #[error("no room on the disk for {}", file.display())]
    Full {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be written for another reason.
    #[error("cannot write {}", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file alone is larger than the quota.
    #[error("{name} takes {bytes} bytes, but the quota for all evidence is {quota}")]
    TooLarge {
        /// Which.
        name: String,
        /// Its size.
        bytes: u64,
        /// The setting.
        quota: u64,
    },
}

impl EvidenceError {
    /// A short reason for an event's `missing`, such as `disk-full`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Full { .. } => "disk-full",
            Self::TooLarge { .. } => "over-quota",
            Self::Folder { .. } | Self::Write { .. } => "write-failed",
        }
    }
}

/// The folder that holds the files of all events.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    quota: u64,
    /// The extensions of its files, without the dot; drafts have the first.
    kinds: &'static [&'static str],
    /// The oldest first.
    files: VecDeque<Kept>,
    bytes: u64,
    shed: u64,
    /// What was deleted and not asked about yet.
    deleted: Vec<String>,
}

#[derive(Debug)]
struct Kept {
    name: String,
    bytes: u64,
    /// Whether it is deleted only after all that are not.
    precious: bool,
    since: SystemTime,
}

/// A file that is being written by somebody else, under a name that begins with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    name: String,
    hidden: PathBuf,
}

impl Draft {
    /// Where to write it.
    pub fn path(&self) -> &Path {
        &self.hidden
    }

    /// The name that it will have.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A file that is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Its name within the folder.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

impl Folder {
    /// Creates the folder if absent, clears what a crash left behind, and brings what is there within the quota.
    ///
    /// # Errors
    /// When the folder can be neither created nor read.
    pub fn open(settings: &Settings) -> Result<Self, EvidenceError> {
        Self::of_kind(&settings.folder, PICTURES, settings.quota_bytes, &|_| false)
    }

    /// The same for clips. `is_precious` says which of those that are there are deleted last.
    ///
    /// # Errors
    /// When the folder can be neither created nor read.
    pub fn open_clips(settings: &ClipSettings, is_precious: &dyn Fn(&str) -> bool) -> Result<Self, EvidenceError> {
        Self::of_kind(&settings.folder, CLIPS, settings.quota_bytes, is_precious)
    }

    fn of_kind(
        path: &Path,
        kinds: &'static [&'static str],
        quota: u64,
        is_precious: &dyn Fn(&str) -> bool,
    ) -> Result<Self, EvidenceError> {
        let path = path.to_owned();
        let fault = |source| EvidenceError::Folder { folder: path.clone(), source };
        fs::create_dir_all(&path).map_err(fault)?;
        let mut files: Vec<Kept> = Vec::new();
        for entry in fs::read_dir(&path).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let (Ok(name), Ok(facts)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
            if !facts.is_file() {
                continue;
            }
            if name.starts_with('.') && kinds.iter().any(|kind| name.ends_with(&format!(".{kind}.tmp"))) {
                // Deleting it again is tried at the next start.
                let _ = fs::remove_file(entry.path());
            } else if kinds.iter().any(|kind| name.ends_with(&format!(".{kind}"))) {
                let since = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push(Kept { precious: is_precious(&name), name, bytes: facts.len(), since });
            }
        }
        files.sort_by(|a, b| (a.since, &a.name).cmp(&(b.since, &b.name)));
        let bytes = files.iter().map(|file| file.bytes).sum();
        let (files, deleted) = (files.into(), Vec::new());
        let mut folder = Self { path, quota, kinds, files, bytes, shed: 0, deleted };
        folder.make_room(0);
        Ok(folder)
    }

    /// A file to be written under a name made of `name`, and taken in with [`Folder::adopt`].
    pub fn draft(&self, name: &str) -> Draft {
        let name = file_name(name, self.kinds.first().copied().unwrap_or_default());
        Draft { hidden: self.hidden(&name), name }
    }

    /// Keeps what was written as a draft: whole on the disk, then under its name.
    ///
    /// # Errors
    /// As [`Folder::save`]; the draft is then deleted.
    pub fn adopt(&mut self, draft: &Draft, precious: bool) -> Result<Saved, EvidenceError> {
        let kept = self.try_adopt(draft, precious);
        if kept.is_err() {
            self.discard(draft);
            self.shed += 1;
        }
        kept
    }

    /// Throws a draft away.
    pub fn discard(&self, draft: &Draft) {
        // It may not have been begun; if it cannot be deleted, the next start tries again.
        let _ = fs::remove_file(&draft.hidden);
    }

    /// What is there under this name, as it lies on the disk; `None` where there is nothing that can be read.
    pub fn look(&self, name: &str) -> Option<Saved> {
        let (bytes, sha256) = digest(&self.path.join(name)).ok()?;
        Some(Saved { name: name.to_owned(), bytes, sha256 })
    }

    /// Whether a file of this name is there.
    pub fn holds(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Deletes what is older than `limit` at `now`, precious or not.
    pub fn expire(&mut self, limit: Duration, now: SystemTime) {
        while self.files.front().is_some_and(|file| now.duration_since(file.since).is_ok_and(|age| age > limit)) {
            self.delete(0);
        }
    }

    /// The names of what was deleted since the last call, for the quota or its age.
    pub fn take_deleted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.deleted)
    }

    fn hidden(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}.tmp"))
    }

    fn try_adopt(&mut self, draft: &Draft, precious: bool) -> Result<Saved, EvidenceError> {
        let Draft { name, hidden } = draft;
        let file = self.path.join(name);
        let fault = |source| fault_at(&file, source);
        File::open(hidden).and_then(|file| file.sync_all()).map_err(fault)?;
        let (bytes, sha256) = digest(hidden).map_err(fault)?;
        if bytes > self.quota {
            return Err(EvidenceError::TooLarge { name: name.clone(), bytes, quota: self.quota });
        }
        self.make_room(bytes);
        rename(hidden, &file, &self.path).map_err(fault)?;
        self.bytes += bytes;
        let since = modified(&file);
        self.files.push_back(Kept { name: name.clone(), bytes, precious, since });
        Ok(Saved { name: name.clone(), bytes, sha256 })
    }

    /// Keeps `jpeg` under a name made of `name`, in place of an earlier one of that name, and returns the file name.
    ///
    /// # Errors
    /// When it does not fit the quota or the disk, or cannot be written. The picture is then counted as shed, an earlier
    /// one of that name is still there, and the next call may succeed.
    pub fn save(&mut self, name: &str, jpeg: &[u8]) -> Result<String, EvidenceError> {
        self.save_as(file_name(name, "jpg"), jpeg)
    }

    /// Keeps a picture in PNG likewise.
    ///
    /// # Errors
    /// As [`save`](Self::save) does.
    pub fn save_png(&mut self, name: &str, png: &[u8]) -> Result<String, EvidenceError> {
        self.save_as(file_name(name, "png"), png)
    }

    fn save_as(&mut self, name: String, bytes: &[u8]) -> Result<String, EvidenceError> {
        let kept = self.try_save(&name, bytes);
        if kept.is_err() {
            self.shed += 1;
        }
        kept.map(|()| name)
    }

    /// How many files could not be kept.
    pub fn shed(&self) -> u64 {
        self.shed
    }

    /// How much all files take, bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn try_save(&mut self, name: &str, jpeg: &[u8]) -> Result<(), EvidenceError> {
        let size = jpeg.len() as u64;
        if size > self.quota {
            return Err(EvidenceError::TooLarge { name: name.to_owned(), bytes: size, quota: self.quota });
        }
        // One that will be replaced is the last to be deleted, so that it is still there if the new one fails.
        let replaced = self.files.iter().position(|old| old.name == name).and_then(|at| self.files.remove(at));
        let old_size = replaced.as_ref().map_or(0, |old| old.bytes);
        self.files.extend(replaced);
        self.make_room(size.saturating_sub(old_size));
        let (hidden, file) = (self.hidden(name), self.path.join(name));
        let written = write(&hidden, &file, &self.path, jpeg);
        if let Err(source) = written {
            // If it cannot be deleted either, the next start tries again.
            let _ = fs::remove_file(&hidden);
            return Err(fault_at(&file, source));
        }
        let since = modified(&file);
        self.files.pop_back_if(|old| old.name == name);
        self.bytes -= old_size;
        self.files.push_back(Kept { name: name.to_owned(), bytes: size, precious: false, since });
        self.bytes += size;
        Ok(())
    }

    /// Deletes the oldest files until `more` bytes fit: first those that are not precious, then the others.
    fn make_room(&mut self, more: u64) {
        while self.bytes + more > self.quota && !self.files.is_empty() {
            self.delete(self.files.iter().position(|file| !file.precious).unwrap_or(0));
        }
    }

    /// Deletes a file. One that cannot be deleted is no longer counted: it would otherwise stand in the way of all others
    /// for ever.
    fn delete(&mut self, index: usize) {
        let Some(Kept { name, bytes, .. }) = self.files.remove(index) else { return };
        self.bytes -= bytes;
        match fs::remove_file(self.path.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = name, %error, "cannot delete an old file of evidence");
            }
            _ => {}
        }
        self.deleted.push(name);
    }
}

fn fault_at(file: &Path, source: io::Error) -> EvidenceError {
    let file = file.to_owned();
    let full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if full { EvidenceError::Full { file, source } } else { EvidenceError::Write { file, source } }
}

/// When a file was written, by the clock of its disk.
fn modified(file: &Path) -> SystemTime {
    fs::metadata(file).and_then(|facts| facts.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The length of a file, and the SHA-256 of its bytes in hex.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                hash.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
    Ok((length, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn write(hidden: &Path, file: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).open(hidden)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    drop(out);
    rename(hidden, file, folder)
}

fn rename(hidden: &Path, file: &Path, folder: &Path) -> io::Result<()> {
    fs::rename(hidden, file)?;
    File::open(folder)?.sync_all()
}

/// The name of the file of a clip that is called so.
pub fn clip_name(name: &str) -> String {
    file_name(name, CLIP)
}

/// A name that cannot leave the folder: `a-z`, `0-9` and `-` stay; where anything else had to go, a digest of the whole
/// keeps two names apart.
fn file_name(name: &str, kind: &str) -> String {
    let safe = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let clean: String = name.chars().map(safe).take(LONGEST_NAME).collect();
    if clean == name && !name.is_empty() {
        return format!("{clean}.{kind}");
    }
    // FNV-1a: not against malice, which has no say in names, but against chance.
    let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{clean}-{digest:016x}.{kind}")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn settings(folder: &Path, quota_bytes: u64) -> Settings {
        Settings { folder: folder.to_owned(), quota_bytes, ..Settings::default() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_files_make_room_for_new_ones() {
        let temp = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(&settings(temp.path(), 250)).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(folder.save(name, &[7; 100]).unwrap(), format!("{name}.jpg"));
        }
        assert_eq!(names(temp.path()), ["b.jpg", "c.jpg"]);
        folder.save("b", &[8; 120]).unwrap();
        assert_eq!(
            fs::read(temp.path().join("b.jpg")).unwrap(),
            [8; 120],
            "a better picture takes the place of the first"
        );
        assert_eq!(names(temp.path()), ["b.jpg", "c.jpg"], "which needs no more room than it had");
        assert_eq!((folder.bytes(), folder.count()), (220, 2));
    }

    #[test]
    fn what_is_there_at_the_start_counts_and_what_a_crash_left_is_cleared() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("new.jpg"), [0; 100]).unwrap();
        fs::write(temp.path().join("old.jpg"), [0; 100]).unwrap();
        let old = File::options().write(true).open(temp.path().join("old.jpg")).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::write(temp.path().join(".half.jpg.tmp"), [0; 10]).unwrap();
        fs::write(temp.path().join("notes.txt"), [0; 900]).unwrap();
        let folder = Folder::open(&settings(temp.path(), 150)).unwrap();
        assert_eq!(folder.bytes(), 100);
        assert_eq!(names(temp.path()), ["new.jpg", "notes.txt"]);
    }

    #[test]
    fn a_picture_beyond_the_whole_quota_is_refused_and_nothing_is_deleted_for_it() {
        let temp = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(&settings(temp.path(), 100)).unwrap();
        folder.save("a", &[0; 60]).unwrap();
        let error = folder.save("b", &[0; 101]).unwrap_err();
        assert_eq!(error.reason(), "over-quota");
        assert_eq!((folder.shed(), folder.count()), (1, 1));
    }

    #[test]
    fn a_folder_that_vanishes_is_an_error_and_not_the_end() {
        let temp = tempfile::tempdir().unwrap();
        let inner = temp.path().join("inner");
        let mut folder = Folder::open(&settings(&inner, 1000)).unwrap();
        fs::remove_dir_all(&inner).unwrap();
        let error = folder.save("a", &[0; 10]).unwrap_err();
        assert_eq!((error.reason(), folder.shed()), ("write-failed", 1));
        fs::create_dir(&inner).unwrap();
        folder.save("a", &[0; 10]).unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Folder::open(&settings(&file, 1)), Err(EvidenceError::Folder { .. })));
    }

    /// A file system of 64 KiB, unmounted at the end.
    struct TinyDisk(tempfile::TempDir);

    impl TinyDisk {
        fn mount() -> Option<Self> {
            let temp = tempfile::tempdir().unwrap();
            let mounted =
                Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(temp.path()).output();
            mounted.is_ok_and(|output| output.status.success()).then(|| Self(temp))
        }
    }

    impl Drop for TinyDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0.path()).output();
        }
    }

    fn clips(folder: &Path, quota_bytes: u64) -> ClipSettings {
        ClipSettings { folder: folder.to_owned(), quota_bytes, ..ClipSettings::default() }
    }

    fn adopt(folder: &mut Folder, name: &str, bytes: &[u8], precious: bool) -> Result<Saved, EvidenceError> {
        let draft = folder.draft(name);
        fs::write(draft.path(), bytes).unwrap();
        folder.adopt(&draft, precious)
    }

    #[test]
    fn a_draft_becomes_a_file_with_its_digest() {
        let temp = tempfile::tempdir().unwrap();
        let mut folder = Folder::open_clips(&clips(temp.path(), 100), &|_| false).unwrap();
        let saved = adopt(&mut folder, "gate-door-1-1", b"abc", true).unwrap();
        // The digest of "abc" out of FIPS 180-2.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(saved, Saved { name: "gate-door-1-1.mp4".into(), bytes: 3, sha256: sha256.into() });
        assert_eq!(folder.look("gate-door-1-1.mp4"), Some(saved));
        assert_eq!((names(temp.path()), folder.look("other.mp4")), (vec!["gate-door-1-1.mp4".to_owned()], None));
        let error = adopt(&mut folder, "large", &[0; 101], true).unwrap_err();
        assert_eq!((error.reason(), names(temp.path()).len()), ("over-quota", 1), "the draft is gone");
        assert_eq!(folder.adopt(&folder.draft("never"), true).unwrap_err().reason(), "write-failed");
    }

    #[test]
    fn precious_files_make_room_last_and_pictures_have_a_quota_of_their_own() {
        let temp = tempfile::tempdir().unwrap();
        let mut pictures = Folder::open(&settings(temp.path(), 100)).unwrap();
        pictures.save("picture", &[0; 100]).unwrap();
        let mut folder = Folder::open_clips(&clips(temp.path(), 250), &|_| false).unwrap();
        for (name, precious) in [("alert-1", true), ("event-1", false), ("alert-2", true), ("event-2", false)] {
            adopt(&mut folder, name, &[0; 100], precious).unwrap();
        }
        assert_eq!(folder.take_deleted(), ["event-1.mp4", "alert-1.mp4"], "the event before the older alert");
        let mut again = Folder::open_clips(&clips(temp.path(), 250), &|name| name.starts_with("alert")).unwrap();
        adopt(&mut again, "event-3", &[0; 100], false).unwrap();
        assert_eq!(again.take_deleted(), ["event-2.mp4"]);
        assert_eq!(names(temp.path()), ["alert-2.mp4", "event-3.mp4", "picture.jpg"]);
    }

    #[test]
    fn what_is_too_old_goes_whatever_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let mut folder = Folder::open_clips(&clips(temp.path(), 1000), &|_| false).unwrap();
        adopt(&mut folder, "a", &[0; 10], true).unwrap();
        let day = Duration::from_secs(24 * 3600);
        let now = modified(&temp.path().join("a.mp4"));
        folder.expire(day, now);
        assert_eq!(folder.count(), 1);
        folder.expire(day, now + 2 * day);
        assert_eq!((folder.count(), folder.bytes(), folder.take_deleted()), (0, 0, vec!["a.mp4".to_owned()]));
    }

    #[test]
    fn a_full_disk_is_a_typed_error_that_is_counted_and_leaves_no_half_file() {
        let Some(disk) = TinyDisk::mount() else {
            println!("SKIPPED a_full_disk_…: mounting a tmpfs needs root");
            return;
        };
        let mut folder = Folder::open(&settings(disk.0.path(), 1 << 30)).unwrap();
        folder.save("first", &[1; 40_000]).unwrap();
        let error = folder.save("second", &[2; 40_000]).unwrap_err();
        assert!(matches!(error, EvidenceError::Full { .. }), "{error:?}");
        assert_eq!((error.reason(), folder.shed()), ("disk-full", 1));
        let error = folder.save("first", &[3; 40_000]).unwrap_err();
        assert_eq!(error.reason(), "disk-full");
        assert_eq!(fs::read(disk.0.path().join("first.jpg")).unwrap(), [1; 40_000], "the earlier one is still whole");
        assert_eq!(names(disk.0.path()), ["first.jpg"]);
        folder.save("third", &[4; 4_000]).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_quota_holds_and_the_books_are_right(
            quota in 1u64..2_000, saves in prop::collection::vec(("[a-d]{1,2}", 0usize..900), 1..24), reopen in 0usize..24,
        ) {
            let temp = tempfile::tempdir().unwrap();
            let mut folder = Folder::open(&settings(temp.path(), quota)).unwrap();
            for (i, (name, size)) in saves.iter().enumerate() {
                if i == reopen {
                    folder = Folder::open(&settings(temp.path(), quota)).unwrap();
                }
                let saved = folder.save(name, &vec![0; *size]);
                prop_assert_eq!(saved.is_ok(), *size as u64 <= quota);
                let there: u64 = names(temp.path()).iter().map(|n| fs::metadata(temp.path().join(n)).unwrap().len()).sum();
                prop_assert!(there <= quota);
                prop_assert_eq!(there, folder.bytes());
                prop_assert_eq!(names(temp.path()).len(), folder.count());
            }
        }

        #[test]
        fn no_name_leaves_the_folder_and_two_names_never_meet(a in any::<String>(), b in any::<String>()) {
            for name in [file_name(&a, "jpg"), file_name(&b, "jpg")] {
                prop_assert!(!name.contains(['/', '\\', '\0']) && !name.starts_with('.') && name.len() < 200, "{name}");
            }
            prop_assert_eq!(a == b, file_name(&a, "jpg") == file_name(&b, "jpg"));
        }
    }
}
