//! The prices of one side in order, each with the slot of its level.
//!
//! Keys ascend and the best is last: a bid's key is its price, an ask's the complement of it. So
//! one code serves both sides, and what happens near the best price moves few entries.

use super::record::Side;

#[derive(Default, Clone)]
pub struct Prices {
    keys: Vec<i64>,
    levels: Vec<u32>,
}

#[inline(always)]
pub const fn key(side: Side, price: i64) -> i64 {
    // All ones for an ask: the complement reverses the order and cannot overflow.
    price ^ -(side as i64)
}

impl Prices {
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Key and level of the best price.
    #[inline(always)]
    pub fn best(&self) -> Option<(i64, u32)> {
        Some((*self.keys.last()?, *self.levels.last()?))
    }

    /// Levels, best first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.levels.iter().rev().copied()
    }

    /// Where a key is, or where it belongs. Steps away from the best price in doubling strides.
    #[inline(always)]
    fn search(&self, key: i64) -> Result<usize, usize> {
        let keys = self.keys.as_slice();
        let (mut stride, mut high) = (1, keys.len());
        let mut low = 0;
        while stride <= high {
            let at = high - stride;
            if keys[at] <= key {
                low = at;
                break;
            }
            high = at;
            stride *= 2;
        }
        while low < high {
            let middle = low.midpoint(high);
            if keys[middle] < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if keys.get(low) == Some(&key) { Ok(low) } else { Err(low) }
    }

    #[inline(always)]
    pub fn get(&self, key: i64) -> Option<u32> {
        self.search(key).ok().map(|at| self.levels[at])
    }

    /// The level at this key, made by `new` when there is none.
    #[inline(always)]
    pub fn get_or_insert(&mut self, key: i64, new: impl FnOnce() -> u32) -> u32 {
        match self.search(key) {
            Ok(at) => self.levels[at],
            Err(at) => {
                let level = new();
                self.keys.insert(at, key);
                self.levels.insert(at, level);
                level
            }
        }
    }

    /// Forget a key that is there.
    #[inline(always)]
    pub fn remove(&mut self, key: i64) {
        let at = self.search(key).expect("a level has its price");
        self.keys.remove(at);
        self.levels.remove(at);
    }

    /// Take over levels by price, worst first; whether they were in order.
    pub fn fill(&mut self, side: Side, levels: &[(i64, u32)]) -> bool {
        self.keys = levels.iter().map(|&(price, _)| key(side, price)).collect();
        self.levels = levels.iter().map(|&(_, level)| level).collect();
        self.keys.is_sorted_by(|a, b| a < b)
    }

    /// Forget all; the levels that were there, best first.
    pub fn take(&mut self) -> Vec<u32> {
        self.keys.clear();
        let mut levels = std::mem::take(&mut self.levels);
        levels.reverse();
        levels
    }
}
