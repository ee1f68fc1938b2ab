//! Whole files in a bucket of S3, or of what speaks its protocol.
//!
//! ```text
//!   <prefix>/<first two digits>/<sha256>     the whole file, never changed
//!   <prefix>/probe-<random>                  while a hub starts: it can be written, read and deleted there
//! ```
//!
//! An object appears whole or not at all: a small file is one request, a larger one goes in parts that only their last
//! request makes an object. Whoever writes an object has checked that its name is its digest, so that two hubs that write the
//! same one write the same bytes, and neither needs to know of the other. The id of an upload in parts is kept on the disk
//! until it has ended: what a killed hub leaves half done is aborted when it starts again.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::HttpError;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, GetOptions, ObjectStore as _, ObjectStoreExt as _, RetryConfig,
};
use tokio_rustls::rustls::crypto::ring;

use super::name::BlobName;
use super::settings::S3;

/// The size of a part in bytes; a smaller file is sent whole.
const PART: u64 = 8 << 20;
/// Parts that are under way, and in memory, at the same time.
const PARTS_AT_ONCE: usize = 2;
/// How long reaching the endpoint may take.
const REACH: Duration = Duration::from_secs(5);
/// How long the endpoint may be silent, a part that is being sent included.
const SILENCE: Duration = Duration::from_secs(60);
/// A request that failed is made again this often, and not after this long.
const RETRIES: (usize, Duration) = (3, Duration::from_secs(30));

/// Why the bucket does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// A file that the settings name cannot be read.
    #[error("reading {path} for {place}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The bucket.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// The settings do not make a client.
    #[error("the settings of {place} cannot be used")]
    Settings {
        /// The bucket.
        place: String,
        /// Why.
        source: Box<object_store::Error>,
    },
    /// What was written is not what is read back, or was not deleted.
    #[error("{place} gives back something else than was written there, or does not delete")]
    Probe {
        /// The bucket.
        place: String,
    },
    /// A request failed.
    #[error("{doing} {place}: {fault}")]
    Request {
        /// What was being done.
        doing: &'static str,
        /// The bucket.
        place: String,
        /// What kind of failure it is.
        fault: Fault,
        /// Why.
        source: Box<object_store::Error>,
    },
    /// A file that is to be sent, or the note of what is under way, cannot be read or written.
    #[error("{doing} {path}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What kind of failure it is, for whoever must mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bucket is not there.
    NoBucket,
    /// The endpoint does not let us.
    Denied,
    /// The endpoint cannot be reached or breaks off.
    Unreachable,
    /// Anything else.
    Other,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBucket => "there is no such bucket",
            Self::Denied => "the credentials are wrong, or do not allow it",
            Self::Unreachable => "the endpoint does not answer",
            Self::Other => "the endpoint fails",
        })
    }
}

impl Fault {
    fn of(error: &object_store::Error) -> Self {
        match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Self::Denied,
            object_store::Error::NotFound { source, .. } if source.to_string().contains("NoSuchBucket") => {
                Self::NoBucket
            }
            error => {
                let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
                let mut causes = std::iter::successors(first, |error| error.source());
                // Only what never became an answer of the endpoint has one among its causes.
                if causes.any(|cause| cause.is::<HttpError>()) { Self::Unreachable } else { Self::Other }
            }
        }
    }
}

/// The bucket. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: Path,
    place: Arc<str>,
    notes: PathBuf,
}

impl Bucket {
    /// The bucket of `settings`; the ids of uploads in parts are noted in the folder `notes`, which is made where it is not.
    /// Asks nothing of the endpoint.
    pub(super) fn open(settings: &S3, notes: PathBuf) -> Result<Self, BucketError> {
        let place = settings.place();
        fs::create_dir_all(&notes).map_err(|source| disk("making", &notes, source))?;
        // The client of HTTP takes what the process has, and brings none itself. Another that was there first is as good.
        drop(ring::default_provider().install_default());
        let failed = |source| BucketError::Settings { place: place.clone(), source: Box::new(source) };
        let store = client(settings, &place)?.build().map_err(failed)?;
        let prefix = Path::from(settings.prefix.as_deref().unwrap_or_default());
        Ok(Self { store: Arc::new(store), prefix, place: place.into(), notes })
    }

    /// Writes, reads and deletes an object, to see that it can be done.
    pub(super) async fn probe(&self) -> Result<(), BucketError> {
        let content = Bytes::from(format!("{:032x}", fastrand::u128(..)));
        let key = self.prefix.clone().join(format!("probe-{:016x}", fastrand::u64(..)));
        self.store.put(&key, content.clone().into()).await.map_err(|error| self.failed("writing to", error))?;
        let read = async { self.store.get_opts(&key, GetOptions::default()).await?.bytes().await };
        let read = read.await.map_err(|error| self.failed("reading from", error))?;
        self.store.delete(&key).await.map_err(|error| self.failed("deleting from", error))?;
        // Without the right to list, what is not there looks forbidden, and no upload would ever begin.
        let left = self.size(&key).await?;
        if read != content || left.is_some() {
            return Err(BucketError::Probe { place: self.place.to_string() });
        }
        Ok(())
    }

    /// What a person knows it by.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The size of a file in bytes, if it is there.
    pub(super) async fn length(&self, name: &BlobName) -> Result<Option<u64>, BucketError> {
        self.size(&self.key(name)).await
    }

