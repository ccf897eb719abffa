"""QUOTE: reservation and two-sided quote in one step. Rulebook section 17."""

from __future__ import annotations

from dataclasses import dataclass

from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderType,
    Quote,
    QuoteSet,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tradepit.testing.oracle import firms, funds, placing, safety
from tradepit.testing.oracle.firms import Sides
from tradepit.testing.oracle.market import Account, Instrument, Market, Order, Rejected
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.parties import StandingQuote


@dataclass(frozen=True)
class Half:
    """One side of a quote: what is to stand there, and what stood there."""

    side: Side
    price: int
    lots: int
    order_id: int
    """Of the order that the command makes, if it makes one."""
    old: Order | None

    @property
    def keeps(self) -> bool:
        old = self.old
        return old is not None and (old.price, old.leaves) == (self.price, self.lots)


def quote(market: Market, command: Quote) -> None:
    if not market.follows_reserved_id:
        raise Rejected(RejectReason.INVALID_COMBINATION)
    account = market.accounts[command.account]
    instrument, expires_at = check_quote(market, account, command)
    requested = Sides(command.bid_quantity, command.ask_quantity)
    granted = granted_of(market, account, instrument, requested)
    halves = halves_of(market, account, instrument, command, granted)
    for half in halves:
        check_position(market, account, instrument, half)
    for half in halves:
        check_funds(market, account, instrument, half)
    stand(market, account, instrument, halves, expires_at)
    if account.firm is not None:
        firms.show_reserved(market, command, requested, granted, expires_at)
    show_quote(market, command, halves, expires_at)
    for half in halves:
        if half.old is not None and not half.keeps:
            close_order(market, half.old, CloseReason.QUOTE)
    for half in halves:
        if half.lots and not half.keeps:
            placing.accept(market, order_of(account, instrument, half), half.price)


def check_quote(market: Market, account: Account, command: Quote) -> tuple[Instrument, int]:
    """All that is looked at before anything is granted; the instrument and the quote's end."""
    safety.check_account_state(account)
    safety.count_message(market, account)
    instrument = market.known_instrument(command.instrument)
    if command.definition_version != instrument.definition_version:
        raise Rejected(RejectReason.STALE_DEFINITION)
    if not instrument.is_continuous and not instrument.gathers:
        raise Rejected(RejectReason.NOT_TRADING)
    if account.firm is not None:
        firms.lot_units(instrument)
        firms.check_owner(account.firm, instrument.number, command.maker, command.epoch)
    check_sides(command)
    for price, lots in sides_given(command):
        check_side(account, instrument, price, lots)
    return instrument, firms.expiry(market, command.ttl_ns)


def sides_given(command: Quote) -> list[tuple[int, int]]:
    """Price and quantity of each side that has a quantity, bid first."""
    sides = [
        (command.bid_price, command.bid_quantity),
        (command.ask_price, command.ask_quantity),
    ]
    return [(price, lots) for price, lots in sides if lots]


def check_sides(command: Quote) -> None:
    given = sides_given(command)
    if not given or any(lots < 0 for _, lots in given):
        raise Rejected(RejectReason.INVALID_QUANTITY)
    if any(price <= 0 for price, _ in given):
        raise Rejected(RejectReason.INVALID_PRICE)
    if len(given) == 2 and command.bid_price >= command.ask_price:
        raise Rejected(RejectReason.INVALID_COMBINATION)


def check_side(account: Account, instrument: Instrument, price: int, lots: int) -> None:
    placing.check_quantity_bounds(instrument, lots)
    safety.check_quantity(account, instrument.number, lots)
    placing.check_value(instrument, price, lots)
    safety.check_value(account, instrument.number, price * lots * instrument.unit)
    placing.check_collar(instrument, price)


def granted_of(market: Market, account: Account, instrument: Instrument, requested: Sides) -> Sides:
    """What a firm may quote under position limit and budgets; others get what they asked."""
    firm = account.firm
    if firm is None:
        return requested
    wanted = requested
    if firm.position_limit:
        lot = firms.lot_units(instrument)
        net = account.position(instrument.number).net * lot
        wanted = Sides(
            bid=min(requested.bid, max(0, firm.position_limit - net) // lot),
            ask=min(requested.ask, max(0, firm.position_limit + net) // lot),
        )
    return firms.grant(market, account, instrument, wanted)


def halves_of(
    market: Market, account: Account, instrument: Instrument, command: Quote, granted: Sides
) -> tuple[Half, Half]:
    """Bid and ask; the bid's id is that of the RESERVE_ORDER_ID right before the command."""
    standing = account.quotes.get(instrument.number, StandingQuote(0))
    old_bid, old_ask = (market.orders.get(i) for i in (standing.bid_id, standing.ask_id))
    bid_id, ask_id = market.sequence - 1, market.sequence
    bid_price = command.bid_price if granted.bid else 0
    ask_price = command.ask_price if granted.ask else 0
    return (
        Half(Side.BUY, bid_price, granted.bid, bid_id, old_bid),
        Half(Side.SELL, ask_price, granted.ask, ask_id, old_ask),
    )


def check_position(market: Market, account: Account, instrument: Instrument, half: Half) -> None:
    """Check 4.16, the order that the side replaces not counted."""
    if half.lots:
        added = half.lots - (half.old.leaves if half.old else 0)
        placing.check_position(market, account.number, instrument.number, half.side, added)


def check_funds(market: Market, account: Account, instrument: Instrument, half: Half) -> None:
    """Whether what the side holds beyond the order that it replaces is there."""
    fees = (instrument.maker_fee_ppm, instrument.taker_fee_ppm)
    asset, needed = funds.hold(instrument, half.side, half.price, half.lots, *fees)
    if half.old is not None:
        needed -= funds.hold_of(market, half.old)[1]
    if half.lots and needed > 0:
        funds.require(market, account, asset, needed)


def stand(
    market: Market,
    account: Account,
    instrument: Instrument,
    halves: tuple[Half, Half],
    expires_at: int,
) -> None:
    """Record quote and reservation, before the orders that may at once use them up."""
    bid, ask = halves
    is_firm = account.firm is not None
    account.quotes[instrument.number] = StandingQuote(
        expires_at=expires_at,
        bid_id=standing_id(bid),
        ask_id=standing_id(ask),
        granted_bid=bid.lots if is_firm else 0,
        granted_ask=ask.lots if is_firm else 0,
    )


def standing_id(half: Half) -> int:
    if half.lots == 0:
        return 0
    return half.old.order_id if half.old is not None and half.keeps else half.order_id


def show_quote(market: Market, command: Quote, halves: tuple[Half, Half], expires_at: int) -> None:
    bid, ask = halves
    market.emit(
        QuoteSet(
            account=command.account,
            instrument=command.instrument,
            bid_price=bid.price,
            bid_quantity=bid.lots,
            ask_price=ask.price,
            ask_quantity=ask.lots,
            bid_order_id=standing_id(bid),
            ask_order_id=standing_id(ask),
            expires_at=expires_at,
            time_ns=market.time_ns,
            maker=command.maker,
        )
    )


def order_of(account: Account, instrument: Instrument, half: Half) -> Order:
    return Order(
        order_id=half.order_id,
        account=account.number,
        instrument=instrument.number,
        side=half.side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        self_trade_prevention=SelfTradePrevention.CANCEL_MAKER,
        options=int(Option.QUOTE),
        price=half.price,
        quantity=half.lots,
        leaves=half.lots,
        expires_at=0,
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
    )
