//! A CA for one mission's broker: the broker's certificate and one client certificate for each gateway.
//!
//! P-256 throughout. The CA's key lies in DIR/tls in clear: it can let a stranger connect to the broker, where masked
//! and sealed bytes are all there is; it opens no message and signs no roster.

use crate::error::Failure;
use crate::files::{self, Access};
use crate::limits::SMALL_FILE_MAX;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
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
/// Certificates that the broker is to refuse.
const CRL: &str = "crl.pem";
/// Serial numbers of all certificates, and whose they are.
const ISSUED: &str = "issued";
/// The same of the revoked ones.
const REVOKED: &str = "revoked";
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
        let ca = Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) };
        ca.write_crl(&[])?;
        Ok(ca)
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

    /// Revokes the certificates of these gateways, and writes the list of all revoked ones for the broker (`crl.pem`).
    /// Gives the names whose certificates are not known here.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn revoke(&self, names: &[&str]) -> Result<Vec<String>, Failure> {
        let issued = read_list(&self.folder.join(ISSUED))?;
        let mut revoked = read_list(&self.folder.join(REVOKED))?;
        let mut unknown = Vec::new();
        for name in names {
            let theirs: Vec<_> = issued.iter().filter(|(_, owner)| owner == name).cloned().collect();
            if theirs.is_empty() {
                unknown.push((*name).to_owned());
            }
            revoked.extend(theirs);
        }
        revoked.dedup();
        let lines: String = revoked.iter().map(|(serial, name)| format!("{serial} {name}\n")).collect();
        files::write(&self.folder.join(REVOKED), lines.as_bytes(), Access::Public)?;
        self.write_crl(&revoked)?;
        Ok(unknown)
    }

    fn write_crl(&self, revoked: &[(String, String)]) -> Result<(), Failure> {
        let now = today();
        let entry = |(serial, _): &(String, String)| RevokedCertParams {
            serial_number: SerialNumber::from(hex::decode(serial).unwrap_or_default()),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update: now + VALID,
            crl_number: SerialNumber::from(revoked.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let pem = params.signed_by(&self.issuer).and_then(|crl| crl.pem()).map_err(broken)?;
        files::write(&self.folder.join(CRL), pem.as_bytes(), Access::Public)
    }

    /// Remembers whose certificate has this serial number.
    fn remember(&self, serial: &[u8], name: &str) -> Result<(), Failure> {
        let mut issued = read_list(&self.folder.join(ISSUED))?;
        issued.push((hex::encode(serial), name.to_owned()));
        let lines: String = issued.iter().map(|(serial, name)| format!("{serial} {name}\n")).collect();
        files::write(&self.folder.join(ISSUED), lines.as_bytes(), Access::Public)
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
        let serial = serial()?;
        params.serial_number = Some(SerialNumber::from(serial.to_vec()));
        self.remember(&serial, file)?;
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
    let now = today();
    params.not_before = now - BACKDATED;
    params.not_after = now + VALID;
}

fn today() -> OffsetDateTime {
    let now = i64::try_from(super::now().as_secs()).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Fifteen random bytes behind one that keeps the number positive and of full length.
fn serial() -> Result<[u8; 16], Failure> {
    let mut serial = [0; 16];
    picket_shell::random::fill(&mut serial).map_err(|e| Failure::internal(e.to_string()))?;
    serial[0] = 0x40 | serial[0] & 0x3F;
    Ok(serial)
}

/// Lines of serial number and name; a missing file has none.
fn read_list(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = files::read(path, SMALL_FILE_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|line| line.split_once(' ')).map(|(s, n)| (s.to_owned(), n.to_owned())).collect())
}

fn write_key(path: &Path, key: &KeyPair) -> Result<(), Failure> {
    files::write(path, Zeroizing::new(key.serialize_pem()).as_bytes(), Access::Secret)
}

fn broken(e: rcgen::Error) -> Failure {
    Failure::internal(format!("cannot make a certificate: {e}"))
}
