"""The tables are what the events say, however often the projector stops, on both databases."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import Table, delete, func, select, text
from sqlalchemy.exc import OperationalError
from tests.unit.projections.journals import World

from tradepit.journal.layout import DataDirectory
from tradepit.node.recovery import History
from tradepit.projections import projector as projector_module
from tradepit.projections import writing
from tradepit.projections.candles import STORED_SECONDS
from tradepit.projections.database import Database
from tradepit.projections.projector import ProjectionRefused, Projector, project
from tradepit.projections.store.recording import Batch
from tradepit.projections.store.tables import contract_price_summaries, store_trades
from tradepit.projections.store.trade_store import TradeStore
from tradepit.projections.store.trades import Trade
from tradepit.projections.store.verification import verify
from tradepit.projections.tables import (
    accounts,
    balances,
    candles,
    fills,
    ledger_lines,
    orders,
    positions,
    trades,
)
from tradepit.projections.verification import find_differences, hash_tables
from tradepit.projections.writing import PositionTaken, Writer, clear

Settings = dict[str, Any]

FORGETFUL: Settings = {"history": History(orders=260, trades=1), "batch_bytes": 1}
"""Frame by frame; many orders end when the replica no longer remembers them."""

ORDINARY: Settings = {}

Work = Callable[[Database], Coroutine[Any, Any, None]]


def with_database(url: str, work: Work) -> None:
    async def run() -> None:
        database = await Database.open(url)
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(run())


async def catch_up(directory: DataDirectory, database: Database, settings: Settings) -> Projector:
    projector = await Projector.open(directory, database, **settings)
    while await projector.step():
        pass
    return projector


async def rows_of(database: Database, table: Table) -> list[Any]:
    async with database.engine.connect() as connection:
        statement = select(table).order_by(*table.primary_key.columns)
        return list(await connection.execute(statement))


@pytest.mark.parametrize(("seed", "settings"), [(1, ORDINARY), (2, FORGETFUL), (4, FORGETFUL)])
def test_tables_are_what_the_oracle_knows(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    settings: Settings,
) -> None:
    endings = Mock(side_effect=writing._end)
    monkeypatch.setattr(writing, "_end", endings)
    world = World(tmp_path / "data", seed=seed, commands=3_000)
    world.grow(0.5)

    async def work(database: Database) -> None:
        await catch_up(world.directory, database, settings)
        await asyncio.to_thread(world.grow)
        await catch_up(world.directory, database, settings)
        await expect_orders_and_trades(database, world)
        await expect_money(database, world)
        await expect_candles(database, world)

    with_database(database_url, work)
    assert (endings.call_count > 0) == (settings is FORGETFUL)


async def expect_orders_and_trades(database: Database, world: World) -> None:
    found = await rows_of(database, orders)
    assert len(found) == len(world.fold.orders) > 500
    for row in found:
        order = world.fold.orders[row.order_id]
        assert (row.account, row.instrument, row.side, row.status, row.close_reason) == (
            order.account,
            order.instrument,
            order.side,
            order.status,
            order.close_reason,
        )
        assert (row.price, row.quantity, row.leaves, row.filled, row.filled_value) == (
            order.price,
            order.quantity,
            order.leaves,
            order.filled,
            order.filled_value,
        )
        assert (row.expires_ns, row.created_ns, row.updated_ns, row.client_order_id) == (
            order.expires_at,
            order.created_at_ns,
            order.updated_at_ns,
            order.client_order_id,
        )
        assert (row.first_quantity, row.options) == (order.first_quantity, order.options)
        assert (row.display_quantity, row.stop_price) == (order.display_quantity, order.stop_price)
    stored = [
        (
            row.trade_id,
            row.sequence,
            row.time_ns,
            row.instrument,
            row.price,
            row.quantity,
            row.maker_order_id,
            row.taker_order_id,
            row.maker_account,
            row.taker_account,
            row.taker_side,
            row.maker_fee,
            row.taker_fee,
        )
        for row in await rows_of(database, trades)
    ]
    assert stored == world.fold.trades
    by_order = defaultdict(list)
    for row in await rows_of(database, fills):
        by_order[row.order_id].append((row.trade_id, row.is_maker))
    expected = {
        order_id: [(fill[0], fill[6]) for fill in order_fills]
        for order_id, order_fills in world.fold.fills.items()
        if order_fills
    }
    assert {order_id: sorted(found) for order_id, found in by_order.items()} == expected


async def expect_money(database: Database, world: World) -> None:
    stored = await rows_of(database, accounts)
    assert [(row.account, row.id, row.name, row.state) for row in stored] == [
        (account.number, account.id, account.name, account.state)
        for account in world.market.accounts.values()
    ]
    for row in await rows_of(database, balances):
        assert row.total == world.market.accounts[row.account].balance(row.asset)
    for row in await rows_of(database, positions):
        position = world.market.accounts[row.account].position(row.instrument)
        assert (row.net, row.cost, row.realised, row.version) == (
            position.net,
            position.cost,
            position.realised,
            position.version,
        )
    lines = await rows_of(database, ledger_lines)
    by_command: dict[tuple[int, int], int] = defaultdict(int)
    by_account: dict[tuple[int, int], int] = defaultdict(int)
    for row in lines:
        by_command[row.sequence, row.asset] += row.amount
        by_account[row.account, row.asset] += row.amount
    assert len(lines) > 1_000
    assert not any(by_command.values())
    for account in world.market.accounts.values():
        for asset, total in account.balances.items():
            assert by_account[account.number, asset] == total


async def expect_candles(database: Database, world: World) -> None:
    """Against a recount from the trades."""
    expected: dict[tuple[int, int, int], list[Any]] = {}
    for _, _, time_ns, instrument, price, quantity, *_ in world.fold.trades:
        for seconds in STORED_SECONDS:
            start = time_ns // (seconds * 10**9) * seconds * 10**9
            candle = expected.setdefault(
                (instrument, seconds, start), [price, price, price, price, 0, 0, 0]
            )
            candle[1] = max(candle[1], price)
            candle[2] = min(candle[2], price)
            candle[3] = price
            candle[4] += quantity
            candle[5] += price * quantity
            candle[6] += 1
    found = {
        (row.instrument, row.seconds, row.start_ns): list(row[4:])
        for row in await rows_of(database, candles)
    }
    assert found == expected


def test_market_trades_reach_the_store_beside_those_that_were_brought(
    database_url: str, tmp_path: Path
) -> None:
    world = World(tmp_path / "data", seed=12, commands=1_200)
    world.grow()
    brought = Trade("A.COM", Decimal("32.5"), Decimal(7), 1, "mine")

    async def work(database: Database) -> None:
        store = TradeStore(database, shards=3)
        await store.ingest(Batch.of([brought]))
        for _ in range(2):
            await catch_up(world.directory, database, FORGETFUL)
            await expect_store(database)
            await expect_a_lost_trade_is_found(database)
            await clear(database)
        stored = await rows_of(database, store_trades)
        assert [(row.ticker, row.trade_id) for row in stored] == [("A.COM", "mine")]

    async def expect_a_lost_trade_is_found(database: Database) -> None:
        async with database.engine.connect() as connection:
            last = select(func.max(trades.c.trade_id)).scalar_subquery()
            await connection.execute(delete(trades).where(trades.c.trade_id == last))
            await connection.commit()
        told = [str(difference) for difference in (await verify(database)).differences]
        assert {line.split(":")[0].split()[-1] for line in told} == {"market"}

    async def expect_store(database: Database) -> None:
        expected: dict[tuple[str, Decimal], list[Any]] = {}
        for _, _, time_ns, number, price, quantity, *_ in world.fold.trades:
            instrument = world.market.instruments[number]
            tick = Decimal(instrument.tick_mantissa).scaleb(-instrument.tick_exponent)
            lot = Decimal(instrument.lot_mantissa).scaleb(-instrument.lot_exponent)
            level = expected.setdefault((instrument.symbol, price * tick), [0, 0, 0])
            level[0] += quantity * lot
            level[1] = time_ns
            level[2] += 1
        assert len(expected) > 20
        found = {
            (row.ticker, Decimal(row.price)): [Decimal(row.volume), row.last_time_ns, row.trades]
            for row in await rows_of(database, contract_price_summaries)
            if row.source == "market"
        }
        assert found == expected
        verdict = await verify(database)
        assert not verdict.differences
        assert verdict.trades == len(world.fold.trades) + 1

    with_database(database_url, work)


def test_a_projector_that_stops_anywhere_goes_on_exactly(database_url: str, tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=4, commands=2_000)
    rng = Random(4)

    async def work(database: Database) -> None:
        for _ in range(12):
            await asyncio.to_thread(world.grow, 0.2)
            projector = await Projector.open(world.directory, database, **FORGETFUL)
            for _ in range(rng.randrange(3)):
                await projector.step(projector.sequence + rng.randrange(1, 60))
        await asyncio.to_thread(world.grow)
        await catch_up(world.directory, database, FORGETFUL)
        assert await find_differences(world.directory, database) == []

    with_database(database_url, work)


def test_of_two_projectors_one_writes(database_url: str, tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=5, commands=800)
    world.grow()

    async def work(database: Database) -> None:
        first = await Projector.open(world.directory, database)
        second = await Projector.open(world.directory, database)
        assert await first.step(200)
        with pytest.raises(PositionTaken):
            await second.step(300)
        while await first.step():
            pass
        assert await find_differences(world.directory, database) == []

    with_database(database_url, work)


@pytest.mark.parametrize("is_written", [False, True], ids=["before", "after"])
def test_a_database_that_fails_is_asked_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    """Also when the transaction was committed and the answer lost."""
    world = World(tmp_path / "data", seed=6, commands=800)
    world.grow()
    monkeypatch.setattr(projector_module, "RETRY_SECONDS", 0.001)
    write = Writer.write
    calls = 0

    async def failing(self: Writer, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1 or (calls == 2 and not is_written):
            if is_written:
                await write(self, *arguments)
            raise OperationalError("COMMIT", None, OSError("the connection was lost"))
        await write(self, *arguments)

    monkeypatch.setattr(Writer, "write", failing)

    async def work(database: Database) -> None:
        await project(world.directory, database_url, until_end=True)
        assert calls == (2 if is_written else 3)
        assert await find_differences(world.directory, database) == []

    with_database(database_url, work)


def test_a_database_of_an_hour_ago_catches_up(tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=7, commands=1_500)
    world.grow(0.4)
    url, copy = (f"sqlite:///{tmp_path / name}" for name in ("now.sqlite", "then.sqlite"))

    async def now(database: Database) -> None:
        await catch_up(world.directory, database, ORDINARY)
        async with database.engine.connect() as connection:
            await connection.execute(text(f"VACUUM INTO '{tmp_path / 'then.sqlite'}'"))
        await asyncio.to_thread(world.grow)
        await catch_up(world.directory, database, ORDINARY)

    async def then(database: Database) -> None:
        await catch_up(world.directory, database, ORDINARY)
        assert await find_differences(world.directory, database) == []

    with_database(url, now)
    with_database(copy, then)


def test_another_journal_is_refused(database_url: str, tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=8, commands=600)
    other = World(tmp_path / "other", seed=9, commands=600)
    shorter = World(tmp_path / "shorter", seed=8, commands=600)
    world.grow()
    other.grow()
    shorter.grow(0.3)

    async def work(database: Database) -> None:
        await catch_up(world.directory, database, ORDINARY)
        before = await hash_tables(database)
        for directory in (other.directory, shorter.directory):
            with pytest.raises(ProjectionRefused, match="rebuild"):
                await Projector.open(directory, database)
        assert await hash_tables(database) == before
        await clear(database)
        await catch_up(other.directory, database, ORDINARY)
        assert await find_differences(other.directory, database) == []

    with_database(database_url, work)


@pytest.mark.parametrize("table", [orders, trades, ledger_lines, balances])
def test_verification_finds_a_changed_row(tmp_path: Path, table: Table) -> None:
    world = World(tmp_path / "data", seed=10, commands=600)
    world.grow()

    async def work(database: Database) -> None:
        await catch_up(world.directory, database, ORDINARY)
        column = (
            "total" if table is balances else "price" if table is not ledger_lines else "amount"
        )
        async with database.writing() as connection:
            keys = list(table.primary_key.columns)
            row = (await connection.execute(select(*keys).limit(1))).one()
            condition = [key == value for key, value in zip(keys, row, strict=True)]
            await connection.execute(
                table.update().where(*condition).values({column: table.c[column] + 1})
            )
        (difference,) = await find_differences(world.directory, database)
        assert difference.table == table.name

    with_database(f"sqlite:///{tmp_path / 'x.sqlite'}", work)


def test_nothing_is_projected_twice(database_url: str, tmp_path: Path) -> None:
    """Stopped in the middle of a transaction, nothing of it stays."""
    world = World(tmp_path / "data", seed=11, commands=600)
    world.grow()

    async def work(database: Database) -> None:
        projector = await Projector.open(world.directory, database)
        await projector.step(100)
        before = await hash_tables(database)
        task = asyncio.ensure_future(projector.step())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await hash_tables(database) == before
        await catch_up(world.directory, database, ORDINARY)
        async with database.engine.connect() as connection:
            count = (await connection.execute(select(func.count()).select_from(trades))).scalar()
        assert count == len(world.fold.trades)

    with_database(database_url, work)
