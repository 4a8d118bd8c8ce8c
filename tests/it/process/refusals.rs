//! What `florin serve` refuses to start on, and that it says why, all at once.

use super::site::{Site, brokers, text};
use crate::harness::TestDatabase;

/// Runs `serve`, which must refuse; what it says.
fn refused(site: &Site) -> String {
    let ended = site.run(&["serve"]);
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    said
}

/// Fails when the schema is not compared, or when a check stops at the first wrong setting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_other_schemas_open_doors_and_wrong_settings() {
    let mut site = Site::unmigrated(TestDatabase::empty().await, brokers());
    assert!(refused(&site).contains("the database has no florin schema; run `florin migrate`"));
    assert!(site.run(&["migrate"]).status.success());
    let newest = florin::store::schema::newest();
    let execute = async |sql: &'static str| sqlx::query(sql).bind(newest).execute(&site.database.pool).await.unwrap();
    execute("UPDATE _sqlx_migrations SET version = 9000 WHERE version = $1").await;
    let newer = refused(&site);
    assert!(newer.contains("version 9000") && newer.contains("`florin migrate`"), "{newer}");
    execute("UPDATE _sqlx_migrations SET version = $1 WHERE version = 9000").await;
    execute("DELETE FROM _sqlx_migrations WHERE version = $1").await;
    let older = refused(&site);
    assert!(
        older.contains(&format!("this florin needs {newest}")) && older.contains("run `florin migrate`"),
        "{older}"
    );

    site.set("GRPC_HOST", "0.0.0.0");
    site.set("METRICS_HOST", "0.0.0.0");
    let open = refused(&site);
    for what in ["and no method of authentication is on", "and there is no TLS"] {
        assert!(open.contains(&format!("GRPC_HOST is \"0.0.0.0\", beyond loopback, {what}")), "{what}: {open}");
    }
    assert!(
        open.contains("METRICS_HOST is \"0.0.0.0\", beyond loopback") && open.contains("ALLOW_PLAINTEXT"),
        "{open}"
    );

    for (name, value) in
        [("GRPC_PORT", "70000"), ("LEASE_SECONDS", "soon"), ("KAFKA_BROKERS", "nowhere"), ("TLS_CERT_FILE", "cert.pem")]
    {
        site.set(name, value);
    }
    let wrong = refused(&site);
    for (name, value) in [("GRPC_PORT", "70000"), ("LEASE_SECONDS", "soon"), ("KAFKA_BROKERS", "nowhere")] {
        assert!(wrong.contains(&format!("{name} is {value:?}")) && wrong.contains("allowed"), "{name}: {wrong}");
    }
}

/// Fails when an address that is taken, or a certificate that cannot be read, is only logged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_ends_when_it_cannot_listen() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut site = Site::new().await.with("GRPC_PORT", &port);
    assert!(refused(&site).contains(&format!("cannot listen on 127.0.0.1:{port}")));
    site.set("GRPC_PORT", "0");
    site.set("METRICS_PORT", &port);
    assert!(refused(&site).contains("METRICS_PORT"));
    site.set("METRICS_PORT", "0");
    site.set("TLS_CERT_FILE", "/nonexistent.pem");
    site.set("TLS_KEY_FILE", "/nonexistent.pem");
    assert!(refused(&site).contains("TLS_CERT_FILE /nonexistent.pem"));
}
