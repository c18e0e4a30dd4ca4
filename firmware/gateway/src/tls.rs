//! TLS towards a broker: the mission's own CA and nobody else's, TLS 1.3 only.

use crate::config::Tls;
use core::fmt;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS material cannot be used.
#[derive(Debug)]
pub enum TlsError {
    /// The file cannot be read or is not PEM.
    Pem(PathBuf, pem::Error),
    /// The file has no certificate in it.
    Empty(PathBuf),
    /// A CA certificate that cannot be one.
    Ca(PathBuf, rustls::Error),
    /// Certificate and key do not go together.
    Identity(PathBuf, rustls::Error),
    /// The library refuses to work.
    Library(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(file, e) => write!(f, "{}: {e}", file.display()),
            Self::Empty(file) => write!(f, "{} has no certificate in it", file.display()),
            Self::Ca(file, e) => write!(f, "{} is no usable CA certificate: {e}", file.display()),
            Self::Identity(file, e) => write!(f, "{} and its key do not go together: {e}", file.display()),
            Self::Library(e) => write!(f, "TLS: {e}"),
        }
    }
}

impl core::error::Error for TlsError {}

/// Reads the material of an uplink. The private key is the one given, where it was imported.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client(settings: &Tls, sealed_key: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&settings.ca)? {
        roots.add(certificate).map_err(|e| TlsError::Ca(settings.ca.clone(), e))?;
    }
    // The provider is passed explicitly: the library's own default would panic with two of them linked.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Library)?
        .with_root_certificates(roots);
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let secret = match sealed_key {
                Some(pem) => PrivateKeyDer::from_pem_slice(pem),
                None => PrivateKeyDer::from_pem_file(key),
            };
            let secret = secret.map_err(|e| TlsError::Pem(key.clone(), e))?;
            let identity = |e| TlsError::Identity(chain.clone(), e);
            builder.with_client_auth_cert(certificates(chain)?, secret).map_err(identity)?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused = |e| TlsError::Pem(file.to_owned(), e);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(refused)?.collect();
    let found = found.map_err(refused)?;
    if found.is_empty() { Err(TlsError::Empty(file.to_owned())) } else { Ok(found) }
}
