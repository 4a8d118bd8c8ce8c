//! Live events over gRPC.

use std::collections::HashMap;

use florin_wire::florin_v1 as pb;
use futures::stream::{Stream, unfold};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::names;
use crate::teller::validate::{self, ACCOUNT_MAX, cut};
use crate::teller::watch::{Ended, Wanted, Watcher};

/// Bytes of an id's text.
const ID_MAX: usize = 64;

/// Watches until the caller leaves, this process stops, or something ends it.
pub(super) async fn watch(
    ledger: &Ledger,
    call: &Call,
    asked: pb::WatchEventsRequest,
    stopping: watch::Receiver<bool>,
) -> Result<impl Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send + use<>, Status> {
    let (wanted, after) = wanted(call, &asked)?;
    let watcher = Watcher::start(ledger, wanted, after).await.map_err(|ended| status(&ended))?;
    Ok(unfold(Some((watcher, stopping)), |watching| async {
        let (mut watcher, mut stopping) = watching?;
        let next = tokio::select! {
            next = watcher.next() => next.map_err(|ended| status(&ended)),
            _ = stopping.wait_for(|stopping| *stopping) => Err(Failure::Interrupted.into()),
        };
        match next {
            Ok(event) => {
                let response = pb::WatchEventsResponse {
                    id: event.id.to_string(),
                    event_type: event.event.name().into(),
                    body: (*event.body).into(),
                };
                Some((Ok(response), Some((watcher, stopping))))
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
