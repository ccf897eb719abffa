"""What every source of order-by-order data is: a description, and records in bounded chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.records import (
    MBO_DTYPE,
    MBO_LENGTH_WORDS,
    MBO_RTYPE,
    PRICE_NONE,
    SIDE_NONE,
)

MboRecords = NDArray[Any]
"""A one-dimensional array of `MBO_DTYPE`."""

Progress = Callable[[int, int], None]
"""Called with bytes read and bytes in all."""

CHUNK_RECORDS: Final = 1 << 16
"""Most records of a chunk, or little more: 3.5 MiB, large enough that a call costs nothing."""

UNKNOWN_TIME: Final = 2**64 - 1
"""How the format says that a time is not known."""


class RecordingError(Exception):
    """A recording cannot be read, or not to its end; `path` and `reason` say why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Mapping:
    """The symbol of an instrument number on the days from `start` up to, not including, `end`."""

    symbol: str
    instrument_id: int
    start: date
    end: date


@dataclass(slots=True)
class SourceInfo:
    """What a source says of itself.

    Times are in ns since the Unix epoch, None where the source does not tell. What a source finds
    out while it reads (symbols, times) is complete once its chunks are exhausted.
    """

    format: str
    """`dbn`, `lobster`, `itch` or `journal`."""
    version: str
    dataset: str
    schema: str
    start_ns: int | None = None
    end_ns: int | None = None
    """The first moment that the source does not cover."""
    symbols: list[str] = field(default_factory=list)
    mappings: list[Mapping] = field(default_factory=list)
    publishers: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What a reader has to know: assumed time zone, what has no record of its own, ..."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Messages that have no place in order-by-order data, by kind."""

    def symbols_of(self, instrument_id: int) -> list[str]:
        """The symbols that an instrument number stands for, in the order of their days."""
        found = [each.symbol for each in self.mappings if each.instrument_id == instrument_id]
        return list(dict.fromkeys(found))


class Source(Protocol):
    """Order-by-order data of one place. Chunks may be asked for again; each time from the start."""

    @property
    def path(self) -> Path: ...

    @property
    def info(self) -> SourceInfo: ...

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the records in order, in arrays of bounded size.

        Raises:
            RecordingError: the data are damaged or end too early; everything before was delivered.
        """


def new_records(count: int, *, publisher_id: int = 0, instrument_id: int = 0) -> MboRecords:
    """Return records with their constant fields set and without a price."""
    records = np.zeros(count, MBO_DTYPE)
    records["length"] = MBO_LENGTH_WORDS
    records["rtype"] = MBO_RTYPE
    records["publisher_id"] = publisher_id
    records["instrument_id"] = instrument_id
    records["price"] = PRICE_NONE
    records["side"] = SIDE_NONE
    return records
