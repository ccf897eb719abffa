"""Orders of the public: drawn with numpy, ten seconds at once, all instruments together.

Limit orders (some icebergs) stand at a random distance behind the fair value and are cancelled
after a random time; market and stop orders take. In an auction limit orders only, which cross. The
number of orders follows the shape of a day.

An order's id is the sequence of its command, which is known only when its frame is made; cancels
are drawn with the ordinal of their order and get the id then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit.domain.wire import (
    PLACE_ORDER_DTYPE,
    CommandKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tradepit.makers import NEVER_NS
from tradepit.simulation.fair_value import CHUNK_NS, CHUNK_S, FairValue, Floats
from tradepit.simulation.opening import Accounts, Clock
from tradepit.simulation.scenario import Scenario, nanoseconds

ICEBERG_FACTOR: Final = 5
"""An iceberg is so many times as large as another order, and shows one part in so many."""

STOP_FACTOR: Final = 4
"""Stop prices lie so many times as far from the fair value as limit orders."""

AUCTION_RATE: Final = 0.5
"""Orders while orders gather, of those in continuous trading."""

LEAST_RATE: Final = 0.2
ORDINALS_MIN: Final = 1 << 16
ACCOUNT_BITS: Final = 32

Integers = NDArray[np.int64]
Towards = Callable[[], Floats | None]
"""Middle of each instrument's book in ticks, for fair values that follow the market."""


class Chunk(NamedTuple):
    """Commands in time order. Lists, because frames are small and lists are quick to index."""

    records: NDArray[np.void]
    times: Integers
    ordinals: Integers
    """Of the order that a record places or cancels."""
    places: Integers
    """Positions of the records that place."""
    cancels: Integers
    placed_before: list[int]
    """For each position, how many of the records before it place; one more at the end."""


