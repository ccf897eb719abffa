//! The records that change a book: add, cancel, modify, clear.

use super::books::{Books, hash};
use super::effect::{Effect, Kind, Place};
use super::prices::key;
use super::queue::{Home, NONE, Order};
use super::record::{PRICE_NONE, Record, Side, flag};
use super::report::Problem;

impl Books {
    /// A: to the back of its level.
    #[inline(always)]
    pub(super) fn add<const EFFECTS: bool>(
        &mut self,
        book: u32,
        record: Record<'_>,
        effect: &mut Effect,
    ) {
        let Some(side) = record.side() else {
            return self.refuse(Problem::NoSide, effect);
        };
        if record.has(flag::TOP_OF_BOOK) {
            return self.replace_side::<EFFECTS>(book, side, record, effect);
        }
        if let Some(problem) = Self::unfit(record) {
            return self.refuse(problem, effect);
        }
        let hash = hash(record.book_key(), record.order_id());
        if self.find_order(book, record.order_id(), hash).is_some() {
            return self.refuse(Problem::DuplicateOrder, effect);
        }
        let slot = self.rest(book, side, record, true);
        self.index.insert(hash, slot);
        if EFFECTS {
            effect.kind = Kind::Added;
            effect.new = self.place(slot);
        }
    }

    /// Why no order can rest with this price and size.
    #[inline(always)]
    fn unfit(record: Record<'_>) -> Option<Problem> {
        if record.price() == PRICE_NONE {
            Some(Problem::NoPrice)
        } else if record.size() == 0 {
            Some(Problem::NoSize)
        } else {
            None
        }
    }

    /// A top-of-book record: all there is on its side, or that there is nothing.
    #[cold]
    fn replace_side<const EFFECTS: bool>(
        &mut self,
        book: u32,
        side: Side,
        record: Record<'_>,
        effect: &mut Effect,
    ) {
        effect.orders_cleared += self.clear_side(book, side);
        effect.kind = Kind::Cleared;
        if record.action() == b'C' || Self::unfit(record).is_some() {
            return;
        }
        let slot = self.rest(book, side, record, false);
        if EFFECTS {
            effect.kind = Kind::Added;
            effect.new = self.place(slot);
        }
    }

    /// Put a new order at the back of its level; the index is the caller's.
    #[inline(always)]
    fn rest(&mut self, book: u32, side: Side, record: Record<'_>, is_indexed: bool) -> u32 {
        let slot = self.queues.new_order(Order {
            id: record.order_id(),
            size: record.size(),
            level: NONE,
            previous: NONE,
            next: NONE,
            book,
            is_indexed,
        });
        self.append(book, side, record.price(), slot);
        slot
    }

    #[inline(always)]
    pub(super) fn append(&mut self, book: u32, side: Side, price: i64, slot: u32) {
        let home = Home::new(book, side);
        let level = self.queues.find_level(home, price).unwrap_or_else(|| {
            let level = self.queues.new_level(home, price);
            self.books[book as usize].side_mut(side).insert(key(side, price), level);
            level
        });
        self.queues.append(slot, level);
    }

    /// Take an order out of its level, and the level out of its side when it is empty.
    #[inline(always)]
    fn unlink(&mut self, book: u32, slot: u32) {
        let level_slot = self.queues.order(slot).level;
        if self.queues.unlink(slot) {
            let level = self.queues.level(level_slot);
            let (side, price) = (level.home.side(), level.price);
            self.books[book as usize].side_mut(side).remove(key(side, price));
            self.queues.free_level(level_slot);
        }
    }

    #[inline(always)]
    fn remove(&mut self, book: u32, slot: u32, hash: u64) {
        self.unlink(book, slot);
        self.index.remove(hash, slot);
        self.queues.free_order(slot);
    }

