//! Accounts that take no movements, and accounts whose movements wait for a moment.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lock;
use crate::protocol::record::AccountId;
use crate::protocol::slip::Slip;

/// Accounts that take no movements now.
#[derive(Default)]
pub(super) struct Quarantine {
    /// Whether either set has any.
    any: AtomicBool,
    /// In quarantine, as the database says: their slips are refused.
    found: Mutex<HashSet<AccountId>>,
    /// While their balances are being set right: their slips wait.
    suspended: Mutex<HashSet<AccountId>>,
}

impl Quarantine {
    pub(super) fn change(&self, change: impl FnOnce(&mut HashSet<AccountId>, &mut HashSet<AccountId>)) {
        let (mut found, mut suspended) = (lock(&self.found), lock(&self.suspended));
        change(&mut found, &mut suspended);
        self.any.store(!found.is_empty() || !suspended.is_empty(), Ordering::Release);
    }

    pub(super) fn has(&self, account: AccountId) -> bool {
        self.any.load(Ordering::Acquire) && lock(&self.found).contains(&account)
    }

    /// Whether a slip waits because one of its accounts is suspended.
    pub(super) fn holds_up(&self, slip: &Slip) -> bool {
        self.any.load(Ordering::Acquire) && {
            let suspended = lock(&self.suspended);
            slip.stops().iter().any(|stop| suspended.contains(&stop.account.identity.id))
        }
    }
}
