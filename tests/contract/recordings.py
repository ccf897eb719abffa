"""Generated recordings for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradepit.marketdata.dbn_writer import DbnWriter, metadata_of
from tradepit.marketdata.generated import GeneratedSource, SessionSettings


def write_recording(path: Path, *, messages: int, seed: int = 7, **settings: Any) -> None:
    """Write a session of about so many messages as a DBN file."""
    settings = {"orders": max(10, messages // 10), "pre_open_orders": 20} | settings
    source = GeneratedSource(SessionSettings(seed=seed, records=messages, **settings))
    chunks = list(source.chunks())
    with DbnWriter(path, metadata_of(source.info), is_compressed=False) as writer:
        for records in chunks:
            writer.write(records)
        writer.close()
