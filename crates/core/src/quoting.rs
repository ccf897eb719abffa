//! QUOTE: a two-sided quote, with its reservation when a firm gives it, in one step (section 17).

use crate::engine::{Done, Engine, Outcome, Reject};
use crate::exposure::{Exposure, QuoteSide, grant_status};
use crate::matching::Taker;
use crate::orders::Order;
use crate::trading_session::gathers;
use crate::wire::*;

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// What is asked for on a side.
#[derive(Clone, Copy)]
struct Asked {
    price: i64,
    quantity: i64,
}

const fn asked(c: &Quote) -> [Asked; 2] {
    [
        Asked { price: c.bid_price, quantity: c.bid_quantity },
        Asked { price: c.ask_price, quantity: c.ask_quantity },
    ]
}

/// The exposure that a quote leads to, and the slots of the orders that it finds.
struct Plan {
    exposure: Exposure,
    old: [Option<u32>; 2],
    kept: [bool; 2],
}

impl Engine {
    pub(crate) fn quote(&mut self, account: u32, c: &Quote) -> Outcome {
        if self.reserved_id < self.frame_begin || self.reserved_id + 1 != self.sequence {
            return Err(RejectReason::InvalidCombination.into());
        }
        self.check_account_state(account)?;
        if self.ledger.account(account).guard.is_some() {
            self.check_entry(account, 0)?;
        }
        let expires_at = self.check_quote(account, c)?;
        let plan = self.plan_quote(account, c, expires_at);
        self.check_plan(account, c.instrument, &plan)?;
        self.set_quote(account, c.instrument, &plan);
        Ok(Done::default())
    }

    /// The checks of what was asked for; when the quote will end.
    fn check_quote(&self, account: u32, c: &Quote) -> Result<i64, Reject> {
        let index = self.known_instrument(c.instrument)?;
        let instrument = &self.instruments[index];
        if c.definition_version != instrument.definition_version {
            return Err(RejectReason::StaleDefinition.into());
        }
        if !instrument.is_continuous() && !gathers(instrument.phase) {
            return Err(RejectReason::NotTrading.into());
        }
        if self.firms.get(account).is_some() {
            self.units(c.instrument)?;
            self.check_owner(account, c.instrument, c.maker, c.epoch)?;
        }
        let sides = asked(c);
        let given = || sides.iter().filter(|side| side.quantity != 0);
        if sides.iter().any(|side| side.quantity < 0) || given().count() == 0 {
            return Err(RejectReason::InvalidQuantity.into());
        }
        if given().any(|side| side.price <= 0) {
            return Err(RejectReason::InvalidPrice.into());
        }
        if given().count() == 2 && c.bid_price >= c.ask_price {
            return Err(RejectReason::InvalidCombination.into());
        }
        for side in given() {
            self.check_side(account, c.instrument, side)?;
        }
        Ok(self.end_of(c.ttl_ns)?)
    }

    fn check_side(&self, account: u32, instrument: u32, side: &Asked) -> Result<(), Reject> {
        let rules = &self.instruments[instrument as usize - 1];
        rules.check_quantity_min(side.quantity)?;
        rules.check_quantity_max(side.quantity)?;
        self.check_account_quantity(account, instrument, side.quantity)?;
        rules.check_value(Some(side.price), side.quantity)?;
        self.check_account_value(account, instrument, Some(side.price), side.quantity)?;
        rules.check_collar(side.price)
    }

    /// What of it is granted, and what of the quote before stays.
    fn plan_quote(&self, account: u32, c: &Quote, expires_at: i64) -> Plan {
        let sides = asked(c);
        let wanted = sides.map(|side| side.quantity);
        let is_firm = self.firms.get(account).is_some();
        let (granted, held) = if is_firm {
            let clipped = self.clip_to_position(account, c.instrument, wanted);
            let granted = self.grant(account, c.instrument, clipped);
            (granted, granted)
        } else {
            (wanted, [0; 2])
        };
        let before = self.exposures.get(account, c.instrument);
        let mut plan = Plan {
            exposure: Exposure { expires_at, maker: c.maker, granted: held, ..Default::default() },
            old: before.map_or([None; 2], |old| old.quote.map(|side| self.resting_side(&side))),
            kept: [false; 2],
        };
        if is_firm {
            plan.exposure.requested = wanted;
            plan.exposure.status = grant_status(wanted, granted) as u8;
        }
        for (side, new_id) in [self.reserved_id, self.sequence].into_iter().enumerate() {
            let (price, quantity) = (sides[side].price, granted[side]);
            if quantity == 0 {
                continue;
            }
            let old = plan.old[side].map(|slot| &self.orders[slot]);
            let kept = old.filter(|old| (old.price, old.leaves) == (price, quantity));
            plan.kept[side] = kept.is_some();
            let order_id = kept.map_or(new_id, |old| old.id);
            plan.exposure.quote[side] = QuoteSide { price, quantity, order_id };
        }
        plan
    }

