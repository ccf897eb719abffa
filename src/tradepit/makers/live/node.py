"""A maker node: heartbeats, what it owns, its feed, its seats. It owns nothing that is not its own.

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
from typing import Any, Final

import structlog
from msgspec import Struct

from tradepit.client import AsyncClient, MakerLease, Message, RetryPolicy
from tradepit.client.channel_data import Auction, OrderChange, Positions, QueuesSnapshot
from tradepit.client.errors import ApiError, ClientError
from tradepit.client.models import Instrument, Trade
from tradepit.client.operation_socket import OperationSocket
from tradepit.client.signing import Credentials
from tradepit.domain.decimals import DecimalError
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.counts import Counts
from tradepit.makers.live.faults import Faults, Point
from tradepit.makers.live.feed import POSITIONS, Feed, channels_of
from tradepit.makers.live.holdings import Holdings
from tradepit.makers.live.lease import Lease
from tradepit.makers.live.references import ReferencePrices
from tradepit.makers.live.seat import Seat
from tradepit.makers.live.sender import QuoteSender, Speaker
from tradepit.makers.live.settings import MakerSettings, ReferenceFeed
from tradepit.makers.registry import StrategyError

log = structlog.get_logger(__name__)

ENDLESS: Final = RetryPolicy(attempts=1_000_000_000, first_s=0.02, longest_s=1.0)
"""A maker waits for its node as long as it takes."""

BEATS_PER_LEASE: Final = 3
RETRY_SECONDS: Final = (0.05, 1.0)
"""Between heartbeats that are not answered: at first, and at most."""

BEAT_SECONDS_FIRST: Final = 1.0
"""Longest wait for the answer of the first heartbeat; later ones have a third of the lease."""

RECONCILE_SECONDS: Final = 5.0
"""How often positions are read beside the stream, which tells them all the same."""

AWAKE_SECONDS: Final = 0.05
SLEEPS_PER_LEASE: Final = 2
"""A process that did not run for half a lease was paused: what it knows is old."""

SIGN_OFF_SECONDS: Final = 3.0
INSTRUMENT_CODES: Final = frozenset({"tick_size", "lot_size", "unknown_instrument"})
"""Refusals that mean: the instrument is not what it was."""


class StaleMaker(Exception):
    """A newer run of the same name is alive: this one must not go on."""


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
        self.lease = Lease()
        self.faults = Faults(is_enabled=options.fault_injection)
        self.counts = Counts()
        self.seats: dict[str, Seat] = {}
        self.holdings = Holdings()
        self.lapses = 0
        self.last_error: str | None = None
        self._clients: dict[str, AsyncClient] = {}
        self._client = self.client_of(None)
        self._socket = OperationSocket(options.url, credentials=options.credentials)
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
        self._beat_now = asyncio.Event()
        self._awake_ns = self.began_ns
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
            for each in (self._beat(), self._stay_awake(), self.feed.run(), self._reconcile())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._leave(tasks)

    # The lease.

    async def _beat(self) -> None:
        """Heartbeats, for ever. Raises: StaleMaker."""
        pause_s = RETRY_SECONDS[0]
        while True:
            try:
                await self._beat_once()
            except ClientError as error:
                self._explain(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_SECONDS[1])
                continue
            pause_s, self.last_error = RETRY_SECONDS[0], None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat_seconds):
                    await self._beat_now.wait()

    @property
    def _beat_seconds(self) -> float:
        lasts_ns = self.lease.lasts_ns
        return lasts_ns / 1e9 / BEATS_PER_LEASE if lasts_ns else BEAT_SECONDS_FIRST

    async def _beat_once(self) -> None:
        if not await self.faults.reach(Point.BEFORE_HEARTBEAT):
            return
        self._check_lease()
        self._beat_now.clear()
        sent_ns = self.clock.now_ns()
        try:
            async with asyncio.timeout(max(BEAT_SECONDS_FIRST, self._beat_seconds)):
                answer = await self._heartbeat(is_leaving=False)
        except TimeoutError:
            return
        # Between its sending and now this process may have slept.
        self._check_lease()
        self.lease.renew(answer, sent_ns=sent_ns)
        self._doubted = {each: at for each, at in self._doubted.items() if at >= sent_ns}
        if self.lease.is_held(self.clock.now_ns()):
            await self._assign(answer.symbols)
        else:
            self._void()

    async def _heartbeat(self, *, is_leaving: bool) -> MakerLease:
        speaker = self.options.speaker
        operation: dict[str, Any] = {
            "op": "heartbeat",
            "client_id": speaker.firm,
            "maker": speaker.name,
            "epoch": speaker.epoch,
        }
        if is_leaving:
            operation["leaving"] = True
        try:
            return await self._socket.request(operation, MakerLease)
        except ApiError as error:
            if error.code == "stale_maker":
                raise StaleMaker(str(error)) from error
            raise

    def _explain(self, error: ClientError) -> None:
        if str(error) != self.last_error:
            log.warning("no heartbeat", reason=str(error))
        self.last_error = str(error)
        self._check_lease()

    def _check_lease(self) -> None:
        """Forget everything if the lease may be over."""
        now_ns = self.clock.now_ns()
        if self.seats and (not self.lease.is_held(now_ns) or self._has_slept(now_ns)):
            self.lapses += 1
            log.warning("the lease may be over", symbols=len(self.seats))
            self._awake_ns = now_ns
            self._void()
            self._beat_now.set()

    def _void(self) -> None:
        """Nothing that is known counts any more."""
        self.lease.end()
        self._drop(list(self.seats))
        self.feed.restart()

    def _may_send(self, symbol: str) -> bool:
        """Whether a message about a symbol may leave now."""
        now_ns = self.clock.now_ns()
        return symbol in self.seats and self.lease.is_held(now_ns) and not self._has_slept(now_ns)

    def _has_slept(self, now_ns: int) -> bool:
        """This process has not run for so long that what it knows is old."""
        return now_ns - self._awake_ns > self.lease.lasts_ns // SLEEPS_PER_LEASE

    async def _stay_awake(self) -> None:
        """Notice when this process was paused."""
        while True:
            self._check_lease()
            self._awake_ns = self.clock.now_ns()
            await asyncio.sleep(min(AWAKE_SECONDS, self._beat_seconds / BEATS_PER_LEASE))

    def _may_quote(self, symbol: str) -> bool:
        """Whether a quote may be thought of: it is ours, and the feed is heard."""
        is_ours = self._may_send(symbol)
        if not is_ours:
            self._check_lease()
        if symbol in self._doubted:
            return False
        return is_ours and self.feed.is_live and self.holdings.is_known and not self._is_leaving

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
        self._beat_now.set()

    def _on_refused(self, symbol: str, code: str) -> None:
        """A quote was refused: what that says about what is ours."""
        if code == "not_owner":
            self._beat_now.set()
        elif code in INSTRUMENT_CODES and symbol in self.seats:
            self._renew(symbol)

    def _renew(self, symbol: str) -> None:
        """The instrument is not what it was: begin with it anew."""
        self._instruments.clear()
        self._drop([symbol])
        self._beat_now.set()

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
                self._beat_now.set()
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
        is_ours = self.lease.is_held(self.clock.now_ns())
        seats = list(self.seats.values())
        await asyncio.gather(*(seat.settle() for seat in seats))
        for seat in seats:
            seat.end()
        if is_ours:
            releases = (self._sender.release(seat.spec.symbol) for seat in seats)
            await asyncio.gather(*releases, return_exceptions=True)
            await self._heartbeat(is_leaving=True)
        self.seats.clear()
        self.lease.end()


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
