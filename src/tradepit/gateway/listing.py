"""The instruments and assets as the edge sees them: symbols to numbers, decimals to steps.

A view of the replica's definitions, read again whenever an event changes one. The hot path asks it
for an instrument by symbol and formats prices with it; recently written texts are remembered.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from tradepit.domain.commands import Step
from tradepit.domain.decimals import (
    UNITS_MAX,
    DecimalError,
    DecimalProblem,
    format_units,
    parse_units,
)
from tradepit.domain.wire import EventKind, Phase
from tradepit.engine.rows import AssetRow, InstrumentRow
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import bare_decimal, refused

TEXTS_MAX: Final = 4096
"""Texts remembered per instrument and kind; then the memory starts anew. About 400 KB each."""

DEFINITIONS: Final = frozenset(
    {
        EventKind.ASSET_DEFINED,
        EventKind.INSTRUMENT_DEFINED,
        EventKind.INSTRUMENT_RULES_CHANGED,
        EventKind.INSTRUMENT_REMOVED,
        EventKind.PHASE_CHANGED,
    }
)

DIGITS_PLAIN: Final = 18
"""Longest number that the short way of parsing takes: it fits 63 bits."""

NOT_PLAIN: Final = -1
POWERS: Final[tuple[int, ...]] = tuple(10**places for places in range(25))

_ORDINARY: Final = bytes(kind for kind in range(256) if kind not in DEFINITIONS)


class Instrument:
    """One instrument: its row, and the way between its steps and decimal text."""

    __slots__ = (
        "_lot",
        "_lot_places",
        "_tick",
        "_tick_places",
        "base",
        "number",
        "prices",
        "quantities",
        "quote",
        "row",
        "symbol_json",
        "version",
    )

    def __init__(self, row: InstrumentRow, base: AssetRow, quote: AssetRow) -> None:
        self.row = row
        self.number = row.instrument
        self.version = row.definition_version
        self.base = base
        self.quote = quote
        self.symbol_json = msgspec.json.encode(row.symbol).decode()
        self._tick = Step(row.tick_mantissa, row.tick_exponent)
        self._lot = Step(row.lot_mantissa, row.lot_exponent)
        # The short way of parsing is for steps of a power of ten; others always go the long way.
        self._tick_places = row.tick_exponent if row.tick_mantissa == 1 else NOT_PLAIN
        self._lot_places = row.lot_exponent if row.lot_mantissa == 1 else NOT_PLAIN
        self.prices: dict[int, str] = {}
        self.quantities: dict[int, str] = {}
        """Texts written lately; ask `price_text` and `quantity_text` for others."""

    def price_of(self, raw: Raw, field: str) -> int:
        """Ticks of a price above zero, 0 when it is null; raises `Refused` naming the field."""
        text = bytes(raw)
        whole, _, fraction = text.partition(b".")
        digits = whole + fraction
        places = self._tick_places - len(fraction)
        if places >= 0 and digits.isdigit() and len(digits) <= DIGITS_PLAIN:
            units = int(digits) * POWERS[places]
            if 0 < units <= UNITS_MAX:
                return units
        return self._units(text, self._tick, "tick_size", "invalid_price", field)

    def quantity_of(self, raw: Raw, field: str) -> int:
        """Lots of a quantity above zero, 0 when it is null; raises `Refused` naming the field."""
        text = bytes(raw)
        whole, _, fraction = text.partition(b".")
        digits = whole + fraction
        places = self._lot_places - len(fraction)
        if places >= 0 and digits.isdigit() and len(digits) <= DIGITS_PLAIN:
            units = int(digits) * POWERS[places]
            if 0 < units <= UNITS_MAX:
                return units
        return self._units(text, self._lot, "lot_size", "invalid_quantity", field)

    def _units(self, json: bytes, step: Step, code: str, low_code: str, field: str) -> int:
        text = bare_decimal(json, field)
        if text is None:
            return 0
        try:
            units = parse_units(text, step.mantissa, step.exponent)
        except DecimalError as error:
            size = format_units(1, step.mantissa, step.exponent)
            raise number_refused(error, code, field, size) from None
        if units <= 0:
            raise refused(low_code, f"{field} must be above zero", field=field, status=400)
        return units

    def price_text(self, ticks: int) -> str:
        """Decimal text of a price in ticks."""
        text = self.prices.get(ticks)
        if text is None:
            if len(self.prices) >= TEXTS_MAX:
                self.prices.clear()
            text = format_units(ticks, self.row.tick_mantissa, self.row.tick_exponent)
            self.prices[ticks] = text
        return text

    def quantity_text(self, lots: int) -> str:
        """Decimal text of a quantity in lots."""
        text = self.quantities.get(lots)
        if text is None:
            if len(self.quantities) >= TEXTS_MAX:
                self.quantities.clear()
            text = format_units(lots, self.row.lot_mantissa, self.row.lot_exponent)
            self.quantities[lots] = text
        return text

    def quote_text(self, amount: int) -> str:
        """Decimal text of an amount of the quote asset in minor units."""
        return format_units(amount, 1, self.quote.scale)

    @property
    def tick_size(self) -> str:
        """Decimal text of one tick."""
        return format_units(1, self.row.tick_mantissa, self.row.tick_exponent)

    @property
    def lot_size(self) -> str:
        """Decimal text of one lot."""
        return format_units(1, self.row.lot_mantissa, self.row.lot_exponent)


def number_refused(error: DecimalError, code: str, field: str, step: str) -> Exception:
    """Return the refusal of a decimal: `code` when it only has too many digits."""
    if error.problem is DecimalProblem.NOT_A_MULTIPLE:
        return refused(code, f"{field} must be a multiple of {step}", field=field)
    return refused("invalid_number", f"{field} {error.problem.value}", field=field)


class Listing:
    """All instruments and assets of the market."""

    def __init__(self, node: MarketNode) -> None:
        self._node = node
        self.by_symbol: dict[str, Instrument] = {}
        self.by_number: dict[int, Instrument] = {}
        self.assets: dict[int, AssetRow] = {}
        self.assets_by_code: dict[str, AssetRow] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read all definitions anew."""
        assets = [AssetRow._make(row) for row in self._node.replica.assets()]
        self.assets = {row.asset: row for row in assets}
        self.assets_by_code = {row.code: row for row in assets}
        by_symbol: dict[str, Instrument] = {}
        by_number: dict[int, Instrument] = {}
        for values in self._node.replica.instruments():
            row = InstrumentRow._make(values)
            instrument = Instrument(row, self.assets[row.base_asset], self.assets[row.quote_asset])
            by_number[row.instrument] = instrument
            if row.phase != Phase.REMOVED:
                by_symbol[row.symbol] = instrument
        self.by_symbol, self.by_number = by_symbol, by_number

    def on_events(self, events: bytes) -> None:
        """Read anew when one of the events changed a definition."""
        if events[::96].translate(None, _ORDINARY):
            self.refresh()

    def find(self, symbol: str, field: str = "instrument") -> Instrument:
        """Return the instrument of a symbol; raises `Refused` unknown_instrument."""
        instrument = self.by_symbol.get(symbol)
        if instrument is None:
            raise refused("unknown_instrument", f"there is no instrument {symbol!r}", field=field)
        return instrument

    def asset(self, code: str, field: str = "asset") -> AssetRow:
        """Return the asset of a code; raises `Refused` unknown_asset."""
        asset = self.assets_by_code.get(code)
        if asset is None:
            raise refused("unknown_asset", f"there is no asset {code!r}", field=field)
        return asset

    def amount_units(self, raw: bytes, asset: AssetRow, field: str = "amount") -> int:
        """Parse an amount above zero into minor units of an asset."""
        try:
            units = parse_units(raw, 1, asset.scale)
        except DecimalError as error:
            step = format_units(1, 1, asset.scale)
            raise number_refused(error, "invalid_number", field, step) from None
        if units <= 0:
            detail = f"{field} must be above zero"
            raise refused("invalid_amount", detail, field=field, status=400)
        return units

    def amount_text(self, asset: int, amount: int) -> str:
        """Decimal text of an amount in minor units, without the code."""
        return format_units(amount, 1, self.assets[asset].scale)
