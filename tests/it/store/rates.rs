//! Rates as of the times of orders.

use chrono::{DateTime, Utc};
use florin::store::rates;

use crate::harness::TestDatabase;

const TENANT: &str = "default";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

// Fails when the rates of a poll are read as one span of time: an order of 1970 beside one of today then takes all rates
// ever, or, cut off, an old one in the place of today's.
#[tokio::test]
async fn each_order_has_the_newest_rate_of_its_own_time_whatever_stands_beside_it() {
    let database = TestDatabase::fresh().await;
    let sql = "INSERT INTO rates (tenant, base, quote, rate, source, observed_at)
                 SELECT $1, 'USD', 'EUR', 0.5 + n / 1000000.0, 'test', '2020-01-01T00:00:00Z'::timestamptz + n * interval '1 minute' FROM generate_series(0, 120000) n";
    sqlx::query(sql).bind(TENANT).execute(&database.pool).await.unwrap();
    let times = [
        at("1970-01-01T00:00:00Z"),
        at("2020-01-01T00:00:00Z"),
        at("2020-01-01T00:01:59Z"),
        at("9999-12-31T23:59:59Z"),
    ];
    let found = rates::as_of(&database.pool, TENANT, ("USD", "EUR"), &times).await.unwrap();
    let found: Vec<_> = found.iter().map(|rate| rate.as_ref().map(|rate| rate.rate.0.to_string())).collect();
    let rate = |text: &str| Some(text.to_owned());
    assert_eq!(found, [None, rate("0.5"), rate("0.500001"), rate("0.62")]);
    let other = rates::as_of(&database.pool, TENANT, ("EUR", "USD"), &times).await.unwrap();
    assert!(other.iter().all(Option::is_none));
}
