//! The history as bytes of a snapshot.

use super::{Change, History, OrderView, Special, TradeView};
use crate::snapshot::{Read, Sink, Source};

impl History {
    pub fn write(&self, sink: &mut impl Sink) {
        sink.i64(self.time_ns);
        sink.u64(self.orders_gone);
        sink.u64(self.orders.len() as u64);
        for order in &self.orders {
            write_order(sink, order);
        }
        sink.u64(self.trades.len() as u64);
        for trade in &self.trades {
            write_trade(sink, trade);
        }
        sink.u64(self.last_of_account.len() as u64);
        for &(order, trade) in &self.last_of_account {
            sink.u64(order);
            sink.u64(trade);
        }
        sink.u64(self.last_of_instrument.len() as u64);
        for &trade in &self.last_of_instrument {
            sink.u64(trade);
        }
    }

    pub fn read(source: &mut Source<'_>, orders_max: usize, trades_max: usize) -> Read<Self> {
        let mut history = Self::new(orders_max, trades_max);
        history.time_ns = source.i64()?;
        history.orders_gone = source.u64()?;
        for _ in 0..source.count(100)? {
            let order = read_order(source)?;
            history.remember(order);
        }
        for _ in 0..source.count(100)? {
            let trade = read_trade(source)?;
            if history.trades.len() == history.trades_max {
                history.trades.pop_front();
            }
            history.trades.push_back(trade);
        }
        for _ in 0..source.count(16)? {
            history.last_of_account.push((source.u64()?, source.u64()?));
        }
        for _ in 0..source.count(8)? {
            history.last_of_instrument.push(source.u64()?);
        }
        Ok(history)
    }
}

fn write_order(sink: &mut impl Sink, o: &OrderView) {
    for v in [o.id, o.last_fill, o.previous_of_account, o.closed_sequence] {
        sink.u64(v);
    }
    sink.u32(o.account);
    sink.u32(o.instrument);
    sink.bytes(&[
        o.side,
        o.order_type,
        o.time_in_force,
        o.self_trade_prevention,
        o.options,
        o.status,
        o.close_reason,
    ]);
    for v in [
        o.price,
        o.quantity,
        o.leaves,
        o.filled,
        o.expires_at,
        o.created_at,
        o.updated_at,
        o.first_price,
        o.first_quantity,
    ] {
        sink.i64(v);
    }
    sink.i128(o.filled_value);
    sink.u8(u8::from(o.text.is_some()));
    sink.text(o.text.as_deref().unwrap_or(""));
    sink.u8(u8::from(o.special.is_some()));
    if let Some(special) = &o.special {
        for v in [special.display_quantity, special.stop_price, special.first_stop_price] {
            sink.i64(v);
        }
        sink.u8(special.first_options);
    }
    sink.u32(o.changes.len() as u32);
    for change in &o.changes {
        sink.u64(change.sequence);
        for v in [change.price, change.quantity, change.time_ns, change.stop_price] {
            sink.i64(v);
        }
        sink.u8(change.options);
    }
}

fn read_special(source: &mut Source<'_>) -> Read<Option<Box<Special>>> {
    if source.u8()? == 0 {
        return Ok(None);
    }
    Ok(Some(Box::new(Special {
        display_quantity: source.i64()?,
        stop_price: source.i64()?,
        first_stop_price: source.i64()?,
        first_options: source.u8()?,
    })))
}

fn read_order(source: &mut Source<'_>) -> Read<OrderView> {
    let mut order = OrderView {
        id: source.u64()?,
        last_fill: source.u64()?,
        previous_of_account: source.u64()?,
        closed_sequence: source.u64()?,
        account: source.u32()?,
        instrument: source.u32()?,
        side: source.u8()?,
        order_type: source.u8()?,
        time_in_force: source.u8()?,
        self_trade_prevention: source.u8()?,
        options: source.u8()?,
        status: source.u8()?,
        close_reason: source.u8()?,
        price: source.i64()?,
        quantity: source.i64()?,
        leaves: source.i64()?,
        filled: source.i64()?,
        expires_at: source.i64()?,
        created_at: source.i64()?,
        updated_at: source.i64()?,
        first_price: source.i64()?,
        first_quantity: source.i64()?,
        filled_value: source.i128()?,
        ..OrderView::default()
    };
    let has_text = source.u8()? != 0;
    let text = source.text()?;
    order.text = has_text.then(|| text.into());
    order.special = read_special(source)?;
    for _ in 0..source.u32()? {
        order.changes.push(Change {
            sequence: source.u64()?,
            price: source.i64()?,
            quantity: source.i64()?,
            time_ns: source.i64()?,
            stop_price: source.i64()?,
            options: source.u8()?,
        });
    }
    Ok(order)
}

fn write_trade(sink: &mut impl Sink, t: &TradeView) {
    for v in [
        t.id,
        t.sequence,
        t.maker_order,
        t.taker_order,
        t.previous_of_maker_order,
        t.previous_of_taker_order,
        t.previous_of_maker_account,
        t.previous_of_taker_account,
        t.previous_of_instrument,
    ] {
        sink.u64(v);
    }
    for v in [t.time_ns, t.price, t.quantity, t.maker_fee, t.taker_fee] {
        sink.i64(v);
    }
    for v in [t.instrument, t.maker_account, t.taker_account] {
        sink.u32(v);
    }
    sink.u8(t.taker_side);
}

fn read_trade(source: &mut Source<'_>) -> Read<TradeView> {
    Ok(TradeView {
        id: source.u64()?,
        sequence: source.u64()?,
        maker_order: source.u64()?,
        taker_order: source.u64()?,
        previous_of_maker_order: source.u64()?,
        previous_of_taker_order: source.u64()?,
        previous_of_maker_account: source.u64()?,
        previous_of_taker_account: source.u64()?,
        previous_of_instrument: source.u64()?,
        time_ns: source.i64()?,
        price: source.i64()?,
        quantity: source.i64()?,
        maker_fee: source.i64()?,
        taker_fee: source.i64()?,
        instrument: source.u32()?,
        maker_account: source.u32()?,
        taker_account: source.u32()?,
        taker_side: source.u8()?,
    })
}
