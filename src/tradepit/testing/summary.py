"""The state of an engine as plain values, for comparing what events alone do not show."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tradepit.domain.wire import Side
from tradepit.testing.auditor import Auditor
from tradepit.testing.engine_port import Engine
from tradepit.testing.oracle.funds import held
from tradepit.testing.oracle.market import Market
from tradepit.testing.oracle.moments import next_due_ns

QUEUE_LIMIT = 10_000
SIDES = (Side.BUY, Side.SELL)
BalanceRow = tuple[int, int, int]
PositionRow = tuple[int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Summary:
    """Rows that are all zero are left out, since engines may or may not keep them."""

    sequence: int
    time_ns: int
    next_due_ns: int
    """When something will next happen by itself: an order's expiry, or what version 2 adds."""
    keys: tuple[int, int]
    asset_totals: dict[int, tuple[int, int, int, int]]
    balances: dict[tuple[int, int], BalanceRow]
    """(account, asset): total, held, credit; without a total or hold the row is left out."""
    positions: dict[tuple[int, int], PositionRow]
    """(account, instrument): net, cost, realised, version, open buy, open sell, limit."""
    queues: dict[tuple[int, int], list[tuple[int, int, int, int]]]
    """(instrument, side): order id, price, leaves, account; in priority order."""

    def differences(self, other: Summary) -> list[str]:
        """Names of the fields that are not equal, with both values."""
        return [
            f"{f.name}: {getattr(self, f.name)} != {getattr(other, f.name)}"
            for f in fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]


def summary_of_engine(engine: Engine, *, like: Market) -> Summary:
    """Ask for every account, asset and instrument that `like` knows."""
    return Summary(
        sequence=engine.sequence,
        time_ns=engine.market_time_ns,
        next_due_ns=engine.next_due_ns,
        keys=engine.key_statistics(),
        asset_totals={asset: engine.asset_totals(asset) for asset in like.assets},
        balances={
            (account, asset): (total, held_there, credit)
            for account in like.accounts
            for asset, total, held_there, credit in engine.balances(account)
            if total or held_there
        },
        positions={
            (account, row[0]): row[1:]
            for account in like.accounts
            for row in engine.positions(account)
            if any(row[1:])
        },
        queues={
            (instrument, side): engine.queue(instrument, side, QUEUE_LIMIT)
            for instrument in like.instruments
            for side in SIDES
        },
    )


def summary_of_oracle(market: Market) -> Summary:
    finished = [e.finished_at for e in market.keys.values() if e.finished_at is not None]
    return Summary(
        sequence=market.sequence,
        time_ns=market.time_ns,
        next_due_ns=next_due_ns(market),
        keys=(len(market.keys), min(finished, default=0)),
        asset_totals={
            asset.number: (
                asset.deposits,
                asset.withdrawals,
                sum(account.balance(asset.number) for account in market.accounts.values()),
                asset.fees,
            )
            for asset in market.assets.values()
        },
        balances=oracle_balances(market),
        positions=oracle_positions(market),
        queues={
            (instrument, side): [
                (order.order_id, order.price, order.shown, order.account)
                for order in market.resting(instrument, side)
            ]
            for instrument in market.instruments
            for side in SIDES
        },
    )


def oracle_balances(market: Market) -> dict[tuple[int, int], BalanceRow]:
    rows = {
        (account.number, asset): (
            account.balance(asset),
            held(market, account.number, asset),
            account.credit(asset),
        )
        for account in market.accounts.values()
        for asset in market.assets
    }
    return {key: row for key, row in rows.items() if any(row[:2])}


def oracle_positions(market: Market) -> dict[tuple[int, int], PositionRow]:
    rows: dict[tuple[int, int], PositionRow] = {}
    for account in market.accounts.values():
        for instrument, position in account.positions.items():
            rows[account.number, instrument] = (
                position.net,
                position.cost,
                position.realised,
                position.version,
                market.open_leaves(account.number, instrument, Side.BUY),
                market.open_leaves(account.number, instrument, Side.SELL),
                position.limit,
            )
    return {key: row for key, row in rows.items() if any(row)}


def contradictions(auditor: Auditor, state: Summary) -> list[str]:
    """Where an engine's state is not what its own events add up to."""
    found = []
    for number, account in auditor.ledger.accounts.items():
        held_now = auditor.ledger.held(auditor.orders.values(), number)
        for asset in auditor.ledger.scales:
            expected = (account.totals.get(asset, 0), held_now.get(asset, 0))
            total, held_there, _ = state.balances.get((number, asset), (0, 0, 0))
            if (total, held_there) != expected:
                found.append(f"account {number}, asset {asset}: {total}, {held_there}: {expected}")
        for instrument in auditor.ledger.instruments:
            position = state.positions.get((number, instrument), (0,) * 7)
            net, fills = account.nets.get(instrument, 0), account.fills.get(instrument, 0)
            if (position[0], position[3]) != (net, fills):
                found.append(f"account {number}, instrument {instrument}: {position}, {net} net")
    for (instrument, side), queue in state.queues.items():
        book = auditor.books.get(instrument)
        expected_queue = book.in_priority_order(side) if book else []
        if [row[0] for row in queue] != expected_queue:
            found.append(f"queue of {instrument}, {side}: {queue}, {expected_queue} by events")
    return found
