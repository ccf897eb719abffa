//! Idempotency keys: what each key did, for as long as a retry may come.

use crate::index::{FlatIndex, mix};
use crate::orders::NONE;

/// What one key did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEntry {
    pub low: u64,
    pub high: u64,
    /// Hash of the command; 0 for a tombstone.
    pub fingerprint: u64,
    /// Sequence of the command that the key came with.
    pub sequence: u64,
    /// Market time at which the entry was finished; i64::MAX while its order rests.
    pub finished_at: i64,
    /// Account number; 0 = operator.
    pub account: u32,
    /// Count of a mass cancel.
    pub result: u32,
    /// Reject reason; 0 = accepted.
    pub reason: u16,
    /// Command kind.
    pub kind: u8,
    /// Next entry to be forgotten.
    pub(crate) next: u32,
}

impl KeyEntry {
    pub const fn is_tombstone(&self) -> bool {
        self.fingerprint == 0
    }
}

/// All keys within their window. Finished ones form a queue by the time they finished.
pub struct Keys {
    slots: Vec<KeyEntry>,
    free: Vec<u32>,
    index: FlatIndex,
    oldest: u32,
    newest: u32,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: FlatIndex::default(),
            oldest: NONE,
            newest: NONE,
        }
    }
}

#[inline(always)]
const fn hash(account: u32, low: u64) -> u64 {
    mix(low ^ (account as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Keys {
    pub fn with_capacity(count: usize) -> Self {
        Self {
            slots: Vec::with_capacity(count),
            index: FlatIndex::with_capacity(count),
            ..Self::default()
        }
    }

    #[inline(always)]
    pub fn prefetch(&self, account: u32, low: u64) {
        self.index.prefetch(hash(account, low));
    }

    #[inline]
    pub fn find(&self, account: u32, low: u64, high: u64) -> Option<u32> {
        self.index.find(hash(account, low), |slot| {
            let entry = &self.slots[slot as usize];
            entry.low == low && entry.high == high && entry.account == account
        })
    }

    /// A tombstone whose low half is `low`, whatever its high half.
    pub fn find_tombstone(&self, account: u32, low: u64) -> Option<u32> {
        self.index.find(hash(account, low), |slot| {
            let entry = &self.slots[slot as usize];
            entry.low == low && entry.account == account && entry.is_tombstone()
        })
    }

    /// Record an entry that is not there yet. It is live until `finish`.
    #[inline]
    pub fn insert(&mut self, entry: KeyEntry) -> u32 {
        let hash = hash(entry.account, entry.low);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                slot
            }
            None => {
                self.slots.push(entry);
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[slot as usize].next = NONE;
        self.slots[slot as usize].finished_at = i64::MAX;
        self.index.insert(hash, slot);
        slot
    }

    /// From `now` on, the window of this entry runs. Times come in ascending order.
    #[inline]
    pub fn finish(&mut self, slot: u32, now: i64) {
        self.slots[slot as usize].finished_at = now;
        self.slots[slot as usize].next = NONE;
        if self.newest == NONE {
            self.oldest = slot;
        } else {
            self.slots[self.newest as usize].next = slot;
        }
        self.newest = slot;
    }

    /// Forget what finished at or before this time.
    pub fn forget_until(&mut self, time: i64) {
        while self.oldest != NONE {
            let slot = self.oldest;
            let entry = &self.slots[slot as usize];
            if entry.finished_at > time {
                return;
            }
            let hash = hash(entry.account, entry.low);
            self.oldest = entry.next;
            if self.oldest == NONE {
                self.newest = NONE;
            }
            self.index.remove(hash, slot);
            self.free.push(slot);
        }
    }

    #[inline(always)]
    pub fn get(&self, slot: u32) -> &KeyEntry {
        &self.slots[slot as usize]
    }

    /// When the oldest finished entry finished; None when there is none.
    pub fn oldest_finished_at(&self) -> Option<i64> {
        (self.oldest != NONE).then(|| self.slots[self.oldest as usize].finished_at)
    }

    /// Finished entries, oldest first.
    pub fn finished(&self) -> impl Iterator<Item = &KeyEntry> {
        let first = (self.oldest != NONE).then(|| &self.slots[self.oldest as usize]);
        std::iter::successors(first, |e| (e.next != NONE).then(|| &self.slots[e.next as usize]))
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
