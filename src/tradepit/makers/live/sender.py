"""Carries out what a quoter wants: one atomic quote, or, when told so, in steps.

A market takes a quote with its reservation in one command; that is the way to quote. The steps
(`two_step`: first the reservation, then the quote; `cancel_first`: first the end of the old quote)
are the ways of older clusters, kept to show what a crash between them comes to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tradepit.client import ApiError, NodeUnreachable, Quote, Reservation
from tradepit.client.errors import ClientError, Overloaded
from tradepit.client.firm_models import Released
from tradepit.client.operation_socket import OperationSocket
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.faults import Faults, Point
from tradepit.makers.quoter import MILLISECOND_NS, QuoteWish, Reason
from tradepit.makers.strategy import TwoSided

T = TypeVar("T")


class Speaker(Struct, frozen=True):
    """In whose name a maker speaks."""

    firm: str
    name: str
    epoch: int


class Granted(Struct, frozen=True):
    """The wish was done: what stands now, sizes as granted; None: nothing."""

    quote: TwoSided | None
    sent_ns: int
    order_ids: tuple[str | None, str | None] = (None, None)
    """Of bid and ask."""


class Refused(Struct, frozen=True):
    """The wish was not done; what stood before still does, unless it was taken away first."""

    code: str
    is_old_gone: bool = False


class Unknown(Struct, frozen=True):
    """Nobody knows whether it was done."""

    reason: str


class Withheld(Struct, frozen=True):
    """It was not sent any more: the symbol may be somebody else's by now."""


Outcome = Granted | Refused | Unknown | Withheld


class _NotOurs(Exception):
    """The lease may have lapsed between two steps."""


class QuoteSender:
    """Sends the wishes of all symbols of one maker."""

    def __init__(
        self,
        socket: OperationSocket,
        speaker: Speaker,
        clock: LocalClock,
        faults: Faults,
        *,
        two_step: bool = False,
        cancel_first: bool = False,
    ) -> None:
        self._socket, self._speaker, self._clock = socket, speaker, clock
        self._faults = faults
        self._two_step, self._cancel_first = two_step, cancel_first

    async def carry_out(
        self,
        spec: InstrumentSpec,
        wish: QuoteWish,
        *,
        replaces: bool,
        is_ours: Callable[[], bool],
    ) -> Outcome:
        """Send a wish and wait for its answer.

        Args:
            replaces: a quote stands now.
            is_ours: whether the symbol is surely this maker's; asked right before each message.
        """
        symbol, is_old_gone = spec.symbol, False
        try:
            if wish.reason is Reason.FILL:
                await self._faults.reach(Point.AFTER_FILL_BEFORE_QUOTE, symbol)
            if wish.quote is None:
                return await self._withdraw(symbol, is_ours)
            if self._cancel_first and replaces:
                await self._withdraw(symbol, is_ours)
                is_old_gone = True
                await self._faults.reach(Point.BETWEEN_CANCEL_AND_REPLACE, symbol)
            quote: TwoSided | None = wish.quote
            if self._two_step:
                quote = await self._reserve(spec, wish.quote, wish.ttl_ns, is_ours)
            if quote is None:
                return Granted(None, self._clock.now_ns())
            return await self._quote(spec, quote, wish.ttl_ns, is_ours)
        except _NotOurs:
            return Withheld()
        except ClientError as error:
            return _failure(error, is_old_gone=is_old_gone)

    async def release(self, symbol: str) -> None:
        """End the quote of a symbol and its reservation. Raises: ClientError."""
        await self._socket.request(self._operation("release", symbol), Released)

    async def _withdraw(self, symbol: str, is_ours: Callable[[], bool]) -> Granted:
        sent_ns = self._clock.now_ns()
        operation = self._operation("release", symbol)
        await self._exchange(is_ours, symbol, Point.BEFORE_RELEASE, operation, Released)
        return Granted(None, sent_ns)

    async def _reserve(
        self, spec: InstrumentSpec, quote: TwoSided, ttl_ns: int, is_ours: Callable[[], bool]
    ) -> TwoSided | None:
        """Reserve for a quote; what of it may be quoted, None: nothing."""
        operation = self._operation("reserve", spec.symbol) | {
            "bid_quantity": _text(spec, quote.bid_lots),
            "ask_quantity": _text(spec, quote.ask_lots),
            "ttl_ms": ttl_ns // MILLISECOND_NS,
        }
        before, after = Point.BEFORE_RESERVATION, Point.AFTER_RESERVATION
        answer = await self._exchange(is_ours, spec.symbol, before, operation, Reservation, after)
        bid = spec.lots(answer.granted_bid_quantity)
        ask = spec.lots(answer.granted_ask_quantity)
        if not bid and not ask:
            return None
        return msgspec.structs.replace(quote, bid_lots=bid, ask_lots=ask)

    async def _quote(
        self, spec: InstrumentSpec, quote: TwoSided, ttl_ns: int, is_ours: Callable[[], bool]
    ) -> Granted:
        operation = self._operation("quote", spec.symbol) | {"ttl_ms": ttl_ns // MILLISECOND_NS}
        if quote.bid_lots:
            operation["bid_price"] = format(spec.price(quote.bid_ticks), "f")
            operation["bid_quantity"] = _text(spec, quote.bid_lots)
        if quote.ask_lots:
            operation["ask_price"] = format(spec.price(quote.ask_ticks), "f")
            operation["ask_quantity"] = _text(spec, quote.ask_lots)
        sent_ns = self._clock.now_ns()
        before, after = Point.BEFORE_QUOTE, Point.AFTER_QUOTE
        answer = await self._exchange(is_ours, spec.symbol, before, operation, Quote, after)
        stands = msgspec.structs.replace(
            quote,
            bid_lots=spec.lots(answer.granted_bid_quantity),
            ask_lots=spec.lots(answer.granted_ask_quantity),
        )
        return Granted(stands, sent_ns, (answer.bid_order_id, answer.ask_order_id))

    async def _exchange(
        self,
        is_ours: Callable[[], bool],
        symbol: str,
        before: Point,
        operation: dict[str, Any],
        shape: type[T],
        after: Point | None = None,
    ) -> T:
        """Send one operation and return its answer, unless a fault is armed at either end."""
        copies = await self._faults.reach(before, symbol)
        if not is_ours():
            raise _NotOurs
        if not copies:
            raise NodeUnreachable("", "dropped by a fault")
        sending: list[Awaitable[T]] = [
            self._socket.request(operation, shape) for _ in range(copies)
        ]
        answer = await sending.pop(0)
        for repeated in sending:
            answer = await repeated
        if after is not None and not await self._faults.reach(after, symbol):
            raise NodeUnreachable("", "the answer was dropped by a fault")
        return answer

    def _operation(self, op: str, symbol: str) -> dict[str, Any]:
        speaker = self._speaker
        return {
            "op": op,
            "instrument": symbol,
            "client_id": speaker.firm,
            "maker": speaker.name,
            "epoch": speaker.epoch,
        }


def _text(spec: InstrumentSpec, lots: int) -> str:
    return format(spec.quantity(lots), "f")


def _failure(error: ClientError, *, is_old_gone: bool) -> Refused | Unknown:
    """What an error says about the wish."""
    if not isinstance(error, ApiError):
        return Unknown(str(error))
    if isinstance(error, Overloaded) and error.problem.outcome == "unknown":
        return Unknown(str(error))
    return Refused(error.code, is_old_gone)
