//! All books, and the loop that applies records to them.

use super::book::Book;
use super::effect::{EFFECT_BYTES, Effect, Kind};
use super::queue::Queues;
use super::record::{RECORD_BYTES, Record, book_key, flag};
use super::report::{Counts, Problem, action_place};
use crate::index::{FlatIndex, mix, prefetch_at, spread};

/// How many records ahead the index is asked for, and then the order that it names: far enough
/// for the memory to answer, near enough for the answers to stay in the nearest cache.
const INDEX_AHEAD: usize = 12;
const ORDER_AHEAD: usize = 6;
/// No book has this key: a publisher has 16 bits.
const NO_KEY: u64 = u64::MAX;

/// Books of any number of instruments and publishers.
pub struct Books {
    pub(super) index: FlatIndex,
    pub(super) queues: Queues,
    pub(super) books: Vec<Book>,
    by_key: FlatIndex,
    /// The book of the last record, by key: records of one book come in runs.
    recent: (u64, u32),
    pub(super) counts: Counts,
    pub(super) add_unknown_modifies: bool,
}

/// What one call applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub records: u64,
    pub events: u64,
    pub mistakes: u64,
}

impl Applied {
    /// Count another call's records too.
    pub const fn add(&mut self, other: Self) {
        self.records += other.records;
        self.events += other.events;
        self.mistakes += other.mistakes;
    }
}

/// The hash under which the index knows an order.
#[inline(always)]
pub(super) const fn hash(book_key: u64, order_id: u64) -> u64 {
    spread(order_id ^ book_key.wrapping_mul(0xd6e8_feb8_6659_fd93))
}

impl Books {
    /// Empty books.
    ///
    /// `add_unknown_modifies`: a change of an order that was never seen adds it (at the back of its
    /// level), as a recording that starts in mid-session needs; else it changes nothing. It counts
    /// as a mistake either way.
    pub fn new(add_unknown_modifies: bool) -> Self {
        Self::with_capacity(add_unknown_modifies, 0)
    }

    pub(super) fn with_capacity(add_unknown_modifies: bool, orders: usize) -> Self {
        Self {
            index: FlatIndex::with_capacity(orders),
            queues: Queues::with_capacity(orders),
            books: Vec::new(),
            by_key: FlatIndex::default(),
            recent: (NO_KEY, 0),
            counts: Counts::default(),
            add_unknown_modifies,
        }
    }

    /// Apply records in order.
    pub fn apply(&mut self, records: &[[u8; RECORD_BYTES]]) -> Applied {
        self.run(records, |books, record| {
            books.step::<false>(record, &mut Effect::default());
        })
    }

    /// Apply records in order and say what each of them did.
    pub fn apply_with_effects(
        &mut self,
        records: &[[u8; RECORD_BYTES]],
    ) -> (Applied, Vec<[u8; EFFECT_BYTES]>) {
        let mut effects = Vec::with_capacity(records.len());
        let applied = self.run(records, |books, record| {
            let mut effect = Effect::default();
            books.step::<true>(record, &mut effect);
            effects.push(effect.to_bytes());
        });
        (applied, effects)
    }

    /// What follows comes from another source: a snapshot that it begins with is a new one.
    pub fn start_source(&mut self) {
        for book in &mut self.books {
            book.in_snapshot = false;
        }
    }

    #[inline(always)]
    pub(super) fn run(
        &mut self,
        records: &[[u8; RECORD_BYTES]],
        mut each: impl FnMut(&mut Self, Record<'_>),
    ) -> Applied {
        let (events, mistakes) = (self.counts.events, self.counts.mistakes());
        for (at, bytes) in records.iter().enumerate() {
            if let Some(ahead) = records.get(at + INDEX_AHEAD) {
                let ahead = Record(ahead);
                self.index.prefetch(hash(ahead.book_key(), ahead.order_id()));
                let near = Record(&records[at + ORDER_AHEAD]);
                let slot = self.index.guess(hash(near.book_key(), near.order_id()));
                prefetch_at(&self.queues.orders, slot as usize, 0);
            }
            each(self, Record(bytes));
        }
        Applied {
            records: records.len() as u64,
            events: self.counts.events - events,
            mistakes: self.counts.mistakes() - mistakes,
        }
    }

    /// Apply one record; the book whose event it ended.
    #[inline(always)]
    pub(super) fn step<const EFFECTS: bool>(
        &mut self,
        record: Record<'_>,
        effect: &mut Effect,
    ) -> Option<u32> {
        self.counts.records += 1;
        if !record.is_mbo() {
            self.refuse(Problem::NotMbo, effect);
            return None;
        }
        let at = self.book_of(record);
        let action = record.action();
        self.counts.actions[action_place(action)] += 1;
        let is_snapshot = record.has(flag::SNAPSHOT);
        let book = &mut self.books[at as usize];
        book.in_event = true;
        if is_snapshot != book.in_snapshot {
            book.in_snapshot = is_snapshot;
            if is_snapshot {
                effect.orders_cleared = self.clear_book(at);
            }
        }
        match action {
            b'A' => self.add::<EFFECTS>(at, record, effect),
            b'C' => self.cancel::<EFFECTS>(at, record, effect),
            b'M' => self.modify::<EFFECTS>(at, record, effect),
            b'R' => self.clear(at, record, effect),
            b'T' => self.books[at as usize].has_traded = true,
            b'F' | b'N' => {}
            _ => self.refuse(Problem::UnknownAction, effect),
        }
        if !record.has(flag::LAST) {
            return None;
        }
        self.counts.events += 1;
        self.books[at as usize].end_event(record.ts_event());
        Some(at)
    }

    /// Count what is wrong with a record that changes nothing.
    #[cold]
    pub(super) fn refuse(&mut self, problem: Problem, effect: &mut Effect) {
        effect.kind = Kind::Error;
        self.note(problem, effect);
    }

    /// Count what is wrong with a record.
    pub(super) fn note(&mut self, problem: Problem, effect: &mut Effect) {
        self.counts.problems[problem as usize] += 1;
        effect.problem = Some(problem);
    }

    /// The book of a record, made when it is the first one.
    #[inline(always)]
    fn book_of(&mut self, record: Record<'_>) -> u32 {
        let key = record.book_key();
        if self.recent.0 != key {
            let at = self.find_book(record.publisher(), record.instrument());
            let at = at.unwrap_or_else(|| {
                self.push_book(Book::new(record.publisher(), record.instrument()))
            });
            self.recent = (key, at);
        }
        self.recent.1
    }

    pub(super) fn push_book(&mut self, book: Book) -> u32 {
        let at = u32::try_from(self.books.len()).expect("books are counted in 32 bits");
        self.by_key.insert(mix(book_key(book.publisher, book.instrument)), at);
        self.books.push(book);
        at
    }

    /// Where this book is.
    pub(super) fn find_book(&self, publisher: u16, instrument: u32) -> Option<u32> {
        self.by_key.find(mix(book_key(publisher, instrument)), |at| {
            let book = &self.books[at as usize];
            (book.publisher, book.instrument) == (publisher, instrument)
        })
    }

    /// The slot of a live order.
    #[inline(always)]
    pub(super) fn find_order(&self, book: u32, id: u64, hash: u64) -> Option<u32> {
        self.index.find(hash, |slot| {
            let order = self.queues.order(slot);
            order.id == id && order.book == book
        })
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Orders that rest, in all books.
    pub const fn live_orders(&self) -> usize {
        self.queues.live()
    }

    /// Orders that ever rested at once since the books were made or loaded: what memory follows.
    pub fn live_orders_max(&self) -> usize {
        self.queues.orders.len()
    }
}
