//! The house's own accounts of billing: what they are called, and opening those that are not there yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;

use super::accounts::{Registry, Resolved};
use super::journal::Journal;
use super::posting;
use crate::billing::postings::Role;
use crate::money::Currency;
use crate::protocol::account::AccountHandle;
use crate::protocol::admission::InFlight;
use crate::protocol::record::{AccountKind, AccountRow, NormalSide, Record};
use crate::protocol::slip::{Abort, Outcome};

/// The customer of orders that name none.
pub const WALK_IN: &str = "walk-in";
/// The entity whose accounts have no prefix.
const DEFAULT_ENTITY: &str = "default";
/// The longest id of an account, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Accounts that are loaded, or opened, side by side.
const BESIDE: usize = 64;
/// How long an opening may wait to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// One account of the house: what it is for, whose, and in which currency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct House<'a> {
    pub entity: &'a str,
    pub role: Role,
    pub customer: &'a str,
    pub currency: Currency,
}

impl House<'_> {
    /// The id of the account.
    pub fn name(&self) -> String {
        let title = title(self.role);
        let prefix = if self.entity == DEFAULT_ENTITY { String::new() } else { format!("{}/", self.entity) };
        let currency = self.currency.code;
        if !is_customers(self.role) || self.customer == WALK_IN {
            return format!("{prefix}{title}:{currency}");
        }
        let name = format!("{prefix}{title}:{}:{currency}", self.customer);
        if name.len() <= NAME_BYTES_MAX {
            name
        } else {
            format!("{title}:{}:{currency}", short(&prefix, self.customer))
        }
    }

    fn row(&self) -> AccountRow {
        let is_customers = is_customers(self.role);
        AccountRow {
            name: self.name(),
            kind: AccountKind::System,
            normal_side: if is_debit(self.role) { NormalSide::Debit } else { NormalSide::Credit },
            currency: self.currency.code,
            owner: if is_customers { self.customer.to_owned() } else { self.entity.to_owned() },
            owner_type: if is_customers { "customer".into() } else { "entity".into() },
            subtype: Some(title(self.role).to_lowercase().replace(' ', "_")),
            metadata: None,
            // a customer's credit is given out once
            floor: (self.role == Role::CustomerCredit).then_some(0),
            ceiling: None,
        }
    }
}

/// Stands for ids that are too long to be part of an account's.
fn short(prefix: &str, customer: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{prefix}{customer}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether an account of this id is one that [`House::name`] may answer.
pub fn is_of_billing(name: &str) -> bool {
    Role::ALL.into_iter().map(title).any(|title| {
        let is_titled = |name: &str| name.strip_prefix(title).is_some_and(|rest| rest.starts_with(':'));
        is_titled(name) || name.split_once('/').is_some_and(|(_, name)| is_titled(name))
    })
}

fn title(role: Role) -> &'static str {
    match role {
        Role::Receivable => "Accounts Receivable",
        Role::Revenue => "Revenue",
        Role::TaxPayable => "Tax Payable",
        Role::CashClearing => "Cash Clearing",
        Role::CustomerCredit => "Customer Credit",
        Role::BadDebt => "Bad Debt",
        Role::FxGain => "FX Gain",
        Role::FxLoss => "FX Loss",
        Role::Rounding => "Rounding",
    }
}

/// Whether each customer has an account of its own.
fn is_customers(role: Role) -> bool {
    matches!(role, Role::Receivable | Role::CustomerCredit)
}

/// Whether debits make it grow.
fn is_debit(role: Role) -> bool {
    matches!(role, Role::Receivable | Role::CashClearing | Role::BadDebt | Role::FxLoss | Role::Rounding)
}

/// Why accounts cannot be had now.
#[derive(Debug, thiserror::Error)]
#[error("accounts cannot be had: {0}")]
pub struct Unavailable(&'static str);

/// The accounts by their names.
pub type Accounts = HashMap<String, Arc<AccountHandle>>;

/// Loads these accounts, and opens those that are not there yet.
///
/// # Errors
/// When one cannot be had now: it is tried again with whatever needs it.
pub async fn open(
    registry: &Registry,
    journal: &Journal,
    tenant: &str,
    wanted: impl IntoIterator<Item = House<'_>>,
) -> Result<Accounts, Unavailable> {
    let wanted: HashMap<String, (AccountRow, Currency)> =
        wanted.into_iter().map(|house| (house.name(), (house.row(), house.currency))).collect();
    let places = InFlight::new(BESIDE);
    let mut found = stream::iter(wanted)
        .map(|(name, (row, currency))| {
            let places = places.clone();
            async move { one(registry, journal, tenant, row, currency, &places).await.map(|account| (name, account)) }
        })
        .buffer_unordered(BESIDE);
    let mut accounts = Accounts::new();
    while let Some(account) = found.next().await {
        let (name, account) = account?;
        accounts.insert(name, account);
    }
    Ok(accounts)
}

async fn one(
    registry: &Registry,
    journal: &Journal,
    tenant: &str,
    row: AccountRow,
    currency: Currency,
    places: &InFlight,
) -> Result<Arc<AccountHandle>, Unavailable> {
    match registry.resolve(tenant, &row.name).await {
        Resolved::Account(account) => return Ok(account),
        Resolved::Unavailable => return Err(Unavailable("they cannot be loaded")),
        Resolved::NotFound => {}
    }
    let name = row.name.clone();
    let permit = places.enter().ok_or(Unavailable("too many are being opened"))?;
    let record = Record::opening(tenant, row, currency, Instant::now() + PATIENCE);
    let outcome = posting::send(journal, record, &[], usize::MAX, permit)
        .map_err(|_| Unavailable("the journal takes nothing"))?;
    match tokio::time::timeout(PATIENCE, outcome).await {
        Ok(Ok(Outcome::Done { .. } | Outcome::Aborted(Abort::AccountExists))) => {}
        _ => return Err(Unavailable("one could not be opened")),
    }
    match registry.resolve(tenant, &name).await {
        Resolved::Account(account) => Ok(account),
        Resolved::NotFound | Resolved::Unavailable => Err(Unavailable("one that was opened cannot be loaded")),
    }
}
