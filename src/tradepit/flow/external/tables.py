"""Progress and result of the publisher, for a person."""

from __future__ import annotations

from rich.table import Table

from tradepit.flow.external.tally import Tally


def progress_line(tally: Tally, rate_achieved: float) -> str:
    """One line while it runs."""
    return (
        f"{tally.sent:,} sent ({rate_achieved:,.1f}/s), {tally.accepted:,} accepted, "
        f"{tally.unfilled:,} of them unfilled, {tally.refused.total():,} refused, "
        f"{tally.unanswered.total():,} unanswered; late p99 {tally.lateness_ms['p99']:.1f} ms"
    )


def result_table(tally: Tally) -> Table:
    """Everything at the end, refusals by reason."""
    table = Table("orders", "count", title="External orders")
    table.columns[1].justify = "right"
    rows = [
        ("sent", tally.sent),
        ("accepted", tally.accepted),
        ("  filled", tally.filled),
        ("  filled in part", tally.partly_filled),
        ("  met nothing", tally.unfilled),
        *((f"refused: {code}", count) for code, count in tally.refused.most_common()),
        *((f"unanswered: {code}", count) for code, count in tally.unanswered.most_common()),
        ("took several attempts", tally.repeated),
        ("due and not sent", tally.skipped),
    ]
    for name, count in rows:
        table.add_row(name, f"{count:,}")
    for name, times in (("late", tally.lateness_ms), ("answered", tally.answer_ms)):
        for quantile, value in times.items():
            table.add_row(f"{name} {quantile}", f"{value:,.1f} ms")
    return table
