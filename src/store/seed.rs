//! The accounts of demo money, and the one that it comes from. They are opened without events.

use sqlx::PgPool;

use super::StoreError;
use super::accounts::{self, AccountRow, NewAccount};
use crate::money::CurrencyCode;
use crate::protocol::record::{AccountKind, NormalSide};

/// An account of demo money.
pub fn new_account(name: &str, kind: AccountKind, currency: CurrencyCode) -> NewAccount {
    NewAccount {
        tenant: TENANT.into(),
        name: name.into(),
        kind,
        normal_side: if kind == AccountKind::User { NormalSide::Credit } else { NormalSide::Debit },
        currency,
        owner: String::new(),
        owner_type: String::new(),
        subtype: None,
        metadata: None,
        floor: (kind == AccountKind::User).then_some(0),
        ceiling: None,
    }
}

/// The tenant of the accounts, which is that of calls without authentication.
pub const TENANT: &str = "default";

/// How the ids of the accounts that pay opening balances begin.
pub const OPENING_PREFIX: &str = "florin-opening-";

/// The id of the account that pays opening balances of a currency.
pub fn opening_name(currency: &str) -> String {
    format!("{OPENING_PREFIX}{}", currency.to_lowercase())
}

/// Opens the account that pays opening balances, or returns it: the house's own, without a floor.
///
/// # Errors
/// Any failure of the statements.
pub async fn opening(pool: &PgPool, currency: CurrencyCode) -> Result<AccountRow, StoreError> {
    accounts::create(pool, &new_account(&opening_name(currency.as_str()), AccountKind::System, currency)).await
}
