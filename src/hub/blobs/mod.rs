//! Files by their SHA-256, in a folder or in a bucket of S3: received piece by piece, whole or not there at all.
//!
//! ```text
//!   pieces ──▶ incoming ── digest right ──▶ folder                      path, ranges
//!              partial/<sha256>        └──▶ bucket ──▶ cache ──▶ path
//!                                              └─────────────▶ ranges, straight through
//! ```
//!
//! A file is received into `partial` of a folder of this machine, wherever it goes then; an upload goes on where it broke
//! off. The folder takes it in by one rename. The bucket is sent it, and it stays here as a copy, from which it is opened;
//! other hubs on the bucket make their copies when they need them.
//!
//! The folder is our own and not `object_store`'s: that one neither flushes what it renames nor makes it read-only.

mod bucket;
mod cache;
mod error;
mod folder;
mod incoming;
mod name;
mod settings;

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Handle;

use bucket::Bucket;
use cache::Cache;
use folder::Folder;
use incoming::{Arrived, Arriving, Incoming};

pub use bucket::{BucketError, Fault};
pub use cache::LocalFile;
pub use error::BlobError;
pub use name::{BlobName, NoBlobName};
pub use settings::{S3, Settings};

/// How much of a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Received {
    /// Bytes.
    pub received: u64,
    /// Whether that is all, and its digest right.
    pub complete: bool,
}

/// The files. Cloning is cheap. All calls block on the disk or the network, and must not be made where a task of the runtime
/// is run.
#[derive(Debug, Clone)]
pub struct Blobs {
    incoming: Incoming,
    store: Store,
}

/// Where whole files lie.
#[derive(Debug, Clone)]
enum Store {
    Folder(Folder),
    Bucket {
        bucket: Bucket,
        cache: Cache,
        /// What makes the requests.
        runtime: Handle,
    },
}

/// Why the files cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder of this machine cannot be made or read.
    #[error("making {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bucket cannot be used.
    #[error("trying out where packages are to lie")]
    Bucket(#[from] BucketError),
}

/// Where a file is to be read.
#[derive(Debug)]
pub enum Source {
    /// Here.
    File(LocalFile),
    /// In the bucket.
    Remote(Remote),
}

/// A file in the bucket.
#[derive(Debug)]
pub struct Remote {
    bucket: Bucket,
    name: BlobName,
    length: u64,
}