    /// Lots that leave the firm's position within its limit, whatever of them is filled.
    fn clip_to_position(&self, account: u32, instrument: u32, wanted: [i64; 2]) -> [i64; 2] {
        let limit = self.firms.get(account).map_or(0, |firm| firm.position_limit);
        if limit == 0 {
            return wanted;
        }
        let units = i128::from(self.units(instrument).expect("it was checked"));
        let net = i128::from(self.ledger.position(account, instrument).net) * units;
        let room = [i128::from(limit) - net, i128::from(limit) + net];
        [0, 1].map(|side| {
            let lots = room[side].max(0) / units;
            i64::try_from(lots).map_or(wanted[side], |lots| wanted[side].min(lots))
        })
    }

    /// The checks of what was granted.
    fn check_plan(&self, account: u32, instrument: u32, plan: &Plan) -> Result<(), Reject> {
        let rules = &self.instruments[instrument as usize - 1];
        let quote = &plan.exposure.quote;
        let old = plan.old.map(|slot| slot.map(|slot| &self.orders[slot]));
        for i in [0, 1] {
            let lots = quote[i].quantity;
            if lots > 0 {
                let without = old[i].map_or(0, |old| old.leaves);
                self.check_position_limit(account, instrument, SIDES[i] as u8, lots, without)?;
            }
        }
        for i in [0, 1] {
            let side = SIDES[i] as u8;
            let hold = rules.hold(side, quote[i].price, quote[i].quantity, rules.fees);
            let before = old[i].map_or(0, |old| rules.hold_of(old, old.leaves).amount);
            if hold > before {
                self.check_funds(account, rules.paid_asset(side), hold - before)?;
            }
        }
        Ok(())
    }

    fn set_quote(&mut self, account: u32, instrument: u32, plan: &Plan) {
        let Plan { exposure, old, kept } = plan;
        if self.firms.get(account).is_some() {
            self.push_reserved(account, instrument, exposure);
        }
        self.push_quote_set(account, instrument, exposure);
        for (slot, _) in old.iter().zip(kept).filter(|(_, kept)| !**kept) {
            if let Some(slot) = *slot {
                self.close_live(slot, OrderStatus::Cancelled, CloseReason::Quote);
            }
        }
        self.set_exposure(account, instrument, Some(*exposure));
        for i in [0, 1] {
            if exposure.quote[i].quantity > 0 && !kept[i] {
                self.place_side(account, instrument, SIDES[i], &exposure.quote[i]);
            }
        }
    }

    fn push_quote_set(&mut self, account: u32, instrument: u32, exposure: &Exposure) {
        let [bid, ask] = exposure.quote;
        self.output.push(&QuoteSet {
            kind: EventKind::QuoteSet as u8,
            sequence: self.sequence,
            account,
            instrument,
            bid_price: bid.price,
            bid_quantity: bid.quantity,
            ask_price: ask.price,
            ask_quantity: ask.quantity,
            bid_order_id: bid.order_id,
            ask_order_id: ask.order_id,
            expires_at: exposure.expires_at,
            time_ns: self.now,
            maker: exposure.maker,
            ..Default::default()
        });
    }

    /// A side of a quote comes in as an order.
    fn place_side(&mut self, account: u32, instrument: u32, side: Side, quote: &QuoteSide) {
        let rules = &self.instruments[instrument as usize - 1];
        let fees = rules.fees;
        let taker = Taker {
            index: instrument as usize - 1,
            is_buy: side == Side::Buy,
            limit: quote.price,
            leaves: quote.quantity,
            fees,
            hold: rules.hold(side as u8, quote.price, quote.quantity, fees),
            expires_at: 0,
            label: 0,
            display: 0,
        };
        let mut order = Order {
            id: quote.order_id,
            price: quote.price,
            leaves: quote.quantity,
            quantity: quote.quantity,
            account,
            instrument,
            side: side as u8,
            order_type: OrderType::Limit as u8,
            time_in_force: TimeInForce::Gtc as u8,
            self_trade_prevention: SelfTradePrevention::CancelMaker as u8,
            options: option::QUOTE,
            fees,
            created_at: self.now,
            ..Order::default()
        };
        let accepted = self.output.push(&OrderAccepted::default());
        let finished = self.take(&mut order, &taker, None);
        self.output.replace(
            accepted,
            &OrderAccepted {
                kind: EventKind::OrderAccepted as u8,
                side: order.side,
                order_type: order.order_type,
                time_in_force: order.time_in_force,
                self_trade_prevention: order.self_trade_prevention,
                options: order.options,
                status: finished.status as u8,
                sequence: self.sequence,
                account,
                instrument,
                order_id: quote.order_id,
                price: quote.price,
                quantity: quote.quantity,
                leaves: finished.leaves,
                time_ns: self.now,
                trade_count: finished.trade_count,
                ..Default::default()
            },
        );
        if finished.halts {
            self.halt_by_band(taker.index);
        }
    }
}

#[cfg(test)]
mod tests;
