"""Where the recordings of others lie; tests that need one are skipped without them."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parents[5] / "shared" / "data"


def recording(name: str) -> Path:
    """The path of a recording, such as `dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst`."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the recording {path.name} is not there")
    return path


ESH4 = "dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ESH4_SNAPSHOT = "dbn/esh4-glbx-mdp3-20231224.mbo.dbn.zst"
ESM4 = "dbn/esm4-glbx-mdp3-20240508-2s.mbo.dbn.zst"
CLX5 = "dbn/clx5-glbx-mdp3-20250924.mbo.dbn"
AMZN = "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
AAPL = "lobster/AAPL_2012-06-21_34200000_57600000_message_10.csv"
ITCH = "itch/ex20101224.TEST_ITCH_50"
CONFORMANCE = "dbn/conformance"
