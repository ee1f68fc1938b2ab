//! A gallery and its log on the disk: read, and changed by one at a time.
//!
//! A change is written in this order: the gallery, in one step, with the new lines of the log sealed inside; then the lines
//! themselves. A crash between the two leaves a log that lacks exactly these, which the next change appends. Whatever else
//! does not fit together was done by somebody: a gallery that is older than its log, or a log that lacks more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use super::audit::{self, Action, AuditError, Entry, Line};
use super::{FormatError, Gallery, Head, Key, MOST_BYTES, sealed};
use crate::vocab::{Id, WallTime};

/// The largest log.
const MOST_LOG: u64 = 256 << 20;

/// A gallery's file and what opens it.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    key: Key,
    /// Whether it is kept elsewhere: its log is there too, and the one here tells only what came.
    is_received: bool,
}

/// What is known of a gallery that is kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The highest revision that was ever here, by the log and the file; none where there never was one.
    pub highest: Option<u64>,
    /// The revision of the file; none where there is none, or the key does not open it.
    pub has: Option<u64>,
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
        "the audit log {path} lacks the change to revision {revision}: it was cut short, or belongs to another gallery, \
         as where this one came from the hub (`--from-hub`)"
    )]
    LogCut {
        /// The log.
        path: PathBuf,
        /// The gallery's revision.
        revision: u64,
    },
    /// It is kept elsewhere.
    #[error("the gallery {path} came from the hub: change it where it is kept, and publish it from there")]
    Received {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// What the gallery in the file `path` says of itself, and how many bytes it has. Nothing vouches for it.
///
/// # Errors
/// When it cannot be read or is no gallery.
pub fn look(path: &Path) -> Result<(Head, u64), StoreError> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut start = Vec::new();
    file.take(sealed::LONGEST_START).read_to_end(&mut start).map_err(failed)?;
    let head = sealed::outline(&start, size);
    head.map(|head| (head, size)).map_err(|source| StoreError::Format { path: path.to_owned(), source })
}

impl Store {
    /// The gallery in the file `path`, which need not be there yet.
    pub fn new(path: &Path, key: Key) -> Self {
        Self { path: path.to_owned(), key, is_received: false }
    }

    /// The same for one that is kept elsewhere and comes whole: it is not changed here, and its log is not here.
    pub fn received(self) -> Self {
        Self { is_received: true, ..self }
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
        if self.is_received {
            return Err(StoreError::Received { path: self.path.clone() }.into());
        }
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

    /// What is known of a gallery that is kept elsewhere.
    ///
    /// # Errors
    /// When the log cannot be read or was changed. A gallery that does not open is no error: a new one may.
    pub fn known(&self) -> Result<Known, StoreError> {
        let logged = self.lines()?.iter().map(|line| line.entry.revision).max();
        let has = self.read_alone().ok().flatten().map(|gallery| gallery.revision);
        Ok(Known { highest: logged.max(has), has })
    }

    /// Puts the sealed gallery in `file`, which lies in the same folder, in the place of this one, in one step, and notes
    /// it in the log; nothing is changed where `judge` has something against it.
    ///
    /// # Errors
    /// When it does not open, `judge` refuses it, or a file cannot be read or written.
    pub fn receive<E: From<StoreError>>(
        &self,
        file: &Path,
        (who, at): (&str, WallTime),
        judge: impl FnOnce(&Gallery, Known) -> Result<(), E>,
    ) -> Result<Gallery, E> {
        let _lock = self.lock()?;
        let gallery = read_sealed(file, &self.key)?.ok_or_else(|| StoreError::Missing { path: file.to_owned() })?;
        judge(&gallery, self.known()?)?;
        let failed = |source| StoreError::Write { path: self.path.clone(), source };
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(file, &self.path).map_err(failed)?;
        sync_folder(&self.path);
        let previous = self.lines()?.last().map_or_else(String::new, |line| line.hash.clone());
        let detail = format!("people: {}", gallery.people.len());
        let change = Change { who: who.to_owned(), at, action: Action::Receive, person: None, detail };
        self.append(&[line_of(change, gallery.revision, previous)])?;
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
        read_sealed(&self.path, &self.key)
    }

    /// Whether log and gallery fit together; the lines that the gallery has and the log lacks because of a crash.
    fn whole<'g>(&self, gallery: &'g Gallery, lines: &[Line]) -> Result<&'g [Line], StoreError> {
        let known = lines.iter().map(|line| line.entry.revision).max().unwrap_or(0);
        if known > gallery.revision {
            return Err(StoreError::RolledBack { path: self.path.clone(), found: gallery.revision, known });
        }
        if self.is_received {
            return Ok(&[]);
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

/// Reads and opens a file; none where there is none.
fn read_sealed(path: &Path, key: &Key) -> Result<Option<Gallery>, StoreError> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let gallery = sealed::open(&bytes, key);
    gallery.map(Some).map_err(|source| StoreError::Format { path: path.to_owned(), source })
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
