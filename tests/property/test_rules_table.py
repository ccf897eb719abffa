"""The rulebook's tricky corners as text tables, played on both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tradepit._native import Replica
from tradepit.testing.engine_port import Engine
from tradepit.testing.oracle_engine import OracleEngine
from tradepit.testing.script import Stage, Story, stories

TABLES = sorted((Path(__file__).parent / "tables").glob("*.txt"))
STORIES = [
    pytest.param(story, id=f"{table.stem}: {story.title}")
    for table in TABLES
    for story in stories(table.read_text())
]
ENGINES = [pytest.param(Replica, id="native"), pytest.param(OracleEngine, id="oracle")]


@pytest.mark.parametrize("new_engine", ENGINES)
@pytest.mark.parametrize("story", STORIES)
def test_story_happens_as_written(story: Story, new_engine: Callable[[], Engine]) -> None:
    stage = Stage(new_engine())
    for line, expected in story.steps:
        told = stage.play(line)
        if expected:
            assert told == expected, line
        else:
            assert not any(event.startswith("rejected") for event in told), (line, told)
