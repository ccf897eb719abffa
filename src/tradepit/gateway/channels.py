"""Channels: who subscribed to what, and when it is sent.

The native feed board writes each message once per channel and wraps it once per way of travelling;
here one write per subscriber and flush gives them what is new, at most every few milliseconds: a
write is a system call and costs more than the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, cast

from tradepit._native import Replica
from tradepit.gateway.channel_names import Name, head_of
from tradepit.gateway.channel_texts import (
    open_orders_text,
    position_text,
    positions_text,
    report_text,
)
from tradepit.gateway.drafts import Market
from tradepit.gateway.messages import Subscriber, as_one, text_frame
from tradepit.marketdata.feeds import FeedBoard, Fill, Report, event_id, place_after

LINGER_SECONDS: Final = 60.0
"""A channel without subscribers is followed this long, so that a reconnect can resume."""

SEQ_MAX: Final = 2**63 - 1

MILLI: Final = 1e-3


class Channel:
    """One open channel: its number on the board, and its subscribers."""

    __slots__ = ("head", "idle_since", "name", "number", "sent", "snapshot", "subscribers")

    def __init__(self, name: Name, number: int, head: str, sent: int) -> None:
        self.name = name
        self.number = number
        self.head = head
        """Beginning of every message, up to its number."""
        self.sent = sent
        """Number of the last message that its subscribers were handed."""
        self.subscribers: dict[Subscriber, None] = {}
        self.idle_since = 0.0
        self.snapshot: tuple[int, bytes] | None = None
        """The last one, with the number of the message that it follows."""


class Channels:
    """All channels that somebody subscribed to.

    Args:
        window: messages kept per channel for those who come back.
        schedule: asks for a `flush` soon.
    """

    def __init__(self, market: Market, window: int, schedule: Callable[[], None]) -> None:
        self._market = market
        self._window = window
        self._schedule = schedule
        self._board = FeedBoard()
        self._channels: dict[Name, Channel] = {}
        self._by_number: dict[int, Channel] = {}
        self._timed: dict[int, set[int]] = {}
        """Numbers of the channels that are written by a timer, by its milliseconds."""
        self._timers: set[int] = set()
        """Milliseconds whose channels are going to be written."""

    def __len__(self) -> int:
        return len(self._channels)

    @property
    def _replica(self) -> Replica:
        """Asked for each time: the node replaces it when the engine panics."""
        return cast(Replica, self._market.replica)

    # Subscribing

    def subscribe(self, subscriber: Subscriber, name: Name, since: int | None) -> None:
        """Add a subscriber to a WebSocket's channel, and send it a snapshot or what it missed."""
        channel = self._opened(name)
        if name.kind == "prints":
            channel.subscribers[subscriber] = None
            return
        missed = None
        if since is not None and 0 <= since <= SEQ_MAX:
            missed = self._board.frames_since(channel.number, since)
        if missed is None:
            subscriber.send(text_frame(self._snapshot_text(channel, is_required=since is not None)))
        else:
            text = f'{channel.head}{self._board.last(channel.number)},"resumed":true}}'
            subscriber.send(missed + text_frame(text.encode()))
        channel.subscribers[subscriber] = None

    def open_stream(self, subscriber: Subscriber, names: Iterable[Name], since: int | None) -> None:
        """Add the subscriber of an event stream: snapshots, then what it missed, then an id that
        stands for both. `since` is a place."""
        snapshots: list[bytes] = []
        known: list[int] = []
        now = place_after(self._market.replica.sequence)
        channels = [self._opened(name) for name in names]
        for channel in channels:
            if since is not None and since <= now and self._board.remembers(channel.number, since):
                known.append(channel.number)
            else:
                text = self._snapshot_text(channel, is_required=since is not None)
                snapshots.append(as_one(text, is_stream=True))
        missed = self._board.events_since(known, since or 0)
        subscriber.send(b"".join(snapshots) + missed + b"id: %b\n\n" % event_id(now))
        for channel in channels:
            channel.subscribers[subscriber] = None

    def subscribe_new(self, subscriber: Subscriber, name: Name, untold: bytes) -> None:
        """Add a subscriber to what these events have made: it was empty before them, and they are
        told next."""
        channel = self._channels.get(name) or self._open(name, untold)
        empty = _EMPTY.get(name.kind)
        if name.kind in ("statistics", "auction"):
            empty = self._snapshot(channel).decode()
        if empty is not None:
            text = f'{channel.head}{self._board.last(channel.number)},"snapshot":{empty}}}'
            subscriber.send(as_one(text.encode(), is_stream=subscriber.is_stream))
        channel.subscribers[subscriber] = None

    def move(self, subscriber: Subscriber, before: Name, name: Name, untold: bytes) -> None:
        """Let a subscriber go on in another form of the same channel."""
        self.flush()
        self.unsubscribe(subscriber, before, 0.0)
        channel = self._channels.get(name) or self._open(name, untold)
        channel.subscribers[subscriber] = None

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
                self._close(channel)

    def handed(self, subscriber: Subscriber, names: Iterable[Name]) -> int:
        """The number after which a subscriber may go on in all of these channels: the smallest of
        those that it was handed last, so that it may be sent some again and misses none. 0 when
        one of them has not begun for it, or there are none."""
        return min((self._handed(subscriber, name) for name in names), default=0)

    def _handed(self, subscriber: Subscriber, name: Name) -> int:
        channel = self._channels.get(name)
        return channel.sent if channel is not None and subscriber in channel.subscribers else 0

    def _opened(self, name: Name) -> Channel:
        """A channel of which everything is told, for one who begins with it."""
        channel = self._channels.get(name) or self._open(name)
        if name.timer_ms:
            self._board.conflate(self._replica, channel.number)
        self.flush()
        return channel

    def _open(self, name: Name, untold: bytes = b"") -> Channel:
        market = self._market
        client_id = market.replica.account_id(name.account) if name.account else ""
        head = head_of(name, market.listing, client_id)
        number = self._board.open(
            self._replica,
            name.board_kind,
            instrument=name.instrument,
            account=name.account,
            head=head,
            window_max=self._window,
            interval_s=name.interval_s,
            untold=untold,
        )
        channel = Channel(name, number, head, self._board.last(number))
        self._channels[name] = self._by_number[number] = channel
        if name.timer_ms:
            self._timed.setdefault(name.timer_ms, set()).add(number)
        return channel

    def _close(self, channel: Channel) -> None:
        del self._channels[channel.name]
        del self._by_number[channel.number]
        self._board.close(channel.number)
        numbers = self._timed.get(channel.name.timer_ms, set())
        numbers.discard(channel.number)
        if not numbers:
            self._timed.pop(channel.name.timer_ms, None)

    # From events to messages

    def on_frame(self, events: bytes) -> None:
        """Write messages for what a frame changed."""
        if not self._channels:
            return
        is_change, reports, fills, moved = self._board.on_events(self._replica, events)
        for row in reports:
            self._push_report(Report._make(row))
        for fill_row in fills:
            self._push_fill(Fill._make(fill_row))
        for account in moved:
            self._begin_positions_anew(self._channels[Name("positions", 0, account)])
        if is_change or reports or fills:
            self._schedule()
        if is_change:
            self._start_timers()

    def flush(self) -> None:
        """Send everything that is pending: to each stream the events of all its channels in one
        order, and a channel's frames to each of its sockets.

        `sent` of a channel moves when its sockets have been written to. Streams come before all of
        them: one that is cut here has none of what is pending in any channel.
        """
        board = self._board
        board.write_candles(self._replica)
        pending = board.pending()
        self._flush_streams(dict(pending))
        for number, count in pending:
            channel = self._by_number[number]
            frames = b""
            for subscriber in list(channel.subscribers):
                if not subscriber.is_stream:
                    frames = frames or board.unsent_frames(number)
                    subscriber.send(frames, count)
            board.sent(number)
            channel.sent = board.last(number)

    def _flush_streams(self, counts: dict[int, int]) -> None:
        """Send streams what is pending; `counts` says how many messages, by channel."""
        streams: dict[Subscriber, list[int]] = {}
        for number in counts:
            for subscriber in self._by_number[number].subscribers:
                if subscriber.is_stream:
                    streams.setdefault(subscriber, []).append(number)
        events: dict[tuple[int, ...], tuple[bytes, int]] = {}
        for subscriber, numbers in streams.items():
            names = tuple(numbers)
            if names not in events:
                count = sum(counts[number] for number in numbers)
                events[names] = self._board.unsent_events(numbers), count
            subscriber.send(*events[names])

    def _push_report(self, report: Report) -> None:
        channel = self._channels[Name("execution", 0, report.account)]
        self._board.push(channel.number, report_text(self._market, report), place=report.place)

    def _push_fill(self, fill: Fill) -> None:
        channel = self._channels[Name("positions", 0, fill.account)]
        self._board.push(channel.number, position_text(self._market, fill), place=fill.place)

    def _begin_positions_anew(self, channel: Channel) -> None:
        """Money moved: positions changed without a message of their own."""
        self.flush()
        self._board.forget(channel.number, place_after(self._market.replica.sequence))
        text = self._snapshot_text(channel, is_required=False)
        for subscriber in list(channel.subscribers):
            subscriber.send(as_one(text, is_stream=subscriber.is_stream))

    def _start_timers(self) -> None:
        for timer_ms in self._timed.keys() - self._timers:
            self._timers.add(timer_ms)
            loop = asyncio.get_running_loop()
            loop.call_later(timer_ms * MILLI, self._on_timer, timer_ms)

    def _on_timer(self, timer_ms: int) -> None:
        self._timers.discard(timer_ms)
        for number in self._timed.get(timer_ms, ()):
            self._board.conflate(self._replica, number)
        self.flush()

    # Snapshots

    def _snapshot_text(self, channel: Channel, *, is_required: bool) -> bytes:
        """A snapshot; `is_required` when one wanted to go on where too much was missed."""
        why = '"code":"snapshot_required",' if is_required else ""
        head = f'{channel.head}{self._board.last(channel.number)},{why}"snapshot":'
        return head.encode() + self._snapshot(channel) + b"}"

    def _snapshot(self, channel: Channel) -> bytes:
        name = channel.name
        if name.kind == "execution":
            return open_orders_text(self._market, name.account).encode()
        if name.kind == "positions":
            return positions_text(self._market, name.account).encode()
        if name.kind == "trades":
            return b'{"trades":[]}'
        last = self._board.last(channel.number)
        if name.kind == "statistics" or channel.snapshot is None or channel.snapshot[0] != last:
            # Many come back at once: they share one.
            found = self._board.snapshot(self._replica, channel.number)
            channel.snapshot = (last, found)
        return channel.snapshot[1]


_EMPTY: Final = {
    "book": '{"bids":[],"asks":[]}',
    "orders": '{"bids":[],"asks":[]}',
    "bbo": '{"bid_price":null,"bid_quantity":"0","ask_price":null,"ask_quantity":"0"}',
    "trades": '{"trades":[]}',
    "execution": '{"orders":[]}',
    "positions": '{"positions":[]}',
    "candles": '{"candles":[]}',
}
