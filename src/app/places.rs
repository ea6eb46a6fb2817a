//! How many of something one person, or one address, may have at a time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who has how many. Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub struct Places<K> {
    each: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub struct Place<K: Copy + Eq + Hash> {
    of: Places<K>,
    key: K,
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// With so many for each.
    pub fn new(each: usize) -> Self {
        Self { each, taken: Arc::default() }
    }

    /// A place; none if all of this one's are taken.
    pub fn take(&self, key: K) -> Option<Place<K>> {
        let mut taken = self.taken();
        let count = taken.entry(key).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place { of: self.clone(), key })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        match taken.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_places_and_gives_them_back() {
        let places = Places::new(2);
        let (one, two) = (places.take('a').unwrap(), places.take('a').unwrap());
        assert!(places.take('a').is_none() && places.take('b').is_some());
        drop(one);
        assert!(places.take('a').is_some());
        drop(two);
        assert!(places.taken().is_empty());
    }
}
