//! The script alone, on buckets put there by hand.

use super::server::RedisServer;

const WIDTH: u64 = 60_000_000;

/// Runs the script on a hash whose buckets are given relative to the current one; again if a bucket ended meanwhile.
async fn run(before: &[(i64, u64)], limit: u64, order: [i64; 2], args: &[u64]) -> ([u64; 2], Vec<(i64, u64)>) {
    let server = RedisServer::start().await;
    let mut connection = server.connect().await;
    loop {
        let now: (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
        let current = now.0 / 60;
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
        for (bucket, n) in before {
            redis::cmd("HSET").arg("k").arg(current + bucket).arg(*n).query_async::<()>(&mut connection).await.unwrap();
        }
        let script = redis::Script::new(crate::admission::rate_limit::redis::SCRIPT);
        let mut call = script.key("k");
        call.arg(limit).arg(WIDTH).arg(60).arg(args[0]).arg(current + order[0]).arg(order[1]);
        for arg in &args[1..] {
            call.arg(*arg);
        }
        let answer: [u64; 5] = call.invoke_async(&mut connection).await.unwrap();
        let mut after: Vec<(i64, u64)> = redis::cmd("HGETALL").arg("k").query_async(&mut connection).await.unwrap();
        if answer[2] != u64::try_from(current).unwrap() {
            continue;
        }
        assert!(answer[3] <= WIDTH && answer[3] > 0);
        after.iter_mut().for_each(|(bucket, _)| *bucket -= current);
        after.sort_unstable();
        return ([answer[0], answer[1]], after);
    }
}

/// Fails when `bucket + live < current` reads `<=`.
#[tokio::test]
async fn a_bucket_counts_until_it_left_the_window_wholly() {
    assert_eq!(run(&[(-61, 9), (-60, 4), (-1, 2)], 10, [0, 0], &[9]).await, ([4, 0], vec![(-60, 4), (-1, 2), (0, 4)]));
}

/// Fails when buckets ahead are left where they are.
#[tokio::test]
async fn a_clock_that_was_set_back_keeps_counts_for_one_more_window() {
    assert_eq!(run(&[(500, 3), (7, 2)], 10, [0, 0], &[1]).await, ([1, 4], vec![(0, 6)]));
}

/// Fails when the return is not bounded by what the bucket holds.
#[tokio::test]
async fn what_is_given_back_is_taken_from_its_bucket_and_never_below_nothing() {
    assert_eq!(run(&[(-1, 5)], 10, [-1, 3], &[1]).await, ([1, 7], vec![(-1, 2), (0, 1)]));
    assert_eq!(run(&[(-1, 2)], 10, [-1, 3], &[1]).await, ([1, 9], vec![(-1, 0), (0, 1)]));
    assert_eq!(run(&[], 10, [-1, 3], &[1]).await, ([1, 9], vec![(0, 1)]));
}

/// Fails when reports are added to the current bucket, or when those that left are added at all.
#[tokio::test]
async fn what_was_decided_elsewhere_is_added_in_its_time_and_may_exceed_the_limit() {
    let old = 2 * WIDTH;
    assert_eq!(run(&[], 10, [0, 0], &[3, old, 4, 90 * WIDTH, 7]).await, ([3, 3], vec![(-2, 4), (0, 3)]));
    assert_eq!(run(&[], 10, [0, 0], &[3, old, 44]).await, ([0, 0], vec![(-2, 44)]));
}
