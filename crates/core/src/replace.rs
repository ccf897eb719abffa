//! REPLACE_ORDER: a smaller total keeps the place in the queue, anything else starts anew.

use crate::engine::{Done, Engine, Outcome, Reject, side_index};
use crate::iceberg::SLICES_MAX;
use crate::matching::{Finished, Taker, status_of};
use crate::orders::{NONE, Order};
use crate::place::POST_ONLY_ANY;
use crate::trading_session::gathers;
use crate::wire::*;

const CHANGES: u8 = option::PRICE | option::QUANTITY | option::STOP;

/// May a resting order become smaller in this phase, or a waiting one change?
pub(crate) const fn allows_changes(phase: u8) -> bool {
    phase == Phase::Continuous as u8 || phase == Phase::Halted as u8 || gathers(phase)
}

impl Engine {
    pub(crate) fn replace(&mut self, account: u32, c: &ReplaceOrder) -> Outcome {
        let slot = self.own_order(account, c.order_id)?;
        let order = self.orders[slot].clone();
        let instrument = &self.instruments[order.instrument as usize - 1];
        if c.instrument != order.instrument || c.definition_version != instrument.definition_version
        {
            return Err(RejectReason::StaleDefinition.into());
        }
        self.check_account_state(order.account)?;
        if self.ledger.account(order.account).guard.is_some() {
            self.check_entry(order.account, 0)?;
        }
        let changes = if self.rules_version >= 2 { CHANGES } else { CHANGES & !option::STOP };
        let stops = c.options & changes & option::STOP != 0;
        let is_of_quote = order.options & option::QUOTE != 0;
        if c.options & changes == 0 || is_of_quote || (stops && !order.waits()) {
            return Err(RejectReason::InvalidCombination.into());
        }
        let price = if c.options & option::PRICE != 0 { c.price } else { order.price };
        let total = if c.options & option::QUANTITY != 0 { c.quantity } else { order.quantity };
        if total <= 0 {
            return Err(RejectReason::InvalidQuantity.into());
        }
        if price <= 0 {
            return Err(RejectReason::InvalidPrice.into());
        }
        if total <= order.filled() {
            return Err(RejectReason::QuantityBelowFilled.into());
        }
        if order.waits() {
            self.replace_waiting(slot, order, c, total)
        } else if price == order.price && total <= order.quantity {
            self.replace_in_place(slot, &order, total)
        } else {
            self.replace_anew(slot, order, price, total)
        }
    }

    fn replace_in_place(&mut self, slot: u32, old: &Order, total: i64) -> Outcome {
        let instrument = &self.instruments[old.instrument as usize - 1];
        if !allows_changes(instrument.phase) {
            return Err(RejectReason::NotTrading.into());
        }
        instrument.check_quantity_min(total)?;
        let by = old.quantity - total;
        let before = self.orders.visible(slot);
        if by > 0 {
            self.reduce_resting(slot, by);
            self.orders[slot].quantity = total;
        }
        let finished = Finished {
            status: status_of(&self.orders[slot]),
            leaves: self.orders[slot].leaves,
            trade_count: 0,
            resting: slot,
            halts: false,
        };
        let mut event = self.replaced_event(old, old.price, total, &finished);
        event.options |= option::KEPT_PRIORITY;
        self.output.push(&event);
        if old.is_iceberg() {
            self.push_filled(slot, before, self.orders.visible(slot), 0, true);
        }
        Ok(Done::default())
    }

    fn replace_anew(&mut self, slot: u32, old: Order, price: i64, total: i64) -> Outcome {
        let mut order = self.check_replace_anew(&old, price, total)?;
        let before = self.orders.visible(slot);
        let display = self.orders.extra(&old).display;
        self.unlink_for_replace(slot);
        let accepted = self.output.push(&OrderReplaced::default());
        let shown = old.is_iceberg().then(|| self.output.push(&OrderFilled::default()));
        let (price, quantity) = (order.price, order.quantity);
        let taker = Taker {
            index: order.instrument as usize - 1,
            is_buy: order.side == Side::Buy as u8,
            limit: order.price,
            leaves: order.leaves,
            fees: order.fees,
            hold: 0,
            expires_at: 0,
            label: 0,
            display,
        };
        let finished = self.take_again(slot, &mut order, &taker);
        let event = self.replaced_event(&old, price, quantity, &finished);
        self.output.replace(accepted, &event);
        if let Some(shown) = shown {
            let as_it_is = Order { price, quantity, leaves: finished.leaves, ..order };
            let visible = display.min(finished.leaves);
            let event = OrderFilled {
                display_quantity: display,
                status: finished.status as u8,
                ..self.filled_event(&as_it_is, before, visible, 0, false)
            };
            self.output.replace(shown, &event);
        }
        if finished.halts {
            self.halt_by_band(taker.index);
        }
        Ok(Done::default())
    }

