//! Why there is no connection: one variant for each thing that somebody would do about it.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rumqttc::{ConnectReturnCode, ConnectionError, StateError, mqttbytes};

/// See the file's head. None of the texts holds a password or key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured URL cannot be used.
    #[error("the broker's URL cannot be used: {reason}")]
    Url {
        /// Why.
        reason: String,
    },
    /// A file that the connection needs cannot be read.
    #[error("cannot read the {what} {path}", path = path.display())]
    File {
        /// Which file.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate or key of ours cannot be used.
    #[error("the {what} cannot be used: {reason}")]
    Certificate {
        /// Which one.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// Nobody answers at the address.
    #[error("the broker cannot be reached")]
    Unreachable {
        /// Why.
        source: io::Error,
    },
    /// Somebody answers too slowly, or is no broker.
    #[error("the broker did not answer while {doing}")]
    Timeout {
        /// What it should have answered.
        doing: &'static str,
    },
    /// No trust: the broker's certificate or ours was not accepted. Not retried without encryption.
    #[error("no trusted connection to the broker: {reason}")]
    Tls {
        /// Why.
        reason: String,
        /// Whether the machine's clock may be the cause: the certificate is not valid yet, or not any more.
        clock_suspect: bool,
    },
    /// The broker does not want us.
    #[error("the broker refuses the connection: {reason}")]
    Refused {
        /// Why.
        reason: &'static str,
        /// Whether user name and password are the cause.
        credentials: bool,
    },
    /// Another client connects with the same id, perhaps from a copied disk.
    #[error("another client uses the same client id; one of the two must be given another agent id")]
    SessionTaken,
    /// The broker is connected but silent.
    #[error("the broker was silent for {:.1} s", since.as_secs_f32())]
    Silent {
        /// For how long.
        since: Duration,
    },
    /// The broker sends a packet larger than we take.
    #[error("the broker sent a packet of {size} bytes, more than the limit")]
    IncomingTooLarge {
        /// How large.
        size: usize,
    },
    /// The connection ended.
    #[error("the connection to the broker was lost: {reason}")]
    Lost {
        /// How.
        reason: String,
    },
}

impl Error {
    /// Whether the broker, or a client that took our place, may have closed the connection.
    pub(super) fn may_be_takeover(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        if let Some(tls) = tls_cause(&error) {
            return from_tls(tls);
        }
        match error {
            ConnectionError::ConnectionRefused(code) => refused(code),
            ConnectionError::NetworkTimeout => Self::Timeout { doing: "connecting" },
            ConnectionError::FlushTimeout => Self::Timeout { doing: "taking what we send" },
            ConnectionError::Io(source) => Self::Unreachable { source },
            ConnectionError::Tls(e) => Self::Tls { reason: chain(&e), clock_suspect: false },
            ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(
                size,
            ))) => Self::IncomingTooLarge { size },
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                Self::Timeout { doing: "being asked for a sign of life" }
            }
            // Formatted on its own, as the `Debug` of packets could hold what must not be logged.
            ConnectionError::MqttState(e) => Self::Lost { reason: chain(&e) },
            ConnectionError::NotConnAck(_) => Self::Lost { reason: "the first packet was not CONNACK".to_owned() },
            ConnectionError::RequestsDone => Self::Lost { reason: "nothing more is published".to_owned() },
        }
    }
}

/// What TLS says, and whether the clock may be the cause.
pub(super) fn from_tls(error: &rustls::Error) -> Error {
    use rustls::CertificateError as C;
    let clock_suspect = matches!(
        error,
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. }
        )
    );
    Error::Tls { reason: error.to_string(), clock_suspect }
}

fn refused(code: ConnectReturnCode) -> Error {
    let (reason, credentials) = match code {
        ConnectReturnCode::BadUserNamePassword => ("bad user name or password", true),
        ConnectReturnCode::NotAuthorized => ("not authorised", true),
        ConnectReturnCode::BadClientId => ("bad client id", false),
        ConnectReturnCode::ServiceUnavailable => ("service unavailable", false),
        ConnectReturnCode::RefusedProtocolVersion => ("it does not speak MQTT 3.1.1", false),
        ConnectReturnCode::Success => ("no reason given", false),
    };
    Error::Refused { reason, credentials }
}

/// The error of TLS that lies beneath `error`, if any. rustls' errors travel within those of `io`, which do not show
/// them as their source.
pub(super) fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|e| e as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tls_says_is_found_within_errors_of_io() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let error = ConnectionError::Tls(rumqttc::TlsError::Io(io::Error::other(certificate)));
        let Error::Tls { clock_suspect: true, reason } = Error::from(error) else { panic!("must be an error of TLS") };
        assert!(reason.contains("xpired"), "{reason}");
    }

    #[test]
    fn wrong_credentials_are_told_apart() {
        let error = Error::from(ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized));
        assert!(matches!(error, Error::Refused { credentials: true, .. }));
    }
}
