"""Channels: what the feed board found, as JSON frames for those who subscribed.

A message is written once per channel, not per subscriber. Frames of one flush go out together, one
write per subscriber, at most every few milliseconds: a write is a system call and costs more than
the message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tradepit.domain.wire import COMMAND_REJECTED, TRADE, EventKind, OrderStatus, Side
from tradepit.gateway.answers import SIDE_TEXT, fill_texts, trade_text
from tradepit.gateway.drafts import Market
from tradepit.gateway.messages import (
    Message,
    Subscriber,
    as_events,
    as_frames,
    event_id,
    text_frame,
)
from tradepit.gateway.problems import REJECT_CODES
from tradepit.marketdata.feeds import (
    FeedBoard,
    LevelChange,
    Report,
    TopChange,
    TradePrint,
    now_feed_sequence,
)

LINGER_SECONDS: Final = 60.0
"""A channel without subscribers is followed this long, so that a reconnect can resume."""

SNAPSHOT_LEVELS: Final = 100_000
SNAPSHOT_ORDERS: Final = 10_000


class Name(NamedTuple):
    """What a channel carries. The instrument is 0 and the account 0 where they do not apply."""

    kind: str
    """`trades`, `bbo`, `book`, `execution`, or `prints`: bare trade objects of /ws/trades."""
    instrument: int = 0
    account: int = 0


class Channel:
    """One channel: its subscribers, its last sequence, and the messages it remembers."""

    __slots__ = ("begin", "head", "idle_since", "last", "name", "pending", "subscribers", "window")

    def __init__(self, name: Name, title: str, last: int, window: int) -> None:
        self.name = name
        self.head = title
        """Beginning of every message, up to the sequence."""
        self.begin = self.last = last
        """Followed from here on; and up to here."""
        self.window: deque[Message] = deque(maxlen=window)
        self.pending: list[Message] = []
        self.subscribers: dict[Subscriber, None] = {}
        self.idle_since = 0.0

    def push(self, feed_sequence: int, data: str) -> None:
        """Add a message; it goes out with the next flush."""
        text = f'{self.head}{feed_sequence},"previous_seq":{self.last},"data":{data}}}'
        self.push_bare(feed_sequence, text)

    def push_bare(self, feed_sequence: int, data: str) -> None:
        """Add a message that is its data alone."""
        message = Message(feed_sequence, self.last, data.encode())
        self.window.append(message)
        self.last = feed_sequence
        self.pending.append(message)

    def since(self, feed_sequence: int) -> list[Message] | None:
        """The messages after a sequence; None when they are no longer remembered."""
        first = self.window[0].previous if self.window else self.begin
        if feed_sequence < first:
            return None
        return [message for message in self.window if message.feed_sequence > feed_sequence]


class Channels:
    """All channels that somebody subscribed to."""

    def __init__(self, market: Market, window: int, schedule: Callable[[], None]) -> None:
        self._market = market
        self._window = window
        self._schedule = schedule
        self._board = FeedBoard(lambda: market.node.replica)
        self._channels: dict[Name, Channel] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def subscribe(self, subscriber: Subscriber, name: Name, since: int | None) -> None:
        """Add a subscriber to a WebSocket's channel, and send it a snapshot or what it missed."""
        self.flush()
        channel, missed = self._join(subscriber, name, since)
        if name.kind == "prints":
            return
        if missed is None:
            subscriber.send(text_frame(self._snapshot_text(channel, is_required=since is not None)))
        else:
            text = f'{channel.head}{channel.last},"resumed":true}}'
            subscriber.send(as_frames(missed) + text_frame(text.encode()))

    def open_stream(self, subscriber: Subscriber, names: Iterable[Name], since: int | None) -> None:
        """Add the subscriber of an event stream: snapshots, then what it missed, then an id that
        stands for both."""
        self.flush()
        snapshots: list[bytes] = []
        missed: list[Message] = []
        for name in names:
            channel, found = self._join(subscriber, name, since)
            if found is None:
                text = self._snapshot_text(channel, is_required=since is not None)
                snapshots.append(b"data: %b\n\n" % text)
            else:
                missed += found
        now = event_id(self.now)
        subscriber.send(b"".join(snapshots) + as_events(missed) + b"id: %b\n\n" % now)

    @property
    def now(self) -> int:
        """The feed sequence of the present."""
        return now_feed_sequence(self._market.replica.sequence)

    def _join(
        self, subscriber: Subscriber, name: Name, since: int | None
    ) -> tuple[Channel, list[Message] | None]:
        """Add a subscriber; the messages it missed, or None when it needs a snapshot."""
        channel = self._channels.get(name) or self._open(name)
        channel.subscribers[subscriber] = None
        if name.kind == "prints":
            return channel, []
        is_known = since is not None and since <= self.now
        return channel, channel.since(since) if is_known and since is not None else None

    def _snapshot_text(self, channel: Channel, *, is_required: bool) -> bytes:
        """A snapshot; `is_required` when one wanted to go on where too much was missed."""
        why = '"code":"snapshot_required",' if is_required else ""
        text = f'{channel.head}{channel.last},{why}"snapshot":{self._snapshot(channel.name)}}}'
        return text.encode()

    def subscribe_new(self, subscriber: Subscriber, name: Name, first_sequence: int) -> None:
        """Add a subscriber to what the frame that begins here has made: it was empty before."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._open(name)
            channel.begin = channel.last = now_feed_sequence(first_sequence - 1)
            self._board.begin_empty(name.instrument)
        channel.subscribers[subscriber] = None
        if name.kind != "prints":
            text = f'{channel.head}{channel.last},"snapshot":{_EMPTY[name.kind]}}}'.encode()
            is_stream = subscriber.is_stream
            subscriber.send(b"data: %b\n\n" % text if is_stream else text_frame(text))

    def unsubscribe(self, subscriber: Subscriber, name: Name, now_s: float) -> None:
        """Remove a subscriber; the channel lingers."""
        channel = self._channels.get(name)
        if channel is not None:
            channel.subscribers.pop(subscriber, None)
            if not channel.subscribers:
                channel.idle_since = now_s

    def sweep(self, now_s: float) -> None:
        """Forget channels that nobody came back to."""
        for channel in list(self._channels.values()):
            if not channel.subscribers and now_s - channel.idle_since > LINGER_SECONDS:
                del self._channels[channel.name]
        self._watch()

    def last(self, name: Name) -> int:
        """The last feed sequence of an open channel."""
        return self._channels[name].last

    def _open(self, name: Name) -> Channel:
        last = now_feed_sequence(self._market.replica.sequence)
        channel = Channel(name, self._title(name), last, self._window)
        self._channels[name] = channel
        self._watch()
        return channel

    def _title(self, name: Name) -> str:
        if name.kind == "execution":
            client_id = self._market.replica.account_id(name.account).replace("\\", "\\\\")
            client_id = client_id.replace('"', '\\"')
            return f'{{"channel":"execution","client_id":"{client_id}","seq":'
        if name.kind == "prints":
            return ""
        symbol = self._market.listing.by_number[name.instrument].row.symbol
        return f'{{"channel":"{name.kind}:{symbol}","seq":'

    def _watch(self) -> None:
        """Make the board follow exactly what the open channels need."""
        board, names = self._board, self._channels
        board.trades = {name.instrument for name in names if name.kind in ("trades", "prints")}
        board.accounts = {name.account for name in names if name.kind == "execution"}
        board.follow(
            books={name.instrument for name in names if name.kind == "book"},
            tops={name.instrument for name in names if name.kind == "bbo"},
        )

    # From events to messages

    def on_frame(self, events: bytes) -> None:
        """Write messages for what a frame changed."""
        if not self._channels:
            return
        changes = self._board.on_frame(events)
        for level in changes.levels:
            self._channels[Name("book", level.instrument)].push(
                level.feed_sequence, self._level(level)
            )
        for top in changes.tops:
            self._channels[Name("bbo", top.instrument)].push(top.feed_sequence, self._top(top))
        for print_ in changes.trades:
            self._push_trade(print_)
        for report in changes.reports:
            self._channels[Name("execution", 0, report.account)].push(
                report.feed_sequence, self._report(report)
            )
        if any(changes):
            self._schedule()

    def flush(self) -> None:
        """Send everything that is pending: a channel's frames to each of its sockets, and to each
        stream the events of all its channels in one order."""
        streams: dict[Subscriber, list[Channel]] = {}
        pending = [channel for channel in self._channels.values() if channel.pending]
        for channel in pending:
            frames = b""
            for subscriber in list(channel.subscribers):
                if subscriber.is_stream:
                    streams.setdefault(subscriber, []).append(channel)
                else:
                    frames = frames or as_frames(channel.pending)
                    subscriber.send(frames, len(channel.pending))
        events: dict[tuple[Name, ...], tuple[bytes, int]] = {}
        for subscriber, channels in streams.items():
            names = tuple([channel.name for channel in channels])
            if names not in events:
                messages = [message for channel in channels for message in channel.pending]
                events[names] = as_events(messages), len(messages)
            subscriber.send(*events[names])
        for channel in pending:
            channel.pending.clear()

    def _push_trade(self, trade: TradePrint) -> None:
        data = trade_text(
            self._market.listing.by_number[trade.instrument],
            trade_id=trade.trade_id,
            price=trade.price,
            quantity=trade.quantity,
            maker_order_id=trade.maker_order_id,
            taker_order_id=trade.taker_order_id,
            taker_side=trade.taker_side,
            time_ns=self._market.replica.market_time_ns,
        )
        channel = self._channels.get(Name("trades", trade.instrument))
        if channel is not None:
            channel.push(trade.feed_sequence, data)
        bare = self._channels.get(Name("prints", trade.instrument))
        if bare is not None:
            bare.push_bare(trade.feed_sequence, data)

    def _level(self, level: LevelChange) -> str:
        instrument = self._market.listing.by_number[level.instrument]
        return (
            f'{{"side":"{SIDE_TEXT[level.side]}","price":"{instrument.price_text(level.price)}"'
            f',"quantity":"{instrument.quantity_text(level.quantity)}","orders":{level.orders}}}'
        )

    def _top(self, top: TopChange) -> str:
        instrument = self._market.listing.by_number[top.instrument]
        texts = []
        for price, quantity in (
            (top.bid_price, top.bid_quantity),
            (top.ask_price, top.ask_quantity),
        ):
            texts.append(f'"{instrument.price_text(price)}"' if quantity else "null")
            texts.append(f'"{instrument.quantity_text(quantity)}"')
        return (
            f'{{"bid_price":{texts[0]},"bid_quantity":{texts[1]}'
            f',"ask_price":{texts[2]},"ask_quantity":{texts[3]}}}'
        )

    def _report(self, report: Report) -> str:
        """An execution report: what happened, and the order as it stood after the command."""
        if report.kind == EventKind.COMMAND_REJECTED:
            reason = COMMAND_REJECTED.unpack(report.event)[11]
            named = f'"{report.order_id}"' if report.order_id else "null"
            return (
                f'{{"report":"rejected","sequence":{report.sequence},"order_id":{named}'
                f',"reject_reason":"{REJECT_CODES[reason]}"}}'
            )
        known = self._market.renderer.order_at(report.order_id, report.sequence)
        order = "null" if known is None else known.decode()
        fill = ""
        if report.kind == EventKind.TRADE:
            fill = f',"fill":{self._fill(report)}'
        what = _REPORTS[report.kind]
        if what == "cancelled" and report.event[7] == OrderStatus.EXPIRED:
            what = "expired"
        return f'{{"report":"{what}","sequence":{report.sequence}{fill},"order":{order}}}'

    def _fill(self, report: Report) -> str:
        fields = TRADE.unpack(report.event)
        is_maker = report.order_id == fields[14]
        fee = fields[17] if is_maker else fields[18]
        row = (
            fields[11],
            report.sequence,
            self._market.replica.market_time_ns,
            fields[12],
            fields[13],
            fee,
            is_maker,
        )
        return fill_texts(self._market.listing.by_number[fields[10]], [row])[0]

    def _snapshot(self, name: Name) -> str:
        if name.kind == "book":
            return self._book_snapshot(name.instrument)
        if name.kind == "bbo":
            top = self._market.replica.top(name.instrument)
            return self._top(TopChange(0, name.instrument, *top))
        if name.kind == "execution":
            rows = self._market.replica.orders(name.account, 0, _OPEN, 0, SNAPSHOT_ORDERS)
            orders = ",".join([self._market.renderer.order_row(row) for row in rows])
            return f'{{"orders":[{orders}]}}'
        return '{"trades":[]}'

    def _book_snapshot(self, number: int) -> str:
        instrument = self._market.listing.by_number[number]
        sides = []
        for side in (Side.BUY, Side.SELL):
            levels = self._market.replica.depth(number, side, SNAPSHOT_LEVELS)
            sides.append(
                ",".join(
                    [
                        f'{{"price":"{instrument.price_text(price)}"'
                        f',"quantity":"{instrument.quantity_text(quantity)}","orders":{orders}}}'
                        for price, quantity, orders in levels
                    ]
                )
            )
        return f'{{"bids":[{sides[0]}],"asks":[{sides[1]}]}}'


_EMPTY: Final = {
    "book": '{"bids":[],"asks":[]}',
    "bbo": '{"bid_price":null,"bid_quantity":"0","ask_price":null,"ask_quantity":"0"}',
    "trades": '{"trades":[]}',
    "execution": '{"orders":[]}',
}
_OPEN: Final = 1 << OrderStatus.NEW | 1 << OrderStatus.PARTIALLY_FILLED
_REPORTS: Final = {
    int(EventKind.ORDER_ACCEPTED): "accepted",
    int(EventKind.ORDER_REPLACED): "replaced",
    int(EventKind.TRADE): "fill",
    int(EventKind.ORDER_CANCELLED): "cancelled",
    int(EventKind.ORDER_REDUCED): "reduced",
}
