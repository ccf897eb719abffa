//! PLACE_ORDER: the checks in their documented order (rulebook section 4), then matching.

use crate::account::buy_mask;
use crate::engine::{DAY_NS, Done, Engine, Instrument, Outcome, Reject, side_index};
use crate::iceberg::{SLICES_MAX, marks_of, may_be_iceberg};
use crate::ledger::{BALANCE_MAX, Hold, fee};
use crate::matching::Taker;
use crate::orders::Order;
use crate::trading_session::gathers;
use crate::wire::*;

pub(crate) const ALLOWED_OPTIONS: u8 =
    option::POST_ONLY | option::POST_ONLY_REPRICE | option::REDUCE_ONLY | option::PRICE;
pub(crate) const POST_ONLY_ANY: u8 = option::POST_ONLY | option::POST_ONLY_REPRICE;

/// May the rest of an order with this time in force stand on the book?
#[inline(always)]
pub(crate) const fn may_rest(time_in_force: u8) -> bool {
    time_in_force >= TimeInForce::Gtc as u8 && time_in_force <= TimeInForce::Gtd as u8
}

#[inline(always)]
const fn is_stop(order_type: u8) -> bool {
    order_type >= OrderType::Stop as u8 && order_type <= OrderType::TrailingStop as u8
}

/// Rule 7: do the options of an order go together?
#[inline(always)]
fn is_valid_combination(c: &PlaceOrder, rules_version: u32) -> bool {
    let is_limit = c.order_type == OrderType::Limit as u8;
    let is_market = c.order_type == OrderType::Market as u8;
    let takes_at_once =
        c.time_in_force == TimeInForce::Ioc as u8 || c.time_in_force == TimeInForce::Fok as u8;
    let post_only = c.options & POST_ONLY_ANY;
    (c.side == Side::Buy as u8 || c.side == Side::Sell as u8)
        && (is_limit || is_market)
        && (takes_at_once || (is_limit && may_rest(c.time_in_force)))
        && (post_only == 0 || (post_only != POST_ONLY_ANY && is_limit && may_rest(c.time_in_force)))
        && c.self_trade_prevention <= SelfTradePrevention::Decrement as u8
        && (c.display_quantity == 0 || (rules_version >= 2 && may_be_iceberg(c)))
        && c.stop_price == 0
        && (is_limit || c.options & option::PRICE != 0 || c.price == 0)
        && c.options & !ALLOWED_OPTIONS == 0
}

/// price * quantity * unit in minor units of the quote asset, when a hold for it is representable.
#[inline(always)]
pub(crate) fn value(price: i64, quantity: i64, unit: i64) -> Option<i64> {
    let value = price.checked_mul(quantity)?.checked_mul(unit)?;
    (value <= i64::MAX / 2).then_some(value)
}

