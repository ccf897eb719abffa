"""The live market as a DBN file that grows: whole at any moment, the same when recorded again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from databento_dbn import Compression, DBNDecoder, Metadata
from tests.unit.projections.journals import World

from tradepit.marketdata.recorder import convert, follow
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.journal import JournalSource, JournalTail
from tradepit.marketdata.sources.source import MboRecords, RecordingError
from tradepit.marketdata.verification.rebuilding import rebuild

SEEDS = range(3)


class Waiting:
    """Lets the market grow whenever the recorder has nothing to do, and then stops it."""

    def __init__(self, world: World, steps: int, out: Path) -> None:
        self._world = world
        self._steps = steps
        self._out = out
        self.seen: list[int] = []

    def __call__(self, seconds: float) -> bool:
        assert seconds > 0
        self.seen.append(self._out.stat().st_size)
        self._steps -= 1
        self._world.grow(0.4)
        return self._steps <= 0


def records_of(path: Path) -> MboRecords:
    return np.concatenate(list(DbnSource(path).chunks()))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["live.dbn", "live.dbn.zst"])
def test_followed_market_is_the_one_recorded_at_the_end(
    tmp_path: Path, seed: int, name: str
) -> None:
    print(f"seed {seed}")
    world = World(tmp_path / "data", seed=seed, commands=800)
    world.grow(0.3)
    live, again = tmp_path / name, tmp_path / f"again-{name}"
    waiting = Waiting(world, 4, live)
    count = follow(JournalTail(world.directory.root, first_sequence=1), live, wait=waiting)
    assert len(waiting.seen) == 4
    assert convert(JournalSource(world.directory.root), again) == count
    assert (records_of(live) == records_of(again)).all()
    if name == "live.dbn":
        assert live.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("seed", SEEDS)
def test_recording_replayed_gives_the_same_book_and_recorded_again_the_same_bytes(
    tmp_path: Path, seed: int
) -> None:
    print(f"seed {seed}")
    world = World(tmp_path / "data", seed=seed, commands=800)
    world.grow()
    source = JournalSource(world.directory.root)
    for name in ("out.dbn", "out.dbn.zst"):
        first, second = tmp_path / name, tmp_path / f"again-{name}"
        convert(source, first)
        convert(DbnSource(first), second)
        assert first.read_bytes() == second.read_bytes()
        assert rebuild(DbnSource(first)).digest == rebuild(source).digest


def test_formats_own_tools_read_a_recording_with_its_symbols(tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=1, commands=800)
    world.grow()
    out = tmp_path / "out.dbn.zst"
    convert(JournalSource(world.directory.root), out)
    decoder = DBNDecoder(compression=Compression.from_str("zstd"))
    header, *messages = decoder.write_and_decode(out.read_bytes())
    assert isinstance(header, Metadata)
    assert str(header.schema) == "mbo"
    used = {message.instrument_id for message in messages}
    intervals = [interval for each in header.mappings.values() for interval in each]
    mapped = {int(interval["symbol"]) for interval in intervals}
    assert used <= mapped
    times = [message.ts_event for message in messages]
    assert (header.start, header.end) == (times[0], times[-1] + 1)


@pytest.mark.parametrize("name", ["live.dbn", "live.dbn.zst"])
def test_file_of_a_killed_recorder_gives_what_was_flushed_and_tells_when_it_is_torn(
    tmp_path: Path, name: str
) -> None:
    world = World(tmp_path / "data", seed=2, commands=800)
    world.grow()
    live, torn = tmp_path / name, tmp_path / f"torn-{name}"

    def killed(_: float) -> bool:
        torn.write_bytes(live.read_bytes())
        return True

    follow(JournalTail(world.directory.root, first_sequence=1), live, wait=killed, flush_seconds=0)
    whole = np.concatenate(list(JournalSource(world.directory.root).chunks()))
    assert (records_of(torn) == whole).all()
    assert DbnSource(torn).info.mappings == DbnSource(live).info.mappings
    assert DbnSource(torn).info.end_ns is None
    torn.write_bytes(torn.read_bytes()[:-11])
    got: list[MboRecords] = [whole[:0]]
    with pytest.raises(RecordingError, match="record"):
        got.extend(DbnSource(torn).chunks())
    beginning = np.concatenate(got)
    assert (beginning == whole[: len(beginning)]).all()
    if name == "live.dbn":
        assert len(beginning) == len(whole) - 1
