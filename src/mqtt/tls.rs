//! Encryption as configured: the broker's certificate is always verified. Files are read anew at each call.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::{ClientConfig, RootCertStore};

use super::{Error, Settings};

/// Reads the certificates and makes a configuration for one connection.
pub(super) fn configure(settings: &Settings) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match &settings.ca_file {
        Some(path) => roots_of(path)?,
        None => roots_of_system()?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Certificate { what: "TLS provider", reason: e.to_string() })?
        .with_root_certificates(roots);
    match (&settings.cert_file, &settings.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates("client certificate (cert_file)", cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable("client key (key_file)", key, e))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| Error::Certificate { what: "client certificate", reason: e.to_string() })
        }
        _ => {
            let reason = "cert_file and key_file belong together, and only one is given".to_owned();
            Err(Error::Certificate { what: "client certificate", reason })
        }
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("authority's certificate (ca_file)", path)? {
        let added = roots.add(certificate);
        added.map_err(|e| Error::Certificate { what: "authority's certificate (ca_file)", reason: e.to_string() })?;
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let reason = "the system has none; install ca-certificates or set ca_file".to_owned();
        return Err(Error::Certificate { what: "list of trusted authorities", reason });
    }
    Ok(roots)
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|e| unreadable(what, path, e))?;
    if found.is_empty() {
        return Err(Error::Certificate { what, reason: format!("{} holds no certificate in PEM", path.display()) });
    }
    Ok(found)
}

fn unreadable(what: &'static str, path: &Path, error: pem::Error) -> Error {
    match error {
        pem::Error::Io(source) => Error::File { what, path: path.to_owned(), source },
        other => Error::Certificate { what, reason: format!("{}: {other}", path.display()) },
    }
}
