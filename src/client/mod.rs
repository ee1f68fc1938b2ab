//! A client of the hub's API: for the command line, and for agents that fetch what the hub wants them to have. Blocks.

mod clips;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use crate::model::hex;
use crate::vocab::Secret;
pub use clips::ClipUpload;

/// How often a transfer that broke off goes on before it is given up.
const MOST_RESUMES: u32 = 8;
/// How long reaching the hub may take, and how long it may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Packages are checked on the hub before it answers, golden pictures and all.
const CHECKING: Duration = Duration::from_secs(600);
/// The largest answer that is no file, in bytes.
const LARGEST_ANSWER: u64 = 64 << 20;

/// Why the hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It cannot be reached.
    #[error("{doing} {url}")]
    Reach {
        /// What was being done.
        doing: &'static str,
        /// Where.
        url: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// It refuses.
    #[error("the hub refuses ({status}): {sentence}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its reason.
        sentence: String,
    },
    /// It would, but something that it needs is away.
    #[error("the hub cannot do that now: {sentence}; try again later")]
    Away {
        /// What is away.
        sentence: String,
    },
    /// A file here cannot be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file with the certificates holds none.
    #[error("{path} holds no certificate in PEM")]
    Certificates {
        /// The file.
        path: PathBuf,
    },
    /// What arrived is not what was asked for.
    #[error("what arrived of {sha256} is another file; it was thrown away")]
    Digest {
        /// What was asked for.
        sha256: String,
    },
    /// What arrived at the hub is twice not what was sent.
    #[error("what arrived at the hub of {sha256} is another file, and again when it was sent once more")]
    Mismatch {
        /// What was sent.
        sha256: String,
    },
    /// The transfer broke off again and again.
    #[error("the transfer broke off {MOST_RESUMES} times; run the command again to go on where it stopped")]
    BrokeOff,
}

impl ClientError {
    /// Whether the same may succeed later, without anybody changing anything here.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Reach { .. } | Self::Away { .. } | Self::BrokeOff => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

/// Told how many bytes of how many have been transferred.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// A hub, and who we are there.
pub struct Client {
    agent: Agent,
    base: String,
    token: Secret,
}

impl Client {
    /// The hub at `url`, such as `https://hub.example`; `ca` names the authorities, in PEM, that vouch for it, in place of
    /// the public ones.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn new(url: &str, token: Secret, ca: Option<&Path>) -> Result<Self, ClientError> {
        let tls = TlsConfig::builder();
        let tls = match ca {
            None => tls,
            Some(path) => tls.root_certs(RootCerts::from(certificates(path)?)),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(CHECKING))
            .tls_config(tls.build());
        Ok(Self { agent: config.build().into(), base: url.trim_end_matches('/').to_owned(), token })
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// When the hub cannot be reached or refuses.
    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        let request = self.agent.get(self.url(path)).header("Authorization", self.bearer());
        self.answer("reading", path, request.call())
    }

