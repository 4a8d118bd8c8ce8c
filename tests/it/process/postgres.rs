//! PostgreSQL away: UNAVAILABLE at once, recovery without a restart, nothing lost, nothing twice.

use std::time::{Duration, Instant};

use florin_servers::postgres::{Durability, PrivatePostgres};
use sqlx::{Connection, PgConnection};
use tonic::Code;

use super::load::{Call, Load, account, open_accounts, quantile};
use super::site::{Site, brokers};
use crate::harness::{TestDatabase, payment};

/// Fails when calls wait for a database that is known to be away instead of being refused, or when a lost session is
/// not opened anew. (A batch whose commit had no answer is too rare here; a proxy that holds bytes back makes one at
/// will.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_postgresql_is_unavailable_at_once_and_heals() {
    let home = tempfile::tempdir().unwrap();
    let mut postgres = PrivatePostgres::start(home.path(), Durability::Throwaway).unwrap();
    let site = Site::on(TestDatabase::empty_on(&postgres.url("postgres")).await, brokers()).await;
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    load.more(200).await;

    postgres.kill().unwrap();
    let away = Instant::now();
    server.process.says("the database is away", Duration::from_secs(10)).await;
    let known = Instant::now();
    println!("known after {:?}", known - away);
    assert!(known - away < Duration::from_secs(1), "{:?}", known - away);
    tokio::time::sleep(Duration::from_secs(2)).await; // the outage itself
    assert_eq!(server.health().await, Some(503));
    // Payers of the batch that was in flight wait, for nobody knows what became of it, and all may be in it: others are
    // refused.
    let (mut client, mut refused) = (server.client(), Vec::new());
    for n in 0..50 {
        let began = Instant::now();
        let answer = client.authorize_payment(payment(&format!("away-{n}"), &account(0), &account(1), 1, "USD")).await;
        refused.push(Call {
            began,
            took: began.elapsed(),
            code: answer.map_or_else(|status| status.code(), |_| Code::Ok),
        });
    }
    let wrong: Vec<_> = refused.iter().filter(|call| call.code != Code::Unavailable).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let p99 = quantile(&refused, 990);
    assert!(p99 < Duration::from_millis(500), "refused after {p99:?}");

    postgres.restart().unwrap();
    let back = Instant::now();
    load.more(100).await;
    println!("refused with p99 {p99:?}, recovered {:?} after the restart", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    server.serving().await;
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
}

/// Fails as the test above, or when a backend that is ended counts against the journal's restarts (it gives up).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_ended_every_100_ms_lose_and_double_nothing() {
    let site = Site::new().await;
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    load.more(100).await;
    let mut killer = PgConnection::connect(&site.database.url).await.unwrap();
    let (began, mut ended) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'florin%'",
        )
        .fetch_one(&mut killer)
        .await
        .unwrap();
        ended += count;
        tokio::time::sleep(Duration::from_millis(100)).await; // the pace of the fault
    }
    println!("{ended} backends ended, {} payments acknowledged so far", load.acknowledged());
    assert!(ended > 30, "{ended}");
    load.more(100).await;
    server.serving().await;
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
}
