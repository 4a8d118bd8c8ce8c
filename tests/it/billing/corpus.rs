//! Every file of `tests/data/orders` through Kafka: each is billed as `fates.json` says, or is a dead letter.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::process::site::Site;

#[derive(Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
enum Fate {
    Billed { total: String },
    Broken { code: String },
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_the_corpus_has_its_fate() {
    let site = Site::new().await;
    let server = site.serve().await;
    let folder = format!("{}/tests/data/orders", env!("CARGO_MANIFEST_DIR"));
    let fates = std::fs::read(format!("{folder}/fates.json")).unwrap();
    let fates: BTreeMap<String, Fate> = serde_json::from_slice(&fates).unwrap();
    let (mut bodies, mut totals, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for (n, (file, fate)) in fates.iter().enumerate() {
        let mut body = std::fs::read(format!("{folder}/{file}")).unwrap();
        match fate {
            Fate::Billed { total } => {
                // they are all of one event id: here each has its own
                body = String::from_utf8(body).unwrap().replace("\"e-1\"", &format!("\"e-1-{n}\"")).into_bytes();
                totals.push(total.clone());
            }
            Fate::Broken { code } => codes.push(code.clone()),
        }
        bodies.push(body);
    }
    site.order(&bodies);
    site.until("billed", "SELECT count(*) FROM invoices", i64::try_from(totals.len()).unwrap()).await;
    let letters = "SELECT count(*) FROM received_letters WHERE published";
    site.until("buried", letters, i64::try_from(codes.len()).unwrap()).await;
    let mut billed: Vec<String> = sqlx::query_scalar(
        "SELECT (i.total / 10::numeric ^ c.exponent)::numeric(40, 18)::text FROM invoices i JOIN currencies c ON c.code = i.currency",
    )
    .fetch_all(&site.database.pool)
    .await
    .unwrap();
    let mut found: Vec<String> =
        sqlx::query_scalar("SELECT code FROM received_letters").fetch_all(&site.database.pool).await.unwrap();
    let short = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    billed = billed.iter().map(|text| short(text)).collect();
    totals = totals.iter().map(|text| short(text)).collect();
    for list in [&mut billed, &mut totals, &mut found, &mut codes] {
        list.sort();
    }
    assert_eq!(billed, totals);
    assert_eq!(found, codes);
    server.terminate(std::time::Duration::from_secs(15));
    site.verify();
}
