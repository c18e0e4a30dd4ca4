//! Why a broker is away, in words that say what to do.

use rumqttc::TlsError;
use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};
use rustls::{AlertDescription, CertificateError, Error as Tls};
use std::io;

/// Explains a failure of the connection. `secured`: TLS is in use.
#[must_use]
pub fn explain(error: &ConnectionError, secured: bool) -> String {
    match error {
        ConnectionError::Tls(TlsError::TLS(e)) => tls(e),
        ConnectionError::Tls(TlsError::Io(e)) | ConnectionError::Io(e) => io(e, secured),
        ConnectionError::Tls(TlsError::DNSName(_)) => "the host name in url cannot be in a certificate".to_owned(),
        ConnectionError::Tls(e) => e.to_string(),
        ConnectionError::Timeout(_) => "no answer in time".to_owned(),
        ConnectionError::ConnectionRefused(code) => refused(*code),
        ConnectionError::NotConnAck(_) => "it does not speak MQTT 5: check url".to_owned(),
        ConnectionError::RequestsDone => "stopping".to_owned(),
        ConnectionError::MqttState(e) => state(e, secured),
    }
}

fn state(error: &StateError, secured: bool) -> String {
    match error {
        StateError::Io(e) | StateError::Deserialization(PacketError::Io(e)) => io(e, secured),
        StateError::Deserialization(_) => "it does not speak MQTT 5: check url (mqtt:// or mqtts://?)".to_owned(),
        StateError::AwaitPingResp => "no answer to the keep-alive".to_owned(),
        StateError::ServerDisconnect { reason_code, .. } => {
            format!("the broker ended the connection ({reason_code:?})")
        }
        StateError::ConnectionAborted => "closed by the broker".to_owned(),
        StateError::ConnFail { reason } => refused(*reason),
        other => other.to_string(),
    }
}

fn io(error: &io::Error, secured: bool) -> String {
    if let Some(inner) = error.get_ref().and_then(|e| e.downcast_ref::<Tls>()) {
        return tls(inner);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe if secured => {
            "closed by the broker (does it expect TLS and our certificate?)".to_owned()
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "closed by the broker".to_owned()
        }
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    }
}

fn tls(error: &Tls) -> String {
    match error {
        Tls::InvalidCertificate(e) => certificate(e),
        Tls::AlertReceived(AlertDescription::CertificateExpired) => {
            "the broker says that our certificate has expired: renew it".to_owned()
        }
        Tls::AlertReceived(AlertDescription::UnknownCA | AlertDescription::DecryptError) => {
            "the broker does not know the CA of our certificate: use the one its CA signed".to_owned()
        }
        Tls::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            "the broker asks for a certificate: set cert and key".to_owned()
        }
        Tls::AlertReceived(AlertDescription::CertificateRevoked) => {
            "the broker says that our certificate is revoked".to_owned()
        }
        Tls::AlertReceived(AlertDescription::ProtocolVersion) => "the broker does not offer TLS 1.3".to_owned(),
        Tls::AlertReceived(alert) => format!("the broker refused TLS: {alert:?}"),
        Tls::InvalidMessage(_) => "it does not speak TLS: check url (mqtt:// or mqtts://?)".to_owned(),
        other => format!("TLS: {other}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the broker's certificate has expired (or our clock is wrong)".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the broker's certificate is not valid yet: is our clock right?".to_owned()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the broker's certificate is not signed by the CA in ca: wrong CA, or not our broker".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the broker's certificate is for another host name than the one in url".to_owned()
        }
        CertificateError::Revoked => "the broker's certificate is revoked".to_owned(),
        other => format!("the broker's certificate is refused: {other:?}"),
    }
}

fn refused(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::NotAuthorized | ConnectReturnCode::Banned | ConnectReturnCode::BadUserNamePassword => {
            format!("the broker refused us ({code:?}): check its access list and our certificate")
        }
        ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
            "the broker does not speak MQTT 5".to_owned()
        }
        other => format!("the broker refused us ({other:?})"),
    }
}