impl Blobs {
    /// The files in `folder`, which is made where it is not; none larger than `limit` bytes is received.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>, limit: u64) -> io::Result<Self> {
        let folder = folder.into();
        let incoming = Incoming::open(folder.join("partial"), limit)?;
        Ok(Self { incoming, store: Store::Folder(Folder::new(folder)) })
    }

    /// The files in a bucket, which is tried out; `folder` holds what is on its way there and copies. Must be called within
    /// the runtime.
    ///
    /// # Errors
    /// When the folder cannot be made, or the bucket not be written, read and deleted from.
    pub async fn open_bucket(folder: impl Into<PathBuf>, limit: u64, settings: &S3) -> Result<Self, OpenError> {
        let folder = folder.into();
        let failed = |source| OpenError::Folder { path: folder.clone(), source };
        let incoming = Incoming::open(folder.join("partial"), limit).map_err(failed)?;
        let copies = u64::from(settings.cache_mib) << 20;
        let cache = Cache::open(folder.join("copies"), copies).map_err(failed)?;
        let bucket = Bucket::open(settings, folder.join("uploads"))?;
        bucket.probe().await?;
        tracing::info!(place = bucket.place(), "packages lie in a bucket");
        Ok(Self { incoming, store: Store::Bucket { bucket, cache, runtime: Handle::current() } })
    }

    /// How much of it is there.
    ///
    /// # Errors
    /// When the disk or the bucket fails.
    pub fn state(&self, name: &BlobName) -> Result<Received, BlobError> {
        if let Some(received) = self.length(name)? {
            return Ok(Received { received, complete: true });
        }
        Ok(Received { received: self.incoming.received(name)?, complete: false })
    }

    /// Begins to receive a piece of a file that begins at `offset`.
    ///
    /// # Errors
    /// When that is not where the last piece ended, or somebody else is sending the same file.
    pub fn receive(&self, name: &BlobName, offset: u64) -> Result<Piece, BlobError> {
        let turn = self.incoming.turn(name)?;
        if let Some(received) = self.length(name)? {
            return Err(BlobError::Offset { received, given: offset });
        }
        Ok(Piece { store: self.store.clone(), arriving: self.incoming.receive(turn, offset)? })
    }

    /// Puts a small file there whole, under its digest; one that is there already stays.
    ///
    /// # Errors
    /// When it is too large, or the disk or the bucket fails.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobName, BlobError> {
        let name = BlobName::of(bytes);
        let known = self.state(&name)?;
        if known.complete {
            return Ok(name);
        }
        if known.received > 0 {
            // Of an attempt that was cut short.
            self.incoming.forget(&name)?;
        }
        let mut piece = self.receive(&name, 0)?;
        piece.write(bytes)?;
        piece.finish()?;
        Ok(name)
    }

    /// The file on this machine, if it is there; it stays while that is held. In a bucket, a copy is made.
    ///
    /// # Errors
    /// When the disk or the bucket fails.
    pub fn local(&self, name: &BlobName) -> Result<Option<LocalFile>, BlobError> {
        let (bucket, cache, runtime) = match &self.store {
            Store::Folder(folder) => return Ok(folder.find(name).map(LocalFile::lasting)),
            Store::Bucket { bucket, cache, runtime } => (bucket, cache, runtime),
        };
        if let Some(copy) = cache.find(name) {
            return Ok(Some(copy));
        }
        let Some(length) = runtime.block_on(bucket.length(name))? else { return Ok(None) };
        cache.fetch(name, length, bucket.place(), |take| {
            runtime.block_on(async {
                let mut pieces = bucket.read(name, 0..length).await?;
                while let Some(piece) = pieces.try_next().await? {
                    take(&piece).map_err(|source| cache.failed("copying", name, source))?;
                }
                Ok(())
            })
        })
    }

    /// Where to read a file, if it is there.
    ///
    /// # Errors
    /// When the disk or the bucket fails.
    pub fn source(&self, name: &BlobName) -> Result<Option<Source>, BlobError> {
        let (bucket, cache, runtime) = match &self.store {
            Store::Folder(folder) => return Ok(folder.find(name).map(LocalFile::lasting).map(Source::File)),
            Store::Bucket { bucket, cache, runtime } => (bucket, cache, runtime),
        };
        if let Some(copy) = cache.find(name) {
            return Ok(Some(Source::File(copy)));
        }
        let length = runtime.block_on(bucket.length(name))?;
        let remote = |length| Remote { bucket: bucket.clone(), name: name.clone(), length };
        Ok(length.map(remote).map(Source::Remote))
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// When the disk or the bucket fails.
    pub fn remove(&self, name: &BlobName) -> Result<(), BlobError> {
        match &self.store {
            Store::Folder(folder) => folder.remove(name),
            Store::Bucket { bucket, cache, runtime } => {
                cache.remove(name);
                Ok(runtime.block_on(bucket.remove(name))?)
            }
        }
    }

    /// Throws away what has come so far of a file that is not there whole.
    ///
    /// # Errors
    /// When somebody is sending it at this moment, or the disk fails.
    pub fn forget(&self, name: &BlobName) -> Result<(), BlobError> {
        let _turn = self.incoming.turn(name)?;
        self.incoming.forget(name)
    }

    /// Throws away uploads that nobody has gone on with since `before_ns`, nanoseconds since 1970, and aborts those to the
    /// bucket that a killed hub left unfinished. Returns how many that were.
    ///
    /// # Errors
    /// When the disk or the bucket fails; the rest is left for the next time.
    pub fn sweep(&self, before_ns: i64) -> Result<usize, BlobError> {
        let mut many = self.incoming.forget_before(before_ns)?;
        let Store::Bucket { bucket, runtime, .. } = &self.store else { return Ok(many) };
        for name in bucket.unfinished()? {
            // One that is under way has the turn.
            let Ok(_turn) = self.incoming.turn(&name) else { continue };
            runtime.block_on(bucket.abort(&name))?;
            many += 1;
        }
        Ok(many)
    }

    fn length(&self, name: &BlobName) -> Result<Option<u64>, BlobError> {
        match &self.store {
            Store::Folder(folder) => folder.length(name),
            Store::Bucket { bucket, runtime, .. } => Ok(runtime.block_on(bucket.length(name))?),
        }
    }
}

impl Store {
    fn take_in(&self, arrived: &Arrived) -> Result<(), BlobError> {
        match self {
            Self::Folder(folder) => folder.take_in(arrived),
            Self::Bucket { bucket, cache, runtime } => {
                runtime.block_on(bucket.send(&arrived.name, &arrived.path, arrived.length))?;
                cache.keep(arrived)
            }
        }
    }
}

impl Remote {
    /// Its size in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes in a range of it, which is not empty unless the file is.
    ///
    /// # Errors
    /// When the bucket fails; also on the way.
    pub async fn read(&self, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        Ok(self.bucket.read(&self.name, range).await?.map_err(BlobError::from).boxed())
    }
}

/// A piece that is being received. Dropped, it keeps what has come.
#[derive(Debug)]
pub struct Piece {
    store: Store,
    arriving: Arriving,
}

impl Piece {
    /// Takes some more of it.
    ///
    /// # Errors
    /// When it becomes too large or the disk fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.arriving.write(bytes)
    }

    /// Ends the piece, after which more will come.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn pause(self) -> Result<Received, BlobError> {
        Ok(Received { received: self.arriving.pause()?, complete: false })
    }

    /// Ends the file: holds its digest against its name and puts it where whole files are.
    ///
    /// # Errors
    /// When it is another file, which is then thrown away, or the disk or the bucket fails; what came is then kept, and an
    /// empty piece at its end tries it again.
    pub fn finish(self) -> Result<Received, BlobError> {
        let arrived = self.arriving.check()?;
        self.store.take_in(&arrived)?;
        Ok(Received { received: arrived.length, complete: true })
    }
}
