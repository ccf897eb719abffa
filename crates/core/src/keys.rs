//! Idempotency keys: what each key did, for as long as a retry may come.
//!
//! The key of a resting order stands in the order itself; when the order ends, and for every other
//! command, it goes to the back of a queue by the time of finishing. So keys cost sequential memory
//! but for the index, and the oldest are forgotten from the front.

use crate::index::{FlatIndex, spread};
use crate::orders::{Order, Orders};
use crate::wire::CommandKind;
use std::collections::VecDeque;
use std::hint::select_unpredictable;

/// What one key did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

impl KeyEntry {
    pub const fn is_tombstone(&self) -> bool {
        self.fingerprint == 0
    }

    pub const fn is_live(&self) -> bool {
        self.finished_at == i64::MAX
    }

    /// The entry of a resting order that came with a key.
    pub const fn of_order(order: &Order) -> Self {
        Self {
            low: order.key_low,
            high: order.key_high,
            fingerprint: order.key_fingerprint,
            sequence: order.id,
            finished_at: i64::MAX,
            account: order.account,
            result: 0,
            reason: 0,
            kind: CommandKind::PlaceOrder as u8,
        }
    }
}

/// Set in an index value that is an order's slot; else it is a number in the queue.
const LIVE: u32 = 1 << 31;
/// Entries per chunk of the queue: large enough to be rare, small enough to waste little.
const CHUNK: usize = 1 << 14;
/// How many entries ahead of the one being forgotten memory is asked for.
const LOOKAHEAD: usize = 8;

/// A queue whose entries are numbered from 0 for ever; its chunks are used again.
#[derive(Default)]
struct Queue {
    chunks: VecDeque<Vec<KeyEntry>>,
    spare: Vec<Vec<KeyEntry>>,
    first: u64,
    end: u64,
}

impl Queue {
    #[inline(always)]
    fn get(&self, number: u64) -> &KeyEntry {
        let at = number as usize - (self.first as usize & !(CHUNK - 1));
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    /// The oldest entries, as far as they lie together; empty when the queue is.
    #[inline(always)]
    fn oldest(&self) -> &[KeyEntry] {
        self.chunks.front().map_or(&[], |chunk| &chunk[self.first as usize % CHUNK..])
    }

    /// Append; the entry's number is returned.
    #[inline(always)]
    fn push(&mut self, entry: KeyEntry) -> u64 {
        if (self.end as usize).is_multiple_of(CHUNK) {
            let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
            self.chunks.push_back(chunk);
        }
        self.chunks.back_mut().expect("just made when absent").push(entry);
        self.end += 1;
        self.end - 1
    }

    fn pop(&mut self) {
        self.first += 1;
        if (self.first as usize).is_multiple_of(CHUNK) {
            let mut chunk = self.chunks.pop_front().expect("the chunk of the entry");
            chunk.clear();
            self.spare.push(chunk);
        }
    }
}

/// All keys within their window.
#[derive(Default)]
pub struct Keys {
    finished: Queue,
    index: FlatIndex,
    /// When the oldest finished entry finished; MAX when there is none.
    oldest: Oldest,
}

struct Oldest(i64);

impl Default for Oldest {
    fn default() -> Self {
        Self(i64::MAX)
    }
}

#[inline(always)]
const fn hash(account: u32, low: u64) -> u64 {
    spread(low.wrapping_add((account as u64) << 32 | account as u64))
}

impl Keys {
    /// Keys that take `count` entries without growing their index.
    pub fn with_capacity(count: usize) -> Self {
        Self { index: FlatIndex::with_capacity(count), ..Self::default() }
    }

    #[inline(always)]
    pub fn prefetch(&self, account: u32, low: u64) {
        self.index.prefetch(hash(account, low));
    }

    /// As `prefetch` where `wanted` holds, without a branch on it.
    #[inline(always)]
    pub fn prefetch_if(&self, wanted: bool, account: u32, low: u64) {
        self.index.prefetch(select_unpredictable(wanted, hash(account, low), 0));
    }

