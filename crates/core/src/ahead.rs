//! Asks for memory ahead of its use: a command touches a dozen lines that no cache holds.
//!
//! Three stages, each a few commands further ahead, since an address often stands in memory that
//! must come first: the record names account, key and order; they name levels and neighbours;
//! those name what stands around them. Nothing here changes state, and a wrong guess only costs
//! time. So the stages hardly branch on what a command is: kinds come in no order, and a
//! mispredicted branch costs more than asking for what is in the cache already.

use crate::engine::{Engine, Record, side_index};
use crate::orders::{NONE, Order};
use crate::wire::*;
use std::hint::select_unpredictable;

/// How many commands ahead each stage looks.
const FAR: usize = 12;
const MIDDLE: usize = 8;
const NEAR: usize = 4;

/// What the middle stage found, for the near one: by place, the order that a command names, or NONE.
#[derive(Default)]
pub(crate) struct Ahead([u32; MIDDLE]);

/// CANCEL_ORDER and REPLACE_ORDER begin their body with the order's id.
#[inline(always)]
pub(crate) const fn names_order(kind: u8) -> bool {
    kind == CommandKind::CancelOrder as u8 || kind == CommandKind::ReplaceOrder as u8
}

impl Engine {
    /// What the first commands of a frame need that no earlier command asked for.
    pub(crate) fn look_into(&self, records: &[Record], ahead: &mut Ahead) {
        for at in 0..FAR {
            self.look_far(records, at, at);
        }
        for at in 0..MIDDLE {
            self.look_middle(records, at, ahead);
        }
    }

    /// Ask for what the commands after this one need.
    #[inline(always)]
    pub(crate) fn look_ahead(&self, records: &[Record], at: usize, ahead: &mut Ahead) {
        self.look_near(records, at + NEAR, ahead);
        self.look_middle(records, at + MIDDLE, ahead);
        self.look_far(records, at + FAR, FAR);
    }

    /// Account, key and order index.
    #[inline(always)]
    fn look_far(&self, records: &[Record], at: usize, away: usize) {
        let Some(record) = records.get(at) else { return };
        let header = CommandHeader::from_bytes(record);
        self.ledger.prefetch(header.account);
        self.keys.prefetch_if(header.flags & record_flag::KEY != 0, header.account, header.key_low);
        // An order that is placed takes its sequence as its id.
        let placed = self.sequence.wrapping_add(1 + away as u64);
        let named = CancelOrder::from_bytes(record).order_id;
        self.orders.prefetch_index(select_unpredictable(names_order(header.kind), named, placed));
    }

    /// The order that is named; the orders behind which a new one will stand.
    #[inline(always)]
    fn look_middle(&self, records: &[Record], at: usize, ahead: &mut Ahead) {
        let Some(record) = records.get(at) else { return };
        if names_order(record[0]) {
            let slot = self.orders.guess(CancelOrder::from_bytes(record).order_id);
            self.orders.prefetch_first(slot);
            self.orders.prefetch_second(slot);
            ahead.0[at % MIDDLE] = slot;
            return;
        }
        ahead.0[at % MIDDLE] = NONE;
        let c = PlaceOrder::from_bytes(record);
        if self.ledger.exists(c.account) {
            self.orders.prefetch_second(self.ledger.account(c.account).last_order);
        }
        if let Some(instrument) = self.instruments.get(c.instrument.saturating_sub(1) as usize) {
            let side = &instrument.sides[side_index(c.side)];
            self.orders.prefetch_first(side.guess_last(c.price));
        }
    }

    /// What stands around the order that is named.
    #[inline(always)]
    fn look_near(&self, records: &[Record], at: usize, ahead: &Ahead) {
        if at < records.len()
            && let Some(order) = self.orders.get(ahead.0[at % MIDDLE])
        {
            self.keys.prefetch(order.account, order.key_low);
            self.orders.prefetch_first(order.next);
            self.orders.prefetch_first(order.previous);
            self.orders.prefetch_second(order.account_next);
            self.orders.prefetch_second(order.account_previous);
        }
    }

    /// What a match with the order that is now best needs beside it: asked for when the one before
    /// it is hit, so that a best order's surroundings are known to the caches.
    #[inline(always)]
    pub(crate) fn look_at_maker(&self, order: &Order) {
        self.ledger.prefetch(order.account);
        self.keys.prefetch(order.account, order.key_low);
        self.orders.prefetch_index(order.id);
        self.orders.prefetch_first(order.next);
    }
}
