//! What a taker would find on the book: could it be filled whole, and what would it cost?
//! (rulebook sections 5, 6 and 14)

use crate::book::{BookSide, Level};
use crate::engine::{Engine, Reject};
use crate::ledger::{BALANCE_MAX, fee};
use crate::matching::{CANCEL_MAKER, DECREMENT, Taker};
use crate::orders::Order;
use crate::wire::*;

impl Engine {
    /// FOK: could the whole quantity trade, with self-trade prevention as it will act?
    pub(crate) fn could_fill(&self, order: &Order, index: usize, limit: i64) -> bool {
        let is_buy = order.side == Side::Buy as u8;
        let side = &self.instruments[index].sides[is_buy as usize];
        let mut wanted = order.leaves;
        for level in levels_within(side, limit) {
            for slot in side.queue(&self.orders, level) {
                let maker = &self.orders[slot];
                if maker.account == order.account && order.self_trade_prevention != 0 {
                    if order.self_trade_prevention == CANCEL_MAKER {
                        continue;
                    }
                    return false;
                }
                if maker.options & option::REDUCE_ONLY == 0 {
                    wanted -= wanted.min(self.orders.visible(slot));
                }
                if wanted == 0 {
                    return true;
                }
            }
            wanted -=
                wanted.min(self.hidden(side, level, order.account, order.self_trade_prevention));
            if wanted == 0 {
                return true;
            }
        }
        false
    }

    /// Hidden lots of a level that a taker could trade with: not its own, none of reduce-only orders.
    fn hidden(&self, side: &BookSide, level: &Level, account: u32, prevention: u8) -> i64 {
        if side.icebergs == 0 {
            return 0;
        }
        let mut lots = 0i64;
        for slot in side.queue(&self.orders, level) {
            let maker = &self.orders[slot];
            let is_own = maker.account == account && prevention != 0;
            if !is_own && maker.options & option::REDUCE_ONLY == 0 {
                lots = lots.saturating_add(maker.leaves - self.orders.visible(slot));
            }
        }
        lots
    }

    /// The most that a market buy could have to pay, fees included (section 6).
    pub(crate) fn market_buy_cost(
        &self,
        taker: &Taker,
        account: u32,
        prevention: u8,
    ) -> Result<i64, Reject> {
        let instrument = &self.instruments[taker.index];
        let notional = |price: i64, lots: i64| i128::from(price * lots * instrument.unit);
        let side = &instrument.sides[1];
        let mut wanted = taker.leaves;
        let mut cost = 0i128;
        let mut passed_over = Vec::new();
        'walk: for level in levels_within(side, taker.limit) {
            for slot in side.queue(&self.orders, level) {
                let maker = &self.orders[slot];
                if maker.account == account && prevention != 0 {
                    match prevention {
                        CANCEL_MAKER => {}
                        // A reduce-only order before it may be paid for instead.
                        DECREMENT if passed_over.is_empty() => wanted -= wanted.min(maker.leaves),
                        DECREMENT => {}
                        _ => break 'walk,
                    }
                } else if maker.options & option::REDUCE_ONLY != 0 {
                    passed_over.push(slot);
                } else {
                    let lots = wanted.min(self.orders.visible(slot));
                    cost += notional(level.price, lots);
                    wanted -= lots;
                }
                if wanted == 0 {
                    break 'walk;
                }
            }
            let lots = wanted.min(self.hidden(side, level, account, prevention));
            // Of several orders: only each one's own value was checked.
            cost += i128::from(level.price) * i128::from(lots) * i128::from(instrument.unit);
            wanted -= lots;
            if wanted == 0 {
                break;
            }
        }
        for slot in passed_over.into_iter().rev() {
            let lots = wanted.min(self.orders[slot].leaves);
            cost += notional(self.orders[slot].price, lots);
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

/// Levels that a taker with this limit price could reach, best first.
fn levels_within(side: &BookSide, limit: i64) -> impl Iterator<Item = &Level> {
    side.levels().take_while(move |level| side.at_least_as_good(level.price, limit))
}
