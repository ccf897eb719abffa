"""The rulebook's tricky corners as text tables, played on both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradepit._native import Replica
from tradepit.testing.engine_port import Engine
from tradepit.testing.oracle_engine import OracleEngine
from tradepit.testing.script import Stage, Story, stories

FOLDER = Path(__file__).parent / "tables"
TABLES = sorted(FOLDER.glob("*.txt"))
TABLES_OF_VERSION_2 = sorted((FOLDER / "version_2").glob("*.txt"))


def cases(tables: list[Path], rules_version: int) -> list[Any]:
    """Each story of the tables with the rules under which it is played."""
    return [
        pytest.param(story, rules_version, id=f"{table.stem}: {story.title}, {rules_version}")
        for table in tables
        for story in stories(table.read_text())
    ]


STORIES = cases(TABLES, 1) + cases(TABLES, 2) + cases(TABLES_OF_VERSION_2, 2)
ENGINES = [pytest.param(Replica, id="native"), pytest.param(OracleEngine, id="oracle")]


@pytest.mark.parametrize("new_engine", ENGINES)
@pytest.mark.parametrize(("story", "rules_version"), STORIES)
def test_story_happens_as_written(
    story: Story, rules_version: int, new_engine: Callable[[], Engine]
) -> None:
    """What version 1 says still holds under version 2."""
    stage = Stage(new_engine(), rules_version=rules_version)
    for line, expected in story.steps:
        told = stage.play(line)
        if expected:
            assert told == expected, line
        else:
            assert not any(event.startswith("rejected") for event in told), (line, told)
