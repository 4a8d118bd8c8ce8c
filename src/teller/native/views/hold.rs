//! Holds.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Transaction, name};
use crate::money::decimal_text;
use crate::protocol::events::timestamp;
use crate::store::holds::{HoldRow, HoldState};
use crate::teller::native::holds::Authorized;

/// Money that is promised and not posted yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// That of the transaction that made it.
    pub id: String,
    /// Whose money.
    pub source_account_id: String,
    /// Who is to be paid.
    pub destination_account_id: String,
    /// How much was held.
    #[schema(example = "60.00")]
    pub amount: String,
    pub currency: String,
    /// `open`; with nothing left: `captured` if something was, else `voided`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub status: HoldState,
    /// Paid so far.
    pub captured: String,
    /// Let go so far, also by expiry.
    pub voided: String,
    /// Still held.
    pub remaining: String,
    /// When what is left is let go.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Self {
        let text = |units: i128| decimal_text(units, row.exponent);
        Self {
            id: row.id.to_string(),
            amount: text(row.amount),
            status: row.state(),
            captured: text(row.captured),
            voided: text(row.voided),
            remaining: text(row.remaining()),
            expires_at: timestamp(row.expires_at),
            source_account_id: row.debit,
            destination_account_id: row.credit,
            currency: row.currency,
        }
    }
}

/// The outcome of opening a hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldMade {
    /// The transaction that made it.
    pub transaction: Transaction,
    /// As it was opened; null: it was declined.
    pub hold: Option<Hold>,
    /// The key was used before by the same request: this is its first answer.
    pub replayed: bool,
}

impl From<Authorized> for HoldMade {
    fn from(Authorized { posted, hold }: Authorized) -> Self {
        Self { transaction: posted.transaction.into(), hold: hold.map(Hold::from), replayed: posted.replayed }
    }
}
