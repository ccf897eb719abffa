"""Rules version 2 by the Python clients and by the market in process: the same calls get the same
answers, blocking, over asyncio, and without a socket."""

from __future__ import annotations

import asyncio
import inspect
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.contract.served_market import MARKET, ServedMarket, Trader

from tradepit.client import AsyncClient, Client, ScheduleEntry
from tradepit.client.errors import ApiError
from tradepit.market import Market

MOMENTARY = {
    "id", "order_id", "trade_id", "as_of", "created_at", "updated_at", "executed_at", "expires_at",
    "dead_man_at", "at",
}  # fmt: skip
"""What names the moment; the rest must be the same everywhere."""


def lasting(answer: Any) -> Any:
    """An answer without what names its moment."""
    if isinstance(answer, msgspec.Struct):
        answer = msgspec.structs.asdict(answer)
    if isinstance(answer, dict):
        return {key: lasting(value) for key, value in answer.items() if key not in MOMENTARY}
    if isinstance(answer, list | tuple):
        return [lasting(each) for each in answer]
    return answer


class Blocking:
    """An asyncio client whose calls block."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def blocking(*args: Any, **more: Any) -> Any:
            found = call(*args, **more)
            return self._runner.run(found) if inspect.isawaitable(found) else found

        return blocking


def story(venue: Any, symbol: str, number: int) -> list[Any]:
    """Everything that rules version 2 brought, told by one venue."""
    told: list[Any] = []
    maker, taker = f"maker-{number}", f"taker-{number}"

    def tell(answer: Any) -> Any:
        told.append(lasting(answer))
        return answer

    def refused(name: str, *args: Any, **more: Any) -> None:
        with pytest.raises(ApiError) as found:
            getattr(venue, name)(*args, **more)
        told.append((name, found.value.problem.code, found.value.problem.status))

    def order(client_id: str, side: str, **more: Any) -> dict[str, Any]:
        return {"client_id": client_id, "instrument": symbol, "side": side, "quantity": 1} | more

    for account in (maker, taker):
        venue.open_account(id=account)
        venue.deposit(account, asset=symbol.partition("-")[0], amount=100)
    tell(venue.set_phase(symbol, "pre_open"))
    venue.place(**order(maker, "sell", price=99))
    venue.place(**order(maker, "buy", price=101, quantity=2, self_trade_prevention="none"))
    tell(venue.auction(symbol))
    tell(venue.set_phase(symbol, "continuous"))
    venue.mass_cancel(client_id=maker)
    entries = [ScheduleEntry("08:00", "pre_open", ("mon",)), {"at": "09:00", "phase": "continuous"}]
    tell(venue.set_schedule(symbol, entries).schedule)
    tell(venue.set_schedule(symbol, []))
    tell(venue.set_safety(symbol, band_percent=50, protection_percent=Decimal("2.5")))
    refused("set_safety", symbol, halt_seconds=-1)
    tell(venue.instrument(symbol))
    stop = tell(venue.place(**order(taker, "buy", type="stop", stop_price=105)))
    tell(venue.replace(stop.id, stop_price=104, price=106))
    tell(venue.place(**order(taker, "buy", type="trailing_stop", trail_amount=4)))
    tell(venue.place(**order(maker, "sell", price=104, quantity=3, display_quantity=1)))
    refused("place", **order(taker, "buy", type="stop"))
    tell(venue.place(**order(taker, "buy", price=104)))
    tell(venue.order(stop.id))
    bounds = [{"instrument": symbol, "max_quantity": 2, "max_value": 500, "position_max": 1000}]
    tell(venue.set_limits(taker, instruments=bounds, messages_per_second=1000))
    tell(venue.set_limits(taker, repeats_max=5, window_seconds=10))
    tell(venue.limits(taker))
    refused("place", **order(taker, "buy", price=90, quantity=3))
    refused("set_limits", taker, traded_max=5)
    tell(venue.set_dead_man(taker, timeout_ms=60_000))
    tell(venue.set_dead_man(taker, timeout_ms=0))
    tell(venue.cancel_only(taker))
    refused("place", **order(taker, "buy", price=90))
    tell(venue.account(taker).state)
    return told


def in_process(trader: Trader) -> Market:
    """A market in process with this trader's instrument."""
    market = Market(MARKET)
    market.create_instrument(
        symbol=trader.symbol, tick_size="0.01", lot_size="0.0001", reference_price="100"
    )
    return market


def test_the_client_and_the_market_in_process_tell_the_same_story(
    market: ServedMarket, trader: Trader
) -> None:
    with Client(market.url) as client:
        told = story(client, trader.symbol, trader.number)
    assert len(told) > 20
    assert told == story(in_process(trader), trader.symbol, trader.number)


def test_the_asyncio_client_tells_it_too(market: ServedMarket, trader: Trader) -> None:
    with asyncio.Runner() as runner:
        client = AsyncClient(market.url)
        told = story(Blocking(client, runner), trader.symbol, trader.number)
        runner.run(client.close())
    assert told == story(in_process(trader), trader.symbol, trader.number)


def test_every_instrument_is_set_at_once(market: ServedMarket, trader: Trader) -> None:
    with Client(market.url) as client:
        assert trader.symbol in client.set_market_phase("halted").instruments
        assert {each.phase for each in client.instruments()} == {"halted"}
        assert client.set_market_phase("continuous").phase == "continuous"
        assert client.sessions(trader.alice) == ()