    /// Sends JSON with `PUT`.
    ///
    /// # Errors
    /// When the hub cannot be reached or refuses.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let request = self.agent.put(self.url(path)).header("Authorization", self.bearer());
        self.answer("writing", path, request.send(body.to_string()))
    }

    /// Sends JSON with `POST`.
    ///
    /// # Errors
    /// When the hub cannot be reached or refuses.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let request = self.agent.post(self.url(path)).header("Authorization", self.bearer());
        self.answer("writing", path, request.send(body.to_string()))
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// When the hub cannot be reached or refuses.
    pub fn delete(&self, path: &str) -> Result<Value, ClientError> {
        let request = self.agent.delete(self.url(path)).header("Authorization", self.bearer());
        self.answer("deleting", path, request.call())
    }

    /// Registers a package: sends what the hub does not have of it yet, and has it checked. Answers the version.
    ///
    /// # Errors
    /// When it cannot be read or sent, or is refused.
    pub fn push(
        &self,
        file: &Path,
        note: &str,
        parent: Option<i64>,
        progress: Progress<'_>,
    ) -> Result<Value, ClientError> {
        let sha256 = digest(file)?;
        self.upload(file, &sha256, progress)?;
        let mut body = json!({ "sha256": sha256, "note": note });
        if let Some(parent) = parent {
            body["parent"] = parent.into();
        }
        self.post("/api/v1/models", &body)
    }

    /// Publishes a sealed gallery under a name: sends what the hub does not have of it yet. Answers what the hub says of it.
    ///
    /// # Errors
    /// When it cannot be read or sent, or is refused.
    pub fn publish_gallery(&self, file: &Path, name: &str, progress: Progress<'_>) -> Result<Value, ClientError> {
        let sha256 = digest(file)?;
        self.upload(file, &sha256, progress)?;
        self.put(&format!("/api/v1/galleries/{name}"), &json!({ "sha256": sha256 }))
    }

    fn upload(&self, path: &Path, sha256: &str, progress: Progress<'_>) -> Result<(), ClientError> {
        let failed = |source| ClientError::File { doing: "reading", path: path.to_owned(), source };
        let place = format!("/api/v1/uploads/{sha256}");
        for _ in 0..MOST_RESUMES {
            let known = self.get(&place)?;
            if known["complete"] == true {
                return Ok(());
            }
            let offset = known["received"].as_u64().unwrap_or(0);
            let mut file = File::open(path).map_err(failed)?;
            let length = file.metadata().map_err(failed)?.len();
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            let mut told = Told { file, done: offset, length, progress: &mut *progress };
            let request = self.agent.put(self.url(&place)).header("Authorization", self.bearer());
            let request = request.header("Upload-Offset", offset.to_string());
            match request.send(SendBody::from_reader(&mut told)) {
                // A hub that was restarted in between is asked again how much it has.
                Err(error) if is_broken(&error) => tracing::warn!(%error, "the upload broke off and goes on"),
                result => return self.answer("sending to", &place, result).map(drop),
            }
        }
        Err(ClientError::BrokeOff)
    }

    /// Fetches the file `sha256` into `to`, going on where an earlier attempt broke off.
    ///
    /// # Errors
    /// When the hub cannot be reached or has no such file, or it cannot be written.
    pub fn fetch(&self, sha256: &str, size: u64, to: &Path, progress: Progress<'_>) -> Result<(), ClientError> {
        let part = to.with_added_extension("part");
        let failed = |doing| {
            let path = part.clone();
            move |source| ClientError::File { doing, path, source }
        };
        for _ in 0..MOST_RESUMES {
            let open = OpenOptions::new().create(true).append(true).open(&part);
            let mut file = open.map_err(failed("opening"))?;
            let done = file.metadata().map_err(failed("looking at"))?.len();
            if done < size && self.fetch_from(sha256, done, size, &mut file, progress)? {
                continue;
            }
            file.sync_all().map_err(failed("flushing"))?;
            if digest(&part)? != sha256 {
                std::fs::remove_file(&part).map_err(failed("throwing away"))?;
                return Err(ClientError::Digest { sha256: sha256.to_owned() });
            }
            return std::fs::rename(&part, to).map_err(failed("moving"));
        }
        Err(ClientError::BrokeOff)
    }

    /// Appends what is missing; whether the transfer broke off and can go on.
    fn fetch_from(
        &self,
        sha256: &str,
        done: u64,
        size: u64,
        file: &mut File,
        progress: Progress<'_>,
    ) -> Result<bool, ClientError> {
        let place = format!("/api/v1/blobs/{sha256}");
        let request = self.agent.get(self.url(&place)).header("Authorization", self.bearer());
        let mut response = match request.header("Range", format!("bytes={done}-")).call() {
            Ok(response) if response.status().is_success() => response,
            Err(error) if is_broken(&error) => return Ok(true),
            refused => return self.answer("fetching", &place, refused).map(|_| true),
        };
        let mut reader = response.body_mut().as_reader();
        let (mut buffer, mut done) = (vec![0; 1 << 16], done);
        while done < size {
            let length = match reader.read(&mut buffer) {
                Ok(0) | Err(_) => return Ok(true),
                Ok(length) => length,
            };
            let path = || PathBuf::from(sha256);
            let failed = |source| ClientError::File { doing: "writing", path: path(), source };
            file.write_all(&buffer[..length]).map_err(failed)?;
            done += length as u64;
            progress(done, size);
        }
        Ok(false)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    fn answer(
        &self,
        doing: &'static str,
        path: &str,
        result: Result<Response<Body>, ureq::Error>,
    ) -> Result<Value, ClientError> {
        let reach = |source| ClientError::Reach { doing, url: self.url(path), source: Box::new(source) };
        let mut response = result.map_err(reach)?;
        let text = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string().map_err(reach)?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if response.status().is_success() {
            return Ok(value);
        }
        let sentence = value["error"].as_str().map_or_else(|| text.chars().take(300).collect(), str::to_owned);
        match response.status().as_u16() {
            503 => Err(ClientError::Away { sentence }),
            status => Err(ClientError::Refused { status, sentence }),
        }
    }
}

/// A file that says how much of it was read.
struct Told<'p> {
    file: File,
    done: u64,
    length: u64,
    progress: Progress<'p>,
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.done += length as u64;
        (self.progress)(self.done, self.length);
        Ok(length)
    }
}

/// Whether the same may succeed if it is tried again.
fn is_broken(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.kind() != io::ErrorKind::ConnectionRefused)
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let failed = |source| ClientError::File { doing: "reading", path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(failed)?;
    let found: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate.to_owned()),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(ClientError::Certificates { path: path.to_owned() }) } else { Ok(found) }
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> Result<String, ClientError> {
    let failed = |source| ClientError::File { doing: "reading", path: path.to_owned(), source };
    let (mut file, mut hash, mut buffer) = (File::open(path).map_err(failed)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hex::encode(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}
