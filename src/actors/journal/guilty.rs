//! Finds the records for which the database refused a batch. What can be true of many at once is read once for all of
//! them: used keys, and what is left of holds and payments. The rest is found by splitting.

use hashbrown::HashSet;

use super::lane::{LaneState, Stopped, no_session};
use super::left::Left;
use super::settle::Resolved;
use super::{Lane, lock};
use crate::protocol::record::{Record, Rows, TransactionId};
use crate::protocol::slip::{Abort, Outcome};
use crate::store::StoreError;
use crate::store::accounts::CURRENCY_INACTIVE;
use crate::store::journal::{WriterSession, code, is_exceeded, is_key_used, is_opened, is_out_of_order, is_taken};
use crate::telemetry::metrics::JOURNAL_SPLITS;

impl LaneState {
    /// A batch of these records failed as a whole, and nothing is laid out behind it. What is left to do with them is
    /// pushed on `groups`.
    pub(super) async fn resolve(
        &mut self,
        error: StoreError,
        mut group: Vec<TransactionId>,
        groups: &mut Vec<Vec<TransactionId>>,
    ) -> Result<(), Stopped> {
        let session = self.sessions.last_mut().ok_or_else(no_session)?;
        match error.code() {
            Some(code::FENCED) => return Err(Stopped::Fenced { known: true }), // it failed whole
            _ if is_out_of_order(&error) => {
                tracing::error!(%error, "the database is not the one that memory was built on: the epoch ends");
                return Err(Stopped::Fenced { known: true });
            }
            _ if is_key_used(&error) => {
                let used = session.used_keys(&self.lane.keys(&group)).await?;
                self.lane.resolve_used(&mut group, &used);
                groups.push(group);
            }
            Some(code::TOO_LATE) => {
                let now = session.now().await?;
                self.lane.resolve_late(&mut group, now);
                groups.push(group);
            }
            _ if is_taken(&error) => {
                let (holds, payments) = self.lane.asked_of(&group);
                let mut left = Left::of(session.taken(&holds, &payments).await?);
                if self.lane.abort_where(&mut group, Abort::Exceeded, |record| !left.take(record)) {
                    groups.push(group);
                } else {
                    self.lane.split(group, &error, session, groups).await?;
                }
            }
            _ => self.lane.split(group, &error, session, groups).await?,
        }
        Ok(())
    }
}

impl Lane {
    /// The holds and the payments that records of this group take from or give back.
    fn asked_of(&self, group: &[TransactionId]) -> (Vec<TransactionId>, Vec<TransactionId>) {
        let (mut holds, mut payments) = (HashSet::new(), HashSet::new());
        for row in Resolved::of(&lock(&self.in_flight), group).flat_map(|taken| &taken.record.rows) {
            match row {
                Rows::Take { hold, .. } => drop(holds.insert(*hold)),
                Rows::Refund { payment, .. } => drop(payments.insert(*payment)),
                _ => {}
            }
        }
        (holds.into_iter().collect(), payments.into_iter().collect())
    }

    /// Answers the records of a group for which `fails` is true, asked in their order; whether there are any.
    fn abort_where(&self, group: &mut Vec<TransactionId>, why: Abort, mut fails: impl FnMut(&Record) -> bool) -> bool {
        let failed: HashSet<TransactionId> = Resolved::of(&lock(&self.in_flight), group)
            .filter(|taken| fails(&taken.record))
            .map(|taken| taken.record.id)
            .collect();
        group.retain(|id| !failed.contains(id));
        for taken in self.remove_some(&failed.iter().copied().collect::<Vec<_>>()) {
            taken.answer(Outcome::Aborted(why));
        }
        !failed.is_empty()
    }

    /// Finds the record for which a group was refused: its halves are tried next, and a record that stands alone is
    /// answered.
    pub(super) async fn split(
        &self,
        mut group: Vec<TransactionId>,
        error: &StoreError,
        session: &mut WriterSession,
        groups: &mut Vec<Vec<TransactionId>>,
    ) -> Result<(), StoreError> {
        if group.len() == 1 {
            return self.resolve_guilty(group[0], error, session).await;
        }
        metrics::counter!(JOURNAL_SPLITS).increment(1);
        let second = group.split_off(group.len() / 2);
        groups.extend([second, group]);
        Ok(())
    }

    /// The database refuses this record. The actors of its accounts believed otherwise, so they are loaded anew.
    async fn resolve_guilty(
        &self,
        id: TransactionId,
        error: &StoreError,
        session: &mut WriterSession,
    ) -> Result<(), StoreError> {
        let existing = if error.code() == Some(code::UNIQUE) { session.transaction(id).await? } else { None };
        if let Some((request, created_at)) = existing {
            let same = lock(&self.in_flight)
                .iter_mut()
                .find(|taken| taken.record.id == id && taken.record.request == request)
                .map(|taken| {
                    taken.record.created_at = created_at; // what is answered is the first one's
                });
            if same.is_none() {
                for taken in self.remove_some(&[id]) {
                    taken.answer(Outcome::KeyReused); // its id is its key
                }
                return Ok(());
            }
            tracing::debug!(id = %id.0, %created_at, "it was done before");
            self.settle_done(&[id]);
            return Ok(());
        }
        let why = match error {
            // two met on it: no actor of an account knows of holds and payments
            _ if is_exceeded(error) => Some(Abort::Exceeded),
            _ if is_opened(error) => Some(Abort::AccountExists),
            _ if error.code() == Some(CURRENCY_INACTIVE) => Some(Abort::CurrencyInactive),
            _ => None,
        };
        if let Some(why) = why {
            for taken in self.remove_some(&[id]) {
                taken.answer(Outcome::Aborted(why));
            }
            return Ok(());
        }
        tracing::error!(transaction = %id.0, %error, "the database refuses a record that the rules admitted");
        // a value that no column takes says nothing of what memory knows of the accounts
        let is_value = error.code().is_some_and(|code| code.starts_with("22"));
        for taken in self.remove_some(&[id]) {
            for stop in taken.stops.iter().filter(|_| !is_value) {
                stop.account.cell.bury();
                stop.account.actor.get_cell().kill();
            }
            taken.answer(Outcome::Aborted(Abort::Guard));
        }
        Ok(())
    }
}
