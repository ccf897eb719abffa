"""Events as data frames: numbers of the engine as what people call them.

pandas is an extra and only imported here, when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradepit.domain.commands import Step
from tradepit.domain.wire import (
    AccountState,
    CloseReason,
    OrderStatus,
    OrderType,
    Phase,
    RejectReason,
    SelfTradePrevention,
    TimeInForce,
)
from tradepit.domain.wire import Side as WireSide
from tradepit.gateway.drafts import Market as Lookup
from tradepit.market.event_log import EventLog, Events

if TYPE_CHECKING:
    import pandas as pd

PRICES: Final = ("price", "previous_price", "stop_price", "reference_price")
QUANTITIES: Final = (
    "quantity",
    "leaves",
    "previous_leaves",
    "maker_leaves",
    "cancelled_quantity",
    "reduced_by",
    "display_quantity",
    "quantity_min",
    "quantity_max",
    "position_max",
)
QUOTE_AMOUNTS: Final = ("maker_fee", "taker_fee", "value_max")
ASSET_AMOUNTS: Final = ("amount", "balance", "credit")
ACCOUNTS: Final = ("account", "maker_account", "counterpart")
TIMES: Final = ("time_ns", "expires_at")
LEFT_OUT: Final = ("kind", "flags", "reserved", "options", "session")
OF_ORDERS: Final = ("order_type", "time_in_force", "self_trade_prevention", "status")
"""Fields of every event's header that only events of orders fill."""

STATES: Final = {"phase_changed": Phase, "account_state_changed": AccountState}
"""Kinds whose status is none of an order's."""

ENUMS: Final = {
    "side": WireSide,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "self_trade_prevention": SelfTradePrevention,
}


def data_frame(market: Lookup, log: EventLog, kind: str, since: int) -> pd.DataFrame:
    """Events of one kind after a sequence, one row each; `time` is market time."""
    try:
        import pandas
    except ImportError as error:
        message = "data frames need pandas: pip install 'tradepit[notebook]'"
        raise ImportError(message) from error
    events = log.array(kind, since)
    columns: dict[str, Any] = {"sequence": events["sequence"]}
    columns["time"] = pandas.to_datetime(log.times(events["sequence"]), utc=True)
    kind = kind.lower()
    left_out = LEFT_OUT if kind.startswith("order_") else LEFT_OUT + OF_ORDERS
    if kind in STATES:
        columns["status"] = _column(market, kind, events, "status")
    for name in events.dtype.names or ():
        if name not in left_out and name not in columns:
            columns[_title(name)] = _column(market, kind, events, name)
    return pandas.DataFrame(columns)


def _title(name: str) -> str:
    return "at" if name == "time_ns" else name


def _column(market: Lookup, kind: str, events: Events, name: str) -> Any:
    values = events[name]
    if name in PRICES:
        return _scaled(values, events["instrument"], _tick_sizes(market))
    if name in QUANTITIES:
        return _scaled(values, events["instrument"], _lot_sizes(market))
    if name in QUOTE_AMOUNTS:
        return _scaled(values, events["instrument"], _quote_units(market))
    if name in ASSET_AMOUNTS:
        units = {row.asset: Step(1, row.scale) for row in market.listing.assets.values()}
        return _scaled(values, events["asset"], units)
    if name in ACCOUNTS:
        return _named(values, lambda number: _account(market, number))
    if name == "instrument":
        symbols = {number: each.row.symbol for number, each in market.listing.by_number.items()}
        return _named(values, symbols.get)
    if name == "asset":
        return _named(values, lambda number: _code(market, number))
    if name in TIMES:
        return np.where(values, values.astype("datetime64[ns]"), np.datetime64("NaT"))
    enum = _enum(kind, name)
    return values if enum is None else _named(values, lambda number: _word(enum, number))


def _enum(kind: str, name: str) -> Any:
    if name == "reason":
        return RejectReason if kind.startswith("command_") else CloseReason
    if name == "status":
        return STATES.get(kind, OrderStatus)
    return ENUMS.get(name)


def _word(enum: Any, number: int) -> str | None:
    return enum(number).name.lower() if number in enum._value2member_map_ else None


def _account(market: Lookup, number: int) -> str | None:
    row = market.replica.account(number) if number else None
    return None if row is None else row[0]


def _code(market: Lookup, number: int) -> str | None:
    asset = market.listing.assets.get(number)
    return None if asset is None else asset.code


def _tick_sizes(market: Lookup) -> dict[int, Step]:
    rows = [each.row for each in market.listing.by_number.values()]
    return {row.instrument: Step(row.tick_mantissa, row.tick_exponent) for row in rows}


def _lot_sizes(market: Lookup) -> dict[int, Step]:
    rows = [each.row for each in market.listing.by_number.values()]
    return {row.instrument: Step(row.lot_mantissa, row.lot_exponent) for row in rows}


def _quote_units(market: Lookup) -> dict[int, Step]:
    return {number: Step(1, each.quote.scale) for number, each in market.listing.by_number.items()}


def _scaled(values: Any, keys: Any, steps: dict[int, Step]) -> Any:
    """Whole steps as decimals: divided by a power of ten, so that 10005 / 100 reads 100.05."""
    distinct, places = np.unique(keys, return_inverse=True)
    found = [steps.get(int(key), Step(0, 0)) for key in distinct]
    mantissas = np.array([float(step.mantissa) for step in found])
    powers = np.array([10.0**step.exponent for step in found])
    return values.astype(float) * mantissas[places] / powers[places]


def _named(values: Any, name: Any) -> Any:
    distinct, places = np.unique(values, return_inverse=True)
    names = np.array([name(int(number)) for number in distinct], dtype=object)
    return names[places]