    /// The entry that an index value stands for.
    #[inline]
    fn entry(&self, orders: &Orders, value: u32) -> KeyEntry {
        if value & LIVE != 0 {
            return KeyEntry::of_order(&orders[value & !LIVE]);
        }
        let ahead = value.wrapping_sub(self.finished.first as u32) & !LIVE;
        *self.finished.get(self.finished.first + u64::from(ahead))
    }

    fn find_where(
        &self,
        orders: &Orders,
        (account, low): (u32, u64),
        is_it: impl Fn(&KeyEntry) -> bool,
    ) -> Option<KeyEntry> {
        let mut found = None;
        self.index.find(hash(account, low), |value| {
            let entry = self.entry(orders, value);
            let is_it = entry.low == low && entry.account == account && is_it(&entry);
            found = is_it.then_some(entry);
            is_it
        });
        found
    }

    #[inline]
    pub fn find(&self, orders: &Orders, account: u32, low: u64, high: u64) -> Option<KeyEntry> {
        self.find_where(orders, (account, low), |entry| entry.high == high)
    }

    /// A tombstone whose low half is `low`, whatever its high half.
    pub fn find_tombstone(&self, orders: &Orders, account: u32, low: u64) -> Option<KeyEntry> {
        self.find_where(orders, (account, low), KeyEntry::is_tombstone)
    }

    /// Record the key of an order that rests in this slot.
    #[inline]
    pub fn insert_live(&mut self, order: &Order, slot: u32) {
        self.index.insert(hash(order.account, order.key_low), slot | LIVE);
    }

    /// Record an entry whose window runs from `now` on. Times come in ascending order.
    #[inline]
    pub fn insert_finished(&mut self, entry: KeyEntry, now: i64) {
        let number = self.push(KeyEntry { finished_at: now, ..entry });
        self.index.insert(hash(entry.account, entry.low), number as u32 & !LIVE);
    }

    /// The order in this slot ends: from `now` on, the window of its key runs.
    #[inline]
    pub fn finish(&mut self, order: &Order, slot: u32, now: i64) {
        let entry = KeyEntry { finished_at: now, ..KeyEntry::of_order(order) };
        let number = self.push(entry);
        let hash = hash(entry.account, entry.low);
        self.index.replace(hash, slot | LIVE, number as u32 & !LIVE);
    }

    /// Forget what finished at or before this time.
    #[inline(always)]
    pub fn forget_until(&mut self, time: i64) {
        if self.oldest.0 <= time {
            self.forget(time);
        }
    }

    fn forget(&mut self, time: i64) {
        while let [entry, after @ ..] = self.finished.oldest() {
            self.oldest.0 = entry.finished_at;
            if entry.finished_at > time {
                return;
            }
            if let Some(later) = after.get(LOOKAHEAD) {
                self.prefetch(later.account, later.low);
            }
            let hash = hash(entry.account, entry.low);
            self.index.remove(hash, self.finished.first as u32 & !LIVE);
            self.finished.pop();
        }
        self.oldest.0 = i64::MAX;
    }

    #[inline(always)]
    fn push(&mut self, entry: KeyEntry) -> u64 {
        // Times ascend, so only the first of an empty queue is older than what is known.
        self.oldest.0 = self.oldest.0.min(entry.finished_at);
        self.finished.push(entry)
    }

    /// When the oldest finished entry finished; None when there is none.
    pub fn oldest_finished_at(&self) -> Option<i64> {
        self.finished().next().map(|entry| entry.finished_at)
    }

    /// Finished entries, oldest first.
    pub fn finished(&self) -> impl Iterator<Item = &KeyEntry> {
        (self.finished.first..self.finished.end).map(|number| self.finished.get(number))
    }

    pub fn finished_count(&self) -> usize {
        (self.finished.end - self.finished.first) as usize
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
