"""Write journals with the events that the naive engine gives for them.

    python tests/golden/make_streams.py DIRECTORY COMMANDS SEED...

`tests/golden/streams` holds small ones for good: any later engine must read these journals and
give the same events. Larger ones, made on the spot, are what mutation testing runs against:

    python tests/golden/make_streams.py target/streams 8000 1 2 3 4 5 6
    TRADEPIT_STREAMS=$PWD/target/streams cargo mutants -p tradepit-core

A stream is frames, one after the other; `.expected` holds the xxh3-128 of all event records and of
all texts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import xxhash

from tradepit.testing.generator.stream import Generator


def main(directory: Path, commands: int, seeds: list[int]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        frames, events, texts = b"", xxhash.xxh3_128(), xxhash.xxh3_128()
        for step in Generator(seed).steps(commands):
            frames += step.frame
            events.update(step.applied.events)
            texts.update(step.applied.texts)
        stem = directory / f"seed-{seed}"
        stem.with_suffix(".frames").write_bytes(frames)
        expected = f"{events.hexdigest()} {texts.hexdigest()}\n"
        stem.with_suffix(".expected").write_text(expected)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(seed) for seed in sys.argv[3:]])
