"""Sessions: bound, bound anew, ended, lapsed with their node. Rulebook section 16."""

from __future__ import annotations

from tradepit.domain.wire import (
    BindSession,
    CloseReason,
    EndReason,
    EndSession,
    RejectReason,
    SessionBound,
    SessionEnded,
)
from tradepit.testing.oracle.market import Market, Rejected
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.parties import Session

LEASE_NS = 5 * 10**9
SESSIONS_MAX = 256
NAME_CHARACTERS_MAX = 64


def visible_name(text: bytes | None) -> str:
    """A session's or maker's name; refused unless 1 to 64 visible ASCII characters."""
    name = text or b""
    visible = all(0x21 <= byte <= 0x7E for byte in name)
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not visible:
        raise Rejected(RejectReason.INVALID_NAME)
    return name.decode()


def bind_session(market: Market, command: BindSession, text: bytes | None) -> None:
    name = visible_name(text)
    if command.mode not in (0, 1):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    own = [s for s in market.sessions.values() if s.account == command.account]
    known = next((session for session in own if session.name == name), None)
    if known is None and len(own) >= SESSIONS_MAX:
        raise Rejected(RejectReason.TOO_MANY_SESSIONS)
    if known is None:
        market.last_session += 1
    number = known.number if known else market.last_session
    market.sessions[number] = Session(
        account=command.account,
        number=number,
        name=name,
        cancels=command.mode == 1,
        binding=market.sequence,
        holder=market.incarnation,
        seen_at=market.frame_time_ns,
    )
    bound = SessionBound(
        account=command.account, status=command.mode, session=number, binding=market.sequence
    )
    market.emit(bound, text)


def renew(market: Market) -> None:
    """A frame renews the sessions that its writer holds."""
    for session in market.sessions.values():
        if session.holder == market.incarnation:
            session.seen_at = market.frame_time_ns


def check_session(market: Market, account: int, number: int) -> None:
    """An order may come with no session (0) or with a live one of its account."""
    session = market.sessions.get(number)
    if number and (session is None or session.account != account):
        raise Rejected(RejectReason.UNKNOWN_SESSION)


def end_session(market: Market, command: EndSession) -> None:
    session = market.sessions.get(command.session)
    if session is None or (session.account, session.binding) != (command.account, command.binding):
        raise Rejected(RejectReason.UNKNOWN_SESSION)
    end(market, session, EndReason.REQUESTED)


def end(market: Market, session: Session, reason: EndReason) -> None:
    """Cancel the session's orders if it says so, and forget it."""
    orders = [o for o in market.live_of(session.account) if o.session == session.number]
    orders = orders if session.cancels else []
    for order in orders:
        close_order(market, order, CloseReason.DISCONNECT)
    del market.sessions[session.number]
    market.emit(
        SessionEnded(
            account=session.account, status=reason, session=session.number, count=len(orders)
        )
    )
