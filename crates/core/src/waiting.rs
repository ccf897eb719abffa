//! Orders that wait for their stop price (rulebook section 13).

use crate::engine::{Done, Engine, Instrument, Outcome, Reject, side_index};
use crate::ledger::BALANCE_MAX;
use crate::matching::{Finished, Taker};
use crate::orders::{Extra, Order, TRIGGERED};
use crate::place::{ALLOWED_OPTIONS, POST_ONLY_ANY, may_rest};
use crate::replace::allows_changes;
use crate::wire::*;
use std::collections::{BTreeSet, VecDeque};

/// Triggered orders that run after one command; the rest runs after the next ones.
const RUNS_MAX: usize = 1000;
/// Trailing stops that may wait in an instrument: each may move at each trade.
const TRAILING_MAX: usize = 1000;
const PPM: i128 = 1_000_000;

/// The waiting orders of one instrument. Keys ascend in the order of triggering on both sides:
/// a buy's is its stop price, a sell's the negative of it.
#[derive(Default)]
pub struct Waiting {
    /// (key, order id) of buys and of sells that were not triggered yet.
    stops: [BTreeSet<(i64, u64)>; 2],
    /// (key less distance, order id) of the trailing ones among them: what the negative (buys) of
    /// the last trade price, or itself (sells), must pass to move the stop.
    trailing: [BTreeSet<(i64, u64)>; 2],
    /// Triggered ones in the order in which they will run; ids of ended orders may be among them.
    pub(crate) queue: VecDeque<u64>,
    count: usize,
}

/// Key of a price: what is reached first is the least.
const fn key(side: usize, price: i64) -> i64 {
    if side == 0 { price } else { -price }
}

impl Waiting {
    /// Waiting orders, triggered ones included.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn trailing_count(&self) -> usize {
        self.trailing[0].len() + self.trailing[1].len()
    }

    fn add(&mut self, side: usize, id: u64, stop: i64, distance: i64) {
        self.stops[side].insert((key(side, stop), id));
        if distance != 0 {
            self.trailing[side].insert((-key(side, stop) + distance, id));
        }
    }

    fn take_out(&mut self, side: usize, id: u64, stop: i64, distance: i64) {
        self.stops[side].remove(&(key(side, stop), id));
        if distance != 0 {
            self.trailing[side].remove(&(-key(side, stop) + distance, id));
        }
    }

    /// Ids of all that were not triggered yet.
    pub(crate) fn untriggered(&self) -> impl Iterator<Item = u64> {
        self.stops.iter().flatten().map(|&(_, id)| id)
    }
}

/// What a stop order's prices come to.
struct Prices {
    /// Worst price it may trade at.
    worst: i64,
    stop: i64,
    /// Of a trailing stop, else 0.
    distance: i64,
}

impl Instrument {
    /// Worst price of a stop order that names none.
    fn protected(&self, is_buy: bool, stop: i64) -> Result<i64, Reject> {
        let ppm = i128::from(self.session.protection_ppm);
        let width = i128::from(stop) * ppm / PPM;
        let worst =
            if is_buy { i128::from(stop) + width } else { (i128::from(stop) - width).max(1) };
        if ppm == 0 || worst > i128::from(BALANCE_MAX) {
            return Err(RejectReason::InvalidPrice.into());
        }
        Ok(worst as i64)
    }

    /// Rule 9 for the stop types.
    fn stop_prices(&self, c: &PlaceOrder) -> Result<Prices, Reject> {
        let is_stop_limit = c.order_type == OrderType::StopLimit as u8;
        let is_buy = c.side == Side::Buy as u8;
        let has_price = is_stop_limit || c.options & option::PRICE != 0;
        if (has_price && c.price <= 0) || c.stop_price <= 0 {
            return Err(RejectReason::InvalidPrice.into());
        }
        let (mut stop, mut distance) = (c.stop_price, 0);
        if c.order_type == OrderType::TrailingStop as u8 {
            distance = c.stop_price;
            let reference = self.collar_reference();
            let offset = if is_buy { distance } else { -distance };
            stop = reference.saturating_add(offset);
            if reference == 0 || stop <= 0 || stop > BALANCE_MAX {
                return Err(RejectReason::InvalidPrice.into());
            }
        }
        let worst = if has_price { c.price } else { self.protected(is_buy, stop)? };
        Ok(Prices { worst, stop, distance })
    }

