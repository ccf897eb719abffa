"""Genesis, and a changed configuration as commands.

What a market trades is in its journal. The configuration only says how it should be: at the first
start it becomes the genesis, later every difference becomes a command. What the configuration does
not name is left alone: an instrument that was added through the API stays.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from tradepit._native import Replica
from tradepit.domain import commands, safety_commands
from tradepit.domain.decimals import DecimalError, parse_units, step_of
from tradepit.domain.wire import EVENT_HEADER_DTYPE, RULES_VERSION, EventKind, Phase
from tradepit.engine.rows import InstrumentRow, TradingSessionRow
from tradepit.node.firm_definitions import FirmDefinition, FirmImpossible, firm_changes
from tradepit.node.phase_definitions import (
    NS_PER_SECOND,
    PPM_PER_PERCENT,
    Safety,
    ScheduledPhase,
    schedule_words,
)
from tradepit.node.phase_definitions import DefinitionRefused as DefinitionRefused

SCALE_DEFAULT: Final = 8
QUANTITY_MAX_LOTS: Final = 2**40
PPM_PER_BASIS_POINT: Final = 100

BATCH_COMMANDS_MAX: Final = 500
"""Definitions of one submission: far below the frame's bound, texts included."""


class AssetDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that accounts hold."""

    code: str
    scale: int | None = None
    """Decimal places that are kept. None: 8, or what ticks and lots need."""
    starting_balance: Decimal = Decimal(0)
    """What every account opened from now on starts with."""


class InstrumentDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is traded."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    reference_price: Decimal
    quantity_min: Decimal | None = None
    """None: one lot."""
    quantity_max: Decimal | None = None
    value_max: Decimal | None = None
    """In the quote asset. None: no bound."""
    collar_percent: Decimal = Decimal(0)
    """Largest distance of a limit price from the last trade. 0: no collar."""
    maker_fee_bps: Decimal = Decimal(0)
    taker_fee_bps: Decimal = Decimal(0)
    phase: Literal[
        "continuous", "halted", "cancel_only", "closed", "pre_open", "auction", "closing_auction"
    ] = "continuous"
    """When the instrument is first defined."""
    schedule: list[ScheduledPhase] | None = None
    """Phases by time of day. None, here and below: left as it is."""
    band_percent: Decimal | None = None
    """A trade farther from the band's reference halts instead. 0: no band."""
    protection_percent: Decimal | None = None
    """How far from its stop price a stop order without a price may trade."""
    halt_seconds: Decimal | None = None
    """Length of such a halt. 0: until somebody resumes."""
    auction_seconds: Decimal | None = None
    """Of the auction after it. 0: none."""


class MarketDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a market trades and how much it can hold."""

    key_window_seconds: int = 600
    """Idempotency keys of finished orders are remembered this long, in market time."""
    key_capacity: int = 4_000_000
    accounts_max: int = 1_000_000
    assets: list[AssetDefinition] = []
    instruments: list[InstrumentDefinition] = []
    firms: list[FirmDefinition] = []


class Change(NamedTuple):
    """One command, and what a person calls it."""

    what: str
    record: bytes
    text: bytes = b""


class Batch(NamedTuple):
    """Changes that are submitted together."""

    changes: list[Change]

    @property
    def records(self) -> bytes:
        return b"".join(change.record for change in self.changes)

    @property
    def texts(self) -> bytes:
        return b"".join(change.text for change in self.changes)

    def refusals(self, first_sequence: int, events: bytes) -> list[str]:
        """Return what the engine refused, in words, from the events of the batch."""
        found = []
        for event in np.frombuffer(events, dtype=EVENT_HEADER_DTYPE):
            if event["kind"] == EventKind.COMMAND_REJECTED:
                found.append(self.changes[int(event["sequence"]) - first_sequence].what)
        return found


class _Rules(NamedTuple):
    """SET_INSTRUMENT_RULES in engine units."""

    quantity_min: int
    quantity_max: int
    value_max: int
    reference_price: int
    collar_ppm: int
    maker_fee_ppm: int
    taker_fee_ppm: int


def opening_commands(
    replica: Replica, market: MarketDefinition | None, *, now_ns: int, market_id: int
) -> list[Batch]:
    """Return the first commands of a run: genesis, or new rules and time jump, then what the
    definition changes.

    Args:
        market: None leaves an existing market as it is.
        market_id: random name, used only when the market is new.
    Raises:
        DefinitionRefused: the definition contradicts itself or the journal.
    """
    changes = []
    jump = Change("moving the clock", commands.time_jump(to_ns=now_ns))
    if not replica.rules_version:
        market = market or MarketDefinition()
        record = commands.genesis(
            key_window_ns=market.key_window_seconds * NS_PER_SECOND,
            key_capacity=market.key_capacity,
            accounts_max=market.accounts_max,
            market_id=market_id,
        )
        changes = [Change("genesis", record), jump]
    else:
        changes = [jump]
        if replica.rules_version < RULES_VERSION:
            record = commands.activate_rules(rules_version=RULES_VERSION)
            changes.insert(0, Change(f"rules version {RULES_VERSION}", record))
        if market is not None:
            _require_same_genesis(replica, market)
    firms = []
    if market is not None:
        reconciler = _Reconciler(replica, market)
        changes += reconciler.changes()
        firms = reconciler.firms()
    return [
        Batch(changes[at : at + BATCH_COMMANDS_MAX])
        for at in range(0, len(changes), BATCH_COMMANDS_MAX)
    ] + firms


def _require_same_genesis(replica: Replica, market: MarketDefinition) -> None:
    key_window_ns, key_capacity, accounts_max, _ = replica.genesis()
    fixed = {
        "key_window_seconds": (key_window_ns // NS_PER_SECOND, market.key_window_seconds),
        "key_capacity": (key_capacity, market.key_capacity),
        "accounts_max": (accounts_max, market.accounts_max),
    }
    for name, (journal, configured) in fixed.items():
        if journal != configured:
            raise DefinitionRefused(
                f"market.{name} is {journal} in this journal and {configured} in the "
                "configuration; it is fixed when a market is made"
            )


class _Reconciler:
    """Compares the journal's definitions with the configured ones."""

    def __init__(self, replica: Replica, market: MarketDefinition) -> None:
        self._replica = replica
        self._market = market
        self._assets = {code: (number, scale) for number, code, scale in replica.assets()}
        self._balances = dict(replica.starting_balances())
        rows = [InstrumentRow(*row) for row in replica.instruments()]
        self._instrument_next = max((row.instrument for row in rows), default=0) + 1
        self._instruments = {row.symbol: row for row in rows if row.phase != Phase.REMOVED}
        sessions = (TradingSessionRow._make(values) for values in replica.trading_sessions())
        self._sessions = {row.instrument: row for row in sessions}
        self._numbers = {symbol: row.instrument for symbol, row in self._instruments.items()}

    def changes(self) -> list[Change]:
        changes = [change for asset in self._market.assets for change in self._asset(asset)]
        for instrument in self._market.instruments:
            changes += self._instrument(instrument)
        for asset in self._market.assets:
            changes += self._starting_balance(asset)
        return changes

    def firms(self) -> list[Batch]:
        """A submission for each firm: its account is opened and named in one frame."""
        batches = []
        for firm in self._market.firms:
            try:
                changes = firm_changes(self._replica, firm, self._numbers)
            except FirmImpossible as error:
                raise DefinitionRefused(f"firm {firm.id}: {error}") from None
            batches.append(Batch([Change(*change) for change in changes]))
        return [batch for batch in batches if batch.changes]

    def _asset(self, asset: AssetDefinition) -> list[Change]:
        known = self._assets.get(asset.code)
        if known is None:
            number = len(self._assets) + 1
            scale = self._scale(asset) if asset.scale is None else asset.scale
            self._assets[asset.code] = (number, scale)
            record = commands.define_asset(asset=number, scale=scale)
            return [Change(f"asset {asset.code}", record, commands.text_entry(asset.code))]
        if asset.scale not in (None, known[1]):
            raise DefinitionRefused(
                f"asset {asset.code} has {known[1]} decimal places in this journal and "
                f"{asset.scale} in the configuration; that cannot change"
            )
        return []

    def _scale(self, asset: AssetDefinition) -> int:
        """Decimal places that make lot and tick x lot exact."""
        needed = SCALE_DEFAULT
        for instrument in self._market.instruments:
            lot = _step(instrument, "lot_size").exponent
            if instrument.base == asset.code:
                needed = max(needed, lot)
            if instrument.quote == asset.code:
                needed = max(needed, lot + _step(instrument, "tick_size").exponent)
        return needed

    def _instrument(self, wanted: InstrumentDefinition) -> list[Change]:
        base, quote = self._asset_of(wanted, "base"), self._asset_of(wanted, "quote")
        tick, lot = _step(wanted, "tick_size"), _step(wanted, "lot_size")
        rules = self._rules(wanted, tick, lot)
        known = self._instruments.get(wanted.symbol)
        if known is not None and (known.base_asset, known.quote_asset) != (base, quote):
            raise DefinitionRefused(
                f"instrument {wanted.symbol} has other assets in this journal; remove it, or give "
                "the new one another symbol"
            )
        changes = []
        if known is None or not _has_steps(known, tick, lot):
            number = known.instrument if known else self._instrument_next
            self._instrument_next += known is None
            record = commands.define_instrument(
                instrument=number,
                base_asset=base,
                quote_asset=quote,
                tick=tick,
                lot=lot,
                reference_price=rules.reference_price,
                phase=Phase[wanted.phase.upper()],
            )
            what = f"instrument {wanted.symbol}" + (
                " (new tick or lot size while orders rest or positions are open)" if known else ""
            )
            changes.append(Change(what, record, commands.text_entry(wanted.symbol)))
        else:
            number = known.instrument
        self._numbers[wanted.symbol] = number
        if known is None or changes or _rules_of(known) != rules:
            record = commands.set_instrument_rules(instrument=number, **rules._asdict())
            changes.append(Change(f"rules of {wanted.symbol}", record))
        return changes + self._phases(wanted, number)

    def _phases(self, wanted: InstrumentDefinition, number: int) -> list[Change]:
        """Schedule and safety, where the configuration names them."""
        known = self._sessions.get(number)
        changes = []
        safety = Safety() if known is None else Safety.of(known)
        changed = safety.changed(
            wanted.symbol,
            band_percent=wanted.band_percent,
            protection_percent=wanted.protection_percent,
            halt_seconds=wanted.halt_seconds,
            auction_seconds=wanted.auction_seconds,
        )
        if changed != safety:
            record = safety_commands.set_instrument_safety(instrument=number, **changed._asdict())
            changes.append(Change(f"safety of {wanted.symbol}", record))
        if wanted.schedule is not None:
            words = schedule_words(wanted.symbol, wanted.schedule)
            if words != ([] if known is None else [word for word in known.schedule if word]):
                record = safety_commands.set_schedule(instrument=number, entries=words)
                changes.append(Change(f"schedule of {wanted.symbol}", record))
        return changes

    def _asset_of(self, wanted: InstrumentDefinition, which: Literal["base", "quote"]) -> int:
        code: str = getattr(wanted, which)
        if code not in self._assets:
            raise DefinitionRefused(
                f"instrument {wanted.symbol}: its {which} asset {code} is not among the assets"
            )
        return self._assets[code][0]

    def _rules(
        self, wanted: InstrumentDefinition, tick: commands.Step, lot: commands.Step
    ) -> _Rules:
        def units(name: str, step: commands.Step, default: int) -> int:
            value: Decimal | None = getattr(wanted, name)
            return default if value is None else _units(f"{wanted.symbol}.{name}", value, step)

        quote_scale = self._assets[wanted.quote][1]
        return _Rules(
            quantity_min=units("quantity_min", lot, 1),
            quantity_max=units("quantity_max", lot, QUANTITY_MAX_LOTS),
            value_max=units("value_max", commands.Step(1, quote_scale), 0),
            reference_price=units("reference_price", tick, 0),
            collar_ppm=_ppm(wanted, "collar_percent", PPM_PER_PERCENT),
            maker_fee_ppm=_ppm(wanted, "maker_fee_bps", PPM_PER_BASIS_POINT),
            taker_fee_ppm=_ppm(wanted, "taker_fee_bps", PPM_PER_BASIS_POINT),
        )

    def _starting_balance(self, asset: AssetDefinition) -> list[Change]:
        number, scale = self._assets[asset.code]
        name = f"starting balance of {asset.code}"
        amount = _units(name, asset.starting_balance, commands.Step(1, scale))
        if self._balances.get(number, 0) == amount:
            return []
        return [Change(name, commands.set_starting_balance(asset=number, amount=amount))]


