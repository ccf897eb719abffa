"""Markets in which a firm quotes: several instruments, a firm, makers, somebody who trades."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from tests.contract.served_market import ServedMarket
from tests.segments import SMALL_SEGMENTS

from tradepit.gateway.config import GatewayConfig
from tradepit.node.definitions import AssetDefinition, InstrumentDefinition, MarketDefinition
from tradepit.node.opening import NodeOptions

SYMBOLS = ("AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD")


def _instrument(symbol: str) -> InstrumentDefinition:
    return InstrumentDefinition(
        symbol=symbol,
        base="COIN",
        quote="USD",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.5") if symbol == "DDD-USD" else Decimal("0.01"),
        reference_price=Decimal(100),
    )


MARKET = MarketDefinition(
    assets=[
        AssetDefinition(code="USD", starting_balance=Decimal(1_000_000)),
        AssetDefinition(code="COIN", starting_balance=Decimal(10_000)),
    ],
    instruments=[_instrument(symbol) for symbol in SYMBOLS],
)
OPTIONS = NodeOptions(market=MARKET, journal=SMALL_SEGMENTS)


class FirmMarket:
    """A served market; every method sends one request."""

    def __init__(self, root: Path, *, has_feed_process: bool = False, **config: Any) -> None:
        self.root = root
        self.served = ServedMarket(
            root,
            GatewayConfig(read_wait_max=0.3, **config),
            OPTIONS,
            has_feed_process=has_feed_process,
        )
        self.http = httpx.Client(base_url=f"{self.served.url}/api/v1", timeout=10)

    def close(self) -> None:
        self.http.close()
        self.served.stop()

    @property
    def port(self) -> int:
        return self.served.port

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.http.request(method, path, json=body, params=query)

    def make_firm(self, firm: str, **fields: Any) -> Any:
        answer = self.send("POST", "/firms", {"id": firm, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def quote(self, symbol: str, **fields: Any) -> httpx.Response:
        return self.send("PUT", f"/quotes/{symbol}", fields)

    def reserve(self, symbol: str, bid: Any, ask: Any, **more: Any) -> httpx.Response:
        body = {"symbol": symbol, "bid_quantity": bid, "ask_quantity": ask}
        return self.send("POST", "/reservations", body | more)

    def beat(self, firm: str, maker: str, epoch: int = 1, **more: Any) -> httpx.Response:
        path = f"/firms/{firm}/makers/{maker}/heartbeat"
        return self.send("POST", path, {"epoch": epoch} | more)

    def take(self, side: str, quantity: str, symbol: str, price: str, client: str = "taker") -> Any:
        """Somebody trades at once with what rests."""
        body = {"client_id": client, "instrument": symbol, "side": side, "quantity": quantity}
        answer = self.send("POST", "/orders", body | {"price": price, "time_in_force": "ioc"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def exposure(self, firm: str) -> tuple[Decimal, Decimal, int]:
        """Bid and ask usage, and how many reservations hold something."""
        found = self.send("GET", "/exposure", client_id=firm).json()
        usage = Decimal(found["bid_usage"]), Decimal(found["ask_usage"])
        return (*usage, found["active_reservations"])


def both(price_bid: str = "99", price_ask: str = "101", quantity: Any = 10) -> dict[str, Any]:
    """A two-sided quote."""
    return {
        "bid_price": price_bid,
        "bid_quantity": quantity,
        "ask_price": price_ask,
        "ask_quantity": quantity,
    }
