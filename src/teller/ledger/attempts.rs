//! Attempts under one key. "Not done" is said of all of them, or not at all: whoever hears it may give up, or pay in
//! another way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Ledger;
use crate::protocol::admission::Attempt;
use crate::protocol::record::{Api, KeyHash};
use crate::store::{self, StoreError};
use crate::teller::failure::Failure;

/// How long the key is looked for, before it is said that nobody knows.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How often it is looked whether an earlier attempt has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Ledger {
    /// One more attempt under this key, to be kept until its caller is answered; `None`: there is no key.
    pub fn attempt(&self, api: Api, tenant: &str, key: Option<&str>) -> Option<Arc<Attempt>> {
        key.map(|key| self.attempt_under(KeyHash::of(api, tenant, key)))
    }

    /// The same under the hash of a key.
    pub fn attempt_under(&self, key: KeyHash) -> Arc<Attempt> {
        self.parts().in_flight.attempt(key)
    }

    /// What became of an attempt. Where it was not done, but an earlier one may have been, it says that nobody knows.
    ///
    /// # Errors
    /// Those of the result, `EarlierUnknown` instead of one that would not be true.
    pub async fn certain<T>(&self, attempt: Option<&Attempt>, result: Result<T, Failure>) -> Result<T, Failure> {
        match (result, attempt) {
            (Err(failure), Some(attempt)) if failure.says_not_done() => {
                let can_tell = !matches!(failure, Failure::DatabaseAway | Failure::NotLeader);
                // In this order: what is not in flight now, and is not found used after it, never was.
                let is_certain = can_tell && attempt.is_first() && self.is_unused(attempt.key()).await;
                Err(if is_certain { failure } else { failure.of_this_attempt() })
            }
            (result, _) => result,
        }
    }

    /// Waits until no earlier attempt under the key is in flight here. False: one still was at the deadline.
    pub(super) async fn goes_first(&self, attempt: Option<&Arc<Attempt>>, until: Instant) -> bool {
        let Some(attempt) = attempt else { return true };
        while !attempt.is_first() {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }

    /// Whether a key is certainly unused, and nobody but this node can have been using it.
    async fn is_unused(&self, key: KeyHash) -> bool {
        let Ok(active) = self.active() else { return false };
        let (pool, keys) = (&self.parts().pool, [key]);
        let read = async {
            let used = store::accounts::keys_used(pool, &keys).await?;
            // Asked for after the keys: up to then no other node wrote.
            Ok::<_, StoreError>(used.is_empty() && store::leadership::epoch(pool).await? == active.epoch)
        };
        matches!(tokio::time::timeout(LOOK_MAX, read).await, Ok(Ok(true)))
    }
}
