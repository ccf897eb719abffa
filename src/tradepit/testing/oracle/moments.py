"""What happens by itself when its time has come. Rulebook sections 1 and 12."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

from tradepit.domain.wire import CloseReason, EndReason, OrderStatus, Phase
from tradepit.testing.oracle import keys, phases, sessions
from tradepit.testing.oracle.auctions import publish_indicative
from tradepit.testing.oracle.firms import end_quote
from tradepit.testing.oracle.makers import leave
from tradepit.testing.oracle.market import Account, Instrument, Market, Order
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.safety import strike_dead_man

INDICATIVE_NS = 100 * 10**6
Turn = tuple[int, int, int, int]
"""Due time, class, first and second number: what is due happens in this order."""
Due = tuple[Turn, Callable[..., None], tuple[Any, ...]]
"""When, and what is called with which arguments after the market."""


def pass_moment(market: Market) -> None:
    """Keys are forgotten, then everything that is due happens, one after the other."""
    keys.forget_old(market)
    while (due := first_due(market)) is not None:
        _, happen, arguments = due
        happen(market, *arguments)
    moment = market.time_ns // INDICATIVE_NS
    if moment != market.last_moment:
        market.last_moment = moment
        publish_indicative(market)


def first_due(market: Market) -> Due | None:
    """What happens next, if its time has come."""
    now = market.time_ns
    return min((d for d in all_due(market) if d[0][0] <= now), key=itemgetter(0), default=None)


def next_due_ns(market: Market) -> int:
    """When something will happen by itself; 0 = nothing will."""
    return min((turn[0] for turn, _, _ in all_due(market)), default=0)


def all_due(market: Market) -> Iterator[Due]:
    """Everything that has a time, whether it has come or not."""
    for order in market.orders.values():
        if order.expires_at:
            yield (order.expires_at, 1, order.order_id, 0), expire, (order,)
    for session in market.sessions.values():
        turn = (session.seen_at + sessions.LEASE_NS, 3, session.account, session.number)
        yield turn, sessions.end, (session, EndReason.LAPSED)
    for account in market.accounts.values():
        yield from due_of_account(account)
    for instrument in market.instruments.values():
        if instrument.phase != Phase.REMOVED:
            yield from due_of_instrument(instrument)


def due_of_account(account: Account) -> Iterator[Due]:
    number = account.number
    if account.dead_man_at:
        yield (account.dead_man_at, 2, number, 0), strike_dead_man, (account,)
    for instrument, quote in account.quotes.items():
        turn = (quote.expires_at, 4, number, instrument)
        yield turn, end_quote, (account, instrument, EndReason.TIME)
    if account.firm is not None:
        for maker in account.firm.makers.values():
            turn = (maker.leased_until, 5, number, maker.number)
            yield turn, leave, (account, maker.number, EndReason.LAPSED)


def due_of_instrument(instrument: Instrument) -> Iterator[Due]:
    number = instrument.number
    if instrument.reopens_at:
        yield (instrument.reopens_at, 6, number, 0), phases.reopen, (instrument,)
    if instrument.next_transition:
        yield (instrument.next_transition, 7, number, 0), phases.follow_schedule, (instrument,)


def expire(market: Market, order: Order) -> None:
    close_order(market, order, CloseReason.TIME, OrderStatus.EXPIRED)
