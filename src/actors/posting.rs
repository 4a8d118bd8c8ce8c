//! How a record is posted: its accounts are resolved by name, it passes those that must approve it, and its outcome
//! comes back.

use std::sync::Arc;

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::accounts::{Registry, Resolved};
use super::journal::Journal;
use crate::protocol::account::AccountHandle;
use crate::protocol::admission::Permit;
use crate::protocol::record::Record;
use crate::protocol::slip::{Abort, Outcome, Slip};

/// The accounts of a record, each once, in the order in which they are named.
pub type Accounts = SmallVec<[Arc<AccountHandle>; 2]>;

/// Why an account cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved<'a> {
    /// There is none of this id.
    NotFound(&'a str),
    /// It cannot be loaded now.
    Unavailable,
}

/// Loads these accounts, unless they are loaded.
///
/// # Errors
/// The first that cannot be had.
pub async fn resolve<'a>(
    registry: &Registry,
    tenant: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Accounts, Unresolved<'a>> {
    let mut accounts = Accounts::new();
    for name in names {
        if accounts.iter().any(|account| *account.identity.name == *name) {
            continue;
        }
        match registry.resolve(tenant, name).await {
            Resolved::Account(account) => accounts.push(account),
            Resolved::NotFound => return Err(Unresolved::NotFound(name)),
            Resolved::Unavailable => return Err(Unresolved::Unavailable),
        }
    }
    Ok(accounts)
}

/// Sends a record past the accounts that must approve it, or straight to the journal if none must. When the channel ends
/// without an outcome, nobody knows it.
///
/// # Errors
/// `AccountBusy`: one of the accounts has `share_max` commands in flight already, and nothing was sent.
pub fn send(
    journal: &Journal,
    record: Record,
    approving: &[&Arc<AccountHandle>],
    share_max: usize,
    permit: Permit,
) -> Result<oneshot::Receiver<Outcome>, Abort> {
    let (reply, outcome) = oneshot::channel();
    let slip = Slip::new(Box::new(record), approving, share_max, reply, permit)?;
    if approving.is_empty() {
        journal.submit(slip);
    } else {
        slip.enter();
    }
    Ok(outcome)
}
