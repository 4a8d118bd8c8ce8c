//! The list of loaded accounts. Everybody who moves money reads it without a message; only the directory writes it.

use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Instant;

use hashbrown::{Equivalent, HashMap};
use ractor::{ActorRef, ActorStatus};
use tokio::sync::oneshot;

use super::{DirectoryMessage, Resolved};
use crate::protocol::account::AccountHandle;
use crate::protocol::record::AccountId;

/// How callers name an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    pub tenant: Arc<str>,
    /// The id that callers use.
    pub name: Arc<str>,
}

impl AccountKey {
    pub fn of(account: &AccountHandle) -> Self {
        Self { tenant: account.identity.tenant.clone(), name: account.identity.name.clone() }
    }
}

impl Hash for AccountKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrowed { tenant: &self.tenant, name: &self.name }.hash(state);
    }
}

#[derive(Hash)]
struct Borrowed<'a> {
    tenant: &'a str,
    name: &'a str,
}

impl Equivalent<AccountKey> for Borrowed<'_> {
    fn equivalent(&self, key: &AccountKey) -> bool {
        *self.tenant == *key.tenant && *self.name == *key.name
    }
}

const SHARDS: usize = 64;
type Shard = HashMap<AccountKey, Arc<AccountHandle>>;

/// The list; clones share it, and it outlives restarts of the directory.
#[derive(Clone, Default)]
pub struct Registry(Arc<Shared>);

struct Shared {
    shards: Vec<RwLock<Shard>>,
    directory: RwLock<Option<ActorRef<DirectoryMessage>>>,
    started: Instant,
}

impl Default for Shared {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, directory: RwLock::default(), started: Instant::now() }
    }
}

impl Registry {
    /// The account if it is loaded, which counts as a use.
    pub fn get(&self, tenant: &str, name: &str) -> Option<Arc<AccountHandle>> {
        let key = Borrowed { tenant, name };
        let shard = self.0.shards[shard_of(&key)].read().unwrap_or_else(PoisonError::into_inner);
        let account = shard.get(&key)?;
        account.last_used.store(self.now(), Ordering::Relaxed);
        Some(account.clone())
    }

    /// The account, loaded if need be.
    pub async fn resolve(&self, tenant: &str, name: &str) -> Resolved {
        if let Some(account) =
            self.get(tenant, name).filter(|account| account.actor.get_status() == ActorStatus::Running)
        {
            return Resolved::Account(account);
        }
        let directory = self.0.directory.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(directory) = directory else { return Resolved::Unavailable };
        let (reply, answer) = oneshot::channel();
        let key = AccountKey { tenant: tenant.into(), name: name.into() };
        if directory.cast(DirectoryMessage::Resolve { key, reply }).is_err() {
            return Resolved::Unavailable;
        }
        answer.await.unwrap_or(Resolved::Unavailable)
    }

    /// Those of these accounts that are loaded. Goes through the whole list.
    pub fn find(&self, accounts: &[AccountId]) -> Vec<Arc<AccountHandle>> {
        let found = |shard: &RwLock<Shard>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().filter(|account| accounts.contains(&account.identity.id)).cloned().collect::<Vec<_>>()
        };
        self.0.shards.iter().flat_map(found).collect()
    }

    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn open(&self, directory: ActorRef<DirectoryMessage>) {
        *self.0.directory.write().unwrap_or_else(PoisonError::into_inner) = Some(directory);
    }

    pub(super) fn insert(&self, account: Arc<AccountHandle>) {
        let key = AccountKey::of(&account);
        self.shard(&key).insert(key, account);
    }

    pub(super) fn remove(&self, key: &AccountKey) {
        self.shard(key).remove(key);
    }

    /// Empties the list and returns what was on it.
    pub(super) fn clear(&self) -> Vec<Arc<AccountHandle>> {
        *self.0.directory.write().unwrap_or_else(PoisonError::into_inner) = None;
        let drain = |shard: &RwLock<Shard>| {
            shard
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .drain()
                .map(|(_, account)| account)
                .collect::<Vec<_>>()
        };
        self.0.shards.iter().flat_map(drain).collect()
    }

    /// Milliseconds since the list was made.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Of the accounts that `wanted` takes and that no slip names: the `max` ones unused for longest.
    pub(super) fn unused(&self, max: usize, wanted: impl Fn(&AccountHandle) -> bool) -> Vec<Arc<AccountHandle>> {
        let free = |account: &AccountHandle| account.cell.in_flight().load(Ordering::Relaxed) == 0 && wanted(account);
        let last_used = |account: &AccountHandle| account.last_used.load(Ordering::Relaxed);
        let mut times: Vec<u64> = Vec::new();
        for shard in &self.0.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            times.extend(shard.values().filter(|account| free(account)).map(|account| last_used(account)));
        }
        let newest = if max < times.len() { *times.select_nth_unstable(max).1 } else { u64::MAX };
        let mut found = Vec::with_capacity(max.min(times.len()));
        for shard in &self.0.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            found.extend(shard.values().filter(|account| last_used(account) <= newest && free(account)).cloned());
        }
        found.truncate(max);
        found
    }

    fn shard(&self, key: &AccountKey) -> RwLockWriteGuard<'_, Shard> {
        let borrowed = Borrowed { tenant: &key.tenant, name: &key.name };
        self.0.shards[shard_of(&borrowed)].write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shard_of(key: &Borrowed<'_>) -> usize {
    let mut fnv: u32 = 0x811c_9dc5;
    for byte in key.tenant.bytes().chain(key.name.bytes()) {
        fnv = (fnv ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    usize::try_from(fnv >> 16).unwrap_or(0) % SHARDS
}
