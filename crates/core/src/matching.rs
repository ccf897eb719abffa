//! Matching: a taker against the opposite side, price then time (rulebook sections 5, 6 and 8).

use crate::account::buy_mask;
use crate::engine::{Engine, cancelled_event, side_index};
use crate::ledger::{Hold, Settlement, fee};
use crate::orders::{Extra, NONE, Order};
use crate::place::may_rest;
use crate::wire::*;

/// What the checks found out about an order that may now trade.
pub(crate) struct Taker {
    /// Instrument index.
    pub index: usize,
    pub is_buy: bool,
    /// Worst price it trades at.
    pub limit: i64,
    pub leaves: i64,
    /// Fee schedule.
    pub fees: u16,
    /// What it sets aside if it rests before it traded.
    pub hold: i64,
    pub expires_at: i64,
    /// Of its client order id, when that is not its key.
    pub label: u64,
    /// Largest slice of an iceberg, else 0.
    pub display: i64,
}

/// How an incoming order ended its command.
pub(crate) struct Finished {
    pub status: OrderStatus,
    pub leaves: i64,
    pub trade_count: u32,
    /// Slot of the order if it rests, else NONE.
    pub resting: u32,
    /// It met a price outside the band: the instrument halts once its events are told.
    pub halts: bool,
}

impl Finished {
    pub(crate) const fn gone(status: OrderStatus, trade_count: u32) -> Self {
        Self { status, leaves: 0, trade_count, resting: NONE, halts: false }
    }
}

/// Is it one whose price is its limit, rather than a bound on what the market may cost?
#[inline(always)]
pub(crate) const fn is_limit(order_type: u8) -> bool {
    const LIMITS: u32 = 1 << OrderType::Limit as u32 | 1 << OrderType::StopLimit as u32;
    LIMITS >> (order_type & 31) & 1 != 0
}

/// May what remains of this taker stand on the book?
#[inline(always)]
const fn rests(order: &Order) -> bool {
    may_rest(order.time_in_force) && is_limit(order.order_type)
}

/// Options of orders that others depend on.
pub(crate) const LINKED: u8 = option::REDUCE_ONLY | option::QUOTE;

/// Why the taker stopped while it still had leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    NothingAtItsPrice,
    SelfTrade,
}

struct Sweep {
    trade_count: u32,
    stop: Stop,
    /// Price of the first trade.
    first_price: i64,
}

pub(crate) const CANCEL_TAKER: u8 = SelfTradePrevention::CancelTaker as u8;
pub(crate) const CANCEL_MAKER: u8 = SelfTradePrevention::CancelMaker as u8;
pub(crate) const CANCEL_BOTH: u8 = SelfTradePrevention::CancelBoth as u8;
pub(crate) const DECREMENT: u8 = SelfTradePrevention::Decrement as u8;

