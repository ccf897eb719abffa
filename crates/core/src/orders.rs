//! The slab of live orders. A slot is recycled when its order ends; ids never are.

use crate::index::{FlatIndex, mix, prefetch};

/// "No slot", "no level", "no key".
pub const NONE: u32 = u32::MAX;

/// A live order. The first cache line is what matching touches.
#[repr(C, align(64))]
#[derive(Clone, Debug, Default)]
pub struct Order {
    pub id: u64,
    pub price: i64,
    pub leaves: i64,
    /// Total: filled + leaves.
    pub quantity: i64,
    pub account: u32,
    pub instrument: u32,
    /// Neighbours in the queue of its level.
    pub next: u32,
    pub previous: u32,
    pub level: u32,
    /// Slot in the key table, or NONE.
    pub key: u32,
    pub side: u8,
    pub order_type: u8,
    pub time_in_force: u8,
    pub self_trade_prevention: u8,
    pub options: u8,
    /// Index into the instrument's fee schedules.
    pub fees: u16,
    /// Sum of price * quantity over its fills, ticks * lots.
    pub filled_value: i128,
    pub expires_at: i64,
    pub created_at: i64,
    pub label: u64,
    /// Neighbours in the account's list, by entry.
    pub account_next: u32,
    pub account_previous: u32,
    /// Slot in the text table, or NONE.
    pub text: u32,
    pub session: u32,
}

const _: () = assert!(size_of::<Order>() == 128);

impl Order {
    pub const fn filled(&self) -> i64 {
        self.quantity - self.leaves
    }
}

/// Live orders by slot and by id.
#[derive(Default)]
pub struct Orders {
    slots: Vec<Order>,
    free: Vec<u32>,
    by_id: FlatIndex,
}

impl Orders {
    pub fn with_capacity(count: usize) -> Self {
        Self {
            slots: Vec::with_capacity(count),
            free: Vec::new(),
            by_id: FlatIndex::with_capacity(count),
        }
    }

    #[inline]
    pub fn insert(&mut self, order: Order) -> u32 {
        let hash = mix(order.id);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = order;
                slot
            }
            None => {
                assert!(self.slots.len() < NONE as usize, "order slab is full");
                self.slots.push(order);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_id.insert(hash, slot);
        slot
    }

    #[inline]
    pub fn remove(&mut self, slot: u32) {
        let id = self.slots[slot as usize].id;
        self.by_id.remove(mix(id), slot);
        self.slots[slot as usize].id = 0;
        self.free.push(slot);
    }

    #[inline]
    pub fn find(&self, id: u64) -> Option<u32> {
        self.by_id.find(mix(id), |slot| self.slots[slot as usize].id == id)
    }

    #[inline(always)]
    pub fn prefetch_index(&self, id: u64) {
        self.by_id.prefetch(mix(id));
    }

    /// The order's slot if the index says so at first sight, its memory asked for.
    #[inline]
    pub fn prefetch_order(&self, id: u64) -> Option<&Order> {
        let order = &self.slots[self.by_id.guess(mix(id))? as usize];
        prefetch(order);
        prefetch(&order.filled_value);
        Some(order)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Live orders in slot order (not a meaningful order).
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Order)> {
        self.slots.iter().enumerate().filter(|(_, o)| o.id != 0).map(|(i, o)| (i as u32, o))
    }
}

impl std::ops::Index<u32> for Orders {
    type Output = Order;
    #[inline(always)]
    fn index(&self, slot: u32) -> &Order {
        &self.slots[slot as usize]
    }
}

impl std::ops::IndexMut<u32> for Orders {
    #[inline(always)]
    fn index_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.slots[slot as usize]
    }
}

/// Client order ids of live orders, kept once beside the records.
#[derive(Default)]
pub struct Texts {
    slots: Vec<Box<str>>,
    free: Vec<u32>,
}

impl Texts {
    pub fn insert(&mut self, text: &str) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = text.into();
                slot
            }
            None => {
                self.slots.push(text.into());
                (self.slots.len() - 1) as u32
            }
        }
    }

    pub fn get(&self, slot: u32) -> Option<&str> {
        (slot != NONE).then(|| &*self.slots[slot as usize])
    }

    pub fn remove(&mut self, slot: u32) {
        if slot != NONE {
            self.slots[slot as usize] = "".into();
            self.free.push(slot);
        }
    }
}
