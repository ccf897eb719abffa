//! A flat index from a 64-bit hash to a 32-bit slot: open addressing by cache lines, no pointers.
//!
//! A line holds eight entries, each the upper half of a hash (its tag) and a slot, and is searched
//! in one go, without a branch per entry. Its home line is in the tag, so growing is one sequential
//! pass that never looks at what the slots hold. An entry whose home is full stands in the nearest
//! line after it that had room: a search ends at the first line that is not full.

/// Tag of an empty place.
const EMPTY: u32 = 0;
const LANES: usize = 8;
const LINES_MIN: usize = 128;

#[repr(C, align(64))]
#[derive(Clone)]
struct Line {
    tags: [u32; LANES],
    slots: [u32; LANES],
}

impl Line {
    const EMPTY: Self = Self { tags: [EMPTY; LANES], slots: [0; LANES] };

    /// A bit for each place with this tag.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn places(&self, tag: u32) -> u32 {
        use std::arch::x86_64::*;
        // SAFETY: every such processor has SSE2, and a line is aligned.
        unsafe {
            let wanted = _mm_set1_epi32(tag as i32);
            let tags = self.tags.as_ptr().cast::<__m128i>();
            let low = _mm_cmpeq_epi32(_mm_load_si128(tags), wanted);
            let high = _mm_cmpeq_epi32(_mm_load_si128(tags.add(1)), wanted);
            let bytes = _mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128());
            _mm_movemask_epi8(bytes) as u32
        }
    }

    /// A bit for each place with this tag.
    #[cfg(not(target_arch = "x86_64"))]
    fn places(&self, tag: u32) -> u32 {
        let bit = |(i, &t): (usize, &u32)| u32::from(t == tag) << i;
        self.tags.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit)
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.places(EMPTY) == 0
    }

    /// The first of these places.
    #[inline(always)]
    const fn first(places: u32) -> usize {
        places.trailing_zeros() as usize % LANES
    }
}

/// Multi-map from hash to slot; the caller tells equal hashes apart.
pub struct FlatIndex {
    /// A power of two of them.
    lines: Vec<Line>,
    count: usize,
    /// More would make it grow.
    count_max: usize,
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

/// Spread a sequence number over 64 bits so that four neighbours stay in one cache line: numbers
/// that come in order find their line in the cache, and dense runs do not pile up.
#[inline(always)]
pub const fn mix_sequence(number: u64) -> u64 {
    (spread(number >> 2) & !3 | number & 3) << 32
}

impl FlatIndex {
    /// An index that takes `count` entries without growing.
    pub fn with_capacity(count: usize) -> Self {
        let lines = (count * 2).div_ceil(LANES).next_power_of_two().max(LINES_MIN);
        Self { lines: vec![Line::EMPTY; lines], count: 0, count_max: lines * LANES / 2 }
    }

    #[inline(always)]
    fn mask(&self) -> usize {
        self.lines.len().wrapping_sub(1)
    }

    #[inline(always)]
    fn line(&self, at: usize) -> &Line {
        // SAFETY: the length is a power of two, at least LINES_MIN.
        unsafe { self.lines.get_unchecked(at & self.mask()) }
    }

    #[inline(always)]
    fn line_mut(&mut self, at: usize) -> &mut Line {
        let mask = self.mask();
        // SAFETY: as in `line`.
        unsafe { self.lines.get_unchecked_mut(at & mask) }
    }

    #[inline(always)]
    const fn tag(hash: u64) -> u32 {
        let tag = (hash >> 32) as u32;
        if tag == EMPTY { 1 } else { tag }
    }

    /// Where the line of this tag is, up to the mask.
    #[inline(always)]
    const fn home(tag: u32) -> usize {
        tag as usize / LANES
    }

    /// The first slot with this hash for which `is_it` holds.
    #[inline(always)]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = Self::tag(hash);
        let mut at = Self::home(tag);
        loop {
            let line = self.line(at);
            let mut places = line.places(tag);
            while places != 0 {
                let slot = line.slots[Line::first(places)];
                if is_it(slot) {
                    return Some(slot);
                }
                places &= places - 1;
            }
            if !line.is_full() {
                return None;
            }
            at = at.wrapping_add(1);
        }
    }

    /// A slot that may be the one with this hash; for prefetching.
    #[inline(always)]
    pub fn guess(&self, hash: u64) -> u32 {
        let tag = Self::tag(hash);
        let line = self.line(Self::home(tag));
        line.slots[Line::first(line.places(tag))]
    }

