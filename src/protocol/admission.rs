//! The bound on work in flight: a permit is taken before a command touches an actor and is given back when its outcome
//! is known, not when its caller stops listening. With it goes the attempt that the command is, if it has a key.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::record::KeyHash;

/// How many commands may be in flight at once; clones share the count.
#[derive(Clone)]
pub struct InFlight(Arc<Bound>);

struct Bound {
    now: AtomicUsize,
    max: usize,
    attempts: Arc<Attempts>,
}

/// One command's slot in the bound; dropped, the slot is free.
pub struct Permit {
    bound: Arc<Bound>,
    attempt: Option<Arc<Attempt>>,
}

/// How many parts the attempts are kept in, so that commands need not wait for each other.
const PARTS: usize = 64;

/// Of each key the numbers of its attempts.
type Part = HashMap<KeyHash, SmallVec<[u64; 1]>>;

/// The attempts in flight, by their keys, each list in order of arrival.
struct Attempts {
    number: AtomicU64,
    parts: [Mutex<Part>; PARTS],
}

/// One attempt at a command with a key. It is in flight until nobody has it any more: neither its caller nor its record.
pub struct Attempt {
    attempts: Arc<Attempts>,
    key: KeyHash,
    number: u64,
}

impl InFlight {
    pub fn new(max: usize) -> Self {
        let attempts = Attempts { number: AtomicU64::new(0), parts: std::array::from_fn(|_| Mutex::default()) };
        Self(Arc::new(Bound { now: AtomicUsize::new(0), max, attempts: Arc::new(attempts) }))
    }

    /// `None` when `max` commands are in flight.
    pub fn enter(&self) -> Option<Permit> {
        let before = self.0.now.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { bound: self.0.clone(), attempt: None };
        (before < self.0.max).then_some(permit)
    }

    /// How many commands are in flight. A refused `enter` counts for a moment, so this may exceed `max`.
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Relaxed)
    }

    pub fn max(&self) -> usize {
        self.0.max
    }

    /// One more attempt under this key, in flight from now on.
    pub fn attempt(&self, key: KeyHash) -> Arc<Attempt> {
        let attempts = self.0.attempts.clone();
        let mut part = attempts.part(key);
        let number = attempts.number.fetch_add(1, Ordering::Relaxed); // under the lock: lists are in order
        part.entry(key).or_default().push(number);
        drop(part);
        Arc::new(Attempt { attempts, key, number })
    }

    /// Whether an attempt under this key is in flight.
    pub fn has(&self, key: KeyHash) -> bool {
        self.0.attempts.part(key).contains_key(&key)
    }
}

impl Permit {
    /// The same slot, for a command that is this attempt.
    #[must_use]
    pub fn of(self, attempt: Option<&Arc<Attempt>>) -> Self {
        let mut permit = self;
        permit.attempt = attempt.cloned();
        permit
    }
}

impl Attempts {
    fn part(&self, key: KeyHash) -> MutexGuard<'_, Part> {
        let n = usize::from(key.0.as_bytes()[15]) % PARTS;
        self.parts[n].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    pub fn key(&self) -> KeyHash {
        self.key
    }

    /// Whether no earlier attempt under the key is in flight in this process.
    pub fn is_first(&self) -> bool {
        self.attempts.part(self.key).get(&self.key).is_none_or(|list| list.first() == Some(&self.number))
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("key", &self.key).field("number", &self.number).finish()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut part = self.attempts.part(self.key);
        if let Some(list) = part.get_mut(&self.key) {
            list.retain(|number| *number != self.number);
            if list.is_empty() {
                part.remove(&self.key);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.bound.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::record::Api;

    #[test]
    fn the_bound_holds_and_permits_come_back() {
        let bound = InFlight::new(2);
        let (first, second) = (bound.enter(), bound.enter());
        assert!(first.is_some() && second.is_some() && bound.enter().is_none());
        drop(first);
        assert!(bound.enter().is_some());
        drop(second);
        assert_eq!(bound.now(), 0);
    }

    /// Mutation: an attempt ends with its caller though its record is in flight, or a later one counts as earlier.
    #[test]
    fn an_attempt_is_in_flight_until_neither_caller_nor_record_has_it() {
        let bound = InFlight::new(9);
        let key = |text| KeyHash::of(Api::FlorinV1, "default", text);
        let first = bound.attempt(key("k"));
        let record = bound.enter().unwrap().of(Some(&first));
        let (second, other) = (bound.attempt(key("k")), bound.attempt(key("other")));
        assert_eq!((first.is_first(), second.is_first(), other.is_first()), (true, false, true));
        drop(first);
        assert!(!second.is_first(), "its record may be written yet");
        drop(record);
        assert!(second.is_first() && bound.has(key("k")));
        drop(second);
        assert!(!bound.has(key("k")) && bound.has(key("other")) && !bound.has(key("none")));
        drop(other);
        assert!(bound.0.attempts.parts.iter().all(|part| part.lock().unwrap().is_empty()), "keys are left behind");
    }
}
