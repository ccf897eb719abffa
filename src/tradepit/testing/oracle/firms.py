"""Firms, what they reserve, and how reservations end. Rulebook section 17."""

from __future__ import annotations

from dataclasses import dataclass

from tradepit.domain import wire
from tradepit.domain.wire import (
    CloseReason,
    DefineFirm,
    EndReason,
    FirmChanged,
    OrderStatus,
    RejectReason,
    Release,
    ReservationReleased,
    ReservationStatus,
    Reserve,
    Reserved,
)
from tradepit.testing.oracle import safety
from tradepit.testing.oracle.market import QUANTITY_MAX, Account, Instrument, Market, Rejected
from tradepit.testing.oracle.order_events import close_order, reduce_order
from tradepit.testing.oracle.parties import Firm, StandingQuote

BUDGET_MAX = 2**62
LEASE_NS_MIN, LEASE_NS_MAX = 10**8, 3_600 * 10**9
UNITS_EXPONENT = 8
UNITS_MAX = 10**15
TTL_NS_DEFAULT = 30 * 10**9
TTL_NS_MIN, TTL_NS_MAX = 10**6, 86_400 * 10**9


@dataclass(frozen=True)
class Sides:
    """Lots of a bid and of an ask."""

    bid: int
    ask: int


def define_firm(market: Market, command: DefineFirm) -> None:
    account = market.known_account(command.account)
    amounts = (command.budget_bid, command.budget_ask, command.position_limit)
    within = all(0 <= amount <= BUDGET_MAX for amount in amounts)
    if not within or not LEASE_NS_MIN <= command.lease_ns <= LEASE_NS_MAX:
        raise Rejected(RejectReason.INVALID_LIMIT)
    firm = account.firm or Firm(*amounts, lease_ns=command.lease_ns)
    firm.budget_bid, firm.budget_ask, firm.position_limit = amounts
    firm.lease_ns = command.lease_ns
    account.firm = firm
    market.emit(
        FirmChanged(
            account=account.number,
            budget_bid=command.budget_bid,
            budget_ask=command.budget_ask,
            position_limit=command.position_limit,
            lease_ns=command.lease_ns,
        )
    )


def known_firm(account: Account) -> Firm:
    if account.firm is None:
        raise Rejected(RejectReason.NOT_A_FIRM)
    return account.firm


def lot_units(instrument: Instrument) -> int:
    """Budget units (10^-8) of a lot; refused when they are not whole or too many."""
    exponent: int = UNITS_EXPONENT - instrument.lot_exponent
    numerator = instrument.lot_mantissa * int(10 ** max(0, exponent))
    units, remainder = divmod(numerator, int(10 ** max(0, -exponent)))
    if remainder or units > UNITS_MAX:
        raise Rejected(RejectReason.NOT_QUOTABLE)
    return units


def check_owner(firm: Firm, instrument: int, maker: int, epoch: int) -> None:
    live = firm.makers.get(maker)
    is_live = live is not None and live.epoch == epoch
    if instrument in firm.owners:
        allowed = is_live and firm.owners[instrument] == maker
    else:
        allowed = maker == 0 or is_live
    if not allowed:
        raise Rejected(RejectReason.NOT_OWNER)


def expiry(market: Market, ttl_ns: int) -> int:
    if ttl_ns and not TTL_NS_MIN <= ttl_ns <= TTL_NS_MAX:
        raise Rejected(RejectReason.INVALID_EXPIRY)
    return market.time_ns + (ttl_ns or TTL_NS_DEFAULT)


def grant(market: Market, account: Account, instrument: Instrument, requested: Sides) -> Sides:
    """Lots that the budgets still have room for, the instrument's own reservation taken out."""
    firm = known_firm(account)
    reserved_bid = reserved_ask = 0
    for number, quote in account.quotes.items():
        if number != instrument.number and (quote.granted_bid or quote.granted_ask):
            units = lot_units(market.instruments[number])
            reserved_bid += quote.granted_bid * units
            reserved_ask += quote.granted_ask * units
    lot = lot_units(instrument)
    return Sides(
        bid=min(requested.bid, max(0, firm.budget_bid - reserved_bid) // lot),
        ask=min(requested.ask, max(0, firm.budget_ask - reserved_ask) // lot),
    )


def status_of(requested: Sides, granted: Sides) -> ReservationStatus:
    if granted == requested:
        return ReservationStatus.GRANTED
    if requested.bid > 0 and requested.ask > 0 and granted == Sides(0, 0):
        return ReservationStatus.DENIED
    return ReservationStatus.PARTIAL


def reserve(market: Market, command: Reserve) -> None:
    account = market.accounts[command.account]
    safety.check_account_state(account)
    firm = known_firm(account)
    instrument = market.known_instrument(command.instrument)
    if command.definition_version != instrument.definition_version:
        raise Rejected(RejectReason.STALE_DEFINITION)
    lot_units(instrument)
    check_owner(firm, instrument.number, command.maker, command.epoch)
    requested = Sides(command.bid_quantity, command.ask_quantity)
    if not all(0 <= lots <= QUANTITY_MAX for lots in (requested.bid, requested.ask)):
        raise Rejected(RejectReason.INVALID_QUANTITY)
    expires_at = expiry(market, command.ttl_ns)
    granted = grant(market, account, instrument, requested)
    quote = account.quotes.setdefault(instrument.number, StandingQuote(expires_at))
    quote.expires_at = expires_at
    quote.granted_bid, quote.granted_ask = granted.bid, granted.ask
    show_reserved(market, command, requested, granted, expires_at)
    for order_id, lots in ((quote.bid_id, granted.bid), (quote.ask_id, granted.ask)):
        order = market.orders.get(order_id)
        if order is not None and order.leaves > lots:
            reduce_order(market, order, order.leaves - lots, CloseReason.EXPOSURE)


def show_reserved(
    market: Market,
    command: Reserve | wire.Quote,
    requested: Sides,
    granted: Sides,
    expires_at: int,
) -> None:
    market.emit(
        Reserved(
            status=status_of(requested, granted),
            account=command.account,
            instrument=command.instrument,
            requested_bid=requested.bid,
            requested_ask=requested.ask,
            granted_bid=granted.bid,
            granted_ask=granted.ask,
            expires_at=expires_at,
            time_ns=market.time_ns,
            maker=command.maker,
        )
    )


def release(market: Market, command: Release) -> None:
    account = market.accounts[command.account]
    instrument = market.known_instrument(command.instrument)
    if account.firm is not None and command.maker:
        check_owner(account.firm, instrument.number, command.maker, command.epoch)
    end_quote(market, account, instrument.number, EndReason.REQUESTED)


def end_quote(market: Market, account: Account, instrument: int, reason: EndReason) -> None:
    """Quote and reservation end; also told when there was neither."""
    quote = account.quotes.get(instrument, StandingQuote(0))
    freed = Sides(quote.granted_bid, quote.granted_ask)
    for order_id in (quote.bid_id, quote.ask_id):
        order = market.orders.get(order_id)
        if order is not None:
            close_quoted(market, order_id, reason)
    account.quotes.pop(instrument, None)
    market.emit(
        ReservationReleased(
            status=reason,
            account=account.number,
            instrument=instrument,
            freed_bid=freed.bid,
            freed_ask=freed.ask,
            time_ns=market.time_ns,
        )
    )


def close_quoted(market: Market, order_id: int, reason: EndReason) -> None:
    order = market.orders[order_id]
    if reason == EndReason.TIME:
        close_order(market, order, CloseReason.TIME, OrderStatus.EXPIRED)
    else:
        close_order(market, order, CloseReason.REQUESTED)
