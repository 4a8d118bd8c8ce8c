//! Places that are taken before anybody has said who they are: a bounded number, of which one address gets a part, so
//! that nobody closes all others out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The places; clones share them.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    taken: Mutex<Taken>,
    all_max: usize,
    one_address_max: usize,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is taken until this is dropped.
pub struct Place {
    places: Places,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    All,
    /// This address has as many as one may have.
    Address,
}

impl Places {
    /// So many, of which one address gets at most so many in a hundred, but at least one.
    pub fn new(all_max: usize, address_percent: u8) -> Self {
        let one_address_max = (all_max.saturating_mul(usize::from(address_percent)) / 100).max(1);
        Self(Arc::new(Inner { taken: Mutex::default(), all_max, one_address_max }))
    }

    /// Takes one for this address.
    ///
    /// # Errors
    /// When all are taken, or all that the address may have.
    pub fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let address = network(address);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.0.all_max {
            return Err(Full::All);
        }
        let own = taken.by_address.entry(address).or_default();
        if *own >= self.0.one_address_max {
            return Err(Full::Address);
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { places: self.clone(), address })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Entry::Occupied(mut own) = taken.by_address.entry(self.address) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// Whoever has an address of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Fails when one address can take all places, when an address of IPv6 counts by itself, or when a place that is
    /// given back is not free again.
    #[test]
    fn one_address_leaves_places_for_others() {
        let places = Places::new(10, 50);
        for (greedy, alike) in [("192.0.2.1", "::ffff:192.0.2.1"), ("2001:db8::1", "2001:db8::2")] {
            let held: Vec<_> = (0..5).map(|_| places.take(address(greedy)).ok().unwrap()).collect();
            assert_eq!(places.take(address(alike)).err(), Some(Full::Address), "{greedy}");
            let others: Vec<_> = (0..5).map(|n| places.take(address(&format!("192.0.3.{n}"))).ok().unwrap()).collect();
            assert_eq!((places.take(address("192.0.4.1")).err(), places.taken()), (Some(Full::All), 10));
            drop((held, others));
            assert_eq!(places.taken(), 0);
        }
        assert!(places.0.taken.lock().unwrap().by_address.is_empty(), "who is gone is forgotten");
    }

    #[test]
    fn one_address_has_a_place_however_small_its_part() {
        let places = Places::new(10, 1);
        let _held = places.take(address("127.0.0.1")).ok().unwrap();
        assert_eq!(places.take(address("127.0.0.1")).err(), Some(Full::Address));
        let all = Places::new(2, 100);
        assert!([all.take(address("127.0.0.1")), all.take(address("127.0.0.1"))].iter().all(Result::is_ok));
    }
}
