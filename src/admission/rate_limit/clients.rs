//! The clients that this node remembers. At the bound, those that called least recently leave first.
//!
//! A client that leaves takes its local counts along. Redis still has what it granted, so nothing is forgotten while
//! Redis is used. Without it, a client that was pushed out starts anew, which more than `clients_max` different names
//! at once can bring about.

use std::borrow::Cow;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashMap};
use sha2::{Digest, Sha256};

use super::lease::Account;

/// Longer names are replaced by their hash.
pub const NAME_BYTES_MAX: usize = 128;
const SHARDS_MAX: usize = 16;
/// A newcomer to a full shard looks at so many clients, then takes the place of the next one, whoever that is.
const SCAN_MAX: usize = 64;
/// A newcomer looks at so many other clients, and removes the idle ones among them.
const SWEEP: usize = 2;

pub struct Client {
    /// At most [`NAME_BYTES_MAX`] bytes.
    pub name: Arc<str>,
    account: Mutex<Account>,
}

impl Client {
    /// The client's state, locked. Never to be held over an await.
    pub fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All clients, in shards so that cores do not wait for each other.
pub struct Clients {
    hasher: DefaultHashBuilder,
    shards: Box<[Mutex<Shard>]>,
    /// Per shard.
    clients_max: usize,
    /// A client that was not seen for so many microseconds has nothing left that counts.
    idle_us: u64,
}

#[derive(Default)]
struct Shard {
    index: HashMap<Arc<str>, usize>,
    slots: Vec<Slot>,
    /// Where the search for a client to push out goes on.
    hand: usize,
    /// Where the search for idle clients goes on.
    broom: usize,
}

struct Slot {
    client: Arc<Client>,
    /// Whether it called since the hand last passed.
    touched: bool,
}

impl Clients {
    /// For `clients_max` clients, at least 1.
    pub fn new(clients_max: usize, idle_us: u64) -> Self {
        let shards = clients_max.clamp(1, SHARDS_MAX);
        Self {
            hasher: DefaultHashBuilder::default(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            clients_max: (clients_max / shards).max(1),
            idle_us,
        }
    }

    /// Finds a client, or adds it.
    pub fn get(&self, name: &str, now_us: u64) -> Arc<Client> {
        let name = bounded(name);
        let shard = usize::try_from(self.hasher.hash_one(&*name) >> 32).unwrap_or(0) % self.shards.len();
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&at) = shard.index.get(&*name) {
            let slot = &mut shard.slots[at];
            slot.touched = true;
            return Arc::clone(&slot.client);
        }
        shard.sweep(now_us, self.idle_us);
        if shard.slots.len() >= self.clients_max {
            shard.evict();
        }
        shard.insert(&name)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).slots.len()).sum()
    }
}

impl Shard {
    fn insert(&mut self, name: &str) -> Arc<Client> {
        let client = Arc::new(Client { name: name.into(), account: Mutex::default() });
        self.index.insert(Arc::clone(&client.name), self.slots.len());
        self.slots.push(Slot { client: Arc::clone(&client), touched: false });
        client
    }

    fn sweep(&mut self, now_us: u64, idle_us: u64) {
        for _ in 0..SWEEP.min(self.slots.len()) {
            let at = self.broom % self.slots.len();
            if self.slots[at].client.lock().is_idle(now_us, idle_us) {
                self.remove(at);
            } else {
                self.broom = at + 1;
            }
            if self.slots.is_empty() {
                return;
            }
        }
    }

    /// Second chance: a client that called since the last pass, or waits for an answer now, is passed over, within
    /// [`SCAN_MAX`]. (One that is pushed out while it waits is answered all the same: its flight holds it.)
    fn evict(&mut self) {
        for _ in 0..SCAN_MAX {
            let at = self.hand % self.slots.len();
            let touched = std::mem::take(&mut self.slots[at].touched);
            if !touched && !self.slots[at].client.lock().is_flying() {
                break;
            }
            self.hand = at + 1;
        }
        let at = self.hand % self.slots.len();
        self.remove(at);
        self.hand = at + 1; // past the newest, which took the place
    }

    fn remove(&mut self, at: usize) {
        let gone = self.slots.swap_remove(at);
        self.index.remove(&gone.client.name);
        if let Some(moved) = self.slots.get(at) {
            self.index.insert(Arc::clone(&moved.client.name), at);
        }
    }
}

fn bounded(name: &str) -> Cow<'_, str> {
    if name.len() <= NAME_BYTES_MAX {
        return Cow::Borrowed(name);
    }
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(name) {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails without the call of `evict`, and, for the second half, when `evict` ignores `touched`.
    #[test]
    fn more_clients_than_the_bound_push_the_oldest_out() {
        let clients = Clients::new(100, u64::MAX);
        let regular = clients.get("regular", 0);
        for n in 0..10_000 {
            clients.get(&format!("passer-by {n}"), 0);
            assert!(Arc::ptr_eq(&regular, &clients.get("regular", 0)), "pushed out by passer-by {n}");
            assert!(clients.len() <= 100);
        }
        assert!(clients.len() > 80);
    }

    /// Fails without the call of `sweep`.
    #[test]
    fn the_idle_leave_before_the_bound_is_reached() {
        let clients = Clients::new(100_000, 50);
        for n in 0..10_000 {
            clients.get(&format!("passer-by {n}"), n);
        }
        assert!(clients.len() < 500, "{} remembered", clients.len());
    }

    #[test]
    fn the_index_agrees_with_the_slots_after_any_number_of_removals() {
        let clients = Clients::new(7, 3);
        for n in 0..5_000_u64 {
            let name = format!("{}", n * n % 23);
            assert_eq!(&*clients.get(&name, n).name, name);
        }
        for shard in &clients.shards {
            let shard = shard.lock().unwrap();
            assert_eq!(shard.index.len(), shard.slots.len());
            assert!(shard.index.iter().all(|(name, at)| shard.slots[*at].client.name == *name));
        }
    }

    #[test]
    fn a_long_name_is_kept_as_its_hash() {
        let clients = Clients::new(10, u64::MAX);
        let (one, other) = ("x".repeat(128), "x".repeat(100_000));
        assert_eq!(&*clients.get(&one, 0).name, one);
        let long = clients.get(&other, 0);
        assert_eq!(long.name.len(), 71);
        assert!(Arc::ptr_eq(&long, &clients.get(&other, 0)));
        assert!(!Arc::ptr_eq(&long, &clients.get(&format!("{other}y"), 0)));
    }
}
