"""What a batch of events says of orders beside how they stand at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit._native import Applied
from tradepit.domain.wire import (
    ORDER_ACCEPTED_DTYPE,
    ORDER_CANCELLED_DTYPE,
    ORDER_FILLED_DTYPE,
    ORDER_REDUCED_DTYPE,
    ORDER_REPLACED_DTYPE,
    ORDER_TRIGGERED_DTYPE,
    TRADE_DTYPE,
    EventKind,
    Option,
    OrderStatus,
)
from tradepit.projections.grouping import Ints

Records = NDArray[Any]

NOT_PLACED: Final = (0, 0, 0)
"""`first_shown` of an order that was placed before the batch; its row has them."""

_DTYPES: Final = {
    EventKind.ORDER_ACCEPTED: ORDER_ACCEPTED_DTYPE,
    EventKind.ORDER_REPLACED: ORDER_REPLACED_DTYPE,
    EventKind.ORDER_CANCELLED: ORDER_CANCELLED_DTYPE,
    EventKind.ORDER_REDUCED: ORDER_REDUCED_DTYPE,
    EventKind.ORDER_TRIGGERED: ORDER_TRIGGERED_DTYPE,
    EventKind.ORDER_FILLED: ORDER_FILLED_DTYPE,
}
"""The kinds that are about one order; it stands at the same place in all of them."""


class Ending(NamedTuple):
    """What the last events of an order did to it; the rest stands in its row."""

    order_id: int
    traded: int
    traded_value: int
    price: int | None
    """None: unchanged."""
    quantity: int | None
    """None: unchanged."""
    status: int
    close_reason: int
    updated_ns: int
    options: int | None = None
    """None: unchanged."""
    stop_price: int | None = None
    """None: unchanged."""


def _of(applied: Applied, kinds: Records, kind: EventKind) -> Records:
    records: Records = np.frombuffer(applied.events, _DTYPES[kind])[kinds == kind]
    return records


def _tuples(records: Records, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(records[name].tolist() for name in names), strict=True)


def touched_orders(applied: Applied, kinds: Records) -> tuple[Ints, Ints, Ints]:
    """Orders that something happened to: ids, first and last event. A taker, and both orders of an
    auction's trade, have events of their own beside their trades."""
    at = np.flatnonzero(np.isin(kinds, list(_DTYPES)))
    trades_at = np.flatnonzero(kinds == EventKind.TRADE)
    ids = np.concatenate(
        [
            np.frombuffer(applied.events, ORDER_ACCEPTED_DTYPE)["order_id"][at],
            np.frombuffer(applied.events, TRADE_DTYPE)["maker_order_id"][trades_at],
        ]
    ).astype(np.int64)
    indexes = np.concatenate([at, trades_at])
    by_index = np.argsort(indexes, kind="stable")
    ids, indexes = ids[by_index], indexes[by_index]
    order_ids, first = np.unique(ids, return_index=True)
    _, last = np.unique(ids[::-1], return_index=True)
    return order_ids, indexes[first], indexes[::-1][last]


def first_shown(applied: Applied, kinds: Records) -> dict[int, tuple[int, int, int]]:
    """Price, quantity and stop price of the orders that were placed, as they were accepted."""
    placed = _of(applied, kinds, EventKind.ORDER_ACCEPTED)
    rows = _tuples(placed, "order_id", "price", "quantity", "stop_price")
    return {order_id: (price, quantity, stop) for order_id, price, quantity, stop in rows}


def told_stops(applied: Applied, kinds: Records) -> dict[int, int]:
    """The stop price that each stop order was last told to have, where one was told."""
    stops: dict[int, int] = {}
    # Nothing is replaced before it is accepted, nor waits once it is triggered.
    for kind in (EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED, EventKind.ORDER_TRIGGERED):
        told = _of(applied, kinds, kind)
        told = told[told["stop_price"] != 0]
        stops.update(_tuples(told, "order_id", "stop_price"))
    return stops


def triggers(applied: Applied, kinds: Records) -> list[tuple[int, int]]:
    """Stop orders that came in, with the sequences of the commands that let them."""
    triggered = _of(applied, kinds, EventKind.ORDER_TRIGGERED)
    return list(_tuples(triggered, "order_id", "sequence"))


def endings_of(
    applied: Applied, kinds: Records, missing: Iterable[tuple[int, int]]
) -> list[Ending]:
    """The ends of orders that are neither live nor remembered.

    Args:
        missing: their ids, each with the time of its last event.
    """
    endings = {
        order_id: Ending(order_id, 0, 0, None, None, OrderStatus.FILLED, 0, updated_ns)
        for order_id, updated_ns in missing
    }
    wanted = np.array(sorted(endings), np.int64)
    for order_id, price, quantity in _trades_of(applied, kinds, wanted):
        ending = endings[order_id]
        endings[order_id] = ending._replace(
            traded=ending.traded + quantity,
            traded_value=ending.traded_value + price * quantity,
        )
    for kind, event in _changes_of(applied, kinds, wanted):
        order_id = int(event["order_id"])
        endings[order_id] = _after(endings[order_id], kind, event)
    return list(endings.values())


def _trades_of(applied: Applied, kinds: Records, wanted: Ints) -> Iterator[tuple[int, int, int]]:
    trades = np.frombuffer(applied.events, TRADE_DTYPE)[kinds == EventKind.TRADE]
    for name in ("maker_order_id", "taker_order_id"):
        of_them = trades[np.isin(trades[name].astype(np.int64), wanted)]
        yield from _tuples(of_them, name, "price", "quantity")


def _changes_of(applied: Applied, kinds: Records, wanted: Ints) -> Iterator[tuple[EventKind, Any]]:
    """Events about orders beside their fills, in the order in which they happened."""
    found: list[tuple[int, EventKind, Any]] = []
    for kind in (
        EventKind.ORDER_REPLACED,
        EventKind.ORDER_REDUCED,
        EventKind.ORDER_TRIGGERED,
        EventKind.ORDER_CANCELLED,
    ):
        at = np.flatnonzero(kinds == kind)
        records = np.frombuffer(applied.events, _DTYPES[kind])[at]
        chosen = np.isin(records["order_id"].astype(np.int64), wanted)
        found += [
            (index, kind, record)
            for index, record in zip(at[chosen].tolist(), records[chosen], strict=True)
        ]
    found.sort(key=lambda each: each[0])
    return ((kind, record) for _, kind, record in found)


def _after(ending: Ending, kind: EventKind, event: Any) -> Ending:
    options = int(event["options"]) & ~Option.KEPT_PRIORITY
    ending = ending._replace(quantity=int(event["quantity"]), options=options)
    if kind is EventKind.ORDER_REPLACED:
        ending = ending._replace(price=int(event["price"]))
    if kind is EventKind.ORDER_CANCELLED:
        status, reason = int(event["status"]), int(event["reason"])
        return ending._replace(status=status, close_reason=reason)
    if kind is not EventKind.ORDER_REDUCED and event["stop_price"]:
        ending = ending._replace(stop_price=int(event["stop_price"]))
    return ending
