"""A recording, or its books at one place, as a download: made while it is read, never whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Final, NamedTuple, cast

import structlog

from tradepit.gateway.problems import refused
from tradepit.gateway.replaying.queries import Query
from tradepit.gateway.replaying.replay import Replay
from tradepit.gateway.replaying.shapes import word_of
from tradepit.marketdata.replays.export import export_book, export_steps, zipped
from tradepit.marketdata.replays.index import DamagedIndex

log = structlog.get_logger(__name__)

NUMBER_MAX: Final = 2**62
STALL_SECONDS: Final = 30.0
"""A reader that takes nothing for so long is gone."""

KINDS: Final = {"ndjson": b"application/x-ndjson", "zip": b"application/zip"}
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Download(NamedTuple):
    """What is sent, and under which name."""

    pieces: Iterator[bytes]
    file_name: str
    media_type: bytes


def download_of(replay: Replay, query: str) -> Download:
    """What a request for an export asks for; raises `Refused`.

    `what=steps` (default): messages `from` to `to` with their effects. `what=book`: the books at a
    `position` (default: where the replay stands), `by` level or order. `format`: ndjson or zip.
    """
    asked = Query(query)
    what = word_of(asked.text("what") or "steps", ("steps", "book"), "what")
    form = word_of(asked.text("format") or "ndjson", tuple(KINDS), "format")
    index = replay.index
    first = asked.number("from", 1, most=NUMBER_MAX)
    last = asked.number("to", None, most=NUMBER_MAX)
    position = asked.number("position", replay.session.position, most=NUMBER_MAX)
    by_order = word_of(asked.text("by") or "level", ("level", "order"), "by") == "order"
    instrument = asked.number("instrument_id", None, most=2**32 - 1)
    try:
        if what == "steps":
            pieces = export_steps(index, first=first, last=last)
        else:
            pieces = export_book(index, position, by_order=by_order, instrument_id=instrument)
    except ValueError as error:
        raise refused("no_such_place", str(error)) from None
    except DamagedIndex as error:
        raise refused("recording_unreadable", str(error)) from None
    name = f"{_NAME.sub('_', index.description.name)}.{what}.ndjson"
    if form == "zip":
        return Download(zipped(name, pieces), f"{name}.zip", KINDS[form])
    return Download(pieces, name, KINDS[form])


class DownloadStream(asyncio.Protocol):
    """One download, on a connection of its own. A failure ends it without its last chunk, which is
    how HTTP says that it is not whole."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._task: asyncio.Task[None] | None = None
        self.wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.Transport, transport)
        self._task = asyncio.ensure_future(self._run(self.wire))

    def pause_writing(self) -> None:
        self._has_room.clear()

    def resume_writing(self) -> None:
        self._has_room.set()

    def data_received(self, data: bytes) -> None:
        """Whatever is said after the request is not for this stream."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self, wire: asyncio.Transport) -> None:
        wire.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncache-control: no-store\r\n"
            b'content-disposition: attachment; filename="%b"\r\n'
            b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            % (self._download.media_type, self._download.file_name.encode())
        )
        try:
            while (piece := await asyncio.to_thread(next, self._download.pieces, None)) is not None:
                if piece:
                    wire.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                async with asyncio.timeout(STALL_SECONDS):
                    await self._has_room.wait()
        except (DamagedIndex, OSError, TimeoutError) as error:
            log.warning("an export was given up", reason=str(error) or "its reader stalls")
            wire.abort()
            return
        wire.write(b"0\r\n\r\n")
        wire.close()
