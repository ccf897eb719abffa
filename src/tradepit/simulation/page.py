"""A report as one page: HTML with its charts inside, for any browser, without a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from tradepit.simulation.charts import COLORS, Line, Span, heat_table, line_chart, small_chart
from tradepit.simulation.opening import NS_PER_DAY, NS_PER_HOUR
from tradepit.simulation.report import Report

PAGE_FILE: Final = "report.html"

STYLE: Final = """
:root { color-scheme: light dark; --ink: #222; --ground: #fff; --soft: #777; --line: #ddd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --ground: #16181c; --soft: #999; --line: #333; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 960px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 28px 0 6px; }
p.note { color: var(--soft); margin: 2px 0 8px; } code { font-size: 13px; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--soft); }
svg text.name { fill: var(--ink); font-weight: 600; }
svg path { fill: none; stroke-width: 1.6; } svg line.grid { stroke: var(--line); }
svg line.zero { stroke: var(--soft); } svg rect.span { fill: #e0a03055; }
.legend span { margin-right: 16px; } .legend i { display: inline-block; width: 22px;
  margin: 0 6px 4px 0; }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 7px; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
th.words, td.words { text-align: left; white-space: nowrap; }
table.heat th, table.heat td { font-size: 11px; padding: 3px 4px; text-align: center; }
table.heat th:first-child { text-align: left; white-space: nowrap; }
.wide { overflow-x: auto; } .good { color: #3ca951; } .bad { color: #d1382f; font-weight: 600; }
"""


def document(title: str, body: Iterable[str]) -> str:
    """A whole page."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """A table; the first columns are words, the others are numbers."""
    body = "".join(_row("td", row, words) for row in rows)
    return f'<div class="wide"><table>{_row("th", head, words)}{body}</table></div>'


def _row(tag: str, cells: Sequence[str], words: int) -> str:
    names = ['class="words"' if column < words else "" for column in range(len(cells))]
    found = zip(names, cells, strict=True)
    return f"<tr>{''.join(f'<{tag} {name}>{escape(cell)}</{tag}>' for name, cell in found)}</tr>"


def hours(report: Report) -> list[float]:
    """Times of the samples, in hours of the day."""
    return [at % NS_PER_DAY / NS_PER_HOUR for at in report.samples.times_ns]


def colors(report: Report) -> dict[str, str]:
    """A color for each firm."""
    return {firm.name: COLORS[i % len(COLORS)] for i, firm in enumerate(report.firms)}


def report_page(report: Report) -> str:
    """The page of one run."""
    parts = [_head(report), _checks(report)]
    if len(report.samples.times_ns) > 1:
        parts += [_profit(report), _firm_table(report), _positions(report), _prices(report)]
        parts.append(_activity(report))
    parts += [_uptime(report), _makers(report), _symbols(report), _incidents(report)]
    return document(f"{report.scenario}, seed {report.seed}", parts)


def _head(report: Report) -> str:
    rate = report.commands / max(report.cpu_seconds, 1e-9)
    return (
        f"<h1>{escape(report.scenario)}</h1><p class=note>Seed {report.seed}, "
        f"{report.session_hours:g} hours. {report.commands:,} commands, {report.events:,} events, "
        f"{report.trades:,} trades, {report.quotes:,} quotes in {report.seconds:,.1f} s "
        f"({report.cpu_seconds:,.1f} s of one core, {rate:,.0f} commands/s). "
        f"State <code>{report.state_hash}</code></p>"
    )


def _checks(report: Report) -> str:
    items = []
    for check in report.checks:
        mark = '<b class="good">✓</b>' if check.holds else '<b class="bad">✗</b>'
        items.append(
            f"<div>{mark} {escape(check.what)} <small>({escape(check.found)})</small></div>"
        )
    return "<h2>Checks</h2>" + "".join(items)


def _spans(report: Report) -> list[Span]:
    return [
        Span(
            halt.time_ns % NS_PER_DAY / NS_PER_HOUR,
            halt.until_ns % NS_PER_DAY / NS_PER_HOUR,
            f"{halt.symbol} halted ({halt.reason})",
        )
        for halt in report.halts
    ]


def _profit(report: Report) -> str:
    named = colors(report)
    lines = [Line(firm.name, firm.profit, named[firm.name]) for firm in report.samples.firms]
    chart = line_chart(
        hours(report), lines, unit="quote asset", label="profit of each firm over the day",
        spans=_spans(report),
    )  # fmt: skip
    note = "Realised and open, positions at the mid, before fees. Shaded: an instrument is halted."
    return f"<h2>Profit</h2><p class=note>{note}</p>{chart}"


def _firm_table(report: Report) -> str:
    head = ["firm", "strategy", "makers", "profit", "spread captured", "mark-out 1 s", "fills",
            "unheard fills", "most |position|", "uptime", "budget used"]  # fmt: skip
    rows = [
        [
            firm.name,
            firm.strategy,
            str(firm.makers),
            f"{firm.profit:,.2f}",
            f"{firm.spread_captured:,.2f}",
            f"{-firm.adverse_selection:,.2f}",
            f"{firm.fills:,}",
            f"{firm.unowned_fills:,}",
            f"{firm.gross_position_max:,.0f}",
            share(firm.quote_uptime),
            share(firm.budget_used_max),
        ]
        for firm in report.firms
    ]
    pump = report.pump
    note = ""
    if pump is not None:
        note = (
            f"<p>The bot in {escape(pump.symbol)}: profit {pump.profit:,.2f}, "
            f"{pump.fills:,} fills, bought {pump.bought:,.0f}, sold {pump.sold:,.0f}.</p>"
        )
    return table(head, rows, words=2) + note


def _positions(report: Report) -> str:
    named = colors(report)
    lines = [
        Line(firm.name, firm.gross_position, named[firm.name]) for firm in report.samples.firms
    ]
    chart = line_chart(
        hours(report), lines, unit="lots", label="sum of absolute positions of each firm"
    )
    return f"<h2>Inventory</h2><p class=note>Sum of |position| over all symbols.</p>{chart}"


def _prices(report: Report) -> str:
    times = hours(report)
    charts = []
    for each in report.samples.symbols:
        lines = [Line("mid", each.mid, COLORS[0])]
        if any(value is not None for value in each.fair):
            lines.insert(0, Line("fair value", each.fair, "#99999988"))
        charts.append(small_chart(times, lines, title=each.symbol))
    note = "Middle of the book in blue; the fair value behind the public's orders in grey."
    return f"<h2>Prices</h2><p class=note>{note}</p><div class=small>{''.join(charts)}</div>"


def _activity(report: Report) -> str:
    totals = [
        sum(counts) for counts in zip(*(s.trades for s in report.samples.symbols), strict=True)
    ]
    line = Line("trades", [float(total) for total in totals], COLORS[4])
    chart = line_chart(
        hours(report), [line], unit="trades between samples", label="trades over the day",
        spans=_spans(report),
    )  # fmt: skip
    return f"<h2>Activity</h2>{chart}"


def _uptime(report: Report) -> str:
    makers = sorted({row.maker for row in report.makers})
    symbols = [each.symbol for each in report.symbols]
    found = {(row.maker, row.symbol): row.quote_uptime for row in report.makers}
    shares = [[found.get((maker, symbol)) for symbol in symbols] for maker in makers]
    note = (
        "Percent of the time that a maker had a symbol in which both sides were quoted. A symbol "
        "has one maker of a firm at a time; more are filled where kills and pauses moved it."
    )
    body = heat_table(makers, symbols, shares)
    return f"<h2>Quote uptime</h2><p class=note>{note}</p><div class=wide>{body}</div>"


def _makers(report: Report) -> str:
    head = ["maker", "strategy", "profit", "spread captured", "mark-out 1 s", "fills", "volume",
            "uptime"]  # fmt: skip
    rows = []
    for maker in sorted({row.maker for row in report.makers}):
        own = [row for row in report.makers if row.maker == maker]
        observed = sum(row.observed_s for row in own)
        uptime = sum((row.quote_uptime or 0.0) * row.observed_s for row in own)
        rows.append(
            [
                maker,
                own[0].strategy,
                f"{sum(row.profit for row in own):,.2f}",
                f"{sum(row.spread_captured for row in own):,.2f}",
                f"{-sum(row.adverse_selection for row in own):,.2f}",
                f"{sum(row.fills for row in own):,}",
                f"{sum(row.volume for row in own):,.0f}",
                share(uptime / observed if observed else None),
            ]
        )
    return "<h2>Makers</h2>" + table(head, rows, words=2)


def _symbols(report: Report) -> str:
    head = ["symbol", "trades", "volume", "last", "auctions", "halts"]
    rows = [
        [
            each.symbol,
            f"{each.trades:,}",
            f"{each.volume:,.0f}",
            f"{each.last:,}",
            str(each.auctions),
            str(each.halts),
        ]
        for each in report.symbols
    ]
    return "<h2>Instruments</h2>" + table(head, rows)


def _incidents(report: Report) -> str:
    rows = [
        *((a.time_ns, f"auction ({a.phase})", a.symbol, f"{a.volume:,.0f} at {a.price:,}")
          for a in report.auctions),
        *((h.time_ns, f"halt ({h.reason})", h.symbol, f"until {clock_text(h.until_ns)}")
          for h in report.halts),
        *((f.time_ns, f.what, f.target, f"back at {clock_text(f.back_ns)}" if f.back_ns else "")
          for f in report.faults),
    ]  # fmt: skip
    cells = [[clock_text(at), what, target, text] for at, what, target, text in sorted(rows)]
    return "<h2>What happened</h2>" + table(["time", "what", "where", "how"], cells, words=4)


def clock_text(time_ns: int) -> str:
    """The time of day."""
    seconds = time_ns % NS_PER_DAY // 1_000_000_000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def share(value: float | None) -> str:
    """A share as percent."""
    return "" if value is None else f"{value * 100:.1f} %"