impl Instrument {
    /// Rule 10.
    #[inline(always)]
    pub(crate) fn check_quantity_min(&self, quantity: i64) -> Result<(), Reject> {
        if quantity < self.quantity_min {
            return Err(Reject::bound(RejectReason::MinQuantity, quantity, self.quantity_min));
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn check_quantity_max(&self, quantity: i64) -> Result<(), Reject> {
        if quantity > self.quantity_max {
            return Err(Reject::bound(RejectReason::MaxQuantity, quantity, self.quantity_max));
        }
        Ok(())
    }

    /// Rule 10 for an iceberg.
    pub(crate) fn check_display(&self, display: i64, quantity: i64) -> Result<(), Reject> {
        let fits = display >= self.quantity_min
            && display <= quantity
            && quantity <= display.saturating_mul(SLICES_MAX);
        if display != 0 && !fits {
            return Err(RejectReason::DisplayQuantity.into());
        }
        Ok(())
    }

    /// Rule 11 for a limit price; `None` for a market order, of which only the size is checked.
    #[inline(always)]
    pub(crate) fn check_value(&self, price: Option<i64>, quantity: i64) -> Result<(), Reject> {
        if let Some(price) = price {
            match value(price, quantity, self.unit) {
                Some(value) if self.value_max == 0 || value <= self.value_max => {}
                _ => return Err(RejectReason::MaxValue.into()),
            }
        }
        match quantity.checked_mul(self.lot) {
            Some(amount) if amount <= BALANCE_MAX => Ok(()),
            _ => Err(RejectReason::MaxValue.into()),
        }
    }

    /// Rule 6 in a phase that is not continuous: where orders gather, those that can wait may come.
    #[cold]
    pub(crate) fn check_gathers(&self, c: &PlaceOrder) -> Result<(), Reject> {
        let may_wait = may_rest(c.time_in_force)
            && c.options & POST_ONLY_ANY == 0
            && (c.order_type == OrderType::Limit as u8 || is_stop(c.order_type));
        if gathers(self.phase) && may_wait { Ok(()) } else { Err(RejectReason::NotTrading.into()) }
    }

    /// Largest distance from the collar's reference, or None without a collar.
    fn collar(&self) -> Option<(i64, i64)> {
        let reference = self.collar_reference();
        if self.collar_ppm == 0 || reference == 0 {
            return None;
        }
        let width = i128::from(reference) * i128::from(self.collar_ppm) / 1_000_000;
        Some((reference, width as i64))
    }

    /// Rule 13 for a limit price.
    #[inline(always)]
    pub(crate) fn check_collar(&self, price: i64) -> Result<(), Reject> {
        let Some((reference, width)) = self.collar() else { return Ok(()) };
        if price.abs_diff(reference) > width as u64 {
            let nearest =
                if price > reference { reference.saturating_add(width) } else { reference - width };
            return Err(Reject::bound(RejectReason::PriceCollar, price, nearest));
        }
        Ok(())
    }

    /// Rule 13 for a market order: its limit price, tightened to the collar.
    pub(crate) fn market_limit(&self, is_buy: bool, protection: Option<i64>) -> i64 {
        let unbounded = if is_buy { i64::MAX } else { 1 };
        let limit = protection.unwrap_or(unbounded);
        match self.collar() {
            None => limit,
            Some((reference, width)) if is_buy => limit.min(reference.saturating_add(width)),
            Some((reference, width)) => limit.max((reference - width).max(1)),
        }
    }

    /// Rule 17: the price at which a post-only order may rest.
    #[inline(always)]
    pub(crate) fn post_only_price(
        &self,
        side: u8,
        options: u8,
        price: i64,
        quantity: i64,
    ) -> Result<i64, Reject> {
        if options & POST_ONLY_ANY == 0 {
            return Ok(price);
        }
        let opposite = &self.sides[1 - side_index(side)];
        let Some(best) = opposite.best() else { return Ok(price) };
        let is_buy = side == Side::Buy as u8;
        if (is_buy && price < best.price) || (!is_buy && price > best.price) {
            return Ok(price);
        }
        let moved = if is_buy { best.price - 1 } else { best.price.saturating_add(1) };
        if options & option::POST_ONLY_REPRICE == 0 || moved <= 0 {
            return Err(Reject::bound(RejectReason::PostOnlyWouldTake, price, best.price));
        }
        self.check_value(Some(moved), quantity)?;
        Ok(moved)
    }

    /// What an order of this side, price and size sets aside, in its asset.
    ///
    /// A sum of which one part is 0: sides come in no order, so a branch would be mispredicted.
    #[inline(always)]
    pub(crate) fn hold(&self, side: u8, price: i64, quantity: i64, fees: u16) -> i64 {
        let bought = buy_mask(side);
        // A price is only bounded together with the quantity that was checked with it.
        let notional = (price & bought) * quantity * self.unit;
        let (maker, taker) = self.fee_schedules[fees as usize];
        notional + fee(notional, maker.max(taker).max(0)) + (quantity & !bought) * self.lot
    }

    #[inline(always)]
    pub(crate) fn paid_asset(&self, side: u8) -> u32 {
        let bought = buy_mask(side) as u32;
        self.quote_asset & bought | self.base_asset & !bought
    }

    /// What `order` sets aside for this many of its lots.
    #[inline(always)]
    pub(crate) fn hold_of(&self, order: &Order, lots: i64) -> Hold {
        Hold {
            asset: self.paid_asset(order.side),
            amount: self.hold(order.side, order.price, lots, order.fees),
            side: order.side,
            lots,
        }
    }
}

impl Engine {
    /// The instrument, if it exists and was not removed.
    #[inline(always)]
    pub(crate) fn known_instrument(&self, number: u32) -> Result<usize, RejectReason> {
        let index = (number as usize).wrapping_sub(1);
        match self.instruments.get(index) {
            Some(instrument) if !instrument.is_removed() => Ok(index),
            _ => Err(RejectReason::UnknownInstrument),
        }
    }

    #[inline(always)]
    pub(crate) fn check_account_state(&self, account: u32) -> Result<(), RejectReason> {
        let state = self.ledger.account(account).state;
        if state == AccountState::Active as u8 {
            Ok(())
        } else if state == AccountState::Suspended as u8 {
            Err(RejectReason::AccountSuspended)
        } else if state == AccountState::CancelOnly as u8 {
            Err(RejectReason::AccountCancelOnly)
        } else {
            Err(RejectReason::AccountKilled)
        }
    }

    /// Rule 15: how much an order could take off the position, resting ones of its kind included.
    pub(crate) fn reduce_only_capacity(&self, account: u32, instrument: u32, side: u8) -> i64 {
        let position = self.ledger.position(account, instrument);
        let reducible = position.reducible(side == Side::Sell as u8);
        if reducible == 0 {
            return 0;
        }
        // All resting ones are on this side: they are gone as soon as the position flips.
        (reducible - position.reduce_only).max(0)
    }

    /// Rule 16.
    #[inline(always)]
    pub(crate) fn check_position_limit(
        &self,
        account: u32,
        instrument: u32,
        side: u8,
        quantity: i64,
        without: i64,
    ) -> Result<(), Reject> {
        let position = self.ledger.account(account).position(instrument);
        let Some(position) = position.filter(|position| position.limit != 0) else {
            return Ok(());
        };
        let reached = if side == Side::Buy as u8 {
            position.net + position.open_buy - without + quantity
        } else {
            -position.net + position.open_sell - without + quantity
        };
        if reached > position.limit {
            return Err(RejectReason::PositionLimit.into());
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn check_funds(
        &self,
        account: u32,
        asset: u32,
        required: i64,
    ) -> Result<(), Reject> {
        let available = self.ledger.available(account, asset);
        if required > available {
            return Err(Reject::funds(asset, required, available));
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn expiry_of(&self, c: &PlaceOrder) -> Result<i64, RejectReason> {
        if c.time_in_force == TimeInForce::Gtd as u8 {
            return if c.expires_at > self.now {
                Ok(c.expires_at)
            } else {
                Err(RejectReason::InvalidExpiry)
            };
        }
        if c.expires_at != 0 {
            return Err(RejectReason::InvalidExpiry);
        }
        if c.time_in_force == TimeInForce::Day as u8 {
            return Ok((self.now / DAY_NS + 1) * DAY_NS);
        }
        Ok(0)
    }

    #[inline(always)]
    pub(crate) fn place(&mut self, account: u32, c: &PlaceOrder, text: Option<&str>) -> Outcome {
        let is_guarded = self.ledger.account(account).guard.is_some();
        if is_guarded || (c.session != 0 && self.rules_version >= 2) {
            self.check_account_state(account)?;
            self.check_entry(account, c.session)?;
        }
        if is_stop(c.order_type) && self.rules_version >= 2 {
            return self.place_waiting(account, c, text);
        }
        let taker = self.check_place(account, c, is_guarded)?;
        if is_guarded {
            self.check_repeats(account, c)?;
        }
        let is_limit = c.order_type == OrderType::Limit as u8;
        let mut order = Order {
            id: self.sequence,
            price: if is_limit { taker.limit } else { c.price },
            leaves: taker.leaves,
            quantity: taker.leaves,
            account,
            instrument: c.instrument,
            side: c.side,
            order_type: c.order_type,
            time_in_force: c.time_in_force,
            self_trade_prevention: c.self_trade_prevention,
            options: c.options,
            marks: marks_of(c.display_quantity),
            fees: taker.fees,
            created_at: self.now,
            // Sessions begin with version 2.
            session: if self.rules_version >= 2 { c.session } else { 0 },
            ..Order::default()
        };
        let accepted = self.output.push(&OrderAccepted::default());
        if let Some(text) = text {
            let at = accepted * RECORD_BYTES + 1;
            self.output.records[at] = record_flag::TEXT;
            self.output.push_text(text);
        }
        let (quantity, price) = (order.quantity, order.price);
        let finished = self.take(&mut order, &taker, text);
        self.output.replace(
            accepted,
            &OrderAccepted {
                kind: EventKind::OrderAccepted as u8,
                flags: if text.is_some() { record_flag::TEXT } else { 0 },
                side: c.side,
                order_type: c.order_type,
                time_in_force: c.time_in_force,
                self_trade_prevention: c.self_trade_prevention,
                options: c.options,
                status: finished.status as u8,
                sequence: self.sequence,
                account,
                instrument: c.instrument,
                order_id: self.sequence,
                price,
                quantity,
                leaves: finished.leaves,
                display_quantity: c.display_quantity,
                stop_price: 0,
                expires_at: taker.expires_at,
                time_ns: self.now,
                trade_count: finished.trade_count,
                session: c.session,
            },
        );
        if is_guarded {
            self.note_order(account, c);
        }
        if finished.halts {
            self.halt_by_band(taker.index);
        }
        Ok(Done { resting: finished.resting, result: 0 })
    }

    /// Rules 3 to 18; what comes out is ready to trade.
    #[inline(always)]
    fn check_place(&self, account: u32, c: &PlaceOrder, is_guarded: bool) -> Result<Taker, Reject> {
        self.check_account_state(account)?;
        let index = self.known_instrument(c.instrument)?;
        let instrument = &self.instruments[index];
        if c.definition_version != instrument.definition_version {
            return Err(RejectReason::StaleDefinition.into());
        }
        if !instrument.is_continuous() {
            instrument.check_gathers(c)?;
        }
        if !is_valid_combination(c, self.rules_version) {
            return Err(RejectReason::InvalidCombination.into());
        }
        let is_limit = c.order_type == OrderType::Limit as u8;
        let is_buy = c.side == Side::Buy as u8;
        if c.quantity <= 0 {
            return Err(RejectReason::InvalidQuantity.into());
        }
        let given_price = (is_limit || c.options & option::PRICE != 0).then_some(c.price);
        if given_price.is_some_and(|price| price <= 0) {
            return Err(RejectReason::InvalidPrice.into());
        }
        instrument.check_quantity_min(c.quantity)?;
        instrument.check_quantity_max(c.quantity)?;
        if c.display_quantity != 0 {
            instrument.check_display(c.display_quantity, c.quantity)?;
        }
        if is_guarded {
            self.check_account_quantity(account, c.instrument, c.quantity)?;
        }
        instrument.check_value(is_limit.then_some(c.price), c.quantity)?;
        if is_guarded {
            let reference = Some(instrument.collar_reference()).filter(|&r| r != 0);
            self.check_account_value(account, c.instrument, given_price.or(reference), c.quantity)?;
        }
        let expires_at = self.expiry_of(c)?;
        let mut limit = c.price;
        if is_limit {
            instrument.check_collar(c.price)?;
        } else {
            limit = instrument.market_limit(is_buy, given_price);
        }
        let entry = self.ledger.account(account);
        let open_orders_max = entry.open_orders_max;
        if may_rest(c.time_in_force) && open_orders_max != 0 && entry.open_orders >= open_orders_max
        {
            return Err(RejectReason::OpenOrdersLimit.into());
        }
        let mut quantity = c.quantity;
        if c.options & option::REDUCE_ONLY != 0 {
            quantity = quantity.min(self.reduce_only_capacity(account, c.instrument, c.side));
            if quantity == 0 {
                return Err(RejectReason::ReduceOnly.into());
            }
        } else {
            self.check_position_limit(account, c.instrument, c.side, quantity, 0)?;
        }
        if is_limit {
            limit = instrument.post_only_price(c.side, c.options, limit, quantity)?;
        }
        let taker = Taker {
            index,
            is_buy,
            limit,
            leaves: quantity,
            fees: instrument.fees,
            hold: 0,
            expires_at,
            label: c.label,
            display: c.display_quantity,
        };
        let hold = if is_limit || !is_buy {
            instrument.hold(c.side, limit, quantity, instrument.fees)
        } else {
            self.market_buy_cost(&taker, account, c.self_trade_prevention)?
        };
        self.check_funds(account, instrument.paid_asset(c.side), hold)?;
        Ok(Taker { hold, ..taker })
    }

    #[inline(always)]
    pub(crate) fn release_hold(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let hold = self.instruments[order.instrument as usize - 1].hold_of(order, order.leaves);
        self.ledger.change_hold(order.account, order.instrument, -hold);
    }
}
