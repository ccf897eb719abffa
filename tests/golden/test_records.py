"""Every record's bytes are pinned: `records.txt` holds each with its fields filled one by one.

In the k-th field every byte is k, so the hex shows each field as a run; padding is zero.
A change here is a change of the journal's format and needs a new schema version; only a new field
in what was padding is none, since older journals hold its zero.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradepit._native import Replica
from tradepit.domain import wire
from tradepit.testing.frames import EVENT_STRUCTS, Event, FrameWriter, command, read_events
from tradepit.testing.generator import Generator
from tradepit.testing.script import opening

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = dict(
    line.split() for line in Path(__file__).with_name("records.txt").read_text().splitlines()
)
RECORDS: dict[str, type[Any]] = {
    "FRAME_HEADER": wire.FrameHeader,
    **{wire.CommandKind(number).name: cls for number, cls in wire.COMMANDS.items()},
    **{wire.EventKind(number).name: cls for number, cls in wire.EVENTS.items()},
}


def filled(name: str) -> Any:
    """The record with all bytes of the k-th field equal to k."""
    packed: struct.Struct = getattr(wire, name)
    formats = [letter for letter in packed.format.lstrip("<") if letter.isalpha() and letter != "x"]
    sizes = [struct.calcsize("<" + letter) for letter in formats]
    values = [int.from_bytes(bytes([k]) * size, "little") for k, size in enumerate(sizes, 1)]
    return RECORDS[name]._make(values)


def test_every_record_is_pinned() -> None:
    assert set(GOLDEN) == set(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_record_packs_to_its_golden_bytes_and_back(name: str) -> None:
    packed: struct.Struct = getattr(wire, name)
    golden = bytes.fromhex(GOLDEN[name])
    size = wire.FRAME_HEADER_BYTES if name == "FRAME_HEADER" else wire.RECORD_BYTES
    assert packed.size == len(golden) == size
    assert packed.pack(*filled(name)) == golden
    assert RECORDS[name]._make(packed.unpack(golden)) == filled(name)


@pytest.mark.parametrize("name", RECORDS)
def test_numpy_sees_the_same_fields(name: str) -> None:
    dtype = np.dtype(getattr(wire, f"{name}_DTYPE"))
    (row,) = np.frombuffer(bytes.fromhex(GOLDEN[name]), dtype=dtype)
    expected = {
        field: value
        for field, value in filled(name)._asdict().items()
        if not field.startswith("padding")
    }
    assert {field: int(row[field]) for field in expected} == expected


def test_the_native_engine_reads_each_field_where_python_writes_it() -> None:
    """An order with a different number in every field comes back in its event."""
    order = wire.PlaceOrder(
        side=2,
        order_type=1,
        time_in_force=3,
        self_trade_prevention=4,
        options=wire.Option.POST_ONLY,
        account=2,
        instrument=1,
        price=0x0102030405,
        quantity=0x0708,
        expires_at=0x1A1B1C1D1E1F2021,
        definition_version=1,
        session=0x31323334,
        label=0x4142434445464748,
    )
    replica, writer = Replica(), FrameWriter(incarnation=0x5152535455565758)
    replica.apply(writer.write(opening(), 0))
    applied = replica.apply(writer.write([command(order, "é-1")], 20_000 * 86_400 * 10**9 + 1))
    frame, accepted = read_events(applied.events, applied.texts)
    assert (frame.fields.incarnation, frame.fields.frame_number) == (0x5152535455565758, 2)
    assert accepted.text == "é-1".encode()
    assert accepted.fields == wire.OrderAccepted(
        kind=wire.EventKind.ORDER_ACCEPTED,
        flags=wire.RecordFlag.TEXT,
        side=2,
        order_type=1,
        time_in_force=3,
        self_trade_prevention=4,
        options=wire.Option.POST_ONLY,
        status=wire.OrderStatus.NEW,
        sequence=len(opening()) + 1,
        account=2,
        instrument=1,
        order_id=len(opening()) + 1,
        price=0x0102030405,
        quantity=0x0708,
        leaves=0x0708,
        expires_at=0x1A1B1C1D1E1F2021,
        time_ns=20_000 * 86_400 * 10**9 + 1,
        session=0x31323334,
    )


def test_events_of_every_kind_survive_the_round_trip_through_python() -> None:
    """Also shows that the engine leaves padding zero: packing writes it so."""
    kinds = set()
    for seed in range(5):
        replica = Replica()
        replica.quarantine(100)
        for step in Generator(seed).steps(3_000):
            applied = replica.apply(step.frame)
            events = read_events(applied.events, applied.texts)
            assert repacked(events) == applied.events
            kinds |= {event.kind for event in events}
    assert kinds == set(wire.EventKind)


def repacked(events: list[Event]) -> bytes:
    return b"".join(EVENT_STRUCTS[wire.EventKind(e.kind)].pack(*e.fields) for e in events)


def test_generated_code_is_what_the_schema_gives() -> None:
    check = subprocess.run(
        [sys.executable, "schema/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr
