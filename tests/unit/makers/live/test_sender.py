"""Quotes on their way to a real node: in one command, in steps, and through faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from tradepit.client import Client
from tradepit.client.operation_socket import OperationSocket
from tradepit.makers import InstrumentSpec, QuoteWish, Reason, TwoSided
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.faults import Fault, Faults, Point
from tradepit.makers.live.sender import (
    Granted,
    Outcome,
    QuoteSender,
    Refused,
    Speaker,
    Unknown,
    Withheld,
)
from tradepit.testing.fixtures import FreshNode

T = TypeVar("T")
SYMBOL = "COIN-USD"
TTL_NS = 30_000_000_000


class Firm:
    """A firm with one maker that owns one symbol."""

    def __init__(self, node: FreshNode, *, budget: str = "100") -> None:
        self.client: Client = node.client
        self.url = node.url
        found = self.client.instrument(SYMBOL)
        self.spec = InstrumentSpec(SYMBOL, found.tick_size, found.lot_size)
        price = found.reference_price
        assert price is not None
        middle = self.spec.nearest_ticks(price)
        lots = self.spec.lots(Decimal(10))
        self.quote = TwoSided(
            bid_ticks=middle - 2, bid_lots=lots, ask_ticks=middle + 2, ask_lots=lots
        )
        self.client.create_firm("F", budget_bid=budget, budget_ask=budget, symbols=[SYMBOL])
        self.client.heartbeat("F", "mm-0", epoch=1)
        self.faults = Faults(is_enabled=True)

    def wish(self, quote: TwoSided | None, reason: Reason = Reason.FIRST) -> QuoteWish:
        return QuoteWish(number=1, quote=quote, ttl_ns=TTL_NS, reason=reason)

    def send(
        self,
        quote: TwoSided | None,
        *,
        epoch: int = 1,
        replaces: bool = False,
        is_ours: Callable[[], bool] = lambda: True,
        **ways: bool,
    ) -> Outcome:
        async def sent() -> Outcome:
            socket = OperationSocket(self.url)
            speaker = Speaker("F", "mm-0", epoch)
            sender = QuoteSender(socket, speaker, LocalClock(), self.faults, **ways)
            try:
                return await sender.carry_out(
                    self.spec, self.wish(quote), replaces=replaces, is_ours=is_ours
                )
            finally:
                await socket.close()

        return _run(sent())

    @property
    def usage(self) -> Decimal:
        return self.client.exposure(client_id="F").bid_usage


def _run(work: Awaitable[T]) -> T:
    async def waited() -> T:
        return await work

    return asyncio.run(waited())


@pytest.fixture
def firm(tradepit_node: FreshNode) -> Firm:
    return Firm(tradepit_node)


WAYS: list[dict[str, Any]] = [
    {},
    {"two_step": True},
    {"cancel_first": True},
    {"two_step": True, "cancel_first": True},
]


@pytest.mark.parametrize("ways", WAYS)
def test_a_quote_stands_as_granted_in_every_way(firm: Firm, ways: dict[str, bool]) -> None:
    for replaces in (False, True):
        outcome = firm.send(firm.quote, replaces=replaces, **ways)
        assert isinstance(outcome, Granted)
        assert outcome.quote == firm.quote
        assert all(outcome.order_ids)
    assert firm.usage == 10


@pytest.mark.parametrize("ways", WAYS)
def test_what_is_granted_in_part_is_told_in_part(
    tradepit_node: FreshNode, ways: dict[str, bool]
) -> None:
    firm = Firm(tradepit_node, budget="4")
    outcome = firm.send(firm.quote, **ways)
    assert isinstance(outcome, Granted)
    assert outcome.quote is not None
    assert firm.spec.quantity(outcome.quote.bid_lots) == 4
    assert firm.usage == 4


def test_a_reservation_of_nothing_is_not_followed_by_a_quote(tradepit_node: FreshNode) -> None:
    firm = Firm(tradepit_node, budget="0")
    outcome = firm.send(firm.quote, two_step=True)
    assert isinstance(outcome, Granted)
    assert outcome.quote is None


def test_a_withdrawal_ends_quote_and_reservation(firm: Firm) -> None:
    firm.send(firm.quote)
    outcome = firm.send(None, replaces=True)
    assert isinstance(outcome, Granted)
    assert (outcome.quote, firm.usage) == (None, 0)


def test_a_quote_of_another_run_is_refused_with_the_market_s_code(firm: Firm) -> None:
    assert firm.send(firm.quote, epoch=7) == Refused("not_owner")


def test_a_refusal_after_the_old_quote_was_taken_away_says_so(firm: Firm) -> None:
    firm.send(firm.quote)
    through = TwoSided(bid_ticks=1, bid_lots=1, ask_ticks=2, ask_lots=1)
    outcome = firm.send(through, replaces=True, cancel_first=True)
    assert outcome == Refused("price_collar", is_old_gone=True)
    assert firm.usage == 0


def test_nothing_is_sent_once_the_symbol_may_be_somebody_else_s(firm: Firm) -> None:
    assert firm.send(firm.quote, is_ours=lambda: False) == Withheld()
    assert firm.usage == 0
    answers = iter([True, False])
    assert firm.send(firm.quote, two_step=True, is_ours=lambda: next(answers)) == Withheld()
    assert firm.usage == 10  # reserved, not quoted; it ends with its time-to-live


def test_a_message_that_is_dropped_is_unknown_and_one_sent_twice_counts_once(firm: Firm) -> None:
    firm.faults.arm(Fault(at=Point.BEFORE_QUOTE, do="drop"))
    assert isinstance(firm.send(firm.quote), Unknown)
    assert firm.usage == 0
    firm.faults.arm(Fault(at=Point.AFTER_QUOTE, do="drop"))
    assert isinstance(firm.send(firm.quote), Unknown)
    assert firm.usage == 10
    firm.faults.arm(Fault(at=Point.BEFORE_QUOTE, do="duplicate"))
    assert isinstance(firm.send(firm.quote), Granted)
    assert firm.usage == 10


def test_without_a_node_a_quote_is_unknown(firm: Firm) -> None:
    firm.url = "http://127.0.0.1:9"
    assert isinstance(firm.send(firm.quote), Unknown)
