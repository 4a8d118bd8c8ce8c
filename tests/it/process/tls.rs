//! TLS and mutual TLS, from the settings to a payment.

use std::path::Path;
use std::process::Command;

use super::load::{account, open_accounts};
use super::site::{Site, text};
use crate::admission::mutual_tls::certificates;

/// Pays by the command line; what it said, and whether it went well.
fn pay(server: std::net::SocketAddr, key: &str, folder: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
    command.env_clear().current_dir(folder).args(["pay", &account(0), &account(1), "0.01", "USD", "--key", key]);
    let ended = command.args(["--server", &server.to_string()]).args(args).output().unwrap();
    (ended.status.success(), text(&ended.stdout) + &text(&ended.stderr))
}

/// Fails when the certificate is not served, when the client's is not asked for, or is not checked against the CA.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_goes_through_tls_and_through_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let mut site =
        Site::new().await.with("TLS_CERT_FILE", &path("server.pem")).with("TLS_KEY_FILE", &path("server.key"));
    open_accounts(&site.database).await;
    let (ca, known, foreign) = (
        ["--ca", "ca.pem"],
        ["--cert", "client.pem", "--cert-key", "client.key"],
        ["--cert", "foreign.pem", "--cert-key", "foreign.key"],
    );

    let server = site.serve().await;
    let (paid, said) = pay(server.grpc, "tls", folder.path(), &ca);
    assert!(paid, "{said}");
    let (paid, said) = pay(server.grpc, "plain", folder.path(), &[]);
    assert!(!paid, "without TLS: {said}");
    let (paid, said) = pay(server.grpc, "other", folder.path(), &["--ca", "other.pem"]);
    assert!(!paid, "with another CA: {said}");
    assert_eq!(server.terminate(std::time::Duration::from_secs(8)).0, 0);

    // Every connection must show a certificate; then, one way among others to say who calls.
    for (method, without) in [("false", "error"), ("true", "UNAUTHENTICATED")] {
        site.set("TLS_CLIENT_CA_FILE", &path("ca.pem"));
        site.set("AUTH_CLIENT_CERTIFICATES", method);
        let server = site.serve().await;
        let key = format!("mutual-{method}");
        let (paid, said) = pay(server.grpc, &key, folder.path(), &[ca.as_slice(), &known].concat());
        assert!(paid, "{said}");
        let (paid, said) = pay(server.grpc, &key, folder.path(), &ca);
        assert!(!paid && said.contains(without), "without a certificate: {said}");
        let (paid, said) = pay(server.grpc, &key, folder.path(), &[ca.as_slice(), &foreign].concat());
        assert!(!paid, "with a foreign certificate: {said}");
    }
    assert_eq!(site.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await, 3);
    site.verify();
}
