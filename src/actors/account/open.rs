//! The keys of an account's open legs. A repeat waits for the outcome of its leg; it is never decided on its own.

use crate::ledger::SmallMap;
use crate::protocol::account::UsedKey;
use crate::protocol::record::{KeyHash, Record, TransactionId};

/// Open legs by transaction and by key.
#[derive(Default)]
pub(super) struct OpenLegs {
    keys: SmallMap<KeyHash, TransactionId>,
    legs: SmallMap<TransactionId, UsedKey>,
}

impl OpenLegs {
    pub(super) fn open(&mut self, record: &Record) {
        self.keys.insert(record.key, record.id);
        let used = UsedKey {
            key: record.key,
            transaction: record.id,
            request: record.request,
            retired: false,
            created_at: record.created_at,
        };
        self.legs.insert(record.id, used);
    }

    pub(super) fn has_key(&self, key: KeyHash) -> bool {
        self.keys.contains_key(&key)
    }

    /// Returns the leg's key with its request, if it was open.
    pub(super) fn close(&mut self, transaction: TransactionId) -> Option<UsedKey> {
        let used = self.legs.remove(&transaction)?;
        self.keys.remove(&used.key);
        Some(used)
    }
}
