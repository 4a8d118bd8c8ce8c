//! Look-ups that are remembered for a while. Known and unknown keys are bounded apart, so that a flood of made-up ones
//! pushes no known key out.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::store::api_keys::KeyHash;

/// Known keys that are remembered, and unknown ones as well.
const ENTRIES_MAX: usize = 10_000;

/// Answers by key hash, each remembered for `ttl`.
pub struct Cache<T> {
    pub ttl: Duration,
    known: RwLock<HashMap<KeyHash, (Instant, T)>>,
    unknown: RwLock<HashMap<KeyHash, (Instant, T)>>,
}

impl<T: Clone> Cache<T> {
    /// A `ttl` of zero remembers nothing.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, known: RwLock::default(), unknown: RwLock::default() }
    }

    /// What is remembered, unless it is too old.
    pub fn get(&self, hash: &KeyHash, now: Instant) -> Option<T> {
        [&self.known, &self.unknown].into_iter().find_map(|map| {
            let map = map.read().unwrap_or_else(PoisonError::into_inner);
            map.get(hash)
                .filter(|(since, _)| now.saturating_duration_since(*since) < self.ttl)
                .map(|(_, value)| value.clone())
        })
    }

    /// Remembers an answer as of `since`.
    pub fn put(&self, hash: KeyHash, value: T, known: bool, since: Instant) {
        if self.ttl.is_zero() {
            return;
        }
        let (map, other) = if known { (&self.known, &self.unknown) } else { (&self.unknown, &self.known) };
        other.write().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= ENTRIES_MAX && !map.contains_key(&hash) {
            map.retain(|_, (then, _)| since.saturating_duration_since(*then) < self.ttl);
            if map.len() >= ENTRIES_MAX {
                map.clear(); // all of them fresh: the next look-ups fill it again
            }
        }
        map.insert(hash, (since, value));
    }

    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        (self.known.read().unwrap().len(), self.unknown.read().unwrap().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::api_keys::hash;

    #[test]
    fn answers_age_and_made_up_keys_push_nothing_out() {
        let (cache, now) = (Cache::new(Duration::from_secs(10)), Instant::now());
        cache.put(hash("good"), 1, true, now);
        for n in 0..ENTRIES_MAX * 2 {
            cache.put(hash(&n.to_string()), 0, false, now);
        }
        let (known, unknown) = cache.len();
        assert!(known == 1 && unknown <= ENTRIES_MAX);
        assert_eq!(cache.get(&hash("good"), now + Duration::from_secs(9)), Some(1));
        assert_eq!(cache.get(&hash("good"), now + Duration::from_secs(10)), None);
    }

    #[test]
    fn the_newer_answer_counts() {
        let (cache, now) = (Cache::new(Duration::from_secs(10)), Instant::now());
        cache.put(hash("k"), 1, true, now);
        cache.put(hash("k"), 0, false, now);
        assert_eq!(cache.get(&hash("k"), now), Some(0));
        assert_eq!(cache.len(), (0, 1));
    }
}
