//! Files by their SHA-256, in a folder: received piece by piece, whole or not there at all.
//!
//! ```text
//!   blobs/partial/<sha256>       what has come of it so far; an upload goes on where it broke off
//!   blobs/<first two digits>/<sha256>     the whole file, read-only, never changed
//! ```
//!
//! A file moves from the first place to the second by one rename, after its digest was found right and its bytes were
//! flushed. So whatever has a name in the second place is whole, also after a power cut.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::model::hex;

/// The name of a file: 64 hex digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobName(String);

/// Why a text names no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a file is named by its SHA-256, 64 hex digits in lower case")]
pub struct NoBlobName;

/// Why a file was not received.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk.
    #[error("{doing} the file {name} in {folder}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// The file.
        name: String,
        /// The folder of all files.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The piece does not begin where the last one ended.
    #[error("{received} bytes have been received, so the next piece must begin there, not at {given}")]
    Offset {
        /// How much is there.
        received: u64,
        /// Where the piece begins.
        given: u64,
    },
    /// It would be larger than is allowed.
    #[error("the file would be larger than the {limit} bytes that are allowed")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// All of it came, and it is another file. What came was thrown away.
    #[error("what was received has the SHA-256 {found}: it was damaged on the way or is another file; send it again")]
    Digest {
        /// What its digest is.
        found: String,
    },
    /// Somebody else is sending the same file at this moment.
    #[error("this file is being received from somebody else at this moment")]
    Busy,
    /// It is not there, or not all of it.
    #[error("there is no file {name}, or not all of it yet")]
    Missing {
        /// Which.
        name: String,
    },
}

/// How much of a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Received {
    /// Bytes.
    pub received: u64,
    /// Whether that is all, and its digest right.
    pub complete: bool,
}

/// The folder. Cloning is cheap. All calls block on the disk.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: PathBuf,
    limit: u64,
    /// Files that are being received.
    busy: Arc<Mutex<HashSet<BlobName>>>,
}

impl BlobName {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// When it is anything but 64 hex digits in lower case.
    pub fn new(text: &str) -> Result<Self, NoBlobName> {
        hex::decode::<32>(text).map(|_| Self(text.to_owned())).ok_or(NoBlobName)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Blobs {
    /// The files in `folder`, which is made where it is not; none larger than `limit` bytes is received.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>, limit: u64) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(folder.join("partial"))?;
        Ok(Self { folder, limit, busy: Arc::default() })
    }

    /// Where the whole file lies, if it is there.
    pub fn path(&self, name: &BlobName) -> Option<PathBuf> {
        let path = self.whole(name);
        path.is_file().then_some(path)
    }

    /// How much of it is there.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn state(&self, name: &BlobName) -> Result<Received, BlobError> {
        if let Some(length) = self.length(&self.whole(name), name)? {
            return Ok(Received { received: length, complete: true });
        }
        let received = self.length(&self.partial(name), name)?.unwrap_or(0);
        Ok(Received { received, complete: false })
    }

    /// Begins to receive a piece of a file that begins at `offset`.
    ///
    /// # Errors
    /// When that is not where the last piece ended, or somebody else is sending the same file.
    pub fn receive(&self, name: &BlobName, offset: u64) -> Result<Piece, BlobError> {
        let turn = Turn::take(&self.busy, name)?;
        let state = self.state(name)?;
        if state.received != offset || state.complete {
            return Err(BlobError::Offset { received: state.received, given: offset });
        }
        let opened = OpenOptions::new().create(true).append(true).open(self.partial(name));
        let file = opened.map_err(|source| self.failed("opening", name, source))?;
        Ok(Piece { blobs: self.clone(), name: name.clone(), file, received: offset, _turn: turn })
    }

    /// Puts a small file there whole, under its digest; one that is there already stays.
    ///
    /// # Errors
    /// When it is too large or the disk fails.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobName, BlobError> {
        let name = BlobName(hex::encode(&Sha256::digest(bytes)));
        let known = self.state(&name)?;
        if known.complete {
            return Ok(name);
        }
        if known.received > 0 {
            // Of an attempt that was cut short.
            fs::remove_file(self.partial(&name)).map_err(|source| self.failed("throwing away", &name, source))?;
        }
        let mut piece = self.receive(&name, 0)?;
        piece.write(bytes)?;
        piece.finish()?;
        Ok(name)
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove(&self, name: &BlobName) -> Result<(), BlobError> {
        match fs::remove_file(self.whole(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("deleting", name, error)),
            _ => Ok(()),
        }
    }

    fn whole(&self, name: &BlobName) -> PathBuf {
        self.folder.join(&name.0[..2]).join(&name.0)
    }

    fn partial(&self, name: &BlobName) -> PathBuf {
        self.folder.join("partial").join(&name.0)
    }

    fn length(&self, path: &Path, name: &BlobName) -> Result<Option<u64>, BlobError> {
        match fs::metadata(path) {
            Ok(facts) => Ok(Some(facts.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("looking at", name, error)),
        }
    }

    fn failed(&self, doing: &'static str, name: &BlobName, source: io::Error) -> BlobError {
        BlobError::Disk { doing, name: name.0.clone(), folder: self.folder.clone(), source }
    }
}

/// A piece that is being received. Dropped, it keeps what has come.
#[derive(Debug)]
pub struct Piece {
    blobs: Blobs,
    name: BlobName,
    file: File,
    received: u64,
    _turn: Turn,
}

impl Piece {
    /// Takes some more of it.
    ///
    /// # Errors
    /// When it becomes too large or the disk fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let length = self.received + bytes.len() as u64;
        if length > self.blobs.limit {
            return Err(BlobError::TooLarge { limit: self.blobs.limit });
        }
        self.file.write_all(bytes).map_err(|source| self.blobs.failed("writing", &self.name, source))?;
        self.received = length;
        Ok(())
    }

