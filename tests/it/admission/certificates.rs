//! Client certificates and the listener's own, in a real listener: what they grant, how they end, and what is read anew.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use florin::admission::auth::{Authenticator, Denial, access};
use florin::admission::connections::{Connections, ConnectionsMax};
use florin::admission::tls::{SecuredPeer, Tls, secured};
use florin::settings::{AuthSettings, TlsSettings};
use florin::telemetry::metrics::CONNECTIONS;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use florin_wire::payment_v1::payment_service_server::PaymentServiceServer;
use florin_wire::payment_v1::{AuthorizePaymentRequest, GetAccountBalanceRequest};
use http::HeaderMap;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Server};
use tonic::{Code, Status};

use super::mutual_tls::{WhoAmI, certificates};

const GET_BALANCE: &str = "/payment.v1.PaymentService/GetAccountBalance";

/// A listener of its own, and the files that it reads.
struct Guarded {
    folder: TempDir,
    tls: Tls,
    authenticator: Authenticator,
    address: SocketAddr,
}

impl Guarded {
    /// With these connections, and with what certificates grant, if that is said.
    async fn start(connections_max: ConnectionsMax, subjects: Option<&str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another test was first
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        Self::list_revoked(folder.path());
        let path = |name: &str| folder.path().join(name);
        if let Some(subjects) = subjects {
            std::fs::write(path("subjects"), subjects).unwrap();
        }
        let settings = TlsSettings {
            cert_file: path("server.pem"),
            key_file: path("server.key"),
            client_ca_file: Some(path("ca.pem")),
            client_crl_file: Some(path("crl.pem")),
            subjects_file: subjects.map(|_| path("subjects")),
            client_certificate_required: false,
        };
        let tls = Tls::load(settings).unwrap();
        let auth = AuthSettings {
            api_keys: false,
            client_certificates: true,
            cache: Duration::ZERO,
            allow_unauthenticated: false,
        };
        let authenticator = Authenticator::new(&auth, None).granting(tls.subjects());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = Server::builder().layer(authenticator.layer());
        let incoming = secured(Connections::new(listener, connections_max, CONNECTIONS), tls.clone());
        let server = server.add_service(PaymentServiceServer::new(WhoAmI)).serve_with_incoming(incoming);
        #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test's runtime")]
        tokio::spawn(server);
        Self { folder, tls, authenticator, address }
    }

    fn pem(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    /// Puts a file in the place of another, and has all read anew.
    fn replace(&self, files: &[(&str, &str)]) {
        for (from, to) in files {
            std::fs::copy(self.folder.path().join(from), self.folder.path().join(to)).unwrap();
        }
        assert!(self.tls.reload().unwrap());
    }

    /// Lists the certificates that the CA has revoked.
    fn list_revoked(folder: &Path) {
        let config =
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n";
        for (name, text) in [("ca.cnf", config), ("index", ""), ("number", "01\n")] {
            if !folder.join(name).exists() {
                std::fs::write(folder.join(name), text).unwrap();
            }
        }
        openssl(folder, "ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out crl.pem");
    }

    fn revoke(&self, name: &str) {
        openssl(self.folder.path(), &format!("ca -config ca.cnf -revoke {name}.pem -keyfile ca.key -cert ca.pem"));
        Self::list_revoked(self.folder.path());
    }

    /// A client that trusts this CA and shows this certificate.
    async fn client(&self, ca: &str, shows: &str) -> Result<PaymentServiceClient<Channel>, tonic::transport::Error> {
        self.client_of(self.address, ca, shows).await
    }

    async fn client_of(
        &self,
        address: SocketAddr,
        ca: &str,
        shows: &str,
    ) -> Result<PaymentServiceClient<Channel>, tonic::transport::Error> {
        let identity = Identity::from_pem(self.pem(&format!("{shows}.pem")), self.pem(&format!("{shows}.key")));
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.pem(&format!("{ca}.pem"))))
            .domain_name("localhost")
            .identity(identity);
        let channel = Channel::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap();
        Ok(PaymentServiceClient::new(channel.connect().await?))
    }
}

