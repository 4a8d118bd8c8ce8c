//! Writes down what happened to a saga and moved no money: a row of the journal like any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::actors::journal::Journal;
use crate::protocol::admission::Permit;
use crate::protocol::record::{Api, FactRow, Kind, Maker, OperatorAction, Record, RequestHash, Rows, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip};

/// How long a row of a saga may wait to be written for the first time.
pub(super) const CUTOFF: Duration = Duration::from_secs(5);
/// How long its outcome is waited for after that; what comes later is found done.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// One more fact of a saga.
pub struct Happened {
    /// Whose saga it is.
    pub tenant: Arc<str>,
    /// The fact.
    pub fact: FactRow,
    /// When.
    pub at: DateTime<Utc>,
    /// The operator who made it, what is kept of that, and the request's correlation id.
    pub by: Option<(Maker, OperatorAction, Option<String>)>,
}

/// Why nobody knows whether a fact is written, or why it is not.
#[derive(Debug, thiserror::Error)]
#[error("a fact is not written: {0}")]
pub struct Unwritten(String);

/// Writes a fact; false: somebody else wrote that fact, or one after it, or nobody asks for it any more.
///
/// # Errors
/// When it is not certain that it is written: whoever reads the saga again sees.
pub async fn append(journal: &Journal, permit: Permit, happened: Happened) -> Result<bool, Unwritten> {
    let Happened { tenant, fact, at, by } = happened;
    let request = RequestHash::of(&[b"saga fact", fact.saga.0.as_bytes(), &fact.n.to_le_bytes()]);
    let mut record = Record::new(TransactionId::draw(), tenant, Api::FlorinV1, Kind::SAGA_FACT, request, Instant::now() + CUTOFF);
    record.created_at = at;
    record.rows.push(Rows::Fact(fact));
    if let Some((maker, action, correlation)) = by {
        (record.maker, record.correlation) = (maker, correlation);
        record.rows.push(Rows::Action(action));
    }
    let (reply, outcome) = oneshot::channel();
    let slip = Slip::new(Box::new(record), &[], usize::MAX, reply, permit).map_err(|why| Unwritten(format!("{why:?}")))?;
    journal.submit(slip);
    match tokio::time::timeout(CUTOFF + GRACE, outcome).await {
        Ok(Ok(Outcome::Done { .. })) => Ok(true),
        Ok(Ok(Outcome::Aborted(Abort::Exceeded))) => Ok(false),
        Ok(Ok(Outcome::Aborted(why))) => Err(Unwritten(format!("{why:?}"))),
        Ok(Ok(_)) => Err(Unwritten("nobody knows".into())),
        Ok(Err(_)) | Err(_) => Err(Unwritten("no outcome in time".into())),
    }
}
