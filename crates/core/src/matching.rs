//! Matching: a taker against the opposite side, price then time (rulebook sections 5, 6 and 8).

use crate::account::buy_mask;
use crate::book::BookSide;
use crate::engine::{Engine, Reject, cancelled_event, side_index};
use crate::ledger::{BALANCE_MAX, Hold, Settlement, fee};
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
}

/// How an incoming order ended its command.
pub(crate) struct Finished {
    pub status: OrderStatus,
    pub leaves: i64,
    pub trade_count: u32,
    /// Slot of the order if it rests, else NONE.
    pub resting: u32,
}

/// Why the taker stopped while it still had leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    NothingAtItsPrice,
    SelfTrade,
}

struct Sweep {
    trade_count: u32,
    stop: Stop,
}

const CANCEL_TAKER: u8 = SelfTradePrevention::CancelTaker as u8;
const CANCEL_MAKER: u8 = SelfTradePrevention::CancelMaker as u8;
const CANCEL_BOTH: u8 = SelfTradePrevention::CancelBoth as u8;
const DECREMENT: u8 = SelfTradePrevention::Decrement as u8;

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
            Finished { status, leaves, trade_count: 0, resting: NONE }
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
            let extra = Extra { expires_at: taker.expires_at, label: taker.label, text };
            finished.resting = self.rest(order, extra, hold);
        }
        finished
    }

    /// Will all of the order rest at once?
    #[inline(always)]
    fn meets_nothing(&self, order: &Order, taker: &Taker) -> bool {
        let opposite = &self.instruments[taker.index].sides[taker.is_buy as usize];
        let is_met =
            opposite.best().is_some_and(|best| opposite.at_least_as_good(best.price, taker.limit));
        !is_met && may_rest(order.time_in_force)
    }

    /// `take` up to the point where what remains would rest.
    #[inline]
    pub(crate) fn take_without_resting(&mut self, order: &mut Order, taker: &Taker) -> Finished {
        let opposite_was_empty =
            self.instruments[taker.index].sides[taker.is_buy as usize].best().is_none();
        if order.time_in_force == TimeInForce::Fok as u8 && !self.could_fill(order, taker) {
            return self.end_unfilled(order, CloseReason::FokUnfillable, 0);
        }
        let sweep = self.sweep(order, taker.limit);
        if order.leaves == 0 {
            // Self-trade prevention may have taken the last of it: then its total fell as well.
            let status = if sweep.stop == Stop::SelfTrade {
                OrderStatus::Cancelled
            } else {
                OrderStatus::Filled
            };
            return Finished { status, leaves: 0, trade_count: sweep.trade_count, resting: NONE };
        }
        if sweep.stop == Stop::SelfTrade {
            return self.end_unfilled(order, CloseReason::SelfTrade, sweep.trade_count);
        }
        if !may_rest(order.time_in_force) {
            let reason = match (order.order_type == OrderType::Market as u8, opposite_was_empty) {
                (true, true) => CloseReason::NoLiquidity,
                (true, false) => CloseReason::MarketRemainder,
                (false, _) => CloseReason::IocRemainder,
            };
            return self.end_unfilled(order, reason, sweep.trade_count);
        }
        let (status, leaves) = (status_of(order), order.leaves);
        Finished { status, leaves, trade_count: sweep.trade_count, resting: NONE }
    }

    fn end_unfilled(&mut self, order: &Order, reason: CloseReason, trade_count: u32) -> Finished {
        let status = OrderStatus::Cancelled;
        let event = cancelled_event(self.sequence, self.now, order, order.leaves, status, reason);
        self.output.push(&event);
        Finished { status, leaves: 0, trade_count, resting: NONE }
    }

    /// Put an order on the book, at the end of its price's queue.
    #[inline(always)]
    fn rest(&mut self, order: &Order, extra: Extra, hold: Hold) -> u32 {
        if extra.expires_at != 0 {
            self.expiries.insert((extra.expires_at, order.id));
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
        self.enter_book(slot, hold);
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
        while taker.leaves > 0 {
            let Some(level) = self.instruments[index].sides[is_buy as usize].best() else { break };
            if (is_buy && level.price > limit) || (!is_buy && level.price < limit) {
                break;
            }
            let maker = level.head;
            if self.orders[maker].account == taker.account && prevention != 0 {
                if self.prevent_self_trade(taker, maker) {
                    return Sweep { trade_count, stop: Stop::SelfTrade };
                }
                continue;
            }
            let next = self.orders[maker].next;
            if next != NONE {
                self.look_at_maker(&self.orders[next]);
                self.orders.prefetch_second(self.orders[next].next);
            }
            self.trade(taker, maker);
            trade_count += 1;
            if next == NONE
                && let Some(level) = self.instruments[index].sides[is_buy as usize].best()
            {
                self.look_at_maker(&self.orders[level.head]);
            }
        }
        Sweep { trade_count, stop: Stop::NothingAtItsPrice }
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
        self.push_reduced(&taker.clone(), by, CloseReason::SelfTrade);
        false
    }

    /// Lower a resting order without a trade; at nothing it is cancelled.
    fn shrink(&mut self, slot: u32, by: i64, reason: CloseReason) {
        if self.orders[slot].leaves == by {
            self.close_live(slot, OrderStatus::Cancelled, reason);
            return;
        }
        self.reduce_resting(slot, by);
        self.orders[slot].quantity -= by;
        let order = self.orders[slot].clone();
        self.push_reduced(&order, by, reason);
    }

    /// Lower a resting order's leaves with its hold and sums; its total stays.
    pub(crate) fn reduce_resting(&mut self, slot: u32, by: i64) {
        let order = &self.orders[slot];
        let instrument = &mut self.instruments[order.instrument as usize - 1];
        let (before, after) =
            (instrument.hold_of(order, order.leaves), instrument.hold_of(order, order.leaves - by));
        let less = Hold { amount: after.amount - before.amount, lots: -by, ..after };
        self.ledger.change_hold(order.account, order.instrument, less);
        let is_reduce_only = order.options & option::REDUCE_ONLY != 0;
        instrument.sides[side_index(order.side)].reduce(&mut self.orders, slot, by);
        if is_reduce_only {
            self.note_reduce_only(slot, -by, 0);
        }
    }

    fn push_reduced(&mut self, order: &Order, by: i64, reason: CloseReason) {
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
        let quantity = taker.leaves.min(order.leaves);
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
        let reduce_only = order.options & option::REDUCE_ONLY != 0;
        let maker_order_id = order.id;
        instrument.last_price = price;

        self.trades += 1;
        self.output.push(&Trade {
            kind: EventKind::Trade as u8,
            side: taker.side,
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

        taker.leaves -= quantity;
        taker.filled_value += i128::from(ticks_lots);
        self.orders[maker].filled_value += i128::from(ticks_lots);
        if reduce_only {
            self.note_reduce_only(maker, -quantity, if maker_leaves == 0 { -1 } else { 0 });
        }
        self.fill_maker(index, maker, quantity, maker_leaves);
        if shrinks {
            self.shrink_reduce_only(maker_account, taker.instrument);
            self.shrink_reduce_only(taker.account, taker.instrument);
        }
    }

    #[inline(always)]
    fn fill_maker(&mut self, index: usize, maker: u32, quantity: i64, leaves: i64) {
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

    /// FOK: could the whole quantity trade, with self-trade prevention as it will act?
    fn could_fill(&self, order: &Order, taker: &Taker) -> bool {
        let side = &self.instruments[taker.index].sides[taker.is_buy as usize];
        let mut wanted = order.leaves;
        for slot in self.walk(side, taker.limit) {
            let maker = &self.orders[slot];
            if maker.account == order.account && order.self_trade_prevention != 0 {
                if order.self_trade_prevention == CANCEL_MAKER {
                    continue;
                }
                return false;
            }
            if maker.options & option::REDUCE_ONLY != 0 {
                continue;
            }
            wanted -= wanted.min(maker.leaves);
            if wanted == 0 {
                return true;
            }
        }
        false
    }

    /// Resting orders that a taker with this limit price could meet, in priority order.
    fn walk<'a>(&'a self, side: &'a BookSide, limit: i64) -> impl Iterator<Item = u32> + 'a {
        side.levels().take_while(move |level| side.at_least_as_good(level.price, limit)).flat_map(
            |level| {
                std::iter::successors(Some(level.head), |&slot| {
                    let next = self.orders[slot].next;
                    (next != NONE).then_some(next)
                })
            },
        )
    }

    /// The most that a market buy could have to pay, fees included (section 6).
    pub(crate) fn market_buy_cost(
        &self,
        taker: &Taker,
        account: u32,
        prevention: u8,
    ) -> Result<i64, Reject> {
        let instrument = &self.instruments[taker.index];
        let notional =
            |slot: u32, lots: i64| i128::from(self.orders[slot].price * lots * instrument.unit);
        let mut wanted = taker.leaves;
        let mut cost = 0i128;
        let mut passed_over = Vec::new();
        for slot in self.walk(&instrument.sides[1], taker.limit) {
            let maker = &self.orders[slot];
            if maker.account == account && prevention != 0 {
                match prevention {
                    CANCEL_MAKER => {}
                    // A reduce-only order before it may be paid for instead.
                    DECREMENT if passed_over.is_empty() => wanted -= wanted.min(maker.leaves),
                    DECREMENT => {}
                    _ => break,
                }
            } else if maker.options & option::REDUCE_ONLY != 0 {
                passed_over.push(slot);
            } else {
                let lots = wanted.min(maker.leaves);
                cost += notional(slot, lots);
                wanted -= lots;
            }
            if wanted == 0 {
                break;
            }
        }
        for slot in passed_over.into_iter().rev() {
            let lots = wanted.min(self.orders[slot].leaves);
            cost += notional(slot, lots);
            wanted -= lots;
        }
        let taker_ppm = instrument.fee_schedules[taker.fees as usize].1.max(0);
        match i64::try_from(cost) {
            Ok(cost) if cost <= BALANCE_MAX && cost + fee(cost, taker_ppm) <= BALANCE_MAX => {
                Ok(cost + fee(cost, taker_ppm))
            }
            _ => Err(RejectReason::MaxValue.into()),
        }
    }
}

/// Status of an order that is still open.
pub(crate) fn status_of(order: &Order) -> OrderStatus {
    if order.filled() > 0 { OrderStatus::PartiallyFilled } else { OrderStatus::New }
}
