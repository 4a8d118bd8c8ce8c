//! Reads rows of the journal in order, for the publisher and for live streams, and the names that events show.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgExecutor;
use sqlx::types::Json;
use sqlx::{Error, FromRow, PgConnection};
use uuid::Uuid;

use super::numeric::Numeric;
use crate::money::{Currency, CurrencyCode};
use crate::protocol::events::{EventType, Named, Unreadable};
use crate::protocol::journal::Row;
use crate::protocol::record::{AccountId, Kind, TransactionId};

/// A row as PostgreSQL returns it.
#[derive(FromRow)]
pub(super) struct SqlRow {
    pub seq: i64,
    pub id: Uuid,
    pub n: i16,
    pub postings: i16,
    pub event: Option<i16>,
    pub kind: i16,
    pub status: i16,
    pub debit_account: Option<i64>,
    pub credit_account: Option<i64>,
    pub amount: Option<Numeric>,
    pub held: Option<Numeric>,
    pub debit_after: Option<Numeric>,
    pub credit_after: Option<Numeric>,
    pub follows: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub tenant: String,
    pub key_text: Option<String>,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
    pub correlation: Option<String>,
    pub body: Option<Json<serde_json::Value>>,
}

/// The columns of [`SqlRow`], to be selected from one of the journal's functions.
pub(super) const COLUMNS: &str = "seq, id, n, postings, event, kind, status, debit_account, credit_account, amount, held, debit_after, credit_after, follows, \
     created_at, tenant, key_text, reference, description, metadata, correlation, body";

impl SqlRow {
    /// # Errors
    /// When this version knows no such kind or event.
    pub fn read(self) -> Result<Row, Unreadable> {
        let (row, units) = (self, |value: Option<Numeric>| value.map(|value| value.0));
        let event = row.event.map(|number| EventType::from_code(number).ok_or(Unreadable::Event(number)));
        Ok(Row {
            seq: row.seq,
            id: TransactionId(row.id),
            n: row.n,
            postings: row.postings,
            event: event.transpose()?,
            kind: Kind::from_code(row.kind).ok_or(Unreadable::Kind(row.kind))?,
            debit: row.debit_account.map(AccountId),
            credit: row.credit_account.map(AccountId),
            amount: units(row.amount),
            held: units(row.held),
            debit_after: units(row.debit_after),
            credit_after: units(row.credit_after),
            follows: row.follows,
            created_at: row.created_at,
            tenant: row.tenant,
            key_text: row.key_text,
            reference: row.reference,
            description: row.description,
            metadata: row.metadata,
            correlation: row.correlation,
            body: row.body.map(|body| body.0),
        })
    }
}

/// Every place up to this one is taken, or stays empty for ever; 0: nothing was written yet.
pub async fn tip(db: impl PgExecutor<'_>) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT journal_tip()").fetch_one(db).await
}

/// At most `rows_max` rows, in order, of transactions that have an event, after `after` and up to `upto`.
pub(super) async fn after(db: impl PgExecutor<'_>, after: i64, upto: i64, rows_max: i64) -> Result<Vec<SqlRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM journal_after($1, $2, true, $3)");
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(after).bind(upto).bind(rows_max).fetch_all(db).await
}

/// Ids and currencies of accounts that events show. Neither ever changes, so the cache never has to be refreshed.
#[derive(Default)]
pub struct Names(HashMap<AccountId, Named>);

/// Accounts that are remembered; when there are more, all are forgotten.
const NAMES_MAX: usize = 100_000;

impl Names {
    /// Makes sure that the accounts of these rows are known, as far as they exist.
    ///
    /// # Errors
    /// Any failure of the statement.
    pub(super) async fn learn(&mut self, db: &mut PgConnection, rows: &[SqlRow]) -> Result<(), Error> {
        let named = || rows.iter().flat_map(|row| [row.debit_account, row.credit_account]).flatten();
        let mut missing: Vec<i64> = named().filter(|id| !self.0.contains_key(&AccountId(*id))).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if self.0.len() + missing.len() > NAMES_MAX {
            self.0.clear();
            missing = named().collect();
        }
        missing.sort_unstable();
        missing.dedup();
        let sql = "SELECT a.id, a.name, a.currency, c.exponent FROM accounts a JOIN currencies c ON c.code = a.currency WHERE a.id = ANY($1)";
        let found: Vec<(i64, String, String, i16)> = sqlx::query_as(sql).bind(&missing).fetch_all(db).await?;
        for (id, name, code, exponent) in found {
            if let (Some(code), Ok(exponent)) = (CurrencyCode::parse(&code), u8::try_from(exponent)) {
                self.0.insert(AccountId(id), Named { name: name.into(), currency: Currency { code, exponent } });
            }
        }
        Ok(())
    }

    pub fn get(&self, id: AccountId) -> Option<&Named> {
        self.0.get(&id)
    }
}

/// Groups rows, which come in order, by transaction. The last transaction is left for the next time if the read cut it
/// off, unless it is alone. `is_all`: the read was not cut off.
pub(super) fn transactions(rows: Vec<SqlRow>, is_all: bool) -> Vec<Vec<SqlRow>> {
    let mut groups: Vec<Vec<SqlRow>> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| last.id == row.id && last.n < row.n) => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    let is_cut = |group: &[SqlRow]| group.last().is_some_and(|last| last.n + 1 < last.postings);
    if !is_all && groups.len() > 1 && groups.last().is_some_and(|group| is_cut(group)) {
        groups.pop();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_another_version_are_unreadable() {
        let read = |event, kind| {
            let row = SqlRow {
                seq: 1,
                id: Uuid::nil(),
                n: 0,
                postings: 0,
                event,
                kind,
                status: 1,
                debit_account: None,
                credit_account: None,
                amount: None,
                held: None,
                debit_after: None,
                credit_after: None,
                follows: None,
                created_at: DateTime::UNIX_EPOCH,
                tenant: String::new(),
                key_text: None,
                reference: None,
                description: None,
                metadata: None,
                correlation: None,
                body: None,
            };
            row.read().map(|row| (row.event, row.kind))
        };
        assert_eq!(read(None, 1), Ok((None, Kind::PAYMENT)));
        assert_eq!(read(Some(3), 2), Ok((Some(EventType::TransactionPosted), Kind::TRANSFER)));
        assert_eq!(read(Some(99), 1), Err(Unreadable::Event(99)));
        assert_eq!(read(None, 99), Err(Unreadable::Kind(99)));
    }
}
