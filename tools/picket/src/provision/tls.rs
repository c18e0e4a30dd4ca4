//! A CA for one mission's broker: the broker's certificate and one client certificate for each gateway.
//!
//! P-256 throughout. The CA's key lies in DIR/tls in clear: it can let a stranger connect to the broker, where masked
//! and sealed bytes are all there is; it opens no message and signs no roster.

use crate::error::Failure;
use crate::files::{self, Access};
use crate::limits::SMALL_FILE_MAX;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// The CA in DIR/tls.
pub struct Ca {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

const CA_CERT: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
/// Ten years: a mission is shorter, and a board whose certificate ran out is a post that went quiet.
const VALID: Duration = Duration::days(3_650);
/// Clocks in the field run behind.
const BACKDATED: Duration = Duration::days(2);

impl Ca {
    /// Makes `folder` with a new CA.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn create(folder: &Path, mission: &str) -> Result<Self, Failure> {
        files::folder(folder)?;
        let key = KeyPair::generate().map_err(broken)?;
        let params = ca_params(mission)?;
        let cert = params.self_signed(&key).map_err(broken)?;
        files::write(&folder.join(CA_CERT), cert.pem().as_bytes(), Access::Public)?;
        write_key(&folder.join(CA_KEY), &key)?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// Opens the CA that [`Ca::create`] made.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn open(folder: &Path, mission: &str) -> Result<Self, Failure> {
        let path = folder.join(CA_KEY);
        let pem = files::read(&path, SMALL_FILE_MAX)?;
        let key = core::str::from_utf8(&pem).ok().and_then(|pem| KeyPair::from_pem(pem).ok()).ok_or_else(|| {
            Failure::damaged(format!("{} is not a private key", path.display()), "restore it from a copy")
        })?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(ca_params(mission)?, key) })
    }

    /// Writes `NAME.pem` and `NAME.key` for a gateway.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn gateway(&self, name: &str) -> Result<(), Failure> {
        self.leaf(name, name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Writes `server.pem` and `server.key` for a broker on this machine, and on `host` if one is given.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn broker(&self, host: Option<&str>) -> Result<(), Failure> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        if let Some(host) = host.filter(|h| !names.iter().any(|n| n == h)) {
            names.push(host.to_owned());
        }
        self.leaf("server", host.unwrap_or("localhost"), names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn leaf(&self, file: &str, cn: &str, names: Vec<String>, usage: ExtendedKeyUsagePurpose) -> Result<(), Failure> {
        let mut params = CertificateParams::new(names).map_err(|e| {
            Failure::usage(format!("cannot make a certificate for \"{cn}\": {e}"), "check the broker's host name")
        })?;
        params.distinguished_name.push(DnType::CommonName, cn);
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.extended_key_usages.push(usage);
        validity(&mut params);
        let key = KeyPair::generate().map_err(broken)?;
        let cert = params.signed_by(&key, &self.issuer).map_err(broken)?;
        files::write(&self.folder.join(format!("{file}.pem")), cert.pem().as_bytes(), Access::Public)?;
        write_key(&self.folder.join(format!("{file}.key")), &key)
    }
}

fn ca_params(mission: &str) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(Vec::new()).map_err(broken)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, format!("Picket CA of {mission}"));
    params.key_usages.extend([KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    validity(&mut params);
    Ok(params)
}

fn validity(params: &mut CertificateParams) {
    let now = i64::try_from(super::now().as_secs()).unwrap_or(0);
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = now - BACKDATED;
    params.not_after = now + VALID;
}

fn write_key(path: &Path, key: &KeyPair) -> Result<(), Failure> {
    files::write(path, Zeroizing::new(key.serialize_pem()).as_bytes(), Access::Secret)
}

fn broken(e: rcgen::Error) -> Failure {
    Failure::internal(format!("cannot make a certificate: {e}"))
}
