"""Journals of tests are small: a hundred nodes at 128 MiB each do not fit on every disk."""

from __future__ import annotations

from typing import Final

from tradepit.journal.segments import JournalOptions

SMALL_SEGMENTS: Final = JournalOptions(segment_bytes=4 << 20)
"""Some 40,000 commands; a frame may still have the full 1 MiB."""
