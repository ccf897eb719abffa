"""DBN files: versions 1 to 3, plain or zstd, whole or a fragment without a header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from databento_dbn import Compression, DBNDecoder, DBNError, MBOMsg, Metadata, Schema

from tradepit.marketdata.records import (
    MBO_DTYPE,
    MBO_LENGTH_WORDS,
)
from tradepit.marketdata.sources.source import (
    UNKNOWN_TIME,
    Mapping,
    MboRecords,
    Progress,
    RecordingError,
    SourceInfo,
)

READ_BYTES: Final = 1 << 18
"""Read size: large enough to amortise the call, small enough to stream a day of data."""

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
DBN_MAGIC: Final = b"DBN"
LEGACY_MAGIC: Final = b"\x50\x2a\x4d\x18"
"""A skippable zstd frame: how files of the format's first, unversioned form begin."""


class DbnSource:
    """One DBN file; other records than order-by-order ones are counted and passed over."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            RecordingError: no DBN file, or one of the legacy form, or of another schema.
        """
        self.path = path
        with path.open("rb") as file:
            start = file.read(READ_BYTES)
        if start.startswith(LEGACY_MAGIC):
            raise RecordingError(
                path, "is a legacy DBZ file, which is not read; the format's own `dbn` tool can "
                "bring it to a later version"
            )  # fmt: skip
        self._is_compressed = start.startswith(ZSTD_MAGIC)
        self.metadata = self._header(start)
        """The header as it is; None for a fragment."""
        self.info = self._info()

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the records of the file; see `Source.chunks`."""
        self.info = self._info()
        decoder = self._decoder()
        size, done = self.path.stat().st_size, 0
        with self.path.open("rb") as file:
            while data := file.read(READ_BYTES):
                done += len(data)
                try:
                    messages = decoder.write_and_decode(data)
                except DBNError as error:
                    raise RecordingError(self.path, f"before byte {done:,}: {error}") from error
                if records := self._records(messages):
                    array = np.frombuffer(bytearray(b"".join(records)), MBO_DTYPE)
                    array["length"] = MBO_LENGTH_WORDS
                    yield array
                if progress is not None:
                    progress(done, size)
        if decoder.buffer():
            raise RecordingError(self.path, "ends inside a record")

    def _header(self, start: bytes) -> Metadata | None:
        """The metadata; a fragment has none, and what is neither is refused."""
        try:
            decoder = DBNDecoder(compression=self._compression())
            found = decoder.write_and_decode(start)
        except DBNError:
            found = []
        if found and isinstance(found[0], Metadata):
            return found[0]
        try:
            if self._decoder().write_and_decode(start):
                return None
        except DBNError:
            pass
        raise RecordingError(self.path, "is no DBN file")

    def _decoder(self) -> DBNDecoder:
        has_metadata = getattr(self, "metadata", None) is not None
        return DBNDecoder(has_metadata=has_metadata, compression=self._compression())

    def _compression(self) -> Compression:
        return Compression.from_str("zstd" if self._is_compressed else "none")

    def _info(self) -> SourceInfo:
        header = self.metadata
        if header is None:
            return SourceInfo("dbn", "", "", "mbo", notes=["a fragment without a header"])
        if header.schema is not None and header.schema != Schema.MBO:
            raise RecordingError(self.path, f"holds {header.schema} records, not MBO")
        end_ns = header.end
        return SourceInfo(
            format="dbn",
            version=str(header.version),
            dataset=header.dataset,
            schema=str(header.schema or "mixed"),
            start_ns=header.start,
            end_ns=None if end_ns in (None, UNKNOWN_TIME) else end_ns,
            symbols=list(header.symbols),
            mappings=mappings_of(header),
        )

    def _records(self, messages: Iterable[object]) -> list[bytes]:
        records = []
        for message in messages:
            if isinstance(message, MBOMsg):
                records.append(bytes(message)[: MBO_DTYPE.itemsize])
            elif not isinstance(message, Metadata):
                name = type(message).__name__
                self.info.skipped[name] = self.info.skipped.get(name, 0) + 1
        return records


def mappings_of(header: Metadata) -> list[Mapping]:
    """The instrument numbers of a header, whichever way round it has them."""
    outward = str(header.stype_out) == "instrument_id"
    found = []
    for name, intervals in header.mappings.items():
        for interval in intervals:
            number, symbol = (interval["symbol"], name) if outward else (name, interval["symbol"])
            if number.isdigit() and symbol:
                days = interval["start_date"], interval["end_date"]
                found.append(Mapping(symbol, int(number), *days))
    return sorted(found, key=lambda each: (each.start, each.instrument_id, each.symbol))
