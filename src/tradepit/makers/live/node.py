"""A maker node: what it owns, its feed, its seats. It owns nothing that is not its own.

Everything that the market must know is in the market: whoever starts again, under any name, goes
on from snapshots and the answer of a heartbeat. When a lease may have lapsed (the node was gone,
this process was paused) all that was known is void: nothing is sent until a heartbeat is answered
and new snapshots are there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct

from tradepit.client import AsyncClient, Message, RetryPolicy
from tradepit.client.channel_data import Auction, OrderChange, Positions, QueuesSnapshot
from tradepit.client.errors import ClientError
from tradepit.client.models import Instrument, Trade
from tradepit.client.operation_socket import OperationSocket
from tradepit.client.signing import Credentials
from tradepit.domain.decimals import DecimalError
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.counts import Counts
from tradepit.makers.live.faults import Faults, Point
from tradepit.makers.live.feed import POSITIONS, Feed, channels_of
from tradepit.makers.live.heart import Heart, StaleMaker
from tradepit.makers.live.holdings import Holdings
from tradepit.makers.live.references import ReferencePrices
from tradepit.makers.live.seat import Seat
from tradepit.makers.live.sender import QuoteSender, Speaker
from tradepit.makers.live.settings import MakerSettings, ReferenceFeed
from tradepit.makers.registry import StrategyError

log = structlog.get_logger(__name__)

ENDLESS: Final = RetryPolicy(attempts=1_000_000_000, first_s=0.02, longest_s=1.0)
"""A maker waits for its node as long as it takes."""

RECONCILE_SECONDS: Final = 5.0
"""How often positions are read beside the stream, which tells them all the same."""

SIGN_OFF_SECONDS: Final = 3.0
INSTRUMENT_CODES: Final = frozenset({"tick_size", "lot_size", "unknown_instrument"})
"""Refusals that mean: the instrument is not what it was."""


class MakerOptions(Struct, frozen=True, kw_only=True):
    """Who a maker is and how it works."""

    speaker: Speaker
    url: str
    settings: MakerSettings = MakerSettings()
    credentials: Credentials | None = None
    two_step: bool = False
    cancel_first: bool = False
    fault_injection: bool = False


class MakerNode:
    """One maker process, without its pages."""

    def __init__(self, options: MakerOptions) -> None:
        self.options = options
        self.clock = LocalClock()
        self.began_ns = self.clock.now_ns()
        self.faults = Faults(is_enabled=options.fault_injection)
        self.counts = Counts()
        self.seats: dict[str, Seat] = {}
        self.holdings = Holdings()
        self._clients: dict[str, AsyncClient] = {}
        self._client = self.client_of(None)
        self._socket = OperationSocket(options.url, credentials=options.credentials)
        self.heart = Heart(
            self._socket,
            options.speaker,
            self.clock,
            self.faults,
            on_renewed=self._on_renewed,
            on_void=self._void,
        )
        self._sender = QuoteSender(
            self._socket,
            options.speaker,
            self.clock,
            self.faults,
            two_step=options.two_step,
            cancel_first=options.cancel_first,
        )
        self.feed = Feed(self._client, options.speaker.firm, self)
        self.references = ReferencePrices(self.client_of, self._on_price)
        self._instruments: dict[str, Instrument] = {}
        self._touched: set[Seat] = set()
        self._clearing: set[asyncio.Task[None]] = set()
        self._doubted: dict[str, int] = {}
        """Symbols that may not be ours any more, and since when; the next heartbeat tells."""
        self._is_leaving = False

    def client_of(self, url: str | None) -> AsyncClient:
        """The client of a node; None: the maker's own. Keys are for its own node only."""
        place = url or self.options.url
        if place not in self._clients:
            own = self.options.credentials if url is None else None
            self._clients[place] = AsyncClient(
                place,
                key=None if own is None else own.key,
                secret=None if own is None else own.secret,
                reconnects=ENDLESS,
            )
        return self._clients[place]

    async def run(self) -> None:
        """Make markets until cancelled, then sign off. Raises: StaleMaker."""
        tasks = [
            asyncio.ensure_future(each)
            for each in (
                self.heart.beat(),
                self.heart.stay_awake(),
                self.feed.run(),
                self._reconcile(),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._leave(tasks)

    # The lease.

    def _void(self) -> None:
        """Nothing that is known counts any more."""
        self._drop(list(self.seats))
        self.holdings = Holdings()
        self.feed.restart()

    async def _on_renewed(self, symbols: tuple[str, ...], sent_ns: int) -> None:
        """A heartbeat that was sent at `sent_ns` is answered: this is what we own."""
        self._doubted = {each: at for each, at in self._doubted.items() if at >= sent_ns}
        await self._assign(symbols)

    def _may_send(self, symbol: str) -> bool:
        """Whether a message about a symbol may leave now."""
        return symbol in self.seats and self.heart.is_sure()

    def _may_quote(self, symbol: str) -> bool:
        """Whether a quote may be thought of: it is ours, and the feed is heard."""
        is_ours = self._may_send(symbol)
        if not is_ours:
            self.heart.check()
        is_heard = self.feed.is_live and self.holdings.is_known
        return is_ours and is_heard and symbol not in self._doubted and not self._is_leaving

    # What it owns.

    async def _assign(self, symbols: Iterable[str]) -> None:
        """Take over what is ours now, and let go of what is not any more."""
        owned = set(symbols)
        lost = [seat for symbol, seat in self.seats.items() if symbol not in owned]
        self._drop([seat.spec.symbol for seat in lost])
        self._clear(lost)
        missing = [symbol for symbol in symbols if symbol not in self.seats]
        if not missing or not self.holdings.is_known:
            return
        if any(symbol not in self._instruments for symbol in missing):
            self._instruments = {each.symbol: each for each in await self._client.instruments()}
        for symbol in missing:
            if symbol in self._instruments:
                self._sit(self._instruments[symbol])
        self._follow_references()

    def _sit(self, instrument: Instrument) -> None:
        symbol, settings = instrument.symbol, self.options.settings
        try:
            seat = Seat(
                self.options.speaker.name,
                instrument,
                settings.choice_of(instrument),
                settings.quoting.quoter(),
                self.holdings,
                self._sender,
                self.clock,
                self.counts.of(symbol),
                may_send=self._may_send,
                may_quote=self._may_quote,
                on_refused=self._on_refused,
                on_ended=self._on_ended,
            )
        except StrategyError as error:
            log.error("a symbol is not quoted", symbol=symbol, reason=str(error))
            return
        self.seats[symbol] = seat
        self.feed.follow(channels_of(symbol))
        seat.pump()
        log.info("a symbol is ours", symbol=symbol)

    def _drop(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self.seats.pop(symbol).end()
            self.feed.unfollow(channels_of(symbol))
            log.info("a symbol is not ours any more", symbol=symbol)
        self._follow_references()

    def _clear(self, lost: Iterable[Seat]) -> None:
        """Leave no quote in symbols that the firm makes no more. Where another maker took over,
        the market refuses this: the quote there is the other's."""
        for seat in lost:
            task = asyncio.ensure_future(self._release(seat))
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)

    async def _release(self, seat: Seat) -> None:
        await seat.settle()
        with contextlib.suppress(ClientError):
            await self._sender.release(seat.spec.symbol)

    def _on_ended(self, symbol: str) -> None:
        """Somebody else ended our quote: is the symbol still ours?"""
        self._doubted[symbol] = self.clock.now_ns()
        self.heart.beat_now()

    def _on_refused(self, symbol: str, code: str) -> None:
        """A quote was refused: what that says about what is ours."""
        if code == "not_owner":
            self.heart.beat_now()
        elif code in INSTRUMENT_CODES and symbol in self.seats:
            self._renew(symbol)

    def _renew(self, symbol: str) -> None:
        """The instrument is not what it was: begin with it anew."""
        self._instruments.clear()
        self._drop([symbol])
        self.heart.beat_now()

    # The feed.

    def on_begin(self) -> None:
        """A new stream: positions come as a snapshot, books too."""
        self.holdings = Holdings()
        for seat in self.seats.values():
            seat.book.is_known = False

    async def on_message(self, message: Message) -> None:
        """One message of the feed."""
        if message.channel == POSITIONS:
            await self._on_positions(message)
            return
        _, _, symbol = message.channel.partition(":")
        seat = self.seats.get(symbol)
        if seat is None:
            return
        self._touched.add(seat)
        try:
            _tell(seat, message.data)
        except DecimalError:
            self._renew(symbol)

    async def _on_positions(self, message: Message) -> None:
        if isinstance(message.data, Positions):
            is_first = not self.holdings.is_known
            self._take_positions(message.data)
            if is_first:
                self.heart.beat_now()
            return
        position = message.data
        for _ in range(await self.faults.reach(Point.BEFORE_POSITION_UPDATE, position.instrument)):
            seat = self.seats.get(position.instrument)
            if self.holdings.apply(position) and seat is not None:
                self._touched.add(seat)
                seat.on_fill(position)

    def _take_positions(self, snapshot: Positions) -> None:
        for position in self.holdings.begin(snapshot.positions):
            seat = self.seats.get(position.instrument)
            if seat is not None:
                self._touched.add(seat)
                seat.on_position(position)

    def on_heard(self) -> None:
        """Everything that had come was heard: send what follows from it."""
        touched, self._touched = self._touched, set()
        for seat in touched:
            seat.pump()

    async def _reconcile(self) -> None:
        """Read positions now and then: a lost message of the stream must not stay lost."""
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            if not (self.seats and self.holdings.is_known and self.feed.is_live):
                continue
            holdings = self.holdings
            try:
                found = await self._client.positions(self.options.speaker.firm)
            except ClientError as error:
                log.warning("positions cannot be read", reason=str(error))
                continue
            if holdings is self.holdings:
                self._take_positions(Positions(found))
                self.on_heard()

    # Outside prices.

    def _follow_references(self) -> None:
        found = (self.options.settings.reference_of(symbol) for symbol in self.seats)
        self.references.want(each for each in found if each is not None)

    def _on_price(self, feed: ReferenceFeed, price: Decimal) -> None:
        settings = self.options.settings
        for symbol, seat in self.seats.items():
            if settings.reference_of(symbol) == feed:
                seat.on_reference(seat.spec.nearest_ticks(price))
                seat.pump()

    # The end.

    async def _leave(self, tasks: list[asyncio.Task[None]]) -> None:
        """Release the quotes, say goodbye, close everything; bounded in time."""
        self._is_leaving = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(SIGN_OFF_SECONDS):
                await self._sign_off()
        except (ClientError, StaleMaker, TimeoutError) as error:
            log.warning("left without a goodbye", reason=repr(error))
        await asyncio.gather(*self._clearing, return_exceptions=True)
        await self.references.close()
        await self._socket.close()
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def _sign_off(self) -> None:
        is_ours = self.heart.is_sure()
        seats = list(self.seats.values())
        await asyncio.gather(*(seat.settle() for seat in seats))
        for seat in seats:
            seat.end()
        if is_ours:
            releases = (self._sender.release(seat.spec.symbol) for seat in seats)
            await asyncio.gather(*releases, return_exceptions=True)
            await self.heart.say_goodbye()
        self.seats.clear()


def _tell(seat: Seat, data: object) -> None:
    """Pass on what a message of a symbol says. Raises: DecimalError off the known steps."""
    match data:
        case OrderChange():
            seat.on_order(data)
        case QueuesSnapshot():
            seat.on_queues(data)
        case Trade():
            seat.on_trade(data)
        case Auction():
            seat.on_auction(data)
