"""Two-sided quotes: over HTTP, in batches, and many in flight on one socket."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.firm_market import SYMBOLS, FirmMarket, both
from tests.contract.wire_socket import WireSocket

from tradepit.gateway.firms import results
from tradepit.market import Market

_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FirmMarket]:
    is_hot = request.param == "hot"
    root: Path = tmp_path_factory.mktemp(request.param)
    served = FirmMarket(root, has_feed_process=is_hot, hot_path=is_hot)
    yield served
    served.close()


@pytest.fixture
def firm(market: FirmMarket) -> Iterator[str]:
    """A firm that makes nothing; its quotes are gone afterwards."""
    name = f"firm-{next(_numbers)}"
    market.make_firm(name, position_limit=0)
    yield name
    market.send("POST", f"/firms/{name}/kill")


@pytest.fixture
def wire(market: FirmMarket) -> Iterator[WireSocket]:
    connection = WireSocket(market.port)
    yield connection
    connection.close()


def wait_until(market: FirmMarket, holds: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_quote_rests_on_both_sides_and_is_replaced_in_one_step(
    market: FirmMarket, firm: str
) -> None:
    answer = market.quote("AAA-USD", **both(), client_id=firm, ttl_ms=60_000)
    quote = msgspec.json.decode(answer.content, type=results.Quote)
    assert (quote.status, quote.bid_price, quote.ask_price) == ("GRANTED", "99.00", "101.00")
    assert (quote.granted_bid_quantity, quote.remaining_ask_quantity) == ("10.00", "10.00")
    assert quote.fills == []
    order = market.send("GET", f"/orders/{quote.bid_order_id}").json()
    assert (order["client_id"], order["side"], order["remaining"]) == (firm, "buy", "10.00")
    assert int(str(quote.ask_order_id)) == int(str(quote.bid_order_id)) + 1
    second = market.quote("AAA-USD", **both("98", "101"), client_id=firm).json()
    assert second["ask_order_id"] == quote.ask_order_id, "the side that is the same keeps its place"
    assert market.send("GET", f"/orders/{quote.bid_order_id}").json()["status"] == "cancelled"
    shown = market.send("GET", "/quotes/AAA-USD", client_id=firm).json()
    assert (shown["bid_price"], shown["bid_order_id"]) == ("98.00", second["bid_order_id"])
    msgspec.convert(shown, results.Quote)


def test_a_quote_tells_what_it_traded_at_once(market: FirmMarket, firm: str) -> None:
    body = {"client_id": "seller", "instrument": "AAA-USD", "side": "sell", "price": "98.50"}
    rests = market.send("POST", "/orders", body | {"quantity": "4"}).json()
    quote = market.quote("AAA-USD", **both(), client_id=firm).json()
    (fill,) = quote["fills"]
    assert (fill["side"], fill["price"], fill["quantity"]) == ("buy", "98.50", "4.00")
    assert (fill["liquidity"], fill["order_id"]) == ("taker", quote["bid_order_id"])
    assert (quote["granted_bid_quantity"], quote["remaining_bid_quantity"]) == ("10.00", "6.00")
    assert market.send("GET", f"/orders/{rests['id']}").json()["status"] == "filled"
    assert market.exposure(firm)[0] == 6


def test_what_a_kept_side_traded_before_is_not_told_again(market: FirmMarket, firm: str) -> None:
    first = market.quote("AAA-USD", **both(), client_id=firm).json()
    market.take("buy", "4", "AAA-USD", "101")
    again = market.quote("AAA-USD", **both() | {"ask_quantity": 6}, client_id=firm).json()
    assert (again["ask_order_id"], again["fills"]) == (first["ask_order_id"], [])
    assert (again["granted_ask_quantity"], again["remaining_ask_quantity"]) == ("6.00", "6.00")


def test_one_side_may_be_left_out(market: FirmMarket, firm: str) -> None:
    quote = market.quote("AAA-USD", bid_price=99, bid_quantity=1, client_id=firm).json()
    assert (quote["status"], quote["ask_price"], quote["ask_order_id"]) == ("GRANTED", None, None)
    half = market.quote("AAA-USD", ask_price=99, ask_quantity=1, bid_quantity=0, client_id=firm)
    assert half.json()["bid_order_id"] is None
    assert market.send("GET", f"/orders/{quote['bid_order_id']}").json()["status"] == "cancelled"


def test_the_position_limit_clips_a_quote_on_one_side(market: FirmMarket) -> None:
    firm = f"limited-{next(_numbers)}"
    market.make_firm(firm, position_limit=15)
    market.quote("AAA-USD", **both(), client_id=firm)
    market.take("sell", "10", "AAA-USD", "99")
    quote = market.quote("AAA-USD", **both(quantity=30), client_id=firm).json()
    assert (quote["status"], quote["granted_bid_quantity"]) == ("PARTIAL", "5.00")
    assert quote["granted_ask_quantity"] == "25.00"
    market.send("POST", f"/firms/{firm}/kill")


def test_a_quote_expires_while_nobody_says_anything(market: FirmMarket, firm: str) -> None:
    quote = market.quote("AAA-USD", **both(), client_id=firm, ttl_ms=150).json()
    wait_until(market, lambda: market.exposure(firm) == (0, 0, 0))
    order = market.send("GET", f"/orders/{quote['ask_order_id']}").json()
    assert (order["status"], order["remaining"]) == ("expired", "0.00")
    gone = market.send("GET", "/quotes/AAA-USD", client_id=firm)
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_quote")


def test_the_newest_quote_is_shown_when_nobody_is_named(market: FirmMarket, firm: str) -> None:
    assert market.send("GET", "/quotes/BBB-USD").status_code == 404
    market.quote("BBB-USD", **both("97", "103"), client_id=firm)
    market.quote("BBB-USD", **both("98", "102"), client_id="a-customer")
    shown = market.send("GET", "/quotes/BBB-USD").json()
    assert (shown["client_id"], shown["status"]) == ("a-customer", "GRANTED")
    assert shown["requested_bid_quantity"] == "10.00"
    market.quote("BBB-USD", **both("97", "104"), client_id=firm)
    assert market.send("GET", "/quotes/BBB-USD").json()["client_id"] == firm
    released = market.send("DELETE", "/quotes/BBB-USD", client_id="a-customer").json()
    assert released["freed_capacity"] == "0.00", "who is no firm has no budget"
    assert market.send("GET", "/quotes/BBB-USD", client_id="a-customer").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"bid_quantity": 0, "ask_quantity": 0}, 400, "invalid_quantity"),
        ({"bid_quantity": "-1"}, 400, "invalid_quantity"),
        ({"bid_price": None}, 400, "invalid_field"),
        ({"bid_price": "0"}, 400, "invalid_price"),
        ({"ask_price": "101.001"}, 400, "tick_size"),
        ({"bid_price": "101"}, 422, "invalid_combination"),
        ({"ttl_ms": -5}, 400, "invalid_field"),
        ({"epoch": 0}, 400, "invalid_field"),
        ({"client_id": "two words"}, 400, "invalid_account_id"),
        ({"maker": "nobody", "epoch": 1}, 422, "not_owner"),
        ({"maker": 3, "epoch": 1}, 422, "not_owner"),
    ],
)
def test_a_quote_that_is_refused_leaves_the_one_before(
    market: FirmMarket, firm: str, body: dict[str, Any], status: int, code: str
) -> None:
    before = market.quote("AAA-USD", **both(), client_id=firm).json()
    answer = market.quote("AAA-USD", **{**both(), "client_id": firm, **body})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    after = market.send("GET", "/quotes/AAA-USD", client_id=firm).json()
    assert (after["bid_order_id"], after["remaining_bid_quantity"]) == (
        before["bid_order_id"],
        "10.00",
    )


def test_an_unknown_instrument_is_a_404_in_the_path(market: FirmMarket, firm: str) -> None:
    for answer in (
        market.quote("NOPE", **both(), client_id=firm),
        market.send("GET", "/quotes/NOPE"),
        market.send("DELETE", "/quotes/NOPE", client_id=firm),
        market.send("POST", "/reservations/NOPE/release", {"client_id": firm}),
        market.send("GET", "/positions/NOPE", client_id=firm),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_instrument")


def test_only_the_owner_quotes_what_the_firm_makes(market: FirmMarket, firm: str) -> None:
    market.send("POST", f"/firms/{firm}/symbols", {"symbol": "AAA-USD"})
    market.beat(firm, "mm-0", 5)
    market.beat(firm, "mm-1", 1)
    owner = {"maker": "mm-0", "epoch": 5}
    for speaker in ({}, {"maker": "mm-1", "epoch": 1}, {"maker": "mm-0", "epoch": 4},
                    {"maker": "mm-0"}, {"maker": "mm-2", "epoch": 1}):  # fmt: skip
        for answer in (
            market.quote("AAA-USD", **both(), client_id=firm, **speaker),
            market.reserve("AAA-USD", 1, 1, client_id=firm, **speaker),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "not_owner"), speaker
    assert market.quote("AAA-USD", **both(), client_id=firm, **owner).json()["maker"] == 1
    stale = market.send("DELETE", "/quotes/AAA-USD", client_id=firm, maker="mm-0", epoch=4)
    assert stale.json()["code"] == "not_owner"
    assert market.exposure(firm) == (10, 10, 1)
    assert market.quote("AAA-USD", **both(), client_id=firm, maker=1, epoch=5).status_code == 200
    older = market.beat(firm, "mm-0", 4)
    assert (older.status_code, older.json()["code"]) == (422, "stale_maker")
    assert market.beat(firm, "mm-0", 6).json()["maker"] == 1, "a new run keeps the number"
    assert market.quote("AAA-USD", **both(), client_id=firm, **owner).status_code == 422


def test_a_maker_that_paused_cannot_quote_what_it_no_longer_owns(
    market: FirmMarket, firm: str
) -> None:
    market.send("PUT", f"/firms/{firm}/budget", {"lease_ms": 200})
    market.send("POST", f"/firms/{firm}/symbols", {"symbol": "AAA-USD"})
    assert market.beat(firm, "slow", 1).json()["symbols"] == ["AAA-USD"]
    quote = {**both(), "client_id": firm, "maker": "slow", "epoch": 1}
    assert market.quote("AAA-USD", **quote).status_code == 200

    def is_unassigned() -> bool:
        return market.send("GET", f"/firms/{firm}").json()["unassigned"] == ["AAA-USD"]

    wait_until(market, is_unassigned)
    refused = market.quote("AAA-USD", **quote)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_owner")
    assert market.beat(firm, "quick", 1).json()["symbols"] == ["AAA-USD"]
    assert market.quote("AAA-USD", **quote).json()["code"] == "not_owner"
    taken_over = market.quote("AAA-USD", **quote | {"maker": "quick"})
    assert taken_over.status_code == 200
    assert market.beat(firm, "slow", 1).json()["symbols"] == []


def test_a_killed_firm_has_no_quotes_and_gets_none(market: FirmMarket, firm: str) -> None:
    quotes = [market.quote(symbol, **both(), client_id=firm).json() for symbol in SYMBOLS[:3]]
    market.reserve("DDD-USD", 5, 5, client_id=firm)
    killed = market.send("POST", f"/firms/{firm}/kill").json()
    assert killed == {"id": firm, "state": "killed", "cancelled": 6}
    assert market.exposure(firm) == (0, 0, 0)
    for quote in quotes:
        order = market.send("GET", f"/orders/{quote['ask_order_id']}").json()
        assert order["status"] == "cancelled"
    refused = market.quote("AAA-USD", **both(), client_id=firm)
    assert refused.json()["code"] == "account_killed"
    assert market.reserve("AAA-USD", 1, 1, client_id=firm).json()["code"] == "account_killed"
    assert market.send("POST", f"/firms/{firm}/resume").json()["state"] == "active"
    assert market.quote("AAA-USD", **both(), client_id=firm).json()["status"] == "GRANTED"


def test_a_repeated_quote_is_answered_as_the_first(market: FirmMarket, firm: str) -> None:
    body, key = {**both(), "client_id": firm}, {"Idempotency-Key": f"quote-{firm}"}
    first = market.http.put("/quotes/AAA-USD", json=body, headers=key)
    market.take("buy", "3", "AAA-USD", "101")
    again = market.http.put("/quotes/AAA-USD", json=body, headers=key)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-sequence"] == first.headers["x-sequence"]
    assert market.exposure(firm) == (10, 7, 1), "nothing was quoted anew"


def test_batches_quote_reserve_and_release(market: FirmMarket, firm: str) -> None:
    operations = [
        {"op": "quote", "instrument": "AAA-USD", **both(quantity=70)},
        {"op": "quote", "instrument": "BBB-USD", **both(quantity=70)},
        {"op": "reserve", "instrument": "CCC-USD", "bid_quantity": 1, "ask_quantity": 0},
        {"op": "release", "instrument": "AAA-USD"},
        {"op": "quote", "instrument": "CCC-USD", "ask_price": 101},
        {"op": "reserve", "instrument": "CCC-USD", "bid_quantity": 1},
        {"op": "release"},
        {"op": "heartbeat", "maker": "mm-0", "epoch": 3},
        {"op": "heartbeat", "maker": "mm-0"},
        {"op": "quote", "instrument": "CCC-USD", **both(), "ttl_ms": 0},
    ]
    body = {"client_id": firm, "operations": operations}
    found = market.send("POST", "/orders/batch", body).json()["results"]
    assert [result["status"] for result in found] == [
        200, 200, 200, 200, 400, 400, 400, 200, 400, 400,
    ]  # fmt: skip
    assert found[0]["quote"]["status"] == "GRANTED"
    assert found[1]["quote"]["granted_bid_quantity"] == "30.00"
    assert found[2]["reservation"]["status"] == "PARTIAL"
    assert found[3]["released"]["freed_capacity"] == "140.00"
    assert found[7]["maker"]["name"] == "mm-0"
    assert market.exposure(firm) == (30, 30, 1)


def test_a_socket_quotes_beats_and_releases(
    market: FirmMarket, firm: str, wire: WireSocket
) -> None:
    quote = {"op": "quote", "client_id": firm, "instrument": "AAA-USD", **both()}
    answer = wire.ask(quote)
    assert (answer["op"], answer["status"], answer["quote"]["status"]) == ("quote", 200, "GRANTED")
    assert answer["sequence"] == int(answer["quote"]["ask_order_id"])
    beat = wire.ask({"op": "heartbeat", "client_id": firm, "maker": "mm-0", "epoch": 1})
    assert (beat["maker"]["maker"], beat["maker"]["symbols"]) == (1, [])
    refused = wire.ask(quote | {"bid_price": "101"})
    assert refused["problem"]["code"] == "invalid_combination"
    released = wire.ask({"op": "release", "client_id": firm, "instrument": "AAA-USD"})
    assert released["released"]["freed_capacity"] == "20.00"


def test_a_socket_that_follows_channels_still_quotes(
    market: FirmMarket, firm: str, wire: WireSocket
) -> None:
    wire.send({"op": "subscribe", "channel": "bbo:AAA-USD"})
    assert wire.receive()["channel"] == "bbo:AAA-USD"
    quote = {"op": "quote", "client_id": firm, "instrument": "AAA-USD", **both()}
    assert wire.ask(quote)["quote"]["status"] == "GRANTED"


def test_many_quotes_in_flight_never_exceed_the_budget(
    market: FirmMarket, firm: str, wire: WireSocket
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    other = WireSocket(market.port)
    sent = {wire: 0, other: 0}
    for number in range(600):
        socket = chance.choice([wire, other])
        operation = {"op": "release"}
        if chance.random() < 0.9:
            quantity = str(chance.randrange(1, 120))
            operation = {"op": "quote", **both(quantity=quantity), "ttl_ms": 60_000}
        symbol = chance.choice(SYMBOLS)
        socket.send({"id": number, "client_id": firm, "instrument": symbol, **operation})
        sent[socket] += 1
        if chance.random() < 0.1:
            side, price = chance.choice([("buy", "101"), ("sell", "99")])
            market.take(side, str(chance.randrange(1, 20)), symbol, price)
            used_bid, used_ask, _ = market.exposure(firm)
            assert max(used_bid, used_ask) <= 100
    answers = [socket.receive() for socket, count in sent.items() for _ in range(count)]
    other.close()
    assert {answer["status"] for answer in answers} == {200}
    for answer in answers:
        for side in ("bid", "ask") if answer["op"] == "quote" else ():
            quote = answer["quote"]
            asked = Decimal(quote[f"requested_{side}_quantity"])
            assert Decimal(quote[f"granted_{side}_quantity"]) <= asked
    rests = [market.send("GET", f"/quotes/{symbol}", client_id=firm).json() for symbol in SYMBOLS]
    for side, used in zip(("bid", "ask"), market.exposure(firm), strict=False):
        assert sum(Decimal(quote.get(f"remaining_{side}_quantity", 0)) for quote in rests) == used
    account = market.served.call(lambda: market.served.opened.node.replica.account_number(firm))
    assert most_granted(market.root, account) <= 100


def most_granted(root: Path, account: int) -> Decimal:
    """The largest sum of grants that a firm ever had on a side, from the events of the journal:
    what RESERVED granted, less what the orders of its quotes filled."""
    market = Market.replay(root)
    lots = [Decimal(str(instrument.lot_size)) for instrument in market.instruments()]
    held: dict[tuple[int, int], Decimal] = {}
    orders: dict[int, tuple[int, int]] = {}
    most = Decimal(0)
    kinds = ("reservation_released", "reserved", "quote_set", "trade")
    told = [(kind, event) for kind in kinds for event in market.events(kind)]
    for kind, event in sorted(told, key=lambda each: each[1]["sequence"]):
        place = int(event["instrument"])
        lot = lots[place - 1]
        if kind == "trade":
            for order in (int(event["maker_order_id"]), int(event["taker_order_id"])):
                if order in orders:
                    held[orders[order]] -= int(event["quantity"]) * lot
        elif int(event["account"]) != account:
            continue
        elif kind == "quote_set":
            orders[int(event["bid_order_id"])] = (place, 0)
            orders[int(event["ask_order_id"])] = (place, 1)
        else:
            names = () if kind == "reservation_released" else ("granted_bid", "granted_ask")
            amounts = [int(event[name]) * lot for name in names] or [Decimal(0)] * 2
            held |= {(place, side): amount for side, amount in enumerate(amounts)}
            sums = [sum(v for (_, of), v in held.items() if of == side) for side in (0, 1)]
            most = max(most, *map(Decimal, sums))
    assert most > 50, "the budget was never in danger"
    return most
