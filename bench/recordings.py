"""Sources of order-by-order data read to their end, recordings generated and verified."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from bench import machine
from bench.report import Cell, Report, at_least, at_most
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.recorder import convert
from tradepit.marketdata.sources.lobster import LobsterSource
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.verification.price_levels import check_levels
from tradepit.marketdata.verification.queues import check_queues
from tradepit.marketdata.verification.rebuilding import rebuild

DATA = Path(__file__).parents[2] / "shared" / "data"
"""Recordings of others, where there are any."""
AMZN = DATA / "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
OTHERS = (
    DATA / "dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst",
    AMZN,
    DATA / "itch/ex20101224.TEST_ITCH_50",
)
GENERATED = SessionSettings(seed=1, records=1_000_000)
GENERATE_MIN = 3e5
AMZN_SECONDS_MAX = 2.0

Row = dict[str, Cell]


def run(rounds: int) -> Report:
    machine.pin()
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "generated.dbn", Path(folder) / "generated.dbn.zst"
        for path in (plain, packed):
            rows.append(_timed(f"generate {path.name}", rounds, partial(_generate, path)))
        generate = float(rows[0]["records/s"])
        for path in (plain, packed, *filter(Path.exists, OTHERS)):
            rows.append(_timed(f"read {path.name}", rounds, partial(_read, path)))
        rows.append(_timed(f"verify {plain.name}", rounds, partial(_rebuild, plain)))
    verdicts = [at_least("generated", generate, GENERATE_MIN, "records/s")]
    if AMZN.exists():
        read = next(row for row in rows if row["what"] == f"read {AMZN.name}")
        verdicts.append(at_most("AMZN read", float(read["seconds"]), AMZN_SECONDS_MAX, "s"))
        rows.append(_timed("verify AMZN by level", rounds, _levels))
        rows.append(_timed("verify AMZN order by order", min(rounds, 2), _queues))
    notes = ["records: of order-by-order data; for the checks of AMZN, rows of its files"]
    return Report("recordings", "Recordings: read, generate, verify", rows, verdicts, notes)


def _timed(what: str, rounds: int, work: Callable[[], int]) -> Row:
    seconds = []
    count = 0
    for _ in range(rounds):
        start = perf_counter()
        count = work()
        seconds.append(perf_counter() - start)
    middle = median(seconds)
    return {"what": what, "records": count, "seconds": middle, "records/s": count / middle}


def _generate(path: Path) -> int:
    return convert(GeneratedSource(GENERATED), path)


def _read(path: Path) -> int:
    return sum(len(chunk) for chunk in open_source(path).chunks())


def _rebuild(path: Path) -> int:
    return rebuild(open_source(path)).records


def _levels() -> int:
    return check_levels(LobsterSource(AMZN)).rows


def _queues() -> int:
    return check_queues(LobsterSource(AMZN)).rows
