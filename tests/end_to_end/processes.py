"""Processes that a node started, as /proc tells of them."""

from __future__ import annotations

from pathlib import Path


def children(pid: int) -> dict[int, str]:
    """Command lines of a process's children, by their ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == pid:
            found[int(entry.name)] = _text(entry / "cmdline").replace("\0", " ")
    return found


def is_alive(pid: int) -> bool:
    """Whether there is such a process that is not merely waiting to be reaped."""
    return _state(Path("/proc") / str(pid)) not in ("", "Z", "X")


def _parent(entry: Path) -> int:
    fields = _fields(entry)
    return int(fields[1]) if fields else 0


def _state(entry: Path) -> str:
    fields = _fields(entry)
    return fields[0] if fields else ""


def _fields(entry: Path) -> list[str]:
    """State, parent and so on; the name before them may hold anything."""
    return _text(entry / "stat").rpartition(")")[2].split()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # it has ended
