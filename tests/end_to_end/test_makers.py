"""Makers as real processes beside a real node: shared evenly, killed, paused, left alone."""

from __future__ import annotations

import signal
import time
from decimal import Decimal

from tests.end_to_end.maker_process import (
    FIRM,
    LEASE_MS,
    SYMBOLS,
    StartMaker,
    all_quoted,
    ask,
    net_positions,
    numbers,
    owners,
    quoted_by,
    shares,
    take,
    wait_until,
    within_budget,
)
from tests.end_to_end.node_process import NodeProcess

from tradepit.client import Client

LEASE_SECONDS = LEASE_MS / 1000
SLACK_SECONDS = 6.0
"""For machines under load: a heartbeat, an assignment, new books, the quotes."""


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
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    start_maker("mm-0")
    start_maker("mm-1")
    wait_until(lambda: shares(share_node) == {"mm-0": 7, "mm-1": 7}, "two makers share evenly")
    wait_until(lambda: all_quoted(share_node), "everything is quoted by its owner")
    before = owners(share_node)
    start_maker("mm-2")
    wait_until(
        lambda: sorted(shares(share_node).values()) == [4, 5, 5], "three makers share evenly"
    )
    wait_until(lambda: all_quoted(share_node), "everything is quoted by its new owner")
    moved = {symbol for symbol, name in owners(share_node).items() if before[symbol] != name}
    assert len(moved) == 4
    assert {owners(share_node)[symbol] for symbol in moved} == {"mm-2"}


