"""Writing DBN files of order-by-order records, version 3, through the format's own encoder.

The header is a piece of its own, and so is each run of `PIECE_RECORDS` records; in a compressed
file each piece is one zstd frame. So a file that is cut anywhere gives back all whole pieces, the
header can be replaced without touching the records, and the same records always make the same
bytes.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Self

from databento_dbn import Compression, Encoding, Metadata, Schema, SType, Transcoder
from databento_dbn.metadata import MappingInterval

from tradepit.marketdata.dbn_reader import DbnHeader
from tradepit.marketdata.records import MBO_DTYPE
from tradepit.marketdata.sources.source import Mapping, MboRecords, SourceInfo

PIECE_RECORDS: Final = 1 << 16
DBN_VERSION: Final = 3
DATASET_CHARACTERS_MAX: Final = 16
"""Of the format's header."""


class DbnWriter:
    """Writes one file. A file that is not live appears under its name only when it is whole."""

    def __init__(
        self, path: Path, header: Metadata, *, is_compressed: bool, is_live: bool = False
    ) -> None:
        """
        Args:
            is_live: others read the file while it grows.
        Raises: OSError.
        """
        self.path = path
        self.records = 0
        self._growing = path.with_name(f".{path.name}.partial")
        self._compression = Compression.from_str("zstd" if is_compressed else "none")
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._header = self._encoded_header(header)
        self._file = self._growing.open("w+b")
        self._file.write(self._header)
        if is_live:  # a reader never meets a file without its header
            self._file.flush()
            self._growing = self._growing.replace(path)

    def write(self, records: MboRecords) -> None:
        """Add records; whole pieces go to the file."""
        self.records += len(records)
        at = 0
        while at < len(records):
            room = PIECE_RECORDS - self._pending_bytes // MBO_DTYPE.itemsize
            part = records[at : at + room].tobytes()
            self._pending.append(part)
            self._pending_bytes += len(part)
            at += room
            if self._pending_bytes == PIECE_RECORDS * MBO_DTYPE.itemsize:
                self._write_piece()

    def flush(self) -> None:
        """Bring everything to the file, so that its readers see it."""
        if self._pending:
            self._write_piece()
        self._file.flush()

    def replace_header(self, header: Metadata) -> None:
        """Give the file another header, as when symbols were learned while it grew."""
        self.flush()
        encoded = self._encoded_header(header)
        if encoded == self._header:
            return
        if len(encoded) == len(self._header):
            self._file.seek(0)
            self._file.write(encoded)
            self._file.seek(0, os.SEEK_END)
        else:
            self._rewrite(encoded)
        self._header = encoded

    def close(self, header: Metadata | None = None) -> None:
        """Finish the file, with this header if one is given."""
        if header is not None:
            self.replace_header(header)
        self.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._growing != self.path:
            self._growing.replace(self.path)

    def abandon(self) -> None:
        """Leave no file behind, unless it is live."""
        self._file.close()
        if self._growing != self.path:
            self._growing.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """What was not closed has failed."""
        if not self._file.closed:
            self.abandon()

    def _write_piece(self) -> None:
        piece = _encoded(b"".join(self._pending), self._compression, is_header=False)
        self._pending.clear()
        self._pending_bytes = 0
        self._file.write(piece)

    def _encoded_header(self, header: Metadata) -> bytes:
        return _encoded(header.encode(), self._compression, is_header=True)

    def _rewrite(self, encoded: bytes) -> None:
        """A header of another size: the records are copied behind it."""
        new_path = self.path.with_name(f".{self.path.name}.header")
        new = new_path.open("w+b")
        new.write(encoded)
        self._file.seek(len(self._header))
        shutil.copyfileobj(self._file, new)
        new.flush()
        os.fsync(new.fileno())
        new_path.replace(self._growing)
        self._file.close()
        self._file = new


def metadata_of(info: SourceInfo) -> Metadata:
    """The header of a DBN file for what a source says of itself."""
    return Metadata(
        dataset=info.dataset[:DATASET_CHARACTERS_MAX],
        start=info.start_ns or 0,
        stype_in=SType.from_str("raw_symbol"),
        stype_out=SType.from_str("instrument_id"),
        schema=Schema.from_str("mbo"),
        symbols=list(dict.fromkeys(info.symbols)),
        partial=[],
        not_found=[],
        mappings=[_Symbol(*each) for each in _by_symbol(info.mappings).items()],
        end=info.end_ns,
        version=DBN_VERSION,
    )


def metadata_kept(header: DbnHeader) -> Metadata:
    """The header of a DBN file for the MBO records of another one."""
    by_name: dict[str, list[MappingInterval]] = {}
    for each in header.mappings:
        days = date.fromisoformat(each.first_day), date.fromisoformat(each.end_day)
        by_name.setdefault(each.raw_symbol, []).append(_Interval(*days, each.symbol))
    return Metadata(
        dataset=header.dataset,
        start=header.start_ns,
        stype_in=SType.from_str(header.stype_in or "raw_symbol"),
        stype_out=SType.from_str(header.stype_out),
        schema=Schema.from_str("mbo"),
        symbols=list(header.symbols),
        partial=list(header.partial),
        not_found=list(header.not_found),
        mappings=[_Symbol(*each) for each in by_name.items()],
        end=header.end_ns,
        version=DBN_VERSION,
    )


@dataclass(slots=True)
class _Symbol:
    """A symbol with its intervals, as the encoder takes it."""

    raw_symbol: str
    intervals: Sequence[MappingInterval]


@dataclass(slots=True)
class _Interval:
    """Days on which a symbol had an instrument number, as the encoder takes it."""

    start_date: date
    end_date: date
    symbol: str


def _by_symbol(mappings: list[Mapping]) -> dict[str, list[MappingInterval]]:
    found: dict[str, list[MappingInterval]] = {}
    for each in mappings:
        interval = _Interval(each.start, each.end, str(each.instrument_id))
        found.setdefault(each.symbol, []).append(interval)
    return found


def _encoded(data: bytes, compression: Compression, *, is_header: bool) -> bytes:
    """Bytes of a header, or of records, as the format's own encoder writes them."""
    out = io.BytesIO()
    encoder = Transcoder(
        out,
        Encoding.from_str("dbn"),
        compression,
        has_metadata=is_header,
        input_version=None if is_header else DBN_VERSION,
    )
    encoder.write(data)
    encoder.finish()
    return out.getvalue()
