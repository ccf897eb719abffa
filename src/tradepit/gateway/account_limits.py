"""Limits of an account as command records: what a body does not name stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import UNSET, Raw, UnsetType

from tradepit.domain import commands, safety_commands
from tradepit.domain.commands import NO_KEY, Key, key_of
from tradepit.domain.decimals import UNITS_MAX, DecimalError, parse_units
from tradepit.engine.firm_rows import GuardRow, OrderLimitsRow
from tradepit.gateway.administration import credit_records
from tradepit.gateway.drafts import Market
from tradepit.gateway.fields import check_key, time_field
from tradepit.gateway.listing import Instrument, number_refused
from tradepit.gateway.problems import refused
from tradepit.gateway.shapes import InstrumentLimits, Limits, decimal_text

WINDOW_NS_MIN: Final = 1_000_000
WINDOW_NS_MAX: Final = 86_400_000_000_000
VALUE_MAX: Final = 2**62
"""The engine's largest bound of a quantity or a value."""

_SECONDS: Final = commands.Step(1, 9)


def limits_records(market: Market, account: int, body: Limits, key: bytes | None) -> list[bytes]:
    """Return records that set limits of an account; raises `Refused`."""
    keys = _keys(key)
    until = time_field(body.valid_until, "valid_until")
    records: list[bytes] = []
    if body.open_orders_max is not None:
        records.append(
            commands.set_account_limits(
                account=account,
                open_orders_max=body.open_orders_max,
                key=next(keys),
                valid_until=until,
            )
        )
    for number, lots in _position_limits(market, body).items():
        records.append(
            commands.set_position_limit(
                account=account,
                instrument=number,
                position_max=lots,
                key=next(keys),
                valid_until=until,
            )
        )
    records += _order_limits(market, account, body, keys, until)
    if body.credit is not None:
        records += credit_records(market, account, body)
    if _names_guard(body):
        records.append(_guard(market, account, body, next(keys), until))
    if not records:
        raise refused("invalid_field", "no limit is given", field="open_orders_max")
    return records


def _keys(key: bytes | None) -> Iterator[Key]:
    """The key of each of several records under one `Idempotency-Key`."""
    if key is not None:
        yield key_of(check_key(key))
    number = 1
    while True:
        yield NO_KEY if key is None else key_of(b"%b/%d" % (key, number))
        number += 1


def _position_limits(market: Market, body: Limits) -> dict[int, int]:
    """Lots by instrument, of both ways to name them."""
    named: dict[str, Raw | UnsetType] = dict(body.positions or {})
    named |= {
        item.instrument: item.position_max
        for item in body.instruments or ()
        if item.position_max is not UNSET
    }
    found = {}
    for symbol, raw in named.items():
        instrument = market.listing.find(symbol, "positions")
        found[instrument.number] = _lots(instrument, raw, "position_max")
    return found


def _order_limits(
    market: Market, account: int, body: Limits, keys: Iterator[Key], until: int
) -> list[bytes]:
    rows = (OrderLimitsRow._make(values) for values in market.replica.order_limits(account))
    known = {row.instrument: row for row in rows}
    records = []
    for item in body.instruments or ():
        instrument = market.listing.find(item.instrument, "instrument")
        if item.max_quantity is UNSET and item.max_value is UNSET:
            continue
        now = known.get(instrument.number) or OrderLimitsRow(instrument.number, 0, 0)
        now = known[instrument.number] = _changed(market, instrument, item, now)
        records.append(
            safety_commands.set_order_limits(
                account=account,
                instrument=instrument.number,
                quantity_max=now.quantity_max,
                value_max=now.value_max,
                key=next(keys),
                valid_until=until,
            )
        )
    return records


def _changed(
    market: Market, instrument: Instrument, item: InstrumentLimits, now: OrderLimitsRow
) -> OrderLimitsRow:
    quantity, value = item.max_quantity, item.max_value
    if quantity is not UNSET:
        now = now._replace(quantity_max=_lots(instrument, quantity, "max_quantity"))
    if value is not UNSET:
        scale = commands.Step(1, instrument.quote.scale)
        now = now._replace(value_max=_units(value, scale, VALUE_MAX, "max_value"))
    return now


def _names_guard(body: Limits) -> bool:
    return not (
        body.messages_per_second is None
        and body.repeats_max is None
        and body.window_seconds is UNSET
        and body.traded_max is UNSET
        and body.traded_asset is None
    )


def _guard(market: Market, account: int, body: Limits, key: Key, until: int) -> bytes:
    now = GuardRow._make(market.replica.guard(account))
    messages, repeats = body.messages_per_second, body.repeats_max
    window = body.window_seconds
    window_ns = now.window_ns
    if window is not UNSET:
        window_ns = _units(window, _SECONDS, WINDOW_NS_MAX, "window_seconds")
    traded_max, traded_asset = _traded(market, body, now)
    repeats_max = now.repeats_max if repeats is None else repeats
    if (repeats_max or traded_max) and window_ns < WINDOW_NS_MIN:
        detail = "repeats_max and traded_max need window_seconds of 0.001 to 86400"
        raise refused("invalid_field", detail, field="window_seconds")
    return safety_commands.set_account_guard(
        account=account,
        messages_max=now.messages_max if messages is None else messages,
        repeats_max=repeats_max,
        window_ns=window_ns,
        traded_max=traded_max,
        traded_asset=traded_asset,
        key=key,
        valid_until=until,
    )


def _traded(market: Market, body: Limits, now: GuardRow) -> tuple[int, int]:
    """The bound of what is traded in minor units, and their asset."""
    asset = now.traded_asset
    if body.traded_asset is not None:
        asset = market.listing.asset(body.traded_asset, "traded_asset").asset
    raw = body.traded_max
    if raw is UNSET:
        if asset != now.traded_asset and now.traded_max:
            detail = "another traded_asset needs its own traded_max"
            raise refused("invalid_field", detail, field="traded_max")
        return now.traded_max, asset
    if not asset:
        if _is_none(raw):
            return 0, 0
        detail = "traded_max needs a traded_asset"
        raise refused("invalid_field", detail, field="traded_asset")
    scale = commands.Step(1, market.listing.assets[asset].scale)
    return _units(raw, scale, UNITS_MAX, "traded_max"), asset


def _is_none(raw: Raw) -> bool:
    return not _units(raw, commands.Step(1, 18), UNITS_MAX, "traded_max")


def _lots(instrument: Instrument, raw: Raw | UnsetType, field: str) -> int:
    step = commands.Step(instrument.row.lot_mantissa, instrument.row.lot_exponent)
    return _units(raw, step, VALUE_MAX, field, code="lot_size", size=instrument.lot_size)


def _units(
    raw: Raw | UnsetType,
    step: commands.Step,
    units_max: int,
    field: str,
    *,
    code: str = "invalid_number",
    size: str = "its step",
) -> int:
    """Steps of a decimal that is 0 (= none, also null) or more; raises `Refused`."""
    text = decimal_text(raw, field)
    if text is None:
        return 0
    try:
        units = parse_units(text, *step)
    except DecimalError as error:
        raise number_refused(error, code, field, size) from None
    if not 0 <= units <= units_max:
        raise refused("invalid_limit", f"{field} is out of range", field=field, status=400)
    return units
