"""What a command costs as the book grows from 10^3 to 10^7 resting orders."""

from __future__ import annotations

from bench import binary
from bench.report import Report


def run(_rounds: int) -> Report:
    lines = binary.lines("growth")
    rows = [
        {
            "resting orders": line["resting"],
            "ns/command": line["ns_per_command"],
            "beside 10^3": line["ns_per_command"] / lines[0]["ns_per_command"],
        }
        for line in lines
    ]
    notes = ["steady flow, 400,000 commands, 100,000 accounts; growth is cache misses, no cliff"]
    return Report("growth", "Growth of the book", rows, notes=notes)
