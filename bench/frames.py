"""Journal bytes cut at frame boundaries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tradepit import _native
from tradepit.domain.wire import FRAME_HEADER, FRAME_HEADER_BYTES, RECORD_BYTES, FrameHeader


def frame_bytes(header: FrameHeader) -> int:
    text = header.text_bytes + -header.text_bytes % 8
    return FRAME_HEADER_BYTES + header.record_count * RECORD_BYTES + text


def cut(journal: bytes, *, per_call: int = 1) -> list[bytes]:
    """Runs of `per_call` frames each."""
    ends = [0]
    while ends[-1] < len(journal):
        header = FrameHeader._make(FRAME_HEADER.unpack_from(journal, ends[-1]))
        ends.append(ends[-1] + frame_bytes(header))
    chosen = ends[::per_call]
    if chosen[-1] != ends[-1]:
        chosen.append(ends[-1])
    return [journal[start:end] for start, end in pairwise(chosen)]


class Reader:
    """Reads a journal file in chunks of whole, checked frames, as recovery does."""

    def __init__(self, path: Path, *, chunk_bytes: int, last_sequence: int, last_crc: int) -> None:
        self.path = path
        self.chunk_bytes = chunk_bytes
        self.last_sequence = last_sequence
        self.last_crc = last_crc

    def __iter__(self) -> Iterator[memoryview]:
        rest = b""
        with self.path.open("rb", buffering=0) as file:
            while piece := file.read(self.chunk_bytes):
                chunk = memoryview(rest + piece)
                scan = _native.scan_frames(chunk, self.last_sequence + 1, self.last_crc)
                if scan.problem not in ("", "short"):
                    raise ValueError(f"the journal is damaged: {scan.problem}")
                self.last_sequence, self.last_crc = scan.last_sequence, scan.last_crc
                yield chunk[: scan.valid_bytes]
                rest = bytes(chunk[scan.valid_bytes :])
        if rest:
            raise ValueError("the journal ends inside a frame")
