"""Phases over HTTP: set by hand, by a schedule, by a band; what gathers, what an auction does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from tests.contract.served_market import Trader, until

from tradepit.gateway import results


def set_phase(trader: Trader, phase: str) -> httpx.Response:
    return trader.http.put(f"/instruments/{trader.symbol}/phase", json={"phase": phase})


def instrument(trader: Trader) -> results.Instrument:
    answer = trader.http.get(f"/instruments/{trader.symbol}")
    return msgspec.json.decode(answer.content, type=results.Instrument)


def auction(trader: Trader) -> results.Auction:
    answer = trader.http.get(f"/instruments/{trader.symbol}/auction")
    assert answer.status_code == 200
    return msgspec.json.decode(answer.content, type=results.Auction)


@pytest.mark.parametrize("phase", ["pre_open", "auction", "closing_auction"])
def test_orders_gather_and_trade_at_one_price_when_trading_opens(
    trader: Trader, phase: str
) -> None:
    assert set_phase(trader, phase).json()["phase"] == phase
    before = auction(trader)
    assert (before.phase, before.indicative_price, before.surplus_side) == (phase, None, None)
    bid = trader.place(trader.alice, "buy", "101", "3").json()
    ask = trader.place(trader.bob, "sell", "99", "2").json()
    assert (bid["status"], ask["status"]) == ("new", "new")
    found = auction(trader)
    assert (found.indicative_volume, found.surplus, found.surplus_side) == (
        "2.0000",
        "1.0000",
        "buy",
    )
    assert found.indicative_price == "101.00"
    market_order = trader.place(trader.alice, "buy", None, "1")
    assert (market_order.status_code, market_order.json()["code"]) == (422, "not_trading")
    assert set_phase(trader, "continuous").json()["phase"] == "continuous"
    filled = trader.http.get(f"/orders/{ask['id']}").json()
    assert (filled["status"], filled["average_price"]) == ("filled", "101.00")
    assert auction(trader).indicative_volume == "0.0000"


def test_the_auction_of_an_unknown_instrument_is_a_404(trader: Trader) -> None:
    for method, tail, body in (
        ("GET", "auction", None),
        ("PUT", "schedule", {"entries": []}),
        ("PUT", "safety", {"band_percent": 1}),
    ):
        answer = trader.http.request(method, f"/instruments/NOPE/{tail}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_instrument")


def test_a_schedule_is_set_shown_in_order_and_taken_away(trader: Trader) -> None:
    path = f"/instruments/{trader.symbol}/schedule"
    entries = [
        {"at": "17:30:15.250", "phase": "CLOSED", "days": ["Fri", "mon"]},
        {"at": "08:00", "phase": "pre_open"},
        {"at": "09:00:30", "phase": "continuous", "days": list(results_days())},
    ]
    answer = trader.http.put(path, json={"entries": entries})
    assert answer.status_code == 200, answer.text
    shown = instrument(trader)
    assert [(entry.at, entry.phase) for entry in shown.schedule] == [
        ("08:00", "pre_open"),
        ("09:00:30", "continuous"),
        ("17:30:15.250", "closed"),
    ]
    assert shown.schedule[2].days == ["mon", "fri"]
    assert shown.schedule[1].days is msgspec.UNSET
    assert shown.next_transition is not None
    assert shown.held is False
    assert trader.http.put(path, json={"entries": []}).json()["schedule"] == []
    assert instrument(trader).next_transition is None


def results_days() -> tuple[str, ...]:
    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.mark.parametrize(
    ("entries", "field"),
    [
        ([{"at": "24:00", "phase": "closed"}], "at"),
        ([{"at": "8:00", "phase": "closed"}], "at"),
        ([{"at": "08:00:60", "phase": "closed"}], "at"),
        ([{"at": "08:00", "phase": "removed"}], "phase"),
        ([{"at": "08:00", "phase": "lunch"}], "phase"),
        ([{"at": "08:00", "phase": "closed", "days": ["someday"]}], "days"),
        ([{"at": "08:00", "phase": "closed", "days": []}], "days"),
        ([{"at": "08:00", "phase": "closed"}, {"at": "08:00:00", "phase": "auction"}], "at"),
        ([{"phase": "closed"}], None),
        ([{"at": f"0{hour}:00", "phase": "closed"} for hour in range(8)], None),
    ],
)
def test_what_is_no_schedule_is_refused_and_changes_nothing(
    trader: Trader, entries: list[dict[str, Any]], field: str | None
) -> None:
    before = trader.market.state_hash()
    answer = trader.http.put(f"/instruments/{trader.symbol}/schedule", json={"entries": entries})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    if field is not None:
        assert answer.json()["field"] == field
    assert trader.market.state_hash() == before


def test_seven_entries_are_a_schedule(trader: Trader) -> None:
    entries = [{"at": f"0{hour}:00", "phase": "continuous"} for hour in range(7)]
    answer = trader.http.put(f"/instruments/{trader.symbol}/schedule", json={"entries": entries})
    assert len(answer.json()["schedule"]) == 7


def test_a_scheduled_phase_comes_by_itself_unless_the_instrument_is_held(trader: Trader) -> None:
    path = f"/instruments/{trader.symbol}/schedule"

    def in_a_moment() -> list[dict[str, str]]:
        at = datetime.now(UTC) + timedelta(milliseconds=400)
        return [{"at": at.strftime("%H:%M:%S.%f")[:-3], "phase": "auction"}]

    assert trader.http.put(path, json={"entries": in_a_moment()}).status_code == 200
    until(lambda: instrument(trader).phase == "auction")
    set_phase(trader, "halted")
    held = instrument(trader)
    assert (held.held, held.next_transition) == (True, None)
    assert trader.http.put(path, json={"entries": in_a_moment()}).status_code == 200
    clock = f"clock-{trader.number}"
    trader.http.post("/accounts", json={"id": clock})
    deadline = datetime.now(UTC) + timedelta(milliseconds=600)
    until(lambda: datetime.now(UTC) > deadline)
    assert instrument(trader).phase == "halted"
    set_phase(trader, "continuous")
    assert instrument(trader).held is False


def test_every_instrument_is_halted_at_once_and_resumed(trader: Trader) -> None:
    answer = trader.http.put("/market/phase", json={"phase": "HALTED"})
    body = msgspec.json.decode(answer.content, type=results.MarketPhase)
    assert body.phase == "halted"
    assert trader.symbol in body.instruments
    listed = trader.http.get("/instruments").json()["items"]
    assert {item["phase"] for item in listed} == {"halted"}
    refused = trader.place(trader.alice, "buy", "90", "1")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_trading")
    assert trader.http.put("/market/phase", json={"phase": "none"}).status_code == 400
    assert trader.http.put("/market/phase", json={"phase": "continuous"}).status_code == 200
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201


def test_safety_changes_only_what_is_named(trader: Trader) -> None:
    path = f"/instruments/{trader.symbol}/safety"
    fresh = instrument(trader)
    assert (fresh.band_percent, fresh.protection_percent) == (None, "5.0000")
    assert (
        trader.http.put(path, json={"band_percent": "10", "halt_seconds": 0.25}).json()[
            "band_percent"
        ]
        == "10.0000"
    )
    shown = trader.http.put(path, json={"auction_seconds": 30, "protection_percent": 1}).json()
    names = ("band_percent", "protection_percent", "halt_seconds", "auction_seconds")
    assert [shown[name] for name in names] == ["10.0000", "1.0000", "0.25", "30"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"band_percent": 100}, 200),
        ({"band_percent": "100.0001"}, 400),
        ({"protection_percent": -1}, 400),
        ({"halt_seconds": 86_400}, 200),
        ({"halt_seconds": "86400.000000001"}, 400),
        ({"auction_seconds": 86_401}, 400),
        ({"auction_seconds": "soon"}, 400),
        ({"band_percent": "0.00001"}, 400),
    ],
)
def test_safety_holds_its_bounds(trader: Trader, body: dict[str, Any], status: int) -> None:
    answer = trader.http.put(f"/instruments/{trader.symbol}/safety", json=body)
    assert answer.status_code == status, answer.text


def test_a_trade_beyond_the_band_halts_and_the_instrument_reopens_by_itself(
    trader: Trader,
) -> None:
    trader.place(trader.bob, "sell", "100", "1")
    trader.place(trader.alice, "buy", "100", "1")
    body = {"band_percent": "10", "halt_seconds": "0.2", "auction_seconds": "0.2"}
    trader.http.put(f"/instruments/{trader.symbol}/safety", json=body)
    trader.place(trader.bob, "sell", "110", "1")
    trader.place(trader.bob, "sell", "110.01", "1")
    inside = trader.place(trader.alice, "buy", "110", "1").json()
    assert inside["status"] == "filled"
    assert instrument(trader).phase == "continuous"
    beyond = trader.place(trader.alice, "buy", "120", "1").json()
    assert (beyond["status"], beyond["fills"]) == ("new", [])
    halted = instrument(trader)
    assert halted.held is False
    assert halted.phase in ("halted", "auction", "continuous")
    until(lambda: instrument(trader).phase == "continuous")
    assert trader.http.get(f"/orders/{beyond['id']}").json()["status"] == "filled"


def test_an_instrument_may_begin_gathering(trader: Trader) -> None:
    symbol = f"G{trader.number}-USD"
    body = {"symbol": symbol, "tick_size": "0.01", "lot_size": "1", "phase": "pre_open"}
    assert trader.http.post("/instruments", json=body).json()["phase"] == "pre_open"
