"""Drafts of quotes and reservations: what a maker says many times a second."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tradepit.domain import firm_commands
from tradepit.domain.commands import NO_KEY, OPENED_HERE, key_of
from tradepit.domain.decimals import DecimalError, parse_units
from tradepit.domain.wire import (
    QUOTE_SET,
    RESERVATION_RELEASED,
    RESERVED,
    EndReason,
    EventKind,
    ReservationStatus,
)
from tradepit.engine.rows import FillRow, OrderRow
from tradepit.gateway.administration import known_account
from tradepit.gateway.drafts import EVENT_BYTES, Draft, Market
from tradepit.gateway.fields import check_key, time_field
from tradepit.gateway.firms import results
from tradepit.gateway.firms.shapes import Release, Reserve, SetQuote
from tradepit.gateway.firms.statements import (
    NS_PER_MS,
    maker_rows,
    reservation_id,
    speaking_for,
)
from tradepit.gateway.listing import Instrument, number_refused
from tradepit.gateway.problems import bare_decimal, refused
from tradepit.gateway.replies import Answer
from tradepit.gateway.times import format_time

NOBODY: Final = 2**32 - 1
"""The number of no maker: whoever speaks in a name that is not live is refused by the market."""

FILLS_MAX: Final = 10_000
"""More than the fills of one order in one command."""

_RESERVED: Final = int(EventKind.RESERVED)
_QUOTE_SET: Final = int(EventKind.QUOTE_SET)
_RELEASED: Final = int(EventKind.RESERVATION_RELEASED)
_GRANTED: Final = int(ReservationStatus.GRANTED)
_REQUESTED: Final = int(EndReason.REQUESTED)
_encode: Final = msgspec.json.encode


def lots_field(instrument: Instrument, raw: Raw | UnsetType, field: str) -> int:
    """Lots of a quantity, 0 when it is absent or null; raises `Refused` naming the field."""
    text = None if raw is UNSET else bare_decimal(bytes(raw), field)
    if text is None:
        return 0
    try:
        lots = parse_units(text, instrument.row.lot_mantissa, instrument.row.lot_exponent)
    except DecimalError as error:
        raise number_refused(error, "lot_size", field, instrument.lot_size) from None
    if lots < 0:
        raise refused("invalid_quantity", f"{field} is 0 or more", field=field, status=400)
    return lots


def maker_number(market: Market, account: int, maker: str | int | None) -> int:
    """The number of the maker that a request names, by name or number; 0 when it names none.

    A name that is not live gives a number that no maker has: the market refuses it.
    """
    if maker is None:
        return 0
    if isinstance(maker, int):
        return maker if 0 <= maker < NOBODY else NOBODY
    named = next((row.maker for row in maker_rows(market, account) if row.name == maker), 0)
    if not named and maker.isascii() and maker.isdigit() and len(maker) < len(str(NOBODY)):
        named = int(maker)
    return named or NOBODY


class FirmDraft(Draft):
    """A write of a firm about one instrument; by itself it is answered once and remembered."""

    __slots__ = ("body", "client_id", "key", "symbol", "until")
    name = b""
    """What a batch or a socket calls the answer."""

    def __init__(
        self,
        market: Market,
        symbol: str,
        body: SetQuote | Reserve | Release,
        key: bytes | None,
    ) -> None:
        super().__init__(market)
        self.body = body
        self.symbol = symbol
        self.key = NO_KEY if key is None else key_of(check_key(key))
        self.client_id = speaking_for(market, body.client_id)
        self.until = time_field(body.valid_until, "valid_until")
        self.speaker = self.client_id
        self.redraft()

    def _kept(self, answer: msgspec.Struct, sequence: int) -> Answer:
        body = _encode(answer)
        if self.key is not NO_KEY:
            self.market.recent_answers.keep(sequence, body)
        return Answer(200, body, sequence, name=self.name)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        body = self.market.recent_answers.of(sequence)
        return Answer(200, body or _encode(self._forgotten()), sequence, name=self.name)

    @abstractmethod
    def _forgotten(self) -> msgspec.Struct:
        """What is still known of an answer when it is asked for too late."""


class QuoteDraft(FirmDraft):
    """A two-sided quote: RESERVE_ORDER_ID and QUOTE, with the opening of a new account."""

    __slots__ = ()
    body: SetQuote
    name = b"quote"

    def redraft(self) -> None:
        market, body = self.market, self.body
        self.instrument = instrument = market.listing.find(self.symbol)
        self.account = account = market.replica.account_number(self.client_id)
        bid = self._side(instrument, body.bid_price, body.bid_quantity, "bid")
        ask = self._side(instrument, body.ask_price, body.ask_quantity, "ask")
        if not bid[1] and not ask[1]:
            detail = "quote at least one side; DELETE ends a quote"
            raise refused("invalid_quantity", detail, field="bid_quantity", status=400)
        self.records = firm_commands.quote(
            account=account or OPENED_HERE,
            instrument=instrument.number,
            bid_price=bid[0],
            bid_quantity=bid[1],
            ask_price=ask[0],
            ask_quantity=ask[1],
            ttl_ns=(body.ttl_ms or 0) * NS_PER_MS,
            definition_version=instrument.version,
            maker=maker_number(market, account, body.maker) if account else 0,
            epoch=body.epoch or 0,
            key=self.key,
            valid_until=self.until,
        )
        self.texts, self.count = b"", 2
        if not account:
            self._prefix_open(self.client_id)

    def _side(
        self,
        instrument: Instrument,
        price: Raw | UnsetType,
        quantity: Raw | UnsetType,
        side: str,
    ) -> tuple[int, int]:
        """Ticks and lots of a side; 0 and 0 when it is not quoted."""
        lots = lots_field(instrument, quantity, f"{side}_quantity")
        if not lots:
            return 0, 0
        field = f"{side}_price"
        ticks = 0 if price is UNSET else instrument.price_of(price, field)
        if not ticks:
            raise refused("invalid_field", f"{field} is missing", field=field)
        return ticks, lots

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == _QUOTE_SET

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        fields = QUOTE_SET.unpack_from(events, position)
        bid_price, bid, ask_price, ask, bid_id, ask_id, expires_at, _, maker, _ = fields[11:]
        status, requested = _GRANTED, (bid, ask)
        before = position - EVENT_BYTES
        if before >= 0 and events[before] == _RESERVED:
            reserved = RESERVED.unpack_from(events, before)
            status, requested = reserved[7], (reserved[11], reserved[12])
        instrument = self.market.listing.by_number[fields[10]]
        text, price_text = instrument.quantity_text, instrument.price_text
        answer = results.Quote(
            instrument=instrument.row.symbol,
            client_id=self.client_id,
            status=ReservationStatus(status).name,  # type: ignore[arg-type]
            bid_price=price_text(bid_price) if bid else None,
            ask_price=price_text(ask_price) if ask else None,
            requested_bid_quantity=text(requested[0]),
            requested_ask_quantity=text(requested[1]),
            granted_bid_quantity=text(bid),
            granted_ask_quantity=text(ask),
            remaining_bid_quantity=text(self._leaves(bid_id, sequence)),
            remaining_ask_quantity=text(self._leaves(ask_id, sequence)),
            bid_order_id=str(bid_id) if bid_id else None,
            ask_order_id=str(ask_id) if ask_id else None,
            maker=maker or None,
            expires_at=format_time(expires_at),
            fills=[
                *self._fills(instrument, bid_id, "buy", sequence),
                *self._fills(instrument, ask_id, "sell", sequence),
            ],
        )
        return self._kept(answer, sequence)

    def _leaves(self, order_id: int, sequence: int) -> int:
        """What of a side's order was left after the command; 0 without an order."""
        values = self.market.replica.order_at(order_id, sequence) if order_id else None
        return 0 if values is None else OrderRow._make(values).leaves

    def _fills(
        self, instrument: Instrument, order_id: int, side: str, sequence: int
    ) -> list[results.QuoteFill]:
        """What a side's order traded in this command, oldest first."""
        if not order_id:
            return []
        rows = [FillRow._make(row) for row in self.market.replica.fills(order_id, FILLS_MAX)]
        found = [
            results.QuoteFill(
                side=side,  # type: ignore[arg-type]
                order_id=str(order_id),
                trade_id=str(row.trade_id),
                price=instrument.price_text(row.price),
                quantity=instrument.quantity_text(row.quantity),
                fee=instrument.quote_text(row.fee),
                liquidity="maker" if row.is_maker else "taker",
                executed_at=format_time(row.time_ns),
            )
            for row in rows
            if row.sequence == sequence
        ]
        return sorted(found, key=lambda fill: int(fill.trade_id))

    def _forgotten(self) -> msgspec.Struct:
        return results.ForgottenQuote(self.symbol, self.client_id, None)


