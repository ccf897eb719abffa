"""One replay on the event loop: its clock, its messages, and who reads them.

Every message that readers are sent has a number, `seq`, one more than the one before: messages of
the recording (steps), and notes about the replay itself (a jump, another speed). The newest are
kept, unencoded, so that a reader that comes back goes on where it was. Each is encoded once per way
of travelling, for all its readers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol, TypeVar

import structlog

from tradepit.gateway.messages import text_frame
from tradepit.gateway.problems import refused
from tradepit.gateway.replaying.book_texts import LEVELS_MAX, books_text
from tradepit.gateway.times import format_time
from tradepit.marketdata.books import BookKey
from tradepit.marketdata.replays.index import DamagedIndex, RecordingIndex
from tradepit.marketdata.replays.rendering import RenderStyle, render, symbols_of
from tradepit.marketdata.replays.session import Jump, ReplaySession, Steps
from tradepit.marketdata.replays.session import ReplayState as SessionState

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 0.002
"""Longest time that a message waits for company: a write costs more than a message."""

TURN_MESSAGES: Final = 2048
"""Of one turn of the loop, so that other replays and feeds have theirs."""

WINDOW_MESSAGES: Final = 65_536
"""Kept for readers that come back: with effects some 4 MB."""

AWAITED_BYTES: Final = 64 << 10
"""What may wait for a reader who asked to be waited for: who acts on what it reads is to hear of a
pause soon, and a pause comes behind all that waits."""

CATCH_UP_MESSAGES: Final = 4_096
"""Given at once to a reader that was behind and has room again."""

HOLD_SECONDS: Final = 0.002
"""Between two looks whether such a reader has read."""

PATIENCE_SECONDS: Final = 0.25
"""A shared replay without a speed waits no longer than this for one reader that takes nothing."""

WINDOW_NOTE_BYTES: Final = 16 << 20
"""Of notes among them: each jump carries whole books."""

MESSAGE_BYTES: Final = 350
"""Of a step's text, about."""

STYLES: Final = {True: RenderStyle.EVENTS, False: RenderStyle.FRAMES}
"""By whether a reader takes events; otherwise frames."""

T = TypeVar("T")


class Reader(Protocol):
    """Somebody who watches a replay."""

    is_stream: bool
    by_order: bool
    """Wants snapshots with every order."""
    is_awaited: bool
    """The clock waits for this reader."""

    def send(self, data: bytes, messages: int = 1, seq: int | None = None) -> None: ...
    @property
    def waiting_bytes(self) -> int: ...
    @property
    def is_full(self) -> bool:
        """Enough waits: it says so to `has_room` when more may come."""

    def close(self, code: int, reason: str) -> None: ...
    def close_slow(self, excess: str) -> None: ...


class _Part(NamedTuple):
    """Messages that were sent together: steps, or one note."""

    first_seq: int
    messages: int
    steps: Steps | None
    note: bytes
    """Text of a note, from after its seq on."""


class _Snapshot(NamedTuple):
    """The books as they were after a message."""

    seq: int
    text: bytes


