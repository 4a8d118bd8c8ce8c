//! Many records as the arrays of one call. Pure: the sums and the remainders are computed here, once per batch.

mod extras;
mod rows;

use chrono::{DateTime, Utc};
use hashbrown::HashMap;
use uuid::Uuid;

pub use self::extras::Extras;
pub use self::rows::{DeclinedRows, HoldRows, PostingRows, RefundRows, TakeRows};
use super::record::{AccountChange, AccountId, BalancesAfter, Body, Record, Rows, TransactionId};
use crate::ledger::Totals;

/// The arguments of `commit_batch`, arrays in parallel by group.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named as the function's parameters, where they are explained")]
pub struct Batch {
    pub keys: Vec<Uuid>,
    pub key_ids: Vec<Uuid>,
    pub key_requests: Vec<Uuid>,
    pub key_statuses: Vec<i16>,
    pub ids: Vec<Uuid>,
    pub tenants: Vec<String>,
    pub apis: Vec<i16>,
    pub kinds: Vec<i16>,
    pub statuses: Vec<i16>,
    pub requests: Vec<Uuid>,
    pub key_texts: Vec<Option<String>>,
    pub references: Vec<Option<String>>,
    pub descriptions: Vec<Option<String>>,
    pub metadatas: Vec<Option<String>>,
    pub correlations: Vec<Option<String>>,
    pub decline_codes: Vec<Option<i16>>,
    pub decline_messages: Vec<Option<String>>,
    pub created: Vec<DateTime<Utc>>,
    /// The places of the record's first and last posting in the batch, counted from 1.
    pub firsts: Vec<Option<i32>>,
    pub lasts: Vec<Option<i32>>,
    pub postings: PostingRows,
    pub declined: DeclinedRows,
    pub holds: HoldRows,
    pub takes: TakeRows,
    pub refunds: RefundRows,
    pub extras: Extras,
    pub event_types: Vec<i16>,
    pub event_aggregates: Vec<String>,
    pub event_bodies: Vec<String>,
    /// Ascending, so that lanes lock in one order.
    pub accounts: Vec<i64>,
    pub debits: Vec<i128>,
    pub credits: Vec<i128>,
    /// How much more is held.
    pub helds: Vec<i128>,
    /// The place of the account's last posting in the batch, if it has one.
    pub account_lasts: Vec<Option<i32>>,
    pub changes: Vec<AccountChange>,
    /// By record: summed up into `helds` at the end.
    held: Vec<(AccountId, i128)>,
}

/// `transactions.status` and `keys.status`.
const COMPLETED: i16 = 1;
const DECLINED: i16 = 2;
const TOMBSTONE: i16 = 3;

