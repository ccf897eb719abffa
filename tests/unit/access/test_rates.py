"""Token buckets, and sessions that end."""

from __future__ import annotations

import pytest

from tradepit.access import rates, sessions
from tradepit.access.principals import Permission, Principal
from tradepit.access.rates import Buckets, Rate, RateExceeded
from tradepit.access.sessions import Sessions


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(Rate(10, 5))
    for _ in range(5):
        buckets.take("a", 100.0)
    with pytest.raises(RateExceeded) as caught:
        buckets.take("a", 100.0)
    assert caught.value.retry_after_s == 1
    buckets.take("b", 100.0)
    buckets.take("a", 100.11)
    with pytest.raises(RateExceeded):
        buckets.take("a", 100.15)
    for _ in range(5):
        buckets.take("a", 200.0)


def test_more_than_a_bucket_holds_becomes_a_debt() -> None:
    buckets = Buckets(Rate(10, 5))
    buckets.take("a", 0.0, 100)
    with pytest.raises(RateExceeded) as caught:
        buckets.take("a", 1.0)
    assert caught.value.retry_after_s == 9
    buckets.take("a", 10.0)


def test_failures_are_spent_and_required() -> None:
    buckets = Buckets(Rate(1, 2))
    buckets.require("a", 0.0)
    buckets.spend("a", 0.0)
    buckets.require("a", 0.0)
    buckets.spend("a", 0.0)
    with pytest.raises(RateExceeded):
        buckets.require("a", 0.5)
    buckets.require("a", 1.0)


def test_names_are_bounded_and_empty_buckets_are_kept_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "BUCKETS_MAX", 100)
    buckets = Buckets(Rate(1, 2))
    buckets.take("early", 0.0, 1_000)
    for number in range(500):
        buckets.take(f"{number}", float(number))
    assert len(buckets._buckets) <= 100
    with pytest.raises(RateExceeded):
        buckets.take("early", 500.0)


def test_a_session_ends_with_its_time_its_key_or_by_itself() -> None:
    held = Sessions(10.0)
    alice = Principal("tk1", "alice", Permission.TRADE)
    first, first_id = held.open(alice, Permission.READ, 0.0)
    second, _ = held.open(alice, Permission.TRADE, 5.0)
    found = held.find(first, 9.0)
    assert found is not None
    assert (found.account, found.permission) == ("alice", Permission.READ)
    assert held.find(first, 10.0) is None
    assert held.find(second, 10.0) is not None
    assert held.find("nonsense", 1.0) is None
    held.end(first_id)
    assert held.find(first, 1.0) is None
    held.end_of_key("tk1")
    assert held.find(second, 6.0) is None


def test_a_key_holds_a_bounded_number_of_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSIONS_OF_KEY_MAX", 3)
    held = Sessions(10.0)
    alice = Principal("tk1", "alice", Permission.TRADE)
    tickets = [held.open(alice, Permission.READ, 0.0)[0] for _ in range(5)]
    assert [held.find(ticket, 1.0) is not None for ticket in tickets] == [False] * 2 + [True] * 3
