"""The layout of the records that sources, book builder and storage share."""

from __future__ import annotations

import databento_dbn
import numpy as np

from tradepit.marketdata import records


def test_a_message_has_the_bytes_of_the_formats_own_library() -> None:
    message = databento_dbn.MBOMsg(
        publisher_id=1,
        instrument_id=2,
        ts_event=3,
        order_id=4,
        price=-5,
        size=6,
        channel_id=7,
        action=databento_dbn.Action.MODIFY,
        side=databento_dbn.Side.ASK,
        ts_recv=8,
        flags=records.FLAG_LAST | records.FLAG_SNAPSHOT,
        ts_in_delta=-9,
        sequence=10,
    )
    [row] = np.frombuffer(bytes(message), records.MBO_DTYPE)
    assert row.tolist() == (14, 0xA0, 1, 2, 3, 4, -5, 6, 160, 7, ord("M"), ord("A"), 8, -9, 10)


def test_records_have_the_sizes_that_the_native_side_writes() -> None:
    assert records.MBO_DTYPE.itemsize == records.MBO_BYTES
    assert records.EFFECT_DTYPE.itemsize == 48
    assert records.BBO_DTYPE.itemsize == 72


def test_constants_are_those_of_the_format() -> None:
    assert records.PRICE_NONE == databento_dbn.UNDEF_PRICE
    assert records.PRICE_SCALE == databento_dbn.FIXED_PRICE_SCALE
    assert records.FLAG_LAST == databento_dbn.F_LAST
    assert records.FLAG_TOP_OF_BOOK == databento_dbn.F_TOB
    assert records.FLAG_SNAPSHOT == databento_dbn.F_SNAPSHOT
    assert records.FLAG_BY_LEVEL == databento_dbn.F_MBP
    assert records.FLAG_BAD_TS_RECV == databento_dbn.F_BAD_TS_RECV
    assert records.FLAG_MAYBE_BAD_BOOK == databento_dbn.F_MAYBE_BAD_BOOK
    assert int(databento_dbn.RType.MBO) == records.MBO_RTYPE


def test_every_effect_and_error_has_its_name_at_its_number() -> None:
    for prefix, names in (("EFFECT", records.EFFECT_NAMES), ("ERROR", records.ERROR_NAMES)):
        for number, name in enumerate(names):
            assert getattr(records, f"{prefix}_{name.upper() or 'NONE'}") == number
