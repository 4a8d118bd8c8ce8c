//! TLS in front of a server that has none.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::money::spawn;

/// What a client says before TLS begins, and what it hears.
#[derive(Clone, Copy)]
pub enum Preamble {
    Nothing,
    /// PostgreSQL's SSLRequest of 8 bytes, and `S`.
    Postgres,
}

/// It listens on every address of this machine, and ends with this.
pub struct TlsFront {
    pub port: u16,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// In front of `host:port`, with `server.pem` of a folder that `certificates` has filled.
    pub async fn start(to: &str, folder: &Path, preamble: Preamble) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), to.to_owned());
        let accepting = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                spawn(pass(client, acceptor.clone(), to.clone(), preamble));
            }
        });
        Self { port, accepting }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, acceptor: TlsAcceptor, to: String, preamble: Preamble) -> std::io::Result<()> {
    if let Preamble::Postgres = preamble {
        client.read_exact(&mut [0; 8]).await?;
        client.write_all(b"S").await?;
    }
    let mut client = acceptor.accept(client).await?;
    copy_bidirectional(&mut client, &mut TcpStream::connect(to).await?).await.map(drop)
}
