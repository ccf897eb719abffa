"""A market's state and its journal as bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tradepit._native import Replica, scan_frames
from tradepit.domain.wire import FRAME_HEADER, FrameHeader
from tradepit.journal.frame import frame_bytes
from tradepit.journal.layout import DataDirectory
from tradepit.journal.scan import find_quarantined, read_run, scan_journal
from tradepit.node.recovery import History, frames_until

IMAGE: Final = struct.Struct("<8sQQIq4x")
MAGIC: Final = b"TPMARK01"


class Writer(NamedTuple):
    """Who writes the next frame, and what it follows. Part of a state: the engine remembers the
    writers of frames, so two markets only stay equal when they write under the same names."""

    incarnation: int = 1
    frame_number: int = 0
    crc: int = 0


class Image(NamedTuple):
    """A market at one moment."""

    writer: Writer
    time_ns: int
    """What its clock said."""
    state: bytes

    def pack(self) -> bytes:
        """The image as bytes."""
        return IMAGE.pack(MAGIC, *self.writer, self.time_ns) + self.state

    @staticmethod
    def unpack(data: bytes) -> Image:
        """Raises ValueError when the bytes are no image."""
        if data[: len(MAGIC)] != MAGIC:
            raise ValueError("these bytes are no snapshot of a Market")
        _, incarnation, frame_number, crc, time_ns = IMAGE.unpack_from(data)
        writer = Writer(incarnation, frame_number, crc)
        return Image(writer, time_ns, data[IMAGE.size :])


class Source(NamedTuple):
    """A journal to be replayed."""

    frames: Iterator[bytes]
    """Runs of whole frames, from the first command on."""
    quarantined: list[int]


def open_source(source: bytes | str | os.PathLike[str], until: int | None) -> Source:
    """A journal from a node's or market's data directory, or frames as bytes, or a file of them.

    A directory is read to its commit mark, so it may be in use.

    Raises:
        JournalError: the journal in the directory is not whole.
        ValueError: the bytes are no whole frames from the first command on.
    """
    if not isinstance(source, bytes):
        path = Path(source)
        if path.is_dir():
            return _directory(DataDirectory(path), until)
        source = path.read_bytes()
    found = scan_frames(source, 1, 0)
    if found.problem:
        raise ValueError(f"no whole frame at byte {found.valid_bytes}: {found.problem}")
    return Source(iter([_cut(source, until)]), find_quarantined(source, len(source)))


def _directory(directory: DataDirectory, until: int | None) -> Source:
    tail = scan_journal(directory, until_mark=True)
    runs = [run for run in tail.runs if until is None or run.first_sequence <= until]
    return Source((_cut(read_run(directory, run), until) for run in runs), tail.quarantined)


def _cut(frames: bytes, until: int | None) -> bytes:
    return frames if until is None else frames_until(frames, until)


def last_writer(frames: bytes) -> Writer:
    """Who wrote the last of these frames."""
    at, writer = 0, Writer()
    while at < len(frames):
        header = FrameHeader(*FRAME_HEADER.unpack_from(frames, at))
        writer = Writer(header.incarnation, header.frame_number, header.crc)
        at += frame_bytes(header.record_count, header.text_bytes)
    return writer


def new_replica(history: History) -> Replica:
    """An engine before its first command."""
    return Replica(history_orders=history.orders, history_trades=history.trades)


def restored_replica(state: bytes, history: History) -> Replica:
    """An engine at a snapshot."""
    return Replica.restore(state, history_orders=history.orders, history_trades=history.trades)