    /// Ask the processor for the memory that `find` will look at.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        prefetch(self.line(Self::home(Self::tag(hash))));
    }

    #[inline]
    pub fn insert(&mut self, hash: u64, slot: u32) {
        // At most half full: few lines are full, also where they are searched to their end.
        if self.count == self.count_max {
            self.grow();
        }
        self.count += 1;
        self.put(Self::tag(hash), slot);
    }

    #[inline(always)]
    fn put(&mut self, tag: u32, slot: u32) {
        let mut at = Self::home(tag);
        loop {
            let line = self.line_mut(at);
            let room = line.places(EMPTY);
            if room != 0 {
                let place = Line::first(room);
                (line.tags[place], line.slots[place]) = (tag, slot);
                return;
            }
            at = at.wrapping_add(1);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let lines = self.lines.len() * 2;
        assert!(lines * LANES <= 1 << 32, "index is full");
        self.count_max = lines * LANES / 2;
        let old = std::mem::replace(&mut self.lines, vec![Line::EMPTY; lines]);
        for line in &old {
            for (&tag, &slot) in line.tags.iter().zip(&line.slots).filter(|(tag, _)| **tag != EMPTY)
            {
                self.put(tag, slot);
            }
        }
    }

    /// Let the entry of this hash and slot name another slot. Panics when it is absent.
    #[inline(always)]
    pub fn replace(&mut self, hash: u64, slot: u32, new_slot: u32) {
        let (at, place) = self.position(Self::tag(hash), slot);
        self.line_mut(at).slots[place] = new_slot;
    }

    #[inline(always)]
    fn position(&self, tag: u32, slot: u32) -> (usize, usize) {
        let mut at = Self::home(tag);
        loop {
            let line = self.line(at);
            let mut places = line.places(tag);
            while places != 0 {
                let place = Line::first(places);
                if line.slots[place] == slot {
                    return (at, place);
                }
                places &= places - 1;
            }
            assert!(line.is_full(), "index has no such entry");
            at = at.wrapping_add(1);
        }
    }

    /// Remove the entry of this hash and slot. Panics when it is absent: the index is broken.
    #[inline(always)]
    pub fn remove(&mut self, hash: u64, slot: u32) {
        let (at, place) = self.position(Self::tag(hash), slot);
        let was_full = self.line(at).is_full();
        self.line_mut(at).tags[place] = EMPTY;
        self.count -= 1;
        if was_full {
            self.fill_hole(at, place);
        }
    }

    /// A full line lost an entry: move one back that stands further on for want of room here, so
    /// that no search ends before it, and so on for the hole that it leaves.
    #[cold]
    fn fill_hole(&mut self, mut hole: usize, mut place: usize) {
        let mask = self.mask();
        let mut at = hole;
        loop {
            at = at.wrapping_add(1);
            let line = self.line(at);
            let was_full = line.is_full();
            let passed_hole = |&i: &usize| {
                let away = at.wrapping_sub(Self::home(line.tags[i])) & mask;
                line.tags[i] != EMPTY && away >= (at.wrapping_sub(hole) & mask)
            };
            if let Some(i) = (0..LANES).find(passed_hole) {
                let (tag, slot) = (line.tags[i], line.slots[i]);
                self.line_mut(at).tags[i] = EMPTY;
                let line = self.line_mut(hole);
                (line.tags[place], line.slots[place]) = (tag, slot);
                (hole, place) = (at, i);
            }
            if !was_full {
                return;
            }
        }
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
    prefetch_address(std::ptr::from_ref(target).cast());
}

/// Hint that this element will be read soon, if there is one: a wrong index costs some time.
#[inline(always)]
pub fn prefetch_at<T>(list: &[T], index: usize, byte: usize) {
    prefetch_address(list.as_ptr().wrapping_add(index).cast::<u8>().wrapping_add(byte));
}

#[inline(always)]
fn prefetch_address(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no architectural effect, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn churn(hash: impl Fn(u64) -> u64) {
        let mut index = FlatIndex::default();
        let mut truth = std::collections::BTreeMap::new();
        let mut state = 1u64;
        for step in 0..200_000u32 {
            state = mix(state.wrapping_add(u64::from(step)));
            let key = state % 5_000;
            match truth.remove(&key) {
                Some(slot) => index.remove(hash(key), slot),
                None => {
                    truth.insert(key, step);
                    index.insert(hash(key), step);
                }
            }
            assert_eq!(index.len(), truth.len());
            let probe = mix(state) % 5_000;
            let expected = truth.get(&probe).copied();
            assert_eq!(index.find(hash(probe), |slot| Some(slot) == expected), expected);
        }
    }

    #[test]
    fn behaves_like_a_map_under_churn() {
        churn(mix);
    }

    #[test]
    fn behaves_like_a_map_when_most_lines_are_full() {
        churn(|key| mix(key) & 0x3ff << 32);
    }
}
