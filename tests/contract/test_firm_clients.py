"""The Python clients and the market in process say the same about firms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests.contract.firm_market import MARKET, FirmMarket

from tradepit.client import AsyncClient, Client, Release, Reserve, SetQuote
from tradepit.client.errors import ApiError
from tradepit.market import Market

UNLIKE = frozenset({"expires_at", "lease_until", "executed_at", "market_time", "as_of", "sequence"})
"""What depends on the clock, or on how often the node ticked."""

NUMBERED = frozenset({"bid_order_id", "ask_order_id", "order_id", "id", "state_hash"})


def plain(answer: Any) -> Any:
    """An answer without what depends on when and after what it was given."""
    if isinstance(answer, msgspec.Struct):
        answer = msgspec.to_builtins(answer)
    if isinstance(answer, dict):
        return {
            name: (value is not None) if name in NUMBERED else plain(value)
            for name, value in answer.items()
            if name not in UNLIKE
        }
    return [plain(item) for item in answer] if isinstance(answer, list | tuple) else answer


class Awaited:
    """An asyncio client whose methods are waited for."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._open(url))

    async def _open(self, url: str) -> AsyncClient:
        return AsyncClient(url)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *given, **named: self._runner.run(method(*given, **named))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


def told(call: Callable[[], Any]) -> Any:
    """An answer, or the code of a refusal."""
    try:
        return plain(call())
    except ApiError as error:
        return error.code


def story(face: Any) -> list[Any]:
    """Everything once, told in the same order to each."""
    speaker = {"maker": "mm-0", "epoch": 1}
    both = {"bid_price": 99, "bid_quantity": "10", "ask_price": "101", "ask_quantity": 120}
    steps: list[Callable[[], Any]] = [
        lambda: face.exposure(),
        lambda: face.create_firm("mm", symbols=["AAA-USD"], budget_bid=50, lease_ms=600_000),
        lambda: face.create_firm("mm", symbols=["AAA-USD"], budget_bid=50, lease_ms=600_000),
        lambda: face.create_firm("mm", budget_bid=51),
        lambda: face.set_budget("mm", budget_ask="75.5"),
        lambda: face.add_firm_symbol("BBB-USD"),
        lambda: face.add_firm_symbol("BBB-USD", firm="mm"),
        lambda: face.heartbeat("mm", "mm-0", epoch=1),
        lambda: face.heartbeat("mm", "mm-1", epoch=7),
        lambda: face.heartbeat("mm", "mm-0", epoch=0),
        lambda: face.cluster().firms,
        lambda: face.set_quote("AAA-USD", **both),
        lambda: face.set_quote("AAA-USD", **both, **speaker, ttl_ms=60_000),
        lambda: face.quote("AAA-USD"),
        lambda: face.quote("BBB-USD"),
        lambda: face.quote("NOPE"),
        lambda: (
            face.place(
                client_id="a", instrument="AAA-USD", side="buy", price=101, quantity=5
            ).filled_quantity
        ),
        lambda: face.reserve("CCC-USD", bid_quantity=60, ask_quantity=0),
        lambda: face.reservations(),
        lambda: face.exposure(),
        lambda: face.firm_positions(),
        lambda: face.firm_position("AAA-USD", client_id="mm"),
        lambda: face.release("CCC-USD"),
        lambda: face.batch(
            [
                SetQuote(instrument="AAA-USD", bid_price=98, bid_quantity=1, **speaker),
                Reserve(instrument="DDD-USD", bid_quantity="0.5", ask_quantity=1),
                Release(instrument="DDD-USD"),
                Release(instrument="BBB-USD", maker="mm-0", epoch=1),
            ]
        ),
        lambda: face.end_quote("AAA-USD", **speaker),
        lambda: face.remove_firm_symbol("BBB-USD"),
        lambda: face.heartbeat("mm", "mm-1", epoch=7, leaving=True),
        lambda: face.kill_firm("mm"),
        lambda: face.reserve("CCC-USD", bid_quantity=1, ask_quantity=1),
        lambda: face.resume_firm("mm"),
        lambda: face.firm("mm"),
        lambda: face.firm("nobody"),
        lambda: face.firms(),
        lambda: [node.role for node in face.cluster(state_hash=True).nodes][:1],
    ]
    return [told(step) for step in steps]


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirmMarket]:
    market = FirmMarket(tmp_path_factory.mktemp("clients"))
    yield market
    market.close()


@pytest.mark.parametrize("kind", [Client, Awaited])
def test_a_client_says_what_the_market_in_process_says(served: FirmMarket, kind: Any) -> None:
    face = kind(served.served.url)
    over_http = story(face)
    face.close()
    with Market(MARKET) as inside:
        in_process = story(inside)
    for number, (one, other) in enumerate(zip(over_http, in_process, strict=True)):
        assert one == other, f"step {number}"
    codes = [answer for answer in over_http if isinstance(answer, str)]
    assert codes == [
        "invalid_field", "firm_exists", "invalid_field", "not_owner", "unknown_quote",
        "unknown_instrument", "account_killed", "unknown_firm",
    ]  # fmt: skip


def test_the_market_in_process_ends_quotes_and_leases_by_its_own_time() -> None:
    with Market(MARKET) as market:
        market.create_firm("mm", symbols=["AAA-USD"], lease_ms=1_000)
        lease = market.heartbeat("mm", "mm-0", epoch=1)
        assert lease.symbols == ("AAA-USD",)
        quote = {"bid_price": 99, "bid_quantity": 1, "maker": "mm-0", "epoch": 1}
        market.set_quote("AAA-USD", **quote, ttl_ms=1_500)
        market.advance(0.999)
        assert market.set_quote("AAA-USD", **quote, ttl_ms=1_500).maker == 1
        market.advance(0.001)
        assert market.firm("mm").unassigned == ("AAA-USD",)
        with pytest.raises(ApiError, match="not_owner"):
            market.set_quote("AAA-USD", **quote)
        market.advance(1.498)
        assert market.exposure().bid_usage == 1
        market.advance(0.001)
        assert market.exposure().bid_usage == 0


def test_unknown_arguments_are_a_mistake_of_the_caller() -> None:
    with Market(MARKET) as market, pytest.raises(TypeError, match="budget"):
        market.create_firm("mm", budget=5)  # type: ignore[call-arg]
