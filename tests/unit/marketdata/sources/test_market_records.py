"""Single events as records, and what has no exact place in one."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tradepit.domain import wire
from tradepit.domain.wire import EventKind, Side
from tradepit.marketdata.records import PRICE_NONE
from tradepit.marketdata.sources.market_records import SIZE_MAX, EventRecords, NotRepresentable


def events(*values: Any) -> bytes:
    """One frame's events, as the engine gives them."""
    packed = [wire.FRAME_APPLIED.pack(*wire.FrameApplied(kind=EventKind.FRAME_APPLIED, sequence=1))]
    for kind, value in values:
        layout: struct.Struct = getattr(wire, kind.name)
        packed.append(layout.pack(*value._replace(kind=kind)))
    return b"".join(packed)


def defined(sequence: int, mantissa: int, exponent: int) -> tuple[EventKind, Any]:
    return EventKind.INSTRUMENT_DEFINED, wire.InstrumentDefined(
        sequence=sequence, instrument=3, tick_mantissa=mantissa, tick_exponent=exponent
    )


def accepted(sequence: int, price: int, leaves: int = 5) -> tuple[EventKind, Any]:
    return EventKind.ORDER_ACCEPTED, wire.OrderAccepted(
        sequence=sequence,
        instrument=3,
        side=Side.BUY,
        order_id=sequence,
        price=price,
        leaves=leaves,
    )


def test_price_is_scaled_by_the_definition_in_force_at_its_event() -> None:
    records = EventRecords([]).records(
        events(defined(1, 25, 2), accepted(2, 8), defined(3, 1, 1), accepted(4, 8))
    )
    assert records["action"].tobytes() == b"RARA"
    assert records["price"].tolist() == [PRICE_NONE, 2_000_000_000, PRICE_NONE, 800_000_000]


def test_what_an_earlier_batch_defined_holds_in_later_ones() -> None:
    maker = EventRecords([])
    maker.records(events(defined(1, 5, 0)))
    assert maker.records(events(accepted(2, 8)))["price"].tolist() == [40_000_000_000]


def test_tick_that_is_no_whole_number_of_units_is_refused_when_it_is_used() -> None:
    fine = defined(1, 1, 9), accepted(2, 7)
    assert EventRecords([]).records(events(*fine))["price"].tolist() == [PRICE_NONE, 7]
    with pytest.raises(NotRepresentable, match="no whole number"):
        EventRecords([]).records(events(defined(1, 1, 10), accepted(2, 7)))


def test_price_beyond_64_bits_is_refused() -> None:
    largest = (PRICE_NONE - 1) // 10**9
    maker = EventRecords([])
    assert len(maker.records(events(defined(1, 1, 0), accepted(2, largest)))) == 2
    with pytest.raises(NotRepresentable, match="too large"):
        maker.records(events(accepted(3, largest + 1)))


def test_size_beyond_32_bits_is_refused() -> None:
    maker = EventRecords([])
    assert len(maker.records(events(defined(1, 1, 0), accepted(2, 1, SIZE_MAX)))) == 2
    with pytest.raises(NotRepresentable, match=f"at most {SIZE_MAX}"):
        maker.records(events(accepted(3, 1, SIZE_MAX + 1)))


def test_frames_without_events_make_no_records() -> None:
    assert len(EventRecords([]).records(b"")) == 0
    assert len(EventRecords([]).records(events())) == 0
