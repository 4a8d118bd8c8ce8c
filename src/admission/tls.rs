//! TLS of the listeners: certificates, what is demanded of clients, and the list of those that are revoked. The files are
//! read again when they change; connections that are open go on with what they began with.

mod files;
mod secured;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::files::Pem;
pub use self::secured::{Secured, SecuredPeer, secured};
use crate::admission::auth::certificates::Subjects;
use crate::settings::TlsSettings;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The TLS of all listeners; clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    settings: TlsSettings,
    loaded: RwLock<Loaded>,
    subjects: Subjects,
}

/// What was made of the files.
struct Loaded {
    pem: Pem,
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    /// What judges clients' certificates; `None`: none are asked for.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

/// Which protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Http1,
    Http2,
}

/// A client's certificate as the handshake accepted it.
#[derive(Clone)]
pub struct PeerCertificate {
    /// Its own first, then those that lead to the CA.
    chain: Arc<[CertificateDer<'static>]>,
    /// By what it was judged.
    tls: Option<Tls>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, or they do not go together.
    pub fn load(settings: TlsSettings) -> io::Result<Self> {
        let pem = Pem::read(&settings)?;
        let (loaded, table) = (files::load(pem.clone(), settings.client_certificate_required)?, pem.subjects()?);
        let subjects = Subjects::default();
        subjects.set(table);
        Ok(Self(Arc::new(Inner { settings, loaded: RwLock::new(loaded), subjects })))
    }

    /// What client certificates grant.
    pub fn subjects(&self) -> Subjects {
        self.0.subjects.clone()
    }

    /// Reads the files again; whether they were others than before.
    ///
    /// # Errors
    /// When one cannot be read, or they do not go together: then what was read before goes on.
    pub fn reload(&self) -> io::Result<bool> {
        let Inner { settings, loaded, subjects } = &*self.0;
        let pem = Pem::read(settings)?;
        if loaded.read().unwrap_or_else(PoisonError::into_inner).pem == pem {
            return Ok(false);
        }
        let (new, table) = (files::load(pem.clone(), settings.client_certificate_required)?, pem.subjects()?);
        subjects.set(table);
        *loaded.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// Reads the files again and again, until `stopped`.
    pub async fn follow(self, mut stopped: watch::Receiver<bool>) {
        let mut last_error = None;
        while tokio::time::timeout(LOOK_EVERY, stopped.wait_for(|stopped| *stopped)).await.is_err() {
            let error = match self.reload() {
                Ok(true) => {
                    tracing::info!(
                        "certificates, key, revocation list or what certificates grant have changed: new connections have it"
                    );
                    None
                }
                Ok(false) => None,
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = error.as_ref().filter(|error| last_error.as_ref() != Some(*error)) {
                tracing::error!(error, "certificates cannot be read anew: those of before go on");
            }
            last_error = error;
        }
    }

    /// A handshake; its errors are the peer's affair.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub async fn accept<S>(&self, stream: S, speaks: Speaks) -> io::Result<(TlsStream<S>, Option<PeerCertificate>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = {
            let loaded = self.0.loaded.read().unwrap_or_else(PoisonError::into_inner);
            match speaks {
                Speaks::Http1 => loaded.http1.clone(),
                Speaks::Http2 => loaded.http2.clone(),
            }
        };
        let handshake = tokio::time::timeout(HANDSHAKE_MAX, TlsAcceptor::from(config).accept(stream));
        let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let chain = stream.get_ref().1.peer_certificates();
        let chain = chain.map(|chain| chain.iter().map(|der| der.clone().into_owned()).collect::<Arc<[_]>>());
        let certificate = chain.map(|chain| PeerCertificate { chain, tls: Some(self.clone()) });
        Ok((stream, certificate))
    }
}

impl PeerCertificate {
    /// One that nobody has judged.
    #[cfg(test)]
    pub fn unjudged(der: &[u8]) -> Self {
        Self { chain: Arc::new([CertificateDer::from(der.to_vec())]), tls: None }
    }

    /// The client's own, in DER.
    pub fn der(&self) -> &[u8] {
        self.chain.first().map_or(&[], |der| der.as_ref())
    }

    /// Whether a handshake would accept it now: it may have expired, or been revoked, or its CA may be none any more.
    pub fn is_valid(&self) -> bool {
        let loaded = self.tls.as_ref().map(|tls| tls.0.loaded.read().unwrap_or_else(PoisonError::into_inner));
        match (loaded.and_then(|loaded| loaded.verifier.clone()), self.chain.split_first()) {
            (Some(verifier), Some((own, others))) => verifier.verify_client_cert(own, others, UnixTime::now()).is_ok(),
            _ => false,
        }
    }
}
