//! What became of an idempotency key.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Deadline, Ledger, abort, read_failure};
use crate::actors::node::Active;
use crate::protocol::account::UsedKey;
use crate::protocol::admission::Attempt;
use crate::protocol::record::{Api, Body, KeyHash, Kind, Record, RequestHash, TransactionId};
use crate::protocol::slip::Outcome;
use crate::store::{self, StoreError};
use crate::teller::failure::Failure;

/// What became of an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It took effect: this transaction.
    Done(TransactionId),
    /// It is waiting or being written.
    Running,
    /// The key is retired: it had no effect and never will.
    Never,
    /// It may have been used: keys of that age are forgotten.
    TooOld,
}

/// How far a caller's clock may be ahead of the database's.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(1);

impl Ledger {
    /// What became of a key whose operation was first attempted at `issued_at`, by the caller's clock. Before it says
    /// [`Operation::Never`] it makes that true, by a record that uses the key up.
    ///
    /// # Errors
    /// `Invalid` when only `issued_at` can tell and it is missing; else by kind of [`Failure`].
    pub async fn operation(
        &self,
        api: Api,
        tenant: &Arc<str>,
        key: &str,
        issued_at: Option<DateTime<Utc>>,
        deadline: Deadline,
    ) -> Result<Operation, Failure> {
        let active = self.active()?;
        let hash = KeyHash::of(api, tenant, key);
        if let Some(known) = self.look_up(hash, deadline).await? {
            return Ok(known);
        }
        if self.parts().in_flight.has(hash) {
            return Ok(Operation::Running);
        }
        let Some(issued_at) = issued_at else {
            return Err(Failure::Invalid(
                "issued_at is required: the key is not known, and only its age tells whether it was never used or is forgotten".into(),
            ));
        };
        // Asked for after the look-up: what is remembered now was remembered then.
        let since = self.timed(deadline, store::accounts::keys_since(&self.parts().pool)).await?;
        if since.is_some_and(|since| issued_at < since + CLOCK_SLACK) {
            return Ok(Operation::TooOld);
        }
        self.retire(&active, api, tenant, key, deadline).await
    }

    /// Whether the key of an attempt was used, or is being used by an earlier one: a command with it then gets the first one's answer, and does nothing
    /// new.
    ///
    /// # Errors
    /// What kept it from being looked up.
    pub async fn knows_key(&self, attempt: Option<&Attempt>, deadline: Deadline) -> Result<bool, Failure> {
        let Some(attempt) = attempt else { return Ok(false) };
        Ok(!attempt.is_first() || self.look_up(attempt.key(), deadline).await?.is_some())
    }

    async fn look_up(&self, key: KeyHash, deadline: Deadline) -> Result<Option<Operation>, Failure> {
        let keys = [key];
        let used = self.timed(deadline, store::accounts::keys_used(&self.parts().pool, &keys)).await?;
        Ok(used.first().map(
            |UsedKey { retired, transaction, .. }| {
                if *retired { Operation::Never } else { Operation::Done(*transaction) }
            },
        ))
    }

    /// Uses the key up by a tombstone, unless something used it first.
    async fn retire(
        &self,
        active: &Active,
        api: Api,
        tenant: &Arc<str>,
        key: &str,
        deadline: Deadline,
    ) -> Result<Operation, Failure> {
        let (id, hash) = (TransactionId::draw(), KeyHash::of(api, tenant, key));
        let record =
            Record::new(id, tenant.clone(), api, Kind::TRANSFER, RequestHash::of(&[b"tombstone"]), deadline.at);
        let record = Record { key: hash, body: Body::Tombstone, ..record };
        let permit = self.enter()?;
        match self.submit(active, record, permit, deadline).await? {
            Outcome::Done { .. } | Outcome::KeyRetired => Ok(Operation::Never),
            Outcome::Replayed { id, .. } => Ok(Operation::Done(id)),
            Outcome::KeyReused => self.look_up(hash, deadline).await?.ok_or(Failure::Unknown),
            Outcome::Aborted(why) => Err(abort(why)),
            Outcome::Refused { .. } | Outcome::Unknown => Err(Failure::Unknown),
        }
    }

    /// Runs a read until a deadline.
    async fn timed<T>(
        &self,
        deadline: Deadline,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout_at(deadline.at.into(), read).await {
            Ok(result) => result.map_err(|error| read_failure(&error)),
            Err(_) => Err(if deadline.is_callers { Failure::Deadline } else { Failure::TooLate }),
        }
    }
}