    /// The checks for an order that loses its place; what comes out may trade.
    fn check_replace_anew(&self, old: &Order, price: i64, total: i64) -> Result<Order, Reject> {
        let instrument = &self.instruments[old.instrument as usize - 1];
        let may_gather = gathers(instrument.phase) && old.options & POST_ONLY_ANY == 0;
        if !instrument.is_continuous() && !may_gather {
            return Err(RejectReason::NotTrading.into());
        }
        let is_guarded = self.ledger.account(old.account).guard.is_some();
        instrument.check_quantity_min(total)?;
        instrument.check_quantity_max(total)?;
        if is_guarded {
            self.check_account_quantity(old.account, old.instrument, total)?;
        }
        if old.is_iceberg() && total > self.orders.extra(old).display.saturating_mul(SLICES_MAX) {
            return Err(RejectReason::DisplayQuantity.into());
        }
        let mut leaves = total - old.filled();
        instrument.check_value(Some(price), leaves)?;
        if is_guarded {
            self.check_account_value(old.account, old.instrument, Some(price), leaves)?;
        }
        if price != old.price {
            instrument.check_collar(price)?;
        }
        if old.options & option::REDUCE_ONLY != 0 {
            let position = self.ledger.position(old.account, old.instrument);
            let reducible = position.reducible(old.side == Side::Sell as u8);
            leaves = leaves.min(reducible - (position.reduce_only - old.leaves));
            if leaves <= 0 {
                return Err(RejectReason::ReduceOnly.into());
            }
        } else {
            self.check_position_limit(old.account, old.instrument, old.side, leaves, old.leaves)?;
        }
        let price = instrument.post_only_price(old.side, old.options, price, leaves)?;
        let asset = instrument.paid_asset(old.side);
        let before = instrument.hold(old.side, old.price, old.leaves, old.fees);
        let required = instrument.hold(old.side, price, leaves, instrument.fees) - before;
        if required > 0 {
            self.check_funds(old.account, asset, required)?;
        }
        let quantity = old.filled() + leaves;
        Ok(Order { price, leaves, quantity, fees: instrument.fees, ..old.clone() })
    }

    /// Take the order off the book; its slot, key and text stay.
    fn unlink_for_replace(&mut self, slot: u32) {
        if self.orders[slot].options & option::REDUCE_ONLY != 0 {
            self.note_reduce_only(slot, -self.orders[slot].leaves, -1);
        }
        self.release_hold(slot);
        let (index, side) = (self.orders[slot].instrument as usize - 1, self.orders[slot].side);
        self.instruments[index].sides[side_index(side)].remove(&mut self.orders, slot);
        // It stays in the account's list; off the book, nothing that walks the list may touch it.
        self.orders[slot].level = NONE;
    }

    /// Let an order that is in the slab, but on no book, trade and rest again.
    pub(crate) fn take_again(&mut self, slot: u32, order: &mut Order, taker: &Taker) -> Finished {
        let finished = if self.instruments[taker.index].is_continuous() {
            self.take_without_resting(order, taker)
        } else {
            let (status, leaves) = (status_of(order), order.leaves);
            Finished { status, leaves, trade_count: 0, resting: NONE, halts: false }
        };
        if finished.leaves == 0 {
            self.leave_account(slot);
            self.forget_order(slot);
            return finished;
        }
        let kept = &mut self.orders[slot];
        kept.price = order.price;
        kept.leaves = order.leaves;
        kept.quantity = order.quantity;
        kept.fees = order.fees;
        kept.filled_value = order.filled_value;
        if order.is_iceberg() {
            self.orders.extra_mut(slot).visible = taker.display.min(order.leaves);
        }
        let hold = self.instruments[taker.index].hold_of(order, order.leaves);
        self.enter_book(slot, hold);
        Finished { resting: slot, ..finished }
    }

    pub(crate) fn replaced_event(
        &self,
        old: &Order,
        price: i64,
        quantity: i64,
        finished: &Finished,
    ) -> OrderReplaced {
        OrderReplaced {
            kind: EventKind::OrderReplaced as u8,
            side: old.side,
            order_type: old.order_type,
            time_in_force: old.time_in_force,
            self_trade_prevention: old.self_trade_prevention,
            options: old.options,
            status: finished.status as u8,
            sequence: self.sequence,
            account: old.account,
            instrument: old.instrument,
            order_id: old.id,
            price,
            quantity,
            leaves: finished.leaves,
            previous_price: old.price,
            previous_leaves: old.leaves,
            time_ns: self.now,
            trade_count: finished.trade_count,
            ..Default::default()
        }
    }
}
