"""Random commands of rules version 2: stops, icebergs, phases, bands and quotes, near one price."""

from __future__ import annotations

import random
from typing import Final

from tests.unit.marketdata.frames import NOON, SECOND, MarketOfFrames
from tests.unit.marketdata.random_flow import ACCOUNTS, INSTRUMENT

from tradepit.domain import commands, wire
from tradepit.domain.wire import CommandKind, Option, OrderType, Phase, TimeInForce

LIMITS: Final = (OrderType.LIMIT,) * 6
STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
PHASES: Final = (
    Phase.HALTED,
    Phase.CANCEL_ONLY,
    Phase.PRE_OPEN,
    Phase.AUCTION,
    Phase.AUCTION,
    Phase.CLOSING_AUCTION,
    Phase.CLOSED,
)
LIVE: Final = 0b110
BUDGET: Final = 5 * 10**8
"""Of a firm: five lots a side, in units of 10^-8."""


class VenueFlow:
    """Commands for a market of frames, each a run of records that belong together."""

    def __init__(self, rng: random.Random, market: MarketOfFrames, *, quotes: bool) -> None:
        self._rng = rng
        self._market = market
        self._quotes = quotes
        self._time_ns = NOON + SECOND
        self._phase = Phase.CONTINUOUS

    def safety(self) -> bytes:
        """A band that halts now and then, and reopens with an auction."""
        return wire.SET_INSTRUMENT_SAFETY.pack(
            *_header(CommandKind.SET_INSTRUMENT_SAFETY),
            40_000,
            60_000,
            SECOND,
            SECOND,
        )

    def firm(self) -> bytes:
        """The last account becomes a firm with little to grant."""
        return wire.DEFINE_FIRM.pack(
            *_header(CommandKind.DEFINE_FIRM, account=len(ACCOUNTS), instrument=0),
            BUDGET,
            BUDGET,
            0,
            SECOND,
        )

    def next(self, live: list[int]) -> list[bytes]:
        """The records of one random command, which may need two of them."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.12 and live:
            return [commands.cancel_order(account=0, order_id=rng.choice(live))]
        if kind < 0.3 and live:
            return [self._replace(rng.choice(live))]
        if kind < 0.31:
            return [commands.mass_cancel(account=rng.randint(1, 4))]
        if kind < 0.37:
            self._time_ns += rng.choice([SECOND // 20, SECOND // 5, SECOND])
            return [commands.time_jump(to_ns=self._time_ns)]
        if kind < 0.42:
            return [self._set_phase()]
        if kind < 0.5 and self._quotes:
            return self._quote()
        return [self._place()]

    def _set_phase(self) -> bytes:
        is_back = self._phase != Phase.CONTINUOUS and self._rng.random() < 0.8
        self._phase = Phase.CONTINUOUS if is_back else self._rng.choice(PHASES)
        return commands.set_phase(instrument=INSTRUMENT, phase=self._phase)

    def _place(self) -> bytes:
        rng = self._rng
        order_type = rng.choice((*LIMITS, *STOPS, OrderType.MARKET))
        is_limit = order_type == OrderType.LIMIT
        resting = [TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD]
        passing = [TimeInForce.IOC, TimeInForce.FOK]
        times = passing if order_type == OrderType.MARKET else resting * 3
        time_in_force = rng.choice(times + passing * is_limit)
        rests = time_in_force in resting
        expires_at = self._time_ns + SECOND * rng.randint(1, 4)
        price = rng.randint(95, 105) if is_limit or order_type == OrderType.STOP_LIMIT else 0
        is_iceberg = is_limit and rests and rng.random() < 0.4
        stop = rng.randint(1, 4) if order_type == OrderType.TRAILING_STOP else rng.randint(97, 103)
        return commands.place_order(
            account=rng.randint(1, 4),
            instrument=INSTRUMENT,
            side=rng.choice([1, 2]),
            order_type=order_type,
            time_in_force=time_in_force,
            price=price,
            quantity=rng.randint(4, 20) if is_iceberg else rng.randint(1, 10),
            definition_version=1,
            self_trade_prevention=rng.randint(0, 4),
            options=rng.choice([0, 0, 0, 0, int(Option.REDUCE_ONLY)]),
            expires_at=expires_at if time_in_force == TimeInForce.GTD else 0,
            display_quantity=rng.randint(1, 4) if is_iceberg else 0,
            stop_price=stop if order_type in STOPS else 0,
        )

    def _replace(self, order_id: int) -> bytes:
        rng = self._rng
        row = self._market.replica.order(order_id)
        assert row is not None, "a live order"
        waits = bool(int(str(row[7])) & Option.STOP)
        price, quantity = rng.choice([(0, 1), (1, 0), (1, 1)])
        return commands.replace_order(
            account=0,
            order_id=order_id,
            instrument=INSTRUMENT,
            definition_version=1,
            price=rng.randint(95, 105) if price else None,
            quantity=rng.randint(1, 14) if quantity else None,
            stop_price=rng.randint(97, 103) if waits and rng.random() < 0.6 else None,
        )

    def _quote(self) -> list[bytes]:
        rng = self._rng
        bid = rng.randint(95, 103)
        quote = wire.QUOTE.pack(
            *_header(CommandKind.QUOTE, account=rng.randint(1, 4), instrument=INSTRUMENT),
            bid,
            rng.randint(0, 6),
            bid + rng.randint(1, 3),
            rng.randint(1, 6),
            SECOND * rng.randint(1, 3),
            1,
            0,
            0,
        )
        reserve = wire.RESERVE_ORDER_ID.pack(*_header(CommandKind.RESERVE_ORDER_ID, instrument=0))
        return [reserve, quote]


def _header(
    kind: CommandKind, *, account: int = 0, instrument: int = INSTRUMENT, options: int = 0
) -> tuple[int, ...]:
    return (int(kind), 0, 0, 0, 0, 0, options, 0, account, instrument, 0, 0, 0)


def venue(
    rng: random.Random, *, quotes: bool = False, nanoseconds_per_frame: int = 1000
) -> tuple[MarketOfFrames, VenueFlow]:
    """A market with accounts and a band, and its flow."""
    market = MarketOfFrames(nanoseconds_per_frame)
    for name in ACCOUNTS:
        market.open_account(name)
    flow = VenueFlow(rng, market, quotes=quotes)
    market.run([flow.safety(), flow.firm()])
    return market, flow


def live_orders(market: MarketOfFrames) -> list[int]:
    """Ids of resting and waiting orders."""
    return [row[0] for row in market.replica.orders(0, 0, LIVE, 0, 500)]  # type: ignore[misc]
