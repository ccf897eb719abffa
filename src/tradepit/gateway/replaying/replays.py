"""All replays of a process, and requests about them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from tradepit.access.principals import Principal
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.problems import UNDECODABLE, Refused, decoding_problem, refused
from tradepit.gateway.replaying.entry import STATES, Entry
from tradepit.gateway.replaying.exporting import DownloadStream, download_of
from tradepit.gateway.replaying.keeping import SEQ_JUMP, Keeper, Kept
from tradepit.gateway.replaying.queries import Query
from tradepit.gateway.replaying.readers import ReadingOptions, ReplaySocket, ReplayStream
from tradepit.gateway.replaying.replay import (
    END_CODE,
    GOING_AWAY,
    Replay,
    clock_text,
    require_indexed,
)
from tradepit.gateway.replaying.shapes import (
    Place,
    Progress,
    ReplayBooks,
    ReplayChange,
    ReplayList,
    ReplayWish,
    speed_of,
    word_of,
)
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.times import parse_time
from tradepit.marketdata.books import BookKey
from tradepit.marketdata.replays.building import IndexingCancelled
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.index import DamagedIndex, NoSuchPlace, RecordingIndex
from tradepit.marketdata.replays.session import ReplaySession, Steps
from tradepit.marketdata.sources.source import RecordingError

log = structlog.get_logger(__name__)

REPLAYS_MAX: Final = 64
"""At once; each holds the books of its recording."""

IDLE_SECONDS: Final = 3_600.0
"""A replay that nobody watches, asks about or changes is forgotten after this."""

STEPS_SHOWN: Final = 1_000
DEPTH: Final = 20
DEPTH_MAX: Final = 100_000
MARKET: Final = "market"
"""The source that is the market's own past."""


