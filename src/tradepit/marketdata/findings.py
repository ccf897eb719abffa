"""What the `data` commands tell, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from rich.table import Table

from tradepit.marketdata.books import CrossedPhase, Level
from tradepit.marketdata.records import PRICE_SCALE
from tradepit.marketdata.sources.source import SourceInfo
from tradepit.marketdata.survey import Survey
from tradepit.marketdata.verification.depth_rows import DepthReport
from tradepit.marketdata.verification.naive_twin import TwinReport
from tradepit.marketdata.verification.price_levels import LevelReport
from tradepit.marketdata.verification.queues import QueueReport
from tradepit.marketdata.verification.rebuilding import EndState, RebuildReport

NS_PER_SECOND: Final = 1_000_000_000
BOOKS_SHOWN_MAX: Final = 50
"""Books that a table names one by one; JSON has all."""


class Finding(NamedTuple):
    """One thing that was found out; `values` may hold lists of texts."""

    title: str
    values: dict[str, Any]
    is_right: bool = True

    def table(self) -> Table:
        """Render for a terminal."""
        table = Table(
            title=self.title, title_justify="left", title_style="bold", show_header=False, box=None
        )
        for name, value in self.values.items():
            table.add_row(name.replace("_", " "), _text(value))
        if not self.is_right:
            table.add_row("[red]WRONG[/]", "[red]this is not as it should be[/]")
        return table

    def document(self) -> dict[str, Any]:
        """Render for a program."""
        return {"title": self.title, "is_right": self.is_right, **self.values}


def survey_finding(name: str, found: Survey) -> Finding:
    """What a recording has."""
    info = found.info
    values: dict[str, Any] = {
        "format": " ".join(filter(None, (info.format, info.version))),
        "dataset": info.dataset,
        "schema": info.schema,
        "records": found.records,
        "events": found.events,
        "actions": found.actions,
        "first": when(found.first_ns),
        "last": when(found.last_ns),
        "header_from": when(info.start_ns),
        "header_to": when(info.end_ns),
        "books": [
            f"{_named(info, book.publisher_id, book.instrument_id)}: {book.records:,} records, "
            f"begins {book.begins}"
            + (f" of {book.snapshot_records:,} records" if book.snapshot_records else "")
            for book in found.books.values()
        ],
        "skipped": info.skipped,
        "notes": info.notes,
    }
    if found.problem is not None:
        values["problem"] = found.problem
    kept = {key: value for key, value in values.items() if value not in ("", [], {})}
    return Finding(name, kept, found.problem is None)


def rebuild_finding(info: SourceInfo, report: RebuildReport) -> Finding:
    """Where the books end."""
    values = {
        "records": report.records,
        "events": report.events,
        "mistakes": report.errors or "none",
        "books": [_end_text(info, end) for end in report.ends],
        "digest": report.digest,
    }
    return Finding("rebuilt", values)


def level_finding(report: LevelReport) -> Finding:
    """LOBSTER, by level."""
    values = {
        "rows": report.rows,
        "rows_compared": report.compared,
        "prices_compared": report.prices_compared,
        "levels_come_into_view": report.prices_adopted,
        "mismatches": report.mismatches,
        **_wrong(report.wrong_rows),
        "executions": report.executions,
        "executions_not_at_best": report.executions_not_at_best,
    }
    is_right = not report.mismatches and not report.executions_not_at_best
    return Finding("by level, every row", values, is_right)


def queue_finding(report: QueueReport) -> Finding:
    """LOBSTER, order by order."""
    share = report.first_in_queue / report.from_known if report.from_known else 0.0
    values = {
        "rows": report.rows,
        "mismatches": report.mismatches,
        **_wrong(report.wrong_rows),
        "mistakes": report.errors or "none",
        "executions_of_known_orders": report.from_known,
        "first_in_queue": f"{report.first_in_queue:,} ({share:.1%})",
        "executions_of_anonymous_lots": report.from_lots,
    }
    is_right = not report.mismatches and not report.errors
    return Finding("order by order, every row", values, is_right)


def depth_finding(name: str, report: DepthReport) -> Finding:
    """Depth rows."""
    values = {
        "rows": report.rows,
        "compared": report.compared,
        "without_an_event": report.without_event,
        "mismatches": report.mismatches,
        **_wrong(report.wrong_rows),
    }
    is_right = not report.mismatches and report.compared > 0
    return Finding(f"against {name}", values, is_right)


def twin_finding(report: TwinReport) -> Finding:
    """The naive books beside the native ones."""
    values = {
        "records": report.records,
        "sides_compared": report.comparisons,
        "mismatches": report.mismatches,
        "first_after_records": report.first_wrong,
        "same_mistakes": "yes" if report.equal_mistakes else "no",
    }
    if report.first_wrong is None:
        del values["first_after_records"]
    is_right = not report.mismatches and report.equal_mistakes
    return Finding("naive books, every order in its place", values, is_right)


def when(time_ns: int | None) -> str:
    """A time for people, with all its digits."""
    if time_ns is None:
        return ""
    moment = datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % NS_PER_SECOND:09}Z"


def _wrong(rows: list[int]) -> dict[str, Any]:
    return {"wrong_rows": rows} if rows else {}


def _named(info: SourceInfo, publisher_id: int, instrument_id: int) -> str:
    symbols = "/".join(info.symbols_of(instrument_id))
    return f"{symbols or 'instrument'} ({instrument_id}) at publisher {publisher_id}"


def _end_text(info: SourceInfo, end: EndState) -> str:
    text = (
        f"{_named(info, *end.key)}: {end.bids.orders + end.asks.orders:,} orders, "
        f"{end.bids.levels:,} bid and {end.asks.levels:,} ask levels, "
        f"best {_level_text(end.best.bid)} / {_level_text(end.best.ask)}"
    )
    for name, phase in (
        ("before its first trade", end.crossed.before_first_trade),
        ("from its first trade on", end.crossed.after_first_trade),
    ):
        if phase.events:
            text += f"; crossed {name}: {_phase_text(phase)}"
    return text


def _phase_text(phase: CrossedPhase) -> str:
    return f"{phase.events:,} events from {when(phase.first_ns)} to {when(phase.last_ns)}"


def _level_text(level: Level | None) -> str:
    if level is None:
        return "none"
    whole, part = divmod(abs(level.price), PRICE_SCALE)
    digits = f"{part:09}".rstrip("0").ljust(2, "0")
    sign = "-" if level.price < 0 else ""
    return f"{sign}{whole}.{digits} x {level.size} ({level.orders} orders)"


def _text(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    if isinstance(value, list):
        lines = [str(each) for each in value[:BOOKS_SHOWN_MAX]]
        more = len(value) - len(lines)
        return "\n".join([*lines, *([f"and {more:,} more"] if more else [])])
    return str(value)
