//! Asks for memory ahead of its use: a command touches a dozen lines that no cache holds.
//!
//! Three stages, each a few commands further ahead, since an address often stands in memory that
//! must come first: the record names account, key and order; they name levels and neighbours;
//! those name the counterparty. Nothing here changes state, and a wrong guess only costs time.

use crate::engine::{Engine, side_index};
use crate::index::prefetch;
use crate::orders::{NONE, Order};
use crate::wire::*;

/// How many commands ahead each stage looks.
const FAR: usize = 12;
const MIDDLE: usize = 8;
const NEAR: usize = 4;

/// The records of a frame, by place.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a>(pub &'a [u8]);

impl<'a> Records<'a> {
    #[inline(always)]
    pub fn get(self, at: usize) -> Option<&'a [u8]> {
        let start = at * RECORD_BYTES;
        self.0.get(start..start + RECORD_BYTES)
    }
}

/// CANCEL_ORDER and REPLACE_ORDER begin their body with the order's id.
#[inline(always)]
pub(crate) const fn names_order(kind: u8) -> bool {
    kind == CommandKind::CancelOrder as u8 || kind == CommandKind::ReplaceOrder as u8
}

#[inline(always)]
const fn places(kind: u8) -> bool {
    kind == CommandKind::PlaceOrder as u8
}

impl Engine {
    /// What the first commands of a frame need that no earlier command asked for.
    pub(crate) fn look_into(&self, records: Records<'_>) {
        for at in 0..FAR {
            self.look_far(records, at);
        }
        for at in 0..MIDDLE {
            self.look_middle(records, at);
        }
    }

    /// Ask for what the commands after this one need.
    #[inline(always)]
    pub(crate) fn look_ahead(&self, records: Records<'_>, at: usize) {
        self.orders.prefetch_index(self.sequence + FAR as u64);
        self.look_far(records, at + FAR);
        self.look_middle(records, at + MIDDLE);
        self.look_near(records, at + NEAR);
    }

    /// Account, key and order index; a new order takes its sequence as its id.
    #[inline(always)]
    fn look_far(&self, records: Records<'_>, at: usize) {
        let Some(record) = records.get(at) else { return };
        let header = CommandHeader::from_bytes(record);
        if self.ledger.exists(header.account) {
            self.ledger.account(header.account).prefetch();
        }
        if header.flags & record_flag::KEY != 0 {
            self.keys.prefetch(header.account, header.key_low);
        }
        if names_order(header.kind) {
            self.orders.prefetch_index(CancelOrder::from_bytes(record).order_id);
        }
    }

    /// The order that is named; the orders beside which a new one will stand, or that it hits.
    #[inline(always)]
    fn look_middle(&self, records: Records<'_>, at: usize) {
        let Some(record) = records.get(at) else { return };
        if names_order(record[0]) {
            self.orders.prefetch_order(CancelOrder::from_bytes(record).order_id);
        } else if places(record[0]) {
            self.look_at_place(&PlaceOrder::from_bytes(record));
        }
    }

    #[inline(always)]
    fn look_at_place(&self, c: &PlaceOrder) {
        if self.ledger.exists(c.account) {
            let last = self.ledger.account(c.account).last_order;
            if last != NONE {
                prefetch(&self.orders[last].account_next);
            }
        }
        let Some(instrument) = self.instruments.get((c.instrument as usize).wrapping_sub(1)) else {
            return;
        };
        let side = side_index(c.side);
        if let Some(best) = instrument.sides[1 - side].best()
            && instrument.sides[1 - side].at_least_as_good(best.price, c.price)
        {
            self.orders[best.head].prefetch();
        } else if let Some(level) = instrument.sides[side].level_at(c.price) {
            prefetch(&self.orders[level.tail].next);
        }
    }

    /// The neighbours and the key of the order that is named; the account of one that is hit.
    #[inline(always)]
    fn look_near(&self, records: Records<'_>, at: usize) {
        let Some(record) = records.get(at) else { return };
        if names_order(record[0]) {
            if let Some(order) = self.orders.guess(CancelOrder::from_bytes(record).order_id) {
                self.look_around(order);
            }
        } else if places(record[0]) {
            let c = PlaceOrder::from_bytes(record);
            let instrument = self.instruments.get((c.instrument as usize).wrapping_sub(1));
            let opposite = instrument.map(|i| &i.sides[1 - side_index(c.side)]);
            if let Some(opposite) = opposite
                && let Some(best) = opposite.best()
                && opposite.at_least_as_good(best.price, c.price)
            {
                self.look_at_maker(&self.orders[best.head]);
            }
        }
    }

    #[inline(always)]
    fn look_around(&self, order: &Order) {
        for neighbour in [order.next, order.previous] {
            if neighbour != NONE {
                prefetch(&self.orders[neighbour].next);
            }
        }
        for neighbour in [order.account_next, order.account_previous] {
            if neighbour != NONE {
                prefetch(&self.orders[neighbour].account_next);
            }
        }
        self.keys.prefetch(order.account, order.key_low);
    }

    /// A maker that is about to be hit, and the one after it.
    #[inline(always)]
    pub(crate) fn look_at_maker(&self, maker: &Order) {
        self.ledger.account(maker.account).prefetch();
        self.keys.prefetch(maker.account, maker.key_low);
        self.orders.prefetch_index(maker.id);
        if maker.next != NONE {
            self.orders[maker.next].prefetch();
        }
    }
}
