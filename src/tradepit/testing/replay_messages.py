"""Steps of a replay as text, from the description of their form alone: plain and slow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

ACTIONS: Final = {
    "A": "add",
    "C": "cancel",
    "M": "modify",
    "R": "clear",
    "T": "trade",
    "F": "fill",
    "N": "none",
}
SIDES: Final = {"B": "bid", "A": "ask"}
KINDS: Final = [
    "none",
    "added",
    "removed",
    "reduced",
    "modified_kept",
    "modified_lost",
    "cleared",
    "error",
]
ERRORS: Final = [
    "",
    "duplicate_order",
    "unknown_cancel",
    "unknown_modify",
    "cancel_too_large",
    "no_side",
    "no_price",
    "no_size",
    "unknown_action",
    "not_mbo",
]
NO_PRICE: Final = 2**63 - 1
NO_TIME: Final = 2**64 - 1
LAST: Final = 128


class NamedDays(NamedTuple):
    """The symbol of an instrument from a time up to, not including, another (ns)."""

    instrument_id: int
    symbol: str
    start_ns: int
    end_ns: int


def message(
    record: Any, effect: Any, *, seq: int, number: int, left_ns: int, symbols: Iterable[NamedDays]
) -> str:
    """One message; record and effect are rows of their arrays."""
    fields: dict[str, Any] = {"seq": seq, "number": number}
    time_ns = int(record["ts_event"])
    if time_ns != NO_TIME:
        fields["time"] = rfc3339(time_ns)
    symbol = _symbol(int(record["instrument_id"]), time_ns, symbols)
    if symbol is not None:
        fields["instrument"] = symbol
    fields["instrument_id"] = int(record["instrument_id"])
    fields["publisher_id"] = int(record["publisher_id"])
    fields |= _order(record)
    fields["effect"] = _effect(effect)
    fields["left_ns"] = left_ns
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def framed(text: str, *, seq: int, style: str) -> bytes:
    """A message as its receivers read it: in lines, events or frames."""
    data = text.encode()
    if style == "lines":
        return data + b"\n"
    if style == "events":
        return b"id: %d\ndata: %s\n\n" % (seq, data)
    if len(data) < 126:
        head = bytes([0x81, len(data)])
    elif len(data) < 2**16:
        head = bytes([0x81, 126]) + len(data).to_bytes(2)
    else:
        head = bytes([0x81, 127]) + len(data).to_bytes(8)
    return head + data


def rfc3339(time_ns: int) -> str:
    second, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def decimal(price: int) -> str:
    text = f"{Decimal(price).scaleb(-9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _symbol(instrument_id: int, time_ns: int, symbols: Iterable[NamedDays]) -> str | None:
    days = sorted((d for d in symbols if d.instrument_id == instrument_id), key=lambda d: d[2])
    valid = [each for each in days if each.start_ns <= time_ns < each.end_ns]
    return valid[0].symbol if valid else days[-1].symbol if days else None


def _order(record: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"action": ACTIONS.get(chr(record["action"]), "unknown")}
    if chr(record["side"]) in SIDES:
        fields["side"] = SIDES[chr(record["side"])]
    if record["order_id"]:
        fields["order_id"] = str(record["order_id"])
    if record["price"] != NO_PRICE:
        fields["price"] = decimal(int(record["price"]))
    fields["size"] = int(record["size"])
    if record["flags"] & LAST:
        fields["last"] = True
    fields["flags"] = int(record["flags"])
    fields["venue_sequence"] = int(record["sequence"])
    return fields


def _effect(effect: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": _named(KINDS, effect["kind"])}
    if effect["error"]:
        fields["error"] = _named(ERRORS, effect["error"])
    if effect["orders_cleared"]:
        fields["orders_cleared"] = int(effect["orders_cleared"])
    for which in ("old", "new"):
        if chr(effect[f"{which}_side"]) in SIDES:
            fields[which] = _place(effect, which)
    return fields


def _place(effect: Any, which: str) -> dict[str, Any]:
    place: dict[str, Any] = {"side": SIDES[chr(effect[f"{which}_side"])]}
    if effect[f"{which}_price"] != NO_PRICE:
        place["price"] = decimal(int(effect[f"{which}_price"]))
    place["size"] = int(effect[f"{which}_size"])
    place["orders_ahead"] = int(effect[f"{which}_orders_ahead"])
    if which == "new":
        place["size_ahead"] = int(effect["new_size_ahead"])
    return place


def _named(names: list[str], number: int) -> str:
    return names[number] if number < len(names) else "unknown"
