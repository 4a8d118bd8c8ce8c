//! Lists transactions newest first, page by page, never through a whole table:
//!
//! - by reference: along `transactions_by_reference`, the rest of the filter applied to what it finds;
//! - by account: its completed ones in order of commitment (along the chain of its postings), its declined ones by id, and both merged by id;
//! - else by id, which is in order of time.
//!
//! A page looks at no more than [`SCAN_MAX`] candidates: a filter that few of them pass ends a page early, with the place to go on from.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::{TransactionRow, by_ids};
use crate::store::{StoreError, limited};

/// What is wanted; all of it holds together.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose.
    pub tenant: String,
    /// Debited or credited, or asked to be.
    pub account: Option<String>,
    /// Accepted then or later.
    pub from: Option<DateTime<Utc>>,
    /// Accepted before.
    pub to: Option<DateTime<Utc>>,
    /// Only declined ones, or only completed ones.
    pub declined: Option<bool>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// Only these kinds; none means all.
    pub kinds: Vec<i16>,
    /// So many of them are passed over.
    pub offset: u32,
}

/// The place after a transaction: how far each of the lists that are merged has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Of the account's postings: the last one seen.
    pub seq: i64,
    /// The transaction of the posting there: the rest of its postings are skipped.
    pub last: Uuid,
    /// Of the list by id: those below this are still to come.
    pub id: Uuid,
}

impl Cursor {
    /// Before the newest.
    pub const START: Self = Self { seq: i64::MAX, last: Uuid::nil(), id: Uuid::max() };
}

/// A page: each transaction with the place after it.
#[derive(Debug)]
pub struct Page {
    /// In order.
    pub rows: Vec<(TransactionRow, Cursor)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// Candidates that a page looks at.
const SCAN_MAX: usize = 10_000;
/// Candidates that one statement answers.
const CHUNK: std::ops::RangeInclusive<usize> = 100..=1_001;
/// How far apart the time in an id and the time in its row may be.
const ID_SLACK: TimeDelta = TimeDelta::minutes(1);
/// How long after its acceptance a transaction may be committed.
const COMMIT_SLACK: TimeDelta = TimeDelta::hours(1);

/// One up to `count` transactions from a place on.
///
/// # Errors
/// Any failure of the statements.
pub async fn list(pool: &PgPool, filter: &Filter, start: Cursor, count: usize) -> Result<Page, StoreError> {
    limited(find(pool, filter, start, count)).await
}

async fn find(pool: &PgPool, filter: &Filter, start: Cursor, count: usize) -> Result<Page, StoreError> {
    let source = Source::of(pool, filter).await?;
    let (mut at, mut rows, mut scanned) = (start, Vec::new(), 0);
    loop {
        let missing = count + 1 - rows.len();
        let mut chunk = source.chunk(at, missing.clamp(*CHUNK.start(), *CHUNK.end())).await?;
        let passing = chunk.candidates.iter().enumerate().filter(|(_, candidate)| candidate.passes(filter)).map(|(n, _)| n);
        if let Some(last) = passing.clone().nth(missing - 1).filter(|last| last + 1 < chunk.candidates.len()) {
            chunk = Chunk { candidates: chunk.candidates.drain(..=last).collect(), ends: false };
        }
        scanned += chunk.candidates.len();
        at = chunk.candidates.last().map_or(at, |candidate| candidate.after);
        let passing: Vec<&Candidate> = chunk.candidates.iter().filter(|candidate| candidate.passes(filter)).collect();
        let ids: Vec<Uuid> = passing.iter().map(|candidate| candidate.id).collect();
        for row in by_ids(pool, &filter.tenant, &ids).await? {
            let place = passing.iter().find(|candidate| candidate.id == row.id.0).map_or(at, |candidate| candidate.after);
            if filter.takes(&row) {
                rows.push((row, place));
            }
        }
        if rows.len() > count {
            rows.truncate(count);
            let next = rows.last().map(|(_, after)| *after);
            return Ok(Page { rows, next });
        }
        if chunk.ends {
            return Ok(Page { rows, next: None });
        }
        if scanned >= SCAN_MAX {
            return Ok(Page { rows, next: Some(at) });
        }
    }
}

impl Filter {
    /// The whole filter, on the whole row.
    fn takes(&self, row: &TransactionRow) -> bool {
        let names = |account: &String| row.postings.iter().any(|posting| posting.debit == *account || posting.credit == *account);
        self.in_time(row.created_at)
            && self.declined.is_none_or(|declined| declined == row.decline.is_some())
            && self.reference.as_ref().is_none_or(|reference| row.reference.as_ref() == Some(reference))
            && self.account.as_ref().is_none_or(names)
    }

    fn in_time(&self, time: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }

