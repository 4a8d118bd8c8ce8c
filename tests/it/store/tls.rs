//! The way to PostgreSQL by TLS, from the settings to a statement.

use florin::settings::{Mode, Settings, Sources};
use florin::store::Database;
use secrecy::ExposeSecret;

use crate::admission::mutual_tls::certificates;
use crate::harness::TestDatabase;
use crate::harness::tls::{Preamble, TlsFront};

// Fails when the certificate, or the name in it, is not checked, or when a server without TLS is spoken to in clear.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_reached_by_a_certificate_that_is_trusted_and_its_own_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let database = TestDatabase::fresh().await;
    let options = database.pool.connect_options();
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let front = TlsFront::start(&format!("{host}:{port}"), folder.path(), Preamble::Postgres).await;
    let asked = async |host: &str, port: u16, more: (&str, &str)| {
        let (port, name) = (port.to_string(), options.get_database().unwrap());
        let given = [("DB_HOST", host), ("DB_PORT", port.as_str()), ("DB_DATABASE", name), more];
        let environment = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (settings, _) = Settings::load(&Sources { environment, ..Sources::default() }, Mode::Tool).unwrap();
        let pool = Database::new(settings.database.url.unwrap().expose_secret()).unwrap().pool(1);
        sqlx::query("SELECT 1").execute(&pool).await.map(drop).map_err(|error| error.to_string())
    };
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, other) = (path("ca.pem"), path("other.pem"));
    let (ca, other, host) = (ca.as_str(), other.as_str(), host.as_str());
    asked("127.0.0.1", front.port, ("DATABASE_CA_FILE", ca)).await.unwrap();
    asked("127.0.0.1", front.port, ("DB_SSL", "true")).await.unwrap(); // whosever it is
    for (host, port, how) in [
        ("127.0.0.1", front.port, ("DATABASE_CA_FILE", other)),
        ("127.0.0.1", front.port, ("DB_SSL", "verified")),
        ("127.0.0.2", front.port, ("DATABASE_CA_FILE", ca)), // not in the certificate
        (host, port, ("DATABASE_CA_FILE", ca)),              // speaks no TLS
    ] {
        let refused = asked(host, port, how).await.unwrap_err();
        assert!(refused.contains("certificate") || refused.contains("TLS"), "{host} {how:?}: {refused}");
    }
}