class Replay:
    """A replay whose recording is indexed."""

    def __init__(
        self,
        index: RecordingIndex,
        session: ReplaySession,
        *,
        is_private: bool,
        seq: int,
        describe: Callable[[], bytes],
    ) -> None:
        """
        Args:
            seq: of the message before the first.
            describe: JSON of the replay as it stands, for notes and snapshots.
        """
        self.index = index
        self.session = session
        self.seq = seq
        self.readers: dict[Reader, None] = {}
        self._is_private = is_private
        self._describe = describe
        self._symbols = symbols_of(index.description)
        about = index.description
        symbols = {book.instrument_id: about.symbols_of(book.instrument_id) for book in about.books}
        self.names = {number: found[-1] for number, found in symbols.items() if found}
        """The last symbol of each instrument number."""
        self._loop = asyncio.get_running_loop()
        self._busy = asyncio.Lock()
        """Held while the books are worked on beside the loop."""
        self._window: deque[_Part] = deque()
        self._window_messages = 0
        self._window_bytes = 0
        self._snapshots: dict[bool, _Snapshot] = {}
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._emitted_at = 0.0
        self._behind: dict[Reader, int] = {}
        """Readers that were full, and what they were sent last. They cost nothing until they have
        room again; then they are given what they missed, if it is still kept."""
        self._held: dict[Reader, float] = {}
        self._is_closed = False

    # Control

    async def change(self, work: Callable[[ReplaySession], T]) -> T:
        """Do something to the session that may take as long as a jump; tells the readers.

        What `work` returns, Steps and Jumps included, is returned.
        """
        async with self._busy:
            result = await asyncio.to_thread(work, self.session)
        match result:
            case Steps() if result.count:
                self._add(_Part(self.seq + 1, result.count, result, b""))
            case Jump():
                self._note_jump()
        return result

    def note_state(self) -> None:
        """Tell the readers how the replay stands now, and go on by its clock."""
        self._note(b'"state":' + self._describe())
        self._schedule(0)

    def close(self, reason: str, code: int) -> None:
        """Tell the readers that it ends."""
        self._is_closed = True
        self._cancel()
        for reader in list(self.readers):
            reader.close(code, reason)
        self.index.close()

    # Readers

    async def join(self, reader: Reader, since: int | None) -> None:
        """Add a reader: what it missed, or a snapshot."""
        async with self._busy:  # the books must stand still
            if self._is_closed:
                reader.close(END_CODE, "the replay has ended")
                return
            if self._is_private:
                for other in list(self.readers):
                    other.close(REPLACED_CODE, "another reader has taken over")
            self.readers[reader] = None
            known = since is not None and self._window_start() - 1 <= since <= self.seq
            if known and since is not None:
                self._send_since(reader, since)
            else:
                self._send_snapshot(reader, is_required=since is not None)
        self._schedule(0)

    def leave(self, reader: Reader) -> None:
        """Remove a reader."""
        self.readers.pop(reader, None)
        self._behind.pop(reader, None)
        self._held.pop(reader, None)

    def has_room(self, reader: Reader) -> None:
        """A reader that was full has taken what waited."""
        since = self._behind.get(reader)
        while since is not None and not reader.is_full:
            if since < self._window_start() - 1:
                reader.close_slow(f"what came after message {since} is not kept any more")
                return
            since = self._send_since(reader, since, CATCH_UP_MESSAGES)
            self._behind[reader] = since
            if since == self.seq:
                del self._behind[reader]
                return

    def missing(self, reader: Reader) -> int:
        """How many messages a reader is behind."""
        return self.seq - self._behind.get(reader, self.seq)

    def _window_start(self) -> int:
        return self._window[0].first_seq if self._window else self.seq + 1

    def _send_since(self, reader: Reader, since: int, most: int = WINDOW_MESSAGES) -> int:
        """Send what came after a message, about so much, in one write: parts are small, and there
        may be thousands. Returns the number of the last one sent."""
        style = STYLES[reader.is_stream]
        behind = []
        for part in reversed(self._window):
            if part.first_seq + part.messages - 1 <= since:
                break
            behind.append(part)
        pieces: list[bytes] = []
        last = since
        while behind and last - since < most:
            part = behind.pop()
            pieces.append(self._encode(part, style, max(0, since + 1 - part.first_seq)))
            last = part.first_seq + part.messages - 1
        if pieces:
            reader.send(b"".join(pieces), last - since, last)
        return last

    def _send_snapshot(self, reader: Reader, *, is_required: bool) -> None:
        found = self._snapshots.get(reader.by_order)
        if found is None or not self._is_fresh(found):
            text = self._snapshot_text(by_order=reader.by_order)
            found = self._snapshots[reader.by_order] = _Snapshot(self.seq, text)
        code = b'"code":"snapshot_required",' if is_required else b""
        text = _wrapped(found.seq, code + found.text, STYLES[reader.is_stream])
        reader.send(text, 1, found.seq)
        self._send_since(reader, found.seq)

    def _is_fresh(self, snapshot: _Snapshot) -> bool:
        """Whether what has come since is less to send than a new snapshot."""
        missed = self.seq - snapshot.seq
        is_known = snapshot.seq >= self._window_start() - 1
        return is_known and missed * MESSAGE_BYTES <= len(snapshot.text)

    def _snapshot_text(self, *, by_order: bool) -> bytes:
        books = self.books_text(by_order=by_order)
        return b'"snapshot":{"replay":%b,"books":%b}' % (self._describe(), books)

    def books_text(
        self,
        keys: list[BookKey] | None = None,
        *,
        depth: int = LEVELS_MAX,
        by_order: bool = False,
    ) -> bytes:
        """The books at the position as a JSON list; all of them without `keys`."""
        if keys is None:
            keys = [BookKey(*book_key) for book_key in self.book_keys()]
        return books_text(self.session.books, keys, self.names, depth=depth, by_order=by_order)

    def book_keys(self) -> Iterator[tuple[int, int]]:
        """Publisher and instrument of every book of the recording."""
        for book in self.index.description.books:
            yield book.publisher_id, book.instrument_id

    async def read_books(self, work: Callable[[], T]) -> T:
        """Read the books while nobody works on them."""
        async with self._busy:
            return work()

    # Messages

    def _add(self, part: _Part) -> None:
        """Send a part to all readers, and keep it."""
        self.seq += part.messages
        self._window.append(part)
        self._window_messages += part.messages
        self._window_bytes += len(part.note)
        while len(self._window) > 1 and self._is_window_full():
            gone = self._window.popleft()
            self._window_messages -= gone.messages
            self._window_bytes -= len(gone.note)
        encoded: dict[bool, bytes] = {}
        for reader in list(self.readers):
            if reader in self._behind:
                continue
            if reader.is_full:
                self._behind[reader] = part.first_seq - 1
                continue
            is_stream = reader.is_stream
            if is_stream not in encoded:
                encoded[is_stream] = self._encode(part, STYLES[is_stream], 0)
            reader.send(encoded[is_stream], part.messages, self.seq)

    def _is_window_full(self) -> bool:
        is_long = self._window_messages > WINDOW_MESSAGES
        return is_long or self._window_bytes > WINDOW_NOTE_BYTES

    def _note(self, text: bytes) -> None:
        self._add(_Part(self.seq + 1, 1, None, text))

    def _note_jump(self) -> None:
        self._snapshots.clear()
        self._note(b'"jump":true,' + self._snapshot_text(by_order=self._wants_orders()))

    def _wants_orders(self) -> bool:
        return any(reader.by_order for reader in self.readers)

    def _encode(self, part: _Part, style: RenderStyle, skip: int) -> bytes:
        steps = part.steps
        if steps is None:
            return _wrapped(part.first_seq, part.note, style)
        if skip:
            steps = Steps(
                steps.records[skip:],
                steps.effects[skip:],
                steps.first_number + skip,
                steps.left_ns[skip:],
            )
        return render(steps, style, first_seq=part.first_seq + skip, symbols=self._symbols)

    def steps_text(self, steps: Steps, most: int) -> list[bytes]:
        """The first of some steps, sent last, as JSON."""
        first = Steps(
            steps.records[:most], steps.effects[:most], steps.first_number, steps.left_ns[:most]
        )
        first_seq = self.seq - steps.count + 1
        lines = render(first, RenderStyle.LINES, first_seq=first_seq, symbols=self._symbols)
        return lines.splitlines()

    # The clock

    def _schedule(self, seconds: float) -> None:
        self._cancel()
        if not self._is_closed:
            soon = seconds <= 0
            self._timer = (
                self._loop.call_soon(self._turn)
                if soon
                else self._loop.call_later(seconds, self._turn)
            )

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        """Send what is due, and come back when more is."""
        self._timer = None
        if self._busy.locked() or self._is_held():
            self._schedule(HOLD_SECONDS)
            return
        session = self.session
        was_playing = session.state is SessionState.PLAYING
        try:
            found = session.take_due(TURN_MESSAGES)
        except DamagedIndex as error:
            log.error("a replay ends", reason=str(error))
            self.close("its index is damaged", END_CODE)
            return
        now = self._loop.time()
        match found:
            case Steps():
                self._add(_Part(self.seq + 1, found.count, found, b""))
            case Jump():
                self._note_jump()
        if was_playing and session.state is SessionState.ENDED:
            self.note_state()
            return
        due_ns = session.next_due_ns()
        if due_ns is None:
            return
        wait = (due_ns - time.time_ns()) / 1e9
        if found is not None:
            self._emitted_at = now
        is_more = isinstance(found, Steps) and found.count >= TURN_MESSAGES
        pause = 0.0 if is_more else self._emitted_at + FLUSH_SECONDS - now
        self._schedule(max(wait, pause))

    def _is_held(self) -> bool:
        """Whether the clock waits for a reader: a private replay for its own, any for those who
        asked for it, and one without a speed, for a while, for the slowest. Others read at the
        clock's pace or not at all."""
        session = self.session
        is_free = session.speed is None
        if not self.readers:
            return is_free and session.loop
        now = self._loop.time()
        is_held = False
        for reader in self.readers:
            is_awaited = self._is_private or reader.is_awaited
            has_enough = reader.is_awaited and reader.waiting_bytes > AWAITED_BYTES
            if not (has_enough or reader.is_full):
                self._held.pop(reader, None)
            elif is_awaited or (
                is_free and now - self._held.setdefault(reader, now) < PATIENCE_SECONDS
            ):
                is_held = True
        return is_held


END_CODE: Final = 4000
"""The replay is over."""

GOING_AWAY: Final = 1001
"""The process is: a client may look for the replay when it is back."""

REPLACED_CODE: Final = 4002


def _wrapped(seq: int, text: bytes, style: RenderStyle) -> bytes:
    """A message that is no step."""
    whole = b'{"seq":%d,%b}' % (seq, text)
    if style is RenderStyle.EVENTS:
        return b"id: %d\ndata: %b\n\n" % (seq, whole)
    return text_frame(whole)


def require_indexed(replay: Replay | None) -> Replay:
    """The replay; raises `Refused` replay_indexing while there is none yet."""
    if replay is None:
        raise refused("replay_indexing")
    return replay


def clock_text(time_ns: int | None) -> str | None:
    """A time of a recording, RFC 3339."""
    return None if time_ns is None else format_time(time_ns)
