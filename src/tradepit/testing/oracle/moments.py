"""What happens by itself when its time has come. Rulebook sections 1 and 12."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tradepit.domain.wire import CloseReason, EndReason, OrderStatus, Phase
from tradepit.testing.oracle import keys, phases, sessions
from tradepit.testing.oracle.auctions import publish_indicative
from tradepit.testing.oracle.firms import end_quote
from tradepit.testing.oracle.makers import leave
from tradepit.testing.oracle.market import Account, Instrument, Market, Order
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.parties import Session
from tradepit.testing.oracle.safety import strike_dead_man

INDICATIVE_NS = 100 * 10**6
Turn = tuple[int, int, int, int]
"""Due time, class, first and second number: what is due happens in this order."""
Due = tuple[Turn, Callable[[], None]]


def pass_moment(market: Market) -> None:
    """Keys are forgotten, then everything that is due happens, one after the other."""
    keys.forget_old(market)
    while (due := first_due(market)) is not None:
        due()
    moment = market.time_ns // INDICATIVE_NS
    if moment != market.last_moment:
        market.last_moment = moment
        publish_indicative(market)


def first_due(market: Market) -> Callable[[], None] | None:
    """What happens next, if its time has come."""
    turns = [due for due in all_due(market) if due[0][0] <= market.time_ns]
    return min(turns, key=lambda due: due[0])[1] if turns else None


def next_due_ns(market: Market) -> int:
    """When something will happen by itself; 0 = nothing will."""
    return min((turn[0] for turn, _ in all_due(market)), default=0)


def all_due(market: Market) -> Iterator[Due]:
    """Everything that has a time, whether it has come or not."""
    for order in market.orders.values():
        if order.expires_at:
            yield (order.expires_at, 1, order.order_id, 0), order_expiry(market, order)
    for session in market.sessions.values():
        turn = (session.seen_at + sessions.LEASE_NS, 3, session.account, session.number)
        yield turn, session_lapse(market, session)
    for account in market.accounts.values():
        yield from due_of_account(market, account)
    for instrument in market.instruments.values():
        if instrument.phase != Phase.REMOVED:
            yield from due_of_instrument(market, instrument)


def due_of_account(market: Market, account: Account) -> Iterator[Due]:
    number = account.number
    if account.dead_man_at:
        yield (account.dead_man_at, 2, number, 0), lambda: strike_dead_man(market, account)
    for instrument, quote in account.quotes.items():
        yield (quote.expires_at, 4, number, instrument), quote_end(market, account, instrument)
    if account.firm is not None:
        for maker in account.firm.makers.values():
            turn = (maker.leased_until, 5, number, maker.number)
            yield turn, maker_lapse(market, account, maker.number)


def due_of_instrument(market: Market, instrument: Instrument) -> Iterator[Due]:
    number = instrument.number
    if instrument.reopens_at:
        yield (instrument.reopens_at, 6, number, 0), lambda: phases.reopen(market, instrument)
    if instrument.next_transition:
        turn = (instrument.next_transition, 7, number, 0)
        yield turn, lambda: phases.follow_schedule(market, instrument)


def order_expiry(market: Market, order: Order) -> Callable[[], None]:
    return lambda: close_order(market, order, CloseReason.TIME, OrderStatus.EXPIRED)


def session_lapse(market: Market, session: Session) -> Callable[[], None]:
    return lambda: sessions.end(market, session, EndReason.LAPSED)


def quote_end(market: Market, account: Account, instrument: int) -> Callable[[], None]:
    return lambda: end_quote(market, account, instrument, EndReason.TIME)


def maker_lapse(market: Market, account: Account, maker: int) -> Callable[[], None]:
    return lambda: leave(market, account, maker, EndReason.LAPSED)
