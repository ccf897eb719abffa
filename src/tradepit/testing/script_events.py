"""How events are told in the notation of `script`: one line each."""

from __future__ import annotations

from typing import Any

from tradepit.domain.wire import (
    AccountState,
    CloseReason,
    EndReason,
    EventKind,
    Option,
    OrderStatus,
    Phase,
    PhaseReason,
    RejectReason,
    ReservationStatus,
    TradeKind,
)


def tell_event(event: Any, names: dict[int, str]) -> str:
    """One event as a line of the notation; `names` tells orders by their id."""
    name = names.get(getattr(event, "order_id", 0), "-")
    for teller in (tell_answer, tell_order, tell_trading, tell_firm, tell_account):
        line = teller(event, name, names)
        if line is not None:
            return line
    return EventKind(event.kind).name.lower()


def tell_answer(event: Any, name: str, names: dict[int, str]) -> str | None:
    """What a command got for an answer."""
    match event.kind:
        case EventKind.COMMAND_REJECTED:
            amounts = f" {event.required} > {event.available}" if event.required else ""
            return f"rejected {RejectReason(event.reason).name}{amounts}"
        case EventKind.COMMAND_REPEATED:
            reason = f" {RejectReason(event.reason).name}" if event.reason else ""
            return f"repeated {names.get(event.original_sequence, '-')}{reason}"
        case EventKind.MASS_CANCELLED:
            return f"mass-cancelled {event.count}"
        case EventKind.KEY_TOMBSTONED:
            return f"tombstone {event.target_low}"
    return None


def status_of(event: Any) -> str:
    return OrderStatus(event.status).name.lower()


def tell_order(event: Any, name: str, names: dict[int, str]) -> str | None:
    """What an order became."""
    match event.kind:
        case EventKind.ORDER_ACCEPTED:
            stop = f", stop {event.stop_price}" if event.stop_price else ""
            shows = f", shows {event.display_quantity}" if event.display_quantity else ""
            return (
                f"accepted {name} {event.quantity} @ {event.price}: {status_of(event)}, "
                f"leaves {event.leaves}, trades {event.trade_count}{stop}{shows}"
            )
        case EventKind.ORDER_REPLACED:
            kept = "kept" if event.options & Option.KEPT_PRIORITY else "lost"
            stop = f", stop {event.stop_price}" if event.stop_price else ""
            return (
                f"replaced {name} {event.previous_leaves} @ {event.previous_price} by "
                f"{event.quantity} @ {event.price}, place {kept}: {status_of(event)}, "
                f"leaves {event.leaves}, trades {event.trade_count}{stop}"
            )
        case EventKind.ORDER_TRIGGERED:
            return (
                f"triggered {name} {event.quantity} @ {event.price} by {event.trigger_price}: "
                f"{status_of(event)}, leaves {event.leaves} of {event.previous_leaves}, "
                f"trades {event.trade_count}, stop {event.stop_price}"
            )
        case EventKind.ORDER_CANCELLED:
            word = "expired" if event.status == OrderStatus.EXPIRED else "cancelled"
            reason = CloseReason(event.reason).name
            shown = f", showed {event.visible}" if event.visible else ""
            return f"{word} {name} {reason} {event.cancelled_quantity} of {event.quantity}{shown}"
        case EventKind.ORDER_REDUCED:
            reason = CloseReason(event.reason).name
            shown = f", shows {event.visible} of {event.visible_before}" * bool(event.visible)
            return f"reduced {name} {reason} by {event.reduced_by}, leaves {event.leaves}{shown}"
    return None


def tell_trading(event: Any, name: str, names: dict[int, str]) -> str | None:
    """Trades, phases and auctions."""
    match event.kind:
        case EventKind.TRADE:
            maker, taker = names[event.maker_order_id], names[event.taker_order_id]
            fees = ""
            if event.maker_fee or event.taker_fee:
                fees = f", fees {event.maker_fee} {event.taker_fee}"
            auction = ", in an auction" if event.status == TradeKind.AUCTION else ""
            return (
                f"trade {event.quantity} @ {event.price} {maker} > {taker}, "
                f"maker leaves {event.maker_leaves}{fees}{auction}"
            )
        case EventKind.ORDER_FILLED:
            place = "kept" if event.options & Option.KEPT_PRIORITY else "lost"
            return (
                f"filled {name}: {status_of(event)}, leaves {event.leaves}, "
                f"shows {event.visible} of {event.visible_before}, place {place}"
            )
        case EventKind.PHASE_CHANGED:
            until = ", reopens" if event.until else ""
            reason = PhaseReason(event.reason).name.lower()
            return f"phase {Phase(event.status).name.lower()} by {reason}{until}"
        case EventKind.AUCTION_INDICATIVE:
            return f"indicative {event.volume} @ {event.price}, surplus {event.surplus}"
        case EventKind.AUCTION_UNCROSSED:
            return (
                f"uncrossed {event.volume} @ {event.price}, surplus {event.surplus}, "
                f"trades {event.trade_count}"
            )
    return None


def tell_firm(event: Any, name: str, names: dict[int, str]) -> str | None:
    """Reservations, quotes, makers."""
    match event.kind:
        case EventKind.RESERVED:
            status = ReservationStatus(event.status).name.lower()
            asked = f"{event.requested_bid} {event.requested_ask}"
            return f"reserved {event.granted_bid} {event.granted_ask} of {asked}: {status}"
        case EventKind.QUOTE_SET:
            bid, ask = (names.get(i, "-") for i in (event.bid_order_id, event.ask_order_id))
            return (
                f"quoted {bid} {event.bid_quantity} @ {event.bid_price}, "
                f"{ask} {event.ask_quantity} @ {event.ask_price}"
            )
        case EventKind.RESERVATION_RELEASED:
            reason = EndReason(event.status).name
            return f"released {event.freed_bid} {event.freed_ask} {reason}"
        case EventKind.MAKER_JOINED:
            return f"maker {event.maker} joined, epoch {event.epoch}"
        case EventKind.MAKER_LEFT:
            return f"maker {event.maker} left {EndReason(event.status).name}"
        case EventKind.SYMBOL_ASSIGNED:
            return f"assigned {event.instrument} to {event.maker}, not {event.previous_maker}"
        case EventKind.FIRM_SYMBOL_CHANGED:
            return (
                f"makes {event.instrument}" if event.status == 1 else f"leaves {event.instrument}"
            )
    return None


def tell_account(event: Any, name: str, names: dict[int, str]) -> str | None:
    """Money, states and sessions of an account."""
    match event.kind:
        case EventKind.FUNDS_MOVED:
            return f"moved {event.amount}, balance {event.balance}"
        case EventKind.ACCOUNT_STATE_CHANGED if event.status == AccountState.CANCEL_ONLY:
            return f"account {event.account} cancel_only"
        case EventKind.SESSION_BOUND:
            return f"session {event.session} bound"
        case EventKind.SESSION_ENDED:
            return f"session {event.session} ended {EndReason(event.status).name}, {event.count}"
    return None
