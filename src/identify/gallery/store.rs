//! A gallery and its log on the disk: read, and changed by one at a time.
//!
//! A change is written in this order: the gallery, in one step, with the new lines of the log sealed inside; then the lines
//! themselves. A crash between the two leaves a log that lacks exactly these, which the next change appends. Whatever else
//! does not fit together was done by somebody: a gallery that is older than its log, or a log that lacks more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use super::audit::{self, Action, AuditError, Entry, Line};
use super::{FormatError, Gallery, Key, MOST_BYTES, sealed};
use crate::vocab::{Id, WallTime};

/// The largest log.
const MOST_LOG: u64 = 256 << 20;

/// A gallery's file and what opens it.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    key: Key,
}

/// What is done, for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Who does it.
    pub who: String,
    /// When.
    pub at: WallTime,
    /// What.
    pub action: Action,
    /// To whom.
    pub person: Option<Id>,
    /// In words.
    pub detail: String,
}

/// Why a gallery cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("there is no gallery {path}; `vedette gallery enrol` makes one")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no gallery, or the key does not open it.
    #[error("cannot open the gallery {path}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The log was changed.
    #[error("the audit log {path} is not whole")]
    Audit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: AuditError,
    },
    /// The gallery is older than its log says.
    #[error(
        "the gallery {path} is of revision {found}, its audit log knows {known}: an older copy was put in its place"
    )]
    RolledBack {
        /// The file.
        path: PathBuf,
        /// Its revision.
        found: u64,
        /// What the log says.
        known: u64,
    },
    /// The log lacks what the gallery says.
    #[error(
        "the audit log {path} lacks the change to revision {revision}: it was cut short, or belongs to another gallery"
    )]
    LogCut {
        /// The log.
        path: PathBuf,
        /// The gallery's revision.
        revision: u64,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Store {
    /// The gallery in the file `path`, which need not be there yet.
    pub fn new(path: &Path, key: Key) -> Self {
        Self { path: path.to_owned(), key }
    }

    /// The file of the log.
    pub fn log(&self) -> PathBuf {
        beside(&self.path, ".audit.jsonl")
    }

    /// Reads the gallery and holds it against its log.
    ///
    /// # Errors
    /// When there is none, it cannot be opened, or it does not fit its log.
    pub fn read(&self) -> Result<Gallery, StoreError> {
        let gallery = self.read_alone()?.ok_or_else(|| StoreError::Missing { path: self.path.clone() })?;
        self.whole(&gallery, &self.lines()?)?;
        Ok(gallery)
    }

    /// When its file was last changed; none where there is none.
    pub fn changed(&self) -> Option<std::time::SystemTime> {
        fs::metadata(&self.path).and_then(|about| about.modified()).ok()
    }

    /// The lines of the log.
    ///
    /// # Errors
    /// When it cannot be read or was changed.
    pub fn lines(&self) -> Result<Vec<Line>, StoreError> {
        let path = self.log();
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(MOST_LOG).read_to_string(&mut text)) {
            Ok(_) => audit::read(&text).map_err(|source| StoreError::Audit { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// Changes the gallery while nobody else does; one of `space` is made where there is none. What expired is forgotten on
    /// the way. Nothing is written where `act` fails.
    ///
    /// # Errors
    /// When it cannot be read or written, or `act` fails.
    pub fn change<E: From<StoreError>>(
        &self,
        space: &str,
        change: Change,
        act: impl FnOnce(&mut Gallery) -> Result<(), E>,
    ) -> Result<Gallery, E> {
        let _lock = self.lock()?;
        let mut gallery = match self.read_alone()? {
            Some(gallery) => gallery,
            // A log without a gallery tells of one that is gone.
            None => Gallery { revision: self.known_revision()?, ..Gallery::new(space) },
        };
        let mut lines = self.mended(&gallery)?;
        act(&mut gallery)?;
        gallery.revision += 1;
        let mut last = lines.last().map_or_else(String::new, |line| line.hash.clone());
        let known = lines.len();
        let expired = gallery.purge(change.at).into_iter().map(|id| Change {
            who: "vedette".to_owned(),
            action: Action::Expire,
            person: Some(id),
            detail: "the time had run out".to_owned(),
            ..change.clone()
        });
        for change in expired.collect::<Vec<_>>().into_iter().chain([change]) {
            let line = line_of(change, gallery.revision, last);
            last = line.hash.clone();
            lines.push(line);
        }
        gallery.last = lines.split_off(known);
        self.write(&gallery)?;
        self.append(&gallery.last)?;
        Ok(gallery)
    }

    /// Notes in the log what was done without a change.
    ///
    /// # Errors
    /// When the log cannot be read or written, or does not fit the gallery.
    pub fn note(&self, gallery: &Gallery, change: Change) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        let lines = self.mended(gallery)?;
        let last = lines.last().map_or_else(String::new, |line| line.hash.clone());
        self.append(&[line_of(change, gallery.revision, last)])
    }

    fn known_revision(&self) -> Result<u64, StoreError> {
        Ok(self.lines()?.iter().map(|line| line.entry.revision).max().unwrap_or(0))
    }

    fn read_alone(&self) -> Result<Option<Gallery>, StoreError> {
        let path = || self.path.clone();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path: path(), source }),
        };
        let mut bytes = Vec::new();
        let read = file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|source| StoreError::Read { path: path(), source })?;
        let gallery = sealed::open(&bytes, &self.key);
        gallery.map(Some).map_err(|source| StoreError::Format { path: path(), source })
    }

    /// Whether log and gallery fit together; the lines that the gallery has and the log lacks because of a crash.
    fn whole<'g>(&self, gallery: &'g Gallery, lines: &[Line]) -> Result<&'g [Line], StoreError> {
        let known = lines.iter().map(|line| line.entry.revision).max().unwrap_or(0);
        if known > gallery.revision {
            return Err(StoreError::RolledBack { path: self.path.clone(), found: gallery.revision, known });
        }
        let end = lines.last().map_or("", |line| line.hash.as_str());
        let own = &gallery.last;
        let is_there = own.last().is_none_or(|last| lines.iter().any(|line| line.hash == last.hash));
        if is_there {
            return Ok(&[]);
        }
        let from = own.iter().position(|line| line.entry.previous == end);
        from.map(|from| &own[from..]).ok_or_else(|| StoreError::LogCut { path: self.log(), revision: gallery.revision })
    }

    /// The lines of the log, once what a crash kept from being written is there.
    fn mended(&self, gallery: &Gallery) -> Result<Vec<Line>, StoreError> {
        let mut lines = self.lines()?;
        let missing = self.whole(gallery, &lines)?;
        self.append(missing)?;
        lines.extend_from_slice(missing);
        Ok(lines)
    }

    fn write(&self, gallery: &Gallery) -> Result<(), StoreError> {
        let mut nonce = [0; 12];
        SystemRandom::new().fill(&mut nonce).map_err(|_| StoreError::Random)?;
        let sealed = sealed::seal(gallery, &self.key, nonce);
        let sealed = sealed.map_err(|source| StoreError::Format { path: self.path.clone(), source })?;
        let new = beside(&self.path, ".new");
        let failed = |source| StoreError::Write { path: new.clone(), source };
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
        file.write_all(&sealed).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&new, &self.path).map_err(|source| StoreError::Write { path: self.path.clone(), source })?;
        sync_folder(&self.path);
        Ok(())
    }

    fn append(&self, lines: &[Line]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let path = self.log();
        let failed = |source| StoreError::Write { path: path.clone(), source };
        let text: String = lines.iter().map(Line::to_text).collect();
        let mut file =
            OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        // What a crash left of a line is taken away: it never counted.
        let mut before = String::new();
        file.read_to_string(&mut before).map_err(failed)?;
        let whole = before.rfind('\n').map_or(0, |end| end + 1);
        if whole < before.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Waits until nobody else changes it. Held until it is dropped.
    fn lock(&self) -> Result<File, StoreError> {
        let path = beside(&self.path, ".lock");
        let failed = |source| StoreError::Write { path: path.clone(), source };
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}

fn line_of(change: Change, revision: u64, previous: String) -> Line {
    let Change { who, at, action, person, detail } = change;
    Line::of(Entry { at: at.to_rfc3339(), who, action, person, detail, revision, previous })
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// So that the new name outlives a power cut. A file system that cannot is not a fault.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
