"""The store on both databases: each trade once, sums exact, shards merged, raw equal to summary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select, text

from tradepit.projections.database import Database
from tradepit.projections.store import (
    StoreUnavailable,
    Totals,
    Trade,
    TradeStore,
    add_market_trades,
    clear_market_trades,
)
from tradepit.projections.store.recording import Batch
from tradepit.projections.store.tables import contract_summaries, store_trades
from tradepit.projections.store.trades import Level, Levels
from tradepit.projections.store.verification import verify
from tradepit.projections.tables import metadata

T = TypeVar("T")
LONG = Decimal("123456789012345678.123456789012345678")
"""As many digits as a price or a volume may have."""


def trade(price: str, volume: str, time_ns: int, trade_id: str | None = None) -> Trade:
    return Trade("A.COM", Decimal(price), Decimal(volume), time_ns, trade_id)


def on(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run work on an open database, and recount it afterwards."""

    async def run() -> T:
        database = await Database.open(url)
        try:
            done = await work(database)
            assert (await verify(database)).differences == []
            return done
        finally:
            await database.close()

    return asyncio.run(run())


async def totals(store: TradeStore, **where: object) -> Totals | None:
    found = await store.contract("A.COM", **where)  # type: ignore[arg-type]
    assert found is not None
    return found.totals


def ingest(
    url: str, batches: Sequence[Sequence[Trade]], *, shards: int = 10
) -> tuple[list[frozenset[str]], Totals | None]:
    """Store batches one after the other; the ids that were known, and what it all comes to."""

    async def work(database: Database) -> tuple[list[frozenset[str]], Totals | None]:
        store = TradeStore(database, shards=shards)
        known = [await store.ingest(Batch.of(batch)) for batch in batches]
        return known, await totals(store)

    return on(url, work)


def test_the_tables_are_those_of_the_metadata(database_url: str) -> None:
    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async def work(database: Database) -> list[object]:
        async with database.engine.connect() as connection:
            return await connection.run_sync(compare)

    assert on(database_url, work) == []


def test_late_trades_and_new_extremes_are_counted_whatever_their_order(database_url: str) -> None:
    batches = [
        [trade("32.5", "10", 300), trade("32.1", "1", 100)],
        [trade("32.9", "5", 200), trade("31", "2.5", 50)],
    ]
    _, found = ingest(database_url, batches)
    assert found == Totals(
        Decimal("18.5"), Decimal("599.1"), Decimal("32.9"), Decimal("31"), 300, 4
    )


def test_a_trade_id_counts_once_whatever_it_says_the_second_time(database_url: str) -> None:
    first = [trade("32", "10", 1, "a"), trade("32", "10", 1, "b")]
    second = [trade("99", "10", 9, "a"), trade("33", "1", 2, "c")]
    known, found = ingest(database_url, [first, second, first])
    assert known == [frozenset(), frozenset("a"), frozenset("ab")]
    assert found is not None
    assert (found.trades, found.volume, found.highest_price) == (3, 21, 33)


def test_trades_without_an_id_are_all_counted(database_url: str) -> None:
    _, found = ingest(database_url, [[trade("32", "10", 1)] * 3, [trade("32", "10", 1)]])
    assert found is not None
    assert (found.trades, found.volume) == (4, 40)


def test_sums_beyond_64_bits_with_18_decimals_stay_exact(database_url: str) -> None:
    many = [Trade("A.COM", LONG, LONG, 1)] * 150
    _, found = ingest(database_url, [many, many])
    assert found is not None
    assert Fraction(found.volume) == 300 * Fraction(LONG)
    assert Fraction(found.value) == 300 * Fraction(LONG) ** 2


def test_prices_may_be_negative_and_equal_ones_are_one_record(database_url: str) -> None:
    trades = [trade("-1.5", "2", 5), trade("-1.50", "3", 4), trade("-37.63", "1", 3)]

    async def work(database: Database) -> tuple[Totals | None, ...]:
        store = TradeStore(database)
        await store.ingest(Batch.of(trades))
        return await totals(store), await totals(store, price=Decimal("-1.500"))

    everything, at_price = on(database_url, work)
    assert everything == Totals(
        Decimal(6), Decimal("-45.13"), Decimal("-1.5"), Decimal("-37.63"), 5, 3
    )
    assert at_price is not None
    assert (at_price.volume, at_price.last_time_ns, at_price.trades) == (5, 5, 2)


def test_changing_the_number_of_shards_keeps_all_data_right(database_url: str) -> None:
    async def work(database: Database) -> tuple[Totals | None, list[Totals | None], set[int]]:
        for number, shards in enumerate([10, 1, 3, 25, 2] * 4):
            store = TradeStore(database, shards=shards)
            await store.ingest(Batch.of([trade("32", "1", number, f"{number}")]))
        async with database.engine.connect() as connection:
            used = set((await connection.execute(select(contract_summaries.c.shard))).scalars())
        single = [await totals(store, shard=shard) for shard in range(25)]
        return await totals(store), single, used

    merged, single, used = on(database_url, work)
    assert merged is not None
    assert merged.trades == 20
    assert sum(found.trades for found in single if found is not None) == 20
    assert {shard for shard, found in enumerate(single) if found is not None} == used


def test_a_contract_nobody_traded_is_told_from_a_price_nobody_traded(database_url: str) -> None:
    async def work(database: Database) -> list[object]:
        store = TradeStore(database)
        await store.ingest(Batch.of([trade("32", "1", 1)]))
        found = await store.contract("A.COM", price=Decimal("32.01"))
        assert found is not None
        return [found.totals, await store.contract("B.COM"), await store.contract("a.com")]

    assert on(database_url, work) == [None, None, None]


