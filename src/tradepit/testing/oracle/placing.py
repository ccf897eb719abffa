"""PLACE_ORDER: the checks in their order, then matching. Rulebook section 4."""

from __future__ import annotations

from tradepit.domain.wire import (
    AccountState,
    Option,
    OrderAccepted,
    OrderType,
    Phase,
    PlaceOrder,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tradepit.testing.oracle.funds import check_funds
from tradepit.testing.oracle.market import (
    BALANCE_MAX,
    Account,
    Instrument,
    Market,
    Order,
    Rejected,
    opposite,
)
from tradepit.testing.oracle.matching import reaches, take
from tradepit.testing.oracle.order_events import order_header
from tradepit.testing.oracle.positions import clip_to_position

DAY_NS = 86_400 * 10**9
RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
POST_ONLY = Option.POST_ONLY | Option.POST_ONLY_REPRICE
PLACE_OPTIONS = int(POST_ONLY | Option.REDUCE_ONLY | Option.PRICE)


def place_order(
    market: Market,
    command: PlaceOrder,
    text: bytes | None,
    key: tuple[int, int, int] | None,
) -> None:
    account = market.accounts[command.account]
    check_account_state(account)
    instrument = market.known_instrument(command.instrument)
    if command.definition_version != instrument.definition_version:
        raise Rejected(RejectReason.STALE_DEFINITION)
    if instrument.phase != Phase.CONTINUOUS:
        raise Rejected(RejectReason.NOT_TRADING)
    if not options_go_together(command):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    is_limit = command.order_type == OrderType.LIMIT
    if command.quantity <= 0:
        raise Rejected(RejectReason.INVALID_QUANTITY)
    if (is_limit or command.options & Option.PRICE) and command.price <= 0:
        raise Rejected(RejectReason.INVALID_PRICE)
    check_quantity_bounds(instrument, command.quantity)
    check_value(instrument, command.price if is_limit else None, command.quantity)
    expires_at = expiry(market, command)
    if is_limit:
        check_collar(instrument, command.price)
    limit = command.price if is_limit else market_limit(instrument, command)
    order = Order(
        order_id=market.sequence,
        account=command.account,
        instrument=command.instrument,
        side=Side(command.side),
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        self_trade_prevention=command.self_trade_prevention,
        options=command.options,
        price=command.price,
        quantity=command.quantity,
        leaves=command.quantity,
        expires_at=expires_at,
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
        label=command.label,
        key=key,
        client_order_id=text,
    )
    check_open_orders(market, account, command.time_in_force)
    if command.options & Option.REDUCE_ONLY:
        order.leaves = order.quantity = clip_to_position(market, order, order.leaves)
    else:
        check_position_limit(market, order, order.leaves)
    if command.options & POST_ONLY:
        order.price = limit = post_only_price(market, order, command.price, order.leaves)
    check_funds(market, order, limit, is_market=not is_limit)
    accept(market, order, limit, text, command.session)


def accept(
    market: Market, order: Order, limit: int | None, text: bytes | None, session: int
) -> None:
    """Emit ORDER_ACCEPTED as things stand after matching, followed by what happened."""
    index = len(market.events)
    quantity = order.quantity
    outcome = take(market, order, limit)
    accepted = OrderAccepted(
        **order_header(order, outcome.status),
        order_id=order.order_id,
        price=order.price,
        quantity=quantity,
        leaves=outcome.leaves,
        expires_at=order.expires_at,
        time_ns=market.time_ns,
        trade_count=outcome.trade_count,
        session=session,
    )
    market.events.insert(index, market.event(accepted, text))


def check_account_state(account: Account) -> None:
    if account.state == AccountState.SUSPENDED:
        raise Rejected(RejectReason.ACCOUNT_SUSPENDED)
    if account.state == AccountState.KILLED:
        raise Rejected(RejectReason.ACCOUNT_KILLED)


def options_go_together(command: PlaceOrder) -> bool:
    """Check 7."""
    if command.side not in (Side.BUY, Side.SELL):
        return False
    if command.order_type == OrderType.LIMIT:
        if command.time_in_force not in RESTING + IMMEDIATE:
            return False
    elif command.order_type == OrderType.MARKET:
        if command.time_in_force not in IMMEDIATE:
            return False
        if command.price != 0 and not command.options & Option.PRICE:
            return False
    else:
        return False
    post_only = command.options & POST_ONLY
    if post_only == POST_ONLY:
        return False
    may_rest = command.order_type == OrderType.LIMIT and command.time_in_force in RESTING
    if post_only and not may_rest:
        return False
    if command.self_trade_prevention > SelfTradePrevention.DECREMENT:
        return False
    if command.display_quantity != 0 or command.stop_price != 0:
        return False
    return not command.options & ~PLACE_OPTIONS


def check_quantity_bounds(instrument: Instrument, quantity: int) -> None:
    """Check 10."""
    check_quantity_min(instrument, quantity)
    if quantity > instrument.quantity_max:
        raise Rejected(
            RejectReason.MAX_QUANTITY, required=quantity, available=instrument.quantity_max
        )


def check_quantity_min(instrument: Instrument, quantity: int) -> None:
    if quantity < instrument.quantity_min:
        raise Rejected(
            RejectReason.MIN_QUANTITY, required=quantity, available=instrument.quantity_min
        )


def check_value(instrument: Instrument, price: int | None, quantity: int) -> None:
    """Check 11; `price` None for a market order."""
    if price is not None:
        value = price * quantity * instrument.unit
        if instrument.value_max and value > instrument.value_max:
            raise Rejected(RejectReason.MAX_VALUE)
        if value * 2 > 2**63 - 1:
            raise Rejected(RejectReason.MAX_VALUE)
    if quantity * instrument.lot > BALANCE_MAX:
        raise Rejected(RejectReason.MAX_VALUE)


def expiry(market: Market, command: PlaceOrder) -> int:
    """Check 12; when the order will expire, 0 = never."""
    if command.time_in_force == TimeInForce.GTD:
        if command.expires_at <= market.time_ns:
            raise Rejected(RejectReason.INVALID_EXPIRY)
        return command.expires_at
    if command.expires_at != 0:
        raise Rejected(RejectReason.INVALID_EXPIRY)
    if command.time_in_force == TimeInForce.DAY:
        return (market.time_ns // DAY_NS + 1) * DAY_NS
    return 0


def collar(instrument: Instrument) -> tuple[int, int] | None:
    """Reference and largest distance from it, or None without a collar."""
    reference = instrument.last_price or instrument.reference_price
    if instrument.collar_ppm == 0 or reference == 0:
        return None
    return reference, reference * instrument.collar_ppm // 1_000_000


def check_collar(instrument: Instrument, price: int) -> None:
    """Check 13 of a limit price."""
    bounds = collar(instrument)
    if bounds is None:
        return
    reference, distance = bounds
    if abs(price - reference) * 1_000_000 > instrument.collar_ppm * reference:
        nearest = reference + distance if price > reference else reference - distance
        raise Rejected(RejectReason.PRICE_COLLAR, required=price, available=nearest)


def market_limit(instrument: Instrument, command: PlaceOrder) -> int | None:
    """Check 13 for a market order: protection price tightened to the collar."""
    limits = [command.price] if command.options & Option.PRICE else []
    bounds = collar(instrument)
    if bounds is not None:
        reference, distance = bounds
        if command.side == Side.BUY:
            limits.append(reference + distance)
        else:
            limits.append(max(1, reference - distance))
    if not limits:
        return None
    return min(limits) if command.side == Side.BUY else max(limits)


def check_open_orders(market: Market, account: Account, time_in_force: int) -> None:
    """Check 14."""
    limit = account.open_orders_max
    if time_in_force in RESTING and limit and len(market.resting_of(account.number)) >= limit:
        raise Rejected(RejectReason.OPEN_ORDERS_LIMIT)


def check_position_limit(market: Market, order: Order, leaves: int) -> None:
    """Check 16; an order that rests already is not counted twice."""
    position = market.accounts[order.account].position(order.instrument)
    if position.limit == 0:
        return
    open_leaves = market.open_leaves(order.account, order.instrument, order.side)
    if order.order_id in market.orders:
        open_leaves -= order.leaves
    net = position.net if order.side == Side.BUY else -position.net
    if net + open_leaves + leaves > position.limit:
        raise Rejected(RejectReason.POSITION_LIMIT)


def post_only_price(market: Market, order: Order, price: int, leaves: int) -> int:
    """Check 17: the price at which a post-only order may rest; check 11 again if it moved."""
    makers = market.resting(order.instrument, opposite(order.side))
    if not makers or not reaches(order.side, price, makers[0].price):
        return price
    best = makers[0].price
    if order.options & Option.POST_ONLY_REPRICE:
        repriced = best - 1 if order.side == Side.BUY else best + 1
        if repriced > 0:
            check_value(market.instruments[order.instrument], repriced, leaves)
            return repriced
    raise Rejected(RejectReason.POST_ONLY_WOULD_TAKE, required=price, available=best)
