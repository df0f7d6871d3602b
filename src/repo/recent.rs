//! A few values by key, the least recently used thrown out.

use std::collections::HashMap;

/// The values.
pub(super) struct Recent<K, V> {
    held: HashMap<K, (u64, usize, V)>,
    clock: u64,
    weight: usize,
    weight_max: usize,
}

impl<K: std::hash::Hash + Eq + Copy, V: Clone> Recent<K, V> {
    /// Empty; holds values of so much weight together, and one at least.
    pub(super) fn new(weight_max: usize) -> Self {
        Self {
            held: HashMap::new(),
            clock: 0,
            weight: 0,
            weight_max,
        }
    }

    /// The value of this key, which counts as used.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let (used, _, value) = self.held.get_mut(key)?;
        *used = self.clock;
        Some(value.clone())
    }

    /// Keeps a value of this weight.
    pub(super) fn put(&mut self, key: K, weight: usize, value: V) {
        self.clock += 1;
        self.weight += weight;
        if let Some((_, old, _)) = self.held.insert(key, (self.clock, weight, value)) {
            self.weight -= old;
        }
        while self.weight > self.weight_max && self.held.len() > 1 {
            let Some(oldest) = self
                .held
                .iter()
                .min_by_key(|(_, (used, ..))| *used)
                .map(|(key, _)| *key)
            else {
                return;
            };
            if let Some((_, weight, _)) = self.held.remove(&oldest) {
                self.weight -= weight;
            }
        }
    }
}
