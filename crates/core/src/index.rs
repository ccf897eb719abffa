//! A flat index from a 64-bit hash to a 32-bit slot: open addressing, no pointers.
//!
//! An entry holds the upper half of the hash and the slot. Its home position is the low bits of
//! that half, so growing is one sequential pass that never looks at what the slots hold.

const EMPTY: u64 = 0;
const CAPACITY_MIN: usize = 1 << 10;

/// Multi-map from hash to slot; the caller tells equal hashes apart.
pub struct FlatIndex {
    entries: Vec<u64>,
    count: usize,
}

impl Default for FlatIndex {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

/// Spread an integer key over 64 bits (the finaliser of MurmurHash3; a permutation).
#[inline(always)]
pub const fn mix(key: u64) -> u64 {
    let mut h = key;
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// One multiplication, folded: cheap, and enough for keys that are hashes or run in sequence.
#[inline(always)]
pub const fn spread(key: u64) -> u64 {
    let product = key as u128 * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ ((product >> 64) as u64)
}

/// Spread a sequence number over 64 bits so that eight neighbours stay in one cache line: numbers
/// that come in order find their line in the cache, and dense runs do not pile up.
#[inline(always)]
pub const fn mix_sequence(number: u64) -> u64 {
    (spread(number >> 3) & !7 | number & 7) << 32
}

impl FlatIndex {
    /// An index that takes `count` entries without growing.
    pub fn with_capacity(count: usize) -> Self {
        let slots = (count * 2).next_power_of_two().max(CAPACITY_MIN);
        Self { entries: vec![EMPTY; slots], count: 0 }
    }

    #[inline(always)]
    fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    #[inline(always)]
    fn entry(&self, at: usize) -> u64 {
        // SAFETY: the length is a power of two, at least CAPACITY_MIN.
        unsafe { *self.entries.get_unchecked(at & self.mask()) }
    }

    #[inline(always)]
    fn set(&mut self, at: usize, entry: u64) {
        let mask = self.mask();
        // SAFETY: as in `entry`.
        unsafe { *self.entries.get_unchecked_mut(at & mask) = entry };
    }

    #[inline(always)]
    const fn tag(hash: u64) -> u32 {
        (hash >> 32) as u32
    }

    /// The first slot with this hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = Self::tag(hash);
        let mut at = tag as usize;
        loop {
            let entry = self.entry(at);
            if entry == EMPTY {
                return None;
            }
            if (entry >> 32) as u32 == tag {
                let slot = (entry as u32).wrapping_sub(1);
                if is_it(slot) {
                    return Some(slot);
                }
            }
            at = at.wrapping_add(1);
        }
    }

    /// The first slot with this hash, unverified; for prefetching.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<u32> {
        let entry = self.entry(Self::tag(hash) as usize);
        let is_it = entry != EMPTY && (entry >> 32) as u32 == Self::tag(hash);
        is_it.then(|| (entry as u32).wrapping_sub(1))
    }

    /// Ask the processor for the memory that `find` will look at.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        prefetch(&self.entries[Self::tag(hash) as usize & self.mask()]);
    }

    #[inline]
    pub fn insert(&mut self, hash: u64, slot: u32) {
        // At most half full: runs stay short, also where they are searched to their end.
        if (self.count + 1) * 2 > self.entries.len() {
            self.grow();
        }
        self.count += 1;
        self.put(Self::packed(hash, slot));
    }

    #[inline]
    fn put(&mut self, entry: u64) {
        let mut at = (entry >> 32) as usize;
        while self.entry(at) != EMPTY {
            at = at.wrapping_add(1);
        }
        self.set(at, entry);
    }

    fn grow(&mut self) {
        let slots = self.entries.len() * 2;
        assert!(slots <= 1 << 32, "index is full");
        let old = std::mem::replace(&mut self.entries, vec![EMPTY; slots]);
        for entry in old.into_iter().filter(|&e| e != EMPTY) {
            self.put(entry);
        }
    }

    #[inline(always)]
    const fn packed(hash: u64, slot: u32) -> u64 {
        (hash >> 32 << 32) | (slot as u64).wrapping_add(1)
    }

    /// Let the entry of this hash and slot name another slot. Panics when it is absent.
    #[inline]
    pub fn replace(&mut self, hash: u64, slot: u32, new_slot: u32) {
        let at = self.position(hash, slot);
        self.set(at, Self::packed(hash, new_slot));
    }

    #[inline(always)]
    fn position(&self, hash: u64, slot: u32) -> usize {
        let wanted = Self::packed(hash, slot);
        let mut at = Self::tag(hash) as usize;
        loop {
            let entry = self.entry(at);
            if entry == wanted {
                return at;
            }
            assert!(entry != EMPTY, "index has no such entry");
            at = at.wrapping_add(1);
        }
    }

    /// Remove the entry of this hash and slot. Panics when it is absent: the index is broken.
    #[inline]
    pub fn remove(&mut self, hash: u64, slot: u32) {
        let mask = self.mask();
        let mut hole = self.position(hash, slot);
        // Move later entries of the run back, so that no entry is cut off from its home.
        let mut at = hole;
        loop {
            at = at.wrapping_add(1);
            let entry = self.entry(at);
            if entry == EMPTY {
                break;
            }
            let home = (entry >> 32) as usize;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.set(hole, entry);
                hole = at;
            }
        }
        self.set(hole, EMPTY);
        self.count -= 1;
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Hint that `target` will be read soon.
#[inline(always)]
pub fn prefetch<T>(target: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no architectural effect, and the reference is valid anyway.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_map_under_churn() {
        let mut index = FlatIndex::default();
        let mut truth = std::collections::BTreeMap::new();
        let mut state = 1u64;
        for step in 0..200_000u32 {
            state = mix(state.wrapping_add(u64::from(step)));
            let key = state % 5_000;
            match truth.remove(&key) {
                Some(slot) => index.remove(mix(key), slot),
                None => {
                    truth.insert(key, step);
                    index.insert(mix(key), step);
                }
            }
            assert_eq!(index.len(), truth.len());
            let probe = mix(state) % 5_000;
            let expected = truth.get(&probe).copied();
            assert_eq!(index.find(mix(probe), |slot| Some(slot) == expected), expected);
        }
    }
}