class ReserveDraft(FirmDraft):
    """A reservation without a quote."""

    __slots__ = ()
    body: Reserve
    name = b"reservation"

    def redraft(self) -> None:
        market, body = self.market, self.body
        self.instrument = instrument = market.listing.find(self.symbol, "symbol")
        self.account = known_account(market, self.client_id, field="client_id")
        self.records = firm_commands.reserve(
            account=self.account,
            instrument=instrument.number,
            bid_quantity=lots_field(instrument, body.bid_quantity, "bid_quantity"),
            ask_quantity=lots_field(instrument, body.ask_quantity, "ask_quantity"),
            ttl_ns=(body.ttl_ms or 0) * NS_PER_MS,
            definition_version=instrument.version,
            maker=maker_number(market, self.account, body.maker),
            epoch=body.epoch or 0,
            key=self.key,
            valid_until=self.until,
        )

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind == _RESERVED

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        fields = RESERVED.unpack_from(events, position)
        requested_bid, requested_ask, bid, ask, expires_at, _, maker, _ = fields[11:]
        instrument = self.market.listing.by_number[fields[10]]
        text = instrument.quantity_text
        answer = results.Reservation(
            symbol=instrument.row.symbol,
            id=reservation_id(self.client_id, instrument.row.symbol),
            status=ReservationStatus(fields[7]).name,  # type: ignore[arg-type]
            requested_bid_quantity=text(requested_bid),
            requested_ask_quantity=text(requested_ask),
            granted_bid_quantity=text(bid),
            granted_ask_quantity=text(ask),
            expires_at=format_time(expires_at),
            maker=maker or None,
        )
        return self._kept(answer, sequence)

    def _forgotten(self) -> msgspec.Struct:
        identity = reservation_id(self.client_id, self.symbol)
        return results.ForgottenReservation(self.symbol, identity, None)


