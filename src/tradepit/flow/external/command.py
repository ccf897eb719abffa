"""`tradepit flow external`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich.console import Console

from tradepit.client import AsyncClient
from tradepit.client.errors import Forbidden
from tradepit.client.retries import NO_RETRIES
from tradepit.client.signing import Credentials, credentials_of
from tradepit.flow.external.pages import PublisherPages
from tradepit.flow.external.publisher import Publisher
from tradepit.flow.external.tables import progress_line, result_table
from tradepit.observe.own_port import Pages, PageServer, PortTaken, bind

DEFAULT_URL: Final = "http://127.0.0.1:8080"
HOST: Final = "127.0.0.1"
"""Control is for this machine."""

ATTEMPT_SECONDS: Final = 4.0
"""For one attempt: a node that hangs is asked again before an order's time is over."""


def external(
    url: Annotated[str, typer.Option(help="Address of the node.")] = DEFAULT_URL,
    rate: Annotated[
        float, typer.Option(help="Orders a second, in all; 0: only on request.", min=0)
    ] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same orders.")] = 1,
    port: Annotated[
        int | None, typer.Option(help="Serve control and metrics there; 0 takes any free port.")
    ] = None,
    symbols: Annotated[
        str, typer.Option(help="Trade only these, separated by commas; default: all.")
    ] = "",
    seconds: Annotated[
        float | None, typer.Option(help="End after so long; default: Ctrl-C.", min=0.1)
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Of an administrator, for a node in key mode.", envvar="TRADEPIT_KEY"),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="Of the key; better in the environment.", envvar="TRADEPIT_SECRET"),
    ] = None,
    progress: Annotated[
        float, typer.Option(help="Seconds between lines of progress; 0: none.", min=0)
    ] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Send crossing orders from outside, open loop, at a rate that is kept."""
    wanted = [name.strip() for name in symbols.split(",") if name.strip()]
    screen = Console(stderr=True, soft_wrap=True)
    try:
        credentials = credentials_of(key, secret)
        run = _Run(url, credentials, screen, progress_seconds=progress)
        publisher = uvloop.run(run.publish(rate, seed, wanted, port, seconds))
    except (Forbidden, PortTaken, ValueError) as error:
        screen.print(f"[red]{error}[/]", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(publisher.tally.document())).decode())
    else:
        Console().print(result_table(publisher.tally))
    if publisher.tally.last_failure is not None:
        screen.print(f"last failure: {publisher.tally.last_failure}", highlight=False)


class _Run:
    """One run of the command."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        screen: Console,
        *,
        progress_seconds: float,
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._screen = screen
        self._progress_seconds = progress_seconds

    async def publish(
        self,
        rate: float,
        seed: int,
        symbols: list[str],
        port: int | None,
        seconds: float | None,
    ) -> Publisher:
        own = self._credentials
        async with AsyncClient(
            self._url,
            key=None if own is None else own.key,
            secret=None if own is None else own.secret,
            retries=NO_RETRIES,
            timeout_s=ATTEMPT_SECONDS,
        ) as client:
            publisher = Publisher(client, rate=rate, seed=seed, symbols=symbols)
            async with self._control(publisher, port):
                self._stop_on_signals(publisher, seconds)
                progress = asyncio.create_task(self._show(publisher))
                try:
                    await publisher.run()
                finally:
                    progress.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await progress
            return publisher

    @contextlib.asynccontextmanager
    async def _control(self, publisher: Publisher, port: int | None) -> AsyncIterator[None]:
        """Serve the publisher's pages, if it was given a port. Raises: PortTaken."""
        if port is None:
            yield
            return
        pages = Pages(PublisherPages(publisher).routes(), is_loopback=True)
        with bind(HOST, port) as listener:
            async with PageServer(pages, listener):
                where = f"http://{HOST}:{listener.getsockname()[1]}"
                self._screen.print(f"control at {where}", highlight=False)
                yield

    def _stop_on_signals(self, publisher: Publisher, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, publisher.stop)
        if seconds is not None:
            loop.call_later(seconds, publisher.stop)

    async def _show(self, publisher: Publisher) -> None:
        if not self._progress_seconds:
            return
        await publisher.is_ready.wait()
        begin = time.monotonic()
        while True:
            await asyncio.sleep(self._progress_seconds)
            rate = publisher.tally.sent / (time.monotonic() - begin)
            self._screen.print(progress_line(publisher.tally, rate), highlight=False)
