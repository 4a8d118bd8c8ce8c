//! Orders from Kafka become invoices, postings and events, once each.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::topics;
use crate::process::site::Site;

const LIMIT: Duration = Duration::from_secs(120);

/// An order of these lines.
pub fn order(n: usize, currency: &str, lines: Value) -> String {
    json!({
        "event_id": format!("event-{n}"), "order_id": format!("order-{n}"), "currency": currency, "lines": lines,
        "timestamp": "2026-11-20T02:09:34.076259",
    })
    .to_string()
}

/// Three lines that come to 118.00 with tax.
pub fn billable() -> Value {
    json!([
        {"sku": "a", "qty": 2, "unit_price": 40},
        {"sku": "b", "qty": 1, "unit_price": "19.99"},
        {"sku": "c", "qty": 1, "unit_price": 0.01},
    ])
}

impl Site {
    pub fn order(&self, bodies: &[impl AsRef<[u8]>]) {
        topics::write(&self.brokers, &format!("{}.orders", self.name), bodies);
    }

    pub async fn until(&self, what: &str, sql: &str, want: i64) {
        self.waits(what, sql, want, |found| found == want).await;
    }

    pub async fn until_at_least(&self, what: &str, sql: &str, want: i64) {
        self.waits(what, sql, want, |found| found >= want).await;
    }

