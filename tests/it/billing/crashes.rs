//! Orders while everything dies: each is billed once, the books tie out, and no number is left out.

use std::time::Duration;

use super::orders::{billable, order};
use crate::harness::cases::is_large;
use crate::process::site::Site;

/// Fails when offsets are committed before the effects (orders are lost), or when an order's transaction id is drawn
/// instead of made from its event id (orders are billed twice).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_florin_bills_every_order_once() {
    let site = Site::new().await.with("LEASE_SECONDS", "1");
    let count: usize = if is_large() { 50_000 } else { 3_000 };
    let orders: Vec<String> = (0..count).map(|n| order(n, "USD", billable())).collect();
    let mut server = site.serve().await;
    site.order(&orders);
    for round in 1..=4 {
        let share = i64::try_from(count * round / 6).unwrap();
        site.until_at_least("it bills", "SELECT count(*) FROM invoices", share).await;
        server.process.kill();
        server = site.serve().await;
    }
    let all = i64::try_from(count).unwrap();
    site.until("all are billed", "SELECT count(*) FROM invoices", all).await;
    site.order(&orders[..count / 10]); // and some of them again
    site.order(&[order(count, "USD", billable())]);
    site.until("the last one too", "SELECT count(*) FROM invoices", all + 1).await;
    assert_eq!(site.database.count("SELECT count(DISTINCT source) FROM invoices").await, all + 1);
    assert_eq!(site.database.count("SELECT max(number) FROM invoices").await, all + 1, "no number is left out");
    assert_eq!(site.database.count("SELECT count(*) FROM received_letters").await, 0);
    assert_eq!(site.billing_events().await.len(), count + 1, "one event for each invoice");
    let (code, _) = server.terminate(Duration::from_secs(15));
    assert_eq!(code, 0, "{}", server.process.said());
    site.verify();
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
