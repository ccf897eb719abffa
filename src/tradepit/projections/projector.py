"""The projector: follows a journal beside its node and keeps the SQL tables up with it.

It has a replica of its own, so the market never waits for it, whatever the database does. Its place
in the journal moves in the transaction of the rows, by compare-and-set: killed at any moment it
goes on exactly where the database is, and a second projector only finds its work done.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from tradepit._native import EnginePanicked, Replica
from tradepit.domain.wire import FRAME_HEADER, FrameHeader
from tradepit.journal.follow import READ_BYTES, JournalFollower
from tradepit.journal.frame import frame_bytes
from tradepit.journal.layout import DataDirectory
from tradepit.node.recovery import History, Recovery
from tradepit.projections.candles import CandleKeeper, CandleRows
from tradepit.projections.database import Database
from tradepit.projections.rows import RowMaker, Rows
from tradepit.projections.tables import candles
from tradepit.projections.writing import Position, PositionTaken, Writer, read_position

log = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 0.01
"""Between two looks at the commit mark of a quiet market."""

HISTORY: Final = History(orders=100_000, trades=1)
"""Twice as many orders as fit into a batch."""

RETRY_SECONDS: Final = 0.1
RETRY_SECONDS_MAX: Final = 5.0

DatabaseError: Final = (SQLAlchemyError, OSError)


class ProjectionRefused(Exception):
    """The database does not go with the journal; the text says what to do."""


class _Batch(NamedTuple):
    """What has to be written, and where that leaves the projection."""

    rows: Rows
    candle_rows: CandleRows
    after: Position


class Projector:
    """One journal to one database. Made by `open`."""

    def __init__(
        self,
        database: Database,
        follower: JournalFollower,
        maker: RowMaker,
        keeper: CandleKeeper,
        position: Position | None,
        batch_bytes: int,
    ) -> None:
        self._batch_bytes = batch_bytes
        self._writer = Writer(database)
        self._follower = follower
        self._maker = maker
        self._keeper = keeper
        self.position = position
        self.failure: str | None = None
        """Why the database does not take rows at the moment."""

    @staticmethod
    async def open(
        directory: DataDirectory,
        database: Database,
        *,
        history: History = HISTORY,
        batch_bytes: int = READ_BYTES,
    ) -> Projector:
        """Bring a replica to where the database is.

        Args:
            history: an order that a batch begins and ends must still be remembered at its end.
            batch_bytes: most bytes of frames in one transaction, if a frame is not longer.

        Raises:
            ProjectionRefused: the database is of another market or another history.
            JournalError: the journal is not whole.
            sqlalchemy.exc.SQLAlchemyError, OSError: the database is not there.
        """
        position = await read_position(database)
        sequence = 0 if position is None else position.sequence
        recovery = Recovery(directory, history=history, until_mark=True)
        beginning = recovery.begin(sequence)
        follower = JournalFollower(directory, beginning.place)
        if position is not None:
            _catch_up(beginning.replica, follower, position)
        keeper = CandleKeeper()
        await _load_candles(database, keeper)
        maker = RowMaker(beginning.replica)
        return Projector(database, follower, maker, keeper, position, batch_bytes)

    @property
    def sequence(self) -> int:
        """Last sequence that is in the database."""
        return 0 if self.position is None else self.position.sequence

    @property
    def lag(self) -> int:
        """Commands that are durable and not yet in the database, as of the last step."""
        return self._follower.durable_sequence - self.sequence

    async def step(self, until: int | None = None) -> bool:
        """Project the next frames; False when there are none.

        The database is asked again, for ever, until it has taken them.

        Args:
            until: a frame's last sequence; go no further.
        Raises:
            PositionTaken: the database is elsewhere; open anew.
            JournalError: the journal is not whole.
            EnginePanicked: a command that the node could not run either; open anew.
        """
        frames = _step_until(self._follower, until, self._batch_bytes)
        if not frames:
            return False
        with _uncollected():
            rows = self._maker.apply(frames)
            candle_rows = self._keeper.add(rows.trade_columns)
        place = self._follower.place
        after = Position(
            self._maker.replica.genesis()[3],
            self._follower.generation,
            place.sequence,
            place.crc,
            self._maker.replica.market_time_ns,
        )
        await self._write(_Batch(rows, candle_rows, after))
        self.position = after
        return True

    async def _write(self, batch: _Batch) -> None:
        pause = RETRY_SECONDS
        while True:
            try:
                with _uncollected():
                    await self._writer.write(
                        batch.rows, batch.candle_rows, self.position, batch.after
                    )
            except DatabaseError as error:
                if self.failure is None:
                    log.error(
                        "the database takes no rows; the market goes on", reason=_brief(error)
                    )
                self.failure = _brief(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_SECONDS_MAX)
            else:
                if self.failure is not None:
                    log.info("the database takes rows again", behind=self.lag)
                self.failure = None
                return


async def project(directory: DataDirectory, database_url: str, *, until_end: bool = False) -> None:
    """Keep a database up with a journal, for ever or (`until_end`) until there is nothing left.

    Raises:
        ProjectionRefused, DatabaseRefused: an operator has to decide.
        JournalError: the journal is not whole.
    """
    pause = RETRY_SECONDS
    while True:
        try:
            database = await Database.open(database_url)
        except DatabaseError as error:
            log.error("the database is not there; the market goes on", reason=_brief(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)
            continue
        try:
            projector = await Projector.open(directory, database)
            pause = RETRY_SECONDS
            while await projector.step() or not until_end:
                if projector.lag <= 0:
                    await asyncio.sleep(IDLE_SECONDS)
            return
        except PositionTaken:
            log.warning("the database is elsewhere than this projector left it; starting anew")
        except EnginePanicked as error:
            log.error("the engine panics on a command; waiting for the operator", reason=str(error))
        except DatabaseError as error:
            log.error("the database failed; the market goes on", reason=_brief(error))
        finally:
            await database.close()
        await asyncio.sleep(pause)
        pause = min(2 * pause, RETRY_SECONDS_MAX)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for cycles: among a million rows there is none, and they cost a tenth."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _catch_up(replica: Replica, follower: JournalFollower, position: Position) -> None:
    """Replay up to a position, which must be a frame boundary of this very journal."""
    while follower.place.sequence < position.sequence:
        frames = _step_until(follower, position.sequence)
        if not frames:
            raise ProjectionRefused(
                f"the database knows sequence {position.sequence}, the journal ends at "
                f"{follower.place.sequence}: it was restored or belongs to another market; "
                "`tradepit projections rebuild` makes the tables from this journal"
            )
        replica.replay(frames)
    if follower.place.crc != position.crc or replica.genesis()[3] != position.market_id:
        raise ProjectionRefused(
            f"at sequence {position.sequence} the database and the journal tell different "
            "histories; `tradepit projections rebuild` makes the tables from this journal"
        )


def _step_until(
    follower: JournalFollower, sequence: int | None, batch_bytes: int = READ_BYTES
) -> bytes:
    """The next frames, none of which begins after the sequence."""
    before = follower.place
    if sequence is not None and before.sequence >= sequence:
        return b""
    frames = follower.step(batch_bytes)
    if sequence is None or follower.place.sequence <= sequence:
        return frames
    follower.place = before
    return follower.step(_bytes_up_to(frames, sequence))


def _bytes_up_to(frames: bytes, sequence: int) -> int:
    """Size of the frames up to a sequence; at least one frame."""
    at = 0
    while at < len(frames):
        header = FrameHeader(*FRAME_HEADER.unpack_from(frames, at))
        if at and header.first_sequence > sequence:
            break
        at += frame_bytes(header.record_count, header.text_bytes)
    return at


async def _load_candles(database: Database, keeper: CandleKeeper) -> None:
    """The newest candle of each kind."""
    key = (candles.c.instrument, candles.c.seconds, candles.c.definition_version)
    newest = select(*key, func.max(candles.c.start_ns).label("start_ns")).group_by(*key).subquery()
    join = candles.join(
        newest,
        (candles.c.instrument == newest.c.instrument)
        & (candles.c.seconds == newest.c.seconds)
        & (candles.c.definition_version == newest.c.definition_version)
        & (candles.c.start_ns == newest.c.start_ns),
    )
    async with database.engine.connect() as connection:
        keeper.load(await connection.execute(select(candles).select_from(join)))


def _brief(error: BaseException) -> str:
    """The driver's own words, without the statement and its thousands of values."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0][:300]
