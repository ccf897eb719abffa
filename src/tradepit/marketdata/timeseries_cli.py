"""`tradepit data load` and `tradepit data query`: recordings and markets as a time-series store."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from tradepit.marketdata.sources.source import RecordingError
from tradepit.marketdata.terminal import console, errors, plain_errors, progress_steps
from tradepit.marketdata.timeseries.catalog import StoreError
from tradepit.marketdata.timeseries.loading import LEVELS, Outcome, load_path
from tradepit.marketdata.timeseries.queries import (
    NAMED,
    Answer,
    Query,
    Question,
    Store,
    open_store,
    parse_length,
    parse_time,
)

LEVELS_MAX: Final = 50
TABLE_ROWS: Final = 100
"""Rows that a terminal shows unless more are asked for."""
WIDTH_MAX: Final = 10_000
"""Of a table in characters; a line longer than the terminal goes on in the next."""

StoreFolder = Annotated[
    Path, typer.Option("--store", help="Folder of the time-series store.", file_okay=False)
]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def load(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="As for verify; a market's data directory too."),
    ] = None,
    store: StoreFolder = Path("store"),
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="A market's journal; goes on where it stopped."),
    ] = None,
    levels: Annotated[
        int, typer.Option(min=1, max=LEVELS_MAX, help="Of each side, kept of every second.")
    ] = LEVELS,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let a changed file take the place of what it was.")
    ] = False,
) -> None:
    """Load recordings into a time-series store. Loading the same again changes nothing."""
    paths = [*(files or []), *([] if data_dir is None else [data_dir])]
    if not paths:
        raise typer.BadParameter("say what to load", param_hint="FILE..., --data-dir")
    failed = False
    for path in paths:
        try:
            with progress_steps() as steps:
                outcome = load_path(store, path, levels=levels, replace=replace, progress_of=steps)
        except (RecordingError, StoreError, OSError) as error:
            errors.print(str(error), style="red", highlight=False)
            failed = True
        else:
            _tell(path, outcome)
    if failed:
        raise typer.Exit(1)


def _tell(path: Path, outcome: Outcome) -> None:
    if outcome.records:
        console.print(f"{path}: {outcome.records:,} records", highlight=False)
    else:
        others = [name for name in outcome.load.names if name != str(path.resolve())]
        also = f" (as {others[0]})" if others else ""
        console.print(f"{path}: nothing new, it is there{also}", highlight=False)
    for name in outcome.overlaps:
        errors.print(
            f"{path}: {name} has the same book in the same time; queries count both",
            style="yellow",
            highlight=False,
        )


def query(
    name: Annotated[str | None, typer.Argument(help=" | ".join(NAMED))] = None,
    store: StoreFolder = Path("store"),
    sql: Annotated[
        str | None,
        typer.Option(help="One SELECT over the views messages, trades, bbo and depth."),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="All when left out.")] = None,
    dataset: Annotated[str | None, typer.Option(help="All when left out.")] = None,
    publisher: Annotated[int | None, typer.Option(help="All, apart, when left out.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="A day or RFC 3339 time; UTC unless it says so.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The first moment left out.")] = None,
    interval: Annotated[
        str, typer.Option("--interval", "--every", help="A length such as 1s, 5m, 1h, 1d.")
    ] = "1m",
    at: Annotated[str | None, typer.Option(help="The moment of a depth.")] = None,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most rows.")] = None,
) -> None:
    """Ask a time-series store: candles, spread, depth, trades, or SQL. It is only read."""
    if (name is None) == (sql is None):
        raise typer.BadParameter("give one of the two", param_hint="NAME, --sql")
    if name is not None and name not in NAMED:
        raise typer.BadParameter(f"one of {', '.join(NAMED)}", param_hint="NAME")
    if form is Format.PARQUET and out is None:
        raise typer.BadParameter("name the file with --out", param_hint="--format parquet")
    try:
        question = Question(
            symbol=symbol,
            dataset=dataset,
            publisher_id=publisher,
            interval_ns=parse_length(interval),
            at_ns=None if at is None else parse_time(at),
        )
        if begin is not None:
            question = question._replace(begin_ns=parse_time(begin))
        if end is not None:
            question = question._replace(end_ns=parse_time(end))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    wanted = Query((sql or "").rstrip().rstrip(";")) if name is None else NAMED[name](question)
    with plain_errors(StoreError), open_store(store, out=out) as opened:
        _answer(opened, wanted, form, out, limit)


def _answer(store: Store, query: Query, form: Format, out: Path | None, limit: int | None) -> None:
    if form is Format.PARQUET and out is not None:
        if limit is not None:
            query = query._replace(sql=f"FROM (\n{query.sql}\n) LIMIT {limit}")
        console.print(f"wrote {store.write(query, out):,} rows to {out}")
        return
    answer = store.ask(query)
    if form is Format.TABLE and out is None:
        _print_table(answer, limit or TABLE_ROWS)
        return
    target = sys.stdout if out is None else out.open("w", encoding="utf-8", newline="")
    try:
        _print_rows(answer, Format.CSV if form is Format.TABLE else form, limit, target)
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        if out is not None:
            target.close()


def _print_table(answer: Answer, limit: int) -> None:
    table = Table(*(Column(name, no_wrap=True) for name in answer.columns), box=None)
    rows = iter(answer)
    for row in islice(rows, limit):
        table.add_row(*(_text(value) for value in row))
    wide = Console(width=WIDTH_MAX).measure(table).maximum
    Console(width=max(wide, console.width)).print(table)
    if next(rows, None) is not None:
        errors.print(f"only the first {limit:,} rows; --limit shows more", style="yellow")


def _print_rows(answer: Answer, form: Format, limit: int | None, target: Any) -> None:
    rows: Iterable[tuple[Any, ...]] = islice(answer, limit)
    if form is Format.CSV:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_text(value) for value in row] for row in rows)
        return
    separator = "["
    for row in rows:
        target.write(
            separator + json.dumps(dict(zip(answer.columns, map(_plain, row), strict=True)))
        )
        separator = ",\n"
    target.write("]\n" if separator != "[" else "[]\n")


def _plain(value: Any) -> Any:
    """A value for JSON: decimals are texts, as everywhere in Tradepit."""
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _text(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return json.dumps(plain) if isinstance(plain, (dict, list)) else str(plain)


def _decimal_text(value: Decimal) -> str:
    """Exact and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
