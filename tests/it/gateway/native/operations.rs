//! GetOperation in its four states.

use chrono::{DateTime, TimeDelta, Utc};
use florin_wire::florin_v1 as pb;
use pb::get_operation_response::State;
use tonic::{Code, Status};

use super::{post, refused};
use crate::harness::{Florin, Options, until};

impl Florin {
    async fn operation(
        &self,
        key: &str,
        api: &str,
        issued_at: Option<DateTime<Utc>>,
    ) -> Result<pb::GetOperationResponse, Status> {
        let issued_at = issued_at.map(|time| time.to_rfc3339()).unwrap_or_default();
        let request = pb::GetOperationRequest { idempotency_key: key.into(), api: api.into(), issued_at };
        Ok(self.native.clone().get_operation(request).await?.into_inner())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_done_running_never_or_too_old_to_tell() {
    let florin = Florin::start().await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    let now = Some(Utc::now());

    let first = florin.move_money("done", &[("a", "b", "1")]).await.unwrap();
    let answer = florin.operation("done", "", None).await.unwrap();
    assert_eq!((answer.state(), answer.transaction.unwrap().id), (State::Done, first.id));
    florin.pay("theirs", "a", "b", 1_00).await.unwrap();
    assert_eq!(florin.operation("theirs", "payment.v1", None).await.unwrap().state(), State::Done);

    florin.faults.hold("lane.before_commit");
    let running = async {
        until("it is in the journal", || async { florin.faults.hits("lane.before_commit") > 0 }).await;
        let state = florin.operation("running", "florin.v1", None).await.unwrap().state();
        florin.faults.release("lane.before_commit");
        state
    };
    let (moved, state) = tokio::join!(florin.move_money("running", &[("a", "b", "1")]), running);
    assert_eq!((moved.unwrap().status(), state), (pb::TransactionStatus::Completed, State::Running));
    assert_eq!(florin.operation("running", "", None).await.unwrap().state(), State::Done);

    refused(florin.operation("unheard", "", None).await, Code::InvalidArgument, &["issued_at is required"]);
    assert_eq!(florin.operation("unheard", "", now).await.unwrap().state(), State::Never);
    refused(florin.post(post("unheard", &[("a", "b", "1")])).await, Code::Aborted, &["retired"]);
    assert_eq!(florin.operation("unheard", "", None).await.unwrap().state(), State::Never);
    // The same text of another API is another key.
    assert_eq!(florin.pay("unheard", "a", "b", 1_00).await.unwrap().error, None);

    // The keys of the first partition are forgotten.
    let database = florin.database.clone();
    florin.stop().await;
    database.leave_partition().await;
    let florin = Florin::with(database.clone(), Options::default()).await;
    assert!(florin.pay("the first of the second", "a", "b", 0).await.unwrap().error.is_some());
    database.forget_keys().await;
    let an_hour_ago = "UPDATE journal_partitions SET opened_at = opened_at - interval '1 hour', closed_at = closed_at - interval '1 hour'";
    sqlx::query(an_hour_ago).execute(&database.pool).await.unwrap();
    let long_ago = Some(Utc::now() - TimeDelta::hours(2));
    assert_eq!(florin.operation("done", "", long_ago).await.unwrap().state(), State::TooOld);
    assert_eq!(florin.operation("new", "", now).await.unwrap().state(), State::Never);
    assert_eq!(florin.balance("b").await, 4_00);

    refused(florin.operation("", "", now).await, Code::InvalidArgument, &["idempotency_key is required"]);
    refused(florin.operation("k", "http", now).await, Code::InvalidArgument, &["api \"http\"", "payment.v1"]);
    let bad_time =
        pb::GetOperationRequest { idempotency_key: "k".into(), issued_at: "yesterday".into(), ..Default::default() };
    refused(florin.native.clone().get_operation(bad_time).await, Code::InvalidArgument, &["issued_at \"yesterday\""]);
    florin.stop().await;
}

/// The promise holds against the operation itself, however they meet: either it is done and the answer is DONE or
/// RUNNING, or it is NEVER and the operation is refused.
#[tokio::test(flavor = "multi_thread")]
async fn asking_and_doing_at_once_agree() {
    let florin = Florin::start().await;
    florin.database.account("a", 100_00).await;
    florin.database.account("b", 0).await;
    let now = Some(Utc::now());
    let mut done = 0;
    for n in 0..100 {
        let key = format!("k{n}");
        let (moved, asked) =
            tokio::join!(florin.move_money(&key, &[("a", "b", "0.01")]), florin.operation(&key, "", now));
        match (moved, asked.unwrap().state()) {
            (Ok(_), State::Done | State::Running) => done += 1,
            (Err(status), State::Never) => assert_eq!(status.code(), Code::Aborted),
            (moved, state) => panic!("{moved:?} and {state:?}"),
        }
    }
    assert_eq!(florin.balance("b").await, done);
    florin.stop().await;
}
