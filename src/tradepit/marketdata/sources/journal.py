"""The market's own journal: a data directory as order-by-order records, read beside its node.

A replica goes along the journal and never past the commit mark, so nothing is recorded that a crash
could take back. The mapping of events to records is `market_records`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from tradepit._native import EnginePanicked, FrameError, Replica
from tradepit.domain.wire import Side
from tradepit.engine.rows import InstrumentRow, QueuedRow
from tradepit.journal.follow import JournalFollower
from tradepit.journal.layout import START, DataDirectory, Place
from tradepit.journal.mark import read_mark
from tradepit.journal.port import JournalError
from tradepit.journal.scan import JournalDamaged
from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CLEAR,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    SIDE_ASK,
    SIDE_BID,
)
from tradepit.marketdata.sources.market_records import (
    PUBLISHER_ID,
    SIZE_MAX,
    EventRecords,
    NotRepresentable,
)
from tradepit.marketdata.sources.source import (
    CHUNK_RECORDS,
    Mapping,
    MboRecords,
    Progress,
    RecordingError,
    SourceInfo,
    new_records,
)
from tradepit.node.recovery import History, Recovery

DATASET: Final = "TRADEPIT"
HISTORY: Final = History(orders=1, trades=1)
"""Events carry all that is needed."""

NS_PER_SECOND: Final = 1_000_000_000
STEP_BYTES: Final = 1 << 20
"""Of frames; the events of a step are some ten times as much."""


class JournalSource:
    """A market's data directory, from a sequence on, up to what is durable when it is opened."""

    def __init__(
        self, path: Path, *, first_sequence: int = 1, symbols: Collection[str] = ()
    ) -> None:
        """
        Args:
            first_sequence: the first command whose records are wanted; later ones than 1 begin
                with a snapshot of the books before it.
            symbols: instruments that are wanted; none named means all.
        """
        self.path = path
        self._first_sequence = first_sequence
        self._symbols = frozenset(symbols)
        self.info = _info()

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the records; see `Source.chunks`."""
        tail = JournalTail(self.path, first_sequence=self._first_sequence, symbols=self._symbols)
        self.info = tail.info
        last = tail.durable_sequence
        while tail.sequence < last:
            records = tail.step()
            if records is None:
                return
            yield from _bounded(records)
            if progress is not None:
                progress(tail.sequence, last)


class JournalTail:
    """Goes along a journal, step by step, for as long as it is asked."""

    def __init__(
        self,
        path: Path,
        *,
        first_sequence: int | None,
        symbols: Collection[str] = (),
    ) -> None:
        """
        Args:
            first_sequence: as for `JournalSource`; None begins with what is durable now.
        Raises:
            RecordingError: no journal, not whole, or it does not reach the sequence.
        """
        self.path = path
        self.info = _info()
        self._symbols = frozenset(symbols)
        directory = DataDirectory(path)
        if not directory.journal.is_dir():
            raise RecordingError(path, "holds no journal")
        try:
            mark = read_mark(directory.mark)
            self.durable_sequence = 0 if mark is None else mark.place.sequence
            """Last durable sequence when it was opened."""
            before = self.durable_sequence if first_sequence is None else first_sequence - 1
            if before > self.durable_sequence:
                raise RecordingError(path, f"its last sequence is {self.durable_sequence:,}")
            self._before = before
            self._begin(directory)
        except (JournalError, EnginePanicked, FrameError) as error:
            raise RecordingError(path, str(error)) from error

    def _begin(self, directory: DataDirectory) -> None:
        """Bring a replica to the last frame boundary before the first command wanted."""
        recovery = Recovery(directory, history=HISTORY, until_mark=True)
        replica, place, _ = recovery.begin(self._before)
        self._replica = replica
        self._follower = JournalFollower(directory, place)
        while self._follower.place.sequence < self._before:
            here = self._follower.place
            frames = self._follower.step(STEP_BYTES)
            if self._follower.place.sequence > self._before:
                self._follower.place = here
                break
            replica.replay(frames)
        self._records = EventRecords(_instruments(replica))
        self._snapshot = _empty()
        if self._before:
            image = replica if replica.sequence == self._before else recovery.rebuild(self._before)
            self._snapshot = self._image(image)

    @property
    def place(self) -> Place:
        """The frame boundary up to which frames were read."""
        return self._follower.place

    @property
    def has_snapshot(self) -> bool:
        """Whether the next step gives the snapshot of the books before the first command."""
        return len(self._snapshot) > 0

    @property
    def sequence(self) -> int:
        """Last sequence whose records were given."""
        return 0 if len(self._snapshot) else self._follower.place.sequence

    def step(self) -> MboRecords | None:
        """Return the records of the next frames, which may be none; None without new frames.

        Raises:
            RecordingError: the journal is damaged, or something in it has no place in a record.
        """
        if len(self._snapshot):
            snapshot, self._snapshot = self._snapshot, _empty()
            return self._known(snapshot)
        try:
            frames = self._follower.step(STEP_BYTES)
            if not frames:
                return None
            applied = self._replica.apply(frames)
            records = self._records.records(applied.events, after=self._before)
        except (JournalError, EnginePanicked, FrameError, NotRepresentable) as error:
            raise RecordingError(self.path, str(error)) from error
        return self._known(records)

    def _known(self, records: MboRecords) -> MboRecords:
        """The records that are wanted; what they tell is added to the description."""
        instruments = {row.instrument: row.symbol for row in _instruments(self._replica)}
        self._records.symbols = instruments
        if self._symbols:
            wanted = [number for number, symbol in instruments.items() if symbol in self._symbols]
            records = records[np.isin(records["instrument_id"], wanted)]
            instruments = {number: instruments[number] for number in wanted}
        if len(records):
            info = self.info
            if info.start_ns is None:
                info.start_ns = int(records["ts_event"][0])
            info.end_ns = int(records["ts_event"][-1]) + 1
            days = _day(info.start_ns), _day(info.end_ns) + timedelta(days=1)
            info.mappings = [
                Mapping(symbol, number, *days) for number, symbol in instruments.items()
            ]
            info.symbols = list(dict.fromkeys(instruments.values()))
        return records

    def _image(self, replica: Replica) -> MboRecords:
        """A snapshot of every book: a clear record, then the orders in priority order."""
        parts = []
        for row in _instruments(replica):
            bids, asks = (
                [
                    QueuedRow._make(order)
                    for order in replica.queue(row.instrument, side, _ORDERS_MAX)
                ]
                for side in (Side.BUY, Side.SELL)
            )
            parts.append(self._book_image(row, bids, asks))
        records = np.concatenate(parts) if parts else _empty()
        records["ts_event"] = records["ts_recv"] = replica.market_time_ns
        records["sequence"] = replica.sequence & 0xFFFFFFFF
        try:
            return EventRecords(_instruments(replica)).scaled(records)
        except NotRepresentable as error:
            raise RecordingError(self.path, str(error)) from error

    def _book_image(
        self, row: InstrumentRow, bids: list[QueuedRow], asks: list[QueuedRow]
    ) -> MboRecords:
        records = new_records(
            1 + len(bids) + len(asks), publisher_id=PUBLISHER_ID, instrument_id=row.instrument
        )
        records["action"] = ACTION_ADD
        records["action"][0] = ACTION_CLEAR
        records["flags"] = FLAG_SNAPSHOT
        records["flags"][-1] |= FLAG_LAST
        orders = [*bids, *asks]
        if any(order.leaves > SIZE_MAX for order in orders):
            raise RecordingError(
                self.path, f"{row.symbol}: an order of more than {SIZE_MAX} lots fits no record"
            )
        records["side"][1:] = [SIDE_BID] * len(bids) + [SIDE_ASK] * len(asks)
        for name, values in (
            ("order_id", [order.order_id for order in orders]),
            ("price", [order.price for order in orders]),
            ("size", [order.leaves for order in orders]),
        ):
            records[name][1:] = values
        return records


def market_number(path: Path) -> int:
    """The number that a market was given when it began; it names the journal wherever it lies.

    Raises:
        RecordingError: there is no journal, or nothing in it.
    """
    replica = Replica(history_orders=HISTORY.orders, history_trades=HISTORY.trades)
    try:
        frames = JournalFollower(DataDirectory(path), START).step(1)
        if not frames:
            raise RecordingError(path, "holds an empty journal")
        replica.replay(frames)
    except (JournalError, EnginePanicked, FrameError, OSError) as error:
        raise RecordingError(path, str(error)) from error
    return replica.genesis()[3]


def goes_on(path: Path, place: Place) -> bool:
    """Whether a frame boundary belongs to a journal's history, and what follows to it.

    Raises:
        RecordingError: the journal cannot be read, or ends before.
    """
    directory = DataDirectory(path)
    try:
        mark = read_mark(directory.mark)
        if mark is None or mark.place.sequence < place.sequence:
            last = 0 if mark is None else mark.place.sequence
            raise RecordingError(path, f"its last sequence is {last:,}")
        if mark.place.sequence == place.sequence:
            return mark.place.crc == place.crc
        return bool(JournalFollower(directory, place).step(1))
    except JournalDamaged:
        return False
    except (JournalError, OSError) as error:
        raise RecordingError(path, str(error)) from error


_ORDERS_MAX: Final = 2**31
"""A snapshot begins with every order there is."""


def _info() -> SourceInfo:
    return SourceInfo(
        format="journal",
        version="",
        dataset=DATASET,
        schema="mbo",
        publishers={PUBLISHER_ID: DATASET},
        notes=["prices are in 1e-9 of the quote currency, sizes in lots, times market time"],
    )


def _instruments(replica: Replica) -> list[InstrumentRow]:
    return [InstrumentRow._make(row) for row in replica.instruments()]


def _empty() -> MboRecords:
    return new_records(0)


def _bounded(records: MboRecords) -> Iterator[MboRecords]:
    for start in range(0, len(records), CHUNK_RECORDS):
        yield records[start : start + CHUNK_RECORDS]


def _day(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).date()
