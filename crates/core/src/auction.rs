//! Auctions: the price at which most can trade, and the trades at it (rulebook section 15).

use crate::account::buy_mask;
use crate::engine::{Engine, side_index};
use crate::ledger::{Settlement, fee};
use crate::matching::{CANCEL_BOTH, CANCEL_MAKER, CANCEL_TAKER, LINKED};
use crate::orders::Order;
use crate::wire::*;

/// What a round of uncrossing comes to; all 0 = the book is not crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossing {
    pub price: i64,
    pub volume: i64,
    /// Bids less asks at the price.
    pub surplus: i64,
}

/// Executable volume and surplus at a candidate price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    price: i64,
    volume: i128,
    surplus: i128,
}

/// The price of a round: most volume, least surplus, pressure, reference.
fn choose(mut candidates: Vec<Candidate>, reference: i64) -> Option<Candidate> {
    let volume = candidates.iter().map(|c| c.volume).max()?;
    candidates.retain(|c| c.volume == volume);
    let surplus = candidates.iter().map(|c| c.surplus.abs()).min()?;
    candidates.retain(|c| c.surplus.abs() == surplus);
    let by_price = |c: &&Candidate| c.price;
    let bought = candidates.iter().filter(|c| c.surplus > 0).max_by_key(by_price).copied();
    let sold = candidates.iter().filter(|c| c.surplus < 0).min_by_key(by_price).copied();
    match (bought, sold) {
        (Some(bought), None) => Some(bought),
        (None, Some(sold)) => Some(sold),
        (Some(bought), Some(sold)) => nearest(&[bought, sold], reference),
        (None, None) => nearest(&candidates, reference),
    }
}

/// The candidate nearest to the reference; of two the higher.
fn nearest(candidates: &[Candidate], reference: i64) -> Option<Candidate> {
    let distance = |c: &&Candidate| (c.price.abs_diff(reference), std::cmp::Reverse(c.price));
    candidates.iter().min_by_key(distance).copied()
}

impl Engine {
    /// What an uncrossing would come to now; `None` when the book is not crossed.
    pub fn crossing(&self, index: usize) -> Option<Crossing> {
        let instrument = &self.instruments[index];
        let [bids, asks] = &instrument.sides;
        let (best_bid, best_ask) = (bids.best()?.price, asks.best()?.price);
        if best_bid < best_ask {
            return None;
        }
        let whole = |side: usize, inside: &dyn Fn(i64) -> bool| -> Vec<(i64, i128)> {
            let side = &instrument.sides[side];
            let levels = side.levels().take_while(|level| inside(level.price));
            levels.map(|level| (level.price, side.whole_quantity(&self.orders, level))).collect()
        };
        let mut bids = whole(0, &|price| price >= best_ask);
        let asks = whole(1, &|price| price <= best_bid);
        bids.reverse();
        let chosen = choose(candidates(&bids, &asks), instrument.collar_reference())?;
        Some(Crossing {
            price: chosen.price,
            volume: saturated(chosen.volume),
            surplus: saturated(chosen.surplus),
        })
    }

    /// Let a crossed book trade until it is not; the last round's price, 0 without one.
    pub(crate) fn uncross(&mut self, index: usize) -> i64 {
        let mut price = 0;
        while let Some(crossing) = self.crossing(index) {
            price = crossing.price;
            self.run_round(index, &crossing);
        }
        price
    }

    fn run_round(&mut self, index: usize, crossing: &Crossing) {
        let price = crossing.price;
        let uncrossed = self.output.push(&AuctionUncrossed::default());
        let (mut volume, mut trade_count) = (0i64, 0u32);
        loop {
            let [bids, asks] = &self.instruments[index].sides;
            let (Some(bid), Some(ask)) = (bids.best(), asks.best()) else { break };
            if bid.price < price || ask.price > price {
                break;
            }
            let (bid, ask) = (bid.head, ask.head);
            let bid_is_younger = self.orders[bid].id > self.orders[ask].id;
            let (maker, taker) = if bid_is_younger { (ask, bid) } else { (bid, ask) };
            let prevention = self.orders[taker].self_trade_prevention;
            if self.orders[maker].account == self.orders[taker].account && prevention != 0 {
                self.prevent_meeting(maker, taker, prevention);
                continue;
            }
            volume = volume.saturating_add(self.meet(maker, taker, price));
            trade_count += 1;
        }
        self.output.replace(
            uncrossed,
            &AuctionUncrossed {
                kind: EventKind::AuctionUncrossed as u8,
                sequence: self.sequence,
                instrument: self.instruments[index].number,
                price,
                volume,
                surplus: crossing.surplus,
                time_ns: self.now,
                trade_count,
                ..Default::default()
            },
        );
        if trade_count > 0 && !self.instruments[index].waiting.is_empty() {
            self.after_trades(index, price);
        }
    }

