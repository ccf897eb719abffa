"""How the market and each firm stood, minute after minute: what plots are drawn from."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tradepit.simulation.fleet import Fleet
from tradepit.simulation.scenario import NS_PER_SECOND

SAMPLES: Final = 480
"""Of a session, at most; one a minute over eight hours."""

INTERVAL_NS_MIN: Final = NS_PER_SECOND


class FirmSeries(Struct, kw_only=True):
    """A firm over time."""

    name: str
    profit: list[float] = []
    """In the quote asset, before fees, positions at the mid."""
    gross_position: list[float] = []
    """Sum of |position| over all symbols, in lots."""


class SymbolSeries(Struct, kw_only=True):
    """An instrument over time."""

    symbol: str
    mid: list[float | None] = []
    fair: list[float | None] = []
    trades: list[int] = []
    """Since the sample before."""
    positions: list[list[int]] = []
    """Of each firm, in lots; firms in the order of the scenario."""


class Samples(Struct, kw_only=True):
    """Everything that was sampled."""

    times_ns: list[int] = []
    firms: list[FirmSeries] = []
    symbols: list[SymbolSeries] = []


class Sampler:
    """Takes samples at even times."""

    def __init__(
        self, fleet: Fleet, firms: dict[str, int], symbols: list[str], starts: int, ends: int
    ) -> None:
        self._fleet, self._accounts = fleet, list(firms.values())
        self._interval_ns = max(INTERVAL_NS_MIN, (ends - starts) // SAMPLES)
        self.due_ns = starts
        self._trades = [0] * len(symbols)
        self._marks = [0.0] * len(symbols)
        self.samples = Samples(
            firms=[FirmSeries(name=name) for name in firms],
            symbols=[SymbolSeries(symbol=symbol) for symbol in symbols],
        )

    def take(
        self, now_ns: int, mids: list[float], fair: list[float] | None, trades: list[int]
    ) -> None:
        """Take a sample.

        Args:
            mids: middle of each book in ticks, 0 when there is none.
            fair: fair values in ticks, if anybody knows them.
            trades: of each instrument so far.
        """
        self.due_ns = now_ns - now_ns % self._interval_ns + self._interval_ns
        self.samples.times_ns.append(now_ns)
        for index, series in enumerate(self.samples.symbols):
            if mids[index]:
                self._marks[index] = mids[index]
            seats = self._fleet.by_instrument[index + 1]
            tick = float(seats[0].spec.tick_size) if seats else 1.0
            series.mid.append(mids[index] * tick if mids[index] else None)
            series.fair.append(None if fair is None else fair[index] * tick)
            series.trades.append(trades[index] - self._trades[index])
            by_account = {seat.account: seat.position_lots for seat in seats}
            series.positions.append([by_account.get(account, 0) for account in self._accounts])
        self._trades = list(trades)
        for account, firm in zip(self._accounts, self.samples.firms, strict=True):
            self._sample_firm(account, firm)

    def _sample_firm(self, account: int, series: FirmSeries) -> None:
        profit = gross = 0.0
        for seat in self._fleet.seats:
            if seat.account == account:
                mark = self._marks[seat.instrument - 1]
                worth = seat.cash_tick_lots + seat.position_lots * mark
                profit += worth * float(seat.spec.money_per_tick_lot)
                gross += abs(seat.position_lots)
        series.profit.append(round(profit, 4))
        series.gross_position.append(gross)
