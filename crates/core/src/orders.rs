//! The slab of live orders. A slot is recycled when its order ends; ids never are.

use crate::index::{FlatIndex, mix_sequence, prefetch_at};
use crate::wire::option;

/// "No slot", "no level", "no key".
pub const NONE: u32 = u32::MAX;

/// A live order. The first cache line is what matching touches.
#[repr(C, align(128))]
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
    /// Slot of its `Extra`, or NONE.
    pub extra: u32,
    pub side: u8,
    pub order_type: u8,
    pub time_in_force: u8,
    pub self_trade_prevention: u8,
    pub options: u8,
    /// `ICEBERG`, `TRIGGERED`.
    pub marks: u8,
    /// Index into the instrument's fee schedules.
    pub fees: u16,
    /// Sum of price * quantity over its fills, ticks * lots.
    pub filled_value: i128,
    pub created_at: i64,
    /// The key that it came with; fingerprint 0 = none.
    pub key_low: u64,
    pub key_high: u64,
    pub key_fingerprint: u64,
    /// Neighbours in the account's list, by entry.
    pub account_next: u32,
    pub account_previous: u32,
    pub session: u32,
}

const _: () = assert!(size_of::<Order>() == 128);

/// The order shows a slice of what it has.
pub const ICEBERG: u8 = 1;
/// The order waits in its instrument's queue of triggered orders.
pub const TRIGGERED: u8 = 2;

/// What few orders have, kept beside them.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// 0 = does not expire.
    pub expires_at: i64,
    pub label: u64,
    /// Largest slice of an iceberg, distance of a trailing stop; 0 = neither.
    pub display: i64,
    /// What an iceberg shows.
    pub visible: i64,
    /// Of a stop order, also when it was triggered; 0 = none.
    pub stop_price: i64,
    /// Client order id.
    pub text: Option<Box<str>>,
}

const NO_EXTRA: &Extra =
    &Extra { expires_at: 0, label: 0, display: 0, visible: 0, stop_price: 0, text: None };

impl Order {
    pub const fn filled(&self) -> i64 {
        self.quantity - self.leaves
    }

    pub const fn has_key(&self) -> bool {
        self.key_fingerprint != 0
    }

    #[inline(always)]
    pub const fn is_iceberg(&self) -> bool {
        self.marks & ICEBERG != 0
    }

    /// Does it wait for its stop price, or for its turn after that was reached?
    #[inline(always)]
    pub const fn waits(&self) -> bool {
        self.options & option::STOP != 0
    }
}

/// Live orders by slot and by id.
#[derive(Default)]
pub struct Orders {
    slots: Vec<Order>,
    free: Vec<u32>,
    by_id: FlatIndex,
    extras: Vec<Extra>,
    free_extras: Vec<u32>,
}

/// Slots fit into 31 bits.
const SLOTS_MAX: usize = (1 << 31) - 1;

/// Put a value into a free place of a slab, or at its end.
#[inline(always)]
fn occupy<T>(slots: &mut Vec<T>, free: &mut Vec<u32>, value: T) -> u32 {
    match free.pop() {
        Some(slot) => {
            slots[slot as usize] = value;
            slot
        }
        None => {
            assert!(slots.len() < SLOTS_MAX, "slab is full");
            slots.push(value);
            (slots.len() - 1) as u32
        }
    }
}

impl Orders {
    pub fn with_capacity(count: usize) -> Self {
        Self {
            slots: Vec::with_capacity(count),
            by_id: FlatIndex::with_capacity(count),
            ..Self::default()
        }
    }

    #[inline(always)]
    pub fn insert(&mut self, order: &Order, extra: Extra) -> u32 {
        let slot = occupy(&mut self.slots, &mut self.free, order.clone());
        self.by_id.insert(mix_sequence(order.id), slot);
        let numbers = extra.expires_at as u64 | extra.label;
        let is_bare = numbers == 0 && extra.text.is_none() && extra.display | extra.stop_price == 0;
        self.slots[slot as usize].extra =
            if is_bare { NONE } else { occupy(&mut self.extras, &mut self.free_extras, extra) };
        slot
    }

    #[inline]
    pub fn remove(&mut self, slot: u32) {
        let order = &mut self.slots[slot as usize];
        self.by_id.remove(mix_sequence(order.id), slot);
        order.id = 0;
        if order.extra != NONE {
            self.extras[order.extra as usize] = Extra::default();
            self.free_extras.push(order.extra);
        }
        self.free.push(slot);
    }

    #[inline(always)]
    pub fn extra(&self, order: &Order) -> &Extra {
        if order.extra == NONE { NO_EXTRA } else { &self.extras[order.extra as usize] }
    }

    #[inline]
    pub fn extra_mut(&mut self, slot: u32) -> &mut Extra {
        let extra = self.slots[slot as usize].extra;
        &mut self.extras[extra as usize]
    }

    /// Lots that an order shows on the book.
    #[inline(always)]
    pub fn visible(&self, slot: u32) -> i64 {
        let order = &self.slots[slot as usize];
        if order.is_iceberg() { self.extra(order).visible } else { order.leaves }
    }

    #[inline]
    pub fn find(&self, id: u64) -> Option<u32> {
        self.by_id.find(mix_sequence(id), |slot| self.slots[slot as usize].id == id)
    }

    #[inline(always)]
    pub fn prefetch_index(&self, id: u64) {
        self.by_id.prefetch(mix_sequence(id));
    }

    /// A slot that may be the order's, for prefetching.
    #[inline(always)]
    pub fn guess(&self, id: u64) -> u32 {
        self.by_id.guess(mix_sequence(id))
    }

    /// The order in this slot, if there is such a slot, for prefetching.
    #[inline(always)]
    pub fn get(&self, slot: u32) -> Option<&Order> {
        self.slots.get(slot as usize)
    }

    /// Ask for a part of an order: what matching and the queue of its level need.
    #[inline(always)]
    pub fn prefetch_first(&self, slot: u32) {
        prefetch_at(&self.slots, self.near(slot), 0);
    }

    /// Ask for the other part: key and neighbours in the account's list.
    #[inline(always)]
    pub fn prefetch_second(&self, slot: u32) {
        prefetch_at(&self.slots, self.near(slot), size_of::<Order>() / 2);
    }

    /// Slots beyond the slab, as NONE, are no address to look up.
    #[inline(always)]
    fn near(&self, slot: u32) -> usize {
        let slot = slot as usize;
        if slot < self.slots.len() { slot } else { 0 }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Orders of rules version 1 only showed what they named as their session.
    pub(crate) fn forget_sessions(&mut self) {
        for order in &mut self.slots {
            order.session = 0;
        }
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