impl Engine {
    /// Let an incoming order trade; rest, cancel or finish what remains of it.
    ///
    /// `order` is not in the slab yet; `text` is its client order id.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        order: &mut Order,
        taker: &Taker,
        text: Option<&str>,
    ) -> Finished {
        let mut finished = if self.meets_nothing(order, taker) {
            let (status, leaves) = (OrderStatus::New, order.leaves);
            Finished { status, leaves, trade_count: 0, resting: NONE, halts: false }
        } else {
            self.take_without_resting(order, taker)
        };
        if finished.leaves > 0 {
            let instrument = &self.instruments[taker.index];
            let hold = if order.leaves == taker.leaves {
                let asset = instrument.paid_asset(order.side);
                Hold { asset, amount: taker.hold, side: order.side, lots: order.leaves }
            } else {
                instrument.hold_of(order, order.leaves)
            };
            let text = text.map(Into::into);
            let extra = Extra {
                expires_at: taker.expires_at,
                label: taker.label,
                display: taker.display,
                visible: taker.display.min(order.leaves),
                text,
                ..Extra::default()
            };
            finished.resting = self.rest(order, extra, hold);
        }
        finished
    }

    /// Will all of the order rest at once?
    #[inline(always)]
    fn meets_nothing(&self, order: &Order, taker: &Taker) -> bool {
        let instrument = &self.instruments[taker.index];
        let opposite = &instrument.sides[taker.is_buy as usize];
        let is_met =
            opposite.best().is_some_and(|best| opposite.at_least_as_good(best.price, taker.limit));
        !(is_met && instrument.is_continuous()) && may_rest(order.time_in_force)
    }

    /// `take` up to the point where what remains would rest.
    #[inline]
    pub(crate) fn take_without_resting(&mut self, order: &mut Order, taker: &Taker) -> Finished {
        let opposite_was_empty =
            self.instruments[taker.index].sides[taker.is_buy as usize].best().is_none();
        let limit = self.instruments[taker.index].within_band(taker.is_buy, taker.limit);
        let is_fok = order.time_in_force == TimeInForce::Fok as u8;
        if is_fok && !self.could_fill(order, taker.index, limit) {
            return self.end_unfilled(order, CloseReason::FokUnfillable, 0);
        }
        let sweep = self.sweep(order, limit);
        if sweep.trade_count > 0 && self.instruments[taker.index].minds_trades() {
            self.after_trades(taker.index, sweep.first_price);
        }
        if order.leaves == 0 {
            // Self-trade prevention may have taken the last of it: then its total fell as well.
            let status = if sweep.stop == Stop::SelfTrade {
                OrderStatus::Cancelled
            } else {
                OrderStatus::Filled
            };
            return Finished::gone(status, sweep.trade_count);
        }
        if sweep.stop == Stop::SelfTrade {
            return self.end_unfilled(order, CloseReason::SelfTrade, sweep.trade_count);
        }
        let halts = limit != taker.limit && self.reaches_best(taker);
        if !rests(order) {
            let reason = if halts {
                CloseReason::Halted
            } else if is_limit(order.order_type) {
                CloseReason::IocRemainder
            } else if opposite_was_empty {
                CloseReason::NoLiquidity
            } else {
                CloseReason::MarketRemainder
            };
            return Finished { halts, ..self.end_unfilled(order, reason, sweep.trade_count) };
        }
        let (status, leaves) = (status_of(order), order.leaves);
        Finished { status, leaves, trade_count: sweep.trade_count, resting: NONE, halts }
    }

    /// Is the best opposite order inside the taker's own limit?
    fn reaches_best(&self, taker: &Taker) -> bool {
        let opposite = &self.instruments[taker.index].sides[taker.is_buy as usize];
        opposite.best().is_some_and(|best| opposite.at_least_as_good(best.price, taker.limit))
    }

    fn end_unfilled(&mut self, order: &Order, reason: CloseReason, trade_count: u32) -> Finished {
        let status = OrderStatus::Cancelled;
        let event = cancelled_event(self.sequence, self.now, order, order.leaves, status, reason);
        self.output.push(&event);
        Finished::gone(status, trade_count)
    }

    /// Put an order on the book, at the end of its price's queue.
    #[inline(always)]
    fn rest(&mut self, order: &Order, extra: Extra, hold: Hold) -> u32 {
        let slot = self.list(order, extra);
        self.enter_book(slot, hold);
        slot
    }

    /// Make a live order of it: slab, expiry, the account's list. Neither hold nor queue.
    #[inline(always)]
    pub(crate) fn list(&mut self, order: &Order, extra: Extra) -> u32 {
        if extra.expires_at != 0 {
            self.expiries.insert((extra.expires_at, order.id));
            self.next_due = self.next_due.min(extra.expires_at);
        }
        let slot = self.orders.insert(order, extra);
        let entry = self.ledger.account_mut(order.account);
        let previous = std::mem::replace(&mut entry.last_order, slot);
        entry.open_orders += 1;
        match previous {
            NONE => entry.first_order = slot,
            _ => self.orders[previous].account_next = slot,
        }
        let kept = &mut self.orders[slot];
        (kept.account_previous, kept.account_next) = (previous, NONE);
        slot
    }

    /// Hold, queue and reduce-only count of an order that is in the slab.
    #[inline]
    pub(crate) fn enter_book(&mut self, slot: u32, hold: Hold) {
        let order = &self.orders[slot];
        self.ledger.change_hold(order.account, order.instrument, hold);
        let side = side_index(order.side);
        let is_reduce_only = order.options & option::REDUCE_ONLY != 0;
        let instrument = &mut self.instruments[order.instrument as usize - 1];
        instrument.sides[side].push(&mut self.orders, slot);
        if is_reduce_only {
            self.note_reduce_only(slot, self.orders[slot].leaves, 1);
        }
    }

    /// Keep the sums that make reduce-only orders cheap when there are none.
    pub(crate) fn note_reduce_only(&mut self, slot: u32, lots: i64, orders: i32) {
        let order = &self.orders[slot];
        let (account, instrument, side) = (order.account, order.instrument, order.side);
        self.ledger.position_mut(account, instrument).reduce_only += lots;
        let side = &mut self.instruments[instrument as usize - 1].sides[side_index(side)];
        side.reduce_only_orders = side.reduce_only_orders.strict_add_signed(orders);
    }

    #[inline]
    fn sweep(&mut self, taker: &mut Order, limit: i64) -> Sweep {
        let index = taker.instrument as usize - 1;
        let is_buy = taker.side == Side::Buy as u8;
        let prevention = taker.self_trade_prevention;
        let mut trade_count = 0;
        let mut first_price = 0;
        while taker.leaves > 0 {
            let Some(level) = self.instruments[index].sides[is_buy as usize].best() else { break };
            if (is_buy && level.price > limit) || (!is_buy && level.price < limit) {
                break;
            }
            let (maker, price) = (level.head, level.price);
            if self.orders[maker].account == taker.account && prevention != 0 {
                if self.prevent_self_trade(taker, maker) {
                    return Sweep { trade_count, stop: Stop::SelfTrade, first_price };
                }
                continue;
            }
            let next = self.orders[maker].next;
            if next != NONE {
                self.look_at_maker(&self.orders[next]);
                self.orders.prefetch_second(self.orders[next].next);
            }
            if trade_count == 0 {
                first_price = price;
            }
            self.trade(taker, maker);
            trade_count += 1;
            if next == NONE
                && let Some(level) = self.instruments[index].sides[is_buy as usize].best()
            {
                self.look_at_maker(&self.orders[level.head]);
            }
        }
        Sweep { trade_count, stop: Stop::NothingAtItsPrice, first_price }
    }

    /// The taker met an order of its own account; true when that ended the taker.
    fn prevent_self_trade(&mut self, taker: &mut Order, maker: u32) -> bool {
        match taker.self_trade_prevention {
            CANCEL_TAKER => true,
            CANCEL_MAKER => {
                self.close_live(maker, OrderStatus::Cancelled, CloseReason::SelfTrade);
                false
            }
            CANCEL_BOTH => {
                self.close_live(maker, OrderStatus::Cancelled, CloseReason::SelfTrade);
                true
            }
            _ => self.decrement(taker, maker),
        }
    }

    fn decrement(&mut self, taker: &mut Order, maker: u32) -> bool {
        let by = taker.leaves.min(self.orders[maker].leaves);
        self.shrink(maker, by, CloseReason::SelfTrade);
        if taker.leaves == by {
            let cancelled = OrderStatus::Cancelled;
            let event = cancelled_event(
                self.sequence,
                self.now,
                taker,
                by,
                cancelled,
                CloseReason::SelfTrade,
            );
            self.output.push(&event);
        }
        taker.leaves -= by;
        taker.quantity -= by;
        if taker.leaves == 0 {
            return true;
        }
        self.push_reduced(&taker.clone(), by, CloseReason::SelfTrade, (0, 0));
        false
    }

    /// Lower a resting order without a trade; at nothing it is cancelled.
    pub(crate) fn shrink(&mut self, slot: u32, by: i64, reason: CloseReason) {
        if self.orders[slot].leaves == by {
            self.close_live(slot, OrderStatus::Cancelled, reason);
            return;
        }
        let before = self.orders.visible(slot);
        self.reduce_resting(slot, by);
        self.orders[slot].quantity -= by;
        let order = self.orders[slot].clone();
        let shown = if order.is_iceberg() { (self.orders.visible(slot), before) } else { (0, 0) };
        self.push_reduced(&order, by, reason, shown);
    }

    /// Lower a resting order's leaves with its hold and sums; its total stays.
    pub(crate) fn reduce_resting(&mut self, slot: u32, by: i64) {
        let order = &self.orders[slot];
        let instrument = &mut self.instruments[order.instrument as usize - 1];
        let (before, after) =
            (instrument.hold_of(order, order.leaves), instrument.hold_of(order, order.leaves - by));
        let less = Hold { amount: after.amount - before.amount, lots: -by, ..after };
        self.ledger.change_hold(order.account, order.instrument, less);
        let Order { options, side, .. } = *order;
        let book_side = &mut instrument.sides[side_index(side)];
        if order.is_iceberg() {
            let visible = self.orders.visible(slot).min(order.leaves - by);
            book_side.reduce_iceberg(&mut self.orders, slot, by, visible);
        } else {
            book_side.reduce(&mut self.orders, slot, by);
        }
        if options & LINKED != 0 {
            self.linked_fell(slot, by, 0);
        }
    }

    /// Leaves of a resting order that others depend on fell: reduce-only sums, a firm's exposure.
    #[cold]
    pub(crate) fn linked_fell(&mut self, slot: u32, by: i64, orders: i32) {
        let Order { options, account, instrument, side, .. } = self.orders[slot];
        if options & option::REDUCE_ONLY != 0 {
            self.note_reduce_only(slot, -by, orders);
        }
        if options & option::QUOTE != 0 {
            self.quote_fell(account, instrument, side, by);
        }
    }

    /// `shown`: what an iceberg shows now and showed before, else 0.
    fn push_reduced(&mut self, order: &Order, by: i64, reason: CloseReason, shown: (i64, i64)) {
        self.output.push(&OrderReduced {
            kind: EventKind::OrderReduced as u8,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.self_trade_prevention,
            options: order.options,
            status: status_of(order) as u8,
            sequence: self.sequence,
            account: order.account,
            instrument: order.instrument,
            order_id: order.id,
            price: order.price,
            quantity: order.quantity,
            leaves: order.leaves,
            reduced_by: by,
            time_ns: self.now,
            reason: reason as u32,
            visible: shown.0,
            visible_before: shown.1,
            ..Default::default()
        });
    }

    /// One match: money, positions, both orders, the event, and what follows from it.
    #[inline]
    fn trade(&mut self, taker: &mut Order, maker: u32) {
        let index = taker.instrument as usize - 1;
        let instrument = &mut self.instruments[index];
        let order = &self.orders[maker];
        let (maker_account, maker_side, price) = (order.account, order.side, order.price);
        let quantity = taker.leaves.min(self.orders.visible(maker));
        let maker_leaves = order.leaves - quantity;
        // The maker's own value was checked, and this is at most that.
        let ticks_lots = price * quantity;
        let notional = ticks_lots * instrument.unit;
        let maker_fee = fee(notional, instrument.fee_schedules[order.fees as usize].0);
        let taker_fee = fee(notional, instrument.fee_schedules[taker.fees as usize].1);
        let coins = quantity * instrument.lot;
        let (base, quote) = (instrument.base_asset, instrument.quote_asset);
        let released = instrument.hold_of(order, order.leaves).amount
            - instrument.hold_of(order, maker_leaves).amount;
        let (options, is_iceberg) = (order.options, order.is_iceberg());
        let maker_order_id = order.id;
        instrument.last_price = price;

        self.trades += 1;
        self.output.push(&Trade {
            kind: EventKind::Trade as u8,
            side: taker.side,
            status: is_iceberg as u8,
            sequence: self.sequence,
            account: taker.account,
            instrument: taker.instrument,
            trade_id: self.trades,
            price,
            quantity,
            maker_order_id,
            taker_order_id: taker.id,
            maker_leaves,
            maker_fee,
            taker_fee,
            maker_account,
            ..Default::default()
        });

        let bought = buy_mask(maker_side);
        let sign = 2 * (bought & 1) - 1;
        let ledger = &mut self.ledger;
        let of_maker = Settlement {
            instrument: taker.instrument,
            base,
            quote,
            coins: sign * coins,
            money: -sign * notional - maker_fee,
            coins_released: released & !bought,
            money_released: released & bought,
            lots: sign * quantity,
            price,
        };
        let of_taker = Settlement {
            coins: -sign * coins,
            money: sign * notional - taker_fee,
            coins_released: 0,
            money_released: 0,
            lots: -sign * quantity,
            ..of_maker
        };
        let position = ledger.settle(maker_account, &of_maker);
        position.open(maker_side, -quantity);
        let mut shrinks = position.reduce_only != 0;
        shrinks |= ledger.settle(taker.account, &of_taker).reduce_only != 0;
        ledger.asset_mut(quote).fees += i128::from(maker_fee + taker_fee);
        let is_guarded = ledger.account(maker_account).guard.is_some()
            | ledger.account(taker.account).guard.is_some();

        taker.leaves -= quantity;
        taker.filled_value += i128::from(ticks_lots);
        self.orders[maker].filled_value += i128::from(ticks_lots);
        if (options | taker.options) & LINKED != 0 {
            self.linked_traded(taker, maker, quantity, maker_leaves);
        }
        self.fill_maker(index, maker, quantity, maker_leaves);
        if shrinks {
            self.shrink_reduce_only(maker_account, taker.instrument);
            self.shrink_reduce_only(taker.account, taker.instrument);
        }
        if is_guarded {
            self.note_traded(maker_account, taker.account, taker.instrument, notional);
        }
    }

    #[cold]
    fn linked_traded(&mut self, taker: &Order, maker: u32, quantity: i64, maker_leaves: i64) {
        if self.orders[maker].options & LINKED != 0 {
            self.linked_fell(maker, quantity, if maker_leaves == 0 { -1 } else { 0 });
        }
        if taker.options & option::QUOTE != 0 {
            self.quote_fell(taker.account, taker.instrument, taker.side, quantity);
        }
    }

    #[inline(always)]
    fn fill_maker(&mut self, index: usize, maker: u32, quantity: i64, leaves: i64) {
        if self.orders[maker].is_iceberg() {
            self.fill_iceberg(maker, quantity, self.trades);
            return;
        }
        let side = &mut self.instruments[index].sides[side_index(self.orders[maker].side)];
        if leaves > 0 {
            side.reduce(&mut self.orders, maker, quantity);
            return;
        }
        side.remove(&mut self.orders, maker);
        self.leave_account(maker);
        self.forget_order(maker);
    }

    /// Section 8: resting reduce-only orders never exceed what there is to reduce.
    pub(crate) fn shrink_reduce_only(&mut self, account: u32, instrument: u32) {
        for side in [Side::Sell, Side::Buy] {
            let position = self.ledger.position(account, instrument);
            if position.reduce_only == 0 {
                return;
            }
            let capacity = position.reducible(side == Side::Sell);
            // By id descending: the account's list backwards.
            let mut slots = self.matching_orders(account, instrument, side as u8);
            slots.retain(|&slot| {
                let order = &self.orders[slot];
                order.options & option::REDUCE_ONLY != 0 && order.level != NONE
            });
            let mut excess =
                slots.iter().map(|&slot| self.orders[slot].leaves).sum::<i64>() - capacity;
            while excess > 0 {
                let slot = slots.pop().expect("the excess is made of these orders");
                let by = excess.min(self.orders[slot].leaves);
                self.shrink(slot, by, CloseReason::ReduceOnly);
                excess -= by;
            }
        }
    }
}

/// Status of an order that is still open.
pub(crate) fn status_of(order: &Order) -> OrderStatus {
    if order.filled() > 0 { OrderStatus::PartiallyFilled } else { OrderStatus::New }
}
