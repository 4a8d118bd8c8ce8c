//! Exports of a day, as callers ask for them.

use chrono::{NaiveDate, Utc};

use super::failure::Failure;
use super::ledger::Ledger;
use crate::actors::exports::ExportError;
use crate::protocol::record::DEFAULT_TENANT;
use crate::store::billing::exports::ExportRow;

/// The export of the day before today (UTC), for a caller of this tenant; made unless it is there.
///
/// # Errors
/// `Forbidden`: exports are of another tenant; else as [`day`].
pub async fn yesterday(ledger: &Ledger, tenant: &str) -> Result<ExportRow, Failure> {
    if tenant != DEFAULT_TENANT {
        let why = format!("exports are of tenant {DEFAULT_TENANT}: the caller is of another one");
        return Err(Failure::Forbidden(why));
    }
    let today = Utc::now().date_naive();
    day(ledger, today.pred_opt().unwrap_or(today)).await
}

/// The export of a day (UTC); made unless it is there.
///
/// # Errors
/// `FailedPrecondition` for a day that has not ended, and where other bytes are in its place; `NotLeader`,
/// `DatabaseAway`; `Unconfigured` while the place where exports stay cannot be reached or takes nothing, and in the first
/// half minute after the day's end.
pub async fn day(ledger: &Ledger, day: NaiveDate) -> Result<ExportRow, Failure> {
    let exports = ledger.active()?.exports;
    exports.day(day).await.map_err(|error| {
        tracing::warn!(%day, %error, "an export cannot be made now");
        match error {
            ExportError::NotEnded(day) if day < Utc::now().date_naive() => {
                Failure::Unconfigured("the day ended less than 30 seconds ago: ask again in half a minute")
            }
            ExportError::NotEnded(_) => Failure::FailedPrecondition(error.to_string()),
            ExportError::Storage(_) if error.is_taken() => Failure::FailedPrecondition(error.to_string()),
            ExportError::Storage(_) => Failure::Unconfigured("the place of exports cannot be reached"),
            ExportError::Store(_) => Failure::DatabaseAway,
            ExportError::Away => Failure::NotLeader,
        }
    })
}
