//! A map that mostly has one entry or none: most accounts have one open leg at a time, and there may be 100,000
//! accounts.

use std::hash::Hash;

use hashbrown::HashMap;

/// Keeps its first entry inline, and makes a table only while there are more.
#[derive(Clone, Debug)]
pub struct SmallMap<K, V> {
    first: Option<(K, V)>,
    more: Option<Box<HashMap<K, V>>>,
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self { first: None, more: None }
    }
}

impl<K: Eq + Hash, V> SmallMap<K, V> {
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.as_ref().map_or(0, |more| more.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains_key(&self, key: &K) -> bool {
        self.is_first(key) || self.more.as_ref().is_some_and(|more| more.contains_key(key))
    }

    /// Sets the value of a key; returns the value that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.is_first(&key) || (self.first.is_none() && !self.contains_key(&key)) {
            return self.first.replace((key, value)).map(|(_, before)| before);
        }
        self.more.get_or_insert_default().insert(key, value)
    }

    /// Removes a key; returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        if self.is_first(key) {
            return self.first.take().map(|(_, value)| value);
        }
        let more = self.more.as_mut()?;
        let value = more.remove(key);
        if more.is_empty() {
            self.more = None;
        }
        value
    }

    fn is_first(&self, key: &K) -> bool {
        self.first.as_ref().is_some_and(|(first, _)| first == key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::SmallMap;

    proptest! {
        /// It does what the standard map does.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..3u8, 0..6u8, any::<u16>()), 0..200)) {
            let (mut small, mut map) = (SmallMap::default(), HashMap::new());
            for (what, key, value) in steps {
                match what {
                    0 => prop_assert_eq!(small.insert(key, value), map.insert(key, value)),
                    1 => prop_assert_eq!(small.remove(&key), map.remove(&key)),
                    _ => prop_assert_eq!(small.contains_key(&key), map.contains_key(&key)),
                }
                prop_assert_eq!(small.len(), map.len());
                prop_assert_eq!(small.is_empty(), map.is_empty());
                prop_assert!(small.more.as_ref().is_none_or(|more| !more.is_empty()), "an empty table is given back");
            }
        }
    }
}
