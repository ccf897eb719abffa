"""Reservations of firms: granted in full, in part, or not at all."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.contract.firm_market import SYMBOLS, FirmMarket, both

from tradepit.gateway.firms import results

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirmMarket]:
    served = FirmMarket(tmp_path_factory.mktemp("firms"))
    yield served
    served.close()


@pytest.fixture
def firm(market: FirmMarket) -> str:
    """A firm with the usual budgets of 100 and 100 that makes nothing."""
    name = f"firm-{next(_numbers)}"
    market.make_firm(name)
    return name


def grant(answer: Any) -> tuple[str, Decimal, Decimal]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return (
        body["status"],
        Decimal(body["granted_bid_quantity"]),
        Decimal(body["granted_ask_quantity"]),
    )


# In order: symbol, asked bid and ask; then status, granted bid and ask, usage of bid and ask.
TABLE = """
A  60  60   GRANTED  60  60    60  60
B  60  10   PARTIAL  40  10   100  70
C  10  10   PARTIAL   0  10   100  80
C  10   0   PARTIAL   0   0   100  70
C   0   0   GRANTED   0   0   100  70
C   0  30   GRANTED   0  30   100 100
D  10  10   DENIED    0   0   100 100
D   0   5   PARTIAL   0   0   100 100
A   5   5   GRANTED   5   5    45  45
D 100 100   PARTIAL  55  55   100 100
C   1   1   PARTIAL   0   1   100  71
A  10  10   PARTIAL   5  10   100  76
B  40  40   PARTIAL  40  34   100 100
A 500 500   PARTIAL   5  10   100 100
D   0   0   GRANTED   0   0    45  45
A 500 500   PARTIAL  60  65   100 100
B   0.01 0  GRANTED   0.01 0   60.01 66
"""


def test_grants_follow_the_formula_case_by_case(market: FirmMarket, firm: str) -> None:
    symbols = {symbol[0]: symbol for symbol in SYMBOLS}
    for row in TABLE.split("\n")[1:-1]:
        letter, bid, ask, *expected = row.split()
        answer = market.reserve(symbols[letter], bid, ask, client_id=firm)
        status, granted_bid, granted_ask = grant(answer)
        used_bid, used_ask, _ = market.exposure(firm)
        found = [granted_bid, granted_ask, used_bid, used_ask]
        assert [status, *found] == [expected[0], *map(Decimal, expected[1:])], row
        msgspec.json.decode(answer.content, type=results.Reservation)


def test_lots_of_one_half_are_granted_in_whole_lots(market: FirmMarket, firm: str) -> None:
    market.reserve("AAA-USD", "99.2", "99.6", client_id=firm)
    answer = market.reserve("DDD-USD", "5", "5", client_id=firm)
    assert grant(answer) == ("PARTIAL", Decimal("0.5"), Decimal(0))


def test_random_reservations_keep_to_the_formula(market: FirmMarket, firm: str) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    budget = Decimal(100)
    held = {symbol: (Decimal(0), Decimal(0)) for symbol in SYMBOLS}
    for _ in range(300):
        symbol = chance.choice(SYMBOLS)
        steps = 200 if symbol == "DDD-USD" else 10_000
        asked = [Decimal(chance.choice([0, chance.randrange(steps)])) * 100 / steps for _ in "ba"]
        if chance.random() < 0.2:
            freed = market.send("POST", f"/reservations/{symbol}/release", {"client_id": firm})
            body = freed.json()
            assert (
                tuple(Decimal(body[f"freed_{side}_quantity"]) for side in ("bid", "ask"))
                == held[symbol]
            )
            assert Decimal(body["freed_capacity"]) == sum(held[symbol])
            held[symbol] = (Decimal(0), Decimal(0))
            continue
        held[symbol] = (Decimal(0), Decimal(0))
        expected = []
        for side in (0, 1):
            free = max(Decimal(0), budget - sum(each[side] for each in held.values()))
            if symbol == "DDD-USD":
                free = free // Decimal("0.5") * Decimal("0.5")
            expected.append(min(asked[side], free))
        held[symbol] = (expected[0], expected[1])
        is_denied = all(want > 0 and not got for want, got in zip(asked, expected, strict=True))
        status = "GRANTED" if asked == expected else "DENIED" if is_denied else "PARTIAL"
        answer = market.reserve(symbol, str(asked[0]), str(asked[1]), client_id=firm)
        assert grant(answer) == (status, *expected)
    used_bid, used_ask, active = market.exposure(firm)
    sums = [sum(each[side] for each in held.values()) for side in (0, 1)]
    assert [used_bid, used_ask] == sums
    assert active == sum(any(each) for each in held.values())


def test_a_fill_lowers_what_is_reserved(market: FirmMarket, firm: str) -> None:
    market.quote("AAA-USD", **both(quantity=80), client_id=firm)
    market.take("buy", "30", "AAA-USD", "101")
    assert market.exposure(firm) == (80, 50, 1)
    # What a fill took off the reservation is free for others, as open quotes count alone.
    assert grant(market.reserve("BBB-USD", 100, 100, client_id=firm)) == ("PARTIAL", 20, 50)
    market.send("DELETE", "/quotes/AAA-USD", client_id=firm)
    assert market.exposure(firm) == (20, 50, 1)


def test_a_release_gives_back_both_sides_and_is_harmless_twice(
    market: FirmMarket, firm: str
) -> None:
    market.reserve("AAA-USD", 10, 20, client_id=firm)
    path = "/reservations/AAA-USD/release"
    first = market.send("POST", path, {"client_id": firm})
    assert first.json() == {
        "symbol": "AAA-USD",
        "freed_capacity": "30.00",
        "freed_bid_quantity": "10.00",
        "freed_ask_quantity": "20.00",
    }
    second = market.send("POST", path, {"client_id": firm})
    assert (second.status_code, second.json()["freed_capacity"]) == (200, "0.00")
    assert market.exposure(firm) == (0, 0, 0)


def test_a_reservation_ends_by_itself_while_nobody_says_anything(
    market: FirmMarket, firm: str
) -> None:
    market.reserve("AAA-USD", 10, 20, client_id=firm, ttl_ms=150)
    assert market.exposure(firm) == (10, 20, 1)
    deadline = time.monotonic() + 5
    while market.exposure(firm) != (0, 0, 0):
        assert time.monotonic() < deadline, "the reservation outlived its time"
        time.sleep(0.02)
    assert grant(market.reserve("BBB-USD", 100, 100, client_id=firm)) == ("GRANTED", 100, 100)


def test_two_firms_have_budgets_of_their_own(market: FirmMarket, firm: str) -> None:
    other = f"{firm}-other"
    market.make_firm(other, budget_bid=5, budget_ask="7.5")
    assert grant(market.reserve("AAA-USD", 100, 100, client_id=firm)) == ("GRANTED", 100, 100)
    assert grant(market.reserve("AAA-USD", 10, 10, client_id=other)) == (
        "PARTIAL", 5, Decimal("7.5"),
    )  # fmt: skip
    market.send("POST", "/reservations/AAA-USD/release", {"client_id": other})
    assert market.exposure(firm) == (100, 100, 1)
    assert market.exposure(other) == (0, 0, 0)


def test_nothing_at_all_does_not_lock_a_symbol(market: FirmMarket, firm: str) -> None:
    market.reserve("AAA-USD", 100, 100, client_id=firm)
    denied = market.quote("BBB-USD", **both(), client_id=firm)
    assert grant(denied) == ("DENIED", 0, 0)
    assert denied.json()["bid_order_id"] is denied.json()["ask_price"] is None
    assert market.send("GET", "/quotes/BBB-USD", client_id=firm).status_code == 404
    assert grant(market.reserve("BBB-USD", 0, 0, client_id=firm)) == ("GRANTED", 0, 0)
    market.send("POST", "/reservations/AAA-USD/release", {"client_id": firm})
    assert grant(market.quote("BBB-USD", **both(), client_id=firm)) == ("GRANTED", 10, 10)
    market.send("DELETE", "/quotes/BBB-USD", client_id=firm)


def test_a_lower_reservation_lowers_the_quote(market: FirmMarket, firm: str) -> None:
    quote = market.quote("CCC-USD", **both(quantity=20), client_id=firm).json()
    assert grant(market.reserve("CCC-USD", 5, 0, client_id=firm)) == ("GRANTED", 5, 0)
    bid = market.send("GET", f"/orders/{quote['bid_order_id']}").json()
    ask = market.send("GET", f"/orders/{quote['ask_order_id']}").json()
    assert (bid["remaining"], bid["status"]) == ("5.00", "new")
    assert (ask["remaining"], ask["status"]) == ("0.00", "cancelled")
    market.send("DELETE", "/quotes/CCC-USD", client_id=firm)


def test_a_lowered_budget_takes_nothing_back_but_grants_nothing_more(
    market: FirmMarket, firm: str
) -> None:
    market.reserve("AAA-USD", 60, 60, client_id=firm)
    changed = market.send("PUT", f"/firms/{firm}/budget", {"budget_bid": "50"})
    assert (changed.status_code, changed.json()["budget_ask"]) == (200, "100.00000000")
    assert market.exposure(firm) == (60, 60, 1)
    assert grant(market.reserve("BBB-USD", 1, 1, client_id=firm)) == ("PARTIAL", 0, 1)
    assert grant(market.reserve("AAA-USD", 60, 60, client_id=firm)) == ("PARTIAL", 50, 60)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"bid_quantity": "-1"}, 400, "invalid_quantity"),
        ({"bid_quantity": "0.001"}, 400, "lot_size"),
        ({"ask_quantity": "x"}, 400, "invalid_number"),
        ({"ask_quantity": "99999999999999"}, 422, "invalid_quantity"),
        ({"ttl_ms": 0}, 400, "invalid_field"),
        ({"ttl_ms": 86_400_001}, 400, "invalid_field"),
        ({"symbol": "NOPE"}, 422, "unknown_instrument"),
        ({"client_id": "nobody"}, 404, "unknown_account"),
        ({"client_id": "taker"}, 422, "not_a_firm"),
        ({"maker": "mm-0", "epoch": 1}, 422, "not_owner"),
        ({"maker": 7, "epoch": 1}, 422, "not_owner"),
        ({"valid_until": "1999-01-01T00:00:00Z"}, 422, "too_late"),
    ],
)
def test_reservations_of_the_wrong_form_change_nothing(
    market: FirmMarket, firm: str, body: dict[str, Any], status: int, code: str
) -> None:
    market.take("buy", "1", "AAA-USD", "1")
    wanted = {"symbol": "AAA-USD", "bid_quantity": 1, "ask_quantity": 1, "client_id": firm}
    answer = market.send("POST", "/reservations", wanted | body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert market.exposure(firm) == (0, 0, 0)


def test_a_repeated_reservation_is_answered_as_the_first(market: FirmMarket, firm: str) -> None:
    body = {"symbol": "AAA-USD", "bid_quantity": 70, "ask_quantity": 0, "client_id": firm}
    headers = {"Idempotency-Key": f"key-{firm}"}
    first = market.http.post("/reservations", json=body, headers=headers)
    market.reserve("AAA-USD", 1, 1, client_id=firm)
    again = market.http.post("/reservations", json=body, headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert market.exposure(firm) == (1, 1, 1)
    other = market.http.post("/reservations", json=body | {"ask_quantity": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


def test_reservations_are_listed_as_they_stand(market: FirmMarket, firm: str) -> None:
    market.reserve("AAA-USD", 10, 20, client_id=firm)
    market.quote("BBB-USD", **both(quantity=30), client_id=firm)
    market.take("sell", "4", "BBB-USD", "99")
    listed = market.send("GET", "/reservations", client_id=firm).json()
    shown = {
        item["symbol"]: (item["id"], item["granted_bid_quantity"], item["granted_ask_quantity"])
        for item in listed["items"]
    }
    assert shown == {
        "AAA-USD": (f"{firm}:AAA-USD", "10.00", "20.00"),
        "BBB-USD": (f"{firm}:BBB-USD", "26.00", "30.00"),
    }
    market.send("DELETE", "/quotes/BBB-USD", client_id=firm)