class ReleaseDraft(FirmDraft):
    """The end of a quote and its reservation; it goes ahead of what is not urgent."""

    __slots__ = ()
    body: Release
    name = b"released"

    def redraft(self) -> None:
        market, body = self.market, self.body
        self.is_urgent = True
        self.instrument = instrument = market.listing.find(self.symbol)
        self.account = known_account(market, self.client_id, field="client_id")
        self.records = firm_commands.release(
            account=self.account,
            instrument=instrument.number,
            maker=maker_number(market, self.account, body.maker),
            epoch=body.epoch or 0,
            key=self.key,
            valid_until=self.until,
        )

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        # One that was due ended by itself before, under the same sequence.
        return kind == _RELEASED and events[position + 7] == _REQUESTED

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        freed_bid, freed_ask = RESERVATION_RELEASED.unpack_from(events, position)[11:13]
        return self._kept(self._released(freed_bid, freed_ask), sequence)

    def _released(self, freed_bid: int, freed_ask: int) -> results.Released:
        instrument = self.market.listing.find(self.symbol)
        text = instrument.quantity_text
        return results.Released(
            symbol=self.symbol,
            freed_capacity=text(freed_bid + freed_ask),
            freed_bid_quantity=text(freed_bid),
            freed_ask_quantity=text(freed_ask),
        )

    def _forgotten(self) -> msgspec.Struct:
        return self._released(0, 0)
