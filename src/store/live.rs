//! Reads events in the journal's order, ready to be published.

use sqlx::{Error, PgConnection};
use uuid::Uuid;

use super::billing::facts as billing;
use super::fold::{self, Suspect};
use super::journal_rows::{self, Names, SqlRow, transactions};
use crate::protocol::events::{EventNumber, Stream, Unreadable, render};
use crate::protocol::live::LiveEvent;

/// The event at one place of the journal.
#[derive(Clone, Debug)]
pub struct JournalEvent {
    /// The place of the transaction's first row.
    pub seq: i64,
    pub tenant: String,
    pub transaction: Uuid,
    pub number: EventNumber,
    /// `Err`: why its rows cannot be read.
    pub event: Result<LiveEvent, Unreadable>,
    /// The number of an account that is, or was at that place, in quarantine: the event's amounts may be wrong.
    pub suspect: Option<i64>,
}

impl JournalEvent {
    /// The event for live streams; `None`: it cannot be read, or is suspect, and so becomes a dead letter, or they had
    /// it before.
    pub fn shown(self) -> Option<LiveEvent> {
        self.event.ok().filter(|event| self.suspect.is_none() && !event.is_repeat)
    }
}

/// Events of a part of the journal.
#[derive(Debug)]
pub struct Part {
    /// In the order of their places.
    pub events: Vec<JournalEvent>,
    /// Every event up to this place is included.
    pub to: i64,
    /// Whether there is nothing more up to the place that was requested.
    pub is_all: bool,
}

/// No transaction with an event has more rows. A read of fewer rows might never get past one.
const TRANSACTION_MAX: i64 = 128;

/// Events after `after` and up to `upto`, from about `rows_max` rows. `upto` must be folded already.
///
/// # Errors
/// Any failure of the statements.
pub async fn read(
    db: &mut PgConnection,
    names: &mut Names,
    after: i64,
    upto: i64,
    rows_max: i64,
) -> Result<Part, Error> {
    let rows_max = rows_max.max(TRANSACTION_MAX);
    let rows = journal_rows::after(&mut *db, after, upto, rows_max).await?;
    names.learn(db, &rows).await?;
    let billing = billing::of(db, &billed(&rows)).await?;
    let suspects = fold::suspects(&mut *db, after).await?;
    let is_all = i64::try_from(rows.len()).is_ok_and(|read| read < rows_max);
    let groups = transactions(rows, is_all);
    let to = match groups.last().and_then(|group| group.last()) {
        Some(last) if !is_all => last.seq,
        _ => upto,
    };
    let events = groups.into_iter().filter_map(|group| {
        let head = group.first().filter(|head| head.n == 0)?; // else `after` is the place of its transaction's event
        let (seq, transaction, tenant) = (head.seq, head.id, head.tenant.clone());
        let written = EventNumber(head.event.unwrap_or_default());
        let is_suspect = |suspect: &&Suspect| {
            let names = |row: &SqlRow| [row.debit_account, row.credit_account].contains(&Some(suspect.account));
            group.iter().any(|row| {
                names(row) && row.seq > suspect.first_seq && suspect.last_seq.is_none_or(|last| row.seq <= last)
            })
        };
        let suspect = suspects.iter().find(is_suspect).map(|suspect| suspect.account);
        let rows = group.into_iter().map(SqlRow::read).collect::<Result<Vec<_>, _>>();
        let event = rows.and_then(|rows| render(&rows, |id| names.get(id), |seq| billing.get(&seq)));
        let number = event.as_ref().map_or(written, |event| EventNumber(event.event.code()));
        Some(JournalEvent { seq, tenant, transaction, number, event, suspect })
    });
    Ok(Part { events: events.collect(), to, is_all })
}

/// The places of records that have an event of billing.
fn billed(rows: &[SqlRow]) -> Vec<i64> {
    let is_billing = |row: &&SqlRow| {
        let event = row.event.and_then(|number| EventNumber(number).known());
        row.n == 0 && event.is_some_and(|event| event.stream() == Stream::Invoices)
    };
    rows.iter().filter(is_billing).map(|row| row.seq).collect()
}

/// The event at this place, if there is one.
///
/// # Errors
/// Any failure of the statements.
pub async fn at(db: &mut PgConnection, seq: i64) -> Result<Option<JournalEvent>, Error> {
    // with the rest of its rows
    let part = read(db, &mut Names::default(), seq - 1, seq + TRANSACTION_MAX, TRANSACTION_MAX).await?;
    Ok(part.events.into_iter().find(|event| event.seq == seq))
}
