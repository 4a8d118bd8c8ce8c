//! Lists transactions by place, newest first, page by page, and never reads a whole table:
//!
//! - by reference: along its index;
//! - by account: completed ones along the chain of its postings, declined ones along theirs, both merged;
//! - else along the journal itself.
//!
//! A page looks at [`SCAN_MAX`] candidates at most. A filter that few of them pass ends a page early, with the place to
//! go on from.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::{TransactionRow, at_places};
use crate::protocol::journal::{PLACE_BITS, status};
use crate::protocol::record::{DeclineCode, Kind};
use crate::store::{StoreError, limited};

/// Which transactions to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub tenant: String,
    /// The id of an account that is debited or credited, or was to be.
    pub account: Option<String>,
    /// Accepted at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Accepted before this time.
    pub to: Option<DateTime<Utc>>,
    /// `Some(true)`: only declined ones; `Some(false)`: only completed ones.
    pub declined: Option<bool>,
    pub reference: Option<String>,
    /// Made by the API key or the certificate of this name.
    pub made_by: Option<String>,
    /// Made from this address.
    pub made_from: Option<String>,
    /// Empty: all.
    pub kinds: Vec<Kind>,
    /// Leaves out declines that are not bound to the caller's key: the caller does not know of them.
    pub bound: bool,
    /// Leaves out steps of sagas.
    pub no_steps: bool,
    /// How many are skipped first.
    pub offset: usize,
}

/// Where to go on in a list, from the newest down. Each list uses the fields that it needs, and leaves the others as in
/// [`Self::START`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Those below this place, number or time are still to come.
    pub seq: i64,
    /// In the list of an account: the place of the account's row to go on from; `i64::MAX`: its newest.
    pub row: i64,
    /// Those below this id are still to come.
    pub id: Uuid,
}

impl Cursor {
    /// Before the newest.
    pub const START: Self = Self { seq: i64::MAX, row: i64::MAX, id: Uuid::max() };
}

/// A page of a list; each transaction has the cursor after it.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<(TransactionRow, Cursor)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// Candidates that a page looks at.
const SCAN_MAX: usize = 10_000;
/// Candidates that one statement returns.
const CHUNK: std::ops::RangeInclusive<usize> = 100..=1_001;
/// Rows of the journal that one statement looks at for candidates.
const LOOKS: i64 = 20_000;
/// [`LOOKS`] rows without a candidate count as this many: so a page looks at ten such statements at most.
const LOOKS_COUNT: usize = SCAN_MAX / 10;
/// How long after its acceptance a transaction may be committed. A command waits for ten minutes at most; the rest is
/// for clocks that differ.
const COMMIT_SLACK: TimeDelta = TimeDelta::hours(1);

/// At most `count` transactions from a cursor on.
///
/// # Errors
/// Any failure of the statements.
pub async fn list(pool: &PgPool, filter: &Filter, start: Cursor, count: usize) -> Result<Page, StoreError> {
    limited(find(pool, filter, start, count)).await
}

async fn find(pool: &PgPool, filter: &Filter, start: Cursor, count: usize) -> Result<Page, StoreError> {
    let source = Source::of(pool, filter).await?;
    let (mut at, count) = (source.begin(start).await?, count + filter.offset);
    let (mut rows, mut looked) = (Vec::new(), 0);
    loop {
        let missing = count + 1 - rows.len();
        let mut chunk = source.chunk(at, missing.clamp(*CHUNK.start(), *CHUNK.end())).await?;
        let enough = chunk
            .candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.passes(filter))
            .nth(missing - 1)
            .map(|(n, _)| n + 1);
        chunk.cut(enough.unwrap_or(usize::MAX));
        looked += chunk.looked;
        at = chunk.at;
        let passing: Vec<Cursor> = chunk
            .candidates
            .iter()
            .filter(|candidate| candidate.passes(filter))
            .map(|candidate| candidate.after)
            .collect();
        let places: Vec<i64> = passing.iter().map(|after| after.seq).collect();
        let mut found = at_places(pool, &filter.tenant, &places).await?;
        for after in passing {
            rows.extend(found.remove(&after.seq).filter(|row| filter.takes(row)).map(|row| (row, after)));
        }
        let next = match rows.get(count.wrapping_sub(1)) {
            Some((_, after)) if rows.len() > count => Some(*after),
            _ if chunk.ends => None,
            _ if looked >= SCAN_MAX + filter.offset => Some(at),
            _ => continue,
        };
        rows.truncate(count);
        rows.drain(..filter.offset.min(rows.len()));
        return Ok(Page { rows, next });
    }
}

