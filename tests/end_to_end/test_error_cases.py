"""The eleven error cases of the older cluster, each in the form that it still has here.

There, an exchange, a state service and a reservation service were processes of their own, with
calls between them that could fail in between. Here they are one engine behind one journal: a
command happens whole or not at all. What is left of each case are processes that die and answers
that are lost. In every case: nothing acknowledged is lost, the budget is never exceeded, no quote
trades past its end, and nobody has to do anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.end_to_end.bad_network import BadNetwork
from tests.end_to_end.feed_processes import feed_processes
from tests.end_to_end.journal_audit import JournalAudit, require_sound
from tests.end_to_end.maker_process import (
    BUDGET,
    FIRM,
    SYMBOLS,
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

from tradepit import Market
from tradepit.client import Client
from tradepit.domain.commands import key_of

KEY = "an-order-of-somebody"
ORDER = {
    "client_id": "public",
    "instrument": SYMBOLS[0],
    "side": "buy",
    "type": "limit",
    "time_in_force": "ioc",
    "price": "150",
    "quantity": "2",
}
ANSWER_SECONDS = 30.0


@pytest.fixture
def audit(share_node: NodeProcess) -> Iterator[JournalAudit]:
    """At the end, whatever the case was, the whole journal is checked."""
    audit = JournalAudit(share_node.data_dir)
    yield audit
    require_sound(audit, FIRM)


def two_makers(node: NodeProcess, start_maker: StartMaker, *more: str) -> list[MakerProcess]:
    """Two makers that quote everything; `more` are options of the first."""
    makers = [start_maker("mm-0", *more), start_maker("mm-1")]
    wait_until(lambda: len(shares(node)) == 2 and all_quoted(node), "two makers quote")
    return makers


def send_order(node: NodeProcess) -> socket.socket:
    """An order on its way; the answer, if there is one, waits in the socket."""
    body = json.dumps(ORDER)
    end = socket.create_connection(("127.0.0.1", node.port), timeout=ANSWER_SECONDS)
    end.sendall(
        f"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return end


def repeat_order(node: NodeProcess) -> httpx.Response:
    """The same order under the same key, as a client does that had no answer."""
    return httpx.post(
        f"{node.url}/api/v1/orders",
        json=ORDER,
        headers={"Idempotency-Key": KEY},
        trust_env=False,
        timeout=ANSWER_SECONDS,
    )


def executions(audit: JournalAudit) -> int:
    """Orders that the journal made of the key."""
    audit.catch_up()
    key = key_of(KEY)
    return audit.orders_of_key("public", (key.low, key.high))


def arm_crash(maker: MakerProcess, at: str, symbol: str) -> None:
    fault = {"at": at, "do": "crash", "symbol": symbol}
    assert maker.page("/test/faults", method="POST", body=fault) is not None


def symbol_of(node: NodeProcess, maker: str) -> str:
    return next(symbol for symbol, name in owners(node).items() if name == maker)


def other_takes_over(node: NodeProcess, failed: MakerProcess) -> None:
    """The failed maker is dead; the other one owns and quotes everything."""
    assert failed.process is not None
    assert failed.process.wait(timeout=30) == -signal.SIGKILL
    wait_until(lambda: shares(node) == {"mm-1": 14}, "the other owns everything")
    wait_until(lambda: all_quoted(node) and within_budget(node), "the other quotes everything")


def test_case_1_exchange_dies_before_handling_an_order(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: the order is lost, its sender sees an error. Here: an order that the node was sent and
    never looked at leaves no trace; sent again under its key it is executed once."""
    two_makers(share_node, start_maker)
    assert share_node.process is not None
    share_node.process.send_signal(signal.SIGSTOP)  # the kernel takes the order, nobody else does
    lost = send_order(share_node)
    share_node.kill()
    lost.close()
    assert executions(audit) == 0
    share_node.start()
    wait_until(lambda: all_quoted(share_node), "everything is quoted again")
    first, second = repeat_order(share_node), repeat_order(share_node)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert executions(audit) == 1
    assert net_positions(share_node)[SYMBOLS[0]] == -2


