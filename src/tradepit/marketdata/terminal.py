"""What the commands on recordings share at a terminal: consoles, errors as lines, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from tradepit.marketdata.sources.source import RecordingError

console: Final = Console(soft_wrap=True)
errors: Final = Console(stderr=True, soft_wrap=True)


@contextmanager
def plain_errors(*kinds: type[Exception]) -> Iterator[None]:
    """What a person can act on is a line, not a traceback."""
    expected: tuple[type[Exception], ...] = (RecordingError, OSError, *kinds)
    try:
        yield
    except expected as error:
        errors.print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from None


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes on a terminal that appears when the work takes long; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def progress_steps() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """A bar for each named step, in percent; nothing but on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:

        def begin(what: str) -> Callable[[int, int], None]:
            for task_id in bar.task_ids:
                bar.remove_task(task_id)
            task = bar.add_task(what, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield begin
