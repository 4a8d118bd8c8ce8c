//! The active process stops in the middle of everything, another takes over, and then it goes on.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::load::{Load, open_accounts};
use super::site::Site;
use crate::harness::until;

const LEASE: Duration = Duration::from_secs(2); // of every site

/// Fails when the standby takes a lease that is still held, or does not take one that has ended. The woken process is
/// kept from writing by three guards, each of which is enough: its own clock, the renewal under its epoch, and the
/// fence in every batch; the events by Kafka's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_and_wakes_after_the_takeover_writes_nothing() {
    let site = Site::new().await;
    open_accounts(&site.database).await;
    let mut active = site.serve().await;
    let mut standby = site.start().await;
    let load = Load::start(&[active.grpc, standby.grpc], 8);
    for round in 0..2 {
        load.more(150).await;
        assert_eq!((active.health().await, standby.health().await), (Some(200), Some(503)));
        active.process.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        standby.serving().await;
        let gap = stopped.elapsed();
        println!("round {round}: taken over after {gap:?}");
        assert!(gap < LEASE + Duration::from_secs(5), "{gap:?}");
        load.more(100).await;
        active.process.signal(Signal::SIGCONT);
        until("the woken one stands by", async || active.health().await == Some(503)).await;
        load.more(100).await;
        assert_eq!(standby.health().await, Some(200), "the woken one took nothing back");
        (active, standby) = (standby, active);
    }
    assert!(active.process.ended().is_none() && standby.process.ended().is_none());
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
}
