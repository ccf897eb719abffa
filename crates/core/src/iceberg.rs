//! Icebergs: orders that show a slice of what they have (rulebook section 14).

use crate::engine::{Engine, side_index};
use crate::orders::{ICEBERG, Order};
use crate::place::may_rest;
use crate::wire::*;

/// Slices that an iceberg's total may make at most: bounds the trades that one order can cause.
pub(crate) const SLICES_MAX: i64 = 1000;

impl Engine {
    /// Fill a resting iceberg; when its slice is gone, the next one goes to the back. With its event.
    pub(crate) fn fill_iceberg(&mut self, slot: u32, quantity: i64, trade_id: u64) {
        let before = self.orders.visible(slot);
        let order = &self.orders[slot];
        let side_of = (order.instrument as usize - 1, side_index(order.side));
        let leaves = order.leaves - quantity;
        let visible = before - quantity;
        let display = self.orders.extra(order).display;
        let side = &mut self.instruments[side_of.0].sides[side_of.1];
        if visible > 0 {
            side.reduce_iceberg(&mut self.orders, slot, quantity, visible);
            self.push_filled(slot, before, visible, trade_id, true);
            return;
        }
        side.remove(&mut self.orders, slot);
        self.orders[slot].leaves = leaves;
        if leaves == 0 {
            self.push_filled(slot, before, 0, trade_id, true);
            self.leave_account(slot);
            self.forget_order(slot);
            return;
        }
        let next = display.min(leaves);
        self.orders.extra_mut(slot).visible = next;
        self.instruments[side_of.0].sides[side_of.1].push(&mut self.orders, slot);
        self.push_filled(slot, before, next, trade_id, false);
    }

    /// ORDER_FILLED of a resting order as it now stands.
    pub(crate) fn push_filled(
        &mut self,
        slot: u32,
        before: i64,
        visible: i64,
        trade_id: u64,
        keeps_place: bool,
    ) {
        let event = self.filled_event(&self.orders[slot], before, visible, trade_id, keeps_place);
        self.output.push(&event);
    }

    pub(crate) fn filled_event(
        &self,
        order: &Order,
        before: i64,
        visible: i64,
        trade_id: u64,
        keeps_place: bool,
    ) -> OrderFilled {
        let display = if order.is_iceberg() { self.orders.extra(order).display } else { 0 };
        let status = match (order.leaves, order.filled()) {
            (0, _) => OrderStatus::Filled,
            (_, 0) => OrderStatus::New,
            _ => OrderStatus::PartiallyFilled,
        };
        OrderFilled {
            kind: EventKind::OrderFilled as u8,
            flags: 0,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.self_trade_prevention,
            options: order.options | if keeps_place { option::KEPT_PRIORITY } else { 0 },
            status: status as u8,
            sequence: self.sequence,
            account: order.account,
            instrument: order.instrument,
            order_id: order.id,
            price: order.price,
            quantity: order.quantity,
            leaves: order.leaves,
            visible,
            visible_before: before,
            trade_id,
            time_ns: self.now,
            display_quantity: display,
        }
    }
}

/// Rule 4.7 for `display_quantity`: only what rests can be shown in part.
pub(crate) const fn may_be_iceberg(c: &PlaceOrder) -> bool {
    c.display_quantity > 0 && c.order_type == OrderType::Limit as u8 && may_rest(c.time_in_force)
}

/// What `Order::marks` is for an order of this display quantity.
#[inline(always)]
pub(crate) const fn marks_of(display_quantity: i64) -> u8 {
    if display_quantity > 0 { ICEBERG } else { 0 }
}
