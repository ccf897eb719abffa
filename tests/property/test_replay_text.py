"""Steps rendered natively against the plain description of their form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tradepit._native import Symbols, render_steps
from tradepit.marketdata.books import Books
from tradepit.marketdata.records import EFFECT_DTYPE, EFFECT_NAMES, ERROR_NAMES, MBO_DTYPE
from tradepit.marketdata.replays.rendering import RenderStyle, render
from tradepit.marketdata.replays.session import Steps
from tradepit.testing.mbo_streams import random_records
from tradepit.testing.replay_messages import NamedDays, framed, message

DAY_NS = 86_400 * 10**9
SYMBOLS = [
    NamedDays(7, "ESH4", 0, DAY_NS),
    NamedDays(7, 'q"\\\x01\x1fé', DAY_NS, 2 * DAY_NS),
    NamedDays(7, "LAST", 2 * DAY_NS, 3 * DAY_NS),
    NamedDays(4_000_000_000, "x" * 70_000, 0, 1),
]
EXTREMES = {
    "ts_event": [0, 1, DAY_NS - 1, DAY_NS, 2 * DAY_NS, 10 * DAY_NS, 2**63, 2**64 - 1],
    "instrument_id": [7, 8, 4_000_000_000],
    "order_id": [0, 1, 2**63, 2**64 - 1],
    "size": [0, 1, 2**32 - 1],
    "action": [ord(letter) for letter in "ACMRTFNZ"] + [0, 255],
    "side": [ord(letter) for letter in "BAN"] + [0, 255],
    "kind": [*range(9), 255],
    "error": [*range(11), 255],
    "orders_cleared": [0, 0, 1, 2**32 - 1],
}
PRICES = [0, 1, -1, 10**9, -(10**9), 5_040_250_000_000, 2**63 - 1, 2**63 - 2, -(2**63)]
SIDES = [0, ord("B"), ord("A"), ord("N"), 255]


def random_rows(rng: np.random.Generator, dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
    """Any bytes at all, with extremes in about half of the fields."""
    rows = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    for name in dtype.names or ():
        kinds = PRICES if name.endswith("price") else SIDES if name.endswith("_side") else None
        values = EXTREMES.get(name, kinds)
        if values is not None:
            chosen = rng.random(count) < 0.8
            picked = np.array(values, dtype[name])[rng.integers(0, len(values), count)]
            rows[name] = np.where(chosen, picked, rows[name])
    return rows


def expected(steps: Steps, first_seq: int, style: str) -> bytes:
    texts = []
    for at in range(steps.count):
        text = message(
            steps.records[at],
            steps.effects[at],
            seq=first_seq + at,
            number=steps.first_number + at,
            left_ns=int(steps.left_ns[at]),
            symbols=SYMBOLS,
        )
        json.loads(text)
        texts.append(framed(text, seq=first_seq + at, style=style))
    return b"".join(texts)


@pytest.mark.parametrize("style", list(RenderStyle))
@pytest.mark.parametrize("seed", range(3))
def test_any_bytes_are_rendered_as_described(seed: int, style: RenderStyle) -> None:
    print("seed", seed)
    rng = np.random.default_rng(seed)
    count = 500
    left_ns = rng.integers(0, 2**64 - 1, count, np.uint64, endpoint=True)
    steps = Steps(
        random_rows(rng, MBO_DTYPE, count),
        random_rows(rng, EFFECT_DTYPE, count),
        2**40,
        left_ns,
    )
    first_seq = int(rng.integers(1, 2**63))
    rendered = render(steps, style, first_seq=first_seq, symbols=Symbols(list(SYMBOLS)))
    assert rendered == expected(steps, first_seq, style)


@pytest.mark.parametrize("seed", range(2))
def test_real_steps_name_every_effect_and_error(seed: int) -> None:
    print("seed", seed)
    records = random_records(seed, 3_000)
    effects = Books().apply_with_effects(records).effects
    steps = Steps(records, effects, 1, np.arange(len(records), dtype=np.uint64))
    rendered = render(steps, RenderStyle.LINES, first_seq=1, symbols=Symbols(list(SYMBOLS)))
    assert rendered == expected(steps, 1, "lines")
    told = [json.loads(line)["effect"] for line in rendered.splitlines()]
    assert {effect["kind"] for effect in told} == set(EFFECT_NAMES)
    assert {effect.get("error", "") for effect in told} == set(ERROR_NAMES)


def test_the_message_of_the_documentation_is_rendered_so() -> None:
    record, effect = np.zeros(1, MBO_DTYPE), np.zeros(1, EFFECT_DTYPE)
    record[["publisher_id", "instrument_id", "order_id", "size"]] = (1, 7, 6413, 3)
    record[["ts_event", "price", "flags", "sequence"]] = (1, 5_040_250_000_000, 130, 123)
    record[["action", "side"]] = ord("A"), ord("B")
    effect[["kind", "new_side", "new_price", "new_size"]] = (1, ord("B"), 5_040_250_000_000, 3)
    effect[["new_orders_ahead", "new_size_ahead"]] = (4, 17)
    steps = Steps(record, effect, 7, np.array([1_763], np.uint64))
    rendered = render(steps, RenderStyle.LINES, first_seq=9, symbols=Symbols(list(SYMBOLS)))
    assert rendered.decode() == (
        '{"seq":9,"number":7,"time":"1970-01-01T00:00:00.000000001Z","instrument":"ESH4",'
        '"instrument_id":7,"publisher_id":1,"action":"add","side":"bid","order_id":"6413",'
        '"price":"5040.25","size":3,"last":true,"flags":130,"venue_sequence":123,'
        '"effect":{"kind":"added","new":{"side":"bid","price":"5040.25","size":3,'
        '"orders_ahead":4,"size_ahead":17}},"left_ns":1763}\n'
    )


def test_a_symbol_with_a_line_break_stays_in_its_line() -> None:
    steps = Steps(np.zeros(1, MBO_DTYPE), np.zeros(1, EFFECT_DTYPE), 1, np.zeros(1, np.uint64))
    symbols = Symbols([(0, "A\nB\r", 0, 1)])
    [line] = render(steps, RenderStyle.LINES, first_seq=1, symbols=symbols).splitlines()
    assert json.loads(line)["instrument"] == "A\nB\r"


def test_nothing_is_rendered_from_nothing() -> None:
    steps = Steps(np.empty(0, MBO_DTYPE), np.empty(0, EFFECT_DTYPE), 1, np.empty(0, np.uint64))
    assert render(steps, RenderStyle.FRAMES, first_seq=1, symbols=Symbols([])) == b""


def test_arrays_that_do_not_fit_each_other_are_refused() -> None:
    record, effect = bytes(56), bytes(48)
    for arrays in ((record, b"", bytes(8)), (record, effect, b""), (record[1:], effect, bytes(8))):
        with pytest.raises(ValueError, match="records"):
            render_steps(*arrays, 1, 1, Symbols([]), "lines")
    with pytest.raises(ValueError, match="style"):
        render_steps(record, effect, bytes(8), 1, 1, Symbols([]), "other")
    with pytest.raises(ValueError, match="2\\^64"):
        render_steps(record, effect, bytes(8), 2**64 - 1, 1, Symbols([]), "lines")