def test_case_2_exchange_dies_after_the_fill_and_before_the_answer(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: filled, reported to nobody, and executed again when repeated. Here: the fill is in the
    journal before anybody could be answered; the repeat finds it and executes nothing."""
    two_makers(share_node, start_maker)
    unread = send_order(share_node)
    wait_until(lambda: executions(audit) == 1, "the order is in the journal")
    share_node.kill()
    unread.close()  # the answer was never read
    share_node.start()
    again = repeat_order(share_node)
    assert again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Decimal(again.json()["filled_quantity"]) == 2
    assert executions(audit) == 1
    assert net_positions(share_node)[SYMBOLS[0]] == -2
    wait_until(lambda: all_quoted(share_node), "everything is quoted again")


def test_case_3_state_service_dies_before_handling_a_fill(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: the position misses the fill for ever. Here: positions are the engine's; the process
    that tells makers of them may die before it told, and they hear it from the next one."""
    makers = two_makers(share_node, start_maker)
    wait_until(lambda: len(feed_processes(share_node)) == 1, "the feed process runs")
    (feeds,) = feed_processes(share_node)
    os.kill(feeds, signal.SIGSTOP)
    take(share_node, SYMBOLS[0], "buy", 3)
    assert net_positions(share_node)[SYMBOLS[0]] == -3
    os.kill(feeds, signal.SIGKILL)
    for maker in makers:
        wait_until(lambda maker=maker: heard(maker, SYMBOLS[0]) == -3, "a maker hears of the fill")
    wait_until(lambda: all_quoted(share_node), "everything is quoted")


def heard(maker: MakerProcess, symbol: str) -> Decimal | None:
    """A position as a maker knows it."""
    positions = (maker.page("/status") or {"positions": ()})["positions"]
    found = {each["symbol"]: Decimal(each["net_quantity"]) for each in positions}
    return found.get(symbol)


def test_case_4_maker_dies_before_handling_a_position_update(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There and here: another maker gets the symbol, with the position that the market knows."""
    failing, other = two_makers(share_node, start_maker, "--fault-injection")
    symbol = symbol_of(share_node, "mm-0")
    arm_crash(failing, "before_position_update", symbol)
    take(share_node, symbol, "buy", 2)
    other_takes_over(share_node, failing)
    assert heard(other, symbol) == net_positions(share_node)[symbol] == -2


def test_case_5_maker_dies_after_the_reservation_and_before_the_quote(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: the reservation stays until the next quote of the symbol, if there is one. Here: it
    ends by its time at the latest, and the next maker's quote takes its place."""
    failing, _ = two_makers(share_node, start_maker, "--fault-injection", "--two-step")
    symbol = symbol_of(share_node, "mm-0")
    arm_crash(failing, "after_reservation", symbol)
    take(share_node, symbol, "buy", 1)
    other_takes_over(share_node, failing)
    held = ask(share_node, f"/reservations?client_id={FIRM}")["items"]
    exposure = ask(share_node, f"/exposure?client_id={FIRM}")
    assert sum(Decimal(each["granted_bid_quantity"]) for each in held) == Decimal(
        exposure["bid_usage"]
    )


def test_case_6_reservation_service_dies(share_node: NodeProcess, audit: JournalAudit) -> None:
    """There: grants of two replicas may exceed the cap, and quoting stops. Here: reservations are
    commands like any other. Those that were acknowledged are held after a kill, those that were
    not are found out by their keys, and their sum is within the budget."""
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    rng = random.Random(seed)
    other = {"id": "G", "budget_bid": str(BUDGET), "budget_ask": str(BUDGET)}
    ask(share_node, "/firms", method="POST", body=other)
    granted: dict[str, tuple[Decimal, Decimal]] = {}
    unknown = 0
    for turn in range(4):
        kill_at = rng.randrange(20)
        for number in range(20):
            symbol = rng.choice(SYMBOLS)
            wish = {"bid_quantity": rng.randint(1, 30), "ask_quantity": rng.randint(1, 30)}
            body = wish | {"symbol": symbol, "client_id": "G", "ttl_ms": 600_000}
            key = f"{turn}-{number}"
            if number == kill_at:
                unknown += send_and_kill(share_node, body, key, is_done=turn % 2 == 0)
                share_node.start()
            answer = reserve(share_node, body, key).json()
            if answer["status"] is None:  # it took effect before the kill; how, is in the list
                answer = held(share_node, symbol)
            granted[symbol] = (
                Decimal(answer["granted_bid_quantity"]),
                Decimal(answer["granted_ask_quantity"]),
            )
            require_held(share_node, granted)
    assert unknown == 4
    facts = require_sound(audit, "G")
    assert max(facts.used) > 0


def reserve(node: NodeProcess, body: dict[str, Any], key: str) -> httpx.Response:
    answer = httpx.post(
        f"{node.url}/api/v1/reservations",
        json=body,
        headers={"Idempotency-Key": key},
        trust_env=False,
        timeout=ANSWER_SECONDS,
    )
    assert answer.status_code == 200, answer.text
    return answer


def held(node: NodeProcess, symbol: str) -> dict[str, Any]:
    """A reservation as it stands."""
    items = ask(node, "/reservations?client_id=G")["items"]
    return next(each for each in items if each["symbol"] == symbol)


def send_and_kill(node: NodeProcess, body: dict[str, Any], key: str, *, is_done: bool) -> bool:
    """A reservation whose answer nobody reads, and the end of the node: after it was done, or
    whenever the kill comes."""
    text = json.dumps(body)
    with socket.create_connection(("127.0.0.1", node.port), timeout=ANSWER_SECONDS) as end:
        end.sendall(
            f"POST /api/v1/reservations HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
        )
        if is_done:
            assert end.recv(1)
        node.kill()
    return True


def require_held(node: NodeProcess, granted: dict[str, tuple[Decimal, Decimal]]) -> None:
    exposure = ask(node, "/exposure?client_id=G")
    used = (Decimal(exposure["bid_usage"]), Decimal(exposure["ask_usage"]))
    assert used == tuple(sum(sides) for sides in zip(*granted.values(), strict=True))
    assert max(used) <= BUDGET


def test_case_7_exchange_dies_before_a_quote_update(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: the old quote stays, or none. Here: what is left of the old quote stands until its
    end, which no trade passes, and the maker sends its new one when the node is back."""
    delayed, _ = two_makers(share_node, start_maker, "--fault-injection")
    symbol = symbol_of(share_node, "mm-0")
    fault = {"at": "before_quote", "do": {"delay_ms": 1_500}, "symbol": symbol}
    assert delayed.page("/test/faults", method="POST", body=fault) is not None
    before = ask(share_node, f"/quotes/{symbol}?client_id={FIRM}")
    take(share_node, symbol, "buy", 1)
    wait_until(lambda: struck(delayed, "before_quote"), "the new quote is on its way")
    share_node.kill()
    share_node.start()
    wait_until(lambda: all_quoted(share_node), "everything is quoted again")
    wait_until(lambda: moved(share_node, symbol, before["ask_price"]), "the new quote stands")
    assert net_positions(share_node)[symbol] == -1


def struck(maker: MakerProcess, at: str) -> int:
    return int((maker.page("/test/faults") or {"struck": {}})["struck"].get(at, 0))


def moved(node: NodeProcess, symbol: str, ask_price: str) -> bool:
    """Its ask is above what it was: the maker sold."""
    with contextlib.suppress(httpx.HTTPError, KeyError, TypeError):
        quote = ask(node, f"/quotes/{symbol}?client_id={FIRM}")
        return Decimal(quote["ask_price"]) > Decimal(ask_price)
    return False


def test_case_8_position_stream_is_lost(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: what happened between snapshot and stream was missed. Here: a reader whose connection
    is cut goes on after its last message; every version comes once, none is missing."""
    two_makers(share_node, start_maker)
    network = BadNetwork(share_node.port)
    versions: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    try:
        url = f"http://127.0.0.1:{network.port}"
        with Client(url) as client, client.stream("positions", client_id=FIRM) as stream:
            for turn in range(8):
                for symbol in SYMBOLS[:3]:
                    take(share_node, symbol, "buy" if turn % 2 else "sell", 1)
                    if turn in (2, 5) and symbol == SYMBOLS[1]:
                        network.cut()
            wanted = {each["symbol"]: each["version"] for each in positions(share_node)}
            begin = time.monotonic()
            while any(versions[symbol][-1:] != [wanted[symbol]] for symbol in wanted):
                assert time.monotonic() - begin < ANSWER_SECONDS
                message = next(stream)
                assert not message.is_gap
                if not message.is_snapshot:
                    versions[message.data.instrument].append(message.data.version)
            assert stream.connections >= 2
    finally:
        network.close()
    for symbol, last in wanted.items():
        assert versions[symbol] == list(range(1, last + 1)), symbol


def positions(node: NodeProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(node, f"/positions?client_id={FIRM}")["items"]
    return found


def test_case_9_fill_arrives_and_its_reservation_cannot_be_applied() -> None:
    """There: the exchange refuses the fill when the call fails, or loses track when it times out.
    Here there is no such moment: fill and reservation change in one command. Shown over many
    commands, with everything that takes from a quote."""
    seed = int.from_bytes(os.urandom(4), "little")
    print("seed", seed)
    rng = random.Random(seed)
    symbols = ("X-USD", "Y-USD", "Z-USD")
    market = Market(
        instruments=[{"symbol": s, "tick_size": "0.01", "reference_price": 100} for s in symbols]
    )
    market.create_firm(FIRM, budget_bid=100, budget_ask=100, position_limit=0)
    fills = 0
    for _ in range(400):
        symbol = rng.choice(symbols)
        if rng.random() < 0.4:
            bid = 90 + rng.randrange(5)
            market.set_quote(
                symbol,
                client_id=FIRM,
                bid_price=bid,
                bid_quantity=rng.randint(1, 60),
                ask_price=bid + 5,
                ask_quantity=rng.randint(1, 60),
            )
        side = rng.choice(("buy", "sell"))
        before = market.exposure(client_id=FIRM)
        order = market.place(
            client_id="public",
            instrument=symbol,
            side=side,
            price=150 if side == "buy" else 50,
            quantity=rng.randint(1, 20),
            time_in_force="ioc",
        )
        after = market.exposure(client_id=FIRM)
        fell = (before.bid_usage - after.bid_usage, before.ask_usage - after.ask_usage)
        hit = order.filled_quantity
        assert fell == ((0, hit) if side == "buy" else (hit, 0))
        assert max(after.bid_usage, after.ask_usage) <= 100
        fills += bool(hit)
    assert fills > 50


def test_case_10_maker_crashes_in_a_replacement(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There: the symbol has no quote until the next maker's turn. Here the same, if a maker chooses
    to cancel before it quotes at all: replacing is one command otherwise."""
    more = ("--fault-injection", "--two-step", "--cancel-first")
    failing, _ = two_makers(share_node, start_maker, *more)
    symbol = symbol_of(share_node, "mm-0")
    arm_crash(failing, "between_cancel_and_replace", symbol)
    take(share_node, symbol, "sell", 1)
    other_takes_over(share_node, failing)
    assert symbol in quoted_by(share_node)


def test_case_11_full_restart(
    share_node: NodeProcess, start_maker: StartMaker, audit: JournalAudit
) -> None:
    """There and here: everything is killed and started again, and goes on by itself: positions and
    budgets as they were, symbols assigned anew, quotes back, the same key still the same order."""
    makers = two_makers(share_node, start_maker)
    assert repeat_order(share_node).status_code == 201
    for number, symbol in enumerate(SYMBOLS):
        take(share_node, symbol, "sell" if number % 2 else "buy", 1 + number % 3)
    before = net_positions(share_node)
    for process in (share_node, *makers):
        process.kill()
    for process in (share_node, *makers):
        process.start()
    assert net_positions(share_node) == before
    wait_until(lambda: sorted(shares(share_node).values()) == [7, 7], "both makers are back")
    wait_until(lambda: all_quoted(share_node) and within_budget(share_node), "all is quoted")
    assert repeat_order(share_node).status_code == 200
    assert executions(audit) == 1
    take(share_node, SYMBOLS[0], "sell", 1)
    assert net_positions(share_node)[SYMBOLS[0]] == before[SYMBOLS[0]] + 1
