"""Single values of a request: names of enums, keys, ids, times. Each is right or `Refused`."""

from __future__ import annotations

import re
from typing import Final

from tradepit.domain.wire import OrderStatus
from tradepit.gateway.problems import refused
from tradepit.gateway.times import parse_time

ORDER_ID_MAX: Final = 2**63 - 1

_VISIBLE: Final = re.compile(rb"[\x21-\x7e]{1,64}")


def _cases(names: dict[str, int]) -> dict[str, int]:
    """Names in the two spellings that need no folding."""
    return names | {name.upper(): value for name, value in names.items()}


SIDES: Final = _cases({"buy": 1, "sell": 2})
TYPES: Final = _cases({"limit": 1, "market": 2, "stop": 3, "stop_limit": 4, "trailing_stop": 5})
TIMES_IN_FORCE: Final = _cases({"gtc": 1, "day": 2, "gtd": 3, "ioc": 4, "fok": 5})
PREVENTIONS: Final = _cases(
    {"none": 0, "cancel_taker": 1, "cancel_maker": 2, "cancel_both": 3, "decrement": 4}
)

STATUSES: Final = {status.name.lower(): 1 << status for status in OrderStatus if status} | {
    "open": 1 << OrderStatus.NEW | 1 << OrderStatus.PARTIALLY_FILLED
}
"""Names of order statuses, and the bits that the replica asks for them with."""


def choose(table: dict[str, int], name: str, field: str) -> int:
    """Return the number of an enum name in any case; raises `Refused`."""
    value = table.get(name)
    if value is None:
        value = table.get(name.lower())
        if value is None:
            known = ", ".join(key for key in table if key.islower())
            raise refused("invalid_field", f"{field} must be one of {known}", field=field)
    return value


def check_key(text: bytes) -> bytes:
    """Return an idempotency key that is 1 to 64 visible ASCII characters; raises `Refused`."""
    if _VISIBLE.fullmatch(text) is None:
        raise refused("invalid_key", field="Idempotency-Key")
    return text


def visible(text: str, field: str) -> bytes:
    """Return the bytes of 1 to 64 visible ASCII characters; raises `Refused`."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError:
        data = b""
    if _VISIBLE.fullmatch(data) is None:
        detail = f"{field} must be 1 to 64 visible ASCII characters"
        code = "invalid_account_id" if field in ("client_id", "id") else "invalid_field"
        raise refused(code, detail, field=field)
    return data


def time_field(text: str | None, field: str) -> int:
    """Return nanoseconds of an optional time, 0 when absent; raises `Refused`."""
    if text is None:
        return 0
    time_ns = parse_time(text)
    if time_ns is None:
        raise refused("invalid_field", f"{field} must be an RFC 3339 time", field=field)
    return time_ns


def order_number(text: str | int) -> int:
    """Return the number of an order id; whatever else is asked for is an unknown order."""
    if isinstance(text, int):
        number = text
    elif text.isascii() and text.isdigit() and len(text) <= 19:
        number = int(text)
    else:
        number = 0
    if not 0 < number <= ORDER_ID_MAX:
        raise refused("unknown_order")
    return number


def statuses_field(text: str | None) -> int:
    """Return the bits of a list of statuses, 0 when absent; raises `Refused`."""
    mask = 0
    for name in text.split(",") if text else ():
        bit = STATUSES.get(name.strip().lower())
        if bit is None:
            known = ", ".join(STATUSES)
            raise refused("invalid_parameter", f"status must be among {known}", field="status")
        mask |= bit
    return mask
