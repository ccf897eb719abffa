"""The SQL database: SQLite beside the journal, or the PostgreSQL of a URL. The same tables."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tradepit.projections.exact import SQLITE_FUNCTIONS

MIGRATIONS: Final = Path(__file__).parent / "migrations"
FILE_NAME: Final = "history.sqlite"
"""Of the default database, in the node's data directory."""

BUSY_MS: Final = 30_000
"""How long a writer of SQLite waits for another one; each holds its lock for milliseconds."""

CONNECT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 600.0
"""How long a writer waits for an answer of PostgreSQL. A slow server is waited for; a connection
that died without a word must not hold a projector for ever."""

MIGRATION_LOCK: Final = 7_232_410_551
"""PostgreSQL advisory lock: of several processes that start at once, one migrates."""

Answer = TypeVar("Answer")

DRIVERS: Final[Mapping[str, str]] = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


class DatabaseRefused(Exception):
    """The database cannot be used as it is; the text says why."""


class Database:
    """An open database whose tables are those of this program. Made by `open`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @staticmethod
    async def open(url: str, *, migrate: bool = True) -> Database:
        """Connect, and bring the tables to this program's version.

        Args:
            url: `sqlite:///file` or `postgresql://user:password@host/name`.
        Raises:
            DatabaseRefused: not such a URL, or the tables are of a newer program.
            OSError, sqlalchemy.exc.SQLAlchemyError: the database is not there.
        """
        engine = create_engine(url)
        try:
            if migrate:
                async with engine.connect() as connection:
                    await connection.run_sync(_migrate)
        except BaseException:
            await engine.dispose()
            raise
        return Database(engine)

    def writing(self) -> _Writing:
        """A transaction that writes: `async with database.writing() as connection`."""
        return _Writing(self.engine)

    async def close(self) -> None:
        await self.engine.dispose()


class _Writing:
    """`AsyncEngine.begin`, which on SQLite takes the write lock at once: a lock that is asked for
    in the middle of a transaction is refused, not waited for."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._begun = engine.begin()

    async def __aenter__(self) -> AsyncConnection:
        connection = await self._begun.__aenter__()
        if self._engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        return connection

    async def __aexit__(self, *error: Any) -> None:
        await self._begun.__aexit__(*error)


async def within(seconds: float, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Await an answer of the database for so long and no longer.

    It is not cancelled: to cancel a statement the driver asks the server, and would hang with it.

    Raises:
        TimeoutError: there is none yet.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        raise TimeoutError("the database does not answer")
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    """Nobody may be left to hear of an error."""
    if not task.cancelled():
        task.exception()


def default_url(data_dir: Path) -> str:
    """The URL of the SQLite file in a node's data directory."""
    return f"sqlite:///{data_dir / FILE_NAME}"


def create_engine(url: str) -> AsyncEngine:
    """An engine for a URL of ours; nothing is connected yet."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseRefused(f"{url!r} is not a database URL") from None
    name = parsed.get_backend_name()
    if name not in DRIVERS:
        raise DatabaseRefused(f"databases are sqlite:/// or postgresql://, not {name}://")
    parsed = parsed.set(drivername=DRIVERS[name])
    if name != "sqlite":
        waits = {"timeout": CONNECT_SECONDS, "command_timeout": PATIENCE_SECONDS}
        return create_async_engine(parsed, pool_pre_ping=True, connect_args=waits)
    engine = create_async_engine(parsed)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by us: the driver's own would start them too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={BUSY_MS}",
        "cache_size=-65536",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    for name, function in SQLITE_FUNCTIONS.items():
        connection.create_function(name, 2, function, deterministic=True)


def _migrate(connection: Connection) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    command.upgrade(config, "head")
    connection.commit()
