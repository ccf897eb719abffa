//! Orders in slabs, linked into the queue of their level. Slots are used again: memory follows the
//! largest number of orders that ever rested, not the length of the input.

use super::record::Side;
use crate::index::{FlatIndex, spread};

/// No slot.
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub struct Order {
    pub id: u64,
    pub size: u32,
    pub level: u32,
    pub previous: u32,
    /// In a free slot: the next free one.
    pub next: u32,
    pub book: u32,
    /// Whether the index knows it; records of top-of-book feeds are known by their side only.
    pub is_indexed: bool,
}

#[derive(Clone, Copy)]
pub struct Level {
    pub price: i64,
    pub size: u64,
    pub head: u32,
    pub tail: u32,
    pub orders: u32,
    /// Its book and side.
    pub home: Home,
}

/// One side of one book.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Home(u32);

impl Home {
    #[inline(always)]
    pub const fn new(book: u32, side: Side) -> Self {
        Self(book << 1 | side as u32)
    }

    #[inline(always)]
    pub const fn side(self) -> Side {
        if self.0 & 1 == 0 { Side::Bid } else { Side::Ask }
    }

    /// The hash under which the index knows its level at a price.
    #[inline(always)]
    const fn hash(self, price: i64) -> u64 {
        spread(price as u64 ^ (self.0 as u64).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }
}

/// All orders and levels of all books.
pub struct Queues {
    pub orders: Vec<Order>,
    pub levels: Vec<Level>,
    free_order: u32,
    free_levels: Vec<u32>,
    /// Levels by home and price.
    level_index: FlatIndex,
    live: usize,
}

impl Default for Queues {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Queues {
    pub fn with_capacity(orders: usize) -> Self {
        Self {
            orders: Vec::with_capacity(orders),
            levels: Vec::new(),
            free_order: NONE,
            free_levels: Vec::new(),
            level_index: FlatIndex::default(),
            live: 0,
        }
    }

    /// Orders that rest.
    pub const fn live(&self) -> usize {
        self.live
    }

    #[inline(always)]
    pub fn order(&self, slot: u32) -> &Order {
        &self.orders[slot as usize]
    }

    #[inline(always)]
    pub fn order_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.orders[slot as usize]
    }

    #[inline(always)]
    pub fn level(&self, slot: u32) -> &Level {
        &self.levels[slot as usize]
    }

    #[inline(always)]
    pub fn level_mut(&mut self, slot: u32) -> &mut Level {
        &mut self.levels[slot as usize]
    }

    /// A slot for an order that is in no queue yet.
    #[inline(always)]
    pub fn new_order(&mut self, order: Order) -> u32 {
        self.live += 1;
        let slot = self.free_order;
        if slot == NONE {
            assert!(self.orders.len() < NONE as usize, "too many orders");
            self.orders.push(order);
            return (self.orders.len() - 1) as u32;
        }
        self.free_order = self.order(slot).next;
        *self.order_mut(slot) = order;
        slot
    }

    /// Give back the slot of an order that is in no queue.
    #[inline(always)]
    pub fn free_order(&mut self, slot: u32) {
        self.live -= 1;
        self.order_mut(slot).next = self.free_order;
        self.free_order = slot;
    }

    #[inline(always)]
    pub fn find_level(&self, home: Home, price: i64) -> Option<u32> {
        self.level_index.find(home.hash(price), |slot| {
            let level = self.level(slot);
            level.price == price && level.home == home
        })
    }

    /// A level where there is none yet.
    #[inline(always)]
    pub fn new_level(&mut self, home: Home, price: i64) -> u32 {
        let level = Level { price, size: 0, head: NONE, tail: NONE, orders: 0, home };
        let slot = if let Some(slot) = self.free_levels.pop() {
            *self.level_mut(slot) = level;
            slot
        } else {
            self.levels.push(level);
            (self.levels.len() - 1) as u32
        };
        self.level_index.insert(home.hash(price), slot);
        slot
    }

    /// Give back the slot of a level whose orders are gone.
    #[inline(always)]
    pub fn free_level(&mut self, slot: u32) {
        let Level { home, price, .. } = *self.level(slot);
        self.level_index.remove(home.hash(price), slot);
        self.free_levels.push(slot);
    }

    /// Put an order at the back of a level.
    #[inline(always)]
    pub fn append(&mut self, slot: u32, level_slot: u32) {
        let size = self.order(slot).size;
        let level = self.level_mut(level_slot);
        let tail = std::mem::replace(&mut level.tail, slot);
        level.size += u64::from(size);
        level.orders += 1;
        if tail == NONE {
            level.head = slot;
        } else {
            self.order_mut(tail).next = slot;
        }
        let order = self.order_mut(slot);
        (order.level, order.previous, order.next) = (level_slot, tail, NONE);
    }

    /// Take an order out of its level; whether the level is empty now.
    #[inline(always)]
    pub fn unlink(&mut self, slot: u32) -> bool {
        let Order { size, level, previous, next, .. } = *self.order(slot);
        if previous != NONE {
            self.order_mut(previous).next = next;
        }
        if next != NONE {
            self.order_mut(next).previous = previous;
        }
        let level = self.level_mut(level);
        if previous == NONE {
            level.head = next;
        }
        if next == NONE {
            level.tail = previous;
        }
        level.size -= u64::from(size);
        level.orders -= 1;
        level.orders == 0
    }

    /// Let an order keep its place with another size.
    #[inline(always)]
    pub fn resize(&mut self, slot: u32, size: u32) {
        let order = self.order_mut(slot);
        let old = std::mem::replace(&mut order.size, size);
        let level = order.level;
        let level = self.level_mut(level);
        level.size = level.size - u64::from(old) + u64::from(size);
    }

    /// Slots of a level's orders, first in the queue first.
    pub fn queue(&self, level: u32) -> impl Iterator<Item = u32> + '_ {
        let head = self.level(level).head;
        let at = |slot: u32| (slot != NONE).then_some(slot);
        std::iter::successors(at(head), move |&slot| at(self.order(slot).next))
    }

    /// Orders and size before an order in its queue. Looks both ways at once: most orders that are
    /// asked for stand near one of the ends.
    pub fn ahead(&self, slot: u32) -> (u32, u64) {
        let own = self.order(slot);
        let (mut before, mut behind) = (own.previous, own.next);
        let (mut orders, mut size_before, mut size_behind) = (0, 0, 0);
        loop {
            if before == NONE {
                return (orders, size_before);
            }
            if behind == NONE {
                let level = self.level(own.level);
                let rest = u64::from(own.size) + size_behind;
                return (level.orders - 1 - orders, level.size - rest);
            }
            let (nearer, further) = (self.order(before), self.order(behind));
            size_before += u64::from(nearer.size);
            size_behind += u64::from(further.size);
            (before, behind) = (nearer.previous, further.next);
            orders += 1;
        }
    }
}
