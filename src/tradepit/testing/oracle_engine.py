"""The oracle behind the same door as the native engine, so that one test runs on both."""

from __future__ import annotations

from tradepit.domain.wire import Side
from tradepit.testing.oracle import Oracle
from tradepit.testing.summary import oracle_balances, oracle_positions, summary_of_oracle


class OracleEngine(Oracle):
    """Answers the questions of `engine_port.Engine` from the oracle's state."""

    @property
    def sequence(self) -> int:
        return self.market.sequence

    @property
    def market_time_ns(self) -> int:
        return self.market.time_ns

    @property
    def next_due_ns(self) -> int:
        return summary_of_oracle(self.market).next_due_ns

    def key_statistics(self) -> tuple[int, int]:
        return summary_of_oracle(self.market).keys

    def asset_totals(self, asset: int, /) -> tuple[int, int, int, int]:
        deposits, withdrawals, total, fees = summary_of_oracle(self.market).asset_totals[asset]
        return deposits, withdrawals, total, fees

    def balances(self, account: int, /) -> list[tuple[int, int, int, int]]:
        rows = oracle_balances(self.market).items()
        return [(asset, *row) for (owner, asset), row in rows if owner == account]

    def positions(self, account: int, /) -> list[tuple[int, int, int, int, int, int, int, int]]:
        rows = oracle_positions(self.market).items()
        return [(number, *row) for (owner, number), row in rows if owner == account]

    def queue(self, instrument: int, side: int, limit: int, /) -> list[tuple[int, int, int, int]]:
        orders = self.market.resting(instrument, Side(side))[:limit]
        return [(order.order_id, order.price, order.shown, order.account) for order in orders]
