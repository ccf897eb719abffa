"""Makers that fail at named points: no budget leaked, nothing stale, nobody called."""

from __future__ import annotations

import signal
import time
from decimal import Decimal
from typing import Any

from tests.end_to_end.maker_process import (
    FIRM,
    LEASE_MS,
    MakerProcess,
    StartMaker,
    all_quoted,
    ask,
    net_positions,
    owners,
    quoted_by,
    shares,
    take,
    wait_until,
    within_budget,
)
from tests.end_to_end.node_process import NodeProcess

FAULTS = "--fault-injection"
CODE_KILLED = -signal.SIGKILL


def begin(
    node: NodeProcess, start_maker: StartMaker, *more: str
) -> tuple[MakerProcess, MakerProcess, str]:
    """A maker to fail, another one, and a symbol of the first; everything is quoted."""
    failing, other = start_maker("mm-0", FAULTS, *more), start_maker("mm-1")
    wait_until(lambda: len(shares(node)) == 2 and all_quoted(node), "two makers quote")
    symbol = next(symbol for symbol, name in owners(node).items() if name == "mm-0")
    return failing, other, symbol


def arm(maker: MakerProcess, at: str, do: Any, symbol: str | None = None, count: int = 1) -> None:
    fault = {"at": at, "do": do, "count": count} | ({"symbol": symbol} if symbol else {})
    state = maker.page("/test/faults", method="POST", body=fault)
    assert state is not None
    assert state["armed"][-1]["at"] == at


def struck(maker: MakerProcess, at: str) -> int:
    return int(maker.page("/test/faults")["struck"].get(at, 0))


def refused(maker: MakerProcess) -> list[str]:
    """Quotes of symbols that were somebody else's: a few, when another maker joins."""
    return [line for line in maker.text("/metrics").splitlines() if 'code="not_owner"' in line]


def assert_taken_over(node: NodeProcess, failing: MakerProcess) -> None:
    """The maker is dead; the other owns and quotes everything; the budget held throughout."""
    assert failing.process is not None
    assert failing.process.wait(timeout=30) == CODE_KILLED
    assert within_budget(node)
    wait_until(lambda: shares(node) == {"mm-1": 14}, "the other owns everything")
    wait_until(lambda: all_quoted(node) and within_budget(node), "the other quotes everything")


def test_a_crash_between_reservation_and_quote_leaks_no_budget(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker, "--two-step")
    arm(failing, "after_reservation", "crash", symbol)
    take(share_node, symbol, "buy", 1)
    assert_taken_over(share_node, failing)
    held = {
        each["symbol"]: Decimal(each["granted_bid_quantity"])
        for each in ask(share_node, f"/reservations?client_id={FIRM}")["items"]
    }
    exposure = ask(share_node, f"/exposure?client_id={FIRM}")
    assert sum(held.values()) == Decimal(exposure["bid_usage"])


def test_a_crash_between_cancel_and_replacement_leaves_no_quote_and_no_reservation(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker, "--two-step", "--cancel-first")
    arm(failing, "between_cancel_and_replace", "crash", symbol)
    take(share_node, symbol, "sell", 1)
    assert failing.process is not None
    assert failing.process.wait(timeout=30) == CODE_KILLED
    if owners(share_node)[symbol] == "mm-0":
        assert symbol not in quoted_by(share_node)
    assert_taken_over(share_node, failing)


