"""PLACE_ORDER: the checks in their order, then matching or waiting. Rulebook sections 4 and 12."""

from __future__ import annotations

from dataclasses import replace

from tradepit.domain.wire import (
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
from tradepit.testing.oracle import safety, stops
from tradepit.testing.oracle.funds import check_funds, hold_of, require
from tradepit.testing.oracle.market import (
    BALANCE_MAX,
    STOP,
    Account,
    Instrument,
    Market,
    Order,
    Rejected,
    opposite,
)
from tradepit.testing.oracle.matching import RESTING, Outcome, reaches, take
from tradepit.testing.oracle.order_events import order_header
from tradepit.testing.oracle.phases import end_part
from tradepit.testing.oracle.positions import clip_to_position
from tradepit.testing.oracle.sessions import check_session

DAY_NS = 86_400 * 10**9
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
POST_ONLY = Option.POST_ONLY | Option.POST_ONLY_REPRICE
PLACE_OPTIONS = int(POST_ONLY | Option.REDUCE_ONLY | Option.PRICE)
PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT)
SLICES_MAX = 1_000


def place_order(
    market: Market,
    command: PlaceOrder,
    text: bytes | None,
    key: tuple[int, int, int] | None,
) -> None:
    account = market.accounts[command.account]
    check_account(market, account, command)
    instrument = market.known_instrument(command.instrument)
    if command.definition_version != instrument.definition_version:
        raise Rejected(RejectReason.STALE_DEFINITION)
    if not takes_in(instrument, command):
        raise Rejected(RejectReason.NOT_TRADING)
    if not options_go_together(market, command):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    if command.quantity <= 0:
        raise Rejected(RejectReason.INVALID_QUANTITY)
    order = new_order(market, instrument, command, text, key)
    check_price(instrument, command, order)
    check_quantity_bounds(instrument, command.quantity)
    check_display(instrument, command)
    safety.check_quantity(account, instrument.number, command.quantity)
    is_market = command.order_type == OrderType.MARKET
    check_value(instrument, None if is_market else order.price, command.quantity)
    check_own_value(account, instrument, command, order.price)
    order.expires_at = expiry(market, command)
    if command.order_type == OrderType.LIMIT:
        check_collar(instrument, command.price)
    elif command.order_type == OrderType.STOP_LIMIT:
        check_stop_collar(instrument, order.price, order.stop_price)
    check_open_orders(market, account, command.time_in_force)
    if order.is_trailing:
        stops.check_room(market, instrument)
    if order.order_type in stops.TYPES:
        accept_stop(market, account, command, order)
    else:
        accept_taker(market, account, instrument, command, order)


def accept_stop(market: Market, account: Account, command: PlaceOrder, order: Order) -> None:
    """The last checks of a stop order, which then waits."""
    if not order.options & Option.REDUCE_ONLY:
        check_position_limit(market, order, order.leaves)
    check_funds(market, order, order.price, is_market=False)
    safety.count_repeat(market, account, command)
    order.options |= STOP
    market.orders[order.order_id] = order
    show_accepted(market, len(market.events), order, Outcome(order.open_status, order.leaves))
    stops.join_if_reached(market, order)


def accept_taker(
    market: Market, account: Account, instrument: Instrument, command: PlaceOrder, order: Order
) -> None:
    """The last checks of an order that goes to the book."""
    is_market = order.order_type == OrderType.MARKET
    limit = market_limit(instrument, command) if is_market else order.price
    if order.options & Option.REDUCE_ONLY:
        order.leaves = order.quantity = clip_to_position(market, order, order.leaves)
    else:
        check_position_limit(market, order, order.leaves)
    if order.options & POST_ONLY:
        order.price = limit = post_only_price(market, order, command.price, order.leaves)
    check_funds(market, order, limit, is_market=is_market)
    safety.count_repeat(market, account, command)
    accept(market, order, limit)


