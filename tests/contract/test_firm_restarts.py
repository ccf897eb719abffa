"""Firms outlive the node; makers and quotes live on by market time. And firms with keys."""

from __future__ import annotations

from pathlib import Path

from tests.contract.firm_market import OPTIONS, FirmMarket, both
from tests.contract.keyed_market import KeyedMarket
from tests.contract.served_market import ServedMarket

from tradepit.client import Client
from tradepit.gateway.config import GatewayConfig


def test_quotes_reservations_and_owners_survive_a_restart(tmp_path: Path) -> None:
    market = FirmMarket(tmp_path)
    market.make_firm("mm", symbols=["AAA-USD"], lease_ms=600_000)
    market.beat("mm", "mm-0", 3)
    speaker = {"maker": "mm-0", "epoch": 3}
    quote = market.quote("AAA-USD", **both(), **speaker, ttl_ms=600_000).json()
    market.reserve("BBB-USD", 40, 40, ttl_ms=600_000)
    body, key = {"symbol": "CCC-USD", "bid_quantity": 1, "ask_quantity": 1}, "once"
    headers = {"Idempotency-Key": key}
    market.http.post("/reservations", json=body, headers=headers)
    before = {path: market.send("GET", path).json() for path in ("/exposure", "/reservations")}
    market.close()
    served = ServedMarket(tmp_path, GatewayConfig(), OPTIONS)
    try:
        with Client(served.url) as client:
            exposure = client.exposure()
            assert str(exposure.bid_usage) == before["/exposure"]["bid_usage"]
            held = [str(each.granted_bid_quantity) for each in client.reservations()]
            assert held == [
                each["granted_bid_quantity"] for each in before["/reservations"]["items"]
            ]
            again = client.reserve("CCC-USD", bid_quantity=1, ask_quantity=1, key=key)
            assert again.status is None, "done once, and what was granted is forgotten"
            assert client.quote("AAA-USD").bid_order_id == quote["bid_order_id"]
            (maker,) = client.firm("mm").makers
            assert (maker.name, maker.epoch, maker.symbols) == ("mm-0", 3, ("AAA-USD",))
            renewed = client.set_quote(
                "AAA-USD", bid_price=99, bid_quantity=10, ask_price=101, ask_quantity=10, **speaker
            )
            assert renewed.ask_order_id == quote["ask_order_id"], "the same quote keeps its place"
    finally:
        served.stop()


def test_a_firm_s_key_speaks_for_it_and_sees_no_other(tmp_path: Path) -> None:
    market = KeyedMarket(tmp_path)
    try:
        for firm in ("alice", "bob"):
            made = market.admin.send("POST", "/api/v1/firms", {"id": firm, "position_limit": 0})
            assert made.status_code == 201
        with (
            Client(
                market.served.url, key=market.alice_pair.key, secret=market.alice_pair.secret
            ) as alice,
            Client(
                market.served.url, key=market.bob_pair.key, secret=market.bob_pair.secret
            ) as bob,
        ):
            assert alice.set_quote("BTC-USD", bid_price=69_000, bid_quantity=1).client_id == "alice"
            assert bob.reserve("BTC-USD", bid_quantity=2, ask_quantity=0).id == "bob:BTC-USD"
            assert (alice.exposure().bid_usage, bob.exposure().bid_usage) == (1, 2)
            assert [firm.id for firm in alice.firms()] == ["alice"]
            assert [firm.id for firm in bob.cluster().firms] == ["bob"]
            assert alice.heartbeat("alice", "mm-0", epoch=1).maker == 1
        other = {"client_id": "bob", "symbol": "BTC-USD", "bid_quantity": 1, "ask_quantity": 1}
        assert market.alice.send("POST", "/api/v1/reservations", other).status_code == 403
        beat = market.alice.send("POST", "/api/v1/firms/bob/makers/m/heartbeat", {"epoch": 1})
        assert beat.status_code == 403
    finally:
        market.close()