    /// Ends the piece, after which more will come.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn pause(self) -> Result<Received, BlobError> {
        self.file.sync_all().map_err(|source| self.blobs.failed("flushing", &self.name, source))?;
        Ok(Received { received: self.received, complete: false })
    }

    /// Ends the file: holds its digest against its name and puts it where whole files are.
    ///
    /// # Errors
    /// When it is another file, which is then thrown away, or the disk fails.
    pub fn finish(self) -> Result<Received, BlobError> {
        let (blobs, name) = (&self.blobs, &self.name);
        let failed = |doing| move |source| blobs.failed(doing, name, source);
        let (partial, whole) = (blobs.partial(name), blobs.whole(name));
        self.file.sync_all().map_err(failed("flushing"))?;
        let found = digest(&partial).map_err(failed("reading back"))?;
        if found != name.0 {
            fs::remove_file(&partial).map_err(failed("throwing away"))?;
            return Err(BlobError::Digest { found });
        }
        self.file.set_permissions(Permissions::from_mode(0o444)).map_err(failed("closing"))?;
        let folder = whole.parent().unwrap_or(&blobs.folder);
        fs::create_dir_all(folder).map_err(failed("making the folder of"))?;
        fs::rename(&partial, &whole).map_err(failed("moving"))?;
        for folder in [folder, &blobs.folder] {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flushing the folder of"))?;
        }
        Ok(Received { received: self.received, complete: true })
    }
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// The right to receive one file, given back when dropped.
#[derive(Debug)]
struct Turn {
    busy: Arc<Mutex<HashSet<BlobName>>>,
    name: BlobName,
}

impl Turn {
    fn take(busy: &Arc<Mutex<HashSet<BlobName>>>, name: &BlobName) -> Result<Self, BlobError> {
        if busy.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            return Ok(Self { busy: busy.clone(), name: name.clone() });
        }
        Err(BlobError::Busy)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8]) -> BlobName {
        BlobName::new(&hex::encode(&Sha256::digest(bytes))).unwrap()
    }

    fn blobs(limit: u64) -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("blobs"), limit).unwrap();
        (folder, blobs)
    }

    #[test]
    fn a_file_comes_in_pieces_and_is_there_only_when_it_is_whole() {
        let (_folder, blobs) = blobs(100);
        let name = named(b"one two");
        let mut piece = blobs.receive(&name, 0).unwrap();
        assert!(matches!(blobs.receive(&name, 0), Err(BlobError::Busy)));
        piece.write(b"one ").unwrap();
        drop(piece);
        assert_eq!(blobs.state(&name).unwrap(), Received { received: 4, complete: false });
        assert_eq!(blobs.path(&name), None);
        assert!(matches!(blobs.receive(&name, 0), Err(BlobError::Offset { received: 4, given: 0 })));
        let mut piece = blobs.receive(&name, 4).unwrap();
        piece.write(b"two").unwrap();
        assert_eq!(piece.finish().unwrap(), Received { received: 7, complete: true });
        assert_eq!(fs::read(blobs.path(&name).unwrap()).unwrap(), b"one two");
        assert!(matches!(blobs.receive(&name, 7), Err(BlobError::Offset { .. })), "a whole file never changes");
        blobs.remove(&name).unwrap();
        assert_eq!(blobs.state(&name).unwrap(), Received { received: 0, complete: false });
    }

    #[test]
    fn another_file_is_thrown_away_and_a_large_one_is_not_received() {
        let (_folder, blobs) = blobs(10);
        let name = named(b"one two");
        let mut piece = blobs.receive(&name, 0).unwrap();
        piece.write(b"one 2").unwrap();
        let error = piece.finish().unwrap_err();
        assert!(matches!(&error, BlobError::Digest { found } if *found == named(b"one 2").0), "{error}");
        assert_eq!(blobs.state(&name).unwrap().received, 0);
        let mut piece = blobs.receive(&name, 0).unwrap();
        piece.write(b"123456").unwrap();
        assert!(matches!(piece.write(b"7890a"), Err(BlobError::TooLarge { limit: 10 })));
    }

    #[test]
    fn a_small_file_is_put_whole_whatever_an_earlier_attempt_left() {
        let (_folder, blobs) = blobs(10);
        let name = named(b"one two");
        blobs.receive(&name, 0).unwrap().write(b"o").unwrap();
        for _ in 0..2 {
            assert_eq!(blobs.put(b"one two").unwrap(), name);
            assert_eq!(fs::read(blobs.path(&name).unwrap()).unwrap(), b"one two");
        }
        assert!(matches!(blobs.put(b"12345678901"), Err(BlobError::TooLarge { limit: 10 })));
    }

    #[test]
    fn a_name_is_a_digest_and_nothing_else() {
        for text in ["", "../../etc/passwd", &"A".repeat(64), &"a".repeat(63), &"g".repeat(64)] {
            assert_eq!(BlobName::new(text), Err(NoBlobName), "{text}");
        }
    }
}
