//! Certificates that are wrong in one way each.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

/// A client certificate under the mission's CA whose time is over; its folder has `ca.pem`, `NAME.pem` and `NAME.key`.
///
/// # Panics
/// When files cannot be read or written.
pub fn expired(tls: &Path, folder: &Path, name: &str) -> PathBuf {
    let ca = std::fs::read_to_string(tls.join("ca.pem")).expect("the CA's certificate");
    let key = KeyPair::from_pem(&std::fs::read_to_string(tls.join("ca.key")).expect("the CA's key")).expect("a key");
    let issuer = Issuer::new(authority("Picket CA of quickstart"), key);
    let mut params = leaf(name);
    params.not_before = OffsetDateTime::now_utc() - Duration::days(30);
    params.not_after = OffsetDateTime::now_utc() - Duration::days(1);
    write(folder, name, &ca, &params, &issuer)
}

/// A client certificate under a CA of its own, which is also the one it trusts.
///
/// # Panics
/// When files cannot be written.
#[must_use]
pub fn foreign(folder: &Path, name: &str) -> PathBuf {
    let key = KeyPair::generate().expect("a key");
    let params = authority("somebody else's CA");
    let ca = params.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(params, key);
    write(folder, name, &ca, &leaf(name), &issuer)
}

/// Whoever has a CA's name and key is that CA: its certificate need not be read for signing.
fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params
}

fn write(folder: &Path, name: &str, ca: &str, params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> PathBuf {
    let key = KeyPair::generate().expect("a key");
    let cert = params.signed_by(&key, issuer).expect("signed");
    std::fs::create_dir_all(folder).expect("a folder");
    for (file, text) in [
        ("ca.pem".to_owned(), ca.to_owned()),
        (format!("{name}.pem"), cert.pem()),
        (format!("{name}.key"), key.serialize_pem()),
    ] {
        std::fs::write(folder.join(file), text).expect("written");
    }
    folder.to_owned()
}
