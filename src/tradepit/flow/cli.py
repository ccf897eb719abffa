"""`tradepit flow`: participants that send orders, or trades of elsewhere, to a node."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tradepit.client import AsyncClient, RetryPolicy
from tradepit.client.contracts import LINES_MAX
from tradepit.client.errors import ClientError
from tradepit.client.retries import NO_RETRIES
from tradepit.flow.api_market import ApiMarket
from tradepit.flow.comparison import comparison_table, format_price
from tradepit.flow.generated_orders import OrderFlow, flow_retries
from tradepit.flow.generated_trades import Achieved, Contract, TradeFlow, contract_of
from tradepit.flow.generated_trades import Rate as TradeRate
from tradepit.flow.local_market import LocalMarket
from tradepit.flow.market_port import Market, MarketUnavailable
from tradepit.flow.recorded import OutsiderOrder, Pace, RecordedFlow, RunResult
from tradepit.flow.run_report import counts_table, outsider_table, result_document
from tradepit.marketdata.recorded_events import RecordedEvent, read_events, read_symbols
from tradepit.marketdata.sources.source import RecordingError

app = typer.Typer(
    name="flow",
    help="Participants that send orders, or trades of elsewhere, to a running node.",
    no_args_is_help=True,
)

DEFAULT_URL: Final = "http://127.0.0.1:8080"
PROGRESS_EVENTS: Final = 100
"""Events between two moves of the progress bar."""

PATIENT: Final = RetryPolicy(attempts=30)
"""A recording goes on where it was when the node comes back within a minute."""

Url = Annotated[str, typer.Option(help="Address of the node.")]
Seconds = Annotated[float | None, typer.Option(help="End after so long; default: Ctrl-C.", min=0.1)]


@app.command()
def recorded(
    file: Annotated[
        Path, typer.Argument(help="DBN file of the MBO schema.", exists=True, dir_okay=False)
    ],
    url: Url = DEFAULT_URL,
    speed: Annotated[
        str, typer.Option(help="1 = recorded pace, 10 = ten times as fast, max = no pauses.")
    ] = "1",
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="Keep the pace before the first trade too."),
    ] = False,
    instrument: Annotated[
        str | None, typer.Option(help="Symbol to trade; default: the recording's own.")
    ] = None,
    instrument_id: Annotated[
        int | None, typer.Option(help="Which instrument of a recording that holds several.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Stop after so many events.", min=1)] = None,
    outsider: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUANTITY@EVENT",
            help="A market order of somebody else before an event; a negative quantity sells.",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Play into a book in memory instead of a node.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Send a recorded session into the market as orders, and compare what comes of it."""
    pace = Pace(_speed(speed), from_start=from_start)
    outsiders = [_outsider(text) for text in outsider or []]
    screen = Console(stderr=as_json)
    try:
        symbol = instrument or _symbol(file)
        count, tick = _survey(file, instrument_id, limit)
        with _progress(screen) as progress:
            task = progress.add_task(f"{symbol} from {file.name}", total=count)

            def advance(event: RecordedEvent) -> None:
                if event.number % PROGRESS_EVENTS == 0 or event.number + 1 == count:
                    progress.update(task, completed=event.number + 1)

            async def play() -> RunResult:
                events = _limited(file, instrument_id, limit)
                if offline:
                    return await _play(LocalMarket(), pace, outsiders, events, advance)
                async with AsyncClient(url, retries=NO_RETRIES) as client:
                    await client.health()
                async with AsyncClient(url, retries=PATIENT) as client:
                    market = ApiMarket(client, symbol)
                    await market.prepare(tick_size=tick)
                    return await _play(market, pace, outsiders, events, advance)

            result = asyncio.run(play())
    except (ClientError, MarketUnavailable, RecordingError) as error:
        screen.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(result_document(result))).decode())
        return
    screen.print(comparison_table(result.comparison, notes=result.notes))
    for report in result.outsiders:
        screen.print(outsider_table(report))
    screen.print(counts_table(result))


@app.command()
def orders(
    url: Url = DEFAULT_URL,
    rate: Annotated[float, typer.Option(help="Operations a second, in all.", min=0.1)] = 200.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same stream.")] = 1,
    instrument: Annotated[
        list[str] | None,
        typer.Option(help="Trade only this one; default: all that have a reference price."),
    ] = None,
    seconds: Seconds = None,
) -> None:
    """Keep instruments busy with generated orders, at a rate that is kept."""
    asyncio.run(_send_orders(url, rate, seed, instrument or [], seconds))


async def _send_orders(
    url: str, rate: float, seed: int, symbols: list[str], seconds: float | None
) -> None:
    screen = Console(stderr=True)
    async with AsyncClient(url, retries=flow_retries()) as client:
        flow = OrderFlow(client, rate=rate, seed=seed, symbols=symbols)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, flow.stop)
        if seconds is not None:
            loop.call_later(seconds, flow.stop)
        screen.print(f"sending {rate:g} operations a second to {url}; Ctrl-C ends it")
        await flow.run()
        screen.print(
            f"{flow.sent:,} operations sent, {flow.refused:,} refused; "
            f"{flow.rate_achieved:,.1f} of {rate:g} a second"
        )


@app.command()
def trades(
    url: Url = DEFAULT_URL,
    tickers: Annotated[
        str, typer.Option(help="Contracts, separated by commas.")
    ] = "A.COM,B.COM,C.COM",
    iterations_per_second: Annotated[
        float, typer.Option(help="Requests a second of each replica.", min=0.001)
    ] = 1.0,
    trades_per_iteration: Annotated[
        int, typer.Option(help="Trades in a request.", min=1, max=LINES_MAX)
    ] = 10,
    replicas: Annotated[int, typer.Option(help="Senders, each with prices of its own.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same prices.")] = 1,
    seconds: Seconds = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Bring trades of random-walk prices to the trade store, at a rate that is kept."""
    contracts = [contract_of(name.strip()) for name in tickers.split(",") if name.strip()]
    if not contracts:
        raise typer.BadParameter("at least one", param_hint="--tickers")
    rate = TradeRate(iterations_per_second, trades_per_iteration)
    achieved = asyncio.run(_send_trades(url, contracts, rate, replicas, seed, seconds))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(achieved)).decode())
    if achieved.failure is not None and not achieved.iterations:
        raise typer.Exit(1)


async def _send_trades(
    url: str,
    contracts: list[Contract],
    rate: TradeRate,
    replicas: int,
    seed: int,
    seconds: float | None,
) -> Achieved:
    screen = Console(stderr=True)
    async with AsyncClient(url, retries=flow_retries()) as client:
        flow = TradeFlow(client, contracts, rate, replicas=replicas, seed=seed)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, flow.stop)
        if seconds is not None:
            loop.call_later(seconds, flow.stop)
        wanted = rate.iterations_per_second * replicas
        screen.print(
            f"sending {wanted:g} requests of {rate.trades_per_iteration} trades a second to {url}; "
            "Ctrl-C ends it"
        )
        achieved = await flow.run()
    screen.print(
        f"{achieved.stored:,} trades stored in {achieved.seconds:.1f} s: "
        f"{achieved.trades_per_second:,.1f} trades/s, {achieved.iterations_per_second:,.1f} of "
        f"{wanted:g} requests/s; p50 {achieved.p50_ms:.1f} ms, p99 {achieved.p99_ms:.1f} ms"
    )
    for what in ("duplicates", "rejected", "failed", "skipped"):
        if count := getattr(achieved, what):
            screen.print(f"{what}: {count:,}")
    if achieved.failure is not None:
        screen.print(f"[red]last failure: {achieved.failure}[/]")
    return achieved


async def _play(
    market: Market,
    pace: Pace,
    outsiders: list[OutsiderOrder],
    events: Iterable[RecordedEvent],
    advance: Callable[[RecordedEvent], None],
) -> RunResult:
    flow = RecordedFlow(market, pace=pace, outsiders=outsiders, on_event=advance)
    return await flow.run(events)


def _progress(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
    )


def _speed(text: str) -> float | None:
    if text.lower() == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not speed > 0 or math.isinf(speed):
        raise typer.BadParameter("a number above 0, or max", param_hint="--speed")
    return speed


def _outsider(text: str) -> OutsiderOrder:
    quantity, _, event = text.partition("@")
    try:
        number, lots = int(event), int(quantity)
    except ValueError:
        number, lots = -1, 0
    if number < 0 or lots == 0:
        hint = "such as 500@20000 to buy, -500@20000 to sell"
        raise typer.BadParameter(f"{text!r} is not QUANTITY@EVENT, {hint}", param_hint="--outsider")
    return OutsiderOrder(number, "buy" if lots > 0 else "sell", abs(lots))


def _symbol(file: Path) -> str:
    symbols = read_symbols(file)
    if len(symbols) != 1:
        raise typer.BadParameter("name it: the recording has several", param_hint="--instrument")
    return symbols[0]


def _limited(file: Path, instrument_id: int | None, limit: int | None) -> Iterator[RecordedEvent]:
    return islice(read_events(file, instrument_id=instrument_id), limit)


def _survey(file: Path, instrument_id: int | None, limit: int | None) -> tuple[int, str]:
    """Number of events to play, and the step of their prices as decimal text."""
    count, step = 0, 0
    for event in _limited(file, instrument_id, limit):
        count += 1
        step = math.gcd(step, *(record.price or 0 for record in event.records))
    return count, format_price(step or 1_000_000_000)
