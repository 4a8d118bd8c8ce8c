//! The layer in a real listener with TLS: who shows a certificate is known by it, who shows nothing is refused.

use std::path::Path;
use std::process::{Command, Output};

use florin::admission::auth::{Authenticator, Identity};
use florin::admission::connections::{Connections, ConnectionsMax};
use florin::admission::tls::{Tls, secured};
use florin::settings::{AuthSettings, TlsSettings};
use florin::telemetry::metrics::CONNECTIONS;
use florin_wire::payment_v1::payment_service_server::{PaymentService, PaymentServiceServer};
use florin_wire::payment_v1::{
    AuthorizePaymentRequest, AuthorizePaymentResponse, GetAccountBalanceRequest, GetAccountBalanceResponse,
    GetPaymentRequest, GetPaymentResponse,
};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Answers with who calls in place of the account.
pub struct WhoAmI;

#[tonic::async_trait]
impl PaymentService for WhoAmI {
    async fn authorize_payment(
        &self,
        _: Request<AuthorizePaymentRequest>,
    ) -> Result<Response<AuthorizePaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_payment(&self, _: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_account_balance(
        &self,
        request: Request<GetAccountBalanceRequest>,
    ) -> Result<Response<GetAccountBalanceResponse>, Status> {
        let identity = request.extensions().get::<Identity>().ok_or_else(|| Status::internal("no identity"))?;
        let account_id = format!("{} of {}", identity.client.as_deref().unwrap_or("nobody"), identity.tenant);
        Ok(Response::new(GetAccountBalanceResponse {
            account_id,
            available_balance_cents: 0,
            pending_balance_cents: 0,
            currency: "USD".into(),
        }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_known_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();

    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = AuthSettings {
        api_keys: false,
        client_certificates: true,
        cache: std::time::Duration::ZERO,
        allow_unauthenticated: false,
    };
    let file = |name: &str| folder.path().join(name);
    let tls = Tls::load(TlsSettings {
        cert_file: file("server.pem"),
        key_file: file("server.key"),
        client_ca_file: Some(file("ca.pem")),
        client_crl_file: None,
        subjects_file: None,
        client_certificate_required: false,
    });
    let mut server = Server::builder().layer(Authenticator::new(&settings, None).layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections_max = ConnectionsMax { all: 100, address_percent: 100 };
    let incoming = secured(Connections::new(listener, connections_max, CONNECTIONS), tls.unwrap());
    let server = server.add_service(PaymentServiceServer::new(WhoAmI)).serve_with_incoming(incoming);
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test's runtime")]
    tokio::spawn(server);

    let balance = |extra: Vec<String>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
        command.env_clear().args(["balance", "me", "--server", &address, "--ca", &path("ca.pem")]).args(extra);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let said = |output: &Output| {
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };

    let known =
        balance(vec!["--cert".into(), path("client.pem"), "--cert-key".into(), path("client.key")]).await.unwrap();
    assert!(
        known.status.success() && said(&known).starts_with("cert:") && said(&known).contains(" of default"),
        "{}",
        said(&known)
    );
    let unknown = balance(vec![]).await.unwrap();
    assert!(said(&unknown).starts_with("error: UNAUTHENTICATED: no credentials"), "{}", said(&unknown));
    let foreign =
        balance(vec!["--cert".into(), path("foreign.pem"), "--cert-key".into(), path("foreign.key")]).await.unwrap();
    assert!(!foreign.status.success() && !said(&foreign).contains("cert:"), "{}", said(&foreign));
}

/// A CA, certificates of server and client under it, and a client's that it did not sign.
pub fn certificates(folder: &Path) {
    let openssl = |line: &str| {
        let done = Command::new("openssl")
            .current_dir(folder)
            .args(line.split(' '))
            .output()
            .expect("openssl; on Debian: apt-get install openssl");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=ca"));
    openssl(&format!("req -x509 {new} -keyout other.key -out other.pem -subj /CN=other"));
    std::fs::write(folder.join("extensions"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    for (name, ca) in [("server", "ca"), ("client", "ca"), ("foreign", "other")] {
        openssl(&format!("req {new} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -extfile extensions -out {name}.pem"
        ));
    }
}
