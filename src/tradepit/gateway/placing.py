"""The draft of a new order."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import UNSET, Raw, UnsetType

from tradepit.domain.commands import NO_KEY, OPENED_HERE, Key, key_of, text_entry
from tradepit.domain.wire import (
    PLACE_ORDER,
    CommandKind,
    EventKind,
    Option,
    OrderStatus,
    OrderType,
    RecordFlag,
    SelfTradePrevention,
    TimeInForce,
)
from tradepit.gateway.answers import json_text
from tradepit.gateway.drafts import Draft, Market, is_accepted
from tradepit.gateway.fields import (
    PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    TYPES,
    choose,
    time_field,
    visible,
)
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import refused
from tradepit.gateway.replies import Answer, Memory, Recall, problem_code
from tradepit.gateway.shapes import PlaceOrder

_ACCEPTED: Final = int(EventKind.ORDER_ACCEPTED)
_PLACE: Final = int(CommandKind.PLACE_ORDER)
_KEY: Final = int(RecordFlag.KEY)
_TEXT: Final = int(RecordFlag.TEXT)
_LIMIT: Final = int(OrderType.LIMIT)
_MARKET: Final = int(OrderType.MARKET)
_GTC: Final = int(TimeInForce.GTC)
_IOC: Final = int(TimeInForce.IOC)
_CANCEL_TAKER: Final = int(SelfTradePrevention.CANCEL_TAKER)


class Terms(NamedTuple):
    """What a plain limit order does not say."""

    time_in_force: int = _GTC
    self_trade_prevention: int = _CANCEL_TAKER
    options: int = 0
    valid_until: int = 0
    display_quantity: int = 0
    stop_price: int = 0
    expires_at: int = 0


_PLAIN_LIMIT: Final = Terms()


def _is_unusual(order: PlaceOrder) -> bool:
    return not (
        order.time_in_force is None
        and order.post_only is None
        and order.reduce_only is None
        and order.valid_until is None
        and order.expires_at is None
        and order.self_trade_prevention is None
        and order.display_quantity is UNSET
        and order.stop_price is UNSET
    )


class PlaceDraft(Draft):
    """A new order, with the opening of its account when the id is new."""

    __slots__ = ("is_async", "key", "order")

    def __init__(
        self, market: Market, order: PlaceOrder, key: bytes | None, *, is_async: bool = False
    ) -> None:
        super().__init__(market)
        self.order = order
        self.key = key
        self.is_async = is_async
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
        if not price and order_type == _LIMIT:
            raise refused("invalid_field", "a limit order needs a price", field="price")
        terms = _PLAIN_LIMIT
        if order_type != _LIMIT or _is_unusual(order):
            terms = self._terms(instrument, order_type, price)
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
            0,
            label,
        )
        self.texts = text
        self.count = 1
        if not account:
            self._prefix_open(client_id)

    def _terms(self, instrument: Instrument, order_type: int, price: int) -> Terms:
        order = self.order
        options = self._options()
        if price and order_type == _MARKET:
            options |= Option.PRICE
        prevention = order.self_trade_prevention
        display, stop = order.display_quantity, order.stop_price
        return Terms(
            time_in_force=self._time_in_force(order_type),
            self_trade_prevention=_CANCEL_TAKER
            if prevention is None
            else choose(PREVENTIONS, prevention, "self_trade_prevention"),
            options=options,
            valid_until=time_field(order.valid_until, "valid_until"),
            display_quantity=0
            if display is UNSET
            else instrument.quantity_of(display, "display_quantity"),
            stop_price=0 if stop is UNSET else instrument.price_of(stop, "stop_price"),
            expires_at=time_field(order.expires_at, "expires_at"),
        )

    def _identity(self, own: str) -> tuple[Key, int, bytes]:
        """Key, label and text: the header names the command, the client order id the order."""
        own_key = key_of(visible(own, "client_order_id"))
        if self.key is None:
            return own_key, 0, text_entry(own)
        key = key_of(self.key)
        return key, (own_key.low if key != own_key else 0), text_entry(own)

    def _time_in_force(self, order_type: int) -> int:
        name = self.order.time_in_force
        if name is None:
            return _IOC if order_type == _MARKET else _GTC
        return choose(TIMES_IN_FORCE, name, "time_in_force")

    def _options(self) -> int:
        options = 0
        post_only = self.order.post_only
        if post_only is not None and post_only is not False:
            if post_only is True:
                options |= Option.POST_ONLY
            elif post_only.lower() == "reprice":
                options |= Option.POST_ONLY_REPRICE
            else:
                detail = "post_only must be true, false or reprice"
                raise refused("invalid_field", detail, field="post_only")
        if self.order.reduce_only:
            options |= Option.REDUCE_ONLY
        return options

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
