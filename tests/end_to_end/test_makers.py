"""Makers as real processes beside a real node: shared evenly, killed, paused, left alone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.end_to_end.maker_process import (
    FIRM,
    LEASE_MS,
    SYMBOLS,
    MakerProcess,
    ask,
    market_file,
    numbers,
    owners,
    quoted_by,
    take,
    wait_until,
)
from tests.end_to_end.node_process import NodeProcess

from tradepit.client import Client

BUDGET = 100
LEASE_SECONDS = LEASE_MS / 1000
SLACK_SECONDS = 6.0
"""For machines under load: a heartbeat, an assignment, new books, the quotes."""

StartMaker = Callable[..., MakerProcess]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data", config=str(market_file(tmp_path)))
    process.start()
    firm = {
        "id": FIRM,
        "budget_bid": str(BUDGET),
        "budget_ask": str(BUDGET),
        "lease_ms": LEASE_MS,
        "symbols": list(SYMBOLS),
    }
    ask(process, "/firms", method="POST", body=firm)
    yield process
    process.kill()


@pytest.fixture
def start_maker(node: NodeProcess, tmp_path: Path) -> Iterator[StartMaker]:
    settings = tmp_path / "maker.toml"
    settings.write_text(
        "[strategy]\nparameters = { quantity = 5 }\n"
        "[quoting]\nttl_ms = 5000\nrenew_before_ms = 2500\npause_max_ms = 500\n"
    )
    started: list[MakerProcess] = []

    def start(name: str, *more: str) -> MakerProcess:
        maker = MakerProcess(node, name, "--config", str(settings), *more)
        maker.start()
        started.append(maker)
        return maker

    yield start
    for maker in started:
        maker.kill()


def shares(node: NodeProcess) -> dict[str, int]:
    """How many symbols each maker has."""
    found = list(owners(node).values())
    return {name: found.count(name) for name in numbers(node)}


def all_quoted(node: NodeProcess) -> bool:
    """Whether each symbol has a quote of the maker that owns it."""
    by_name, quoted = numbers(node), quoted_by(node)
    owned = {symbol: by_name.get(name) for symbol, name in owners(node).items()}
    return len(quoted) == len(SYMBOLS) and quoted == owned


def within_budget(node: NodeProcess) -> bool:
    exposure = ask(node, f"/exposure?client_id={FIRM}")
    return max(Decimal(exposure["bid_usage"]), Decimal(exposure["ask_usage"])) <= BUDGET


def summed_fills(node: NodeProcess) -> dict[str, Decimal]:
    """Net quantity of all fills of the firm."""
    found: dict[str, Decimal] = {}
    with Client(node.url) as client:
        cursor = None
        while True:
            page = client.account_trades(FIRM, limit=1000, cursor=cursor)
            for fill in page:
                signed = fill.quantity if fill.side == "buy" else -fill.quantity
                found[fill.instrument] = found.get(fill.instrument, Decimal(0)) + signed
            cursor = page.next
            if cursor is None:
                return found


def test_makers_share_symbols_evenly_and_move_few_when_one_comes(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    start_maker("mm-0")
    start_maker("mm-1")
    wait_until(lambda: shares(node) == {"mm-0": 7, "mm-1": 7}, "two makers share evenly")
    wait_until(lambda: all_quoted(node), "everything is quoted by its owner")
    before = owners(node)
    start_maker("mm-2")
    wait_until(lambda: sorted(shares(node).values()) == [4, 5, 5], "three makers share evenly")
    wait_until(lambda: all_quoted(node), "everything is quoted by its new owner")
    moved = {symbol for symbol, name in owners(node).items() if before[symbol] != name}
    assert len(moved) == 4
    assert {owners(node)[symbol] for symbol in moved} == {"mm-2"}


def test_a_killed_maker_loses_its_symbols_within_the_lease_and_they_are_quoted_again(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    makers = [start_maker(f"mm-{number}") for number in range(3)]
    wait_until(lambda: len(shares(node)) == 3 and all_quoted(node), "three makers quote")
    makers[1].kill()
    moved = wait_until(lambda: "mm-1" not in shares(node), "its lease lapses")
    assert moved < LEASE_SECONDS + SLACK_SECONDS
    quoted = wait_until(lambda: all_quoted(node), "its symbols are quoted again")
    assert quoted < SLACK_SECONDS
    assert sorted(shares(node).values()) == [7, 7]
    makers[1].start()
    wait_until(lambda: len(shares(node)) == 3 and all_quoted(node), "it is back under its name")


def test_a_maker_that_was_paused_does_not_quote_what_it_lost(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    paused, other = start_maker("mm-0"), start_maker("mm-1")
    wait_until(lambda: len(shares(node)) == 2 and all_quoted(node), "two makers quote")
    old_number = numbers(node)["mm-0"]
    paused.send(signal.SIGSTOP)
    wait_until(lambda: shares(node) == {"mm-1": 14}, "the other takes over")
    wait_until(lambda: all_quoted(node), "the other quotes everything")
    for symbol in SYMBOLS:
        take(node, symbol, "buy", 1)
    sequence = ask(node, "/cluster")["as_of"]
    paused.send(signal.SIGCONT)
    wait_until(lambda: sorted(shares(node).values()) == [7, 7], "it has joined anew")
    wait_until(lambda: all_quoted(node), "each quotes its own")
    number = numbers(node)["mm-0"]
    assert number != old_number
    status = paused.page("/status")
    assert status["lease"]["lapses"] == 1
    assert set(status["assigned"]) == {s for s, name in owners(node).items() if name == "mm-0"}
    refused = [each for each in status["symbols"] if each["last_refusal"] == "not_owner"]
    assert not refused
    assert ask(node, "/cluster")["as_of"] > sequence
    assert other.page("/health")["status"] == "alive"


def test_quoting_goes_on_by_itself_after_the_node_was_killed(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    for number in range(2):
        start_maker(f"mm-{number}")
    wait_until(lambda: len(shares(node)) == 2 and all_quoted(node), "two makers quote")
    for symbol in SYMBOLS:
        take(node, symbol, "sell", 2)
    before = {each["symbol"]: each for each in ask(node, f"/positions?client_id={FIRM}")["items"]}
    node.kill()
    time.sleep(LEASE_SECONDS)
    node.start()
    wait_until(lambda: sorted(shares(node).values()) == [7, 7], "both makers are back")
    wait_until(lambda: all_quoted(node), "everything is quoted again")
    after = {each["symbol"]: each for each in ask(node, f"/positions?client_id={FIRM}")["items"]}
    assert {symbol: each["net_quantity"] for symbol, each in after.items()} == {
        symbol: each["net_quantity"] for symbol, each in before.items()
    }
    take(node, SYMBOLS[0], "buy", 1)
    wait_until(lambda: all_quoted(node), "fills are answered as before")


def test_budget_and_positions_hold_through_fills_kills_and_pauses(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    makers = [start_maker(f"mm-{number}") for number in range(3)]
    wait_until(lambda: len(shares(node)) == 3 and all_quoted(node), "three makers quote")
    traded = 0.0
    for turn in range(120):
        symbol = SYMBOLS[turn * 5 % len(SYMBOLS)]
        order = take(node, symbol, "buy" if turn % 3 else "sell", 1 + turn % 3)
        traded += float(order["filled_quantity"])
        assert within_budget(node)
        if turn == 30:
            makers[0].kill()
        if turn == 60:
            makers[1].send(signal.SIGSTOP)
            wait_until(lambda: "mm-1" not in shares(node), "a paused one loses its lease")
            makers[1].send(signal.SIGCONT)
            makers[0].start()
    wait_until(lambda: len(shares(node)) == 3 and all_quoted(node), "everything is quoted")
    assert traded > 50
    assert within_budget(node)
    positions = {
        each["symbol"]: Decimal(each["net_quantity"])
        for each in ask(node, f"/positions?client_id={FIRM}")["items"]
    }
    assert {s: q for s, q in positions.items() if q} == {
        s: q for s, q in summed_fills(node).items() if q
    }
    for maker in makers:
        heard = {
            each["symbol"]: Decimal(each["net_quantity"])
            for each in maker.page("/status")["positions"]
        }
        assert heard == positions


def test_pages_tell_of_quotes_fills_positions_and_round_trips(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(node), "everything is quoted")
    for count in (1, 2, 3):
        assert Decimal(take(node, SYMBOLS[0], "buy", 1)["filled_quantity"]) == 1
        trips = f"tradepit_maker_quote_round_trip_seconds_count {count}.0"
        wait_until(lambda trips=trips: trips in maker.text("/metrics"), f"{trips} is counted")
    status = maker.page("/status")
    assert status["fills"] == 3
    assert (status["name"], status["firm"], len(status["assigned"])) == ("mm-0", FIRM, 14)
    first = next(each for each in status["symbols"] if each["symbol"] == SYMBOLS[0])
    assert Decimal(first["report"]["inventory"]) == -3
    assert first["strategy"]["name"] == "inventory-skew"
    position = next(each for each in status["positions"] if each["symbol"] == SYMBOLS[0])
    assert (Decimal(position["net_quantity"]), position["version"]) == (-3, 3)
    assert maker.page("/health")["status"] == "alive"
    assert maker.page("/ready")["symbols"] == 14
    page = maker.text("/metrics")
    assert f'tradepit_maker_inventory{{symbol="{SYMBOLS[0]}"}} -3.0' in page
    assert f'tradepit_maker_fills_total{{symbol="{SYMBOLS[0]}"}} 3.0' in page
    assert f'reason="fill",symbol="{SYMBOLS[0]}"}} 3.0' in page


def test_a_maker_that_is_told_to_end_takes_its_quotes_with_it(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(node), "everything is quoted")
    assert maker.stop() == 0
    assert quoted_by(node) == {}
    assert numbers(node) == {}
    exposure = ask(node, f"/exposure?client_id={FIRM}")
    assert Decimal(exposure["bid_usage"]) == Decimal(exposure["ask_usage"]) == 0


def test_a_newer_run_of_the_same_name_ends_the_older(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    older = start_maker("mm-0", "--epoch", "1")
    wait_until(lambda: all_quoted(node), "the older run quotes")
    start_maker("mm-0", "--epoch", "2")
    assert older.process is not None
    assert older.process.wait(timeout=30) == 3
    wait_until(lambda: all_quoted(node), "the newer run quotes")
    assert shares(node) == {"mm-0": 14}


def test_a_maker_of_an_unknown_firm_says_so_and_ends(
    node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0", "--firm", "nobody")
    assert maker.process is not None
    assert maker.process.wait(timeout=30) == 1
    assert "there is no firm 'nobody'" in maker.log.read_text()
