//! Orders while everything dies: each is billed once, the books tie out, and no number is left out.

use std::time::Duration;

use florin_servers::kafka::DevKafka;
use florin_servers::ports;
use florin_servers::postgres::{Durability, PrivatePostgres};

use super::orders::{billable, order};
use crate::harness::TestDatabase;
use crate::harness::cases::is_large;
use crate::process::florin::Server;
use crate::process::site::Site;

/// So many orders: few for every day, and 50,000 for `make test-large`.
fn orders() -> Vec<String> {
    let count = if is_large() { 50_000 } else { 3_000 };
    (0..count).map(|n| order(n, "USD", billable())).collect()
}

impl Site {
    /// Sends some of these orders again and one more, and looks at what became of all.
    async fn assert_billed_once(&self, server: Server, orders: &[String]) {
        let all = i64::try_from(orders.len()).unwrap();
        self.until("all are billed", "SELECT count(*) FROM invoices", all).await;
        self.order(&orders[..orders.len() / 10]);
        self.order(&[order(orders.len(), "USD", billable())]);
        self.until("the last one too", "SELECT count(*) FROM invoices", all + 1).await;
        assert_eq!(self.database.count("SELECT count(DISTINCT source) FROM invoices").await, all + 1);
        assert_eq!(self.database.count("SELECT max(number) FROM invoices").await, all + 1, "no number is left out");
        assert_eq!(self.database.count("SELECT count(*) FROM received_letters").await, 0);
        assert_eq!(self.billing_events().await.len(), orders.len() + 1, "one event for each invoice");
        let (code, _) = server.terminate(Duration::from_secs(15));
        assert_eq!(code, 0, "{}", server.process.said());
        self.verify();
    }
}

/// Fails when offsets are committed before the effects (orders are lost), or when an order's transaction id is drawn
/// instead of made from its event id (orders are billed twice).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_florin_bills_every_order_once() {
    let site = Site::new().await.with("LEASE_SECONDS", "1");
    let orders = orders();
    let mut server = site.serve().await;
    site.order(&orders);
    for round in 1..=4 {
        let share = i64::try_from(orders.len() * round / 6).unwrap();
        site.until_at_least("it bills", "SELECT count(*) FROM invoices", share).await;
        server.process.kill();
        server = site.serve().await;
    }
    site.assert_billed_once(server, &orders).await;
}

/// Fails when a database or a broker that is away makes dead letters, or when what was billed before it went is billed
/// once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_postgresql_and_of_the_broker_bills_every_order_once() {
    let (home, kafka_home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut postgres = PrivatePostgres::start(home.path(), Durability::Throwaway).unwrap();
    let mut kafka = DevKafka::start(kafka_home.path(), ports::free().unwrap()).unwrap();
    let database = TestDatabase::empty_on(&postgres.url("postgres")).await;
    let site = Site::on(database, kafka.brokers()).await.with("LEASE_SECONDS", "1");
    let orders = orders();
    let server = site.serve().await;
    site.order(&orders);
    for round in 1..=4 {
        let share = i64::try_from(orders.len() * round / 6).unwrap();
        site.until_at_least("it bills", "SELECT count(*) FROM invoices", share).await;
        if round % 2 == 1 {
            postgres.kill().unwrap();
            postgres.restart().unwrap();
        } else {
            kafka.kill().unwrap();
            kafka.restart().unwrap();
        }
    }
    site.assert_billed_once(server, &orders).await;
}

/// Fails when a standby reads orders too, or when the group of the one before is not left: then nothing is billed until
/// its session ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_one_bills_and_the_other_takes_over() {
    let site = Site::new().await.with("LEASE_SECONDS", "1");
    let first = site.serve().await;
    let second = site.start().await;
    site.order(&(0..200).map(|n| order(n, "USD", billable())).collect::<Vec<_>>());
    site.until("billed", "SELECT count(*) FROM invoices", 200).await;
    first.terminate(Duration::from_secs(15));
    site.order(&(150..400).map(|n| order(n, "USD", billable())).collect::<Vec<_>>());
    site.until("billed by the other", "SELECT count(*) FROM invoices", 400).await;
    assert_eq!(site.database.count("SELECT count(DISTINCT source) FROM invoices").await, 400);
    second.terminate(Duration::from_secs(15));
    site.verify();
}
