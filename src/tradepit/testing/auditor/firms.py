"""Budgets, reservations, quotes, and who owns which instrument."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tradepit.domain.wire import CloseReason, CommandKind, ReservationStatus, Side
from tradepit.testing.auditor.facts import AuditedOrder
from tradepit.testing.auditor.floor import Floor

Sides = tuple[int, int]
ENDS_QUOTE = (CloseReason.REQUESTED, CloseReason.TIME)
GRANTED_ANEW = (CloseReason.QUOTE, CloseReason.EXPOSURE)


@dataclass
class Firm:
    budgets: Sides
    reservations: dict[int, list[int]] = field(default_factory=dict)
    """Lots granted for bid and ask, by instrument."""
    makers: set[int] = field(default_factory=set)
    owners: dict[int, int] = field(default_factory=dict)


class FirmAudit:
    """No firm holds more than its budget, nothing is quoted that was not granted."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.firms: dict[int, Firm] = {}
        self.cancelled: dict[tuple[int, int, int], int] = defaultdict(int)
        """Lots of orders that an ending quote took along: account, instrument, side."""
        self.touched: set[int] = set()
        self.unreserved: set[int] = set()
        """Orders of accounts that only became firms afterwards."""
        floor.lowered.append(self.lower)

    def start_command(self) -> None:
        self.cancelled.clear()
        self.touched.clear()

    def changed(self, event: Any) -> None:
        budgets = (event.budget_bid, event.budget_ask)
        if event.account not in self.firms:
            orders = self.floor.orders.values()
            self.unreserved |= {o.order_id for o in orders if o.account == event.account}
        self.firms.setdefault(event.account, Firm(budgets)).budgets = budgets

    def reserved(self, event: Any) -> None:
        """RESERVED: what is granted fits into the budget beside all other reservations."""
        floor, firm = self.floor, self.firms[event.account]
        granted = [event.granted_bid, event.granted_ask]
        requested = [event.requested_bid, event.requested_ask]
        units = floor.instrument(event.instrument).lot_units
        firm.reservations.pop(event.instrument, None)
        for side, lots in enumerate(granted):
            others = sum(
                held[side] * floor.instrument(number).lot_units
                for number, held in firm.reservations.items()
            )
            available = max(0, firm.budgets[side] - others)
            most = min(requested[side], int(available / units))
            exact = floor.command.kind == CommandKind.RESERVE
            fits = lots == most if exact else 0 <= lots <= most
            floor.require(fits, f"granted {lots} lots of {requested[side]}, there were {most}")
        floor.require(event.status == status_of(requested, granted), "status of a reservation")
        firm.reservations[event.instrument] = granted

    def lower(self, order: AuditedOrder, lots: int, reason: int) -> None:
        """Leaves fell; so does what a firm reserved for them."""
        firm = self.firms.get(order.account)
        if firm is None or not order.is_quoted or reason in GRANTED_ANEW:
            return
        reservation = firm.reservations.get(order.instrument)
        if reservation is None:
            return
        side = 0 if order.side == Side.BUY else 1
        fallen = min(lots, reservation[side])
        reservation[side] -= fallen
        if reason in ENDS_QUOTE:
            self.cancelled[order.account, order.instrument, side] += fallen

    def released(self, event: Any) -> None:
        """RESERVATION_RELEASED: freed is what was held before the quote's orders left."""
        firm = self.firms.get(event.account)
        held = firm.reservations.pop(event.instrument, [0, 0]) if firm else [0, 0]
        for side, freed in enumerate((event.freed_bid, event.freed_ask)):
            key = (event.account, event.instrument, side)
            before = held[side] + self.cancelled.pop(key, 0)
            self.floor.require(freed == before, f"freed {freed} lots, {before} were held")
        left = [
            order.order_id
            for order in self.floor.orders.values()
            if order.is_quoted
            and (order.account, order.instrument) == (event.account, event.instrument)
        ]
        self.floor.require(not left, f"orders {left} outlive their quote")

    def quoted(self, event: Any) -> None:
        """QUOTE_SET of an instrument that the firm makes: by the maker that owns it."""
        firm = self.firms.get(event.account)
        if firm is not None and event.instrument in firm.owners:
            owner = firm.owners[event.instrument]
            owned = event.maker == owner and owner in firm.makers
            self.floor.require(owned, f"quoted by maker {event.maker}, owned by {owner}")

    def joined(self, event: Any) -> None:
        self.firms[event.account].makers.add(event.maker)
        self.touched.add(event.account)

    def left(self, event: Any) -> None:
        firm = self.firms[event.account]
        self.floor.require(event.maker in firm.makers, "a maker left that was not live")
        firm.makers.remove(event.maker)
        self.touched.add(event.account)

    def symbol_changed(self, event: Any) -> None:
        firm = self.firms[event.account]
        if event.status == 1:
            firm.owners[event.instrument] = 0
        else:
            del firm.owners[event.instrument]
        self.touched.add(event.account)

    def assigned(self, event: Any) -> None:
        firm = self.firms[event.account]
        owner = firm.owners[event.instrument]
        self.floor.require(event.previous_maker == owner != event.maker, "owner before")
        firm.owners[event.instrument] = event.maker
        self.touched.add(event.account)

    def check(self) -> None:
        """After a command: owners of the firms that it touched, and all that firms quote."""
        for number in self.touched:
            self.check_owners(self.firms[number])
        for order in self.floor.orders.values():
            firm = self.firms.get(order.account)
            if firm is not None and order.is_quoted:
                self.check_exposure(firm, order)

    def check_owners(self, firm: Firm) -> None:
        """Each instrument has one live owner, and the makers' counts differ by at most one."""
        owners = set(firm.owners.values())
        if not firm.makers:
            self.floor.require(owners <= {0}, f"owners {owners}, no maker is live")
        elif firm.owners:
            self.floor.require(owners <= firm.makers, f"owners {owners}, live {firm.makers}")
            counts = [list(firm.owners.values()).count(maker) for maker in firm.makers]
            self.floor.require(max(counts) - min(counts) <= 1, f"shares of {counts}")

    def check_exposure(self, firm: Firm, order: AuditedOrder) -> None:
        reservation = firm.reservations.get(order.instrument)
        if reservation is None:
            known = order.order_id in self.unreserved
            self.floor.require(known, f"order {order.order_id} quotes without a reservation")
        else:
            granted = reservation[0 if order.side == Side.BUY else 1]
            fits = order.leaves <= granted
            self.floor.require(fits, f"{order.leaves} lots quoted, {granted} granted")


def status_of(requested: list[int], granted: list[int]) -> ReservationStatus:
    if requested == granted:
        return ReservationStatus.GRANTED
    if all(requested) and not any(granted):
        return ReservationStatus.DENIED
    return ReservationStatus.PARTIAL