impl Batch {
    /// Lays records out. Keys must differ: the lane lets a repeated key wait.
    pub fn of<'a>(records: impl Iterator<Item = &'a Record> + Clone) -> Self {
        let mut batch = Self::default();
        let mut by_key: Vec<&Record> = records.clone().collect();
        by_key.sort_unstable_by_key(|record| record.key);
        for record in by_key {
            batch.keys.push(record.key.0);
            batch.key_ids.push(record.id.0);
            batch.key_requests.push(record.request.0);
            batch.key_statuses.push(status(record));
        }
        for record in records {
            batch.push(record);
        }
        batch.sum();
        batch
    }

    fn push(&mut self, record: &Record) {
        for rows in &record.rows {
            self.push_rows(record, rows);
        }
        let (mut decline_code, mut decline_message) = (None, None);
        let before = self.postings.places();
        match &record.body {
            Body::Tombstone => return, // a key and nothing else
            Body::AccountChange(change) => self.changes.push(*change),
            Body::Postings(postings) => {
                for (n, posting) in (0..).zip(postings) {
                    let rows = &mut self.postings;
                    rows.ids.push(record.id.0);
                    rows.ns.push(n);
                    rows.debits.push(posting.debit.0);
                    rows.credits.push(posting.credit.0);
                    rows.amounts.push(posting.amount.minor_units());
                    rows.created.push(record.created_at);
                }
            }
            Body::Declined { code, message, postings } => {
                (decline_code, decline_message) = (Some(*code as i16), Some(message.clone()));
                for (n, posting) in (0..).zip(postings) {
                    let rows = &mut self.declined;
                    rows.ids.push(record.id.0);
                    rows.ns.push(n);
                    rows.tenants.push(record.tenant.to_string());
                    rows.debits.push(posting.debit.clone());
                    rows.credits.push(posting.credit.clone());
                    rows.amounts.push(posting.amount.minor_units());
                    rows.currencies.push(posting.currency.clone());
                }
            }
        }
        self.ids.push(record.id.0);
        self.tenants.push(record.tenant.to_string());
        self.apis.push(record.api.code());
        self.kinds.push(record.kind.code());
        self.statuses.push(status(record));
        self.requests.push(record.request.0);
        self.key_texts.push(record.key_text.clone());
        self.references.push(record.reference.clone());
        self.descriptions.push(record.description.clone());
        self.metadatas.push(record.metadata.clone());
        self.correlations.push(record.correlation.clone());
        self.decline_codes.push(decline_code);
        self.decline_messages.push(decline_message);
        self.created.push(record.created_at);
        let (first, last) = (before + 1, self.postings.places());
        self.firsts.push((first <= last).then_some(first));
        self.lasts.push((first <= last).then_some(last));
        if let Some(event) = &record.event {
            self.event_types.push(event.event.code());
            self.event_aggregates.push(event.aggregate.clone());
            self.event_bodies.push(event.body.clone());
        }
    }

    fn push_rows(&mut self, record: &Record, rows: &Rows) {
        match rows {
            Rows::Refund { payment, limit, given } => {
                self.refunds.ids.push(record.id.0);
                self.refunds.payments.push(payment.0);
                self.refunds.limits.push(limit.minor_units());
                self.refunds.amounts.push(given.minor_units());
            }
            Rows::Hold { debit, credit, amount, expires_at } => {
                self.holds.ids.push(record.id.0);
                self.holds.debits.push(debit.0);
                self.holds.credits.push(credit.0);
                self.holds.amounts.push(amount.minor_units());
                self.holds.expires.push(*expires_at);
            }
            Rows::Take { hold, captured, voided, .. } => {
                self.takes.ids.push(record.id.0);
                self.takes.holds.push(hold.0);
                self.takes.captured.push(captured.minor_units());
                self.takes.voided.push(voided.minor_units());
            }
            rare => self.extras.push(record, rare),
        }
        self.held.extend(rows.held());
    }

    /// Credits less debits after each posting of a record, from the totals after the batch; `None` if it is not in this batch.
    pub fn balances_after(&self, record: TransactionId, totals: &HashMap<AccountId, Totals>) -> Option<Box<[BalancesAfter]>> {
        let n = self.ids.iter().position(|id| *id == record.0)?;
        let (Some(first), Some(last)) = (self.firsts[n], self.lasts[n]) else { return Some(Box::default()) };
        let rows = &self.postings;
        let after = |account: i64, rest: i128| totals.get(&AccountId(account)).map(|totals| totals.credits - totals.debits - rest);
        let balances = |place: i32| {
            let n = usize::try_from(place - 1).ok()?;
            Some(BalancesAfter { debit: after(rows.debits[n], rows.rest_debits[n])?, credit: after(rows.credits[n], rows.rest_credits[n])? })
        };
        (first..=last).map(balances).collect()
    }

    /// Totals per account; for each posting, what the later ones still do to its accounts and which came before it there.
    fn sum(&mut self) {
        let rows = &mut self.postings;
        let mut sums: HashMap<i64, Sum> = HashMap::with_capacity(rows.ids.len() * 2);
        for (place, (debit, credit)) in (1..).zip(rows.debits.iter().zip(&rows.credits)) {
            rows.prev_debits.push(sums.entry(*debit).or_default().last.replace(place));
            rows.prev_credits.push(sums.entry(*credit).or_default().last.replace(place));
        }
        (rows.rest_debits, rows.rest_credits) = (vec![0; rows.ids.len()], vec![0; rows.ids.len()]);
        for n in (0..rows.ids.len()).rev() {
            let debited = sums.entry(rows.debits[n]).or_default();
            rows.rest_debits[n] = debited.credit - debited.debit;
            debited.debit += rows.amounts[n];
            let credited = sums.entry(rows.credits[n]).or_default();
            rows.rest_credits[n] = credited.credit - credited.debit;
            credited.credit += rows.amounts[n];
        }
        for (account, held) in self.held.drain(..) {
            sums.entry(account.0).or_default().held += held;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_unstable_by_key(|(account, _)| *account);
        for (account, sum) in sums {
            self.accounts.push(account);
            self.debits.push(sum.debit);
            self.credits.push(sum.credit);
            self.helds.push(sum.held);
            self.account_lasts.push(sum.last);
        }
    }
}

