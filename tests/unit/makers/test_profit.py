"""Profit and loss of a position is exact, and the same that the market itself keeps."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

import tradepit
from tradepit.domain.wire import Side
from tradepit.makers import InstrumentSpec
from tradepit.makers.profit import PositionCost


def filled(*fills: tuple[Side, int, int]) -> PositionCost:
    cost = PositionCost()
    for side, price, lots in fills:
        cost.fill(side=side, price_ticks=price, quantity_lots=lots)
    return cost


def test_closing_a_long_position_earns_the_difference_to_its_average() -> None:
    cost = filled((Side.BUY, 100, 10), (Side.BUY, 110, 10), (Side.SELL, 120, 5))
    assert (cost.lots, cost.cost_tick_lots, cost.realised_tick_lots) == (15, 1_575, 75)


def test_closing_a_short_position_earns_what_it_was_sold_above() -> None:
    cost = filled((Side.SELL, 100, 10), (Side.BUY, 90, 4))
    assert (cost.lots, cost.cost_tick_lots, cost.realised_tick_lots) == (-6, -600, 40)


def test_a_fill_through_flat_closes_all_and_opens_the_rest_at_its_price() -> None:
    cost = filled((Side.BUY, 100, 10), (Side.SELL, 103, 15))
    assert (cost.lots, cost.cost_tick_lots, cost.realised_tick_lots) == (-5, -515, 30)


def test_what_is_open_is_worth_the_mark_less_its_cost() -> None:
    assert filled((Side.BUY, 100, 3)).unrealised_half_tick_lots(205) == 15
    assert filled((Side.SELL, 100, 3)).unrealised_half_tick_lots(205) == -15


@pytest.mark.parametrize("seed", range(3))
def test_cost_and_realised_profit_are_those_of_the_market(seed: int) -> None:
    print(f"seed {seed}")
    draw, market = random.Random(seed), tradepit.Market(instruments=["ABC-USD"])
    for account in ("maker", "other"):
        market.open_account(id=account, type="credit")
    cost = PositionCost(lots=1_000, cost_tick_lots=1_000 * 10_000)  # the coins of a new account
    spec = InstrumentSpec("ABC-USD", Decimal("0.01"), Decimal(1))
    signs = set()
    for _ in range(150):
        side = draw.choice((Side.BUY, Side.SELL))
        price, lots = draw.randint(9_900, 10_100), draw.randint(1, 700)
        for account, buys in (("maker", side is Side.BUY), ("other", side is Side.SELL)):
            market.place(
                client_id=account,
                instrument="ABC-USD",
                side="buy" if buys else "sell",
                price=spec.price(price),
                quantity=spec.quantity(lots),
            )
        cost.fill(side=side, price_ticks=price, quantity_lots=lots)
        (theirs,) = market.positions("maker")
        assert theirs.net_quantity == spec.quantity(cost.lots)
        assert theirs.realised_pnl == cost.realised_tick_lots * spec.money_per_tick_lot
        if cost.lots:
            average = cost.cost_tick_lots * spec.tick_size / cost.lots
            assert theirs.average_price is not None
            assert abs(theirs.average_price - average) < Decimal("1e-7")
        signs.add(cost.lots > 0)
    assert signs == {True, False}
