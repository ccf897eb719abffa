"""Events to rows: what a batch of journal frames adds to and changes in the tables.

What changes often (orders, balances, positions) is written once per batch, as it stands at the
batch's end, from the projector's own replica; what is only ever added (trades, fills, ledger lines)
comes from the events, array by array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit._native import Applied, Replica
from tradepit.domain.wire import (
    ACCOUNT_OPENED_DTYPE,
    EVENT_HEADER_DTYPE,
    FRAME_APPLIED_DTYPE,
    FUNDS_MOVED_DTYPE,
    INSTRUMENT_DEFINED,
    RECORD_BYTES,
    TRADE_DTYPE,
    CommandKind,
    EventKind,
    InstrumentDefined,
    Side,
)
from tradepit.engine.rows import InstrumentRow
from tradepit.projections.exact import EXACT
from tradepit.projections.grouping import Groups, Ints, ordinals
from tradepit.projections.order_events import (
    NOT_PLACED,
    Ending,
    endings_of,
    first_shown,
    told_stops,
    touched_orders,
    triggers,
)
from tradepit.projections.store.trades import Level, Levels
from tradepit.projections.tables import CLEARING, FEES, OUTSIDE
from tradepit.projections.venue_events import phase_rows, reservation_rows

Records = NDArray[Any]
Row = tuple[Any, ...]


class LineKind(IntEnum):
    """Why money moved."""

    TRADE = 1
    FEE = 2
    STARTING_BALANCE = 3
    DEPOSIT = 4
    WITHDRAWAL = 5
    TRANSFER = 6


_LINE_KINDS: Final = {
    CommandKind.OPEN_ACCOUNT: LineKind.STARTING_BALANCE,
    CommandKind.DEPOSIT: LineKind.DEPOSIT,
    CommandKind.WITHDRAW: LineKind.WITHDRAWAL,
    CommandKind.TRANSFER: LineKind.TRANSFER,
}

LINES_PER_TRADE: Final = 11
FEE_LINES: Final = 3
"""The last of them; written where a fee was taken."""
LINES_PER_MOVE: Final = 2

_DEFINING_KINDS: Final = (
    EventKind.ASSET_DEFINED,
    EventKind.INSTRUMENT_DEFINED,
    EventKind.INSTRUMENT_REMOVED,
    EventKind.PHASE_CHANGED,
)


class TradeColumns(NamedTuple):
    """What trades are counted by; arrays of one length, in the order of the trades."""

    times: Ints
    instruments: Ints
    versions: Ints
    prices: Ints
    quantities: Ints


@dataclass
class Rows:
    """Rows of one batch, in the column order of `tables`."""

    assets: list[Row] = field(default_factory=list)
    instruments: list[Row] = field(default_factory=list)
    definitions: list[Row] = field(default_factory=list)
    accounts: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    triggers: list[Row] = field(default_factory=list)
    """Stop orders that came in, and the sequences of the commands that let them."""
    endings: list[Ending] = field(default_factory=list)
    """Orders that ended and that the replica no longer remembers."""
    trades: list[Row] = field(default_factory=list)
    trade_columns: TradeColumns | None = None
    """The same trades, if there are any."""
    market_levels: Levels = field(default_factory=dict)
    """What they come to, as the trade store takes them."""
    fills: list[Row] = field(default_factory=list)
    ledger_lines: list[Row] = field(default_factory=list)
    balances: list[Row] = field(default_factory=list)
    positions: list[Row] = field(default_factory=list)
    phases: list[Row] = field(default_factory=list)
    reservations: list[Row] = field(default_factory=list)


class Unit(NamedTuple):
    """What a lot, and a tick times a lot, are in minor units; of one definition."""

    base_asset: int
    quote_asset: int
    lot: int
    value: int
    tick_size: Decimal
    lot_size: Decimal


class RowMaker:
    """Applies frames to a replica and says what changed."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._versions: dict[int, int] = {}
        self._units: dict[tuple[int, int], Unit] = {}
        self._scales = {asset: scale for asset, _, scale in replica.assets()}
        self._symbols: dict[int, str] = {}
        for row in map(InstrumentRow._make, replica.instruments()):
            self._versions[row.instrument] = row.definition_version
            self._symbols[row.instrument] = row.symbol
            self._learn_unit(row)

    def apply(self, frames: bytes) -> Rows:
        """Apply whole frames; what they changed is returned.

        Raises:
            FrameError, EnginePanicked: see `Replica.apply`; the replica must not be used again.
        """
        applied = self.replica.apply(frames)
        events = np.frombuffer(applied.events, EVENT_HEADER_DTYPE)
        rows = Rows()
        kinds = events["kind"]
        present = set(np.unique(kinds).tolist())
        times = _times(applied, kinds)
        version_of = _VersionLookup(self._versions)
        if present.intersection(_DEFINING_KINDS):
            self._add_definitions(rows, applied, kinds, version_of)
        if EventKind.TRADE in present:
            self._add_trades(rows, applied, kinds, times, version_of)
        if EventKind.FUNDS_MOVED in present:
            _add_moves(rows, applied, kinds)
        if present.intersection((EventKind.ACCOUNT_OPENED, EventKind.ACCOUNT_STATE_CHANGED)):
            self._add_accounts(rows, events, applied, kinds)
        rows.phases = phase_rows(applied, kinds)
        rows.reservations = reservation_rows(applied, kinds)
        self._add_orders(rows, applied, kinds, times, version_of)
        self._add_money(rows, applied, events, kinds)
        return rows

    def _learn_unit(self, defined: InstrumentRow | InstrumentDefined) -> None:
        base, quote = self._scales[defined.base_asset], self._scales[defined.quote_asset]
        exponent = quote - defined.tick_exponent - defined.lot_exponent
        self._units[defined.instrument, defined.definition_version] = Unit(
            defined.base_asset,
            defined.quote_asset,
            _whole(defined.lot_mantissa, base - defined.lot_exponent),
            _whole(defined.tick_mantissa * defined.lot_mantissa, exponent),
            Decimal(defined.tick_mantissa).scaleb(-defined.tick_exponent),
            Decimal(defined.lot_mantissa).scaleb(-defined.lot_exponent),
        )

    def _add_definitions(
        self, rows: Rows, applied: Applied, kinds: Records, version_of: _VersionLookup
    ) -> None:
        rows.assets = self.replica.assets()
        self._scales = {asset: scale for asset, _, scale in rows.assets}
        rows.instruments = [
            (
                row.instrument,
                row.symbol,
                row.base_asset,
                row.quote_asset,
                row.phase,
                row.definition_version,
            )
            for row in map(InstrumentRow._make, self.replica.instruments())
        ]
        self._symbols = {instrument: symbol for instrument, symbol, *_ in rows.instruments}
        for index in np.flatnonzero(kinds == EventKind.INSTRUMENT_DEFINED).tolist():
            defined = InstrumentDefined(
                *INSTRUMENT_DEFINED.unpack_from(applied.events, index * RECORD_BYTES)
            )
            self._learn_unit(defined)
            version_of.add(index, defined.instrument, defined.definition_version)
            self._versions[defined.instrument] = defined.definition_version
            rows.definitions.append(
                (
                    defined.instrument,
                    defined.definition_version,
                    defined.tick_mantissa,
                    defined.tick_exponent,
                    defined.lot_mantissa,
                    defined.lot_exponent,
                )
            )

    def _add_trades(
        self,
        rows: Rows,
        applied: Applied,
        kinds: Records,
        times: Ints,
        version_of: _VersionLookup,
    ) -> None:
        at = np.flatnonzero(kinds == EventKind.TRADE)
        trades = np.frombuffer(applied.events, TRADE_DTYPE)[at]
        moments = times[at]
        versions = version_of.at(trades["instrument"], at)
        columns = [
            trades["trade_id"],
            trades["sequence"],
            moments,
            trades["instrument"],
            versions,
            trades["price"],
            trades["quantity"],
            trades["maker_order_id"],
            trades["taker_order_id"],
            trades["maker_account"],
            trades["account"],
            trades["side"],
            trades["maker_fee"],
            trades["taker_fee"],
        ]
        rows.trades = _tuples(columns)
        rows.trade_columns = TradeColumns(
            moments,
            trades["instrument"].astype(np.int64),
            versions,
            trades["price"].astype(np.int64),
            trades["quantity"].astype(np.int64),
        )
        rows.market_levels = self._market_levels(rows.trade_columns)
        for account, order, is_maker in (
            ("maker_account", "maker_order_id", True),
            ("account", "taker_order_id", False),
        ):
            sides = np.full(len(at), is_maker)
            rows.fills += _tuples(
                [trades[account], trades["trade_id"], sides, trades[order], trades["instrument"]]
            )
        rows.ledger_lines += _trade_lines(trades, moments, versions, self._units)

    def _market_levels(self, trades: TradeColumns) -> Levels:
        """What was traded at each price, in decimals."""
        levels: Levels = {}
        groups = Groups(trades.instruments, trades.versions, trades.prices)
        for instrument, version, price, quantity, last_ns, count in zip(
            *(key.tolist() for key in groups.keys),
            groups.sums(trades.quantities),
            groups.last(trades.times).tolist(),
            groups.counts.tolist(),
            strict=True,
        ):
            unit = self._units[instrument, version]
            key = (self._symbols[instrument], EXACT.multiply(price, unit.tick_size))
            level = Level(EXACT.multiply(quantity, unit.lot_size), last_ns, count)
            known = levels.setdefault(key, level)
            if known is not level:
                known.add(level)
        return levels

    def _add_accounts(self, rows: Rows, events: Records, applied: Applied, kinds: Records) -> None:
        opened = np.frombuffer(applied.events, ACCOUNT_OPENED_DTYPE)[
            kinds == EventKind.ACCOUNT_OPENED
        ]
        opened_ns = dict(zip(opened["account"].tolist(), opened["time_ns"].tolist(), strict=True))
        changed = events["account"][kinds == EventKind.ACCOUNT_STATE_CHANGED]
        for account in sorted(opened_ns.keys() | set(changed.tolist())):
            found = self.replica.account(account)
            assert found is not None, "an account that events name"
            name_id, name, account_type, state, _, _ = found
            rows.accounts.append(
                (account, name_id, name, account_type, state, opened_ns.get(account, 0))
            )

    def _add_orders(
        self, rows: Rows, applied: Applied, kinds: Records, times: Ints, version_of: _VersionLookup
    ) -> None:
        """Every order that something happened to, as it stands now."""
        order_ids, first_at, last_at = touched_orders(applied, kinds)
        updated = times[last_at].tolist()
        first = first_shown(applied, kinds)
        stops = told_stops(applied, kinds)
        order = self.replica.order
        missing: list[tuple[int, int]] = []
        for order_id, first_index, updated_ns in zip(
            order_ids.tolist(), first_at.tolist(), updated, strict=True
        ):
            row: Any = order(order_id)
            if row is None:
                missing.append((order_id, updated_ns))
                continue
            version = version_of.one(row[2], first_index)
            first_price, first_quantity, first_stop = first.get(order_id, NOT_PLACED)
            # The replica knows where a stop that trails is now; here stands what was told.
            stop = stops.get(order_id, row[21])
            shown = (first_price, first_quantity, row[15], row[16], updated_ns, row[18])
            special = (row[20], stop, first_stop, 0)
            rows.orders.append((*row[:3], version, *row[3:15], *shown, *special))
        rows.triggers = triggers(applied, kinds)
        if missing:
            rows.endings = endings_of(applied, kinds, missing)

    def _add_money(self, rows: Rows, applied: Applied, events: Records, kinds: Records) -> None:
        """Balances and positions of every account that something happened to."""
        touched = set(events["account"][kinds != EventKind.FRAME_APPLIED].tolist())
        trades = kinds == EventKind.TRADE
        if trades.any():
            makers = np.frombuffer(applied.events, TRADE_DTYPE)["maker_account"][trades]
            touched.update(makers.tolist())
        touched.discard(0)
        replica = self.replica
        for account in sorted(touched):
            if replica.account(account) is None:
                continue
            rows.balances += [(account, *balance) for balance in replica.balances(account)]
            rows.positions += [(account, *row[:5]) for row in replica.positions(account)]


