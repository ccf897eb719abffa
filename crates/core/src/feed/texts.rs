//! The data of feed messages as JSON.

use crate::engine::{Engine, Instrument};
use crate::feed::changes::{Action, COMMAND_SPAN, OrderChange, REPLACED};
use crate::json::{CLOSE_REASONS, Json, SIDES};
use crate::wire::{Side, Trade};

/// (price, quantity, orders) of one level, as it is.
pub type Level = (i64, i128, u32);
/// Best bid, its quantity, best offer, its quantity; a quantity of 0 is an empty side.
pub type Top = (i64, i128, i64, i128);

fn price(json: &mut Json, instrument: &Instrument, name: &str, price: i64) {
    json.raw(name);
    instrument.write_price(json, price);
    json.raw("\"");
}

fn quantity(json: &mut Json, instrument: &Instrument, name: &str, lots: i128) {
    json.raw(name);
    instrument.write_quantity(json, lots);
    json.raw("\"");
}

fn id(json: &mut Json, name: &str, id: u64) {
    json.raw(name);
    json.integer(id);
    json.raw("\"");
}

fn write_level(json: &mut Json, instrument: &Instrument, (at, lots, orders): Level) {
    price(json, instrument, "\"price\":\"", at);
    quantity(json, instrument, ",\"quantity\":\"", lots);
    json.raw(",\"orders\":");
    json.integer(u64::from(orders));
    json.raw("}");
}

/// A level as it is now.
pub fn level(json: &mut Json, instrument: &Instrument, side: u8, level: Level) {
    json.raw("{\"side\":\"");
    json.name(&SIDES, side);
    json.raw("\",");
    write_level(json, instrument, level);
}

pub fn top(json: &mut Json, instrument: &Instrument, (bid, bid_lots, ask, ask_lots): Top) {
    let sides = [("{\"bid_price\":", ",\"bid_quantity\":\"", bid, bid_lots)];
    let sides =
        sides.into_iter().chain([(",\"ask_price\":", ",\"ask_quantity\":\"", ask, ask_lots)]);
    for (price_name, quantity_name, at, lots) in sides {
        json.raw(price_name);
        if lots == 0 {
            json.raw("null");
        } else {
            price(json, instrument, "\"", at);
        }
        quantity(json, instrument, quantity_name, lots);
    }
    json.raw("}");
}

pub fn trade(json: &mut Json, instrument: &Instrument, trade: &Trade, time_ns: i64) {
    let (maker, taker) = (trade.maker_order_id, trade.taker_order_id);
    let (buy, sell) = if trade.side == Side::Buy as u8 { (taker, maker) } else { (maker, taker) };
    id(json, "{\"id\":\"", trade.trade_id);
    json.raw(",\"instrument\":");
    json.string(&instrument.symbol);
    price(json, instrument, ",\"price\":\"", trade.price);
    quantity(json, instrument, ",\"quantity\":\"", i128::from(trade.quantity));
    id(json, ",\"maker_order_id\":\"", maker);
    id(json, ",\"taker_order_id\":\"", taker);
    id(json, ",\"buy_order_id\":\"", buy);
    id(json, ",\"sell_order_id\":\"", sell);
    json.raw(",\"taker_side\":\"");
    json.name(&SIDES, trade.side);
    json.raw("\",\"executed_at\":\"");
    json.time(time_ns);
    json.raw("\"}");
}

/// One change of one order. `is_own` marks it for its owner.
pub fn order(json: &mut Json, instrument: &Instrument, place: u64, c: &OrderChange, is_own: bool) {
    json.raw("{\"action\":\"");
    json.raw(match c.action {
        Action::Added => "add",
        Action::Moved { .. } | Action::Reduced { .. } => "modify",
        Action::Traded { .. } => "trade",
        Action::Removed { .. } => "delete",
    });
    id(json, "\",\"order_id\":\"", c.order_id);
    json.raw(",\"side\":\"");
    json.name(&SIDES, c.side);
    price(json, instrument, "\",\"price\":\"", c.price);
    quantity(json, instrument, ",\"quantity\":\"", i128::from(c.leaves));
    match c.action {
        Action::Added => {}
        Action::Moved { previous_price, .. } => {
            json.raw(",\"priority\":\"lost\"");
            price(json, instrument, ",\"previous_price\":\"", previous_price);
        }
        Action::Reduced { .. } => json.raw(",\"priority\":\"kept\""),
        Action::Traded { trade_id, quantity: lots, taker_order_id } => {
            id(json, ",\"trade_id\":\"", trade_id);
            quantity(json, instrument, ",\"traded_quantity\":\"", i128::from(lots));
            id(json, ",\"taker_order_id\":\"", taker_order_id);
        }
        Action::Removed { reason, is_expired, .. } => {
            json.raw(",\"reason\":\"");
            match reason {
                REPLACED => json.raw("replaced"),
                _ if is_expired => json.raw("expired"),
                _ => json.name(&CLOSE_REASONS, reason),
            }
            json.raw("\"");
        }
    }
    json.raw(",\"sequence\":");
    json.integer(place / COMMAND_SPAN);
    json.raw(if is_own { ",\"own\":true}" } else { "}" });
}

/// All levels, best first.
pub fn book(json: &mut Json, engine: &Engine, instrument: &Instrument, levels_max: usize) {
    for (name, side) in [("{\"bids\":[", Side::Buy), ("],\"asks\":[", Side::Sell)] {
        json.raw(name);
        let levels = engine.depth(instrument.number, side as u8, levels_max);
        for (at, level) in levels.into_iter().enumerate() {
            json.raw(if at == 0 { "{" } else { ",{" });
            write_level(json, instrument, level);
        }
    }
    json.raw("]}");
}

/// All resting orders in the order in which they will trade; those of `own` are marked.
pub fn queues(
    json: &mut Json,
    engine: &Engine,
    instrument: &Instrument,
    own: u32,
    orders_max: usize,
) {
    for (name, side) in [("{\"bids\":[", Side::Buy), ("],\"asks\":[", Side::Sell)] {
        json.raw(name);
        let orders = engine.queue(instrument.number, side as u8, orders_max);
        for (at, (order_id, at_price, leaves, account)) in orders.into_iter().enumerate() {
            id(json, if at == 0 { "{\"order_id\":\"" } else { ",{\"order_id\":\"" }, order_id);
            price(json, instrument, ",\"price\":\"", at_price);
            quantity(json, instrument, ",\"quantity\":\"", i128::from(leaves));
            let is_own = own != 0 && account == own;
            json.raw(if is_own { ",\"own\":true}" } else { "}" });
        }
    }
    json.raw("]}");
}
