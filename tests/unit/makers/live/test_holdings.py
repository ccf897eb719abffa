"""Positions by version: news is taken, old and repeated messages are not, gaps are seen."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.makers.events import UNITS

from tradepit.client.models import LastFill, Position
from tradepit.domain.wire import Side
from tradepit.makers import OwnPosition
from tradepit.makers.live.holdings import Holdings, own_fill
from tradepit.makers.strategy import NEVER


def position(version: int, net: int, *, last: bool = True, symbol: str = "ACME") -> Position:
    fill = LastFill("9", "sell", Decimal(2), Decimal("100.05"), "2026-01-01T00:00:00Z")
    return Position(
        symbol,
        Decimal(net),
        Decimal(0),
        average_price=Decimal("100.05") if net else None,
        version=version,
        last_fill=fill if last else None,
    )


def test_stale_and_repeated_versions_are_ignored() -> None:
    holdings = Holdings()
    holdings.begin([position(3, -6)])
    assert not holdings.apply(position(3, -6))
    assert not holdings.apply(position(2, -4))
    assert holdings.apply(position(4, -8))
    assert (holdings.stale, holdings.gaps) == (2, 0)
    assert holdings.positions["ACME"].net_quantity == -8


def test_a_version_that_was_passed_over_is_counted_and_the_newest_holds() -> None:
    holdings = Holdings()
    holdings.begin([])
    assert holdings.apply(position(3, -6))
    assert holdings.gaps == 1


def test_a_snapshot_brings_what_is_not_older() -> None:
    holdings = Holdings()
    holdings.begin([position(5, -10)])
    assert holdings.begin([position(4, -8)]) == []
    moved = position(5, -3)
    assert holdings.begin([moved]) == [moved]
    assert holdings.positions["ACME"] == moved


def test_a_position_is_told_in_ticks_and_lots() -> None:
    holdings = Holdings()
    assert holdings.position_in(UNITS) == OwnPosition()
    holdings.begin([position(5, -10)])
    assert holdings.position_in(UNITS) == OwnPosition(
        position_lots=-10, version=5, last_fill_ticks=10_005
    )
    assert holdings.cost_in("ACME") == Decimal("-1000.50")
    assert holdings.cost_in("OTHER") is None


def test_coins_without_any_fill_are_a_position_of_no_version() -> None:
    holdings = Holdings()
    holdings.begin([position(0, 100, last=False)])
    assert holdings.position_in(UNITS) == OwnPosition(position_lots=100, version=NEVER)


def test_a_fill_comes_with_the_position_after_it() -> None:
    fill = own_fill(UNITS, position(4, -8), time_ns=7)
    assert fill is not None
    assert (fill.side, fill.price_ticks, fill.quantity_lots) == (Side.SELL, 10_005, 2)
    assert (fill.position_lots, fill.version, fill.time_ns) == (-8, 4, 7)
    assert own_fill(UNITS, position(4, -8, last=False), time_ns=7) is None
