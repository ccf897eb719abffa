"""Exports: every step and whole books as lines, and as a zip that is made while it is read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.marketdata.replays.written import START_NS, adds, index_of
from tests.unit.marketdata.sources.recordings import ESH4, recording

from tradepit.marketdata.books import Books
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.records import SIDE_ASK, SIDE_BID
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.export import (
    PIECE_BYTES,
    PIECE_MESSAGES,
    export_book,
    export_steps,
    price_text,
    zipped,
)
from tradepit.marketdata.replays.index import RecordingIndex
from tradepit.testing.mbo_streams import random_records
from tradepit.testing.naive_books import NaiveBooks, messages
from tradepit.testing.replay_messages import decimal, message

MESSAGES = 3 * PIECE_MESSAGES + 7


@pytest.fixture
def index(tmp_path: Path) -> Iterator[RecordingIndex]:
    with index_of(tmp_path, random_records(1, MESSAGES), keyframe_messages=700) as opened:
        yield opened


def lines(pieces: Iterator[bytes]) -> list[dict[str, Any]]:
    text = b"".join(pieces)
    assert text == b"" or text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("first", [1, 2, 701, PIECE_MESSAGES + 1, MESSAGES - 2])
@pytest.mark.parametrize("length", [0, 1, 2_500, None])
def test_exported_steps_are_those_of_a_plain_pass(
    index: RecordingIndex, first: int, length: int | None
) -> None:
    last = None if length is None else min(index.count, first - 1 + length)
    effects = Books().apply_with_effects(index.records).effects
    expected = []
    for at in range(first - 1, index.count if last is None else last):
        text = message(
            index.records[at], effects[at], seq=at + 1, number=at + 1, left_ns=0, symbols=()
        )
        fields = json.loads(text)
        del fields["left_ns"]
        expected.append(fields)
    assert lines(export_steps(index, first=first, last=last)) == expected


def test_pieces_are_of_bounded_size(index: RecordingIndex) -> None:
    pieces = list(export_steps(index))
    assert [piece.count(b"\n") for piece in pieces[:-1]] == [PIECE_MESSAGES] * (len(pieces) - 1)
    assert max(map(len, pieces)) < 600 * PIECE_MESSAGES


@pytest.mark.parametrize(("first", "last"), [(0, 5), (-1, 5), (5, 3), (1, 10**6), (10**6, None)])
def test_steps_that_are_not_there_are_refused_by_the_call(
    index: RecordingIndex, first: int, last: int | None
) -> None:
    with pytest.raises(ValueError, match="messages lie"):
        export_steps(index, first=first, last=last)
    for position in (-1, index.count + 1):
        with pytest.raises(ValueError, match="position"):
            export_book(index, position)


@pytest.mark.parametrize("position", [0, 1, 699, 1_500, MESSAGES])
@pytest.mark.parametrize("instrument", [None, 7, 12345])
def test_an_exported_book_is_the_naive_one(
    index: RecordingIndex, position: int, instrument: int | None
) -> None:
    naive = NaiveBooks()
    for each in messages(index.records[:position]):
        naive.apply(each)
    levels, orders = [], []
    for (publisher, number), book in sorted(naive.books.items()):
        if instrument not in (None, number):
            continue
        for letter, name in (("B", "bid"), ("A", "ask")):
            for price, queue in book.levels(letter):
                head = {"instrument_id": number, "publisher_id": publisher, "side": name}
                head["price"] = decimal(price)
                size = sum(size for _, size in queue)
                levels.append(head | {"size": size, "orders": len(queue)})
                orders += [
                    head | {"order_id": str(order), "size": size, "orders_ahead": ahead}
                    for ahead, (order, size) in enumerate(queue)
                ]
    settings: dict[str, Any] = {"instrument_id": instrument}
    assert lines(export_book(index, position, **settings)) == levels
    assert lines(export_book(index, position, by_order=True, **settings)) == orders


def test_exports_beside_each_other_do_not_disturb_each_other(index: RecordingIndex) -> None:
    alone = list(export_steps(index))
    together = [export_steps(index), export_steps(index)]
    for piece in alone:
        assert [next(export) for export in together] == [piece, piece]
        next(export_book(index, index.count // 2), None)


def test_a_zip_holds_what_was_exported(index: RecordingIndex) -> None:
    content = b"".join(export_steps(index))
    packed = b"".join(zipped("steps.ndjson", export_steps(index)))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["steps.ndjson"]
        assert archive.testzip() is None
        assert archive.read("steps.ndjson") == content
    assert packed == b"".join(zipped("steps.ndjson", export_steps(index)))
    assert len(packed) < len(content) / 3


def test_a_zip_is_made_while_it_is_read() -> None:
    """Bounded memory: no piece is asked for before the one before it has been handed on."""
    asked = 0
    rng = np.random.default_rng(1)

    def content() -> Iterator[bytes]:
        nonlocal asked
        for _ in range(40):
            asked += 1
            yield rng.bytes(PIECE_BYTES)

    handed: list[tuple[int, int]] = []
    total = 0
    for part in zipped("noise", content()):
        total += len(part)
        handed.append((asked, total))
        assert len(part) < 3 * PIECE_BYTES
    assert total > 40 * PIECE_BYTES
    assert all(asked * PIECE_BYTES - total < 3 * PIECE_BYTES for asked, total in handed)
    assert all(later[0] >= earlier[0] for earlier, later in pairwise(handed))


def test_a_zip_whose_content_fails_is_no_zip() -> None:
    def content() -> Iterator[bytes]:
        yield np.random.default_rng(1).bytes(2 * PIECE_BYTES)
        raise OSError("the index is gone")

    parts: list[bytes] = []
    with pytest.raises(OSError, match="gone"):
        parts.extend(zipped("noise", content()))
    assert parts
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(parts)))


def test_nothing_is_exported_from_nothing(tmp_path: Path) -> None:
    with index_of(tmp_path, adds([])) as index:
        assert lines(export_steps(index)) == lines(export_book(index, 0)) == []
        packed = b"".join(zipped("nothing", export_book(index, 0)))
        assert zipfile.ZipFile(io.BytesIO(packed)).read("nothing") == b""


def test_symbols_are_named_by_their_day(tmp_path: Path) -> None:
    chunks = list(GeneratedSource(SessionSettings(seed=1, records=500, instruments=2)).chunks())
    with index_of(tmp_path, np.concatenate(chunks)) as index:
        assert index.description.symbol_at(1, START_NS) is None
    with IndexCache(tmp_path / "real").build(recording(ESH4)) as index:
        description = index.description
        assert description.symbols_of(17077) == ["ESH4"]
        assert {description.symbol_at(17077, at) for at in (0, START_NS, 2**63)} == {"ESH4"}
        best = [next(export_book(index, index.count)).splitlines()[0]]
        assert json.loads(best[0])["instrument"] == "ESH4"
        totals = [index.books_at(index.count).side_totals(17077, 1, side=side).levels
                  for side in (SIDE_BID, SIDE_ASK)]  # fmt: skip
        assert len(lines(export_book(index, index.count))) == sum(totals) == 922 + 565


@pytest.mark.parametrize(
    "price", [0, 1, -1, 10**9, -(10**9), 5_040_250_000_000, 2**63 - 2, -(2**63)]
)
def test_prices_are_exact(price: int) -> None:
    assert price_text(price) == decimal(price)
