//! What of TLS stands in files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::Loaded;
use crate::admission::auth::certificates::{self, Subject};
use crate::settings::TlsSettings;

const SUBJECTS: &str = "AUTH_CERTIFICATES_FILE";
/// Bytes of one file.
const FILE_MAX: u64 = 16 << 20;

/// The files' bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    client_crl: Option<Vec<u8>>,
    subjects: Option<Vec<u8>>,
}

impl Pem {
    pub fn read(settings: &TlsSettings) -> io::Result<Self> {
        let (ca, crl) = (settings.client_ca_file.as_deref(), settings.client_crl_file.as_deref());
        Ok(Self {
            cert: read("TLS_CERT_FILE", &settings.cert_file)?,
            key: read("TLS_KEY_FILE", &settings.key_file)?,
            client_ca: ca.map(|path| read("TLS_CLIENT_CA_FILE", path)).transpose()?,
            subjects: settings.subjects_file.as_deref().map(|path| read(SUBJECTS, path)).transpose()?,
            client_crl: crl.map(|path| read("TLS_CLIENT_CRL_FILE", path)).transpose()?,
        })
    }

    /// What certificates grant, if there is a table of it.
    pub fn subjects(&self) -> io::Result<Option<Vec<Subject>>> {
        let Some(bytes) = &self.subjects else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(SUBJECTS, &error))?;
        certificates::read(text).map(Some).map_err(|why| wrong(SUBJECTS, &why))
    }
}

fn read(setting: &str, path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::metadata(path).and_then(|file| match file.len() {
        0..=FILE_MAX => std::fs::read(path),
        len => Err(io::Error::other(format!("it has {len} bytes, the limit is {FILE_MAX}"))),
    });
    bytes.map_err(|error| io::Error::new(error.kind(), format!("{setting} {}: {error}", path.display())))
}

/// Makes of them what connections need.
pub fn load(pem: Pem, client_certificate_required: bool) -> io::Result<Loaded> {
    let verifier = verifier(&pem, client_certificate_required)?;
    let config = |protocol: &[u8]| -> io::Result<Arc<ServerConfig>> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|error| wrong("TLS_KEY_FILE", &error))?;
        let mut config = builder
            .with_single_cert(chain("TLS_CERT_FILE", &pem.cert)?, key)
            .map_err(|error| wrong("TLS_CERT_FILE and TLS_KEY_FILE", &error))?;
        config.alpn_protocols = vec![protocol.to_vec()];
        if verifier.is_some() {
            // a session that is taken up again would bring its certificate along, unjudged
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    };
    Ok(Loaded { http1: config(b"http/1.1")?, http2: config(b"h2")?, verifier, pem })
}

/// With a list of revoked certificates, a certificate whose CA has no list in the file is refused.
fn verifier(pem: &Pem, is_required: bool) -> io::Result<Option<Arc<dyn ClientCertVerifier>>> {
    let Some(ca) = &pem.client_ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in chain("TLS_CLIENT_CA_FILE", ca)? {
        roots.add(certificate).map_err(|error| wrong("TLS_CLIENT_CA_FILE", &error))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = if is_required { verifier } else { verifier.allow_unauthenticated() };
    let verifier = match &pem.client_crl {
        Some(crl) => verifier.with_crls(lists(crl)?).only_check_end_entity_revocation(),
        None => verifier,
    };
    Ok(Some(verifier.build().map_err(|error| wrong("TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE", &error))?))
}

fn chain(setting: &str, pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| wrong(setting, &error))?;
    if chain.is_empty() { Err(wrong(setting, &"holds no certificate")) } else { Ok(chain) }
}

fn lists(pem: &[u8]) -> io::Result<Vec<CertificateRevocationListDer<'static>>> {
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    let lists = lists.map_err(|error| wrong("TLS_CLIENT_CRL_FILE", &error))?;
    if lists.is_empty() { Err(wrong("TLS_CLIENT_CRL_FILE", &"holds no revocation list")) } else { Ok(lists) }
}

fn wrong(setting: &str, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{setting}: {why}"))
}
