//! How many events pass in a second. Not a test: run it by name, with `--ignored --nocapture`.

use std::time::{Duration, Instant};

use crate::actors::outbox::rig::{Rig, authorized};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn events_per_second() {
    let mut rig = Rig::new("speed").await;
    rig.args.config.batch_rows_max = 1000;
    rig.args.config.poll_interval = Duration::from_millis(100);
    let body = authorized("agg", "a payment");
    sqlx::query(
        "WITH b AS (UPDATE writers SET batch = batch + 1 RETURNING batch), f AS (UPDATE folded SET seq = (SELECT ((batch + 1) << 20) - 1 FROM b)) \
         INSERT INTO journal (seq, created_at, id, request, event, kind, status, api, n, postings, tenant, body) \
           SELECT (batch << 20) + n, now(), gen_random_uuid(), gen_random_uuid(), 1, 22, 1, 2, 0, 0, 'default', jsonb_build_object('event', 1, 'key', 'agg-' || n % 1000, 'event_body', $1::text) \
           FROM b, generate_series(1, 300000) AS n",
    )
        .bind(body)
        .execute(&rig.pool)
        .await
        .unwrap();
    let started = Instant::now();
    let publisher = rig.start().await;
    let mut first = None;
    let last = crate::actors::outbox::rig::nth(1) + 300_000;
    let position =
        async || florin::store::outbox::copy(&rig.pool, "main").await.unwrap().map_or(0, |copy| copy.position);
    loop {
        let at = position().await;
        if at > 0 && first.is_none() {
            first = Some((Instant::now(), at - crate::actors::outbox::rig::nth(1)));
        }
        if at >= last {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (since, from) = first.unwrap();
    eprintln!("start to first {:?}; then {} events in {:?}", since - started, 300_000 - from, since.elapsed());
    publisher.stop().await;

    // One at a time: how long from commit to the copy of its position.
    let publisher = rig.start().await;
    rig.write("warm").await;
    rig.drained().await;
    let mut times = Vec::new();
    for _ in 0..100 {
        let (at, started) = (position().await, Instant::now());
        rig.write("one").await;
        while position().await <= at {
            tokio::task::yield_now().await;
        }
        times.push(started.elapsed());
    }
    times.sort();
    eprintln!("one event, write to copy: p50 {:?}, p90 {:?}, max {:?}", times[50], times[90], times[99]);
    publisher.stop().await;
}