    /// C: the whole of an order, or a part of it.
    #[inline(always)]
    pub(super) fn cancel<const EFFECTS: bool>(
        &mut self,
        book: u32,
        record: Record<'_>,
        effect: &mut Effect,
    ) {
        if record.has(flag::TOP_OF_BOOK) {
            return match record.side() {
                Some(side) => self.replace_side::<EFFECTS>(book, side, record, effect),
                None => self.refuse(Problem::NoSide, effect),
            };
        }
        let hash = hash(record.book_key(), record.order_id());
        let Some(slot) = self.find_order(book, record.order_id(), hash) else {
            return self.refuse(Problem::UnknownCancel, effect);
        };
        let (resting, size) = (self.queues.order(slot).size, record.size());
        if size == 0 {
            return self.refuse(Problem::NoSize, effect);
        }
        if EFFECTS {
            effect.old = self.place(slot);
        }
        if size < resting {
            self.queues.resize(slot, resting - size);
            if EFFECTS {
                effect.kind = Kind::Reduced;
                effect.new = self.place(slot);
            }
            return;
        }
        if size > resting {
            self.note(Problem::CancelTooLarge, effect);
        }
        if EFFECTS {
            effect.kind = Kind::Removed;
        }
        self.remove(book, slot, hash);
    }

    /// M: another price, size or side.
    #[inline(always)]
    pub(super) fn modify<const EFFECTS: bool>(
        &mut self,
        book: u32,
        record: Record<'_>,
        effect: &mut Effect,
    ) {
        if record.has(flag::TOP_OF_BOOK) {
            return self.add::<EFFECTS>(book, record, effect);
        }
        let hash = hash(record.book_key(), record.order_id());
        let Some(slot) = self.find_order(book, record.order_id(), hash) else {
            return self.modify_unknown::<EFFECTS>(book, record, effect);
        };
        if record.price() == PRICE_NONE {
            return self.refuse(Problem::NoPrice, effect);
        }
        if EFFECTS {
            effect.old = self.place(slot);
        }
        if record.size() == 0 {
            self.note(Problem::NoSize, effect);
            effect.kind = Kind::Removed;
            return self.remove(book, slot, hash);
        }
        let kind = self.change(book, slot, record);
        if EFFECTS {
            effect.kind = kind;
            effect.new = self.place(slot);
        }
    }

    /// Change a live order; whether it kept its place.
    #[inline(always)]
    fn change(&mut self, book: u32, slot: u32, record: Record<'_>) -> Kind {
        let order = *self.queues.order(slot);
        let level = self.queues.level(order.level);
        // Without a side it stays on its own.
        let side = record.side().unwrap_or(level.home.side());
        if record.price() == level.price && side == level.home.side() && record.size() <= order.size
        {
            self.queues.resize(slot, record.size());
            return Kind::ModifiedKept;
        }
        self.unlink(book, slot);
        self.queues.order_mut(slot).size = record.size();
        self.append(book, side, record.price(), slot);
        Kind::ModifiedLost
    }

    #[cold]
    fn modify_unknown<const EFFECTS: bool>(
        &mut self,
        book: u32,
        record: Record<'_>,
        effect: &mut Effect,
    ) {
        if !self.add_unknown_modifies || record.side().is_none() || Self::unfit(record).is_some() {
            return self.refuse(Problem::UnknownModify, effect);
        }
        self.add::<EFFECTS>(book, record, effect);
        self.note(Problem::UnknownModify, effect);
    }

    /// R: the side that it names, or the whole book.
    #[cold]
    pub(super) fn clear(&mut self, book: u32, record: Record<'_>, effect: &mut Effect) {
        effect.kind = Kind::Cleared;
        effect.orders_cleared += match record.side() {
            Some(side) => self.clear_side(book, side),
            None => self.clear_book(book),
        };
    }

    /// Empty a book; how many orders went.
    #[cold]
    pub(super) fn clear_book(&mut self, book: u32) -> u32 {
        Side::BOTH.map(|side| self.clear_side(book, side)).iter().sum()
    }

    fn clear_side(&mut self, book: u32, side: Side) -> u32 {
        let mut cleared = 0;
        let key = self.books[book as usize].key();
        for level in self.books[book as usize].side_mut(side).take() {
            let mut slot = self.queues.level(level).head;
            while slot != NONE {
                let order = *self.queues.order(slot);
                if order.is_indexed {
                    self.index.remove(hash(key, order.id), slot);
                }
                self.queues.free_order(slot);
                slot = order.next;
                cleared += 1;
            }
            self.queues.free_level(level);
        }
        cleared
    }

    /// Where an order stands now.
    fn place(&self, slot: u32) -> Place {
        let order = self.queues.order(slot);
        let level = self.queues.level(order.level);
        let (orders_ahead, size_ahead) = self.queues.ahead(slot);
        let (side, price, size) = (level.home.side().letter(), level.price, order.size);
        Place { side, price, size, orders_ahead, size_ahead }
    }
}
