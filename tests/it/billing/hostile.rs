//! What a hostile producer writes to the topics of billing: nothing of it keeps what stands behind it from its effect.

use std::time::Duration;

use serde_json::{Value, json};

use super::orders::{billable, order};
use crate::gateway::rest::client::Rest;
use crate::harness::{TestDatabase, topics};
use crate::process::site::{Site, brokers};

const BILLED: &str = "SELECT count(*) FROM invoices";
const BURIED: &str = "SELECT count(*) FROM received_letters WHERE published";

async fn letters(site: &Site, topic: &str) -> Vec<topics::Record> {
    let (brokers, topic) = (site.brokers.clone(), format!("{}.{topic}", site.name));
    tokio::task::spawn_blocking(move || topics::read(&brokers, &topic)).await.unwrap()
}

// Fails when a header is kept as text whatever is in it: PostgreSQL's JSON has no U+0000, so the message comes again for
// ever. And when letters are sent one after the other without end: 3,000 of them stand before the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_broken_messages_with_any_headers_stands_before_no_order_for_long() {
    let site = Site::new().await;
    let server = site.serve().await;
    let topic = format!("{}.orders", site.name);
    for value in [&b"nul\0"[..], b"\xff\xfe", b""] {
        topics::write_headed(&site.brokers, &topic, ("trace", value), &["not json"]);
    }
    let broken: Vec<String> = (0..3_000).map(|n| format!("{{\"event_id\": {n}")).collect();
    topics::write_headed(&site.brokers, &topic, ("trace", b"1"), &broken);
    topics::write_headed(&site.brokers, &topic, ("trace", b"1"), &[order(1, "USD", billable())]);
    site.until("billed", BILLED, 1).await;
    site.until("buried", BURIED, 3_003).await;
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT headers #>> '{0,1}' FROM received_letters ORDER BY \"offset\" LIMIT 3")
            .fetch_all(&site.database.pool)
            .await
            .unwrap();
    assert_eq!(kept, ["6e756c00", "fffe", ""]);
    assert_eq!(letters(&site, "orders.dlq").await.len(), 3_003);
    server.terminate(Duration::from_secs(15));
    site.verify();
}

// Fails when a reason is told with all that a parser says, as long as the message: the record with both is longer than
// any topic takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_a_dead_letter_however_long_what_is_said_of_it() {
    let site = Site::new().await;
    let server = site.serve().await;
    let topic = format!("{}.notify", site.name);
    let long = json!({ "filepath": "", "info": "x".repeat(9 << 20) }).to_string();
    topics::write_headed(&site.brokers, &topic, ("trace", b"1"), &[long]);
    let info = json!({ "name": "Ada", "sendTo": "ada@example.com", "totalAmount": "1.00", "invoiceID": "#1", "storeName": "S" });
    let good = json!({ "filepath": "", "info": info }).to_string();
    topics::write_headed(&site.brokers, &topic, ("trace", b"1"), &[good]);
    site.until("kept", "SELECT count(*) FROM mails", 1).await;
    site.until("buried", BURIED, 1).await;
    let [letter] = &letters(&site, "notify.dlq").await[..] else { panic!("one letter") };
    assert!(letter.body.len() > 9 << 20 && letter.header("florin.reason").unwrap().len() <= 1_000);
    server.terminate(Duration::from_secs(15));
}

// Fails when a dead letter is sent again for as long as its topic refuses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_its_topic_does_not_take_is_there_by_its_reason_and_number() {
    let site = Site::unmigrated(TestDatabase::empty().await, brokers());
    topics::narrow(&site.brokers, &format!("{}.orders.dlq", site.name), "2000").await;
    assert!(site.run(&["migrate"]).status.success());
    let server = site.serve().await;
    // lz4 makes nothing shorter of these
    let body: String = (0_u32..20_000)
        .map(|n| char::from(b'!' + u8::try_from(n.wrapping_mul(2_654_435_761) >> 26).unwrap()))
        .collect();
    topics::write_headed(&site.brokers, &format!("{}.orders", site.name), ("trace", b"1"), std::slice::from_ref(&body));
    topics::write_headed(
        &site.brokers,
        &format!("{}.orders", site.name),
        ("trace", b"1"),
        &[order(1, "USD", billable())],
    );
    site.until("billed", BILLED, 1).await;
    site.until("buried", BURIED, 1).await;
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT body FROM received_letters").fetch_one(&site.database.pool).await.unwrap();
    assert_eq!(kept, body.as_bytes(), "PostgreSQL has it whole");
    let [letter] = &letters(&site, "orders.dlq").await[..] else { panic!("one letter") };
    assert!(letter.body.is_empty() && letter.header("florin.letter") == Some("r1"), "{letter:?}");
    assert_eq!(letter.header("florin.code"), Some("NOT_JSON"));
    server.terminate(Duration::from_secs(15));
    site.verify();
}

// Fails when a look at parked orders always begins at the first: those that no rate ever comes for keep all others from
// being looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_wait_for_ever_keep_no_other_from_its_turn() {
    let site = Site::new().await;
    let server = site.serve().await;
    let rest = Rest::new(server.http);
    let books = json!({ "name": "Florin", "bookCurrency": "EUR" });
    rest.send(rest.request("PUT".parse().unwrap(), "/v1/entities/default").json(&books)).await.ok(200);
    let mut orders: Vec<String> =
        (0..501).map(|n| order(n, "JPY", json!([{"sku": "a", "qty": 1, "unit_price": 7}]))).collect();
    let rest_of_it = order(501, "USD", billable());
    let topic = format!("{}.orders", site.name);
    orders.push(rest_of_it);
    let orders: Vec<Value> = orders.iter().map(|order| serde_json::from_str(order).unwrap()).collect();
    topics::write_to(&site.brokers, &topic, 0, &orders);
    site.until("parked", "SELECT count(*) FROM parked_orders", 502).await;
    let rate =
        json!({ "base": "USD", "quote": "EUR", "rate": "0.9", "source": "test", "observedAt": "2026-11-20T02:00:00Z" });
    rest.post("/v1/rates", &rate).await.ok(201);
    site.until("billed", BILLED, 1).await;
    site.until("the others wait", "SELECT count(*) FROM parked_orders WHERE billed_at IS NULL", 501).await;
    server.terminate(Duration::from_secs(15));
    site.verify();
}