class PublicFlow:
    """The public's commands, frame after frame."""

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock,
        accounts: Accounts,
        rng: np.random.Generator,
        fair: FairValue,
    ) -> None:
        self._scenario, self._flow, self._clock = scenario, scenario.flow, clock
        self._accounts = accounts
        self._rng, self._fair = rng, fair
        weights = np.array([each.weight for each in scenario.instruments])
        limit_share = max(0.0, 1 - self._flow.market_share - self._flow.stop_share)
        orders = self._flow.commands_per_second / (1 + limit_share)
        self._orders_per_s = orders * weights / weights.sum()
        self._sequences: Integers = np.zeros(ORDINALS_MIN, np.int64)
        self._ordinal = 0
        self._due_times: Integers = np.zeros(0, np.int64)
        self._due_orders: Integers = np.zeros(0, np.int64)
        """Ordinal and account of what is to be cancelled, in one number."""
        self._starts_ns = clock.pre_opens
        self._chunk = _no_chunk()
        self._at = 0

    @property
    def mids_wanted(self) -> bool:
        """Fair values follow the market, so that its middle is asked for."""
        return self._flow.feedback > 0

    def take(self, until_ns: int, first_sequence: int, towards: Towards) -> bytes:
        """The commands before a time, as the records of a frame that begins with this sequence."""
        parts: list[bytes] = []
        while self._starts_ns < until_ns or self._at < len(self._chunk.times):
            if self._at == len(self._chunk.times):
                if self._starts_ns >= until_ns:
                    break
                self._draw(towards)
                continue
            end = int(np.searchsorted(self._chunk.times, until_ns))
            if end == self._at:
                break
            parts.append(self._cut(end, first_sequence))
            first_sequence += end - self._at
            self._at = end
        return b"".join(parts)

    def _cut(self, end: int, first_sequence: int) -> bytes:
        chunk, start = self._chunk, self._at
        before = chunk.placed_before
        placed = chunk.places[before[start] : before[end]]
        cancelled = chunk.cancels[start - before[start] : end - before[end]]
        shift = first_sequence - start
        self._sequences[chunk.ordinals[placed]] = placed + shift
        part = chunk.records[start:end]
        if len(cancelled):
            part["price"][cancelled - start] = self._sequences[chunk.ordinals[cancelled]]
        return part.tobytes()

    # Drawing.

    def _draw(self, towards: Towards) -> None:
        """Draw the next chunk; none after the close."""
        starts, ends = self._starts_ns, self._starts_ns + CHUNK_NS
        share = self._flow.feedback
        path = self._fair.advance(towards() if share else None, share)
        self._starts_ns, self._at = ends, 0
        if starts >= self._clock.closes:
            self._starts_ns = NEVER_NS
            self._chunk = _no_chunk()
            return
        times, instruments = self._arrivals(starts)
        orders = self._orders(times, instruments, path, starts)
        self._chunk = self._with_cancels(orders, times, min(ends, self._clock.closes))

    def _arrivals(self, starts: int) -> tuple[Integers, Integers]:
        """Times, ascending, and indexes of the instruments of new orders."""
        counts = self._rng.poisson(self._orders_per_s * CHUNK_S * self._busy(starts))
        instruments = np.repeat(np.arange(len(counts)), counts)
        times = starts + self._rng.integers(0, CHUNK_NS, len(instruments))
        order = np.argsort(times, kind="stable")
        order = order[times[order] < self._clock.closes]
        return times[order], instruments[order]

    def _busy(self, at_ns: int) -> float:
        """How busy the market is: 1 on average over the session, most at its ends."""
        clock = self._clock
        if at_ns < clock.opens or at_ns >= clock.closing:
            return AUCTION_RATE
        place = 2 * (at_ns - clock.opens) / (clock.closes - clock.opens) - 1
        return max(LEAST_RATE, 1 + self._flow.day_shape * (place * place - 1 / 3))

    def _orders(
        self, times: Integers, instruments: Integers, path: Floats, starts: int
    ) -> NDArray[np.void]:
        flow, rng, count = self._flow, self._rng, len(times)
        second = (times - starts) // nanoseconds(1)
        gathers = (times < self._clock.opens) | (times >= self._clock.closing)
        fair = path[instruments, second]
        kind = rng.random(count)
        is_market = ~gathers & (kind < flow.market_share)
        is_stop = ~gathers & ~is_market & (kind < flow.market_share + flow.stop_share)
        is_limit = ~is_market & ~is_stop
        is_iceberg = is_limit & (rng.random(count) < flow.iceberg_share)
        buys = rng.random(count) < 0.5
        distance = rng.exponential(flow.distance_ticks, count)
        distance += np.where(gathers, -flow.half_spread_ticks, flow.half_spread_ticks)
        quantity = rng.geometric(min(1.0, 1 / flow.quantity), count)
        records = np.zeros(count, PLACE_ORDER_DTYPE)
        records["kind"] = CommandKind.PLACE_ORDER
        records["side"] = np.where(buys, Side.BUY, Side.SELL)
        records["order_type"] = OrderType.LIMIT
        records["order_type"][is_market] = OrderType.MARKET
        records["order_type"][is_stop] = OrderType.STOP
        records["time_in_force"] = np.where(is_market, TimeInForce.IOC, TimeInForce.DAY)
        records["self_trade_prevention"] = SelfTradePrevention.CANCEL_MAKER
        accounts = self._accounts
        records["account"] = accounts.flow_first + rng.integers(0, accounts.flow, count)
        records["instrument"] = instruments + 1
        below = np.maximum(1, np.floor(fair - distance))
        above = np.maximum(1, np.ceil(fair + distance))
        records["price"] = np.where(is_limit, np.where(buys, below, above), 0)
        away = STOP_FACTOR * np.maximum(1, distance)
        stops = np.where(buys, np.ceil(fair + away), np.maximum(1, np.floor(fair - away)))
        records["stop_price"] = np.where(is_stop, stops, 0)
        records["quantity"] = np.where(is_iceberg, quantity * ICEBERG_FACTOR, quantity)
        records["display_quantity"] = np.where(is_iceberg, quantity, 0)
        records["definition_version"] = 1
        return records

    def _with_cancels(self, orders: NDArray[np.void], times: Integers, ends: int) -> Chunk:
        """Merge in the cancels that are due in this chunk; remember the later ones."""
        count = len(orders)
        ordinals = self._ordinal + np.arange(count)
        self._ordinal += count
        while self._ordinal > len(self._sequences):
            self._sequences = np.concatenate((self._sequences, np.zeros_like(self._sequences)))
        lasts = self._rng.exponential(self._flow.lifetime_seconds, count)
        ends_at = times + 1 + (lasts * nanoseconds(1)).astype(np.int64)
        mortal = orders["order_type"] != OrderType.MARKET
        due_times = np.concatenate((self._due_times, ends_at[mortal]))
        named = ordinals << ACCOUNT_BITS | orders["account"]
        due_orders = np.concatenate((self._due_orders, named[mortal]))
        now = due_times < ends
        self._due_times, self._due_orders = due_times[~now], due_orders[~now]
        cancels = np.zeros(int(now.sum()), PLACE_ORDER_DTYPE)
        cancels["kind"] = CommandKind.CANCEL_ORDER
        cancels["account"] = due_orders[now] & (2**ACCOUNT_BITS - 1)
        all_times = np.concatenate((times, due_times[now]))
        order = np.argsort(all_times, kind="stable")
        all_ordinals = np.concatenate((ordinals, due_orders[now] >> ACCOUNT_BITS))
        is_place = order < count
        return Chunk(
            records=np.concatenate((orders, cancels))[order],
            times=all_times[order],
            ordinals=all_ordinals[order],
            places=np.flatnonzero(is_place),
            cancels=np.flatnonzero(~is_place),
            placed_before=[0, *np.cumsum(is_place).tolist()],
        )


def _no_chunk() -> Chunk:
    nothing: Integers = np.zeros(0, np.int64)
    return Chunk(np.zeros(0, PLACE_ORDER_DTYPE), nothing, nothing, nothing, nothing, [0])
