"""LOBSTER's rows are checked by level and order by order, and every wrong one is found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.unit.marketdata.sources.recordings import AAPL, AMZN, recording
from tests.unit.marketdata.verification.lobster_day import LEVELS, TICK, LobsterDay

from tradepit.marketdata.sources.lobster import LobsterSource
from tradepit.marketdata.sources.source import RecordingError
from tradepit.marketdata.verification.price_levels import LevelReport, check_levels
from tradepit.marketdata.verification.queues import QueueReport, check_queues

SEEDS = range(4)


def checked(day: LobsterDay, folder: Path) -> tuple[LevelReport, QueueReport]:
    source = LobsterSource(day.write(folder))
    return check_levels(source), check_queues(source)


@pytest.mark.parametrize("seed", SEEDS)
def test_day_without_a_mistake_has_none(tmp_path: Path, seed: int) -> None:
    levels, queues = checked(LobsterDay(seed), tmp_path)
    assert (levels.rows, levels.compared, levels.mismatches) == (800, 799, 0)
    assert levels.prices_adopted > 20, "levels come into view"
    assert (levels.executions_not_at_best, queues.mismatches, queues.errors) == (0, 0, {})
    assert queues.from_known > 50
    assert queues.from_lots > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_size_in_the_book_file_is_found_where_it_is(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    choice = random.Random(seed)
    day = LobsterDay(seed)
    row, side = choice.randrange(2, 700), choice.choice((1, 3))
    day.books[row][side] = str(int(day.books[row][side]) + 10)
    levels, queues = checked(day, tmp_path)
    for report in (levels, queues):
        assert report.wrong_rows[0] == row + 1
        assert 1 <= report.mismatches <= 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("field", [3, 4, 5])
def test_wrong_message_is_found(tmp_path: Path, seed: int, field: int) -> None:
    print(f"seed {seed}, field {field}")
    day = LobsterDay(seed)
    changing = [n for n, row in enumerate(day.messages) if n > 5 and row[1] == "4"]
    row = random.Random(seed).choice(changing)
    wrong = {3: "13", 4: str(int(day.messages[row][4]) + 100), 5: "-1"}
    if field == 5 and day.messages[row][5] == "-1":
        wrong[5] = "1"
    day.messages[row][field] = wrong[field]
    levels, queues = checked(day, tmp_path)
    assert levels.wrong_rows[0] == row + 1
    if field == 3:  # a known order is found by its id, whatever its price and side
        assert queues.mismatches or queues.errors


@pytest.mark.parametrize("seed", SEEDS)
def test_level_that_no_message_made_is_found_where_it_appears(tmp_path: Path, seed: int) -> None:
    day = LobsterDay(seed)
    best = day.books[300][0:2]
    for row in range(300, 800):  # for good, so that only its coming is wrong
        kept = [number for level in range(LEVELS - 1) for number in day.books[row][4 * level :][:2]]
        asks = [str(int(day.books[row][0]) - TICK // 2), "70", *kept]
        for level in range(LEVELS):
            day.books[row][4 * level : 4 * level + 2] = asks[2 * level : 2 * level + 2]
    assert best != day.books[300][0:2]
    levels, queues = checked(day, tmp_path)
    for report in (levels, queues):
        assert report.wrong_rows[0] == 301


def test_missing_message_is_found(tmp_path: Path) -> None:
    day = LobsterDay(1)
    row = next(n for n, each in enumerate(day.messages) if n > 400 and each[1] == "1")
    del day.messages[row], day.books[row]
    levels, queues = checked(day, tmp_path)
    assert levels.mismatches
    assert queues.mismatches


def test_files_of_unequal_length_are_refused(tmp_path: Path) -> None:
    day = LobsterDay(1)
    day.books.pop()
    source = LobsterSource(day.write(tmp_path))
    with pytest.raises(RecordingError, match="same number of rows"):
        check_levels(source)


def test_every_row_of_the_first_messages_of_aapl_is_right() -> None:
    source = LobsterSource(recording(AAPL))
    levels, queues = check_levels(source), check_queues(source)
    assert (levels.rows, levels.mismatches, levels.executions_not_at_best) == (999, 0, 0)
    assert (queues.rows, queues.mismatches, queues.errors) == (999, 0, {})
    assert (queues.from_known, queues.first_in_queue, queues.from_lots) == (90, 90, 8)


def test_every_row_of_the_whole_day_of_amzn_is_right() -> None:
    source = LobsterSource(recording(AMZN))
    levels, queues = check_levels(source), check_queues(source)
    assert (levels.rows, levels.compared, levels.mismatches) == (155_935, 155_934, 0)
    assert (levels.executions, levels.executions_not_at_best) == (8_974, 0)
    assert (queues.rows, queues.mismatches, queues.errors) == (155_935, 0, {})
    assert (queues.from_known, queues.first_in_queue, queues.from_lots) == (7_307, 7_272, 1_667)
