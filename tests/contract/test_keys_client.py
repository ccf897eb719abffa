"""The Python client in key mode: it signs, signs again, and says what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.contract.keyed_market import KeyedMarket
from tests.contract.signing import Pair

from tradepit.client import AsyncClient, Client, ClockSkew, Place
from tradepit.client.errors import Forbidden, NotFound


@pytest.fixture(scope="module", params=[True, False], ids=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KeyedMarket]:
    keyed = KeyedMarket(tmp_path_factory.mktemp("keyed"), hot_path=request.param)
    yield keyed
    keyed.close()


def client(market: KeyedMarket, pair: Pair) -> Client:
    return Client(market.served.url, key=pair.key, secret=pair.secret)


def own(price: str = "69000") -> Place:
    return Place(
        client_id="alice",
        instrument="BTC-USD",
        side="buy",
        type="limit",
        price=price,
        quantity="0.01",
    )


def test_the_client_signs_reads_and_writes(market: KeyedMarket) -> None:
    with client(market, market.alice_pair) as alice, client(market, market.bob_pair) as bob:
        order = alice.place(own())
        assert alice.order(order.id).status == "new"
        assert [each.id for each in alice.orders(status="open", instrument="BTC-USD").items] == [
            order.id
        ]
        assert alice.order_book("BTC-USD", depth=5).bids
        with pytest.raises(NotFound):
            bob.order(order.id)
        with pytest.raises(Forbidden, match="another account"):
            bob.place(own())
        assert alice.cancel(order.id).status == "cancelled"


def test_the_operator_opens_accounts_and_passes_their_keys_on(market: KeyedMarket) -> None:
    with client(market, market.admin_pair) as admin:
        opened = admin.open_account(id=f"carol-{time.time_ns()}")
    assert opened.api_key is not None
    assert opened.api_secret is not None
    with client(market, Pair(opened.api_key, opened.api_secret)) as carol:
        assert carol.account(opened.id).balance("USD").total == 1_000_000


def test_a_wrong_secret_is_a_clear_error(market: KeyedMarket) -> None:
    with (
        client(market, Pair(market.alice_pair.key, "wrong")) as stranger,
        pytest.raises(Forbidden, match="unauthenticated"),
    ):
        stranger.instruments()
    with (
        client(market, Pair(market.alice_pair.key, "wrong")) as stranger,
        pytest.raises(Forbidden, match="unauthenticated"),
        stranger.stream("book:BTC-USD") as stream,
    ):
        next(iter(stream))


def test_a_clock_that_is_wrong_is_a_clear_error(
    market: KeyedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = time.time_ns()
    with client(market, market.alice_pair) as alice, monkeypatch.context() as skewed:
        skewed.setattr("tradepit.client.signing.time.time_ns", lambda: now_ns - 60 * 10**9)
        market.served.server.gateway.access._now_ms = lambda: now_ns // 10**6  # type: ignore
        try:
            with pytest.raises(ClockSkew, match="60000 ms behind the node's clock"):
                alice.instruments()
        finally:
            market.served.server.gateway.access._now_ms = (  # type: ignore
                lambda real=time.clock_gettime_ns: real(time.CLOCK_REALTIME) // 10**6
            )


def test_a_stream_is_signed(market: KeyedMarket) -> None:
    with (
        client(market, market.alice_pair) as alice,
        alice.stream("execution", client_id="alice") as stream,
    ):
        placed = alice.place(own("60000"))
        for message in stream:
            if placed.id in str(message):
                break


def test_both_clients_sign(market: KeyedMarket) -> None:
    pair = market.alice_pair

    async def ask() -> int:
        async with AsyncClient(market.served.url, key=pair.key, secret=pair.secret) as alice:
            return len(await alice.instruments())

    assert asyncio.run(ask()) == 1


def test_a_key_needs_its_secret() -> None:
    with pytest.raises(ValueError, match="go together"):
        Client(key="tk1")