    /// Two resting orders of one account met.
    fn prevent_meeting(&mut self, maker: u32, taker: u32, prevention: u8) {
        let closed: &[u32] = match prevention {
            CANCEL_TAKER => &[taker],
            CANCEL_MAKER => &[maker],
            CANCEL_BOTH => &[maker, taker],
            _ => {
                let by = self.orders[maker].leaves.min(self.orders[taker].leaves);
                self.shrink(maker, by, CloseReason::SelfTrade);
                self.shrink(taker, by, CloseReason::SelfTrade);
                return;
            }
        };
        for &slot in closed {
            self.close_live(slot, OrderStatus::Cancelled, CloseReason::SelfTrade);
        }
    }

    /// A trade of two resting orders; the lots traded.
    fn meet(&mut self, maker: u32, taker: u32, price: i64) -> i64 {
        let quantity = self.orders.visible(maker).min(self.orders.visible(taker));
        let (of_maker, of_taker) = (self.orders[maker].clone(), self.orders[taker].clone());
        let number = of_taker.instrument;
        let instrument = &mut self.instruments[number as usize - 1];
        instrument.last_price = price;
        // Each one's own value was checked, and the buyer's price is at least this.
        let notional = price * quantity * instrument.unit;
        let maker_fee = fee(notional, instrument.fee_schedules[of_maker.fees as usize].0);
        let taker_fee = fee(notional, instrument.fee_schedules[of_taker.fees as usize].1);
        self.trades += 1;
        let trade_id = self.trades;
        self.output.push(&Trade {
            kind: EventKind::Trade as u8,
            side: of_taker.side,
            status: TradeKind::Auction as u8,
            sequence: self.sequence,
            account: of_taker.account,
            instrument: number,
            trade_id,
            price,
            quantity,
            maker_order_id: of_maker.id,
            taker_order_id: of_taker.id,
            maker_leaves: of_maker.leaves - quantity,
            maker_fee,
            taker_fee,
            maker_account: of_maker.account,
            ..Default::default()
        });
        let mut shrinks = false;
        for (order, fee) in [(&of_maker, maker_fee), (&of_taker, taker_fee)] {
            shrinks |= self.settle_meeting(order, price, quantity, notional, fee);
        }
        let quote = self.instruments[number as usize - 1].quote_asset;
        self.ledger.asset_mut(quote).fees += i128::from(maker_fee + taker_fee);
        for slot in [maker, taker] {
            self.fill_resting(slot, price, quantity, trade_id);
        }
        if shrinks {
            self.shrink_reduce_only(of_maker.account, number);
            self.shrink_reduce_only(of_taker.account, number);
        }
        let guarded = |account: u32| self.ledger.account(account).guard.is_some();
        if guarded(of_maker.account) || guarded(of_taker.account) {
            self.note_traded(of_maker.account, of_taker.account, number, notional);
        }
        quantity
    }

    /// Book one party's side; whether reduce-only orders of it may have to shrink.
    fn settle_meeting(
        &mut self,
        order: &Order,
        price: i64,
        quantity: i64,
        notional: i64,
        fee: i64,
    ) -> bool {
        let instrument = &self.instruments[order.instrument as usize - 1];
        let released = instrument.hold_of(order, order.leaves).amount
            - instrument.hold_of(order, order.leaves - quantity).amount;
        let bought = buy_mask(order.side);
        let sign = 2 * (bought & 1) - 1;
        let settlement = Settlement {
            instrument: order.instrument,
            base: instrument.base_asset,
            quote: instrument.quote_asset,
            coins: sign * quantity * instrument.lot,
            money: -sign * notional - fee,
            coins_released: released & !bought,
            money_released: released & bought,
            lots: sign * quantity,
            price,
        };
        let position = self.ledger.settle(order.account, &settlement);
        position.open(order.side, -quantity);
        position.reduce_only != 0
    }