class _VersionLookup:
    """Definition versions at an event's index; they change only where an instrument is empty."""

    def __init__(self, before: dict[int, int]) -> None:
        self._before = dict(before)
        self._changes: list[tuple[int, int, int]] = []

    def add(self, index: int, instrument: int, version: int) -> None:
        """From the event at this index on, the instrument has this version."""
        self._changes.append((index, instrument, version))

    def one(self, instrument: int, index: int) -> int:
        """The version of an instrument as of the event at this index."""
        version = self._before.get(instrument, 0)
        for at, changed, new in self._changes:
            if at < index and changed == instrument:
                version = new
        return version

    def at(self, instruments: Records, indexes: Ints) -> Ints:
        """The versions of instruments as of the events at these indexes."""
        versions = np.zeros(len(indexes), np.int64)
        for instrument in np.unique(instruments).tolist():
            versions[instruments == instrument] = self._before.get(instrument, 0)
        for at, changed, new in self._changes:
            versions[(instruments == changed) & (indexes > at)] = new
        return versions


def _times(applied: Applied, kinds: Records) -> Ints:
    """Market time at each event: that of its frame, or of a jump within it."""
    starts = np.isin(kinds, (EventKind.FRAME_APPLIED, EventKind.TIME_JUMPED))
    at = np.flatnonzero(starts)
    stamps = np.frombuffer(applied.events, FRAME_APPLIED_DTYPE)["time_ns"][at]
    times: Ints = stamps[np.cumsum(starts) - 1]
    return times


