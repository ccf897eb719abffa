"""For every test: small journals; one PostgreSQL server for the run, an empty database for each.

A test that passes leaves nothing on the disk (`tmp_path_retention_policy` in pyproject.toml).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import NoPostgres, PostgresServer
from tests.segments import SMALL_SEGMENTS


def pytest_configure() -> None:
    """Nodes that tests start as processes have small journals too."""
    os.environ.setdefault("TRADEPIT_JOURNAL__SEGMENT_BYTES", str(SMALL_SEGMENTS.segment_bytes))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; without one the test is skipped."""
    try:
        server = PostgresServer()
    except NoPostgres as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'history.sqlite'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.database()
    yield url
    server.drop(url)
