"""Drafts that change or end orders: cancel, replace, mass cancel."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from tradepit.domain import commands
from tradepit.domain.commands import NO_KEY, OPENED_HERE, Key, key_of
from tradepit.domain.wire import (
    ORDER_CANCELLED_DTYPE,
    CloseReason,
    EventKind,
    OrderStatus,
    OrderType,
    RejectReason,
)
from tradepit.gateway.drafts import Draft, Market, offset_of
from tradepit.gateway.fields import SIDES, choose, order_number, time_field, visible
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import Problem, problem_of, refused
from tradepit.gateway.rejects import Reject
from tradepit.gateway.replies import Answer, Memory, Recall
from tradepit.gateway.shapes import AmendOrder

_UNKNOWN_ORDER: Final = int(RejectReason.UNKNOWN_ORDER)
_MASS_CANCELLED: Final = int(EventKind.MASS_CANCELLED)
_REQUESTED: Final = int(CloseReason.REQUESTED)
_REASON: Final = offset_of(ORDER_CANCELLED_DTYPE, "reason")
"""Where the reason of an ORDER_CANCELLED stands."""

_NEVER_WAIT: Final = (OrderType.LIMIT, OrderType.MARKET)
_LIVE: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class OrderDraft(Draft):
    """A write about one existing order: what the caller may not see does not exist."""

    __slots__ = ("client_id", "key", "order_id")
    cancels = False

    def __init__(
        self, market: Market, order_id: str | int, client_id: str | None, key: bytes | None
    ) -> None:
        super().__init__(market)
        self.order_id = order_number(order_id)
        self.client_id = client_id
        self.key = NO_KEY if key is None else key_of(key)
        if client_id is not None:
            self.speaker = client_id
            self.account = market.replica.account_number(client_id)
            if not self.account:
                raise refused("unknown_order")

    def _problem(self, reject: Reject) -> Problem:
        if reject.reason == _UNKNOWN_ORDER:
            row = self.market.replica.order(self.order_id)
            if row is not None and row[8] not in _LIVE and self.account in (0, row[1]):
                return problem_of("order_closed")
        return super()._problem(reject)

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        return self._order_answer(sequence)

    def _order_answer(self, sequence: int) -> Answer:
        body = self.market.renderer.order_at(self.order_id, sequence)
        if body is not None:
            return Answer(200, body, sequence)
        body = b'{"id":"%d","order_id":"%d","status":null}' % (self.order_id, self.order_id)
        recall = Recall(self.order_id, self.account, Memory.CANCELLED) if self.cancels else None
        return Answer(200, body, sequence, recall=recall)

    def _rejected(self, events: bytes, position: int, sequence: int) -> Answer:
        answer = super()._rejected(events, position, sequence)
        if answer.status == 404 and self.order_id < self.market.replica.history_floor()[0]:
            recall = Recall(self.order_id, self.account, Memory.CLOSED)
            return answer._replace(recall=recall)
        return answer

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return self._order_answer(sequence)

    def _names_order(self, events: bytes, position: int) -> bool:
        return int.from_bytes(events[position + 24 : position + 32], "little") == self.order_id


class CancelDraft(OrderDraft):
    """The cancel of one order."""

    __slots__ = ()
    cancels = True

    def __init__(
        self,
        market: Market,
        order_id: str | int,
        client_id: str | None,
        key: bytes | None,
        *,
        valid_until: str | None = None,
    ) -> None:
        super().__init__(market, order_id, client_id, key)
        self.is_urgent = True
        self.records = commands.cancel_order(
            account=self.account,
            order_id=self.order_id,
            key=self.key,
            valid_until=time_field(valid_until, "valid_until"),
        )

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        # This very order may have left before, by time, a timer or an auction; then the cancel
        # meets an unknown order, and a reject follows.
        return (
            kind == EventKind.ORDER_CANCELLED
            and self._names_order(events, position)
            and events[position + _REASON] == _REQUESTED
        )


class ReplaceDraft(OrderDraft):
    """A new price, total or stop price of one order."""

    __slots__ = ("amend",)

    def __init__(
        self,
        market: Market,
        order_id: str | int,
        client_id: str | None,
        key: bytes | None,
        amend: AmendOrder,
    ) -> None:
        super().__init__(market, order_id, client_id, key)
        self.amend = amend
        self.redraft()

    def redraft(self) -> None:
        row = self.market.replica.order(self.order_id)
        if row is None or self.account not in (0, row[1]):
            raise refused("unknown_order")
        self.instrument = instrument = self.market.listing.by_number[row[2]]
        new_price, new_quantity = self.amend.price, self.amend.quantity
        price = 0 if new_price is UNSET else instrument.price_of(new_price, "price")
        quantity = 0 if new_quantity is UNSET else instrument.quantity_of(new_quantity, "quantity")
        stop = self._stop(instrument, row[4])
        if not price and not quantity and not stop:
            detail = "give a price, a quantity or a stop_price"
            raise refused("invalid_field", detail, field="price")
        self.records = commands.replace_order(
            account=self.account,
            order_id=self.order_id,
            instrument=instrument.number,
            definition_version=instrument.version,
            price=price or None,
            quantity=quantity or None,
            stop_price=stop or None,
            key=self.key,
            valid_until=time_field(self.amend.valid_until, "valid_until"),
        )

    def _stop(self, instrument: Instrument, order_type: int) -> int:
        """Ticks of the new stop price, 0 = none; raises `Refused` for types that take none."""
        raw = self.amend.stop_price
        stop = 0 if raw is UNSET else instrument.price_of(raw, "stop_price")
        if stop and order_type in _NEVER_WAIT:
            raise refused("invalid_field", "the order has no stop price", field="stop_price")
        if stop and order_type == OrderType.TRAILING_STOP:
            detail = "the stop of a trailing stop follows the trade price"
            raise refused("invalid_field", detail, field="stop_price")
        return stop

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == EventKind.ORDER_REPLACED


class MassCancelDraft(Draft):
    """The cancel of everything that matches, or of the order of one client order id."""

    __slots__ = ()
    is_last = True

    def __init__(
        self,
        market: Market,
        *,
        client_id: str | None,
        instrument: str | None,
        side: str | None,
        client_order_id: str | None,
        key: bytes | None,
        valid_until: str | None = None,
    ) -> None:
        super().__init__(market)
        self.is_urgent = True
        command_key = NO_KEY if key is None else key_of(key)
        until = time_field(valid_until, "valid_until")
        if client_id is not None:
            self.speaker = client_id
            self.account = market.replica.account_number(client_id)
        if client_order_id is not None:
            self._by_client_order_id(client_id, client_order_id, command_key, until)
            return
        if client_id is not None and not self.account:
            raise refused("unknown_account", f"there is no account {client_id!r}")
        self.records = commands.mass_cancel(
            account=self.account,
            instrument=0 if instrument is None else market.listing.find(instrument).number,
            side=0 if side is None else choose(SIDES, side, "side"),
            key=command_key,
            valid_until=until,
        )

    def _by_client_order_id(
        self, client_id: str | None, client_order_id: str, key: Key, until: int
    ) -> None:
        if client_id is None:
            raise refused("invalid_parameter", "client_id names the account", field="client_id")
        self.records = commands.cancel_by_key(
            account=self.account or OPENED_HERE,
            target=key_of(visible(client_order_id, "client_order_id")),
            key=key,
            valid_until=until,
        )
        if not self.account:
            self._prefix_open(client_id)

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == _MASS_CANCELLED

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        count = int.from_bytes(events[position + 24 : position + 32], "little")
        return Answer(200, b'{"cancelled":%d}' % count, sequence)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return Answer(200, b'{"cancelled":%d}' % result, sequence)