def test_contracts_are_listed_by_ticker_in_pages(database_url: str) -> None:
    names = ["B", "A.COM", "Z-9", "a", "A-COM"]

    async def work(database: Database) -> list[list[str]]:
        store = TradeStore(database)
        for name in names * 2:
            await store.ingest(Batch.of([Trade(name, Decimal(1), Decimal(2), 3)]))
        pages, after = [], ""
        while page := (await store.contracts(after=after, limit=2))[0]:
            assert {each.volume for each in page.values()} == {Decimal(4)}
            pages.append(list(page))
            after = pages[-1][-1]
        return pages

    assert on(database_url, work) == [["A-COM", "A.COM"], ["B", "Z-9"], ["a"]]


MARKET_LEVELS: Levels = {
    ("A.COM", Decimal("50.00")): Level(Decimal(3), 10),
    ("A.COM", Decimal("40.5")): Level(Decimal("0.25"), 20),
}


def test_a_rebuild_takes_the_markets_trades_away_and_no_others(database_url: str) -> None:
    async def work(database: Database) -> list[Totals | None]:
        store = TradeStore(database)
        await store.ingest(Batch.of([trade("32", "1", 15, "1"), trade("32", "1", 15)]))
        found = []
        for _ in range(2):
            async with database.writing() as connection:
                for key, level in MARKET_LEVELS.items():
                    await add_market_trades(connection, {key: level})
            found.append(await totals(store))
            async with database.writing() as connection:
                await clear_market_trades(connection)
            found.append(await totals(store))
            assert (await verify(database)).differences == []
        return found

    with_market, without, again, without_again = on(database_url, work)
    assert with_market == again
    assert without == without_again
    assert with_market == Totals(
        Decimal("5.25"), Decimal("224.125"), Decimal(50), Decimal(32), 20, 4
    )
    assert without == Totals(Decimal(2), Decimal(64), Decimal(32), Decimal(32), 15, 2)


def test_writers_at_once_with_the_same_ids_store_each_trade_once(database_url: str) -> None:
    batches = [
        [trade(f"{30 + n % 7}", "1", n, f"{n}") for n in range(start, start + 400)]
        for start in (0, 200, 100, 300, 0, 250)
    ]

    async def work(database: Database) -> tuple[int, Totals | None]:
        stores = [TradeStore(database, shards=4) for _ in range(3)]
        known = await asyncio.gather(
            *(
                stores[number % 3].ingest(Batch.of(batch[::-1] if number % 2 else batch))
                for number, batch in enumerate(batches)
            )
        )
        return sum(map(len, known)), await totals(stores[0])

    repeats, found = on(database_url, work)
    assert found is not None
    assert (found.trades, found.volume) == (700, 700)
    assert repeats == 6 * 400 - 700


def test_a_writer_takes_a_free_shard_beside_others_that_hold_theirs(postgres) -> None:
    async def run() -> int:
        database = await Database.open(postgres.database())
        store = TradeStore(database, shards=3)
        async with database.engine.connect() as one, database.engine.connect() as two:
            for connection, shard in ((one, 0), (two, 2)):
                await connection.execute(text(f"SELECT pg_advisory_xact_lock(723241055, {shard})"))
            for number in range(6):
                async with asyncio.timeout(10):
                    await store.ingest(Batch.of([trade("32", "1", number)]))
        async with database.engine.connect() as connection:
            shards = (await connection.execute(select(contract_summaries.c.shard))).scalars().all()
        await database.close()
        assert shards == [1]
        return len(shards)

    assert asyncio.run(run()) == 1


def test_a_deadlock_is_undone_and_tried_again(postgres) -> None:
    """Somebody else's transaction waits for the batch, which waits for it: the batch goes on."""

    async def run() -> None:
        url = postgres.database()
        database = await Database.open(url)
        store = TradeStore(database)
        insert = (
            "INSERT INTO store_trades (ticker, price, volume, time_ns, trade_id, "
            "received_ns) VALUES ('A.COM', 1, 1, 1, '{}', 1)"
        )
        other = await database.engine.connect()
        await other.execute(text("SET LOCAL deadlock_timeout = '100s'"))
        await other.execute(text(insert.format("z")))
        batch = Batch.of([trade("32", "1", 1, "a"), trade("32", "1", 1, "z")])
        writing = asyncio.ensure_future(store.ingest(batch))
        while not (  # noqa: ASYNC110 (the server has no event to wait for)
            await other.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        ).scalar_one():
            await asyncio.sleep(0.01)
        await other.execute(text(insert.format("a")))
        await other.rollback()
        await other.close()
        assert await writing == frozenset()
        assert store.retried_count == 1
        assert (await verify(database)).differences == []
        await database.close()

    asyncio.run(run())


def test_a_failure_between_raw_and_summary_leaves_neither(database_url: str) -> None:
    async def work(database: Database) -> tuple[bool, int]:
        store = TradeStore(database)
        async with database.writing() as connection:
            await connection.execute(text("ALTER TABLE contract_price_summaries RENAME TO gone"))
        with pytest.raises(StoreUnavailable) as caught:
            await store.ingest(Batch.of([trade("32", "1", 1, "a")]))
        async with database.writing() as connection:
            await connection.execute(text("ALTER TABLE gone RENAME TO contract_price_summaries"))
        async with database.engine.connect() as connection:
            count = select(func.count()).select_from(store_trades)
            return caught.value.was_undone, (await connection.execute(count)).scalar_one()

    assert on(database_url, work) == (True, 0)
