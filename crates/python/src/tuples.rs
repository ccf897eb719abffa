//! Rows of the history, and positions, as Python tuples; the fields are listed in `_native.pyi`.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tradepit_core::account::Position;
use tradepit_core::history::{Fill, OrderView, TradeView};

/// instrument, net, cost, realised, version, open_buy, open_sell, position_max
pub type PositionRow = (u32, i64, i128, i128, u64, i64, i64, i64);
/// trade_id, sequence, time_ns, price, quantity, fee, is_maker
pub type FillRow = (u64, u64, i64, i64, i64, i64, bool);

pub fn position_row(p: &Position) -> PositionRow {
    (p.instrument, p.net, p.cost, p.realised, p.version, p.open_buy, p.open_sell, p.limit)
}

pub fn fill_row(f: Fill) -> FillRow {
    let fee = if f.is_maker { f.trade.maker_fee } else { f.trade.taker_fee };
    let t = &f.trade;
    (t.id, t.sequence, t.time_ns, t.price, t.quantity, fee, f.is_maker)
}

pub fn order_tuple<'py>(py: Python<'py>, o: &OrderView) -> PyResult<Bound<'py, PyTuple>> {
    let head = (
        o.id,
        o.account,
        o.instrument,
        o.side,
        o.order_type,
        o.time_in_force,
        o.self_trade_prevention,
        o.options,
        o.status,
        o.close_reason,
    )
        .into_pyobject(py)?;
    let tail = (
        o.price,
        o.quantity,
        o.leaves,
        o.filled,
        o.filled_value,
        o.expires_at,
        o.created_at,
        o.updated_at,
        o.text.as_deref(),
        o.first_quantity,
        o.display_quantity(),
        o.stop_price(),
    )
        .into_pyobject(py)?;
    head.as_sequence().concat(tail.as_sequence())?.to_tuple()
}

pub fn trade_tuple<'py>(py: Python<'py>, t: &TradeView) -> PyResult<Bound<'py, PyTuple>> {
    let head = (t.id, t.sequence, t.time_ns, t.instrument, t.price, t.quantity, t.maker_order)
        .into_pyobject(py)?;
    let tail =
        (t.taker_order, t.maker_account, t.taker_account, t.taker_side, t.maker_fee, t.taker_fee)
            .into_pyobject(py)?;
    head.as_sequence().concat(tail.as_sequence())?.to_tuple()
}
