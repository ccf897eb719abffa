"""`tradepit flow`: participants that send orders, or trades of elsewhere, to a node."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich.console import Console

from tradepit.client import AsyncClient
from tradepit.client.contracts import LINES_MAX
from tradepit.client.errors import ClientError
from tradepit.flow.comparison import comparison_table
from tradepit.flow.external.command import external
from tradepit.flow.generated_orders import OrderFlow, flow_retries
from tradepit.flow.generated_trades import Achieved, Contract, TradeFlow, contract_of
from tradepit.flow.generated_trades import Rate as TradeRate
from tradepit.flow.market_port import MarketUnavailable
from tradepit.flow.recorded import OutsiderOrder
from tradepit.flow.recorded_run import RecordedRun, RunWish, speed_of
from tradepit.flow.run_report import counts_table, outsider_table, result_document
from tradepit.marketdata.sources.source import RecordingError

app = typer.Typer(
    name="flow",
    help="Participants that send orders, or trades of elsewhere, to a running node.",
    no_args_is_help=True,
)
app.command()(external)

DEFAULT_URL: Final = "http://127.0.0.1:8080"
Url = Annotated[str, typer.Option(help="Address of the node.")]
Seconds = Annotated[float | None, typer.Option(help="End after so long; default: Ctrl-C.", min=0.1)]


@app.command()
def recorded(
    file: Annotated[
        Path | None, typer.Argument(help="DBN file of the MBO schema.", exists=True, dir_okay=False)
    ] = None,
    url: Url = DEFAULT_URL,
    speed: Annotated[
        str | None,
        typer.Option(help="1 = recorded pace (default), 10 = ten times as fast, max = no pauses."),
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="Keep the pace before the first trade too."),
    ] = False,
    replay: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Follow this replay of the node instead of a new one."),
    ] = None,
    instrument: Annotated[
        str | None, typer.Option(help="Symbol to trade; default: the recording's own.")
    ] = None,
    instrument_id: Annotated[
        int | None, typer.Option(help="Which instrument of a recording that holds several.")
    ] = None,
    tick_size: Annotated[
        str | None, typer.Option(help="Of a new instrument; default: the step of the prices.")
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
        bool,
        typer.Option("--offline", help="Play into a book in memory, without a node or pauses."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Send a recorded session into the market as orders, and compare what comes of it.

    The session is a replay of the node: whoever pauses, paces or moves it does so to the orders.
    """
    wish = RunWish(
        file=file,
        url=url,
        replay_id=replay,
        speed=speed_of(speed, is_offline=offline, is_followed=replay is not None),
        from_start=from_start,
        symbol=instrument,
        instrument_id=instrument_id,
        tick_size=tick_size,
        limit=limit,
        outsiders=[_outsider(text) for text in outsider or []],
    )
    if file is None and (offline or replay is None):
        raise typer.BadParameter("a file, or a replay to follow", param_hint="FILE")
    screen = Console(stderr=as_json)
    try:
        run = RecordedRun(wish, screen)
        result = uvloop.run(run.offline() if offline else run.online())
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
