"""DBN files read natively, as arrays of records or straight into books.

Versions 1 to 3, plain or zstd, whole or a fragment without a header, through the format's own
library. Records of other kinds than order-by-order ones are counted and passed over. A damaged or
cut file delivers all that comes before the damage; then DbnError names the record and the byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit._native import DbnError
from tradepit._native import DbnReader as NativeReader
from tradepit.marketdata.books import Applied, Books
from tradepit.marketdata.records import MBO_DTYPE

__all__ = ["CHUNK_RECORDS", "DbnError", "DbnHeader", "DbnMapping", "DbnReader", "decode_apply"]

CHUNK_RECORDS: Final = 16_384
"""Records per array, about: under 1 MB, so that a chunk stays in the processor's cache."""

ALL_RECORDS: Final = 2**63 - 1


class DbnMapping(NamedTuple):
    """What a name meant from `first_day` to the day before `end_day` (ISO dates, UTC)."""

    raw_symbol: str
    symbol: str
    first_day: str
    end_day: str


class DbnHeader(NamedTuple):
    """The header of a file. Times in ns since the Unix epoch; None = not said."""

    version: int
    dataset: str
    schema: str | None
    start_ns: int
    end_ns: int | None
    stype_in: str | None
    stype_out: str
    symbols: tuple[str, ...]
    partial: tuple[str, ...]
    not_found: tuple[str, ...]
    mappings: tuple[DbnMapping, ...]


class ReadProgress(NamedTuple):
    """How much of the file has been read, in bytes of the file."""

    done_bytes: int
    all_bytes: int


class DbnReader:
    """Iterate to get the records of a file, once, as arrays of `MBO_DTYPE`.

    Raises:
        DbnError: no DBN file, a legacy one, or (while iterating) a damaged one.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], *, chunk_records: int = CHUNK_RECORDS) -> None:
        self._native = NativeReader(path)
        self._chunk_records = chunk_records
        self.header = _header(self._native)
        """None for a fragment."""

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        while chunk := self._native.read(self._chunk_records):
            yield np.frombuffer(chunk, MBO_DTYPE)

    def apply_to(self, books: Books, *, records: int = ALL_RECORDS) -> Applied:
        """Apply the next records, about so many, without arrays in between.

        Returns: no records once the end has been reached.
        Raises: DbnError, OSError; what came before is applied then.
        """
        return Applied(*self._native.apply_to(books.native, records))

    @property
    def skipped(self) -> dict[int, int]:
        """Records of other kinds passed over so far, by their record type."""
        return dict(self._native.skipped())

    @property
    def progress(self) -> ReadProgress:
        return ReadProgress(*self._native.progress())


def decode_apply(path: str | os.PathLike[str], books: Books) -> Applied:
    """Read a whole file and apply it; a snapshot that it begins with replaces what was there.

    Raises: DbnError, OSError; what came before the damage is applied then.
    """
    books.start_source()
    reader = DbnReader(path)
    total = Applied(0, 0, 0)
    while (applied := reader.apply_to(books)).records:
        total = Applied(*(a + b for a, b in zip(total, applied, strict=True)))
    return total


def _header(native: NativeReader) -> DbnHeader | None:
    found = native.metadata()
    if found is None:
        return None
    found["mappings"] = [DbnMapping(*mapping) for mapping in found["mappings"]]
    lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    return DbnHeader(**(found | lists))