    async fn waits(&self, what: &str, sql: &str, want: i64, is_so: impl Fn(i64) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = self.database.count(sql).await;
            if is_so(found) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {found} after {LIMIT:?}, not {want}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn billing_events(&self) -> Vec<topics::Record> {
        self.until("no event waits", "SELECT count(*) FROM journal WHERE event IS NOT NULL AND n = 0 AND seq > (SELECT coalesce(max(position), 0) FROM outbox_positions)", 0).await;
        let (brokers, topic) = (self.brokers.clone(), format!("{}.billing", self.name));
        tokio::task::spawn_blocking(move || topics::read(&brokers, &topic)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_becomes_one_invoice_with_tax_and_postings_and_the_contracts_event() {
    let site = Site::new().await;
    let server = site.serve().await;
    let lines = json!([{"sku": "a", "qty": 2, "unit_price": 40}, {"sku": "b", "qty": 1, "unit_price": "20.00"}]);
    site.order(&[order(1, "USD", lines)]);
    site.until("billed", "SELECT count(*) FROM invoices", 1).await;

    let row: (i64, String, String, String, i16, String, i64) =
        sqlx::query_as("SELECT id, subtotal::text, tax::text, total::text, status, source, number FROM invoices")
            .fetch_one(&site.database.pool)
            .await
            .unwrap();
    let (id, numbers) = (row.0, (row.1.as_str(), row.2.as_str(), row.3.as_str(), row.4, row.5.as_str(), row.6));
    assert_eq!(numbers, ("10000", "1800", "11800", 2, "order-1", 1));

    let posted: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT d.name, c.name, p.amount::text FROM postings p JOIN accounts d ON d.id = p.debit_account JOIN accounts c ON c.id = p.credit_account ORDER BY p.seq",
    )
    .fetch_all(&site.database.pool)
    .await
    .unwrap();
    let posting = |credit: &str, amount: &str| ("Accounts Receivable:USD".into(), credit.into(), amount.into());
    assert_eq!(posted, [posting("Revenue:USD", "10000"), posting("Tax Payable:USD", "1800")]);

    let events = site.billing_events().await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert!(event.key.is_none() && event.headers.is_empty(), "{event:?}");
    let text = String::from_utf8(event.body.clone()).unwrap();
    let (before, timestamp) = text.split_once(r#""timestamp":""#).unwrap();
    assert_eq!(
        before,
        format!(r#"{{"type":"invoice_created","invoice_id":{id},"order_id":"order-1","total":118,"currency":"USD","#)
    );
    assert!(chrono::NaiveDateTime::parse_from_str(timestamp, r#"%Y-%m-%dT%H:%M:%SZ"}"#).is_ok(), "{timestamp}");
    server.terminate(Duration::from_secs(15));
    site.verify();
}

/// Mutation: without the client library's `zstd` the first of them stops its partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_billed_however_their_batches_are_packed() {
    let site = Site::new().await;
    let server = site.serve().await;
    let topic = format!("{}.orders", site.name);
    for (n, codec) in ["zstd", "gzip", "snappy", "lz4", "none"].into_iter().enumerate() {
        topics::write_as(&site.brokers, &topic, (codec, None), &[order(n, "USD", billable())]);
    }
    site.until("billed", "SELECT count(*) FROM invoices", 5).await;
    server.terminate(Duration::from_secs(15));
    site.verify();
}

/// Mutation: with ids drawn at each delivery instead of `of_message`, each delivery is an invoice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_delivered_again_is_billed_once() {
    let site = Site::new().await;
    let server = site.serve().await;
    let orders: Vec<String> =
        (0..20).map(|n| order(n, "EUR", json!([{"sku": "x", "qty": 1, "unit_price": 1.25}]))).collect();
    let all: Vec<&String> = orders.iter().chain(&orders).chain(orders.iter().rev()).collect();
    site.order(&all);
    site.until("billed", "SELECT count(*) FROM invoices", 20).await;
    server.terminate(Duration::from_secs(15));
    // The whole topic again, for a group that is new.
    let site = site.with("KAFKA_GROUP_ID", "another-group-of-billing");
    let server = site.serve().await;
    site.order(&[order(20, "EUR", json!([{"sku": "x", "qty": 1, "unit_price": 1.25}]))]);
    site.until("billed", "SELECT count(*) FROM invoices", 21).await;
    assert_eq!(site.database.count("SELECT count(DISTINCT source) FROM invoices").await, 21);
    assert_eq!(site.database.count("SELECT max(number) FROM invoices").await, 21, "no number is left out");
    assert_eq!(site.database.count("SELECT sum(tax)::bigint FROM invoices").await, 21 * 23, "18 % of 1.25 is 0.23");
    assert_eq!(site.billing_events().await.len(), 21);
    assert_eq!(site.database.count("SELECT count(*) FROM received_letters").await, 0);
    server.terminate(Duration::from_secs(15));
    site.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_orders_are_billed_and_too_large_ones_are_dead_letters() {
    let site = Site::new().await;
    let server = site.serve().await;
    let line = json!({"sku": "s", "qty": 1, "unit_price": "0.01"});
    let many = order(1, "USD", Value::Array(vec![line.clone(); 100_000]));
    let wide = json!({"sku": "s", "qty": 1, "unit_price": 1, "note": "x".repeat(5 << 20)});
    let too_many = order(3, "USD", Value::Array(vec![line; 100_001]));
    let too_wide = json!({"sku": "s", "qty": 1, "unit_price": 1, "note": "x".repeat(9 << 20)});
    site.order(&[many, order(2, "USD", json!([wide])), too_many, order(4, "USD", json!([too_wide]))]);
    site.until("billed", "SELECT count(*) FROM invoices WHERE total IN (118000, 118)", 2).await;
    let letters =
        "SELECT count(*) FROM received_letters WHERE published AND code IN ('TOO_MANY_LINES', 'MESSAGE_TOO_LONG')";
    site.until("buried", letters, 2).await;
    server.terminate(Duration::from_secs(15));
    site.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_message_is_a_dead_letter_with_its_reason_and_what_follows_is_billed() {
    let site = Site::new().await;
    let server = site.serve().await;
    let broken =
        r#"{"event_id": "e", "order_id": "o", "currency": "XYZ", "lines": [{"sku": "s", "qty": 1, "unit_price": 1}]}"#;
    let good = order(1, "USD", json!([{"sku": "s", "qty": 1, "unit_price": 1}]));
    let reused = good.replace("\"unit_price\":1", "\"unit_price\":2");
    site.order(&[b"not json".to_vec(), broken.into(), good.into_bytes(), reused.into_bytes()]);
    site.until("billed", "SELECT count(*) FROM invoices", 1).await;
    site.until("buried", "SELECT count(*) FROM received_letters WHERE published", 3).await;
    let (brokers, topic) = (site.brokers.clone(), format!("{}.orders.dlq", site.name));
    let mut letters = tokio::task::spawn_blocking(move || topics::read(&brokers, &topic)).await.unwrap();
    letters.sort_by_key(|letter| letter.header("florin.code").unwrap().to_owned());
    let shown: Vec<_> = letters
        .iter()
        .map(|letter| (letter.header("florin.code").unwrap(), letter.header("florin.reason").unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("EVENT_ID_REUSED", "another order of this event_id was billed before"),
            ("NOT_JSON", "the message is not JSON: expected ident at line 1 column 2"),
            ("UNKNOWN_CURRENCY", "currency \"XYZ\" is not known: codes are capital letters and digits, such as EUR"),
        ]
    );
    assert_eq!(letters[1].body, b"not json");
    assert!(letters.iter().all(|letter| letter.header("florin.topic") == Some(&format!("{}.orders", site.name))));
    server.terminate(Duration::from_secs(15));
    site.verify();
}