fn openssl(folder: &Path, line: &str) {
    let done = Command::new("openssl").current_dir(folder).args(line.split(' ')).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

async fn who(client: &mut PaymentServiceClient<Channel>) -> Result<String, Status> {
    let asked = GetAccountBalanceRequest { account_id: "me".into() };
    client.get_account_balance(asked).await.map(|answer| answer.into_inner().account_id)
}

const MANY: ConnectionsMax = ConnectionsMax { all: 100, address_percent: 100 };

/// Fails when a certificate has scopes or a tenant that its line does not give, when one without a line is let in, or
/// when the table is read at the start alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_grants_what_its_line_says() {
    let guarded = Guarded::start(MANY, Some("# who may what\n\nCN:client shop read\n")).await;
    let mut client = guarded.client("ca", "client").await.unwrap();
    assert!(who(&mut client).await.unwrap().ends_with(" of shop"));
    let paid = client.authorize_payment(AuthorizePaymentRequest::default()).await.unwrap_err();
    assert_eq!((paid.code(), paid.message().contains("lacks the scope")), (Code::PermissionDenied, true), "{paid}");
    let mut server = guarded.client("ca", "server").await.unwrap();
    let stranger = who(&mut server).await.unwrap_err();
    assert_eq!(stranger.code(), Code::Unauthenticated, "{stranger}");

    std::fs::write(guarded.folder.path().join("subjects"), "DNS:localhost till read,write").unwrap();
    assert!(guarded.tls.reload().unwrap());
    assert!(who(&mut client).await.unwrap().ends_with(" of till"), "the connection is the same");
    for (wrong, word) in [
        ("CN:a", "line 1"),
        ("\nclient shop read", "line 2: \"client\" is no subject"),
        ("CN:a shop juggle", "juggle"),
        ("CN:a sh/op read", "sh/op"),
        ("CN:a shop read\nCN:a till read", "line 2: CN:a has a line already"),
    ] {
        std::fs::write(guarded.folder.path().join("subjects"), wrong).unwrap();
        let error = guarded.tls.reload().unwrap_err().to_string();
        assert!(error.starts_with("AUTH_CERTIFICATES_FILE: ") && error.contains(word), "{wrong:?}: {error}");
        assert!(who(&mut client).await.unwrap().ends_with(" of till"), "what was read before goes on");
    }
}

/// Fails when the list is not looked at, or at the start alone, or when a stream goes on with a revoked certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_revoked_opens_nothing_and_holds_nothing_open() {
    let guarded = Guarded::start(MANY, None).await;
    assert!(who(&mut guarded.client("ca", "client").await.unwrap()).await.unwrap().starts_with("cert:"));

    // As a stream holds it: the certificate of a connection that began before.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let tls = guarded.tls.clone();
    let peers = Connections::new(listener, MANY, CONNECTIONS);
    let (accepted, connected) = tokio::join!(
        async {
            let mut incoming = std::pin::pin!(secured(peers, tls));
            futures::StreamExt::next(&mut incoming).await.unwrap().unwrap()
        },
        guarded.client_of(at, "ca", "client")
    );
    drop(connected);
    let SecuredPeer { certificate, .. } = tonic::transport::server::Connected::connect_info(&accepted);
    let standing = guarded.authenticator.standing(access(GET_BALANCE), &HeaderMap::new(), certificate).unwrap();
    standing.look().await.unwrap();

    guarded.revoke("client");
    assert!(guarded.tls.reload().unwrap());
    assert_eq!(standing.look().await, Err(Denial::Expired));
    let refused = match guarded.client("ca", "client").await {
        Ok(mut client) => who(&mut client).await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "a new connection");
    assert!(
        who(&mut guarded.client("ca", "server").await.unwrap()).await.is_ok(),
        "another certificate is as good as before"
    );
}

/// Fails when certificate and key are read at the start alone, or when files that do not go together end the listener.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_served_without_a_restart() {
    let guarded = Guarded::start(MANY, None).await;
    assert!(guarded.client("other", "client").await.is_err());
    assert!(!guarded.tls.reload().unwrap(), "nothing has changed");
    std::fs::copy(guarded.folder.path().join("foreign.key"), guarded.folder.path().join("server.key")).unwrap();
    let error = guarded.tls.reload().unwrap_err().to_string();
    assert!(error.contains("TLS_CERT_FILE and TLS_KEY_FILE"), "{error}");
    assert!(who(&mut guarded.client("ca", "client").await.unwrap()).await.is_ok());
    guarded.replace(&[("foreign.pem", "server.pem")]);
    assert!(who(&mut guarded.client("other", "client").await.unwrap()).await.is_ok());
    assert!(guarded.client("ca", "client").await.is_err());
}

async fn connect_from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Fails when one address can take all connections, and when a handshake may take for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_handshake_holds_nobody_up_and_ends() {
    let guarded = Guarded::start(ConnectionsMax { all: 4, address_percent: 50 }, None).await;
    // The beginning of a record of 4 KiB that never comes to its end.
    let hello = [0x16, 0x03, 0x01, 0x10, 0x00, 0x01, 0x00, 0x0f, 0xfc, 0x03, 0x03].into_iter().chain([0; 40]);
    let hello: Vec<u8> = hello.collect();
    let mut half = Vec::new();
    for _ in 0..2 {
        let mut stream = connect_from("127.0.0.2", guarded.address).await;
        stream.write_all(&hello).await.unwrap();
        half.push(stream);
    }
    let mut third = connect_from("127.0.0.2", guarded.address).await;
    let cut = tokio::time::timeout(Duration::from_secs(5), third.read(&mut [0; 8])).await.expect("it is hung up on");
    assert!(matches!(cut, Ok(0) | Err(_)));
    assert!(who(&mut guarded.client("ca", "client").await.unwrap()).await.is_ok(), "another address is served");
    for mut stream in half {
        let ended = tokio::time::timeout(Duration::from_secs(25), stream.read_to_end(&mut Vec::new())).await;
        ended.expect("half a handshake ends").ok();
    }
}