    /// Rule 13 for a stop-limit order: its limit against its stop.
    fn check_stop_collar(&self, order_type: u8, price: i64, stop: i64) -> Result<(), Reject> {
        if order_type != OrderType::StopLimit as u8 || self.collar_ppm == 0 {
            return Ok(());
        }
        let width = i128::from(stop) * i128::from(self.collar_ppm) / PPM;
        if i128::from(price.abs_diff(stop)) > width {
            let width = width as i64;
            let nearest = if price > stop { stop.saturating_add(width) } else { stop - width };
            return Err(Reject::bound(RejectReason::PriceCollar, price, nearest));
        }
        Ok(())
    }

    /// Must something be done after trades of a taker?
    #[inline(always)]
    pub(crate) fn minds_trades(&self) -> bool {
        !self.waiting.is_empty() || self.session.wants_band_reference()
    }
}

/// Rule 7 for the stop types.
fn is_valid_stop(c: &PlaceOrder) -> bool {
    let is_stop_limit = c.order_type == OrderType::StopLimit as u8;
    (c.side == Side::Buy as u8 || c.side == Side::Sell as u8)
        && may_rest(c.time_in_force)
        && c.options & POST_ONLY_ANY == 0
        && c.options & !ALLOWED_OPTIONS == 0
        && c.self_trade_prevention <= SelfTradePrevention::Decrement as u8
        && c.display_quantity == 0
        && (is_stop_limit || c.options & option::PRICE != 0 || c.price == 0)
}

impl Engine {
    /// PLACE_ORDER of a stop type; account state, session and message rate are checked.
    #[cold]
    pub(crate) fn place_waiting(
        &mut self,
        account: u32,
        c: &PlaceOrder,
        text: Option<&str>,
    ) -> Outcome {
        self.check_account_state(account)?;
        let (prices, expires_at) = self.check_place_waiting(account, c)?;
        let index = c.instrument as usize - 1;
        let order = Order {
            id: self.sequence,
            price: prices.worst,
            leaves: c.quantity,
            quantity: c.quantity,
            account,
            instrument: c.instrument,
            level: crate::orders::NONE,
            side: c.side,
            order_type: c.order_type,
            time_in_force: c.time_in_force,
            self_trade_prevention: c.self_trade_prevention,
            options: c.options | option::STOP,
            fees: self.instruments[index].fees,
            created_at: self.now,
            session: c.session,
            ..Order::default()
        };
        self.push_accepted_stop(&order, &prices, expires_at, text);
        let extra = Extra {
            expires_at,
            label: c.label,
            display: prices.distance,
            stop_price: prices.stop,
            text: text.map(Into::into),
            ..Extra::default()
        };
        let slot = self.list(&order, extra);
        let hold = self.instruments[index].hold_of(&order, order.leaves);
        self.ledger.change_hold(account, c.instrument, hold);
        self.await_stop(slot);
        if self.ledger.account(account).guard.is_some() {
            self.note_order(account, c);
        }
        Ok(Done { resting: slot, result: 0 })
    }

    fn check_place_waiting(&self, account: u32, c: &PlaceOrder) -> Result<(Prices, i64), Reject> {
        let index = self.known_instrument(c.instrument)?;
        let instrument = &self.instruments[index];
        if c.definition_version != instrument.definition_version {
            return Err(RejectReason::StaleDefinition.into());
        }
        if !instrument.is_continuous() {
            instrument.check_gathers(c)?;
        }
        if !is_valid_stop(c) {
            return Err(RejectReason::InvalidCombination.into());
        }
        if c.quantity <= 0 {
            return Err(RejectReason::InvalidQuantity.into());
        }
        let prices = instrument.stop_prices(c)?;
        let is_guarded = self.ledger.account(account).guard.is_some();
        self.check_stop_size(account, instrument, prices.worst, c.quantity, c.quantity)?;
        let expires_at = self.expiry_of(c)?;
        instrument.check_stop_collar(c.order_type, prices.worst, prices.stop)?;
        let entry = self.ledger.account(account);
        if entry.open_orders_max != 0 && entry.open_orders >= entry.open_orders_max {
            return Err(RejectReason::OpenOrdersLimit.into());
        }
        if prices.distance != 0 && instrument.waiting.trailing_count() >= TRAILING_MAX {
            return Err(RejectReason::TooManyTrailing.into());
        }
        if c.options & option::REDUCE_ONLY == 0 {
            self.check_position_limit(account, c.instrument, c.side, c.quantity, 0)?;
        }
        let hold = instrument.hold(c.side, prices.worst, c.quantity, instrument.fees);
        self.check_funds(account, instrument.paid_asset(c.side), hold)?;
        if is_guarded {
            self.check_repeats(account, c)?;
        }
        Ok((prices, expires_at))
    }

