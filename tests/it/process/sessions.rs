//! What a process says of its connections to PostgreSQL.

use std::time::Duration;

use super::site::Site;
use crate::harness::until;

/// Fails when only the readers' pool is counted: idle, it uses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sessions_of_journal_and_lease_are_counted() {
    let site = Site::new().await;
    let active = site.serve().await;
    let standby = site.start().await;
    let name = "db_connections_active";
    until("the journal's and the lease's, and perhaps the housekeeping's", async || {
        active.metric(name).await.is_some_and(|n| (2.0..=4.0).contains(&n))
    })
    .await;
    until("the standby has the lease's alone", async || standby.metric(name).await == Some(1.0)).await;
    assert_eq!(active.terminate(Duration::from_secs(8)).0, 0);
    until("the standby has the journal's now", async || standby.metric(name).await.is_some_and(|n| n >= 2.0)).await;
}
