"""Two runs side by side: firms by name, the same ones in both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradepit.simulation.charts import COLORS, Line, line_chart
from tradepit.simulation.page import document, hours, share, table
from tradepit.simulation.report import REPORT_FILE, FirmRow, Report


class NoReport(Exception):
    """There is no report of a run in a folder."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder} holds no report of a simulation: {reason}")
        self.folder = folder


class Difference(NamedTuple):
    """A figure of both runs."""

    firm: str
    figure: str
    first: str
    second: str


def read_report(folder: Path) -> Report:
    """The report that a run left. Raises: NoReport."""
    try:
        return msgspec.json.decode((folder / REPORT_FILE).read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError) as error:
        raise NoReport(folder, str(error)) from error


def differences(first: Report, second: Report) -> list[Difference]:
    """Figures of the firms that both runs have, then of the market."""
    rows = []
    others = {firm.name: firm for firm in second.firms}
    for firm in first.firms:
        other = others.get(firm.name)
        if other is not None:
            pairs = zip(_figures(firm), _figures(other), strict=True)
            rows += [Difference(firm.name, name, a, b) for (name, a), (_, b) in pairs]
    pairs = zip(_market(first), _market(second), strict=True)
    rows += [Difference("market", name, a, b) for (name, a), (_, b) in pairs]
    return rows


def _figures(firm: FirmRow) -> list[tuple[str, str]]:
    return [
        ("strategy", firm.strategy),
        ("profit", f"{firm.profit:,.2f}"),
        ("lowest profit", f"{firm.profit_min:,.2f}"),
        ("spread captured", f"{firm.spread_captured:,.2f}"),
        ("mark-out 1 s", f"{-firm.adverse_selection:,.2f}"),
        ("fills", f"{firm.fills:,}"),
        ("most |position|", f"{firm.gross_position_max:,.0f}"),
        ("quote uptime", share(firm.quote_uptime)),
    ]


def _market(report: Report) -> list[tuple[str, str]]:
    return [
        ("scenario, seed", f"{report.scenario}, {report.seed}"),
        ("commands", f"{report.commands:,}"),
        ("trades", f"{report.trades:,}"),
        ("halts", f"{len(report.halts)}"),
        ("state", report.state_hash),
    ]


def comparison_page(first: Report, second: Report, names: Sequence[str]) -> str:
    """A page with the profits of both runs in one chart: the second one dashed."""
    parts = [f"<h1>{names[0]} and {names[1]}</h1>"]
    if len(first.samples.times_ns) > 1:
        parts.append("<h2>Profit</h2>" + _chart(first, second, names))
    rows = [list(each) for each in differences(first, second)]
    parts.append("<h2>Figures</h2>" + table(["firm", "figure", *names], rows, words=2))
    return document(f"{names[0]} and {names[1]}", parts)


def _chart(first: Report, second: Report, names: Sequence[str]) -> str:
    times, lines = hours(first), []
    known = {firm.name: firm for firm in second.samples.firms}
    for index, firm in enumerate(first.samples.firms):
        color = COLORS[index % len(COLORS)]
        lines.append(Line(f"{firm.name}, {names[0]}", firm.profit, color))
        if firm.name in known:
            values = _fitted(known[firm.name].profit, len(times))
            lines.append(Line(f"{firm.name}, {names[1]}", values, color, is_dashed=True))
    return line_chart(times, lines, unit="quote asset", label="profit of each firm in both runs")


def _fitted(values: Sequence[float], count: int) -> list[float | None]:
    """As many values as the other run has samples."""
    return [values[index] if index < len(values) else None for index in range(count)]
