//! Rows of the history as Python tuples; the fields are listed in `_native.pyi`.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tradepit_core::history::{OrderView, TradeView};

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