    async fn size(&self, key: &Path) -> Result<Option<u64>, BucketError> {
        match self.store.head(key).await {
            Ok(facts) => Ok(Some(facts.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("looking into", error)),
        }
    }

    /// Sends a file of `length` bytes that lies in `path`.
    pub(super) async fn send(&self, name: &BlobName, path: &FilePath, length: u64) -> Result<(), BucketError> {
        let file = File::open(path).map_err(|source| disk("opening", path, source))?;
        let read = |range: Range<u64>| read(&file, range).map_err(|source| disk("reading", path, source));
        let sending = |error| self.failed("sending a file to", error);
        if length <= PART {
            return self.store.put(&self.key(name), read(0..length)?.into()).await.map_err(sending).map(drop);
        }
        let key = self.key(name);
        let upload = self.store.create_multipart(&key).await.map_err(sending)?;
        self.note(name, &upload)?;
        let part = |number: u64| {
            let bytes = read(number * PART..length.min((number + 1) * PART));
            let (key, upload) = (&key, &upload);
            async move { self.store.put_part(key, upload, number as usize, bytes?.into()).await.map_err(sending) }
        };
        let parts = stream::iter(0..length.div_ceil(PART)).map(part).buffered(PARTS_AT_ONCE);
        let done = match parts.try_collect::<Vec<_>>().await {
            Ok(parts) => self.store.complete_multipart(&key, &upload, parts).await.map_err(sending).map(drop),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => self.forget_note(name),
            // What cannot be aborted now is noted, and aborted later.
            Err(error) => self.abort(name).await.and(Err(error)),
        }
    }

    /// The names of files of which an upload in parts was noted and has not ended.
    pub(super) fn unfinished(&self) -> Result<Vec<BlobName>, BucketError> {
        let failed = |source| disk("reading", &self.notes, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.notes).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_str().and_then(|text| BlobName::new(text).ok()));
        }
        Ok(names)
    }

    /// Aborts what was noted of an upload in parts; the endpoint then keeps none of them.
    pub(super) async fn abort(&self, name: &BlobName) -> Result<(), BucketError> {
        let path = self.notes.join(name.as_str());
        let upload = fs::read_to_string(&path).map_err(|source| disk("reading", &path, source))?;
        match self.store.abort_multipart(&self.key(name), &upload).await {
            // It ended, and the note of that did not.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => self.forget_note(name),
            Err(error) => Err(self.failed("aborting an upload to", error)),
        }
    }

    /// The bytes of a file of `length` bytes in a range of it that is not empty, unless the file is.
    pub(super) async fn read(
        &self,
        name: &BlobName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, BucketError>>, BucketError> {
        let options = if range.is_empty() { GetOptions::default() } else { GetOptions::new().with_range(Some(range)) };
        let found = self.store.get_opts(&self.key(name), options).await;
        let found = found.map_err(|error| self.failed("reading from", error))?;
        let bucket = self.clone();
        Ok(found.into_stream().map_err(move |error| bucket.failed("reading from", error)).boxed())
    }

    /// Takes a file away.
    pub(super) async fn remove(&self, name: &BlobName) -> Result<(), BucketError> {
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("deleting from", error)),
        }
    }

    fn key(&self, name: &BlobName) -> Path {
        name.place().split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn note(&self, name: &BlobName, upload: &str) -> Result<(), BucketError> {
        let path = self.notes.join(name.as_str());
        fs::write(&path, upload).map_err(|source| disk("writing", &path, source))
    }

    fn forget_note(&self, name: &BlobName) -> Result<(), BucketError> {
        let path = self.notes.join(name.as_str());
        fs::remove_file(&path).map_err(|source| disk("deleting", &path, source))
    }

    fn failed(&self, doing: &'static str, error: object_store::Error) -> BucketError {
        BucketError::Request { doing, place: self.place.to_string(), fault: Fault::of(&error), source: Box::new(error) }
    }
}

fn client(settings: &S3, place: &str) -> Result<AmazonS3Builder, BucketError> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|source| BucketError::Read { path: path.clone(), place: place.to_owned(), source })
    };
    let mut options = ClientOptions::new()
        .with_connect_timeout(REACH)
        .with_read_timeout(SILENCE)
        // A large file takes as long as it takes, while something comes.
        .with_timeout_disabled()
        .with_allow_http(settings.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")));
    if let Some(path) = &settings.ca_file {
        let failed = |source| BucketError::Settings { place: place.to_owned(), source: Box::new(source) };
        let certificates = Certificate::from_pem_bundle(&read(path)?).map_err(failed)?;
        options = certificates.into_iter().fold(options, ClientOptions::with_root_certificate);
    }
    let mut client = match (&settings.access_key_id, &settings.secret_access_key_file) {
        (Some(id), Some(path)) => {
            let text = String::from_utf8_lossy(&read(path)?).into_owned();
            let secret = text.lines().next().unwrap_or_default().trim();
            AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret)
        }
        _ => AmazonS3Builder::from_env(),
    };
    if let Some(region) = &settings.region {
        client = client.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        client = client.with_endpoint(endpoint.trim_end_matches('/'));
    }
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, max_retries: RETRIES.0, retry_timeout: RETRIES.1 };
    let client = client.with_bucket_name(&settings.bucket).with_retry(retry).with_client_options(options);
    // Not all that speak the protocol delete many objects in one request, and here it is always one.
    Ok(client.with_disable_bulk_delete(true))
}

fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

fn disk(doing: &'static str, path: &FilePath, source: io::Error) -> BucketError {
    BucketError::Disk { doing, path: path.to_owned(), source }
}