    /// Every id of the wanted time lies between these; the second excluded.
    fn ids(&self) -> (Uuid, Uuid) {
        let low = self.from.map_or(Uuid::nil(), |from| id_at(from - ID_SLACK));
        (low, self.to.map_or(Uuid::max(), |to| id_at(to + ID_SLACK)))
    }
}

/// The lowest id of a time.
fn id_at(time: DateTime<Utc>) -> Uuid {
    let ms = u64::try_from(time.timestamp_millis()).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(ms) << 80)
}

/// A transaction that may be wanted, by what its index tells of it.
struct Candidate {
    id: Uuid,
    created_at: Option<DateTime<Utc>>,
    declined: Option<bool>,
    ours: bool,
    after: Cursor,
}

impl Candidate {
    fn passes(&self, filter: &Filter) -> bool {
        self.ours
            && self.created_at.is_none_or(|time| filter.in_time(time))
            && self.declined.is_none_or(|declined| filter.declined.is_none_or(|wanted| wanted == declined))
    }
}

struct Chunk {
    candidates: Vec<Candidate>,
    /// Nothing comes after it.
    ends: bool,
}

/// The index to go along.
enum Source<'a> {
    Ids(&'a PgPool, &'a Filter),
    Reference(&'a PgPool, &'a Filter, &'a str),
    Account(&'a PgPool, &'a Filter, &'a str, Option<i64>),
}

type Head = (Uuid, bool, i16, DateTime<Utc>);

impl<'a> Source<'a> {
    async fn of(pool: &'a PgPool, filter: &'a Filter) -> Result<Self, StoreError> {
        if let Some(reference) = &filter.reference {
            return Ok(Self::Reference(pool, filter, reference));
        }
        let Some(account) = &filter.account else { return Ok(Self::Ids(pool, filter)) };
        let query = sqlx::query_scalar("SELECT id FROM accounts WHERE tenant = $1 AND name = $2").bind(&filter.tenant).bind(account);
        Ok(Self::Account(pool, filter, account, query.fetch_optional(pool).await?)) // one that never existed may have been asked for
    }

    async fn chunk(&self, at: Cursor, count: usize) -> Result<Chunk, StoreError> {
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        match self {
            Self::Ids(pool, filter) => {
                let (low, high) = filter.ids();
                let sql = "SELECT id, tenant = $1, status, created_at FROM transactions WHERE id < $2 AND id >= $3 ORDER BY id DESC LIMIT $4";
                let rows: Vec<Head> = sqlx::query_as(sql).bind(&filter.tenant).bind(at.id.min(high)).bind(low).bind(limit).fetch_all(*pool).await?;
                Ok(heads(rows, at, count))
            }
            Self::Reference(pool, filter, reference) => {
                let sql = "SELECT id, true, status, created_at FROM transactions WHERE tenant = $1 AND reference = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
                let rows: Vec<Head> = sqlx::query_as(sql).bind(&filter.tenant).bind(reference).bind(at.id).bind(limit).fetch_all(*pool).await?;
                Ok(heads(rows, at, count))
            }
            Self::Account(pool, filter, account, number) => {
                let completed = match number.filter(|_| filter.declined != Some(true)) {
                    Some(number) => completed(pool, number, at.seq, limit).await?,
                    None => Vec::new(),
                };
                let declined = if filter.declined == Some(false) { Vec::new() } else { declined(pool, filter, account, at.id, limit).await? };
                Ok(merged(completed, declined, filter, at, count))
            }
        }
    }
}

fn heads(rows: Vec<Head>, at: Cursor, count: usize) -> Chunk {
    let ends = rows.len() < count;
    let candidate = |(id, ours, status, created_at): Head| Candidate {
        id,
        created_at: Some(created_at),
        declined: Some(status == 2),
        ours,
        after: Cursor { id, ..at },
    };
    Chunk { candidates: rows.into_iter().map(candidate).collect(), ends }
}

/// An account's postings from a place on, in order of commitment: the postings of one transaction follow each other.
async fn completed(pool: &PgPool, account: i64, below: i64, limit: i64) -> Result<Vec<(i64, Uuid, DateTime<Utc>)>, StoreError> {
    let sql = "SELECT seq, transaction, created_at FROM account_postings($1, $2, $3)";
    Ok(sqlx::query_as(sql).bind(account).bind(below).bind(limit).fetch_all(pool).await?)
}

/// The transactions that were declined and named an account, by id.
async fn declined(pool: &PgPool, filter: &Filter, account: &str, below: Uuid, limit: i64) -> Result<Vec<Uuid>, StoreError> {
    let (low, high) = filter.ids();
    let sql = "SELECT transaction FROM ( \
                 (SELECT transaction FROM declined_postings WHERE tenant = $1 AND debit_account = $2 AND transaction < $3 AND transaction >= $4 ORDER BY transaction DESC LIMIT $5) UNION ALL \
                 (SELECT transaction FROM declined_postings WHERE tenant = $1 AND credit_account = $2 AND transaction < $3 AND transaction >= $4 ORDER BY transaction DESC LIMIT $5) \
               ) d ORDER BY transaction DESC LIMIT $5";
    let query = sqlx::query_scalar(sql).bind(&filter.tenant).bind(account).bind(below.min(high)).bind(low).bind(limit);
    Ok(query.fetch_all(pool).await?)
}

/// Merges the two lists of an account by id, as far as both are known; each keeps its own order.
fn merged(completed: Vec<(i64, Uuid, DateTime<Utc>)>, declined: Vec<Uuid>, filter: &Filter, mut at: Cursor, count: usize) -> Chunk {
    let oldest = filter.from.map(|from| from - COMMIT_SLACK);
    let mut completed_ends = completed.len() < count;
    let declined_ends = declined.len() < count;
    let (mut completed, mut declined) = (completed.into_iter().peekable(), declined.into_iter().peekable());
    let mut candidates = Vec::new();
    loop {
        while let Some((seq, _, _)) = completed.next_if(|(_, id, _)| *id == at.last) {
            at.seq = seq;
        }
        while declined.next_if_eq(&at.id).is_some() {}
        if completed.peek().is_some_and(|(_, _, time)| oldest.is_some_and(|oldest| *time < oldest)) {
            (completed, completed_ends) = (Vec::new().into_iter().peekable(), true);
        }
        let (done, refused) = (completed.peek().copied(), declined.peek().copied());
        if (done.is_none() && !completed_ends) || (refused.is_none() && !declined_ends) {
            // What follows in one list is not known yet. The place counts even if no candidate came of it.
            return Chunk { candidates, ends: false };
        }
        match (done, refused) {
            (None, None) => return Chunk { candidates, ends: true },
            (Some((seq, id, time)), refused) if refused.is_none_or(|refused| id > refused) => {
                completed.next();
                (at.seq, at.last) = (seq, id);
                candidates.push(Candidate { id, created_at: Some(time), declined: Some(false), ours: true, after: at });
            }
            (_, Some(id)) => {
                declined.next();
                at.id = id;
                candidates.push(Candidate { id, created_at: None, declined: Some(true), ours: true, after: at });
            }
            (Some(_), None) => return Chunk { candidates, ends: true }, // the arm above takes it
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Walking chunk by chunk, from the place after any candidate, finds each transaction once: the completed ones in order of
        /// commitment, the declined ones by id.
        #[test]
        fn the_merged_lists_are_walked_without_gap_or_repeat(
            groups in prop::collection::vec((1u128..1_000, 1usize..4), 0..60), declined in prop::collection::btree_set(1_000u128..2_000, 0..60), count in 4usize..20,
        ) {
            let (mut postings, mut seen, mut seq) = (Vec::new(), std::collections::HashSet::new(), 1_000);
            for (id, legs) in groups.into_iter().filter(|(id, _)| seen.insert(*id)) {
                for _ in 0..legs {
                    postings.push((seq, Uuid::from_u128(id * 2), DateTime::UNIX_EPOCH));
                    seq -= 1;
                }
            }
            let declined: Vec<Uuid> = declined.iter().rev().map(|id| Uuid::from_u128(id - 999)).flat_map(|id| [id, id]).collect();
            let (mut at, mut done, mut refused) = (Cursor::START, Vec::new(), Vec::new());
            loop {
                let completed: Vec<_> = postings.iter().filter(|(seq, _, _)| *seq < at.seq).take(count).copied().collect();
                let rest: Vec<_> = declined.iter().filter(|id| **id < at.id).take(count).copied().collect();
                let chunk = merged(completed, rest, &Filter::default(), at, count);
                prop_assert!(chunk.ends || !chunk.candidates.is_empty(), "no way forward from {at:?}");
                let cut = chunk.candidates.len().div_ceil(2); // as a page does that is full
                let ends = chunk.ends && cut == chunk.candidates.len();
                for candidate in chunk.candidates.into_iter().take(cut) {
                    at = candidate.after;
                    if candidate.declined == Some(true) { refused.push(candidate.id) } else { done.push(candidate.id) }
                }
                if ends {
                    break;
                }
            }
            let mut expected: Vec<Uuid> = postings.iter().map(|(_, id, _)| *id).collect();
            expected.dedup();
            prop_assert_eq!(done, expected);
            let mut expected = declined;
            expected.dedup();
            prop_assert_eq!(refused, expected);
        }
    }

    #[test]
    fn ids_of_a_time_lie_within_its_bounds() {
        let now = Utc::now();
        let filter = Filter { from: Some(now), to: Some(now + TimeDelta::seconds(1)), ..Filter::default() };
        let (low, high) = filter.ids();
        let id = Uuid::now_v7();
        assert!(low <= id && id < high && low.get_version_num() == 0);
        assert!(id < id_at(now + TimeDelta::seconds(5)) && id > id_at(now - TimeDelta::seconds(5)));
        assert_eq!(id_at(DateTime::UNIX_EPOCH - TimeDelta::days(1)), Uuid::nil());
    }
}
