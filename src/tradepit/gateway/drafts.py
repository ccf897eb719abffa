"""Drafts: one write each, from a parsed body to command records, and from events to the answer.

A draft knows the records it needs in the journal and how to read its own events afterwards. It
does no input or output; `desk` submits drafts, alone or many in one commit.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tradepit.domain import commands
from tradepit.domain.commands import NO_KEY, OPENED_HERE, Key, key_of, text_entry
from tradepit.domain.wire import (
    COMMAND_REPEATED,
    PLACE_ORDER,
    CommandKind,
    EventKind,
    Option,
    OrderStatus,
    RecordFlag,
    RejectReason,
)
from tradepit.gateway.answers import Renderer, json_text
from tradepit.gateway.listing import Instrument, Listing
from tradepit.gateway.ports import MarketNode, Replica
from tradepit.gateway.problems import Problem, encode_problem, problem_of, refused
from tradepit.gateway.rejects import RETRY_AFTER_S, Reject, read_reject, reject_problem
from tradepit.gateway.shapes import AmendOrder, PlaceOrder
from tradepit.gateway.times import parse_time

EVENT_BYTES: Final = 96

_REJECTED: Final = int(EventKind.COMMAND_REJECTED)
_REPEATED: Final = int(EventKind.COMMAND_REPEATED)
_ACCEPTED: Final = int(EventKind.ORDER_ACCEPTED)
_STALE: Final = int(RejectReason.STALE_DEFINITION)
_UNKNOWN_ORDER: Final = int(RejectReason.UNKNOWN_ORDER)
_MASS_CANCELLED: Final = int(EventKind.MASS_CANCELLED)
_LIVE: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)

_VISIBLE: Final = re.compile(rb"[\x21-\x7e]{1,64}")


def _cases(names: dict[str, int]) -> dict[str, int]:
    """Names in the two spellings that need no folding."""
    return names | {name.upper(): value for name, value in names.items()}


SIDES: Final = _cases({"buy": 1, "sell": 2})
TYPES: Final = _cases({"limit": 1, "market": 2, "stop": 3, "stop_limit": 4, "trailing_stop": 5})
TIMES_IN_FORCE: Final = _cases({"gtc": 1, "day": 2, "gtd": 3, "ioc": 4, "fok": 5})
PREVENTIONS: Final = _cases(
    {"none": 0, "cancel_taker": 1, "cancel_maker": 2, "cancel_both": 3, "decrement": 4}
)
_PLACE: Final = int(CommandKind.PLACE_ORDER)
_KEY: Final = int(RecordFlag.KEY)
_TEXT: Final = int(RecordFlag.TEXT)
_LIMIT: Final = 1
_MARKET: Final = 2
_GTC: Final = 1
_IOC: Final = 4
_CANCEL_TAKER: Final = 1


class Answer(NamedTuple):
    """What a request is answered; the body is JSON, a problem document from 400 on."""

    status: int
    body: bytes
    sequence: int = 0
    is_replay: bool = False
    retry_after: int = 0


def problem_answer(
    problem: Problem, *, sequence: int = 0, is_replay: bool = False, retry_after: int = 0
) -> Answer:
    """Return the answer that carries a problem."""
    if problem.status == 429 and not retry_after:
        retry_after = RETRY_AFTER_S
    return Answer(problem.status, encode_problem(problem), sequence, is_replay, retry_after)


class Market:
    """What drafts look things up in."""

    __slots__ = ("listing", "node", "renderer")

    def __init__(self, node: MarketNode) -> None:
        self.node = node
        self.listing = Listing(node)
        self.renderer = Renderer(node, self.listing)

    @property
    def replica(self) -> Replica:
        """Asked for each time: the node replaces it when the engine panics."""
        return self.node.replica


class StaleDefinition(Exception):
    """The instrument changed under the command: nothing was recorded, draft it anew."""


def choose(table: dict[str, int], name: str, field: str) -> int:
    """Return the number of an enum name in any case; raises `Refused`."""
    value = table.get(name)
    if value is None:
        value = table.get(name.lower())
        if value is None:
            known = ", ".join(key for key in table if key.islower())
            raise refused("invalid_field", f"{field} must be one of {known}", field=field)
    return value


def check_key(text: bytes) -> bytes:
    """Return an idempotency key that is 1 to 64 visible ASCII characters; raises `Refused`."""
    if _VISIBLE.fullmatch(text) is None:
        raise refused("invalid_key", field="Idempotency-Key")
    return text


def visible(text: str, field: str) -> bytes:
    """Return the bytes of 1 to 64 visible ASCII characters; raises `Refused`."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError:
        data = b""
    if _VISIBLE.fullmatch(data) is None:
        detail = f"{field} must be 1 to 64 visible ASCII characters"
        code = "invalid_account_id" if field in ("client_id", "id") else "invalid_field"
        raise refused(code, detail, field=field)
    return data


def time_field(text: str | None, field: str) -> int:
    """Return nanoseconds of an optional time, 0 when absent; raises `Refused`."""
    if text is None:
        return 0
    time_ns = parse_time(text)
    if time_ns is None:
        raise refused("invalid_field", f"{field} must be an RFC 3339 time", field=field)
    return time_ns


