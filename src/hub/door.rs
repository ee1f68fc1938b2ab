//! Where connections come in: plain, or encrypted with a certificate that is read anew when its file changes.
//!
//! ```text
//!  TCP ──accept──▶ handshakes, each in a task with a deadline, at most 256 ──▶ connections for the router
//! ```
//!
//! A caller who opens a connection and then says nothing holds up nobody else.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many may go on at the same time.
const HANDSHAKES: usize = 256;
/// How long to wait when the machine has no more file handles.
const EXHAUSTED: Duration = Duration::from_millis(500);

/// The certificate that the hub shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that lead to its authority, in PEM.
    pub cert_file: PathBuf,
    /// Its key in PEM.
    pub key_file: PathBuf,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} holds no {what} in PEM")]
    Content {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("the certificate {path} cannot be used")]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: tokio_rustls::rustls::Error,
    },
}

/// A connection, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Takes connections in.
pub(super) struct Door {
    address: SocketAddr,
    way: Way,
}

enum Way {
    Plain(TcpListener),
    Encrypted(mpsc::Receiver<(Box<dyn Stream>, SocketAddr)>),
}

impl Door {
    /// Listens; with `tls` everything that comes in must be encrypted.
    pub(super) fn new(listener: TcpListener, tls: Option<Tls>) -> Result<Self, DoorError> {
        let address = listener.local_addr().map_err(DoorError::Address)?;
        let way = match tls {
            None => Way::Plain(listener),
            Some(tls) => {
                let shown = Shown::read(tls)?;
                let (ready, connections) = mpsc::channel(HANDSHAKES);
                tokio::spawn(shake_hands(listener, shown, ready));
                Way::Encrypted(connections)
            }
        };
        Ok(Self { address, way })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Why nothing can come in.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorError {
    /// The socket does not know its address.
    #[error(transparent)]
    Address(io::Error),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl axum::serve::Listener for Door {
    type Io = Box<dyn Stream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match &mut self.way {
            Way::Plain(listener) => {
                let (stream, peer) = axum::serve::Listener::accept(listener).await;
                (Box::new(stream), peer)
            }
            Way::Encrypted(connections) => match connections.recv().await {
                Some(connection) => connection,
                // The task that fills it lives as long as this end.
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn shake_hands(listener: TcpListener, mut shown: Shown, ready: mpsc::Sender<(Box<dyn Stream>, SocketAddr)>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (acceptor, ready) = (shown.acceptor(), ready.clone());
        tokio::spawn(async move {
            if let Some(stream) = shake_hand(&acceptor, stream, peer).await {
                // Nobody waits any more when the hub stops.
                let _ = ready.send((stream, peer)).await;
            }
            drop(place);
        });
    }
}

async fn shake_hand(acceptor: &TlsAcceptor, stream: TcpStream, peer: SocketAddr) -> Option<Box<dyn Stream>> {
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection was not encrypted as it must be");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "a connection said nothing for too long");
            None
        }
    }
}

/// The certificate as it was last read.
struct Shown {
    tls: Tls,
    acceptor: TlsAcceptor,
    changed: [Option<SystemTime>; 2],
}

impl Shown {
    fn read(tls: Tls) -> Result<Self, TlsError> {
        let changed = changed(&tls);
        Ok(Self { acceptor: acceptor(&tls)?, tls, changed })
    }

    /// For the next handshake. A renewed certificate is taken at once; one that cannot be used is not, and is said.
    fn acceptor(&mut self) -> TlsAcceptor {
        let changed = changed(&self.tls);
        if changed != self.changed {
            self.changed = changed;
            match acceptor(&self.tls) {
                Ok(acceptor) => {
                    tracing::info!(file = %self.tls.cert_file.display(), "the certificate was renewed");
                    self.acceptor = acceptor;
                }
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the changed certificate is not used; the former one is"
                    );
                }
            }
        }
        self.acceptor.clone()
    }
}

fn changed(tls: &Tls) -> [Option<SystemTime>; 2] {
    [&tls.cert_file, &tls.key_file].map(|path| std::fs::metadata(path).and_then(|facts| facts.modified()).ok())
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let refused = |source| TlsError::Certificate { path: tls.cert_file.clone(), source };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&tls.cert_file).and_then(Iterator::collect);
    let chain = read.map_err(|error| unreadable(&tls.cert_file, "certificate", error))?;
    if chain.is_empty() {
        return Err(TlsError::Content { path: tls.cert_file.clone(), what: "certificate" });
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key_file).map_err(|error| unreadable(&tls.key_file, "key", error))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(refused)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unreadable(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::Read { path: path.to_owned(), source },
        _ => TlsError::Content { path: path.to_owned(), what },
    }
}
