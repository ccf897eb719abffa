//! Open order books under the same flow. Neither has accounts with funds, or idempotency keys.

use crate::measure::{Sample, processor_ns};
use crate::ops::{Flow, Kind, Op};
use std::hint::black_box;

pub mod matchcore_book {
    //! matchcore: no accounts, fees, keys or self-trade check; trades come back in vectors.

    use super::*;
    use matchcore::*;

    fn command(index: usize, op: &Op) -> Command {
        let policy = QuantityPolicy::Standard { quantity: Quantity(u64::from(op.quantity)) };
        let price = Price(op.price as u64);
        let order_id = OrderId(u64::from(op.target));
        let kind = match op.kind {
            Kind::Place | Kind::Take => {
                let side = if op.is_buy { Side::Buy } else { Side::Sell };
                let rests = op.kind == Kind::Place;
                let time_in_force = if rests { TimeInForce::Gtc } else { TimeInForce::Ioc };
                let flags = OrderFlags::new(side, false, time_in_force);
                let order = NewOrder::Limit(LimitOrder::new(price, policy, flags));
                CommandKind::Submit(SubmitCmd { order })
            }
            Kind::Cancel => {
                CommandKind::Cancel(CancelCmd { order_id, order_kind: OrderKind::Limit })
            }
            Kind::Reduce | Kind::Move => {
                let patch = if op.kind == Kind::Move {
                    LimitOrderPatch::new().with_price(price)
                } else {
                    LimitOrderPatch::new().with_quantity_policy(policy)
                };
                CommandKind::Amend(AmendCmd { order_id, patch: AmendPatch::Limit(patch) })
            }
        };
        let number = index as u64;
        let meta = CommandMeta {
            sequence_number: SequenceNumber(number),
            timestamp: Timestamp(number * 1_000),
        };
        Command { meta, kind }
    }

    /// Trades of an outcome, read; `None` when it was refused.
    #[inline]
    fn read(outcome: &CommandOutcome) -> Option<u64> {
        match outcome {
            CommandOutcome::Applied(CommandReport::Submit(effects))
            | CommandOutcome::Applied(CommandReport::Amend(effects)) => {
                let Some(result) = effects.target_order().match_result() else { return Some(0) };
                result.trades().iter().for_each(|trade| {
                    black_box(trade.quantity());
                });
                Some(result.trades().len() as u64)
            }
            CommandOutcome::Applied(CommandReport::Cancel) => Some(0),
            CommandOutcome::Rejected(_) => None,
        }
    }

    pub fn run(flow: &Flow) -> Sample {
        let commands: Vec<_> = flow.ops.iter().enumerate().map(|(i, op)| command(i, op)).collect();
        let (before, measured) = commands.split_at(flow.warm_up);
        let mut book = OrderBook::new("COIN-USD");
        for command in before {
            black_box(book.execute(command));
        }
        let mut sample = Sample { resting: book.limit().orders().len(), ..Sample::default() };
        let start = processor_ns();
        for command in measured {
            match read(&book.execute(command)) {
                Some(fills) => sample.fills += fills,
                None => sample.rejects += 1,
            }
        }
        sample.ns = processor_ns() - start;
        sample
    }
}

pub mod orderbook_rs_book {
    //! orderbook-rs: user ids with self-trade check (cancel taker) and fees; no funds, no keys.

    use super::*;
    use orderbook_rs::prelude::*;
    use orderbook_rs::{FeeSchedule, STPMode};
    use pricelevel::{Hash32, OrderUpdate, Price, Quantity};

    fn new_book() -> OrderBook<()> {
        let mut book = OrderBook::<()>::with_stp_mode("COIN-USD", STPMode::CancelTaker);
        book.set_fee_schedule(Some(FeeSchedule::new(1, 4)));
        book
    }

    fn user(account: u32) -> Hash32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&account.to_le_bytes());
        Hash32::new(bytes)
    }

    /// Fills that the operation made; `None` when it was refused.
    #[inline]
    fn apply(book: &OrderBook<()>, index: usize, op: &Op) -> Option<u64> {
        let target = Id::from_u64(u64::from(op.target));
        let price = op.price as u128;
        match op.kind {
            Kind::Place | Kind::Take => {
                let side = if op.is_buy { Side::Buy } else { Side::Sell };
                let rests = op.kind == Kind::Place;
                let time_in_force = if rests { TimeInForce::Gtc } else { TimeInForce::Ioc };
                let placed = book.add_limit_order_with_user_and_result(
                    Id::from_u64(index as u64),
                    price,
                    u64::from(op.quantity),
                    side,
                    time_in_force,
                    user(op.account),
                    None,
                );
                let (_, result) = placed.ok()?;
                Some(result.map_or(0, |r| r.match_result.trades().len() as u64))
            }
            Kind::Cancel => book.cancel_order(target).ok()?.map(|_| 0),
            Kind::Reduce => {
                let new_quantity = Quantity::new(u64::from(op.quantity));
                let update = OrderUpdate::UpdateQuantity { order_id: target, new_quantity };
                book.update_order(update).ok()?.map(|_| 0)
            }
            Kind::Move => {
                let new_price = Price::new(price);
                let update = OrderUpdate::UpdatePrice { order_id: target, new_price };
                book.update_order(update).ok()?.map(|_| 0)
            }
        }
    }

    pub fn run(flow: &Flow) -> Sample {
        let book = new_book();
        let (before, measured) = flow.ops.split_at(flow.warm_up);
        for (index, op) in before.iter().enumerate() {
            black_box(apply(&book, index, op));
        }
        let mut sample = Sample { resting: flow.resting_min, ..Sample::default() };
        let start = processor_ns();
        for (i, op) in measured.iter().enumerate() {
            match apply(&book, flow.warm_up + i, op) {
                Some(fills) => sample.fills += black_box(fills),
                None => sample.rejects += 1,
            }
        }
        sample.ns = processor_ns() - start;
        sample
    }
}
