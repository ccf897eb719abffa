"""Sessions: who has which, and that their end touches only orders that came with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tradepit.domain.wire import CloseReason
from tradepit.testing.auditor.facts import AuditedOrder
from tradepit.testing.auditor.floor import Floor


@dataclass
class Session:
    account: int
    cancels: bool
    binding: int


class SessionAudit:
    """Follows SESSION_BOUND and SESSION_ENDED."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.sessions: dict[int, Session] = {}
        self.disconnected: list[AuditedOrder] = []

    def bound(self, event: Any) -> None:
        floor, known = self.floor, self.sessions.get(event.session)
        floor.require(known is None or known.account == event.account, "session of another account")
        floor.require(event.binding == floor.sequence, "binding of a session")
        self.sessions[event.session] = Session(event.account, event.status == 1, event.binding)

    def check_order(self, event: Any) -> None:
        """ORDER_ACCEPTED names no session or a live one of its account."""
        if event.session and self.floor.rules_version >= 2:
            session = self.sessions.get(event.session)
            known = session is not None and session.account == event.account
            self.floor.require(known, f"order of session {event.session}")

    def cancelled(self, order: AuditedOrder, reason: int) -> None:
        if reason == CloseReason.DISCONNECT:
            self.disconnected.append(order)

    def ended(self, event: Any) -> None:
        floor, session = self.floor, self.sessions.pop(event.session, None)
        floor.require(session is not None and session.account == event.account, "unknown session")
        theirs = all(
            (order.session, order.account) == (event.session, event.account)
            for order in self.disconnected
        )
        floor.require(theirs, "a session's end cancelled an order that did not come with it")
        floor.require(len(self.disconnected) == event.count, "count of a session's orders")
        left = [o.order_id for o in floor.orders.values() if o.session == event.session]
        spared = session is not None and not session.cancels
        floor.require(spared or not left, f"orders {left} outlive their session")
        floor.require(not (spared and event.count), "cancelled by a session that does not cancel")
        for order_id in left:
            floor.orders[order_id].session = 0
        self.disconnected.clear()

    def end_command(self) -> None:
        self.floor.require(not self.disconnected, "cancelled by the end of no session")
