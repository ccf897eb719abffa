"""Channels: what the feed board found, as JSON frames for those who subscribed.

A message is written once per channel, not per subscriber. Frames of one flush go out together, one
write per subscriber, at most every few milliseconds: a write is a system call and costs more than
the message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from tradepit.domain.wire import COMMAND_REJECTED, TRADE, EventKind, OrderStatus, Side
from tradepit.gateway.answers import SIDE_TEXT, fill_texts, trade_text
from tradepit.gateway.drafts import Market
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

_SHORT: Final = 126
_LONG: Final = 2**16


def text_frame(payload: bytes) -> bytes:
    """A server's WebSocket text frame: one message, unmasked."""
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Name(NamedTuple):
    """What a channel carries. The instrument is 0 and the account 0 where they do not apply."""

    kind: str
    """`trades`, `bbo`, `book`, `execution`, or `prints`: bare trade objects of /ws/trades."""
    instrument: int = 0
    account: int = 0


class Subscriber(Protocol):
    """Somebody who is sent frames."""

    def send(self, frames: bytes) -> None: ...


class Channel:
    """One channel: its subscribers, its last sequence, and the messages it remembers."""

    __slots__ = ("head", "idle_since", "last", "name", "pending", "subscribers", "window")

    def __init__(self, name: Name, title: str, last: int, window: int) -> None:
        self.name = name
        self.head = title
        """Beginning of every message, up to the sequence."""
        self.last = last
        self.window: deque[tuple[int, int, bytes]] = deque(maxlen=window)
        """Feed sequence, the one before, frame."""
        self.pending: list[bytes] = []
        self.subscribers: dict[Subscriber, None] = {}
        self.idle_since = 0.0

    def push(self, feed_sequence: int, data: str) -> None:
        """Add a message; it goes out with the next flush."""
        text = f'{self.head}{feed_sequence},"previous_seq":{self.last},"data":{data}}}'
        self._push(feed_sequence, text_frame(text.encode()))

    def push_bare(self, feed_sequence: int, data: str) -> None:
        """Add a message that is its data alone."""
        self._push(feed_sequence, text_frame(data.encode()))

    def _push(self, feed_sequence: int, frame: bytes) -> None:
        self.window.append((feed_sequence, self.last, frame))
        self.last = feed_sequence
        self.pending.append(frame)

    def flush(self) -> None:
        """Send what is pending to everybody."""
        if self.pending:
            frames = b"".join(self.pending)
            self.pending.clear()
            for subscriber in list(self.subscribers):
                subscriber.send(frames)

    def since(self, feed_sequence: int) -> bytes | None:
        """The frames after a sequence; None when they are no longer remembered."""
        if feed_sequence == self.last:
            return b""
        if not self.window or not self.window[0][1] <= feed_sequence < self.last:
            return None
        return b"".join([frame for at, _, frame in self.window if at > feed_sequence])


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
        """Add a subscriber, and send it a snapshot or what it missed."""
        self.flush()
        channel = self._channels.get(name) or self._open(name)
        missed = None if since is None else channel.since(since)
        if name.kind == "prints":
            missed = b""
        elif missed is None:
            text = f'{channel.head}{channel.last},"snapshot":{self._snapshot(name)}}}'
            missed = text_frame(text.encode())
        else:
            text = f'{channel.head}{channel.last},"resumed":true}}'
            missed += text_frame(text.encode())
        channel.subscribers[subscriber] = None
        if missed:
            subscriber.send(missed)

    def subscribe_new(self, subscriber: Subscriber, name: Name, first_sequence: int) -> None:
        """Add a subscriber to what the frame that begins here has made: it was empty before."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._open(name)
            channel.last = now_feed_sequence(first_sequence - 1)
            self._board.begin_empty(name.instrument)
        channel.subscribers[subscriber] = None
        if name.kind != "prints":
            text = f'{channel.head}{channel.last},"snapshot":{_EMPTY[name.kind]}}}'
            subscriber.send(text_frame(text.encode()))

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
        """Send everything that is pending."""
        for channel in self._channels.values():
            channel.flush()

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
