"""The draft of a new order."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Raw, UnsetType

from tradepit.domain.commands import NO_KEY, OPENED_HERE, Key, key_of, text_entry
from tradepit.domain.wire import (
    PLACE_ORDER,
    CommandKind,
    EventKind,
    OrderStatus,
    RecordFlag,
)
from tradepit.gateway.answers import json_text
from tradepit.gateway.drafts import Draft, Market, is_accepted
from tradepit.gateway.fields import SIDES, TYPES, choose, visible
from tradepit.gateway.order_terms import terms_of
from tradepit.gateway.problems import refused
from tradepit.gateway.replies import Answer, Memory, Recall, problem_code
from tradepit.gateway.shapes import PlaceOrder

_ACCEPTED: Final = int(EventKind.ORDER_ACCEPTED)
_PLACE: Final = int(CommandKind.PLACE_ORDER)
_KEY: Final = int(RecordFlag.KEY)
_TEXT: Final = int(RecordFlag.TEXT)


class PlaceDraft(Draft):
    """A new order, with the opening of its account when the id is new."""

    __slots__ = ("is_async", "key", "order", "session")

    def __init__(
        self,
        market: Market,
        order: PlaceOrder,
        key: bytes | None,
        *,
        is_async: bool = False,
        session: int = 0,
    ) -> None:
        """
        Args:
            session: number of the account's session that it comes with; 0 = none.
        """
        super().__init__(market)
        self.order = order
        self.key = key
        self.is_async = is_async
        self.session = session
        self.redraft()

    def redraft(self) -> None:
        order = self.order
        market = self.market
        instrument = market.listing.by_symbol.get(order.instrument)
        if instrument is None:
            instrument = market.listing.find(order.instrument)
        client_id = order.client_id
        if client_id is None:
            raise refused("invalid_field", "client_id names the account", field="client_id")
        self.instrument = instrument
        self.speaker = client_id
        self.account = account = market.node.replica.account_number(client_id)
        order_type = TYPES.get(order.type) or choose(TYPES, order.type, "type")
        raw: Raw | UnsetType = order.quantity
        quantity = 0 if raw is UNSET else instrument.quantity_of(raw, "quantity")
        if not quantity:
            raise refused("invalid_field", "quantity is missing", field="quantity")
        raw = order.price
        price = 0 if raw is UNSET else instrument.price_of(raw, "price")
        terms = terms_of(order, instrument, order_type, price)
        if order.client_order_id is None:
            key, label, text = (NO_KEY if self.key is None else key_of(self.key)), 0, b""
        else:
            key, label, text = self._identity(order.client_order_id)
        self.records = PLACE_ORDER.pack(
            _PLACE,
            (0 if key is NO_KEY else _KEY) | (_TEXT if text else 0),
            SIDES.get(order.side) or choose(SIDES, order.side, "side"),
            order_type,
            terms.time_in_force,
            terms.self_trade_prevention,
            terms.options,
            0,
            account or OPENED_HERE,
            instrument.number,
            key.low,
            key.high,
            terms.valid_until,
            price,
            quantity,
            terms.display_quantity,
            terms.stop_price,
            terms.expires_at,
            instrument.version,
            self.session,
            label,
        )
        self.texts = text
        self.count = 1
        if not account:
            self._prefix_open(client_id)

    def _identity(self, own: str) -> tuple[Key, int, bytes]:
        """Key, label and text: the header names the command, the client order id the order."""
        own_key = key_of(visible(own, "client_order_id"))
        if self.key is None:
            return own_key, 0, text_entry(own)
        key = key_of(self.key)
        return key, (own_key.low if key != own_key else 0), text_entry(own)

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == _ACCEPTED

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        return self._order_answer(sequence, sequence)

    def answer(self, events: bytes, start: int, stop: int, sequence: int) -> Answer:
        if is_accepted(events, start, stop):
            own = sequence + self.count - 1
            return self._order_answer(own, own)
        return super().answer(events, start, stop, sequence)

    def _order_answer(self, order_id: int, sequence: int) -> Answer:
        if self.is_async:
            row = self.market.replica.order_at(order_id, sequence)
            status = OrderStatus(row[8]).name.lower() if row else "unknown"
            text = f'{{"order_id":"{order_id}","status":"{status}"}}'
            return Answer(202, text.encode(), sequence)
        body = self.market.renderer.order_at(order_id, sequence)
        if body is not None:
            return Answer(201, body, sequence)
        recall = Recall(order_id, 0, Memory.PLACED)
        return Answer(201, self._forgotten(order_id), sequence, recall=recall)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return self._order_answer(order_id, sequence)

    def _rejected(self, events: bytes, position: int, sequence: int) -> Answer:
        answer = super()._rejected(events, position, sequence)
        if not self.is_async or answer.status != 422:
            return answer
        code = problem_code(answer)
        body = f'{{"order_id":"{answer.sequence}","status":"rejected","reject_reason":"{code}"}}'
        return answer._replace(status=202, body=body.encode())

    def _forgotten(self, order_id: int) -> bytes:
        """The history no longer reaches back to the original: what the command itself says."""
        order = self.order
        return (
            f'{{"id":"{order_id}","order_id":"{order_id}"'
            f',"client_id":{json_text(order.client_id)}'
            f',"client_order_id":{json_text(order.client_order_id)}'
            f',"instrument":{json_text(order.instrument)},"status":null}}'
        ).encode()