def test_a_killed_maker_loses_its_symbols_within_the_lease_and_they_are_quoted_again(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    makers = [start_maker(f"mm-{number}") for number in range(3)]
    wait_until(
        lambda: len(shares(share_node)) == 3 and all_quoted(share_node), "three makers quote"
    )
    makers[1].kill()
    moved = wait_until(lambda: "mm-1" not in shares(share_node), "its lease lapses")
    assert moved < LEASE_SECONDS + SLACK_SECONDS
    quoted = wait_until(lambda: all_quoted(share_node), "its symbols are quoted again")
    assert quoted < SLACK_SECONDS
    assert sorted(shares(share_node).values()) == [7, 7]
    makers[1].start()
    wait_until(
        lambda: len(shares(share_node)) == 3 and all_quoted(share_node), "it is back under its name"
    )


def test_a_maker_that_was_paused_does_not_quote_what_it_lost(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    paused, other = start_maker("mm-0"), start_maker("mm-1")
    wait_until(lambda: len(shares(share_node)) == 2 and all_quoted(share_node), "two makers quote")
    old_number = numbers(share_node)["mm-0"]
    paused.send(signal.SIGSTOP)
    wait_until(lambda: shares(share_node) == {"mm-1": 14}, "the other takes over")
    wait_until(lambda: all_quoted(share_node), "the other quotes everything")
    for symbol in SYMBOLS:
        take(share_node, symbol, "buy", 1)
    sequence = ask(share_node, "/cluster")["as_of"]
    paused.send(signal.SIGCONT)
    wait_until(lambda: sorted(shares(share_node).values()) == [7, 7], "it has joined anew")
    wait_until(lambda: all_quoted(share_node), "each quotes its own")
    number = numbers(share_node)["mm-0"]
    assert number != old_number
    status = paused.page("/status")
    assert status["lease"]["lapses"] == 1
    assert set(status["assigned"]) == {
        s for s, name in owners(share_node).items() if name == "mm-0"
    }
    refused = [each for each in status["symbols"] if each["last_refusal"] == "not_owner"]
    assert not refused
    assert ask(share_node, "/cluster")["as_of"] > sequence
    assert other.page("/health")["status"] == "alive"


def test_quoting_goes_on_by_itself_after_the_node_was_killed(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    for number in range(2):
        start_maker(f"mm-{number}")
    wait_until(lambda: len(shares(share_node)) == 2 and all_quoted(share_node), "two makers quote")
    for symbol in SYMBOLS:
        take(share_node, symbol, "sell", 2)
    before = net_positions(share_node)
    share_node.kill()
    time.sleep(LEASE_SECONDS)
    share_node.start()
    wait_until(lambda: sorted(shares(share_node).values()) == [7, 7], "both makers are back")
    wait_until(lambda: all_quoted(share_node), "everything is quoted again")
    assert net_positions(share_node) == before
    take(share_node, SYMBOLS[0], "buy", 1)
    wait_until(lambda: all_quoted(share_node), "fills are answered as before")


def test_budget_and_positions_hold_through_fills_kills_and_pauses(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    makers = [start_maker(f"mm-{number}") for number in range(3)]
    wait_until(
        lambda: len(shares(share_node)) == 3 and all_quoted(share_node), "three makers quote"
    )
    traded = 0.0
    for turn in range(120):
        symbol = SYMBOLS[turn * 5 % len(SYMBOLS)]
        order = take(share_node, symbol, "buy" if turn % 3 else "sell", 1 + turn % 3)
        traded += float(order["filled_quantity"])
        assert within_budget(share_node)
        if turn == 30:
            makers[0].kill()
        if turn == 60:
            makers[1].send(signal.SIGSTOP)
            wait_until(lambda: "mm-1" not in shares(share_node), "a paused one loses its lease")
            makers[1].send(signal.SIGCONT)
            makers[0].start()
    wait_until(
        lambda: len(shares(share_node)) == 3 and all_quoted(share_node), "everything is quoted"
    )
    assert traded > 50
    assert within_budget(share_node)
    positions = net_positions(share_node)
    assert {s: q for s, q in positions.items() if q} == {
        s: q for s, q in summed_fills(share_node).items() if q
    }
    for maker in makers:
        heard = {
            each["symbol"]: Decimal(each["net_quantity"])
            for each in maker.page("/status")["positions"]
        }
        assert heard == positions


def test_symbols_that_are_removed_and_added_live_are_followed(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(share_node), "everything is quoted")
    ask(share_node, f"/cluster/symbols/{SYMBOLS[3]}?firm={FIRM}", method="DELETE")
    wait_until(lambda: len(maker.page("/status")["symbols"]) == 13, "the maker lets it go")
    wait_until(lambda: SYMBOLS[3] not in quoted_by(share_node), "no quote is left", seconds=2)
    take(share_node, SYMBOLS[4], "buy", 1)
    body = {"symbol": SYMBOLS[3], "firm": FIRM}
    ask(share_node, "/cluster/symbols", method="POST", body=body)
    wait_until(lambda: all_quoted(share_node), "it is quoted again")
    wait_until(lambda: maker.page("/status")["fills"] == 1, "nothing else was forgotten")
    assert "tradepit_maker_feed_streams_total 1.0" in maker.text("/metrics")


def test_a_firm_that_was_killed_is_quoted_again_once_it_is_resumed(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(share_node), "everything is quoted")
    ask(share_node, f"/firms/{FIRM}/kill", method="POST")
    assert quoted_by(share_node) == {}
    wait_until(
        lambda: not any(each["quote"] for each in maker.page("/status")["symbols"]),
        "the maker knows that nothing stands",
    )
    ask(share_node, f"/firms/{FIRM}/resume", method="POST")
    wait_until(lambda: all_quoted(share_node), "everything is quoted again")


def test_pages_tell_of_quotes_fills_positions_and_round_trips(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(share_node), "everything is quoted")
    for count in (1, 2, 3):
        assert Decimal(take(share_node, SYMBOLS[0], "buy", 1)["filled_quantity"]) == 1
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
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0")
    wait_until(lambda: all_quoted(share_node), "everything is quoted")
    assert maker.stop() == 0
    assert quoted_by(share_node) == {}
    assert numbers(share_node) == {}
    exposure = ask(share_node, f"/exposure?client_id={FIRM}")
    assert Decimal(exposure["bid_usage"]) == Decimal(exposure["ask_usage"]) == 0


def test_a_newer_run_of_the_same_name_ends_the_older(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    older = start_maker("mm-0", "--epoch", "1")
    wait_until(lambda: all_quoted(share_node), "the older run quotes")
    start_maker("mm-0", "--epoch", "2")
    assert older.process is not None
    assert older.process.wait(timeout=30) == 3
    wait_until(lambda: all_quoted(share_node), "the newer run quotes")
    assert shares(share_node) == {"mm-0": 14}


def test_a_maker_of_an_unknown_firm_says_so_and_ends(
    share_node: NodeProcess, start_maker: StartMaker
) -> None:
    maker = start_maker("mm-0", "--firm", "nobody")
    assert maker.process is not None
    assert maker.process.wait(timeout=30) == 1
    assert "there is no firm 'nobody'" in maker.log.read_text()