    /// Rules 10 and 11 for a stop order, new or replaced.
    fn check_stop_size(
        &self,
        account: u32,
        instrument: &Instrument,
        price: i64,
        total: i64,
        leaves: i64,
    ) -> Result<(), Reject> {
        let is_guarded = self.ledger.account(account).guard.is_some();
        instrument.check_quantity_min(total)?;
        instrument.check_quantity_max(total)?;
        if is_guarded {
            self.check_account_quantity(account, instrument.number, total)?;
        }
        instrument.check_value(Some(price), leaves)?;
        if is_guarded {
            self.check_account_value(account, instrument.number, Some(price), leaves)?;
        }
        Ok(())
    }

    fn push_accepted_stop(
        &mut self,
        order: &Order,
        prices: &Prices,
        expires_at: i64,
        text: Option<&str>,
    ) {
        self.output.push(&OrderAccepted {
            kind: EventKind::OrderAccepted as u8,
            flags: if text.is_some() { record_flag::TEXT } else { 0 },
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.self_trade_prevention,
            options: order.options,
            status: OrderStatus::New as u8,
            sequence: self.sequence,
            account: order.account,
            instrument: order.instrument,
            order_id: order.id,
            price: order.price,
            quantity: order.quantity,
            leaves: order.leaves,
            display_quantity: prices.distance,
            stop_price: prices.stop,
            expires_at,
            time_ns: self.now,
            trade_count: 0,
            session: order.session,
        });
        if let Some(text) = text {
            self.output.push_text(text);
        }
    }

    /// Let a listed order wait for its stop; it is triggered at once when that is reached already.
    fn await_stop(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let (id, side, index) = (order.id, side_index(order.side), order.instrument as usize - 1);
        let extra = self.orders.extra(order);
        let (stop, distance) = (extra.stop_price, extra.display);
        let instrument = &mut self.instruments[index];
        instrument.waiting.count += 1;
        let last = instrument.last_price;
        if last != 0 && key(side, stop) <= key(side, last) {
            self.trigger(slot);
        } else {
            instrument.waiting.add(side, id, stop, distance);
        }
    }

    /// Put an order that is in no set of waiting ones any more at the end of the queue.
    fn trigger(&mut self, slot: u32) {
        let order = &mut self.orders[slot];
        order.marks |= TRIGGERED;
        let (id, instrument) = (order.id, order.instrument);
        self.instruments[instrument as usize - 1].waiting.queue.push_back(id);
        self.pending.insert(instrument);
    }

    /// Take a waiting order out from those that wait; it stays in the slab.
    pub(crate) fn stop_waiting(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let (id, side, is_triggered) =
            (order.id, side_index(order.side), order.marks & TRIGGERED != 0);
        let extra = self.orders.extra(order);
        let waiting = &mut self.instruments[order.instrument as usize - 1].waiting;
        waiting.count -= 1;
        if !is_triggered {
            waiting.take_out(side, id, extra.stop_price, extra.display);
        }
    }

    /// A taker traded, the first time at this price: stops move and are reached.
    ///
    /// A taker's prices go one way, so the first and the last one tell what all of them do.
    #[cold]
    pub(crate) fn after_trades(&mut self, index: usize, first_price: i64) {
        let instrument = &mut self.instruments[index];
        instrument.session.note_first_trade(first_price);
        let last_price = instrument.last_price;
        self.reach(index, first_price);
        if last_price != first_price {
            self.reach(index, last_price);
        }
    }

