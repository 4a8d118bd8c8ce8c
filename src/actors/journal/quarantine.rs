//! Which accounts take no movements, and which will again in a moment.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lock;
use crate::protocol::record::AccountId;
use crate::protocol::slip::Slip;

/// Accounts that take no movements.
#[derive(Default)]
pub(super) struct Quarantine {
    /// There are some.
    any: AtomicBool,
    /// By the database's word.
    found: Mutex<HashSet<AccountId>>,
    /// While somebody sets their balances right.
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

    /// An account of the slip will take movements again in a moment.
    pub(super) fn holds_up(&self, slip: &Slip) -> bool {
        self.any.load(Ordering::Acquire) && {
            let suspended = lock(&self.suspended);
            slip.stops().iter().any(|stop| suspended.contains(&stop.account.identity.id))
        }
    }
}
