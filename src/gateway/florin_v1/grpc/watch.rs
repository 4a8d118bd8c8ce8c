//! Live events over gRPC.

use std::collections::HashMap;

use florin_wire::florin_v1 as pb;
use futures::stream::{Stream, unfold};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

use crate::admission::auth::Standing;
use crate::gateway::listener::STREAM_AGE_MAX;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::names;
use crate::teller::validate::{self, ACCOUNT_MAX, cut};
use crate::teller::watch::{Ended, Wanted, Watcher};

/// Bytes of an id's text.
const ID_MAX: usize = 64;

/// What ends a watcher from outside.
pub(super) struct Ends {
    stopping: watch::Receiver<bool>,
    standing: Option<Standing>,
    /// Then it is as old as a stream may be.
    old: Instant,
}

impl Ends {
    /// Of a watcher that begins now.
    pub fn new(stopping: watch::Receiver<bool>, standing: Option<Standing>) -> Self {
        Self { stopping, standing, old: Instant::now() + STREAM_AGE_MAX }
    }

    /// Waits for the first of them.
    async fn come(&mut self) -> Status {
        tokio::select! {
            _ = self.stopping.wait_for(|stopping| *stopping) => Failure::Interrupted.into(),
            () = sleep_until(self.old) => Failure::Interrupted.into(),
            denial = Standing::lost(self.standing.as_ref()) => denial.status(),
        }
    }
}

/// Watches until the caller leaves, this process stops, or something ends it.
pub(super) async fn watch(
    ledger: &Ledger,
    call: &Call,
    asked: pb::WatchEventsRequest,
    ends: Ends,
) -> Result<impl Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send + use<>, Status> {
    let (wanted, after) = wanted(call, &asked)?;
    let watcher = Watcher::start(ledger, wanted, after).await.map_err(|ended| status(&ended))?;
    Ok(unfold(Some((watcher, ends)), |watching| async {
        let (mut watcher, mut ends) = watching?;
        if let Err(denial) = Standing::still(ends.standing.as_ref()).await {
            return Some((Err(denial.status()), None));
        }
        let next = tokio::select! {
            biased;
            ended = ends.come() => Err(ended),
            next = watcher.next() => next.map_err(|ended| status(&ended)),
        };
        match next {
            Ok(event) => {
                let response = pb::WatchEventsResponse {
                    id: event.id.to_string(),
                    event_type: event.event.name().into(),
                    body: (*event.body).into(),
                };
                Some((Ok(response), Some((watcher, ends))))
            }
            Err(status) => Some((Err(status), None)),
        }
    }))
}

fn wanted(call: &Call, asked: &pb::WatchEventsRequest) -> Result<(Wanted, Option<i64>), Failure> {
    validate::text(names::ACCOUNT_ID.grpc, &asked.account_id, ACCOUNT_MAX)?;
    validate::text("transaction_id", &asked.transaction_id, ID_MAX)?;
    validate::text("after_event_id", &asked.after_event_id, ID_MAX)?;
    let bad =
        |field: &str, value: &str, what: &str| Failure::Invalid(format!("{field} {:?} is not {what}", cut(value)));
    let transaction = match asked.transaction_id.as_str() {
        "" => None,
        text => Some(Uuid::parse_str(text).map_err(|_| bad("transaction_id", text, "a transaction's id"))?),
    };
    let after = match asked.after_event_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| bad("after_event_id", text, "an event's id"))?),
    };
    let account = Some(asked.account_id.clone()).filter(|account| !account.is_empty());
    Ok((Wanted { tenant: call.tenant.clone(), account, transaction }, after))
}

fn status(ended: &Ended) -> Status {
    let with = |code, reason: &str, message: String| {
        Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, "florin", HashMap::new()))
    };
    match ended {
        Ended::TooSlow => with(Code::ResourceExhausted, "WATCHER_TOO_SLOW", ended.to_string()),
        Ended::NotLeader => Failure::NotLeader.into(),
        Ended::Failed(failure) => failure.clone().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Fails when a stream may be open for ever, and so its connection.
    #[tokio::test(start_paused = true)]
    async fn a_watcher_ends_when_it_is_old() {
        let (_stop, stopping) = watch::channel(false);
        let mut ends = Ends::new(stopping, None);
        for _ in 0..10 {
            let waited = tokio::time::timeout(STREAM_AGE_MAX / 11, ends.come()).await;
            assert!(waited.is_err(), "events come meanwhile");
        }
        let status = tokio::time::timeout(STREAM_AGE_MAX / 5, ends.come()).await.expect("it ends");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(STREAM_AGE_MAX > Duration::from_secs(60));
    }
}