    fn reach(&mut self, index: usize, price: i64) {
        for side in [0, 1] {
            self.move_trailing(index, side, price);
        }
        for side in [0, 1] {
            let bound = key(side, price);
            while let Some(&(stop_key, id)) = self.instruments[index].waiting.stops[side].first()
                && stop_key <= bound
            {
                let slot = self.orders.find(id).expect("waiting orders are live");
                let distance = self.orders.extra(&self.orders[slot]).display;
                let stop = key(side, stop_key);
                self.instruments[index].waiting.take_out(side, id, stop, distance);
                self.trigger(slot);
            }
        }
    }

    /// Trailing stops follow a price that is better for them than any before.
    fn move_trailing(&mut self, index: usize, side: usize, price: i64) {
        let reached = -key(side, price);
        while let Some(&(mark, id)) = self.instruments[index].waiting.trailing[side].first()
            && mark < reached
        {
            let slot = self.orders.find(id).expect("waiting orders are live");
            let extra = self.orders.extra_mut(slot);
            let (before, distance) = (extra.stop_price, extra.display);
            extra.stop_price = if side == 0 { price + distance } else { price - distance };
            let after = extra.stop_price;
            let waiting = &mut self.instruments[index].waiting;
            waiting.take_out(side, id, before, distance);
            waiting.add(side, id, after, distance);
        }
    }

    /// Run triggered orders, at most so many after one command.
    #[cold]
    pub(crate) fn run_triggered(&mut self) {
        let mut left = RUNS_MAX;
        for number in self.pending.clone() {
            while left > 0 && self.is_continuous(number) {
                let queue = &mut self.instruments[number as usize - 1].waiting.queue;
                let Some(id) = queue.pop_front() else { break };
                // Cancelled and expired ones left the slab.
                if let Some(slot) = self.orders.find(id) {
                    left -= 1;
                    self.run_stop(slot);
                }
            }
            if self.instruments[number as usize - 1].waiting.queue.is_empty() {
                self.pending.remove(&number);
            }
        }
    }

    /// A triggered order becomes a taker.
    fn run_stop(&mut self, slot: u32) {
        self.release_hold(slot);
        self.stop_waiting(slot);
        let kept = &mut self.orders[slot];
        kept.options &= !option::STOP;
        kept.marks &= !TRIGGERED;
        let mut order = kept.clone();
        let waited = order.clone();
        let triggered = self.output.push(&OrderTriggered::default());
        if order.options & option::REDUCE_ONLY != 0 {
            let capacity = self.reduce_only_capacity(order.account, order.instrument, order.side);
            order.leaves = order.leaves.min(capacity);
            if order.leaves == 0 {
                self.end_without_position(slot, &waited, triggered);
                return;
            }
            order.quantity = order.leaves;
        }
        let quantity = order.quantity;
        let taker = self.taker_of_stop(&order);
        let (trigger_price, stop_price) = self.trigger_prices(slot);
        let finished = self.take_again(slot, &mut order, &taker);
        let event = self.triggered_event(&waited, quantity, &finished);
        self.output.replace(triggered, &OrderTriggered { trigger_price, stop_price, ..event });
        if finished.halts {
            self.halt_by_band(taker.index);
        }
    }

    fn taker_of_stop(&self, order: &Order) -> Taker {
        let index = order.instrument as usize - 1;
        let is_buy = order.side == Side::Buy as u8;
        let limit = if order.order_type == OrderType::StopLimit as u8 {
            order.price
        } else {
            self.instruments[index].market_limit(is_buy, Some(order.price))
        };
        Taker {
            index,
            is_buy,
            limit,
            leaves: order.leaves,
            fees: order.fees,
            hold: 0,
            expires_at: 0,
            label: 0,
            display: 0,
        }
    }

    /// The last trade price, and the stop that it reached.
    fn trigger_prices(&self, slot: u32) -> (i64, i64) {
        let order = &self.orders[slot];
        let last = self.instruments[order.instrument as usize - 1].last_price;
        (last, self.orders.extra(order).stop_price)
    }

    /// A reduce-only order finds nothing to reduce.
    fn end_without_position(&mut self, slot: u32, waited: &Order, triggered: usize) {
        let finished = Finished::gone(OrderStatus::Cancelled, 0);
        let (trigger_price, stop_price) = self.trigger_prices(slot);
        let event = self.triggered_event(waited, waited.quantity, &finished);
        self.output.replace(triggered, &OrderTriggered { trigger_price, stop_price, ..event });
        let reason = CloseReason::ReduceOnly;
        self.push_cancelled(slot, waited.leaves, OrderStatus::Cancelled, reason);
        self.leave_account(slot);
        self.forget_order(slot);
    }