class Replays:
    """Every replay of this process."""

    def __init__(self, limits: GatewayConfig) -> None:
        self.limits = limits
        self.slow_count = 0
        self._entries: dict[str, Entry] = {}
        self._readers: dict[ReplayStream | ReplaySocket, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._cache: IndexCache | None = None
        self._keeper: Keeper | None = None
        self._is_keeping = False
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def restore(self) -> None:
        """Bring back what another process left, and keep what is here from now on."""
        if self.limits.replay_dir is None:
            return
        self._keeper = Keeper(Path(self.limits.replay_dir))
        for kept in self._keeper.kept()[:REPLAYS_MAX]:
            try:
                entry = Entry(kept.id, kept.wish, kept.owner)
                path = self._source(kept.wish.source, is_free=kept.owner is None)
            except Refused as error:
                log.warning("a replay does not come back", reason=error.problem.detail)
                continue
            entry.position, entry.seq = kept.position, kept.seq + SEQ_JUMP
            self._entries[entry.id] = entry
            self.spawn(self._prepare(entry, path))

    async def _keep(self) -> None:
        """Write what has changed, beside the loop: a disk may take its time."""
        keeper = self._keeper
        if keeper is not None and not self._is_keeping:
            self._is_keeping = True
            try:
                await asyncio.to_thread(keeper.keep, self._kept())
            finally:
                self._is_keeping = False

    def _kept(self) -> list[Kept]:
        return [entry.kept() for entry in self._entries.values()]

    # Requests

    async def handle(
        self, method: str, path: str, query: str, body: bytes, principal: Principal | None
    ) -> Answer:
        """Answer a request about replays.

        Args:
            path: from behind `/replays` on: empty, `/ID`, `/ID/book`.
        """
        parts = [part for part in path.split("/") if part]
        try:
            if not parts:
                if method == "POST":
                    return self._create(_decoded(body, ReplayWish), principal)
                return self._list(principal)
            entry = self._find(parts[0], principal)
            if parts[1:] == ["book"]:
                return await self._book(entry, query)
            if method == "PATCH":
                return await self.change(entry, _decoded(body, ReplayChange), principal)
            if method == "DELETE":
                return self._delete(entry, principal)
            return _answer(entry.described())
        except Refused as error:
            return problem_answer(error.problem, retry_after=error.retry_after)

    def _list(self, principal: Principal | None) -> Answer:
        shown = [entry for entry in self._entries.values() if _may_see(entry, principal)]
        return _answer(ReplayList(items=[entry.described() for entry in reversed(shown)]))

    def _find(self, id: str, principal: Principal | None) -> Entry:
        entry = self._entries.get(id)
        if entry is None or not _may_see(entry, principal):
            raise refused("unknown_replay")
        entry.touched_s = time.monotonic()
        return entry

    def _create(self, wish: ReplayWish, principal: Principal | None) -> Answer:
        if len(self._entries) >= REPLAYS_MAX:
            raise refused("too_many_replays", f"at most {REPLAYS_MAX}; delete one")
        owner = None if principal is None else principal.account
        entry = Entry(secrets.token_hex(8), wish, owner)
        path = self._source(wish.source, is_free=owner is None)
        self._entries[entry.id] = entry
        self.spawn(self._prepare(entry, path))
        return _answer(entry.described(), 201)

    def _source(self, name: str, *, is_free: bool) -> Path:
        """The recording of a name: any file for the operator and in open mode, for others one of
        the recordings' folders only."""
        if name == MARKET and self.limits.data_dir is not None:
            return Path(self.limits.data_dir)
        with contextlib.suppress(OSError, ValueError):  # no name that a file can have
            for folder in self.limits.recordings:
                root = Path(folder).resolve()
                path = (root / name).resolve()
                if path.is_relative_to(root) and path != root and _is_recording(path):
                    return path
            path = Path(name).resolve()
            if is_free and _is_recording(path):
                return path
        raise refused("unknown_recording", field="source")

    async def _prepare(self, entry: Entry, path: Path) -> None:
        """Index a recording beside the loop, then begin."""

        def progress(done: int, total: int) -> None:
            entry.progress = Progress(done_bytes=done, all_bytes=total)

        try:
            index = await asyncio.to_thread(
                self._indexes().build,
                path,
                progress=progress,
                is_cancelled=lambda: entry.is_cancelled,
            )
            await self._begin(entry, index)
        except IndexingCancelled:
            return
        except (RecordingError, DamagedIndex, OSError) as error:
            log.warning("a recording cannot be replayed", source=path.name, reason=str(error))
            entry.problem = str(error)

    async def _begin(self, entry: Entry, index: RecordingIndex) -> None:
        session = await asyncio.to_thread(
            ReplaySession, index, time.time_ns, speed=entry.speed, loop=entry.loop
        )
        if entry.is_cancelled:
            index.close()
            return
        if entry.position:
            position = min(entry.position, index.count)
            await asyncio.to_thread(session.seek, position)
        replay = Replay(
            index,
            session,
            is_private=entry.mode == "private",
            seq=entry.seq,
            describe=lambda: msgspec.json.encode(entry.described()),
        )
        entry.replay = replay
        if entry.state == "playing":
            await self._play(replay)

    async def change(
        self, entry: Entry, change: ReplayChange, principal: Principal | None
    ) -> Answer:
        """Change a replay as a body says."""
        try:
            _require_control(entry, principal)
            return await self._change(entry, change)
        except Refused as error:
            return problem_answer(error.problem)

    async def _change(self, entry: Entry, change: ReplayChange) -> Answer:
        speed = entry.speed if change.speed is None else speed_of(change.speed)
        state = None if change.state is None else word_of(change.state, STATES, "state")
        if entry.is_failed:
            raise refused("recording_unreadable", entry.problem or "")
        replay = entry.replay
        if replay is None:
            if change.seek is not None or change.step:
                raise refused("replay_indexing")
            entry.speed, entry.state = speed, state or entry.state
            entry.loop = entry.loop if change.loop is None else change.loop
            return _answer(entry.described())
        session = replay.session
        steps: list[bytes] | None = None
        wanted = change.seek
        target = None if wanted is None else _target(wanted, replay.index)
        if change.speed is not None:
            await replay.change(lambda session: session.set_speed(speed))
        if change.loop is not None:
            loop = change.loop
            await replay.change(lambda session: session.set_loop(loop))
        if target is not None:
            await replay.change(target)
        if change.step:
            count = change.step
            found = await replay.change(lambda session: session.step(count))
            if isinstance(found, Steps):
                steps = replay.steps_text(found, STEPS_SHOWN)
        if state == "playing":
            await self._play(replay)
        elif state == "paused":
            await replay.change(lambda session: session.pause())
        entry.speed, entry.loop = session.speed, session.loop
        replay.note_state()
        return _answer(entry.described(steps))

    async def _play(self, replay: Replay) -> None:
        await replay.change(lambda session: session.play())
        replay.note_state()

    def _delete(self, entry: Entry, principal: Principal | None) -> Answer:
        _require_control(entry, principal)
        described = entry.described()
        self._remove(entry, "the replay was deleted")
        return _answer(described)

    def _remove(self, entry: Entry, reason: str, code: int = END_CODE) -> None:
        entry.is_cancelled = True
        if entry.replay is not None:
            entry.replay.close(reason, code)
        self._entries.pop(entry.id, None)

    async def _book(self, entry: Entry, query: str) -> Answer:
        replay = require_indexed(entry.replay)
        asked = Query(query)
        by_order = word_of(asked.text("by") or "level", ("level", "order"), "by") == "order"
        depth = asked.number("depth", DEPTH, most=DEPTH_MAX)
        keys = _keys(replay, asked)

        def read() -> ReplayBooks:
            books = replay.books_text(keys, depth=depth, by_order=by_order)
            session = replay.session
            return ReplayBooks(
                id=entry.id,
                seq=replay.seq,
                position=session.position,
                time=clock_text(session.clock_ns),
                books=msgspec.json.decode(books, type=list[msgspec.Raw]),
            )

        return _answer(await replay.read_books(read))

    # Streams

    def open_stream(
        self, id: str, query: str, last_event_id: str | None, principal: Principal | None
    ) -> ReplayStream:
        """The protocol of an event stream; raises `Refused`."""
        entry = self._find(id, principal)
        options = _stream_options(query, last_event_id)
        if options.is_awaited:
            _require_control(entry, principal)
        replay = require_indexed(entry.replay)
        return ReplayStream(self, replay, principal, options)

    async def open_download(
        self, id: str, query: str, principal: Principal | None
    ) -> DownloadStream:
        """The protocol of an export; raises `Refused`."""
        replay = require_indexed(self._find(id, principal).replay)
        return DownloadStream(await asyncio.to_thread(download_of, replay, query))

    def open_socket(self, id: str, query: str, principal: Principal | None) -> ReplaySocket:
        """The listener of a WebSocket; raises `Refused`."""
        entry = self._find(id, principal)
        options = _stream_options(query, None)
        if options.is_awaited:
            _require_control(entry, principal)
        replay = require_indexed(entry.replay)

        async def control(change: ReplayChange, speaker: Principal | None) -> Answer:
            return await self.change(entry, change, speaker)

        return ReplaySocket(self, replay, principal, options, control=control)

    def opened(self, reader: ReplayStream | ReplaySocket) -> None:
        """A reader is connected."""
        self._readers[reader] = None

    def gone(self, reader: ReplayStream | ReplaySocket) -> None:
        """A reader is gone."""
        self._readers.pop(reader, None)

    def readers(self) -> list[ReplayStream | ReplaySocket]:
        """Everybody who watches."""
        return list(self._readers)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the others; what it raises is logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a replay's task failed", exc_info=task.exception())

    # Life

    def _indexes(self) -> IndexCache:
        if self._cache is None:
            folder = self.limits.replay_dir
            if folder is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="tradepit-replays-")
                folder = self._temporary.name
            self._cache = IndexCache(Path(folder), bytes_max=self.limits.replay_bytes_max)
        return self._cache

    def sweep(self) -> None:
        """Close slow readers; forget replays that nobody cares for."""
        for reader in self.readers():
            reader.look()
        now_s = time.monotonic()
        for entry in list(self._entries.values()):
            if entry.replay is not None and entry.replay.readers:
                entry.touched_s = now_s
            elif now_s - entry.touched_s > IDLE_SECONDS:
                self._remove(entry, "nobody has watched it")
        self.spawn(self._keep())

    def close(self) -> None:
        """The process stops."""
        if self._keeper is not None:
            self._keeper.keep(self._kept())
        for entry in list(self._entries.values()):
            self._remove(entry, "the node stops", GOING_AWAY)
        for task in self._tasks:
            task.cancel()
        if self._temporary is not None:
            self._temporary.cleanup()


