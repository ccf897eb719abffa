"""The flow reaches a node through its public API alone."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tradepit.client import AsyncClient
from tradepit.flow.api_market import ACCOUNTS, ApiMarket, account_name
from tradepit.flow.generated_session import generate_session
from tradepit.flow.market_port import OrderState
from tradepit.flow.operations import Cancel, Fill, Outcome, Place, Replace, Trade
from tradepit.flow.recorded import OutsiderOrder, RecordedFlow, RunResult
from tradepit.flow.recorded_source import at_once

UNIT = 1_000_000_000


async def prepared(node: Any) -> ApiMarket:
    market = ApiMarket(node.client(), "TEST")
    await market.prepare(tick_size="0.25")
    return market


def play(node: Any, *, events: int, outsiders: tuple[OutsiderOrder, ...] = ()) -> RunResult:
    async def run() -> RunResult:
        flow = RecordedFlow(await prepared(node), outsiders=outsiders)
        return await flow.run(at_once(generate_session(seed=3, events=events)))

    return asyncio.run(run())


def test_a_session_played_over_the_api_gives_the_recorded_market(node: Any) -> None:
    result = play(node, events=600)
    assert result.comparison.is_within_targets
    assert result.unforeseen == 0
    assert sum(node.batches) >= result.operations


def test_an_operation_waits_for_the_id_of_the_order_that_it_names(node: Any) -> None:
    async def run() -> None:
        market = await prepared(node)
        place = Place(1, 7, "buy", 99 * UNIT, 5, immediate=False)
        assert not market.can_follow(Cancel(1), [place])
        await market.execute([place])
        assert market.can_follow(Cancel(1), [])
        assert await market.execute([Cancel(1)]) == [Outcome(accepted=True, fills=(), filled=0)]

    asyncio.run(run())


def test_the_instrument_and_credit_accounts_are_created_once(node: Any) -> None:
    async def run() -> None:
        await prepared(node)
        await prepared(node)

    asyncio.run(run())
    assert [one["symbol"] for one in node.instruments] == ["TEST"]
    assert len(node.accounts) == ACCOUNTS + 1
    assert set(node.accounts.values()) == {"credit"}


def test_orders_of_an_earlier_run_leave_before_a_new_one(node: Any) -> None:
    async def run() -> None:
        market = await prepared(node)
        await market.execute([Place(1, 7, "buy", 99 * UNIT, 5, immediate=False)])
        await prepared(node)

    asyncio.run(run())
    assert node.book.best("buy") is None


def test_a_batch_whose_answer_was_lost_is_repeated_and_takes_effect_once(node: Any) -> None:
    async def run() -> None:
        market = await prepared(node)
        node.lose_answers = 2
        await market.execute([Place(1, 7, "buy", 99 * UNIT, 5, immediate=False)])
        assert (await market.quote()).bid_quantity == 5

    asyncio.run(run())


def test_the_answer_to_a_replace_counts_only_its_own_fills(node: Any) -> None:
    async def run() -> None:
        market = await prepared(node)
        node.outside("sell", 101 * UNIT, 2)
        node.outside("sell", 102 * UNIT, 2)
        outcomes = await market.execute([Place(1, 7, "buy", 101 * UNIT, 5, immediate=False)])
        assert outcomes[0].fills == (Fill(101 * UNIT, 2),)
        node.outside("sell", 101 * UNIT, 1)
        outcomes = await market.execute([Replace(1, 102 * UNIT, 5)])
        assert outcomes[0] == Outcome(accepted=True, fills=(Fill(102 * UNIT, 2),), filled=5)
        assert await market.trades() == [
            Trade(1, None, 101 * UNIT, 2),
            Trade(None, 1, 101 * UNIT, 1),
            Trade(1, None, 102 * UNIT, 2),
        ]
        assert await market.trades() == []

    asyncio.run(run())


def test_trades_are_fetched_over_as_many_pages_as_they_fill(node: Any) -> None:
    async def run() -> None:
        market = await prepared(node)
        await market.execute([Place(1, 7, "sell", 101 * UNIT, 300, immediate=False)])
        for _ in range(250):
            node.outside("buy", 101 * UNIT, 1)
        assert len(await market.trades()) == 250
        assert await market.inspect(1) == OrderState(1, 101 * UNIT, 300, 250, is_open=True)

    asyncio.run(run())


def test_a_large_outside_order_shows_in_the_report(node: Any) -> None:
    result = play(node, events=600, outsiders=(OutsiderOrder(300, "sell", 40),))
    (report,) = result.outsiders
    assert report.filled == 40
    assert report.worst_price < report.before.bid_price
    assert result.counts.hit_by_outsider_quantity == 40


@pytest.mark.parametrize("order_id", [0, 1, 199, 200, 6_412_777_265_263])
def test_a_recorded_order_always_has_the_same_account(order_id: int) -> None:
    assert account_name(order_id) == account_name(order_id + ACCOUNTS)


def test_a_refused_order_is_answered_as_such_and_can_be_named_without_harm() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/batch"):
            problem = {"status": 422, "problem": {"code": "max_value", "status": 422}}
            return httpx.Response(200, json={"results": [problem]})
        return httpx.Response(200, json={"items": []})

    async def run() -> None:
        client = AsyncClient("http://node", transport=httpx.MockTransport(refuse))
        market = ApiMarket(client, "TEST")
        place = Place(1, 7, "buy", 99 * UNIT, 5, immediate=False)
        assert not (await market.execute([place]))[0].accepted
        assert market.can_follow(Cancel(1), [])
        assert not (await market.execute([Cancel(1)]))[0].accepted
        assert await market.inspect(1) is None

    asyncio.run(run())
