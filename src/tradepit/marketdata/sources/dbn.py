"""DBN files: versions 1 to 3, plain or zstd, whole or a fragment without a header."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from databento_dbn import RType

from tradepit.marketdata.dbn_reader import DbnError, DbnHeader, DbnReader
from tradepit.marketdata.sources.source import (
    Mapping,
    MboRecords,
    Progress,
    RecordingError,
    SourceInfo,
)


class DbnSource:
    """One DBN file; other records than order-by-order ones are counted and passed over."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            RecordingError: no DBN file, or one of the legacy form, or of another schema.
            OSError: the file cannot be read.
        """
        self.path = path
        self.header = self._reader().header
        """The header as it is; None for a fragment."""
        self.info = self._info()

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the records of the file; see `Source.chunks`."""
        self.info = self._info()
        reader = self._reader()
        try:
            for records in reader:
                yield records
                if progress is not None:
                    progress(*reader.progress)
        except DbnError as error:
            raise RecordingError(self.path, str(error)) from error
        finally:
            self.info.skipped = {_name(number): count for number, count in reader.skipped.items()}

    def _reader(self) -> DbnReader:
        try:
            return DbnReader(self.path)
        except DbnError as error:
            raise RecordingError(self.path, str(error)) from error

    def _info(self) -> SourceInfo:
        header = self.header
        if header is None:
            return SourceInfo("dbn", "", "", "mbo", notes=["a fragment without a header"])
        if header.schema not in (None, "mbo"):
            raise RecordingError(self.path, f"holds {header.schema} records, not MBO")
        return SourceInfo(
            format="dbn",
            version=str(header.version),
            dataset=header.dataset,
            schema=header.schema or "mixed",
            start_ns=header.start_ns,
            end_ns=header.end_ns,
            symbols=list(header.symbols),
            mappings=mappings_of(header),
        )


def mappings_of(header: DbnHeader) -> list[Mapping]:
    """The instrument numbers of a header, whichever way round it has them."""
    found = []
    for each in header.mappings:
        number, symbol = each.symbol, each.raw_symbol
        if header.stype_out != "instrument_id":
            number, symbol = symbol, number
        if number.isdigit() and symbol:
            days = date.fromisoformat(each.first_day), date.fromisoformat(each.end_day)
            found.append(Mapping(symbol, int(number), *days))
    return sorted(found, key=lambda each: (each.start, each.instrument_id, each.symbol))


def _name(record_type: int) -> str:
    """What the format calls a record type."""
    try:
        return str(RType.from_int(record_type))
    except ValueError:
        return f"record type {record_type:#04x}"
