//! Files on their way in: received piece by piece into a folder of this machine, and let out whole and checked.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::error::BlobError;
use super::name::BlobName;

/// The folder of what has come so far of each file. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    folder: PathBuf,
    limit: u64,
    /// Files that are being received.
    busy: Arc<Mutex<HashSet<BlobName>>>,
}

impl Incoming {
    /// What comes in through `folder`, which is made where it is not; no file may be larger than `limit` bytes.
    pub(super) fn open(folder: PathBuf, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, limit, busy: Arc::default() })
    }

    /// How much of a file has come, in bytes.
    pub(super) fn received(&self, name: &BlobName) -> Result<u64, BlobError> {
        match fs::metadata(self.path(name)) {
            Ok(facts) => Ok(facts.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.failed("looking at", name, error)),
        }
    }

    /// The right to receive a file, as long as it is held.
    pub(super) fn turn(&self, name: &BlobName) -> Result<Turn, BlobError> {
        if self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            return Ok(Turn { busy: self.busy.clone(), name: name.clone() });
        }
        Err(BlobError::Busy)
    }

    /// Begins to receive a piece that begins at `offset`.
    pub(super) fn receive(&self, turn: Turn, offset: u64) -> Result<Arriving, BlobError> {
        let name = turn.name.clone();
        let received = self.received(&name)?;
        if received != offset {
            return Err(BlobError::Offset { received, given: offset });
        }
        let opened = OpenOptions::new().create(true).append(true).open(self.path(&name));
        let file = opened.map_err(|source| self.failed("opening", &name, source))?;
        if received == 0 {
            // The piece is durable only with the name under which it is found again.
            let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| self.failed("flushing the folder of", &name, source))?;
        }
        Ok(Arriving { incoming: self.clone(), name, file, received, turn })
    }

    /// Throws away what has come of a file.
    pub(super) fn forget(&self, name: &BlobName) -> Result<(), BlobError> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("throwing away", name, error)),
            _ => Ok(()),
        }
    }

    /// Throws away what nobody has gone on with since `before_ns`, nanoseconds since 1970. Returns how many files that
    /// were.
    pub(super) fn forget_before(&self, before_ns: i64) -> Result<usize, BlobError> {
        let failed = |source| BlobError::Folder { doing: "looking through", folder: self.folder.clone(), source };
        let mut many = 0;
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(name) = entry.file_name().to_str().and_then(|text| BlobName::new(text).ok()) else { continue };
            // Somebody goes on with it at this moment.
            let Ok(_turn) = self.turn(&name) else { continue };
            let modified = entry.metadata().and_then(|facts| facts.modified()).map_err(failed)?;
            let modified = modified.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            if modified.as_nanos() < u128::try_from(before_ns).unwrap_or(0) {
                self.forget(&name)?;
                many += 1;
            }
        }
        Ok(many)
    }

    fn path(&self, name: &BlobName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    fn failed(&self, doing: &'static str, name: &BlobName, source: io::Error) -> BlobError {
        BlobError::Disk { doing, name: name.as_str().to_owned(), folder: self.folder.clone(), source }
    }
}

/// A file of which a piece is being received. Dropped, it keeps what has come.
#[derive(Debug)]
pub(super) struct Arriving {
    incoming: Incoming,
    name: BlobName,
    file: File,
    received: u64,
    turn: Turn,
}

impl Arriving {
    /// Takes some more of it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let length = self.received + bytes.len() as u64;
        if length > self.incoming.limit {
            return Err(BlobError::TooLarge { limit: self.incoming.limit });
        }
        self.file.write_all(bytes).map_err(|source| self.incoming.failed("writing", &self.name, source))?;
        self.received = length;
        Ok(())
    }

    /// Ends the piece, after which more will come. Returns how much is there.
    pub(super) fn pause(self) -> Result<u64, BlobError> {
        self.file.sync_all().map_err(|source| self.incoming.failed("flushing", &self.name, source))?;
        Ok(self.received)
    }

    /// Ends the file and holds its digest against its name. Another file is thrown away.
    pub(super) fn check(self) -> Result<Arrived, BlobError> {
        let (incoming, name) = (&self.incoming, &self.name);
        let failed = |doing| move |source| incoming.failed(doing, name, source);
        let path = self.incoming.path(&self.name);
        self.file.sync_all().map_err(failed("flushing"))?;
        let found = digest(&path).map_err(failed("reading back"))?;
        if found != self.name {
            self.incoming.forget(&self.name)?;
            return Err(BlobError::Digest { found: found.as_str().to_owned() });
        }
        Ok(Arrived { path, length: self.received, name: self.name, _turn: self.turn })
    }
}

/// A file that has come whole and lies, flushed, where it was received. Whoever has it takes it from there; until then
/// nobody else receives it.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Where.
    pub(super) path: PathBuf,
    /// Its size in bytes.
    pub(super) length: u64,
    /// What it is.
    pub(super) name: BlobName,
    _turn: Turn,
}

fn digest(path: &Path) -> io::Result<BlobName> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(BlobName::hashed(hash)),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// The right to receive one file, given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    busy: Arc<Mutex<HashSet<BlobName>>>,
    name: BlobName,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