def _is_recording(path: Path) -> bool:
    """A file or a folder; a device or a pipe may have no end."""
    return path.is_file() or path.is_dir()


def _stream_options(query: str, last_event_id: str | None) -> ReadingOptions:
    """How a reader wants to read."""
    asked = Query(query)
    text = last_event_id or asked.text("last_event_id") or asked.text("from")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise refused("invalid_field", "is no id of an event", field="last_event_id")
    snapshot = word_of(asked.text("snapshot") or "levels", ("levels", "orders"), "snapshot")
    wait = word_of(asked.text("wait") or "false", ("true", "false"), "wait")
    return ReadingOptions(
        since=int(text) if text else None,
        by_order=snapshot == "orders",
        is_awaited=wait == "true",
    )


def _keys(replay: Replay, asked: Query) -> list[BookKey]:
    """The books that a query names; all of them without a name. Raises `Refused`."""
    symbol = asked.text("instrument")
    number = asked.number("instrument_id", None, most=2**32 - 1)
    publisher = asked.number("publisher_id", None, most=2**16 - 1)
    keys = [
        BookKey(*key)
        for key in replay.book_keys()
        if publisher in (None, key[0])
        and number in (None, key[1])
        and (symbol is None or symbol in replay.index.description.symbols_of(key[1]))
    ]
    if not keys and (symbol, number, publisher) != (None, None, None):
        raise refused("unknown_instrument", "the recording has no such book", field="instrument")
    return keys


