//! Lays records out as the arrays of one call of the database. Pure: places, balances after each row and the links
//! between an account's rows are computed here, from what memory knows.

mod extras;
mod facts;
mod rows;
#[cfg(test)]
mod tests;

use hashbrown::HashMap;

pub use self::extras::Extras;
pub use self::rows::{Columns, HoldColumns, TakeColumns};
use super::account::{Known, Posted};
use super::journal::{self, status};
use super::record::{AccountId, BalancesAfter, Body, KeyHash, Kind, Record, Rows, TransactionId};

/// The arguments of the SQL function `commit_batch`.
#[derive(Debug, Default)]
pub struct Batch {
    pub number: i64,
    /// The number of the batch before it; after a change of partition they do not follow each other.
    pub prior: i64,
    /// In order of their places.
    pub rows: Columns,
    pub holds: HoldColumns,
    pub takes: TakeColumns,
    /// Rows of other tables, which most batches do not have.
    pub extras: Extras,
    /// Whether any of its records has an event for Kafka.
    pub has_events: bool,
    /// The money of every account that it touches, after it.
    pub after: HashMap<AccountId, Known>,
    /// Accounts that it would leave outside the floor or ceiling under which its records were admitted.
    pub outside: Vec<AccountId>,
}

/// What a batch does to one account so far.
struct Touched {
    /// What memory knew of it before the batch; `None`: no actor approved for it.
    before: Option<Posted>,
    now: Known,
    /// Something is taken from its holds: the database checks that they have as much left.
    taken: bool,
}

/// The accounts that this batch has touched so far.
#[derive(Default)]
struct Ledger(HashMap<AccountId, Touched>);

impl Batch {
    /// Lays records out behind the batch `prior`, each with what memory knows of its accounts. No two records may have
    /// the same key: the journal lets a record with a repeated key wait.
    pub fn of<'a, K: Fn(AccountId) -> Option<Posted>>(
        number: i64,
        prior: i64,
        records: impl Iterator<Item = (&'a Record, K)>,
    ) -> Self {
        let mut batch = Self { number, prior, ..Self::default() };
        let mut ledger = Ledger::default();
        for (record, known) in records {
            batch.push(record, &known, &mut ledger);
        }
        batch.outside = ledger.outside();
        batch.after = ledger.0.into_iter().map(|(account, touched)| (account, touched.now)).collect();
        batch
    }

    fn push(&mut self, record: &Record, known: &impl Fn(AccountId) -> Option<Posted>, ledger: &mut Ledger) {
        let first = self.rows.len();
        let here = journal::place(self.number, first);
        self.has_events |= record.event.is_some();
        for rows in &record.rows {
            self.push_rows(record, rows, here);
        }
        if record.id.is_derived() {
            self.extras.derived(record.id, here);
        }
        let held = record.rows.iter().find_map(Rows::held);
        let postings = if let Body::Postings(postings) = &record.body { postings.as_slice() } else { &[] };
        self.rows.head(record, postings.len());
        match &record.body {
            Body::AccountChange(change) => {
                self.rows.debit(first, change.account, ledger.touch(change.account, known, here, |_| ()));
            }
            Body::Declined { postings, .. } => self.extras.declined(record, postings, here),
            Body::Tombstone => {}
            Body::Postings(_) if postings.is_empty() => {
                if let Some((account, change)) = held {
                    self.rows.debit(
                        first,
                        account,
                        ledger.touch(account, known, here, |now| now.totals.held += change),
                    );
                    self.rows.credit[first] = record.rows.iter().find_map(Rows::promised_to).map(|account| account.0);
                }
            }
            Body::Postings(_) => {}
        }
        self.rows.held[first] = held.map(|(_, change)| change);
        for (n, posting) in postings.iter().enumerate() {
            if n > 0 {
                self.rows.next(record, n, postings.len());
            }
            let (at, amount) = (first + n, posting.amount.minor_units());
            let place = journal::place(self.number, at);
            let holds_less =
                held.filter(|(account, _)| n == 0 && *account == posting.debit).map_or(0, |(_, change)| change);
            let debit = ledger.touch(posting.debit, known, place, |now| {
                now.totals.debits += amount;
                now.totals.held += holds_less;
            });
            self.rows.debit(at, posting.debit, debit);
            let credit = ledger.touch(posting.credit, known, place, |now| now.totals.credits += amount);
            self.rows.credit(at, posting.credit, credit);
            self.rows.amounts[at] = Some(amount);
        }
    }

