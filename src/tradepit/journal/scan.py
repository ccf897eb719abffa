"""Reading a journal back: is it whole, where does it end, and is the end the real one?

Three things can be wrong with a journal, and they are never mixed:

- a **torn tail**: the last write was cut off by a crash. Nobody was told of it (answers follow the
  sync), so it is cut;
- a **lost tail**: the journal ends, cleanly or not, before a place that a witness (the commit mark,
  a snapshot) knows to have been durable. Refused;
- **damage**: bytes that were durable do not check, or a segment is missing. Refused.

What tells a torn frame from a damaged one beyond all witnesses: frame n + 1 is written only after
frame n is durable, so a bad frame with a good one behind it was once good itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from tradepit._native import scan_frames
from tradepit.domain.wire import (
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    SCHEMA_VERSION,
    CommandKind,
    FrameHeader,
)
from tradepit.journal.frame import ALIGNMENT_BYTES, frame_bytes, frame_crc
from tradepit.journal.layout import START, DataDirectory, Place
from tradepit.journal.mark import Mark, MarkDamaged, read_mark
from tradepit.journal.port import JournalError

WINDOW_BYTES: Final = 8 << 20
"""One read: long enough that calls cost nothing, short enough to stay near the cache."""

FRAME_BYTES_MAX: Final = 64 << 20
"""A longer frame is damage (the native scanner's bound)."""

SCHEMA_VERSION_MAX: Final = 255
"""A frame beyond all witnesses with a higher version is junk of a torn write."""

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class JournalDamaged(JournalError):
    """Bytes that were durable do not check."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(
            f"journal damaged in segment {place.segment} at offset {place.offset}, "
            f"after sequence {place.sequence}: {reason}"
        )
        self.place = place
        self.reason = reason


class JournalTailLost(JournalError):
    """The journal ends before a place that a witness knows."""

    def __init__(self, place: Place, witness: str, known_sequence: int) -> None:
        super().__init__(
            f"journal tail lost: segment {place.segment} ends at offset {place.offset} with "
            f"sequence {place.sequence}, but {witness} knows sequence {known_sequence}"
        )
        self.place = place
        self.witness = witness
        self.known_sequence = known_sequence


class Witness(NamedTuple):
    """A frame boundary that something outside the segments knows to have been durable."""

    name: str
    place: Place


_FROM_START: Final = Witness("the start of the journal", START)


class Run(NamedTuple):
    """Whole, checked frames that lie together in one segment, at most a window of them."""

    segment: int
    offset: int
    size_bytes: int
    first_sequence: int


class Tail(NamedTuple):
    """A journal's end, and what has to be replayed to get there."""

    mark: Mark
    end: Place
    runs: list[Run]
    """From the starting place to the end, in order."""
    segment_ends: dict[int, int]
    """Segments that were read: bytes of frames in each."""
    junk_bytes: int
    """What a crash left behind the end: a torn frame. Not yet removed."""
    quarantined: list[int]
    """Sequences that an operator decided to skip."""
    last_time_ns: int
    """Stamp of the last frame read; 0 when none was."""

    @property
    def commands(self) -> int:
        """Commands to replay."""
        return self.end.sequence + 1 - self.runs[0].first_sequence if self.runs else 0


def scan_journal(
    directory: DataDirectory,
    after: Witness | None = None,
    *,
    witnesses: Sequence[Witness] = (),
    until_mark: bool = False,
    ignore_mark: bool = False,
    progress: Progress | None = None,
) -> Tail:
    """Check the journal from a snapshot's place (or the start) to its end.

    The whole segment in which the place lies is checked, so that a hole right before it shows.

    Args:
        after: where replay begins; None for the start of the journal.
        witnesses: other places that must exist, such as snapshots that are not used.
        until_mark: stop at the commit mark. For readers beside a running node, which must not
            look at what is not durable yet.
        ignore_mark: for an operator who has lost it.
    Raises:
        JournalDamaged, JournalTailLost, MarkDamaged.
    """
    segments = directory.segments()
    mark = Mark(0, 0, START) if ignore_mark else read_mark(directory.mark)
    if mark is None:
        if segments:
            raise MarkDamaged(f"{directory.mark}: the commit mark is missing, the journal is not")
        return Tail(Mark(0, 0, START), START, [], {}, 0, [], 0)
    if until_mark:
        if after is not None and after.place.sequence >= mark.place.sequence:
            return Tail(mark, after.place, [], {}, 0, [], 0)
        segments = [segment for segment in segments if segment <= mark.place.segment]
        witnesses = [each for each in witnesses if each.place.sequence <= mark.place.sequence]
    after = after or _FROM_START
    known = [Witness("the commit mark", mark.place), after, *witnesses]
    return _Scanner(
        directory, segments, mark, after, known, until_mark=until_mark, progress=progress
    ).scan()


def read_run(directory: DataDirectory, run: Run) -> bytes:
    """Return the frames of a run."""
    descriptor = os.open(directory.segment(run.segment), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read(descriptor, run.offset, run.size_bytes)
    finally:
        os.close(descriptor)


def _read(descriptor: int, offset: int, size_bytes: int) -> bytes:
    pieces = []
    while size_bytes > 0:
        piece = os.pread(descriptor, size_bytes, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        size_bytes -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Scanner:
    """One pass over the segments."""

    def __init__(
        self,
        directory: DataDirectory,
        segments: list[int],
        mark: Mark,
        after: Witness,
        witnesses: list[Witness],
        *,
        until_mark: bool,
        progress: Progress | None,
    ) -> None:
        self._directory = directory
        self._after = after
        first = after.place.segment
        self._segments = [segment for segment in segments if segment >= first]
        self._mark = mark
        self._until_mark = until_mark
        self._progress = progress or (lambda done, total: None)
        self._witnesses = witnesses
        self._runs: list[Run] = []
        self._ends: dict[int, int] = {}
        self._quarantined: list[int] = []
        self._last_time_ns = 0
        self._junk_bytes = 0
        self._done_bytes = 0
        self._total_bytes = sum(self._size(segment) for segment in self._segments)

    def _size(self, segment: int) -> int:
        return self._directory.segment(segment).stat().st_size

    def scan(self) -> Tail:
        place = self._begin()
        for segment in self._segments:
            if segment != place.sequence + 1 and segment != self._after.place.segment:
                raise JournalDamaged(place, f"the next segment is {segment}, one is missing")
            place = Place(segment, 0, segment - 1, place.crc)
            place = self._scan_segment(place, is_last=segment == self._segments[-1])
        self._require_witnesses(place)
        return Tail(
            self._mark,
            place,
            self._runs,
            self._ends,
            self._junk_bytes,
            self._quarantined,
            self._last_time_ns,
        )

    def _begin(self) -> Place:
        """Where the first segment begins. Its checksum chain is taken from its first frame."""
        first = self._after.place.segment
        before = Place(first, 0, first - 1, 0)
        if not self._segments or self._segments[0] != first:
            self._require_witnesses(before)
            if self._segments:
                raise JournalDamaged(before, "its segment is missing")
            return START
        if first == START.segment:
            return before
        header = FRAME_HEADER_BYTES
        with self._directory.segment(first).open("rb") as file:
            data = file.read(header)
        crc = FrameHeader(*FRAME_HEADER.unpack(data)).previous_crc if len(data) == header else 0
        return before._replace(crc=crc)

    def _require_witnesses(self, end: Place) -> None:
        for witness in self._witnesses:
            if witness.place.sequence > end.sequence:
                raise JournalTailLost(end, witness.name, witness.place.sequence)

    def _scan_segment(self, place: Place, *, is_last: bool) -> Place:
        descriptor = os.open(self._directory.segment(place.segment), os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            for stop, witness in self._stops(place.segment, size):
                place, problem = self._scan_part(descriptor, place, stop)
                if witness is not None:
                    self._require(witness, place, problem)
                elif problem:
                    self._require_end(descriptor, place, size, problem, is_last=is_last)
            self._ends[place.segment] = place.offset
            self._done_bytes += size
            self._progress(self._done_bytes, self._total_bytes)
            return place
        finally:
            os.close(descriptor)

    def _stops(self, segment: int, size: int) -> list[tuple[int, Witness | None]]:
        """The witnesses' places in this segment, ascending, then its end."""
        known = [witness for witness in self._witnesses if witness.place.segment == segment]
        known.sort(key=lambda witness: witness.place.offset)
        stops: list[tuple[int, Witness | None]] = [
            (witness.place.offset, witness) for witness in known
        ]
        if self._until_mark and segment == self._mark.place.segment:
            return stops
        return [*stops, (size, None)]

    def _scan_part(self, descriptor: int, place: Place, stop: int) -> tuple[Place, str]:
        """Check frames up to `stop`; where checking ended, and why if that is before `stop`."""
        window = WINDOW_BYTES
        while place.offset < stop:
            size = min(window, stop - place.offset)
            data = _read(descriptor, place.offset, size)
            found = scan_frames(data, place.sequence + 1, place.crc)
            if found.valid_bytes:
                self._note(place, data, found.valid_bytes)
                self._last_time_ns = found.last_time_ns
                place = Place(
                    place.segment,
                    place.offset + found.valid_bytes,
                    found.last_sequence,
                    found.last_crc,
                )
                self._progress(self._done_bytes + place.offset, self._total_bytes)
            if not found.problem:
                if len(data) < size:
                    return place, "short"
                continue
            is_cut_by_window = found.problem == "short" and len(data) == size
            if not (is_cut_by_window and place.offset - found.valid_bytes + size < stop):
                return place, found.problem
            if not found.valid_bytes:
                if window >= FRAME_BYTES_MAX:
                    return place, "length"
                window *= 2
        return place, ""

    def _note(self, place: Place, data: bytes, valid_bytes: int) -> None:
        if place.sequence < self._after.place.sequence:
            return
        self._runs.append(Run(place.segment, place.offset, valid_bytes, place.sequence + 1))
        self._quarantined += find_quarantined(data, valid_bytes)

    def _require(self, witness: Witness, place: Place, problem: str) -> None:
        """The scan must pass through exactly the place that the witness knows."""
        if problem in ("zeros", "short") and place.offset < witness.place.offset:
            raise JournalTailLost(place, witness.name, witness.place.sequence)
        if problem:
            raise JournalDamaged(place, _REASONS[problem])
        if place.sequence != witness.place.sequence or place.crc != witness.place.crc:
            raise JournalDamaged(
                place,
                f"{witness.name} knows sequence {witness.place.sequence} with another checksum "
                "here: these files do not belong together",
            )

    def _require_end(
        self, descriptor: int, place: Place, size: int, problem: str, *, is_last: bool
    ) -> None:
        """Frames end here. Is the rest what an undisturbed node, or a crash, leaves behind?"""
        if _is_zero(descriptor, place.offset, size):
            return
        rest = _read(descriptor, place.offset, size - place.offset)
        if not is_last:
            raise JournalDamaged(place, f"{_REASONS[problem]}, and a later segment exists")
        header = FrameHeader(*FRAME_HEADER.unpack_from(rest.ljust(FRAME_HEADER_BYTES, b"\0")))
        if problem == "version" and 0 < header.schema_version <= SCHEMA_VERSION_MAX:
            raise JournalDamaged(
                place,
                f"the frame is of schema version {header.schema_version}, this program reads "
                f"version {SCHEMA_VERSION}",
            )
        sound = _sound_frame_at(rest)
        if sound is not None:
            raise JournalDamaged(
                place, f"{_REASONS[problem]}, and a sound frame lies {sound} bytes further on"
            )
        self._junk_bytes = len(rest.rstrip(b"\0"))


_REASONS: Final = {
    "short": "the frame is cut off",
    "zeros": "zeros where a frame should be",
    "magic": "no frame begins here",
    "version": "the frame is of an unknown schema version",
    "crc": "the frame's checksum is wrong",
    "chain": "the frame does not follow the one before it (checksum chain)",
    "sequence": "the frame does not follow the one before it (sequence)",
    "length": "the frame's length is impossible",
    "padding": "the frame's padding is not zero",
    "text": "the frame's text is malformed",
}


def _windows(descriptor: int, offset: int, size: int) -> Iterator[bytes]:
    while offset < size:
        data = _read(descriptor, offset, min(WINDOW_BYTES, size - offset))
        yield data
        offset += len(data)


def _is_zero(descriptor: int, offset: int, size: int) -> bool:
    zeros = bytes(WINDOW_BYTES)
    return all(data == zeros[: len(data)] for data in _windows(descriptor, offset, size))


def _sound_frame_at(data: bytes) -> int | None:
    """Return where a frame with a good checksum begins."""
    magic = FRAME_MAGIC.to_bytes(4, "little")
    at = data.find(magic)
    while at >= 0:
        if at % ALIGNMENT_BYTES == 0 and _is_sound(data, at):
            return at
        at = data.find(magic, at + 1)
    return None


def _is_sound(data: bytes, at: int) -> bool:
    if len(data) - at < FRAME_HEADER_BYTES:
        return False
    header = FrameHeader(*FRAME_HEADER.unpack_from(data, at))
    size = frame_bytes(header.record_count, header.text_bytes)
    if size > min(FRAME_BYTES_MAX, len(data) - at):
        return False
    return frame_crc(data[at : at + size]) == header.crc


_QUARANTINE_WORDS: Final = 5
"""The 40 bytes of a QUARANTINE's header: the kind, and zeros."""


def find_quarantined(data: bytes, valid_bytes: int) -> list[int]:
    """Return the targets of QUARANTINE commands, which stand alone in their frames.

    Looked for without visiting every frame: the header of such a command is a 64-bit word equal to
    its kind and four zero words, at a multiple of 8 bytes. What merely looks like one is told apart
    by the frame header before it.
    """
    words = np.frombuffer(data, dtype="<u8", count=valid_bytes // 8)
    targets = []
    for index in np.flatnonzero(words == int(CommandKind.QUARANTINE)).tolist():
        start = index * 8 - FRAME_HEADER_BYTES
        if start < 0 or words[index + 1 : index + _QUARANTINE_WORDS].any():
            continue
        header = FrameHeader(*FRAME_HEADER.unpack_from(data, start))
        if header.magic != FRAME_MAGIC or header.record_count != 1 or header.text_bytes:
            continue
        size = frame_bytes(1, 0)
        if frame_crc(data[start : start + size]) == header.crc:
            targets.append(int(words[index + _QUARANTINE_WORDS]))
    return targets
