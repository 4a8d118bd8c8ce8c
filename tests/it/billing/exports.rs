//! The export of a day: its bytes, its one file, its rows.

use serde_json::{Value, json};

use crate::harness::served::Served;

async fn daily(served: &Served) -> (u16, Value) {
    let answer = reqwest::get(format!("http://{}/exports/daily", served.http)).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Invoices of yesterday, as if they had been billed then; their books are not.
async fn billed_yesterday(served: &Served) {
    sqlx::raw_sql(
        "INSERT INTO invoices (tenant, entity, document, customer, source, currency, subtotal, tax, total, content, seq, year, number, number_format, issued_at, book_currency, booked, status)
           SELECT 'default', 'default', 1, 'walk-in', v.source, 'USD', 10000, 1800, 11800, '{}', v.n, 2026, v.n, '{seq}', date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + v.at, 'USD', 11800, 2
             FROM (VALUES (1, 'order-1', interval '-1 day'), (2, '=cmd()', interval '-1 microsecond'), (3, 'tomorrow', interval '0')) v(n, source, at)",
    )
    .execute(&served.database.pool)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_without_invoices_is_the_header_alone_and_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::with(&[("EXPORTS_DIR", folder.path().to_str().unwrap())]).await;
    let first = daily(&served).await;
    let yesterday = chrono::Utc::now().date_naive().pred_opt().unwrap();
    let file = folder.path().canonicalize().unwrap().join(format!("invoices_{yesterday}.csv"));
    assert_eq!(first, (200, json!({ "url": format!("file://{}", file.display()), "rows": 0 })));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "id,order_id,currency,subtotal,tax,total,created_at\r\n");
    assert_eq!(daily(&served).await, first, "asked again, the same");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yesterdays_invoices_are_written_by_rising_id_and_no_text_becomes_a_formula() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::with(&[("EXPORTS_DIR", folder.path().to_str().unwrap())]).await;
    billed_yesterday(&served).await;
    let (status, body) = daily(&served).await;
    assert_eq!((status, &body["rows"]), (200, &json!(2)));
    let yesterday = chrono::Utc::now().date_naive().pred_opt().unwrap();
    let text = std::fs::read_to_string(folder.path().join(format!("invoices_{yesterday}.csv"))).unwrap();
    assert_eq!(
        text,
        format!(
            "id,order_id,currency,subtotal,tax,total,created_at\r\n\
             1,order-1,USD,100.00,18.00,118.00,{yesterday} 00:00:00+00:00\r\n\
             2,'=cmd(),USD,100.00,18.00,118.00,{yesterday} 23:59:59.999999+00:00\r\n"
        )
    );
    served.runtime.drain().await;
    drop(served.database.damaged());
}

/// Mutation: without `If-None-Match` or create-new, the second file replaces the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_other_bytes_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let yesterday = chrono::Utc::now().date_naive().pred_opt().unwrap();
    let file = folder.path().join(format!("invoices_{yesterday}.csv"));
    std::fs::write(&file, "somebody else's").unwrap();
    let served = Served::with(&[("EXPORTS_DIR", folder.path().to_str().unwrap())]).await;
    let (status, body) = daily(&served).await;
    assert_eq!(status, 400, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("is there with other bytes"), "{body}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "somebody else's");
    served.stop().await;
}
