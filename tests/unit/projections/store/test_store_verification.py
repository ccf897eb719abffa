"""The recount finds every kind of difference between raw trades and summaries, and names it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import text

from tradepit.projections.database import Database
from tradepit.projections.store import Trade, TradeStore
from tradepit.projections.store.recording import Batch
from tradepit.projections.store.verification import Verdict, verify

TRADES = [
    Trade("A.COM", Decimal(price), Decimal(volume), 100 + number, f"{number}")
    for number, (price, volume) in enumerate([("32.1", "10"), ("32.1", "5"), ("31", "0.5")])
]


def verdict_after(url: str, statement: str | None) -> Verdict:
    async def run() -> Verdict:
        database = await Database.open(url)
        try:
            await TradeStore(database, shards=1).ingest(Batch.of(TRADES))
            if statement is not None:
                async with database.writing() as connection:
                    await connection.execute(text(statement))
            return await verify(database)
        finally:
            await database.close()

    return asyncio.run(run())


def test_a_sound_store_is_found_sound(database_url: str) -> None:
    assert verdict_after(database_url, None) == (3, 1, 2, [])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE contract_price_summaries SET volume = '16' WHERE trades = 2",
            ["contract and price A.COM 32.1 ingest: volume is 16, counted 15",
             "shard A.COM ingest 0: volume is 15.5, counted 16.5",
             "shard A.COM ingest 0: value is 497, counted 529.1"],
        ),
        (
            "UPDATE contract_summaries SET value = '1'",
            ["contract A.COM ingest: value is 1, counted 497",
             "shard A.COM ingest 0: value is 1, counted 497"],
        ),
        (
            "UPDATE contract_summaries SET lowest_price = '30', last_time_ns = 101",
            ["contract A.COM ingest: lowest_price is 30, counted 31",
             "contract A.COM ingest: last_time_ns is 101, counted 102",
             "shard A.COM ingest 0: lowest_price is 30, counted 31",
             "shard A.COM ingest 0: last_time_ns is 101, counted 102"],
        ),
        (
            "UPDATE contract_summaries SET shard = 7",
            ["shard A.COM ingest 0: record is missing, counted (",
             "shard A.COM ingest 7: record is ("],
        ),
        (
            "DELETE FROM contract_price_summaries WHERE trades = 1",
            ["contract and price A.COM 31 ingest: record is missing, counted (",
             "shard A.COM ingest 0: volume is 15.5, counted 15",
             "shard A.COM ingest 0: value is 497, counted 481.5",
             "shard A.COM ingest 0: lowest_price is 31, counted 32.1",
             "shard A.COM ingest 0: trades is 3, counted 2",
             "shard A.COM ingest 0: last_time_ns is 102, counted 101"],
        ),
        (
            "DELETE FROM store_trades WHERE trade_id = '2'",
            ["contract and price A.COM 31 ingest: record is (",
             "contract A.COM ingest: volume is 15.5, counted 15",
             "contract A.COM ingest: value is 497, counted 481.5",
             "contract A.COM ingest: lowest_price is 31, counted 32.1",
             "contract A.COM ingest: trades is 3, counted 2",
             "contract A.COM ingest: last_time_ns is 102, counted 101"],
        ),
    ],
)  # fmt: skip
def test_what_differs_is_named(database_url: str, statement: str, said: list[str]) -> None:
    told = [str(difference) for difference in verdict_after(database_url, statement).differences]
    assert len(told) == len(said), told
    for line, start in zip(told, said, strict=True):
        assert line.startswith(start), told
