"""The records of order-by-order data as numpy arrays: messages, their effects, best prices.

A message is DBN's `MboMsg`, 56 bytes, little-endian: the one internal form that every source
yields and that the native book builder takes. Prices are whole numbers of 1e-9 units of the quote
currency, times are ns since the Unix epoch in UTC.

Source: https://databento.com/docs/schemas-and-data-formats/mbo
"""

from __future__ import annotations

from typing import Final

import numpy as np

MBO_DTYPE: Final = np.dtype(
    [
        ("length", "u1"),  # of the record in words of 4 bytes: MBO_LENGTH_WORDS
        ("rtype", "u1"),  # MBO_RTYPE
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),  # the venue's time
        ("order_id", "<u8"),
        ("price", "<i8"),  # PRICE_NONE = none
        ("size", "<u4"),
        ("flags", "u1"),  # FLAG_…
        ("channel_id", "u1"),
        ("action", "u1"),  # ACTION_…
        ("side", "u1"),  # SIDE_…
        ("ts_recv", "<u8"),  # the recorder's time
        ("ts_in_delta", "<i4"),  # ns from the venue's sending to `ts_recv`
        ("sequence", "<u4"),  # of the venue's message
    ]
)
"""One order-by-order message."""

MBO_BYTES: Final = 56
MBO_LENGTH_WORDS: Final = MBO_BYTES // 4
MBO_RTYPE: Final = 0xA0
PRICE_NONE: Final = 2**63 - 1
PRICE_SCALE: Final = 1_000_000_000
"""Units of a price per unit of the quote currency."""

ACTION_ADD: Final = ord("A")
ACTION_CANCEL: Final = ord("C")
ACTION_MODIFY: Final = ord("M")
ACTION_CLEAR: Final = ord("R")
ACTION_TRADE: Final = ord("T")
"""The aggressor's side of a match; never changes the book, as F and N."""
ACTION_FILL: Final = ord("F")
"""The resting order's side of a match; a C or M that follows changes the book."""
ACTION_NONE: Final = ord("N")

SIDE_BID: Final = ord("B")
SIDE_ASK: Final = ord("A")
SIDE_NONE: Final = ord("N")

FLAG_LAST: Final = 128
"""Last record of its event: only now the book is what the venue shows."""
FLAG_TOP_OF_BOOK: Final = 64
"""Replaces its side of the book."""
FLAG_SNAPSHOT: Final = 32
"""Of a recovery snapshot, which replaces the book."""
FLAG_BY_LEVEL: Final = 16
FLAG_BAD_TS_RECV: Final = 8
FLAG_MAYBE_BAD_BOOK: Final = 4

EFFECT_DTYPE: Final = np.dtype(
    [
        ("kind", "u1"),  # EFFECT_…: what happened to the book
        ("error", "u1"),  # ERROR_…: what was wrong with the message (0 = nothing)
        ("old_side", "u1"),  # SIDE_…, 0 = there was no order
        ("new_side", "u1"),  # SIDE_…, 0 = there is no order
        ("orders_cleared", "<u4"),  # by R, by a snapshot or a top-of-book record, before the rest
        ("old_price", "<i8"),
        ("new_price", "<i8"),
        ("old_size", "<u4"),
        ("new_size", "<u4"),
        ("old_orders_ahead", "<u4"),  # in the queue of its level, before
        ("new_orders_ahead", "<u4"),  # and after
        ("new_size_ahead", "<u8"),
    ]
)
"""What one message did. Old values are zero when there was no order, new ones when none is left."""

EFFECT_NONE: Final = 0
EFFECT_ADDED: Final = 1
EFFECT_REMOVED: Final = 2
EFFECT_REDUCED: Final = 3
"""By a partial cancel: it keeps its place."""
EFFECT_MODIFIED_KEPT: Final = 4
EFFECT_MODIFIED_LOST: Final = 5
"""It went to the back of its (new) level."""
EFFECT_CLEARED: Final = 6
EFFECT_ERROR: Final = 7
"""The message was wrong and changed nothing."""
EFFECT_NAMES: Final = (
    "none",
    "added",
    "removed",
    "reduced",
    "modified_kept",
    "modified_lost",
    "cleared",
    "error",
)

ERROR_NONE: Final = 0
ERROR_DUPLICATE_ORDER: Final = 1
ERROR_UNKNOWN_CANCEL: Final = 2
ERROR_UNKNOWN_MODIFY: Final = 3
ERROR_CANCEL_TOO_LARGE: Final = 4
ERROR_NO_SIDE: Final = 5
ERROR_NO_PRICE: Final = 6
ERROR_NO_SIZE: Final = 7
ERROR_UNKNOWN_ACTION: Final = 8
ERROR_NOT_MBO: Final = 9
ERROR_NAMES: Final = (
    "",
    "duplicate_order",
    "unknown_cancel",
    "unknown_modify",
    "cancel_too_large",
    "no_side",
    "no_price",
    "no_size",
    "unknown_action",
    "not_mbo",
)

BBO_DTYPE: Final = np.dtype(
    [
        ("record", "<u8"),  # number of the event's last message, from 0 for the first one applied
        ("ts_event", "<u8"),
        ("ts_recv", "<u8"),
        ("bid_price", "<i8"),  # PRICE_NONE = empty side
        ("ask_price", "<i8"),
        ("bid_size", "<u8"),
        ("ask_size", "<u8"),
        ("bid_orders", "<u4"),
        ("ask_orders", "<u4"),
        ("instrument_id", "<u4"),
        ("publisher_id", "<u2"),
        ("crossed", "u1"),  # 1 = best bid >= best ask
        ("reserved", "u1"),
    ]
)
"""Best bid and offer of one book right after an event."""
