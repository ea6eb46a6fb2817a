//! How many connections there may be: in all, and from one address.

use crate::config::Cidr;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of one address.
const EACH: usize = 50;

/// Who is connected, by address. Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub struct Places {
    /// Proxies, which bring many people's connections.
    exempt: Arc<[Cidr]>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub struct Place {
    of: Places,
    address: IpAddr,
}

impl Places {
    /// Addresses in `exempt` may have any number.
    pub fn new(exempt: &[Cidr]) -> Self {
        Self { exempt: exempt.into(), taken: Arc::default() }
    }

    /// A place for this address; none if it has all of its places.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut taken = self.taken();
        let count = taken.entry(address).or_default();
        if *count >= EACH && !self.exempt.iter().any(|range| range.contains(address)) {
            return None;
        }
        *count += 1;
        Some(Place { of: self.clone(), address })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        match taken.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_fifty_places_a_proxy_any_number_and_each_is_given_back() {
        let places = Places::new(&["10.0.0.0/8".to_owned().try_into().unwrap()]);
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "::ffff:192.0.2.1".parse().unwrap());
        let mut held: Vec<Place> = (0..EACH).map(|_| places.take(one).unwrap()).collect();
        assert!(places.take(one).is_none() && places.take(other).is_none(), "the same address, written otherwise");
        assert!(places.take("192.0.2.2".parse().unwrap()).is_some());
        held.pop();
        assert!(places.take(one).is_some());
        drop(held);
        assert!(places.taken().is_empty());
        let proxy = "10.1.2.3".parse().unwrap();
        let many: Vec<Option<Place>> = (0..=EACH).map(|_| places.take(proxy)).collect();
        assert!(many.iter().all(Option::is_some));
    }
}