impl Filter {
    /// Checks the filter as a whole on a whole transaction.
    fn takes(&self, row: &TransactionRow) -> bool {
        let names = |account: &String| {
            row.postings.iter().any(|posting| posting.debit == *account || posting.credit == *account)
        };
        self.in_time(row.created_at)
            && self.declined.is_none_or(|declined| declined == row.decline.is_some())
            && (self.kinds.is_empty() || self.kinds.contains(&row.kind))
            && (!self.bound || row.decline.as_ref().is_none_or(|(code, _)| *code == DeclineCode::LimitExceeded))
            && !(self.no_steps && row.of_saga)
            && self.reference.as_ref().is_none_or(|reference| row.reference.as_ref() == Some(reference))
            && self.made_by.as_ref().is_none_or(|maker| row.made_by.as_ref() == Some(maker))
            && self.made_from.as_ref().is_none_or(|address| row.made_from.as_ref() == Some(address))
            && self.account.as_ref().is_none_or(names)
    }

    fn in_time(&self, time: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }

    /// The places between which all rows lie that were accepted in the wanted time, the second excluded; rows of
    /// partition 0 lie before. What was accepted before some time was committed soon after it, and so before whatever
    /// was accepted later still.
    async fn places(&self, pool: &PgPool) -> Result<(i64, i64), StoreError> {
        if self.from.is_none() && self.to.is_none() {
            return Ok((0, i64::MAX));
        }
        let sql = "SELECT CASE WHEN $1 IS NULL THEN 0 ELSE journal_place_at($1, s.slack) END, \
                     CASE WHEN $2 IS NULL THEN 9223372036854775807 ELSE journal_place_at($2 + 2 * s.slack, s.slack) + $4 END \
                   FROM (SELECT $3::bigint * interval '1 second' AS slack) s";
        let batch = 1_i64 << PLACE_BITS; // up to the end of the batch that the place is in
        Ok(sqlx::query_as(sql)
            .bind(self.from)
            .bind(self.to)
            .bind(COMMIT_SLACK.num_seconds())
            .bind(batch)
            .fetch_one(pool)
            .await?)
    }
}

/// A transaction that may be wanted, by what its index says of it.
struct Candidate {
    created_at: DateTime<Utc>,
    declined: bool,
    /// Its `seq` is the transaction's place.
    after: Cursor,
}

impl Candidate {
    fn passes(&self, filter: &Filter) -> bool {
        filter.in_time(self.created_at) && filter.declined.is_none_or(|wanted| wanted == self.declined)
    }
}

struct Chunk {
    candidates: Vec<Candidate>,
    /// The cursor after it, even if it has no candidate.
    at: Cursor,
    /// How many candidates it counts as.
    looked: usize,
    /// Whether nothing comes after it.
    ends: bool,
}

impl Chunk {
    /// Keeps the first `count` candidates.
    fn cut(&mut self, count: usize) {
        if count < self.candidates.len() {
            self.candidates.truncate(count);
            self.at = self.candidates.last().map_or(self.at, |last| last.after);
            self.ends = false;
        }
    }
}

/// The index, or the journal itself, that a list follows.
struct Source<'a> {
    pool: &'a PgPool,
    filter: &'a Filter,
    /// The account's id, and its number if it exists: a declined transaction may name an account that never did.
    account: Option<(&'a str, Option<i64>)>,
    /// See [`Filter::places`].
    low: i64,
    high: i64,
}

impl<'a> Source<'a> {
    async fn of(pool: &'a PgPool, filter: &'a Filter) -> Result<Self, StoreError> {
        let account = match &filter.account {
            Some(name) if filter.reference.is_none() => {
                let query = sqlx::query_scalar("SELECT id FROM accounts WHERE tenant = $1 AND name = $2")
                    .bind(&filter.tenant)
                    .bind(name);
                Some((name.as_str(), query.fetch_optional(pool).await?))
            }
            _ => None,
        };
        let (low, high) = filter.places(pool).await?;
        Ok(Self { pool, filter, account, low, high })
    }

    /// Where to begin: no later than what is wanted. For an account, its first row after the wanted time is looked for,
    /// which saves walking its chain through all later ones. If many rows are looked at in vain, the account has few of
    /// them.
    async fn begin(&self, start: Cursor) -> Result<Cursor, StoreError> {
        let mut at = Cursor { seq: start.seq.min(self.high), ..start };
        if let Some((_, Some(number))) = self.account
            && at.row == i64::MAX
            && self.high < i64::MAX
        {
            let sql = "SELECT seq FROM journal_after($1, journal_tip(), false, $2) WHERE (debit_account = $3 AND debit_prev IS NOT NULL) \
                         OR (credit_account = $3 AND credit_prev IS NOT NULL) ORDER BY seq LIMIT 1";
            let behind: Option<i64> = sqlx::query_scalar(sql)
                .bind(self.high - 1)
                .bind(LOOKS / 2)
                .bind(number)
                .fetch_optional(self.pool)
                .await?;
            at.row = behind.unwrap_or(i64::MAX);
        }
        Ok(at)
    }