/// What a batch does to one account.
#[derive(Default)]
struct Sum {
    debit: i128,
    credit: i128,
    held: i128,
    /// The place of its last posting so far.
    last: Option<i32>,
}

fn status(record: &Record) -> i16 {
    match record.body {
        Body::Postings(_) | Body::AccountChange(_) => COMPLETED,
        Body::Declined { .. } => DECLINED,
        Body::Tombstone => TOMBSTONE,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::money::Amount;
    use crate::protocol::record::{AccountId, Api, KeyHash, Kind, Posting, RequestHash, TransactionId, now_micros};

    fn record(postings: &[(i64, i64, i64)]) -> Record {
        let id = TransactionId::draw();
        let posting = |(debit, credit, amount): &(i64, i64, i64)| Posting {
            debit: AccountId(*debit),
            credit: AccountId(*credit),
            amount: Amount::from(*amount),
        };
        Record {
            id,
            tenant: "default".into(),
            api: Api::FlorinV1,
            kind: Kind::TRANSFER,
            key: KeyHash::own(id),
            key_text: None,
            request: RequestHash::of(&[]),
            reference: None,
            description: None,
            metadata: None,
            correlation: None,
            created_at: now_micros(),
            cutoff: Instant::now(),
            body: Body::Postings(postings.iter().map(posting).collect()),
            rows: Vec::new(),
            with_balances: false,
            event: None,
        }
    }

    proptest! {
        /// Walking the rows forward from any opening balances, each row's balance-after computed from the closing total and the rest
        /// equals the running sum.
        #[test]
        fn the_rest_gives_the_running_balance(rows in prop::collection::vec(prop::collection::vec((0i64..5, 0i64..5, 1i64..100), 1..4), 1..20)) {
            let records: Vec<Record> = rows.iter()
                .map(|postings| record(&postings.iter().map(|(d, c, a)| (*d, if d == c { c + 5 } else { *c }, *a)).collect::<Vec<_>>()))
                .collect();
            let batch = Batch::of(records.iter());
            prop_assert!(batch.accounts.is_sorted() && batch.keys.is_sorted());
            let closing: HashMap<i64, i128> = batch.accounts.iter().zip(batch.credits.iter().zip(&batch.debits)).map(|(a, (c, d))| (*a, c - d)).collect();
            let mut running: HashMap<i64, i128> = HashMap::new();
            for n in 0..batch.postings.ids.len() {
                let (d, c, amount) = (batch.postings.debits[n], batch.postings.credits[n], batch.postings.amounts[n]);
                *running.entry(d).or_default() -= amount;
                prop_assert_eq!(closing[&d] - batch.postings.rest_debits[n], running[&d]);
                *running.entry(c).or_default() += amount;
                prop_assert_eq!(closing[&c] - batch.postings.rest_credits[n], running[&c]);
            }
            prop_assert_eq!(batch.debits.iter().sum::<i128>(), batch.credits.iter().sum::<i128>());
            // From an account's last posting the chain leads through all of its postings, newest first.
            for (account, last) in batch.accounts.iter().zip(&batch.account_lasts) {
                let (mut at, mut walked) = (*last, Vec::new());
                while let Some(place) = at {
                    walked.push(place);
                    let n = usize::try_from(place - 1).unwrap();
                    at = if batch.postings.debits[n] == *account { batch.postings.prev_debits[n] } else { batch.postings.prev_credits[n] };
                }
                let own = |n: &usize| batch.postings.debits[*n] == *account || batch.postings.credits[*n] == *account;
                let expected: Vec<i32> = (0..batch.postings.ids.len()).rev().filter(own).map(|n| i32::try_from(n).unwrap() + 1).collect();
                prop_assert_eq!(walked, expected);
            }
            for (n, id) in batch.ids.iter().enumerate() {
                let (first, last) = (batch.firsts[n].unwrap(), batch.lasts[n].unwrap());
                for place in 1..=batch.postings.places() {
                    prop_assert_eq!(batch.postings.ids[usize::try_from(place - 1).unwrap()] == *id, (first..=last).contains(&place));
                }
            }
        }
    }
}