def new_order(
    market: Market,
    instrument: Instrument,
    command: PlaceOrder,
    text: bytes | None,
    key: tuple[int, int, int] | None,
) -> Order:
    """The order as given; price and stop of a stop order are still to be found."""
    is_stop = command.order_type in stops.TYPES
    return Order(
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
        expires_at=0,
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
        label=command.label,
        key=key,
        client_order_id=text,
        session=command.session,
        display=command.display_quantity,
        stop_price=command.stop_price if is_stop else 0,
    )


def accept(market: Market, order: Order, limit: int | None) -> None:
    """Emit ORDER_ACCEPTED as things stand after matching, followed by what happened."""
    index = len(market.events)
    as_accepted = replace(order)
    outcome = take(market, order, limit)
    show_accepted(market, index, as_accepted, outcome)
    end_part(market, market.instruments[order.instrument], outcome)


def show_accepted(market: Market, index: int, order: Order, outcome: Outcome) -> None:
    """ORDER_ACCEPTED, put where the order's events begin."""
    accepted = OrderAccepted(
        **order_header(order, outcome.status),
        order_id=order.order_id,
        price=order.price,
        quantity=order.quantity,
        leaves=outcome.leaves,
        display_quantity=order.distance or order.display,
        stop_price=order.stop_price,
        expires_at=order.expires_at,
        time_ns=market.time_ns,
        trade_count=outcome.trade_count,
        session=order.session,
    )
    market.events.insert(index, market.event(accepted, order.client_order_id))


def check_account(market: Market, account: Account, command: PlaceOrder) -> None:
    """Check 3: state, session, message rate."""
    safety.check_account_state(account)
    if market.version >= 2:
        check_session(market, account.number, command.session)
    safety.count_message(market, account)


def takes_in(instrument: Instrument, command: PlaceOrder) -> bool:
    """Check 6."""
    if not instrument.gathers:
        return instrument.phase == Phase.CONTINUOUS
    rests = command.order_type in (OrderType.LIMIT, *stops.TYPES)
    return rests and command.time_in_force in RESTING and not command.options & POST_ONLY


def options_go_together(market: Market, command: PlaceOrder) -> bool:
    """Check 7."""
    may_rest = command.time_in_force in RESTING
    post_only = command.options & POST_ONLY
    known = (
        command.side in (Side.BUY, Side.SELL)
        and command.self_trade_prevention <= SelfTradePrevention.DECREMENT
        and not command.options & ~PLACE_OPTIONS
        and post_only != POST_ONLY
    )
    if not known or (post_only and not (command.order_type == OrderType.LIMIT and may_rest)):
        return False
    priced = command.options & Option.PRICE or command.price == 0
    if command.order_type == OrderType.LIMIT:
        shows = command.display_quantity == 0 or (
            market.version >= 2 and may_rest and command.display_quantity > 0
        )
        return (may_rest or command.time_in_force in IMMEDIATE) and shows and not command.stop_price
    if command.display_quantity != 0:
        return False
    if command.order_type == OrderType.MARKET:
        return command.time_in_force in IMMEDIATE and bool(priced) and not command.stop_price
    if market.version < 2 or command.order_type not in stops.TYPES:
        return False
    return may_rest and (command.order_type == OrderType.STOP_LIMIT or bool(priced))


def check_price(instrument: Instrument, command: PlaceOrder, order: Order) -> None:
    """Check 9; also finds stop and worst price of a stop order."""
    if (command.order_type in PRICED or command.options & Option.PRICE) and command.price <= 0:
        raise Rejected(RejectReason.INVALID_PRICE)
    if command.order_type in stops.TYPES:
        stops.find_prices(instrument, order)


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


def check_display(instrument: Instrument, command: PlaceOrder) -> None:
    display = command.display_quantity
    if display and not instrument.quantity_min <= display <= command.quantity:
        raise Rejected(RejectReason.DISPLAY_QUANTITY)
    check_slices(display, command.quantity)