def _target(wanted: str | Place, index: RecordingIndex) -> Any:
    """What a seek does to a session. Raises `Refused`."""
    if isinstance(wanted, str):
        word = word_of(wanted, ("start", "end"), "seek")
        position = 0 if word == "start" else index.count
        return lambda session: session.seek(position)
    given = [name for name in Place.__struct_fields__ if getattr(wanted, name) is not None]
    if len(given) != 1:
        raise refused("invalid_field", "name one place", field="seek")
    if wanted.time is not None:
        time_ns = parse_time(wanted.time)
        if time_ns is None:
            raise refused("invalid_field", "must be an RFC 3339 time", field="seek.time")
        return lambda session: session.seek_time(time_ns)
    try:
        if wanted.sequence is not None:
            position = index.position_of_sequence(wanted.sequence)
        elif wanted.fraction is not None:
            position = index.position_of_fraction(wanted.fraction)
        else:
            position = wanted.number or 0
    except NoSuchPlace:
        raise refused("no_such_place", field=f"seek.{given[0]}") from None
    if position > index.count:
        raise refused("no_such_place", f"there are {index.count} messages", field="seek.number")
    return lambda session: session.seek(position)


def _may_see(entry: Entry, principal: Principal | None) -> bool:
    is_own = principal is None or principal.is_operator or principal.account == entry.owner
    return is_own or entry.mode == "shared"


def _require_control(entry: Entry, principal: Principal | None) -> None:
    if principal is None or principal.is_operator or principal.account == entry.owner:
        return
    raise refused("forbidden", "the replay is somebody else's")


def _decoded(body: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except UNDECODABLE as error:
        raise Refused(decoding_problem(error)) from None


def _answer(result: object, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(result))
