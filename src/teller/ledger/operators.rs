//! Lists operators' actions, page by page.

use chrono::DateTime;

use super::{Ledger, read_failure};
use crate::store::operators::{self, ActionFilter, ActionRow};
use crate::store::transactions::Cursor;
use crate::teller::failure::Failure;

impl Ledger {
    /// A page of `size` operators' actions, newest first, and the cursor of the next page; `None` after the last.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn operator_actions(
        &self,
        filter: &ActionFilter,
        start: Cursor,
        size: u32,
    ) -> Result<(Vec<ActionRow>, Option<Cursor>), Failure> {
        let _place = self.enter_read()?;
        let before =
            DateTime::from_timestamp_micros(start.seq).filter(|_| start != Cursor::START).map(|at| (at, start.id));
        let rows = operators::list(&self.parts().pool, filter, before, i64::from(size) + 1).await;
        let mut rows = rows.map_err(|error| read_failure(&error))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(|row| Cursor {
            seq: row.at.timestamp_micros(),
            id: row.id,
            ..Cursor::START
        });
        Ok((rows, next))
    }
}