    /// Lower a resting order that traded in an auction, with its event.
    fn fill_resting(&mut self, slot: u32, price: i64, quantity: i64, trade_id: u64) {
        let value = i128::from(price) * i128::from(quantity);
        self.orders[slot].filled_value += value;
        let leaves = self.orders[slot].leaves - quantity;
        if self.orders[slot].options & LINKED != 0 {
            self.linked_fell(slot, quantity, if leaves == 0 { -1 } else { 0 });
        }
        if self.orders[slot].is_iceberg() {
            self.fill_iceberg(slot, quantity, trade_id);
            return;
        }
        let order = &self.orders[slot];
        let (before, index, side) =
            (order.leaves, order.instrument as usize - 1, side_index(order.side));
        let side = &mut self.instruments[index].sides[side];
        if leaves > 0 {
            side.reduce(&mut self.orders, slot, quantity);
            self.push_filled(slot, before, leaves, trade_id, true);
            return;
        }
        side.remove(&mut self.orders, slot);
        self.orders[slot].leaves = 0;
        self.push_filled(slot, before, 0, trade_id, true);
        self.leave_account(slot);
        self.forget_order(slot);
    }

    /// Tell the indicative values of the instruments in which orders gather, where they changed.
    pub(crate) fn publish_indicative(&mut self) {
        for number in self.gathering.clone() {
            let index = number as usize - 1;
            let crossing = self.crossing(index).unwrap_or_default();
            let published = &mut self.instruments[index].session.indicative;
            if *published == crossing {
                continue;
            }
            *published = crossing;
            self.output.push(&AuctionIndicative {
                kind: EventKind::AuctionIndicative as u8,
                sequence: self.sequence,
                instrument: number,
                price: crossing.price,
                volume: crossing.volume,
                surplus: crossing.surplus,
                time_ns: self.now,
                ..Default::default()
            });
        }
    }

    /// Would the next look publish something?
    pub(crate) fn indicative_is_stale(&self, instrument: u32) -> bool {
        let index = instrument as usize - 1;
        self.crossing(index).unwrap_or_default() != self.instruments[index].session.indicative
    }
}

/// Volume and surplus at each limit price; bids and asks by price ascending.
fn candidates(bids: &[(i64, i128)], asks: &[(i64, i128)]) -> Vec<Candidate> {
    let mut prices: Vec<i64> = bids.iter().chain(asks).map(|&(price, _)| price).collect();
    prices.sort_unstable();
    prices.dedup();
    let mut demand: i128 = bids.iter().map(|&(_, lots)| lots).sum();
    let mut supply = 0i128;
    let (mut bid, mut ask) = (0, 0);
    let mut found = Vec::with_capacity(prices.len());
    for price in prices {
        while ask < asks.len() && asks[ask].0 <= price {
            supply += asks[ask].1;
            ask += 1;
        }
        while bid < bids.len() && bids[bid].0 < price {
            demand -= bids[bid].1;
            bid += 1;
        }
        found.push(Candidate { price, volume: demand.min(supply), surplus: demand - supply });
    }
    found
}

fn saturated(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price_of(bids: &[(i64, i128)], asks: &[(i64, i128)], reference: i64) -> i64 {
        choose(candidates(bids, asks), reference).expect("crossed").price
    }

    #[test]
    fn most_volume_wins() {
        assert_eq!(price_of(&[(100, 10), (102, 50)], &[(99, 40), (102, 20)], 0), 102);
    }

    #[test]
    fn equal_volume_falls_to_the_smaller_surplus() {
        // At 101: 30 bid, 20 asked; at 102: 20 bid, 20 asked.
        assert_eq!(price_of(&[(101, 10), (102, 20)], &[(101, 20)], 0), 102);
    }

    #[test]
    fn pressure_of_buyers_takes_the_highest_and_of_sellers_the_lowest_price() {
        assert_eq!(price_of(&[(105, 30)], &[(100, 10), (103, 5)], 0), 105);
        assert_eq!(price_of(&[(105, 10)], &[(100, 30)], 999), 100);
    }

    #[test]
    fn balanced_prices_fall_to_the_reference_and_ties_to_the_higher() {
        let (bids, asks) = ([(104, 10)], [(100, 10)]);
        assert_eq!(price_of(&bids, &asks, 101), 100);
        assert_eq!(price_of(&bids, &asks, 103), 104);
        assert_eq!(price_of(&bids, &asks, 102), 104);
        assert_eq!(price_of(&bids, &asks, 0), 100);
    }
}