def _rules_of(known: InstrumentRow) -> _Rules:
    return _Rules(**{name: getattr(known, name) for name in _Rules._fields})


def _has_steps(known: InstrumentRow, tick: commands.Step, lot: commands.Step) -> bool:
    return _is_same_step(known.tick_mantissa, known.tick_exponent, tick) and _is_same_step(
        known.lot_mantissa, known.lot_exponent, lot
    )


def _is_same_step(mantissa: int, exponent: int, step: commands.Step) -> bool:
    return Decimal(mantissa).scaleb(-exponent) == Decimal(step.mantissa).scaleb(-step.exponent)


def _step(wanted: InstrumentDefinition, name: Literal["tick_size", "lot_size"]) -> commands.Step:
    value: Decimal = getattr(wanted, name)
    try:
        return commands.Step(*step_of(f"{value:f}"))
    except DecimalError as error:
        raise DefinitionRefused(f"{wanted.symbol}.{name} = {value} {error}") from None


def _units(name: str, value: Decimal, step: commands.Step) -> int:
    try:
        return parse_units(value, step.mantissa, step.exponent)
    except DecimalError as error:
        raise DefinitionRefused(f"{name} = {value} {error}") from None


def _ppm(wanted: InstrumentDefinition, name: str, factor: int) -> int:
    value: Decimal = getattr(wanted, name)
    ppm = value * factor
    if ppm != int(ppm):
        raise DefinitionRefused(
            f"{wanted.symbol}.{name} = {value} is finer than one part in a million"
        )
    return int(ppm)