    async fn chunk(&self, at: Cursor, count: usize) -> Result<Chunk, StoreError> {
        let (filter, limit) = (self.filter, i64::try_from(count).unwrap_or(i64::MAX));
        let Some((name, number)) = self.account else {
            let sql = "SELECT seq, status, created_at FROM journal_before($1, $2, $3, $4, $5, $6, $7, $8)";
            let query = sqlx::query_as(sql).bind(at.seq).bind(self.low).bind(&filter.tenant).bind(&filter.reference);
            let rows: Vec<Listed> =
                query.bind(filter.from).bind(filter.to).bind(LOOKS).bind(limit).fetch_all(self.pool).await?;
            return Ok(listed(&rows, at, count));
        };
        // Both as of one snapshot: neither may know what the other does not, further back.
        let sql = "SELECT seq, n, created_at, false FROM account_postings($1, $2, $3) \
                   UNION ALL SELECT seq, n, created_at, true FROM journal_at(ARRAY( \
                     SELECT d.seq FROM declines d WHERE d.tenant = $4 AND d.account = $5 AND d.seq < $6 AND d.seq >= $7 \
                       ORDER BY d.seq DESC LIMIT $3))";
        let query = sqlx::query_as(sql).bind(number.filter(|_| filter.declined != Some(true))).bind(at.row).bind(limit);
        let query = query
            .bind((filter.declined != Some(false)).then_some(filter.tenant.as_str()))
            .bind(name)
            .bind(at.seq)
            .bind(self.low);
        let mut rows: Vec<(i64, i16, DateTime<Utc>, bool)> = query.fetch_all(self.pool).await?;
        rows.sort_unstable_by_key(|(seq, ..)| std::cmp::Reverse(*seq));
        let (declined, completed): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(.., declined)| *declined);
        let completed = completed.into_iter().map(|(row, n, time, _)| (row, row - i64::from(n), time)).collect();
        let declined = declined.into_iter().map(|(place, _, time, _)| (place, time)).collect();
        Ok(merged(completed, declined, filter, at, count))
    }
}

/// A transaction's place, its status, and when it was accepted.
type Listed = (i64, Option<i16>, DateTime<Utc>);

/// From the rows of `journal_before`. Where that had to stop looking, its last row has no status.
fn listed(rows: &[Listed], mut at: Cursor, count: usize) -> Chunk {
    let (mut candidates, mut looked, mut ends) = (Vec::with_capacity(rows.len()), rows.len(), rows.len() < count);
    for &(seq, code, created_at) in rows {
        at.seq = seq;
        match code {
            Some(code) => candidates.push(Candidate { created_at, declined: code == status::DECLINED, after: at }),
            None => (looked, ends) = (looked.max(LOOKS_COUNT), false),
        }
    }
    Chunk { candidates, at, looked, ends }
}

/// A posting's row, its transaction's place, and when the transaction was accepted.
type Done = (i64, i64, DateTime<Utc>);
/// A declined transaction's place, and when it was accepted.
type Refused = (i64, DateTime<Utc>);

/// Merges the two lists of an account by place, as far as both are known. Postings of one transaction follow each
/// other.
fn merged(completed: Vec<Done>, declined: Vec<Refused>, filter: &Filter, mut at: Cursor, count: usize) -> Chunk {
    let oldest = filter.from.map(|from| from - COMMIT_SLACK);
    let mut completed_ends = completed.len() < count;
    let declined_ends = declined.len() < count;
    let (mut completed, mut declined) = (completed.into_iter().peekable(), declined.into_iter().peekable());
    let (mut candidates, mut looked) = (Vec::new(), 0);
    let ends = loop {
        // The rest of a transaction's postings; and what is too new, or was seen while nothing was known of the chain.
        while let Some((row, ..)) = completed.next_if(|(_, place, _)| *place >= at.seq) {
            at.row = row;
            looked += 1;
        }
        if completed.peek().is_some_and(|(.., time)| oldest.is_some_and(|oldest| *time < oldest)) {
            (completed, completed_ends) = (Vec::new().into_iter().peekable(), true);
        }
        let (done, refused) = (completed.peek().copied(), declined.peek().copied());
        if (done.is_none() && !completed_ends) || (refused.is_none() && !declined_ends) {
            break false; // what follows in one list is not known yet
        }
        let (created_at, is_declined) = match (done, refused) {
            (None, None) => break true,
            (Some((row, place, time)), refused) if refused.is_none_or(|(refused, _)| place > refused) => {
                completed.next();
                (at.seq, at.row) = (place, row);
                (time, false)
            }
            (_, Some((place, time))) => {
                declined.next();
                at.seq = place;
                (time, true)
            }
            (Some(_), None) => break true, // the arm above takes it
        };
        looked += 1;
        candidates.push(Candidate { created_at, declined: is_declined, after: at });
    };
    Chunk { candidates, at, looked, ends }
}

#[cfg(test)]
mod tests;