def check_slices(display: int, quantity: int) -> None:
    if display and quantity > SLICES_MAX * display:
        raise Rejected(RejectReason.DISPLAY_QUANTITY)


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


def check_own_value(
    account: Account, instrument: Instrument, command: PlaceOrder, price: int
) -> None:
    """Check 11: the account's bound; a market order without a price is valued at the reference."""
    if command.order_type == OrderType.MARKET and not command.options & Option.PRICE:
        price = instrument.last_price or instrument.reference_price
    safety.check_value(account, instrument.number, price * command.quantity * instrument.unit)


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


def check_collar(instrument: Instrument, price: int) -> None:
    """Check 13 of a limit price."""
    bounds = stops.collar(instrument)
    if bounds is None:
        return
    reference, _ = bounds
    check_distance(instrument, price, reference)


def check_distance(instrument: Instrument, price: int, reference: int) -> None:
    if abs(price - reference) * 1_000_000 > instrument.collar_ppm * reference:
        distance = reference * instrument.collar_ppm // 1_000_000
        nearest = reference + distance if price > reference else reference - distance
        raise Rejected(RejectReason.PRICE_COLLAR, required=price, available=nearest)


def check_stop_collar(instrument: Instrument, price: int, stop_price: int) -> None:
    """Check 13 of STOP_LIMIT: its price may not be far from its stop."""
    if instrument.collar_ppm:
        check_distance(instrument, price, stop_price)


def market_limit(instrument: Instrument, command: PlaceOrder) -> int | None:
    """Check 13 for a market order: protection price tightened to the collar."""
    price = command.price if command.options & Option.PRICE else None
    return stops.tightened(instrument, Side(command.side), price)


def check_open_orders(market: Market, account: Account, time_in_force: int) -> None:
    """Check 14."""
    limit = account.open_orders_max
    if time_in_force in RESTING and limit and len(market.live_of(account.number)) >= limit:
        raise Rejected(RejectReason.OPEN_ORDERS_LIMIT)


def check_position_limit(market: Market, order: Order, leaves: int) -> None:
    """Check 16; an order that is live already is not counted twice."""
    live = market.orders.get(order.order_id)
    replaced = live.leaves if live is not None else 0
    check_position(market, order.account, order.instrument, order.side, leaves - replaced)


def check_position(market: Market, account: int, instrument: int, side: Side, added: int) -> None:
    """Whether the position limit has room for that much more of open leaves."""
    position = market.accounts[account].position(instrument)
    if position.limit == 0:
        return
    net = position.net if side == Side.BUY else -position.net
    if net + market.open_leaves(account, instrument, side) + added > position.limit:
        raise Rejected(RejectReason.POSITION_LIMIT)


def check_more_funds(market: Market, order: Order, changed: Order) -> None:
    """Whether what a replaced order holds beyond its old hold is there."""
    asset, new_hold = hold_of(market, changed)
    _, old_hold = hold_of(market, order)
    if new_hold > old_hold:
        require(market, market.accounts[order.account], asset, new_hold - old_hold)


def post_only_price(market: Market, order: Order, price: int, leaves: int) -> int:
    """Check 17: the price at which a post-only order may rest; check 11 again if it moved."""
    makers = market.resting(order.instrument, opposite(order.side))
    if not makers or not reaches(order.side, price, makers[0].price):
        return price
    best = makers[0].price
    if order.options & Option.POST_ONLY_REPRICE:
        repriced = best - 1 if order.side == Side.BUY else best + 1
        if repriced > 0:
            instrument = market.instruments[order.instrument]
            check_value(instrument, repriced, leaves)
            account = market.accounts[order.account]
            value = repriced * leaves * instrument.unit
            safety.check_value(account, instrument.number, value)
            return repriced
    raise Rejected(RejectReason.POST_ONLY_WOULD_TAKE, required=price, available=best)
