//! Lists operators' actions, page by page.

use chrono::DateTime;

use super::{fields, pages};
use crate::protocol::events::timestamp;
use crate::protocol::record::RequestHash;
use crate::store::operators::{self, ActionFilter, ActionRow};
use crate::store::transactions::Cursor;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure};

/// Which actions to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What was changed: the id of an account, the code of a currency, the id of a saga.
    pub subject: Option<String>,
    /// Such as `account.limits`.
    pub action: Option<String>,
    /// From the first time on, and before the second.
    pub times: fields::Times,
}

/// A page of operators' actions, newest first, and the next page's token; `None` after the last.
///
/// # Errors
/// `Invalid` for a token of another query; what kept them from being read.
pub async fn list(
    ledger: &Ledger,
    call: &Call,
    wanted: Wanted,
    (size, token): (u32, pages::Token<'_>),
) -> Result<(Vec<ActionRow>, Option<String>), Failure> {
    let Wanted { subject, action, times: (from, to) } = wanted;
    let [from_text, to_text] = [from, to].map(|at| at.map(timestamp).unwrap_or_default());
    let query = RequestHash::of(&[
        b"ListOperatorActions",
        call.tenant.as_bytes(),
        subject.as_deref().unwrap_or_default().as_bytes(),
        action.as_deref().unwrap_or_default().as_bytes(),
        from_text.as_bytes(),
        to_text.as_bytes(),
    ]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let before = DateTime::from_timestamp_micros(start.seq).filter(|_| start != Cursor::START).map(|at| (at, start.id));
    let filter = ActionFilter { tenant: call.tenant.to_string(), subject, action, from, to };
    let _place = ledger.enter_read()?;
    let rows = operators::list(&ledger.parts().pool, &filter, before, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let after = |row: &ActionRow| Cursor { seq: row.at.timestamp_micros(), id: row.id, ..Cursor::START };
    let next = rows.last().filter(|_| more).map(|row| seal.token(query, &after(row)));
    Ok((rows, next))
}
