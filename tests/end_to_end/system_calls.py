"""System calls of a real run, as strace wrote them down, turned into calls on a disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.simulation.disks import Call

TRACED: Final = "openat,pwrite64,fdatasync,fsync,fallocate,ftruncate,rename,unlink,mkdir,write"
STRACE: Final = ["strace", "-f", "-y", "-xx", "-s", "2000000", "-e", f"trace={TRACED}"]

_AT_ENTRY: Final = ("write", "pwrite64")
_LINE: Final = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE: Final = re.compile(r"^\w+<((?:\\x[0-9a-f]{2})*)>")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def read_calls(log: Path, root: Path) -> list[Call]:
    """Return the calls below a directory, and as notes what was written to standard output.

    A write counts when it was entered, everything else when it returned. A call that strace only
    pretended to make (`INJECTED`) was not made.
    """
    calls = []
    for name, arguments, result in _whole_lines(log):
        if "INJECTED" in result or result.startswith(("-1", "?")):
            continue
        call = _call(name, arguments)
        if call is not None and (call.kind == "note" or _is_kept(call, root)):
            calls.append(call)
    return calls


def _is_kept(call: Call, root: Path) -> bool:
    """Below the directory, but for the lock, which means nothing to the next run."""
    return call.path.startswith(f"{root}/") and call.path != f"{root}/lock"


def _whole_lines(log: Path) -> Iterator[tuple[str, str, str]]:
    """Name, arguments and result of each call, in the order in which they count."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        thread, resumed, tail, name, rest = match.groups()
        if resumed:
            if resumed not in _AT_ENTRY:
                yield resumed, begun.pop(thread), tail.rpartition("= ")[2]
        elif rest.endswith("<unfinished ...>"):
            begun[thread] = rest
            if name in _AT_ENTRY:
                yield name, rest, "0"
        else:
            arguments, _, result = rest.rpartition(" = ")
            yield name, arguments, result


def _call(name: str, arguments: str) -> Call | None:
    texts = [_bytes(text) for text in _TEXT.findall(arguments)]
    opened = _FILE.match(arguments)
    path = _bytes(opened[1]).decode() if opened else (texts[0].decode() if texts else "")
    numbers = [int(number) for number in re.findall(r"(?<=, )\d+(?=[,) ]|$)", arguments)]
    match name:
        case "openat" if "O_CREAT" in arguments and "O_EXCL" in arguments:
            return Call("create", texts[0].decode())
        case "pwrite64":
            return Call("write", path, data=texts[0], offset=numbers[-1])
        case "fallocate":
            return Call("allocate", path, offset=numbers[-1])
        case "fdatasync" | "fsync":
            return Call("sync_directory" if Path(path).is_dir() else "sync", path)
        case "rename":
            return Call("rename", path, target=texts[1].decode())
        case "unlink":
            return Call("remove", path)
        case "mkdir":
            return Call("make_directory", path)
        case "write" if texts[0].startswith((b"served ", b"snapshot ")):
            return Call("note", texts[0].decode().strip())
    return None
