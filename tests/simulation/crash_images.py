"""What a power loss can leave behind, rebuilt from the calls that were made.

The model is harsher than most file systems, and allows what POSIX allows:

- the operations on a directory since it was last synced survive up to any point, in order;
- the writes to a file since it was last synced survive, vanish, survive in part, or leave zeros or
  junk where they would have changed something, each file for itself, whatever the order between
  files was;
- a file's data and its name are separate: syncing the one says nothing about the other.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.simulation.disks import Call

Names = dict[str, "File"]


@dataclass(eq=False)
class File:
    """One file's bytes: what is on the disk, and what was written since."""

    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def sync(self) -> None:
        for offset, data in self.pending:
            self.durable = _written(self.durable, offset, data)
        self.pending = []

    def extend(self, size: int) -> None:
        """Zeros behind the end, up to a size."""
        ends = [offset + len(data) for offset, data in self.pending]
        length = max([len(self.durable), *ends])
        if size > length:
            self.pending.append((length, bytes(size - length)))

    def forget(self) -> None:
        """A sync failed, and the kernel takes the pages for clean."""
        self.pending = []

    def variants(self) -> list[bytes]:
        """What may be on the disk after a power loss now."""
        found = [self.durable]
        before = self.durable
        for offset, data in self.pending:
            half = len(data) // 2
            junk = random.Random(offset).randbytes(len(data))
            old = before[offset : offset + len(data)].ljust(len(data), b"\0")
            found += [
                _written(before, offset, data),
                _written(before, offset, data[:half]),
                _written(before, offset, _torn(old, data, bytes(len(data)))),
                _written(before, offset, data[:half] + _torn(old, data, junk)[half:]),
                _written(self.durable, offset, data),
            ]
            before = _written(before, offset, data)
        return list(dict.fromkeys(found))


def _torn(old: bytes, new: bytes, junk: bytes) -> bytes:
    """Junk, but where the write changes nothing: a sector that is overwritten with what it holds
    holds that whether or not the write arrives."""
    triples = zip(old, new, junk, strict=True)
    return bytes(after if before == after else other for before, after, other in triples)


def _written(content: bytes, offset: int, data: bytes) -> bytes:
    content = content.ljust(offset, b"\0")
    return content[:offset] + data + content[offset + len(data) :]


class Image(NamedTuple):
    """One possible state of the disk."""

    files: dict[str, bytes]
    directories: list[str]

    def moved(self, root: str, target: str) -> Image:
        """The same image below another directory."""
        files = {name.replace(root, target, 1): data for name, data in self.files.items()}
        return Image(files, [name.replace(root, target, 1) for name in self.directories])

    def write(self, root: Path, replace: str) -> None:
        """Lay the image out under `root`, which stands for the directory named `replace`."""
        for name in self.directories:
            (root / Path(name).relative_to(replace)).mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            path = root / Path(name).relative_to(replace)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


class PowerLoss:
    """Follows calls, and tells at any time what a power loss would leave."""

    def __init__(self, root: str, seed: int = 1) -> None:
        self._root = root
        self._rng = random.Random(seed)
        self._live: Names = {}
        self._durable: dict[str, Names] = {root: {}}
        """Names on the disk, by directory."""
        self._pending: dict[str, list[Call]] = {}
        """Operations on a directory since its last sync."""
        self._created: dict[int, File] = {}
        self._directories: set[str] = {root}

    def adopt(self, image: Image) -> None:
        """Begin with the files of an image, all of them durable."""
        for directory in image.directories:
            self._directories.add(directory)
            self._durable.setdefault(directory, {})
        for name, data in image.files.items():
            self._live[name] = self._durable[str(Path(name).parent)][name] = File(data)

    def follow(self, call: Call) -> None:
        """Take one call into account, as done."""
        match call.kind:
            case "create":
                self._live[call.path] = file = File()
                self._created[id(call)] = file
                self._note(call)
            case "write":
                self._live[call.path].pending.append((call.offset, call.data))
            case "allocate":
                self._live[call.path].extend(call.offset)
            case "sync":
                self._live[call.path].sync()
            case "failed_sync":
                self._live[call.path].forget()
            case "rename":
                self._live[call.target] = self._live.pop(call.path)
                self._note(call)
            case "remove":
                self._live.pop(call.path)
                self._note(call)
            case "make_directory":
                self._directories.add(call.path)
                self._durable.setdefault(call.path, {})
            case "sync_directory":
                for pending in self._pending.pop(call.path, []):
                    self._apply(self._durable[call.path], pending)

    def _note(self, call: Call) -> None:
        self._pending.setdefault(str(Path(call.path).parent), []).append(call)

    def _apply(self, names: Names, call: Call) -> None:
        match call.kind:
            case "create":
                names[call.path] = self._created[id(call)]
            case "rename":
                if call.path in names:
                    names[call.target] = names.pop(call.path)
            case "remove":
                names.pop(call.path, None)

    def images(self, most: int) -> Iterator[Image]:
        """Yield at most so many of the states that a power loss now could leave."""
        choices = []
        for directory, durable in self._durable.items():
            pending = self._pending.get(directory, [])
            variants = []
            for length in range(len(pending) + 1):
                names = dict(durable)
                for call in pending[:length]:
                    self._apply(names, call)
                variants.append(names)
            choices.append(variants)
        found = list(itertools.product(*choices))
        self._rng.shuffle(found)
        share = max(1, most // len(found))
        for combination in found[:most]:
            names = {name: file for part in combination for name, file in part.items()}
            yield from self._contents(names, share)

    def _contents(self, names: Names, most: int) -> Iterator[Image]:
        variants = [file.variants() for file in names.values()]
        combinations = list(itertools.islice(itertools.product(*variants), 4096))
        if len(combinations) > most:
            combinations = self._rng.sample(combinations, most)
        for combination in combinations:
            yield Image(dict(zip(names, combination, strict=True)), sorted(self._directories))


def cut(calls: Sequence[Call], *, without: str, path_part: str) -> list[Call]:
    """Return the calls as if one kind had been forgotten for some files: a mutant."""
    kept = [call for call in calls if not (call.kind == without and path_part in call.path)]
    assert len(kept) < len(calls), "the mutant does not differ"
    return kept
