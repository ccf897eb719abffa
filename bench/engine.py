"""The engine on five flows, beside open order books on the same operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import binary
from bench.report import Cell, Report, Verdict, at_most

COMMAND_NS_MAX = 50.0
FILL_NS_MAX = 20.0
PEER_RATIO_MAX = 0.7
WORST_TO_BEST_MAX = 1.5
OURS = "tradepit"
HAS = {
    OURS: "100,000 cash accounts with holds, fees, unique keys, self-trade check, events read",
    "matchcore": "book and trades only: no accounts, fees, keys or self-trade check",
    "orderbook-rs": "book, self-trade check by user, fees on trades: no accounts, funds or keys",
}


def run(rounds: int) -> Report:
    found = binary.lines("engine", "--rounds", str(rounds))
    ours = [line for line in found if line["engine"] == OURS]
    rows = [_row(line, [peer for peer in found if peer["flow"] == line["flow"]]) for line in ours]
    per_command, per_fill = _split(ours)
    notes = [f"{name}: {what}" for name, what in HAS.items()]
    notes.append(
        f"least squares over the flows: {per_command:.1f} ns per command, {per_fill:.1f} per fill"
    )
    fewest = {name: min(line[name] for line in ours) for name in ("resting", "keys")}
    notes.append(
        f"at least {fewest['resting']:,} orders rest and {fewest['keys']:,} keys are remembered; "
        f"{sum(line['rejects'] for line in found)} rejects; all engines made the same fills"
    )
    return Report(
        "engine",
        "Engine, ns of processor time per command; five flows, 1,000,000 commands each",
        rows,
        _verdicts(found, ours),
        notes,
    )


def _row(ours: dict[str, Any], engines: list[dict[str, Any]]) -> dict[str, Cell]:
    for line in engines:
        if line["fills"] != line["fills_expected"]:
            raise AssertionError(f"{line['engine']} made other fills on {line['flow']}")
    commands, fills = ours["commands"], ours["fills"]
    row: dict[str, Cell] = {"flow": ours["flow"]}
    row |= {line["engine"]: line["ns_per_command"] for line in engines}
    row["from"] = ours["ns_per_command_min"]
    row["to"] = ours["ns_per_command_max"]
    row["per command+fill"] = ours["ns_per_command"] * commands / (commands + fills)
    row["fills"] = fills / commands
    row["events"] = ours["events"] / commands
    return row


def _split(lines: list[dict[str, Any]]) -> tuple[float, float]:
    """ns per command and per fill that explain the flows best."""
    fills = np.array([line["fills"] / line["commands"] for line in lines])
    ns = np.array([line["ns_per_command"] for line in lines])
    slope, start = np.polyfit(fills, ns, 1)
    return float(start), float(slope)


def _budget_use(line: dict[str, Any]) -> float:
    allowed = COMMAND_NS_MAX + FILL_NS_MAX * line["fills"] / line["commands"]
    return float(line["ns_per_command"] / allowed)


def _verdicts(found: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[Verdict]:
    peers: dict[str, float] = {}
    for line in found:
        if line["engine"] != OURS:
            ns = line["ns_per_command"]
            peers[line["flow"]] = min(ns, peers.get(line["flow"], ns))
    ratios = [line["ns_per_command"] / peers[line["flow"]] for line in ours]
    per_event = [
        line["ns_per_command"] * line["commands"] / (line["commands"] + line["fills"])
        for line in ours
    ]
    used = max(_budget_use(line) for line in ours)
    budget = f"{COMMAND_NS_MAX:g} ns per command + {FILL_NS_MAX:g} per fill, share used"
    return [
        at_most(budget, used, 1.0, ""),
        at_most("worst flow, time beside the fastest peer's", max(ratios), PEER_RATIO_MAX, ""),
        at_most(
            "worst flow beside the best, per command and fill",
            max(per_event) / min(per_event),
            WORST_TO_BEST_MAX,
            "",
        ),
    ]