def header_key(text: bytes | None) -> Key:
    """Return the key of an `Idempotency-Key` header."""
    return NO_KEY if text is None else key_of(check_key(text))


class Draft:
    """One write. `records` and `texts` go to the journal; `answer` reads what came back."""

    __slots__ = (
        "account",
        "count",
        "instrument",
        "is_urgent",
        "market",
        "records",
        "speaker",
        "texts",
    )

    def __init__(self, market: Market) -> None:
        self.market = market
        self.records = b""
        self.texts = b""
        self.count = 1
        self.account = 0
        self.speaker: int | str = 0
        self.is_urgent = False
        self.instrument: Instrument | None = None

    def redraft(self) -> None:
        """Translate anew under the definitions of now."""

    def answer(self, events: bytes, start: int, stop: int, sequence: int) -> Answer:
        """Read this draft's events, `events[start:stop]`; `sequence` is its first command's.

        Raises `StaleDefinition` when the draft must be translated anew.
        """
        position = start
        while position < stop:
            kind = events[position]
            if kind == _REJECTED:
                return self._rejected(events, position, sequence)
            if kind == _REPEATED:
                return self._repeated(events, position)
            if kind > _REPEATED and self._concerns(events, position, kind):
                return self._done(events, position, stop, sequence + self.count - 1)
            position += EVENT_BYTES
        return problem_answer(problem_of("unknown_outcome", outcome="unknown"))

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        """Whether this event tells that the command was done (and not a side effect before)."""
        raise NotImplementedError

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        raise NotImplementedError

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        raise NotImplementedError

    def _rejected(self, events: bytes, position: int, sequence: int) -> Answer:
        reject = read_reject(events, position)
        if reject.reason == _STALE:
            raise StaleDefinition
        own = int.from_bytes(events[position + 8 : position + 16], "little")
        return problem_answer(self._problem(reject), sequence=own)

    def _repeated(self, events: bytes, position: int) -> Answer:
        fields = COMMAND_REPEATED.unpack_from(events, position)
        reason, original, order_id, result = fields[11], fields[13], fields[14], fields[15]
        if reason:
            problem = self._problem(Reject(reason, order_id=order_id))
            return problem_answer(problem, sequence=original, is_replay=True)
        answer = self._replayed(order_id, original, result)
        status = 200 if answer.status < 400 else answer.status
        return answer._replace(status=status, sequence=original, is_replay=answer.status < 400)

    def _problem(self, reject: Reject) -> Problem:
        return reject_problem(reject, self.market.listing, self.instrument)

    def _prefix_open(self, account_id: str) -> None:
        """Open the account in front of the command, which then means the account opened here."""
        visible(account_id, "client_id")
        self.records = commands.open_account(if_absent=True) + self.records
        self.texts = commands.account_text(account_id) + self.texts
        self.count += 1


def is_accepted(events: bytes, start: int, stop: int) -> bool:
    """Whether the first event says that a new order was taken."""
    return start < stop and events[start] == _ACCEPTED


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
        body = self.market.renderer.order_at(order_id, sequence) or self._forgotten(order_id)
        return Answer(201, body, sequence)

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


def problem_code(answer: Answer) -> str:
    """Return the code of an answer that is a problem."""
    return msgspec.json.decode(answer.body, type=Problem).code


class OrderDraft(Draft):
    """A write about one existing order: what the caller may not see does not exist."""

    __slots__ = ("client_id", "key", "order_id")

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
        if body is None:
            body = b'{"id":"%d","order_id":"%d","status":null}' % (self.order_id, self.order_id)
        return Answer(200, body, sequence)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return self._order_answer(sequence)

    def _names_order(self, events: bytes, position: int) -> bool:
        return int.from_bytes(events[position + 24 : position + 32], "little") == self.order_id


class CancelDraft(OrderDraft):
    """The cancel of one order."""

    __slots__ = ()

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
        # An expiry of another order may come first; one of this very order makes the cancel
        # meet an unknown order, and then a reject follows.
        return (
            kind == EventKind.ORDER_CANCELLED
            and self._names_order(events, position)
            and events[position + 7] == OrderStatus.CANCELLED
        )


class ReplaceDraft(OrderDraft):
    """A new price or total of one order."""

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
        if not price and not quantity:
            raise refused("invalid_field", "give a price, a quantity or both", field="price")
        self.records = commands.replace_order(
            account=self.account,
            order_id=self.order_id,
            instrument=instrument.number,
            definition_version=instrument.version,
            price=price or None,
            quantity=quantity or None,
            key=self.key,
            valid_until=time_field(self.amend.valid_until, "valid_until"),
        )

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == EventKind.ORDER_REPLACED


class MassCancelDraft(Draft):
    """The cancel of everything that matches, or of the order of one client order id."""

    __slots__ = ()

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


def order_number(text: str | int) -> int:
    """Return the number of an order id; whatever else is asked for is an unknown order."""
    if isinstance(text, int):
        number = text
    elif text.isascii() and text.isdigit() and len(text) <= 19:
        number = int(text)
    else:
        number = 0
    if not 0 < number < 2**63:
        raise refused("unknown_order")
    return number