def _tuples(columns: Sequence[Records]) -> list[Row]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _whole(mantissa: int, exponent: int) -> int:
    """mantissa * 10^exponent, which the engine made sure is whole."""
    if exponent >= 0:
        return mantissa * int(10**exponent)
    return mantissa // int(10**-exponent)


def _trade_lines(
    trades: Records, moments: Ints, versions: Ints, units: dict[tuple[int, int], Unit]
) -> list[Row]:
    """Both parties against the clearing account, and their fees."""
    count = len(trades)
    instruments = trades["instrument"].astype(np.int64)
    factors = np.zeros((4, count), np.int64)
    for instrument, version in np.unique(np.stack([instruments, versions]), axis=1).T.tolist():
        mask = (instruments == instrument) & (versions == version)
        factors[:, mask] = np.array([units[instrument, version][:4]], np.int64).T
    base, quote, lot, unit_value = factors
    # Within the bounds that the engine checked for each order.
    sign = np.where(trades["side"] == Side.BUY, 1, -1)
    coins = sign * trades["quantity"] * lot
    money = sign * trades["price"] * trades["quantity"] * unit_value
    taker, maker = trades["account"].astype(np.int64), trades["maker_account"].astype(np.int64)
    clearing, fees = np.full(count, CLEARING), np.full(count, FEES)
    taker_fee, maker_fee = trades["taker_fee"], trades["maker_fee"]
    accounts, assets, amounts = (
        np.stack(column, axis=1)
        for column in zip(
            (taker, base, coins),
            (clearing, base, -coins),
            (taker, quote, -money),
            (clearing, quote, money),
            (maker, base, -coins),
            (clearing, base, coins),
            (maker, quote, money),
            (clearing, quote, -money),
            (taker, quote, -taker_fee),
            (maker, quote, -maker_fee),
            (fees, quote, taker_fee + maker_fee),
            strict=True,
        )
    )
    numbers = np.arange(LINES_PER_TRADE)
    is_fee = numbers >= LINES_PER_TRADE - FEE_LINES
    kinds = np.where(is_fee, LineKind.FEE, LineKind.TRADE)
    first_line = ordinals(trades["sequence"]) * LINES_PER_TRADE
    is_moved = (amounts != 0) | ~is_fee
    # In the order of the primary key, as both databases like it best.
    return _tuples(
        [
            np.broadcast_to(column, amounts.shape)[is_moved]
            for column in (
                trades["sequence"][:, None],
                first_line[:, None] + numbers,
                accounts,
                assets,
                amounts,
                kinds,
                trades["trade_id"][:, None],
                moments[:, None],
            )
        ]
    )


