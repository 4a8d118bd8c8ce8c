//! Writes facts of a saga that move no money, each as a row of the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::actors::journal::Journal;
use crate::actors::posting;
use crate::protocol::admission::Permit;
use crate::protocol::record::{Api, FactRow, Kind, Maker, OperatorAction, Record, RequestHash, Rows, TransactionId};
use crate::protocol::slip::{Abort, Outcome};

/// How long a saga's record may wait to be written for the first time.
pub(super) const CUTOFF: Duration = Duration::from_secs(5);
/// How long its outcome is waited for after that. A later one is found done.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// One more fact of a saga.
pub struct Happened {
    pub tenant: Arc<str>,
    pub fact: FactRow,
    pub at: DateTime<Utc>,
    /// If an operator caused it: who, the action to record, and the request's correlation id.
    pub by: Option<(Maker, OperatorAction, Option<String>)>,
}

/// Why a fact is not written, or why that is not known.
#[derive(Debug, thiserror::Error)]
#[error("a fact is not written: {0}")]
pub struct Unwritten(String);

/// Writes a fact. False: another process wrote this fact or a later one, or the operator's request is not open any
/// more.
///
/// # Errors
/// When it is not certain that the fact is written: reading the saga again tells.
pub async fn append(journal: &Journal, permit: Permit, happened: Happened) -> Result<bool, Unwritten> {
    let Happened { tenant, fact, at, by } = happened;
    let request = RequestHash::of(&[b"saga fact", fact.saga.0.as_bytes(), &fact.n.to_le_bytes()]);
    let mut record =
        Record::new(TransactionId::draw(), tenant, Api::FlorinV1, Kind::SAGA_FACT, request, Instant::now() + CUTOFF);
    record.created_at = at;
    record.rows.push(Rows::Fact(fact));
    if let Some((maker, action, correlation)) = by {
        (record.maker, record.correlation) = (maker, correlation);
        record.rows.push(Rows::Action(action));
    }
    let outcome =
        posting::send(journal, record, &[], usize::MAX, permit).map_err(|why| Unwritten(format!("{why:?}")))?;
    match tokio::time::timeout(CUTOFF + GRACE, outcome).await {
        Ok(Ok(Outcome::Done { .. })) => Ok(true),
        Ok(Ok(Outcome::Aborted(Abort::Exceeded))) => Ok(false),
        Ok(Ok(Outcome::Aborted(why))) => Err(Unwritten(format!("{why:?}"))),
        Ok(Ok(_)) => Err(Unwritten("nobody knows".into())),
        Ok(Err(_)) | Err(_) => Err(Unwritten("no outcome in time".into())),
    }
}
