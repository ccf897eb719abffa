"""A run of the recorded flow for people (tables) and programs (a JSON document)."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.table import Table

from tradepit.flow.comparison import format_price
from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.recorded import OutsiderReport, RunResult


def counts_table(result: RunResult) -> Table:
    """What the flow did, and where it had to step in."""
    counts = result.counts
    table = Table(title="The flow", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("count", justify="right")
    rows: list[tuple[str, str]] = [
        ("events / operations / batches", _many(result.events, result.operations, result.batches)),
        ("seconds", f"{result.seconds:,.1f}"),
        ("operations a second", f"{result.operations / max(result.seconds, 1e-9):,.0f}"),
        ("events while the recorded book was crossed", f"{counts.held_events:,}"),
        (
            "orders refreshed / quantity (icebergs)",
            _many(counts.refreshed_orders, counts.refreshed_quantity),
        ),
        (
            "orders trimmed / quantity (an outsider was hit instead)",
            _many(counts.trimmed_orders, counts.trimmed_quantity),
        ),
        (
            "trades with an outsider's resting order / quantity",
            _many(counts.outsider_hits, counts.outsider_hit_quantity),
        ),
        (
            "trades in which an outsider hit a recorded order / quantity",
            _many(counts.hit_by_outsider, counts.hit_by_outsider_quantity),
        ),
        ("orders lost without a trade", f"{counts.lost_orders:,}"),
        ("operations with an unforeseen outcome", f"{result.unforeseen:,}"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def outsider_table(report: OutsiderReport) -> Table:
    """How the market moved under an outsider's order, and came back."""
    order = report.order
    verb = "buys" if order.side == "buy" else "sells"
    back = report.equal_again_after
    table = Table(
        title=(
            f"An outsider {verb} {order.quantity:,} before event {order.event_number:,}: "
            f"{report.filled:,} filled, worst at {format_price(report.worst_price)}"
        ),
        caption=(
            "best prices were never the recorded ones again"
            if back is None
            else f"best prices were the recorded ones again after {back:,} events"
        ),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("events after", "market bid", "market ask", "recorded bid", "recorded ask"):
        table.add_column(heading, justify="right")
    table.add_row("before", *_quote(report.before), "", "")
    table.add_row("right after", *_quote(report.right_after), "", "")
    for mark in report.marks:
        table.add_row(f"{mark.events_after:,}", *_quote(mark.market), *_quote(mark.recorded))
    return table


def result_document(result: RunResult) -> dict[str, Any]:
    """The result as plain values; prices in 1e-9 of the quote currency, shares from 0 to 1."""
    report = result.comparison
    document: dict[str, Any] = msgspec.to_builtins(result)
    document["comparison"] |= {
        "price_share": report.price_share,
        "size_share": report.size_share,
        "fills_share": report.fills_share,
        "volume_share": report.volume_share,
        "is_within_targets": report.is_within_targets,
    }
    return document


def _many(*numbers: int) -> str:
    return " / ".join(f"{number:,}" for number in numbers)


def _quote(quote: BestQuote) -> tuple[str, str]:
    return (
        f"{format_price(quote.bid_price)} × {quote.bid_quantity}",
        f"{format_price(quote.ask_price)} × {quote.ask_quantity}",
    )
