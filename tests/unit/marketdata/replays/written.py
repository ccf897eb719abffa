"""Recordings written for a test, and messages to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tradepit.marketdata.dbn_writer import DbnWriter, metadata_of
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.records import ACTION_ADD, FLAG_LAST, SIDE_BID
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.index import RecordingIndex
from tradepit.marketdata.sources.source import MboRecords, SourceInfo, new_records

START_NS = 1_700_000_000_000_000_000
UNIT = 1_000_000_000
PUBLISHER = 1
INSTRUMENT = 9


def write(path: Path, records: MboRecords) -> Path:
    """A DBN file of these records."""
    info = SourceInfo("dbn", "3", "TEST.SET", "mbo", start_ns=START_NS)
    with DbnWriter(path, metadata_of(info), is_compressed=False) as writer:
        writer.write(records)
        writer.close()
    return path


def index_of(folder: Path, records: MboRecords, *, keyframe_messages: int = 50) -> RecordingIndex:
    """An open index of these records."""
    path = write(folder / "recording.dbn", records)
    return IndexCache(folder / "indexes", keyframe_messages=keyframe_messages).build(path)


def recorded(folder: Path, *, seed: int = 1, records: int = 5_000) -> Path:
    """A generated recording."""
    settings = SessionSettings(seed=seed, records=records, orders=50, pre_open_orders=20)
    chunks = list(GeneratedSource(settings).chunks())
    return write(folder / f"recording-{seed}.dbn", np.concatenate(chunks))


def adds(seconds: list[float], *, flags: int = FLAG_LAST) -> MboRecords:
    """One bid of size 1 at each of these seconds after the start, ids and sequences from 1."""
    records = new_records(len(seconds), publisher_id=PUBLISHER, instrument_id=INSTRUMENT)
    records["ts_event"] = [START_NS + round(second * 1e9) for second in seconds]
    records["ts_recv"] = records["ts_event"] + 1_000
    records["action"], records["side"], records["flags"] = ACTION_ADD, SIDE_BID, flags
    records["order_id"] = records["sequence"] = np.arange(1, len(seconds) + 1)
    records["price"], records["size"] = 100 * UNIT, 1
    return records
