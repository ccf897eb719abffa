"""The recorded side of the comparison is rebuilt from the records alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.recorded_truth import RecordedTruth, TruthStep
from tradepit.flow.recording_text import parse_events
from tradepit.marketdata.recorded_events import read_events

DATA = Path(__file__).parents[4] / "shared" / "data" / "dbn"


def steps(text: str) -> list[TruthStep]:
    truth = RecordedTruth()
    return [truth.apply(event) for event in parse_events(text)]


def test_trades_and_fills_do_not_change_the_book() -> None:
    last = steps("A B 99 5 #1\n\nT A 99 2 #9\nF B 99 2 #1")[-1]
    assert last.quote == BestQuote(99, 5, 0, 0)
    assert (last.volume, last.fills) == ({99: 2}, {9: 2, 1: 2})


def test_an_aggressor_that_was_resting_is_counted_once() -> None:
    last = steps("A B 98 5 #1\n\nT B 99 5 #1\nF B 99 5 #1\nF A 99 5 #2")[-1]
    assert (last.volume, last.fills) == ({99: 5}, {1: 5, 2: 5})


def test_a_crossed_book_and_its_uncross_are_no_continuous_trading() -> None:
    text = "A B 99 1 #1\n\nA A 98 1 #2\n\nC A 98 1 #2\n\nA A 100 1 #3"
    assert [(s.is_continuous, s.is_uncross) for s in steps(text)] == [
        (True, False),
        (False, False),
        (False, True),
        (True, False),
    ]


def test_volume_without_an_order_on_the_other_side_is_called_implied() -> None:
    last = steps("A B 99 5 #1\n\nT A 99 7 #9\nF B 99 5 #1\nC B 99 5 #1")[-1]
    assert (last.volume, last.implied_volume) == ({99: 7}, 2)


@pytest.mark.parametrize(
    ("name", "levels", "orders", "quote"),
    [
        (
            "esh4-glbx-mdp3-20231225.mbo.dbn.zst",
            (922, 565),
            11_217,
            BestQuote(4_810_000_000_000, 22, 4_810_250_000_000, 28),
        ),
        (
            "esm4-glbx-mdp3-20240508-2s.mbo.dbn.zst",
            (976, 571),
            13_598,
            BestQuote(5_214_000_000_000, 28, 5_214_250_000_000, 17),
        ),
    ],
)
def test_real_recordings_end_in_the_independently_known_book(
    name: str, levels: tuple[int, int], orders: int, quote: BestQuote
) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here (../shared/data/dbn)")
    truth = RecordedTruth()
    last = [truth.apply(event) for event in read_events(path)][-1]
    bids, asks = truth.levels("buy"), truth.levels("sell")
    assert (len(bids), len(asks)) == levels
    assert sum(count for _, count in [*bids.values(), *asks.values()]) == orders
    assert last.quote == quote