    fn triggered_event(&self, order: &Order, quantity: i64, finished: &Finished) -> OrderTriggered {
        OrderTriggered {
            kind: EventKind::OrderTriggered as u8,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.self_trade_prevention,
            options: order.options,
            status: finished.status as u8,
            sequence: self.sequence,
            account: order.account,
            instrument: order.instrument,
            order_id: order.id,
            price: order.price,
            quantity,
            leaves: finished.leaves,
            previous_leaves: order.leaves,
            time_ns: self.now,
            trade_count: finished.trade_count,
            ..Default::default()
        }
    }

    /// REPLACE_ORDER of a waiting order, past the checks that all orders share.
    pub(crate) fn replace_waiting(
        &mut self,
        slot: u32,
        old: Order,
        c: &ReplaceOrder,
        total: i64,
    ) -> Outcome {
        let (price, stop) = self.check_replace_waiting(&old, c, total)?;
        let instrument = &self.instruments[old.instrument as usize - 1];
        let fees = instrument.fees;
        self.release_hold(slot);
        self.stop_waiting(slot);
        let kept = &mut self.orders[slot];
        (kept.price, kept.leaves, kept.quantity, kept.fees) = (price, total, total, fees);
        kept.options |= c.options & option::PRICE;
        self.orders.extra_mut(slot).stop_price = stop;
        let order = self.orders[slot].clone();
        let hold = self.instruments[old.instrument as usize - 1].hold_of(&order, total);
        self.ledger.change_hold(old.account, old.instrument, hold);
        let finished = Finished { leaves: total, ..Finished::gone(OrderStatus::New, 0) };
        let event = self.replaced_event(&old, price, total, &finished);
        self.output.push(&OrderReplaced { stop_price: stop, options: order.options, ..event });
        self.await_stop(slot);
        Ok(Done::default())
    }

    /// The price and the stop that a waiting order is to have.
    fn check_replace_waiting(
        &self,
        old: &Order,
        c: &ReplaceOrder,
        total: i64,
    ) -> Result<(i64, i64), Reject> {
        let instrument = &self.instruments[old.instrument as usize - 1];
        if old.marks & TRIGGERED != 0 || !allows_changes(instrument.phase) {
            return Err(RejectReason::NotTrading.into());
        }
        let extra = self.orders.extra(old);
        let has_stop = c.options & option::STOP != 0;
        if has_stop && old.order_type == OrderType::TrailingStop as u8 {
            return Err(RejectReason::InvalidCombination.into());
        }
        let stop = if has_stop { c.stop_price } else { extra.stop_price };
        if stop <= 0 {
            return Err(RejectReason::InvalidPrice.into());
        }
        let is_protected =
            old.order_type == OrderType::Stop as u8 && old.options & option::PRICE == 0;
        let price = if c.options & option::PRICE != 0 {
            c.price
        } else if is_protected && has_stop {
            instrument.protected(old.side == Side::Buy as u8, stop)?
        } else {
            old.price
        };
        self.check_stop_size(old.account, instrument, price, total, total)?;
        instrument.check_stop_collar(old.order_type, price, stop)?;
        if old.options & option::REDUCE_ONLY == 0 {
            self.check_position_limit(old.account, old.instrument, old.side, total, old.leaves)?;
        }
        let before = instrument.hold(old.side, old.price, old.leaves, old.fees);
        let required = instrument.hold(old.side, price, total, instrument.fees) - before;
        if required > 0 {
            self.check_funds(old.account, instrument.paid_asset(old.side), required)?;
        }
        Ok((price, stop))
    }

    /// Put a restored waiting order back among those that wait; triggered ones queue separately.
    pub(crate) fn wait_again(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let (id, side) = (order.id, side_index(order.side));
        let is_triggered = order.marks & TRIGGERED != 0;
        let extra = self.orders.extra(order);
        let (stop, distance) = (extra.stop_price, extra.display);
        let waiting = &mut self.instruments[order.instrument as usize - 1].waiting;
        waiting.count += 1;
        if !is_triggered {
            waiting.add(side, id, stop, distance);
        }
    }
}
