//! The prices of one side in order, each with the slot of its level.
//!
//! Keys ascend and the best is last: a bid's key is its price, an ask's the complement of it. So
//! one code serves both sides, and what happens near the best price moves few entries. Only levels
//! that come and go are searched for here; an order finds its level through an index.

use super::record::Side;

#[derive(Default, Clone)]
pub struct Prices {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: i64,
    level: u32,
}

#[inline(always)]
pub const fn key(side: Side, price: i64) -> i64 {
    // All ones for an ask: the complement reverses the order and cannot overflow.
    price ^ -(side as i64)
}

impl Prices {
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Key and level of the best price.
    #[inline(always)]
    pub fn best(&self) -> Option<(i64, u32)> {
        self.entries.last().map(|best| (best.key, best.level))
    }

    /// Levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries.iter().rev().map(|entry| entry.level)
    }

    /// How many entries are worse than this key. Steps away from the best in doubling strides.
    #[inline(always)]
    fn worse(&self, key: i64) -> usize {
        let entries = self.entries.as_slice();
        let (mut stride, mut high, mut low) = (1, entries.len(), 0);
        while stride <= high {
            let at = high - stride;
            if entries[at].key < key {
                low = at + 1;
                break;
            }
            high = at;
            stride *= 2;
        }
        low + entries[low..high].partition_point(|entry| entry.key < key)
    }

    /// Take in a level at a key that is not there.
    #[inline(always)]
    pub fn insert(&mut self, key: i64, level: u32) {
        let at = self.worse(key);
        self.entries.insert(at, Entry { key, level });
    }

    /// Forget a key that is there.
    #[inline(always)]
    pub fn remove(&mut self, key: i64) {
        let at = self.worse(key);
        let gone = self.entries.remove(at);
        assert!(gone.key == key, "a level has its price");
    }

    /// Take over levels by price, worst first; whether they were in order.
    pub fn fill(&mut self, side: Side, levels: &[(i64, u32)]) -> bool {
        let entry = |&(price, level): &(i64, u32)| Entry { key: key(side, price), level };
        self.entries = levels.iter().map(entry).collect();
        self.entries.is_sorted_by(|a, b| a.key < b.key)
    }

    /// Forget all; the levels that were there.
    pub fn take(&mut self) -> impl Iterator<Item = u32> + use<> {
        std::mem::take(&mut self.entries).into_iter().map(|entry| entry.level)
    }
}
