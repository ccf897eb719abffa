"""What the native door says about firms and the safety of accounts, by name."""

from __future__ import annotations

import pytest
from tests.unit.marketdata.frames import NOON, SECOND, MarketOfFrames

from tradepit.domain import commands, wire
from tradepit.engine import firm_rows
from tradepit.testing.frames import command

FIRM = 1
TRADER = 2
UNITS = 10**8
"""Units of a firm's budget in a lot of the market's instrument."""


def send(market: MarketOfFrames, *records: object, text: str | None = None) -> None:
    """Apply commands as one frame; the text belongs to the last of them."""
    packed = [command(record).record for record in records[:-1]]
    packed.append(command(records[-1], text).record)
    market.run(packed, commands.text_entry(text) if text is not None else b"")


@pytest.fixture
def market() -> MarketOfFrames:
    """A firm with one maker that makes the instrument, and a trader."""
    market = MarketOfFrames()
    for name in ("firm", "trader"):
        market.open_account(name)
    send(
        market,
        wire.DefineFirm(
            account=FIRM, budget_bid=100 * UNITS, budget_ask=5 * UNITS,
            position_limit=0, lease_ns=10 * SECOND,
        ),
        wire.SetFirmSymbol(account=FIRM, instrument=1, mode=1),
    )  # fmt: skip
    send(market, wire.MakerHeartbeat(account=FIRM, epoch=9), text="mm-0")
    send(
        market,
        wire.ReserveOrderId(),
        wire.Quote(
            account=FIRM, instrument=1, definition_version=1, maker=1, epoch=9,
            bid_price=99, bid_quantity=10, ask_price=101, ask_quantity=8,
        ),
    )  # fmt: skip
    return market


def test_a_firm_shows_what_its_reservations_hold(market: MarketOfFrames) -> None:
    assert firm_rows.firms(market.replica) == [
        firm_rows.FirmRow(
            account=FIRM,
            account_id="firm",
            budget_bid=100 * UNITS,
            budget_ask=5 * UNITS,
            used_bid=10 * UNITS,
            used_ask=5 * UNITS,
            position_limit=0,
            lease_ns=10 * SECOND,
        )
    ]


def test_makers_and_their_instruments_are_shown(market: MarketOfFrames) -> None:
    (maker,) = firm_rows.makers(market.replica, FIRM)
    assert maker[:3] == (1, "mm-0", 9)
    assert NOON + 10 * SECOND < maker.lease_until_ns <= market.replica.market_time_ns + 10 * SECOND
    assert maker.instruments == [1]
    assert firm_rows.firm_symbols(market.replica, FIRM) == [(1, 1)]
    assert firm_rows.makers(market.replica, TRADER) == []


def test_a_fill_shows_in_what_is_held_and_what_rests(market: MarketOfFrames) -> None:
    sell = commands.place_order(
        account=TRADER, instrument=1, side=2, order_type=1, time_in_force=1,
        price=99, quantity=4, definition_version=1,
    )  # fmt: skip
    market.run([sell])
    (exposure,) = firm_rows.exposures(market.replica, FIRM)
    assert exposure.status == wire.ReservationStatus.PARTIAL
    assert (exposure.instrument, exposure.maker) == (1, 1)
    ask_id = exposure.ask.order_id
    bid = firm_rows.SideRow(10, 6, price=99, quantity=10, order_id=ask_id - 1, leaves=6)
    assert exposure.bid == bid
    ask = firm_rows.SideRow(8, 5, price=101, quantity=5, order_id=ask_id, leaves=5)
    assert exposure.ask == ask
    assert exposure.expires_at_ns - market.replica.market_time_ns < 30 * SECOND
    assert firm_rows.exposures(market.replica, TRADER) == []


def test_a_session_shows_its_holder_and_its_lease(market: MarketOfFrames) -> None:
    send(market, wire.BindSession(account=TRADER, mode=1), text="desk")
    (session,) = firm_rows.sessions(market.replica, TRADER)
    sequence = market.replica.sequence
    lease_until_ns = market.replica.market_time_ns + 5 * SECOND
    assert session == (1, "desk", True, sequence, 7, lease_until_ns)


def test_a_guard_shows_its_bounds_and_what_it_counts(market: MarketOfFrames) -> None:
    assert firm_rows.guard(market.replica, TRADER) == (0,) * 9
    guard = wire.SetAccountGuard(
        account=TRADER, messages_max=5, repeats_max=4, window_ns=60 * SECOND,
        traded_max=1_000, traded_asset=2,
    )  # fmt: skip
    limits = wire.SetOrderLimits(account=TRADER, instrument=1, quantity_max=7)
    send(market, guard, limits, wire.SetDeadMan(account=TRADER, timeout_ns=SECOND))
    order = commands.place_order(
        account=TRADER, instrument=1, side=1, order_type=1, time_in_force=1,
        price=101, quantity=2, definition_version=1,
    )  # fmt: skip
    market.run([order, order])
    seen = firm_rows.guard(market.replica, TRADER)
    assert seen[:5] == (5, 4, 60 * SECOND, 1_000, 2)
    assert (seen.messages, seen.repeats, seen.traded) == (2, 2, 404)
    assert 0 < seen.dead_man_at_ns - market.replica.market_time_ns < SECOND
    assert firm_rows.order_limits(market.replica, TRADER) == [(1, 7, 0)]
    assert firm_rows.order_limits(market.replica, FIRM) == []


@pytest.mark.parametrize("name", ["makers", "firm_symbols", "exposures", "sessions", "guard"])
def test_an_account_that_is_not_there_is_refused(market: MarketOfFrames, name: str) -> None:
    with pytest.raises(ValueError, match="no such account"):
        getattr(firm_rows, name)(market.replica, 9)
