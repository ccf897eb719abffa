"""A report at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tradepit.simulation.comparing import differences
from tradepit.simulation.page import share
from tradepit.simulation.pump_trials import Summary
from tradepit.simulation.report import Report


def print_report(console: Console, report: Report) -> None:
    """Firms, the market, and whether all checks hold.

    Captured: spread captured. Mark-out: after a second. Position: the most, over all symbols.
    """
    console.print(_firms(report))
    refused = ", ".join(f"{count:,} {name}" for name, count in report.refusals.items())
    console.print(
        f"{report.commands:,} commands, {report.trades:,} trades, {report.quotes:,} quotes; "
        f"{len(report.auctions)} auctions, {len(report.halts)} halts, {len(report.faults)} faults, "
        f"{report.moves} symbols moved to another maker",
        highlight=False,
    )
    if refused:
        console.print(f"refused of the public: {refused}", highlight=False)
    if report.pump is not None:
        console.print(f"the bot in {report.pump.symbol}: profit {report.pump.profit:,.2f}")
    for check in report.checks:
        mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
        console.print(f"{mark} {check.what} ({check.found})", highlight=False)
    console.print(
        f"{report.seconds:.1f} s, {report.cpu_seconds:.1f} s of one core: "
        f"{report.commands / max(report.cpu_seconds, 1e-9):,.0f} commands/s",
        highlight=False,
    )
    console.print(f"state hash {report.state_hash}", highlight=False)


def _firms(report: Report) -> Table:
    table = Table(title=f"{report.scenario}, seed {report.seed}", title_justify="left")
    for name in ("firm", "strategy"):
        table.add_column(name, no_wrap=True)
    for name in ("profit", "captured", "mark-out", "fills", "position", "uptime"):
        table.add_column(name, justify="right", no_wrap=True)
    for firm in report.firms:
        table.add_row(
            firm.name,
            firm.strategy,
            f"{firm.profit:,.0f}",
            f"{firm.spread_captured:,.0f}",
            f"{-firm.adverse_selection:,.0f}",
            f"{firm.fills:,}",
            f"{firm.gross_position_max:,.0f}",
            share(firm.quote_uptime),
        )
    return table


def print_comparison(console: Console, first: Report, second: Report, names: Sequence[str]) -> None:
    """Figures of two runs side by side."""
    table = Table()
    for name in ("firm", "figure"):
        table.add_column(name)
    for name in names:
        table.add_column(name, justify="right")
    for row in differences(first, second):
        table.add_row(*row)
    console.print(table)


def print_trials(console: Console, summary: Summary) -> None:
    """The bot over seeds."""
    table = Table(title="The bot, and the makers", title_justify="left")
    names = list(summary.makers_mean)
    for name in ("seed", "bot", "lots", *names):
        table.add_column(name, justify="right")
    for trial in summary.trials:
        makers = [f"{trial.makers_profit[name]:,.2f}" for name in names]
        table.add_row(str(trial.seed), f"{trial.profit:,.2f}", f"{trial.lots:,.0f}", *makers)
    console.print(table)
    console.print(
        f"bot: mean {summary.mean:,.2f}, standard error {summary.standard_error:,.2f}; lost in "
        f"{summary.losing} of {len(summary.trials)}; the mean is {summary.errors_below_zero:.1f} "
        "standard errors below zero",
        highlight=False,
    )
    for name, mean in summary.makers_mean.items():
        console.print(f"{name}: mean {mean:,.2f}", highlight=False)