def _add_moves(rows: Rows, applied: Applied, kinds: Records) -> None:
    """Deposits, withdrawals, starting balances, and both halves of transfers."""
    moves = np.frombuffer(applied.events, FUNDS_MOVED_DTYPE)[kinds == EventKind.FUNDS_MOVED]
    causes = moves["status"]
    line_kinds = np.zeros(len(moves), np.int64)
    for cause, kind in _LINE_KINDS.items():
        line_kinds[causes == cause] = kind
    nothing = [None] * len(moves)
    first_line = ordinals(moves["sequence"]) * LINES_PER_MOVE
    sequences, moments = moves["sequence"].tolist(), moves["time_ns"].tolist()
    assets, amounts = moves["asset"].tolist(), moves["amount"].tolist()
    rows.ledger_lines += zip(
        sequences,
        first_line.tolist(),
        moves["account"].tolist(),
        assets,
        amounts,
        line_kinds.tolist(),
        nothing,
        moments,
        strict=True,
    )
    # A transfer's other half is an event of its own.
    rows.ledger_lines += [
        (sequence, line + 1, OUTSIDE, asset, -amount, kind, None, moment)
        for sequence, line, asset, amount, kind, counterpart, moment in zip(
            sequences,
            first_line.tolist(),
            assets,
            amounts,
            line_kinds.tolist(),
            moves["counterpart"].tolist(),
            moments,
            strict=True,
        )
        if counterpart == 0
    ]