    fn push_rows(&mut self, record: &Record, rows: &Rows, place: i64) {
        match rows {
            Rows::Hold { debit, credit, amount, expires_at } => {
                self.holds.ids.push(record.id.0);
                self.holds.debits.push(debit.0);
                self.holds.credits.push(credit.0);
                self.holds.amounts.push(amount.minor_units());
                self.holds.expires.push(*expires_at);
                self.holds.seqs.push(place);
            }
            Rows::Take { hold, captured, voided, .. } => {
                self.takes.holds.push(hold.0);
                self.takes.captured.push(captured.minor_units());
                self.takes.voided.push(voided.minor_units());
            }
            rare => self.extras.push(record, rare, place),
        }
    }

    /// Whether it may be written while the batch before it is still being written. It may when it only adds rows, to
    /// the same partition: what changes rows that others change too waits for its turn.
    pub fn may_run_beside(&self) -> bool {
        let changes = self.rows.kinds.contains(&Kind::ACCOUNT_CHANGE.code());
        self.takes.holds.is_empty()
            && self.extras.is_empty()
            && !changes
            && journal::partition_of(self.number) == journal::partition_of(self.prior)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// The balances after each posting of one record; `None`: the batch has no such record.
    pub fn balances_after(&self, record: TransactionId) -> Option<Box<[BalancesAfter]>> {
        let rows = &self.rows;
        let first = rows.ids.iter().position(|id| *id == record.0)?;
        let count = usize::try_from(rows.postings[first]).ok()?;
        let balances =
            |at: usize| Some(BalancesAfter { debit: rows.debit_afters[at]?, credit: rows.credit_afters[at]? });
        (first..first + count).map(balances).collect()
    }
}

/// What one row says of one of its accounts.
#[derive(Clone, Copy)]
struct Side {
    /// The place of the account's row before this one; 0: there is none.
    previous: i64,
    /// The account's balance after this row, in minor units.
    after: i128,
}

impl Ledger {
    /// Applies a row at `place` to an account, and returns what the row says of it.
    fn touch(
        &mut self,
        account: AccountId,
        known: &impl Fn(AccountId) -> Option<Posted>,
        place: i64,
        change: impl FnOnce(&mut Known),
    ) -> Side {
        let touched = self.0.entry(account).or_insert_with(|| {
            let before = known(account);
            Touched { before, now: before.map(|posted| posted.known()).unwrap_or_default(), taken: false }
        });
        let held = touched.now.totals.held;
        change(&mut touched.now);
        touched.taken |= touched.now.totals.held < held;
        touched.now.totals.version += 1;
        let previous = std::mem::replace(&mut touched.now.last, place);
        Side { previous, after: touched.now.totals.credits - touched.now.totals.debits }
    }

    /// Accounts whose money breaks a floor or ceiling that it kept to before, or breaks it by more than before.
    fn outside(&self) -> Vec<AccountId> {
        let is_outside = |touched: &Touched| {
            touched.before.is_none_or(|before| !before.may_become(&touched.now.totals, touched.taken))
        };
        self.0.iter().filter(|(_, touched)| is_outside(touched)).map(|(account, _)| *account).collect()
    }
}

/// The number for the column `journal.status`.
fn status_of(record: &Record) -> i16 {
    match record.body {
        Body::Postings(_) | Body::AccountChange(_) => status::COMPLETED,
        Body::Declined { .. } => status::DECLINED,
        Body::Tombstone => status::RETIRED,
    }
}

/// The key for the journal's column; `None` where the record goes by its own id.
fn key_of(record: &Record) -> Option<uuid::Uuid> {
    (record.key != KeyHash::own(record.id)).then_some(record.key.0)
}
