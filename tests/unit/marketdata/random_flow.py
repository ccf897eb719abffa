"""Random commands of every kind for a market of frames."""

from __future__ import annotations

import random

from tests.unit.marketdata.frames import MarketOfFrames

from tradepit.domain import commands

INSTRUMENT = 1
ACCOUNTS = ("a", "b", "c", "d")


def random_command(rng: random.Random, live: list[int]) -> bytes:
    """An order, a cancel or a replace near one price, so that everything meets."""
    account = rng.randint(1, 4)
    kind = rng.random()
    if kind < 0.2 and live:
        return commands.cancel_order(account=0, order_id=live.pop(rng.randrange(len(live))))
    if kind < 0.4 and live:
        return commands.replace_order(
            account=0,
            order_id=rng.choice(live),
            instrument=INSTRUMENT,
            definition_version=1,
            price=rng.choice([None, rng.randint(95, 105)]),
            quantity=rng.randint(1, 12),
        )
    if kind < 0.42:
        return commands.mass_cancel(account=account)
    return commands.place_order(
        account=account,
        instrument=INSTRUMENT,
        side=rng.choice([1, 2]),
        order_type=1,
        time_in_force=rng.choice([1, 1, 1, 4, 5]),
        price=rng.randint(95, 105),
        quantity=rng.randint(1, 10),
        definition_version=1,
        self_trade_prevention=rng.randint(0, 4),
        options=rng.choice([0, 0, 0, 0, 1, 2, 4]),
    )


def live_orders(market: MarketOfFrames) -> list[int]:
    return [row[0] for row in market.replica.orders(0, 0, 0b110, 0, 500)]


def busy_market(rng: random.Random, nanoseconds_per_frame: int = 1000) -> MarketOfFrames:
    market = MarketOfFrames(nanoseconds_per_frame)
    for name in ACCOUNTS:
        market.open_account(name)
    for _ in range(20):
        market.run([random_command(rng, []) for _ in range(3)])
    return market
