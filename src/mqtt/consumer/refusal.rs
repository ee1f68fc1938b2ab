//! What ends a connection of MQTT 5, in the words of [`Error`].

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

use crate::mqtt::Error;
use crate::mqtt::error::{chain, from_tls, tls_cause};

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        if let Some(tls) = tls_cause(&error) {
            return from_tls(tls);
        }
        match error {
            ConnectionError::ConnectionRefused(code) => refused(code),
            ConnectionError::Timeout(_) => Self::Timeout { doing: "connecting" },
            ConnectionError::Io(source) => Self::Unreachable { source },
            ConnectionError::Tls(error) => Self::Tls { reason: chain(&error), clock_suspect: false },
            ConnectionError::MqttState(error) => from_state(error),
            ConnectionError::NotConnAck(_) => Self::Lost { reason: "the first packet was not CONNACK".to_owned() },
            ConnectionError::RequestsDone => Self::Lost { reason: "nothing more is published".to_owned() },
        }
    }
}

fn from_state(error: StateError) -> Error {
    match error {
        StateError::AwaitPingResp => Error::Timeout { doing: "being asked for a sign of life" },
        StateError::ServerDisconnect { reason_code: DisconnectReasonCode::SessionTakenOver, .. } => Error::SessionTaken,
        StateError::IncomingPacketTooLarge { pkt_size, .. } => Error::IncomingTooLarge { size: pkt_size },
        StateError::Deserialization(PacketError::PayloadSizeLimitExceeded { pkt_size, .. }) => {
            Error::IncomingTooLarge { size: pkt_size }
        }
        error => Error::Lost { reason: chain(&error) },
    }
}

fn refused(code: ConnectReturnCode) -> Error {
    let (reason, credentials) = match code {
        ConnectReturnCode::BadUserNamePassword => ("bad user name or password", true),
        ConnectReturnCode::NotAuthorized => ("not authorised", true),
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => ("bad client id", false),
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::ServerUnavailable => ("service unavailable", false),
        ConnectReturnCode::ServerBusy => ("it is busy", false),
        ConnectReturnCode::Banned => ("this client is banned", false),
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            ("it does not speak MQTT 5", false)
        }
        _ => ("no reason given", false),
    };
    Error::Refused { reason, credentials }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_took_our_place_and_wrong_credentials_are_told_apart() {
        let taken =
            StateError::ServerDisconnect { reason_code: DisconnectReasonCode::SessionTakenOver, reason_string: None };
        assert!(matches!(Error::from(ConnectionError::MqttState(taken)), Error::SessionTaken));
        let error = Error::from(ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized));
        assert!(matches!(error, Error::Refused { credentials: true, .. }));
    }
}
