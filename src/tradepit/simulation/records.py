"""Command records of firms, makers, schedules: one function per command.

A quote is two records: the first one's sequence becomes the id of its bid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tradepit.domain import wire
from tradepit.domain.wire import CommandKind, Phase, RecordFlag
from tradepit.makers import TwoSided

QUOTE_RECORDS: Final = 2
NO_HEADER: Final = (0,) * 6
"""Side, order type, time in force, self-trade mode, options, mode."""

ADD: Final = 1
"""`mode` of SET_FIRM_SYMBOL."""

_RESERVE_ID: Final = wire.RESERVE_ORDER_ID.pack(int(CommandKind.RESERVE_ORDER_ID), *(0,) * 12)
_QUOTE: Final = int(CommandKind.QUOTE)
_PACK_QUOTE: Final = wire.QUOTE.pack


class Owner(NamedTuple):
    """Who quotes: the firm's account, the maker's number, the epoch of its run."""

    account: int
    maker: int
    epoch: int


def quote(
    owner: Owner, instrument: int, sides: TwoSided, *, ttl_ns: int, definition_version: int
) -> bytes:
    """RESERVE_ORDER_ID and QUOTE. A side without quantity says so by a price of 0 too."""
    return _RESERVE_ID + _PACK_QUOTE(
        _QUOTE,
        0,
        *NO_HEADER,
        owner.account,
        instrument,
        0,
        0,
        0,
        sides.bid_ticks if sides.bid_lots else 0,
        sides.bid_lots,
        sides.ask_ticks if sides.ask_lots else 0,
        sides.ask_lots,
        ttl_ns,
        definition_version,
        owner.maker,
        owner.epoch,
    )


def release(owner: Owner, instrument: int) -> bytes:
    """RELEASE: quote and reservation end."""
    header = (int(CommandKind.RELEASE), 0, *NO_HEADER, owner.account, instrument, 0, 0, 0)
    return wire.RELEASE.pack(*header, owner.maker, 0, owner.epoch)


def heartbeat(account: int, epoch: int, *, leaving: bool = False) -> bytes:
    """MAKER_HEARTBEAT; its text is the maker's name."""
    return wire.MAKER_HEARTBEAT.pack(
        int(CommandKind.MAKER_HEARTBEAT),
        int(RecordFlag.TEXT),
        *NO_HEADER[:5],
        int(leaving),
        account,
        0,
        0,
        0,
        0,
        epoch,
    )


def define_firm(account: int, *, budget: int, position_limit: int, lease_ns: int) -> bytes:
    """DEFINE_FIRM with the same budget on both sides, in units of 10^-8."""
    header = (int(CommandKind.DEFINE_FIRM), 0, *NO_HEADER, account, 0, 0, 0, 0)
    return wire.DEFINE_FIRM.pack(*header, budget, budget, position_limit, lease_ns)


def add_firm_symbol(account: int, instrument: int) -> bytes:
    """SET_FIRM_SYMBOL: the firm makes the instrument."""
    kind = int(CommandKind.SET_FIRM_SYMBOL)
    return wire.SET_FIRM_SYMBOL.pack(kind, 0, *NO_HEADER[:5], ADD, account, instrument, 0, 0, 0)


class Transition(NamedTuple):
    """An entry of a schedule, on every day."""

    ms_of_day: int
    phase: Phase


SCHEDULE_ENTRIES_MAX: Final = 7


def set_schedule(instrument: int, transitions: Sequence[Transition]) -> bytes:
    """SET_SCHEDULE; ascending times."""
    words = [each.ms_of_day | int(each.phase) << 32 for each in transitions]
    words += [0] * (SCHEDULE_ENTRIES_MAX - len(words))
    header = (int(CommandKind.SET_SCHEDULE), 0, *NO_HEADER, 0, instrument, 0, 0, 0)
    return wire.SET_SCHEDULE.pack(*header, *words)


def set_safety(
    instrument: int, *, band_ppm: int, protection_ppm: int, halt_ns: int, auction_ns: int
) -> bytes:
    """SET_INSTRUMENT_SAFETY."""
    header = (int(CommandKind.SET_INSTRUMENT_SAFETY), 0, *NO_HEADER, 0, instrument, 0, 0, 0)
    return wire.SET_INSTRUMENT_SAFETY.pack(*header, band_ppm, protection_ppm, halt_ns, auction_ns)