def test_a_crash_before_a_position_update_loses_no_position(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, other, symbol = begin(share_node, start_maker)
    arm(failing, "before_position_update", "crash", symbol)
    take(share_node, symbol, "buy", 2)
    assert_taken_over(share_node, failing)
    assert net_positions(share_node)[symbol] == -2
    (heard,) = (each for each in other.page("/status")["symbols"] if each["symbol"] == symbol)
    assert Decimal(heard["report"]["inventory"]) == -2


def test_a_crash_after_a_fill_leaves_a_quote_no_longer_than_it_may_live(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker)
    arm(failing, "after_fill_before_quote", "crash", symbol)
    take(share_node, symbol, "buy", 1)
    assert_taken_over(share_node, failing)


def test_a_dropped_position_update_is_made_up_for(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker)
    arm(failing, "before_position_update", "drop", symbol)
    take(share_node, symbol, "buy", 3)
    wait_until(lambda: struck(failing, "before_position_update") == 1, "the update is dropped")

    def knows() -> bool:
        found = {each["symbol"]: each for each in failing.page("/status")["symbols"]}
        return Decimal(found[symbol]["report"]["inventory"]) == -3

    wait_until(knows, "the position is read again")


def test_a_repeated_position_update_counts_once(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker)
    arm(failing, "before_position_update", "duplicate", symbol)
    take(share_node, symbol, "buy", 2)
    wait_until(lambda: failing.page("/status")["fills"] == 1, "the fill is heard")
    assert "tradepit_maker_stale_positions_total 1.0" in failing.text("/metrics")
    (found,) = (each for each in failing.page("/status")["symbols"] if each["symbol"] == symbol)
    assert Decimal(found["report"]["inventory"]) == -2
    assert found["fills"] == 1


def test_quotes_that_are_dropped_or_sent_twice_do_no_harm(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker)
    arm(failing, "before_quote", "drop", symbol, count=2)
    take(share_node, symbol, "buy", 1)
    wait_until(lambda: struck(failing, "before_quote") == 2, "two quotes are dropped")
    wait_until(lambda: all_quoted(share_node) and within_budget(share_node), "the third stands")
    arm(failing, "before_quote", "duplicate", symbol)
    take(share_node, symbol, "sell", 1)
    wait_until(lambda: struck(failing, "before_quote") == 3, "a quote is sent twice")
    wait_until(lambda: all_quoted(share_node) and within_budget(share_node), "one stands")


def test_a_maker_paused_right_before_its_quote_does_not_send_it_when_it_wakes(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, symbol = begin(share_node, start_maker)
    before = refused(failing)
    arm(failing, "before_quote", "stop", symbol)
    take(share_node, symbol, "buy", 1)
    wait_until(lambda: shares(share_node) == {"mm-1": 14}, "the other owns everything")
    wait_until(lambda: all_quoted(share_node), "the other quotes everything")
    failing.send(signal.SIGCONT)
    wait_until(lambda: sorted(shares(share_node).values()) == [7, 7], "it has joined anew")
    wait_until(lambda: all_quoted(share_node), "each quotes its own")
    assert refused(failing) == before
    assert "tradepit_maker_lapses_total 1.0" in failing.text("/metrics")


def test_heartbeats_that_are_lost_cost_the_symbols_and_nothing_else(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    failing, _, _ = begin(share_node, start_maker)
    arm(failing, "before_heartbeat", {"delay_ms": 2 * LEASE_MS})
    wait_until(lambda: shares(share_node) == {"mm-1": 14}, "its lease lapses")
    assert failing.page("/health")["status"] == "alive"
    wait_until(lambda: sorted(shares(share_node).values()) == [7, 7], "it is back")
    wait_until(lambda: all_quoted(share_node) and within_budget(share_node), "all is quoted")


def test_a_quote_of_a_dead_firm_ends_with_its_time_to_live(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(share_node), "everything is quoted")
    maker.kill()
    began = time.monotonic()
    wait_until(lambda: not quoted_by(share_node), "no quote outlives its time")
    assert time.monotonic() - began < 10
    exposure = ask(share_node, f"/exposure?client_id={FIRM}")
    assert Decimal(exposure["bid_usage"]) == Decimal(exposure["ask_usage"]) == 0


def test_faults_are_refused_unless_the_maker_was_started_for_them(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: maker.page("/health") is not None, "it serves")
    fault = {"at": "before_quote", "do": "crash"}
    assert maker.page("/test/faults", method="POST", body=fault) is None
    assert maker.page("/test/faults") is None
