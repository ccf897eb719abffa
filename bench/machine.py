"""Where and on what a run took place."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent


def facts() -> dict[str, str]:
    """Machine, versions, commit and date, as a reader of the numbers needs them."""
    return {
        "processor": f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) >> 20} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "rust": _output("rustc", "--version"),
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown 0"


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _commit() -> str:
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "crates", "src")
    return _output("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def pin() -> None:
    """Stay on one core, the last: the others are left to whatever else runs."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def resident_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes)."""
    return int(_field("/proc/self/status", "VmRSS").split()[0]) * 1024 / 1e6
