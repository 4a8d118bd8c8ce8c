//! The service `ledger` of the orders contract. Whatever is wrong with an entry is an answer; a status says that it was
//! not done, or that nobody knows.

use std::time::Instant;

use florin_wire::ledger as pb;
use florin_wire::ledger::ledger_service_server::LedgerService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::admission::limits::Limits;
use crate::gateway::grpc::call::{call_of, ended};
use crate::protocol::record::DeclineCode;
use crate::telemetry::request_span;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, Ledger};
use crate::teller::ledger_entry::{self, LedgerEntry};
use crate::teller::validate::cut;

const METHOD: &str = "CreateEntry";

/// What the contract says of an entry that is in the books.
const INSERTED: &str = "inserted";

/// The service.
#[derive(Clone)]
pub struct OrdersV1 {
    ledger: Ledger,
    limits: Limits,
}

impl OrdersV1 {
    /// The service in front of a ledger.
    pub fn new(ledger: Ledger, limits: Limits) -> Self {
        Self { ledger, limits }
    }

    async fn create(&self, request: Request<pb::CreateEntryRequest>) -> Result<pb::CreateEntryResponse, Failure> {
        let call = call_of(&request);
        let (metadata, _, asked) = request.into_parts();
        self.limits.native(call.caller(), metadata.as_ref(), METHOD).await?;
        let Some(entry) = asked.entry else { return Ok(refused("entry is required".into())) };
        let entry = LedgerEntry {
            txn_id: entry.txn_id,
            account_dr: entry.account_dr,
            account_cr: entry.account_cr,
            amount: entry.amount,
            currency: entry.currency,
        };
        match ledger_entry::post(&self.ledger, &call, &entry).await {
            Ok(Answer::Completed { .. }) => Ok(pb::CreateEntryResponse { ok: true, message: INSERTED.into() }),
            Ok(Answer::Declined { code, message, .. }) => Ok(refused(declined(&entry, code, message))),
            Err(Failure::Invalid(why) | Failure::FailedPrecondition(why)) => Ok(refused(why)),
            Err(failure) => Err(failure),
        }
    }
}

#[tonic::async_trait]
impl LedgerService for OrdersV1 {
    async fn create_entry(
        &self,
        request: Request<pb::CreateEntryRequest>,
    ) -> Result<Response<pb::CreateEntryResponse>, Status> {
        let began = Instant::now();
        let (span, call) = (request_span(METHOD, request.metadata().as_ref()), call_of(&request));
        ended(METHOD, call.correlation.as_deref(), began, self.create(request).instrument(span).await)
    }
}

fn refused(message: String) -> pb::CreateEntryResponse {
    pb::CreateEntryResponse { ok: false, message }
}

/// A decline in words that name the account, which the house's do but for one.
fn declined(entry: &LedgerEntry, code: DeclineCode, message: String) -> String {
    match code {
        DeclineCode::InsufficientFunds => {
            format!(
                "amount {:?} is more than account_dr {:?} has above its floor",
                entry.amount,
                cut(&entry.account_dr)
            )
        }
        _ => message,
    }
}
