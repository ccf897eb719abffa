"""What happens before a firm's command in the same frame is no answer to it.

Market time moves with the very frame of a command here, so that what is due stands under the
sequence of the command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import msgspec
import pytest

from tradepit.gateway.firms.drafts import HeartbeatDraft, firm_state_draft
from tradepit.gateway.firms.quoting import QuoteDraft, ReleaseDraft
from tradepit.gateway.firms.shapes import Heartbeat, Release, SetQuote
from tradepit.gateway.recent_answers import RecentAnswers
from tradepit.market import Market

NS = 1_000_000_000
SYMBOL = "BTC-USD"


class Moving:
    """A clock that is moved by hand, less than the market's bound of a jump at a time."""

    def __init__(self) -> None:
        self.now = 1_700_000_000 * NS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
def market(clock: Moving) -> Iterator[Market]:
    with Market(clock=clock) as made:
        made.create_firm("mm", lease_ms=1_000)
        yield made


def quote(market: Market, symbol: str = SYMBOL, **fields: object) -> object:
    body = {"bid_price": 69_000, "bid_quantity": 10, "ask_price": 71_000, "ask_quantity": 5}
    return market.set_quote(symbol, **body | fields)  # type: ignore[arg-type]


def test_a_release_tells_what_it_freed_not_what_ended_before(market: Market, clock: Moving) -> None:
    market.reserve(SYMBOL, bid_quantity=10, ask_quantity=5, ttl_ms=1_000)
    market.reserve("ETH-USD", bid_quantity=7, ask_quantity=7, ttl_ms=1_000)
    clock.now += NS
    released = market.release(SYMBOL)
    assert (released.freed_capacity, released.freed_bid_quantity) == (0, 0)
    ended = market.events("reservation_released")
    assert ended["status"].tolist() == [2, 2, 1]
    assert len(set(ended["sequence"].tolist())) == 1, "all under the sequence of the release"


def test_a_quote_tells_its_own_grant_when_the_one_before_ends_with_it(
    market: Market, clock: Moving
) -> None:
    quote(market, ttl_ms=1_000)
    clock.now += NS
    again = market.set_quote(SYMBOL, ask_price=71_000, ask_quantity=200)
    assert (again.status, again.granted_ask_quantity, again.bid_order_id) == ("PARTIAL", 100, None)
    assert market.exposure().bid_usage == 0


def test_who_leaves_is_not_told_of_others_whose_lease_lapsed(market: Market, clock: Moving) -> None:
    market.heartbeat("mm", "first", epoch=1)
    clock.now += NS // 2
    market.heartbeat("mm", "second", epoch=1)
    clock.now += NS // 2
    assert market.heartbeat("mm", "second", epoch=1, leaving=True).maker == 2
    market.heartbeat("mm", "third", epoch=1)
    clock.now += NS
    assert market.heartbeat("mm", "third", epoch=1, leaving=True).maker is None
    assert market.events("maker_left")["status"].tolist() == [4, 1, 4]


def test_fills_by_orders_that_a_quote_triggered_are_its_own(market: Market) -> None:
    """A stop order that the quote's trade sets off trades with the quote in the same command."""
    for side, price in (("sell", 70_000), ("sell", 70_001)):
        market.place(client_id="a", instrument=SYMBOL, side=side, price=price, quantity=1)
    market.place(
        client_id="b", instrument=SYMBOL, side="sell", type="stop", stop_price=70_000, quantity=2
    )
    answer = market.set_quote(SYMBOL, bid_price=70_000, bid_quantity=10)
    kinds = [(fill.liquidity, fill.quantity) for fill in answer.fills]
    assert kinds == [("taker", 1), ("maker", 2)]
    assert answer.remaining_bid_quantity == 7 == market.exposure().bid_usage


def test_what_takes_away_and_what_keeps_alive_goes_first(market: Market) -> None:
    lookup = market._ground.desk.market
    beat = HeartbeatDraft(lookup, "mm", "mm-0", Heartbeat(1), None)
    leave = HeartbeatDraft(lookup, "mm", "mm-0", Heartbeat(1, leaving=True), None)
    release = ReleaseDraft(lookup, SYMBOL, Release(), None)
    kill = firm_state_draft(lookup, "mm", "kill", None, None)
    body = msgspec.convert({"bid_price": 1, "bid_quantity": 1}, dict)
    shape = msgspec.json.decode(msgspec.json.encode(body), type=SetQuote)
    quoted = QuoteDraft(lookup, SYMBOL, shape, None)
    assert [each.is_urgent for each in (beat, leave, release, kill, quoted)] == [True] * 4 + [False]
    # Only a heartbeat may overtake what the firm said before.
    assert [each.speaker for each in (leave, release, quoted)] == ["mm"] * 3
    assert cast(str, beat.speaker) != "mm"
    assert "\x20" in cast(str, beat.speaker), "no account has such a name"


def test_recent_answers_are_bounded_and_the_oldest_go_first() -> None:
    answers = RecentAnswers(answers_max=2)
    for sequence in (5, 6, 7):
        answers.keep(sequence, b"%d" % sequence)
    assert [answers.of(sequence) for sequence in (5, 6, 7)] == [None, b"6", b"7"]


def test_a_repeated_quote_that_is_forgotten_says_so(market: Market) -> None:
    body = {"bid_price": 69_000, "bid_quantity": 1}
    market.set_quote(SYMBOL, key="k", **body)
    market._ground.desk.market.recent_answers = RecentAnswers()
    again = market.set_quote(SYMBOL, key="k", **body)
    assert (again.status, again.client_id, again.instrument) == (None, "mm", SYMBOL)
    assert market.exposure().bid_usage == 1
