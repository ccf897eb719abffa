"""What a store holds: a manifest for each source, written when its files are in place.

A file belongs to the store because a manifest names it. A load that was killed leaves files that no
manifest names, so they are in no query; loaded again, the same source writes them anew under the
same names.

```
S/loads/<id>.json                                       manifests
S/trades/dataset=D/symbol=S/day=2024-01-02/<id>-0.parquet
S/lock                                                  held while something is loaded
S/loading/                                              files of a load that is not finished
```
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tradepit.journal.disk import Disk

TABLES: Final = ("messages", "trades", "bbo", "depth")
FORMAT: Final = 1
"""Of the manifests; another one is refused."""


class StoreError(Exception):
    """The store cannot be used, or not for this; the text says why."""


class LoadedBook(msgspec.Struct, kw_only=True):
    """One book of a source, without what a snapshot at its beginning repeats.

    Times in ns since the Unix epoch; None = only a snapshot was there.
    """

    publisher_id: int
    instrument_id: int
    symbols: list[str]
    records: int
    first_ns: int | None = None
    last_ns: int | None = None


class Place(msgspec.Struct, kw_only=True):
    """How far a journal has been loaded: a frame boundary."""

    segment: int
    offset: int
    sequence: int
    crc: int
    """Of the frame that ends there; it stands for the whole journal before it."""
    seconds: dict[str, int]
    """Books whose last second was not over: `publisher:instrument` to the second."""


class Load(msgspec.Struct, kw_only=True):
    """One source in the store."""

    format: int = FORMAT
    id: str
    """Fingerprint of the records and symbols, or `market-` and the market's own number."""
    kind: str
    """Of the source: `dbn`, `lobster`, `itch`, `journal`."""
    dataset: str
    names: list[str]
    """Paths under which it was loaded, the first one first."""
    contents: list[str]
    """Fingerprints of the files, so that the same ones need not be read again."""
    records: int
    levels: int
    """Of each side in `depth`."""
    books: list[LoadedBook]
    files: list[str]
    """Below the store."""
    replaces: list[str] = []
    """Ids of loads that this one takes the place of; empty once they are removed."""
    place: Place | None = None
    """Of a journal."""


class Catalog:
    """The manifests of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._disk = Disk()

    @property
    def staging(self) -> Path:
        return self.root / "loading"

    def loads(self) -> list[Load]:
        """Every source that is in the store, by id.

        Raises: StoreError when a manifest cannot be read.
        """
        found = self._manifests()
        gone = {each for load in found for each in load.replaces}
        return [load for load in found if load.id not in gone]

    def _manifests(self) -> list[Load]:
        found = []
        for path in sorted((self.root / "loads").glob("*.json")):
            try:
                load = msgspec.json.decode(path.read_bytes(), type=Load)
            except (OSError, msgspec.DecodeError) as error:
                raise StoreError(f"{path}: {error}") from error
            if load.format != FORMAT:
                raise StoreError(f"{path}: format {load.format}, this program knows {FORMAT}")
            found.append(load)
        return found

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who loads; what a killed load left is removed first.

        Raises: StoreError when another process is loading.
        """
        (self.root / "loads").mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(f"{self.root}: something else is being loaded") from None
            shutil.rmtree(self.staging, ignore_errors=True)
            self.staging.mkdir()
            try:
                for load in self._manifests():
                    self._remove_replaced(load)
                yield
            finally:
                shutil.rmtree(self.staging, ignore_errors=True)

    def move_in(self, folder: Path, prefix: str) -> list[str]:
        """Move `folder/TABLE/PARTITION.../*.parquet` into the store; gives their new names.

        They are durable when this returns, but no part of the store before a manifest names them.
        """
        moved: list[str] = []
        folders: set[Path] = set()
        for partition in sorted({path.parent for path in folder.rglob("*.parquet")}):
            target = self.root / partition.relative_to(folder)
            target.mkdir(parents=True, exist_ok=True)
            for number, path in enumerate(sorted(partition.glob("*.parquet"))):
                self._sync(path)
                final = target / f"{prefix}-{number}.parquet"
                self._disk.rename(path, final)
                moved.append(str(final.relative_to(self.root)))
            folders.update((target, *target.relative_to(self.root).parents))
        for each in sorted(folders):
            self._disk.sync_directory(self.root / each)
        return moved

    def write(self, load: Load) -> None:
        """Write a manifest: from now on its files, and nothing that it replaces, are the store."""
        self._put(load)
        self._remove_replaced(load)

    def _put(self, load: Load) -> None:
        growing = self.staging / "manifest"
        growing.write_bytes(msgspec.json.format(msgspec.json.encode(load)))
        self._sync(growing)
        self._disk.rename(growing, self._manifest(load.id))
        self._disk.sync_directory(self.root / "loads")

    def _manifest(self, load_id: str) -> Path:
        return self.root / "loads" / f"{load_id}.json"

    def _remove_replaced(self, load: Load) -> None:
        """Killed in here, the next load goes on with it; until then nobody sees what is left."""
        if not load.replaces:
            return
        for old in self._manifests():
            if old.id in load.replaces:
                for name in old.files:
                    (self.root / name).unlink(missing_ok=True)
                self._manifest(old.id).unlink()
        load.replaces = []
        self._put(load)

    def _sync(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)
