//! Questions about the books. They hold in the middle of an event too, but then show what the
//! venue never did.

use super::book::{Best, Book, Top};
use super::books::{Books, hash};
use super::prices::key;
use super::queue::Home;
use super::record::{Side, book_key};
use super::report::CrossedPhase;
use std::collections::BTreeMap;

/// A live order and its place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    pub id: u64,
    pub side: Side,
    pub price: i64,
    pub size: u32,
    pub orders_ahead: u32,
    pub size_ahead: u64,
}

/// One level and its orders (id, size), first in the queue first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelView {
    pub price: i64,
    pub size: u64,
    pub orders: Vec<(u64, u32)>,
}

impl Books {
    /// Publisher and instrument of every book that a record named, in ascending order.
    pub fn keys(&self) -> Vec<(u16, u32)> {
        let mut keys: Vec<_> = self.books.iter().map(|b| (b.publisher, b.instrument)).collect();
        keys.sort_unstable();
        keys
    }

    fn book(&self, publisher: u16, instrument: u32) -> Option<&Book> {
        Some(&self.books[self.find_book(publisher, instrument)? as usize])
    }

    /// Books of an instrument, by any publisher.
    fn books_of(&self, instrument: u32) -> impl Iterator<Item = &Book> {
        self.books.iter().filter(move |book| book.instrument == instrument)
    }

    /// Best bid and offer of one book; empty for a book that nothing named.
    pub fn best(&self, publisher: u16, instrument: u32) -> Best {
        self.book(publisher, instrument).map_or_else(Best::default, |book| book.best(&self.queues))
    }

    /// Best bid and offer over all publishers of an instrument.
    pub fn best_of_all(&self, instrument: u32) -> Best {
        let [bid, ask] =
            Side::BOTH.map(|side| self.levels_of_all(instrument, side, 1).first().copied());
        Best { bid, ask, in_event: self.books_of(instrument).any(|book| book.in_event) }
    }

    /// The best `count` levels of a side, best first.
    pub fn levels(&self, publisher: u16, instrument: u32, side: Side, count: usize) -> Vec<Top> {
        let book = self.book(publisher, instrument);
        book.map_or_else(Vec::new, |book| self.levels_in(book, side).take(count).collect())
    }

    fn levels_in<'a>(&'a self, book: &'a Book, side: Side) -> impl Iterator<Item = Top> + 'a {
        book.side(side).iter().map(|level| {
            let level = self.queues.level(level);
            (level.price, level.size, level.orders)
        })
    }

    /// The best `count` levels of a side over all publishers of an instrument, best first.
    pub fn levels_of_all(&self, instrument: u32, side: Side, count: usize) -> Vec<Top> {
        let mut sums: BTreeMap<i64, Top> = BTreeMap::new();
        // A level beyond a book's own best `count` is beyond the best `count` of all.
        for book in self.books_of(instrument) {
            for (price, size, orders) in self.levels_in(book, side).take(count) {
                let sum = sums.entry(key(side, price)).or_insert((price, 0, 0));
                (sum.1, sum.2) = (sum.1 + size, sum.2 + orders);
            }
        }
        sums.into_values().rev().take(count).collect()
    }

    /// One level with its orders.
    pub fn level(
        &self,
        publisher: u16,
        instrument: u32,
        side: Side,
        price: i64,
    ) -> Option<LevelView> {
        let home = Home::new(self.find_book(publisher, instrument)?, side);
        let slot = self.queues.find_level(home, price)?;
        let orders = self.queues.queue(slot).map(|order| self.queues.order(order));
        let orders = orders.map(|order| (order.id, order.size)).collect();
        Some(LevelView { price, size: self.queues.level(slot).size, orders })
    }

    /// One live order. Orders of top-of-book records are not found: such feeds name no orders.
    pub fn order(&self, publisher: u16, instrument: u32, id: u64) -> Option<OrderView> {
        let book = self.find_book(publisher, instrument)?;
        let slot = self.find_order(book, id, hash(book_key(publisher, instrument), id))?;
        let order = self.queues.order(slot);
        let level = self.queues.level(order.level);
        let (orders_ahead, size_ahead) = self.queues.ahead(slot);
        let (side, price, size) = (level.home.side(), level.price, order.size);
        Some(OrderView { id, side, price, size, orders_ahead, size_ahead })
    }

    /// Orders of one side and levels of it.
    pub fn size_of_side(&self, publisher: u16, instrument: u32, side: Side) -> (u64, u64) {
        self.book(publisher, instrument).map_or((0, 0), |book| {
            let orders = self.levels_in(book, side).map(|(_, _, orders)| u64::from(orders));
            (orders.sum(), book.side(side).len() as u64)
        })
    }

    /// Events after which a book was crossed: before its first trade, and from then on.
    pub fn crossed(&self, publisher: u16, instrument: u32) -> [CrossedPhase; 2] {
        self.book(publisher, instrument).map_or_else(Default::default, |book| book.crossed)
    }
}
