"""`tradepit maker`: one market-maker node."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from tradepit.client.errors import ClientError
from tradepit.client.signing import credentials_of
from tradepit.makers.live.heart import StaleMaker
from tradepit.makers.live.node import MakerOptions
from tradepit.makers.live.sender import Speaker
from tradepit.makers.live.settings import SettingsError, load_settings
from tradepit.makers.live.starting import FirmMissing, NewFirm, Serving, run_maker
from tradepit.makers.registry import StrategyError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
EXIT_STALE: Final = 3
"""A newer run of this name is alive."""

errors = Console(stderr=True, soft_wrap=True)

OF_A_NEW_FIRM: Final = "With --create-firm."


def maker(
    firm: Annotated[str, typer.Option(help="Whose quotes these are.")],
    name: Annotated[str, typer.Option(help="Of this maker among those of the firm.")],
    url: Annotated[str, typer.Option(help="Address of the node.")] = DEFAULT_URL,
    host: Annotated[str, typer.Option(help="Where its own pages are served.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Of its own pages; 0 takes any free one.", min=0, max=65535)
    ] = 0,
    strategy: Annotated[
        str | None,
        typer.Option(help="inventory-skew, avellaneda-stoikov, book-pegged, or module:KIND."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML: strategies, times, references.", exists=True, dir_okay=False),
    ] = None,
    epoch: Annotated[
        int | None,
        typer.Option(help="Grows from run to run; default: the clock, in microseconds.", min=1),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="For a node in key mode.", envvar="TRADEPIT_KEY")
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="Of the key; better in the environment.", envvar="TRADEPIT_SECRET"),
    ] = None,
    create_firm: Annotated[
        bool, typer.Option("--create-firm", help="Make the firm if the market has none.")
    ] = False,
    budget_bid: Annotated[str | None, typer.Option(help=OF_A_NEW_FIRM)] = None,
    budget_ask: Annotated[str | None, typer.Option(help=OF_A_NEW_FIRM)] = None,
    position_limit: Annotated[str | None, typer.Option(help=OF_A_NEW_FIRM)] = None,
    lease_ms: Annotated[int | None, typer.Option(help=OF_A_NEW_FIRM, min=100)] = None,
    symbols: Annotated[
        str, typer.Option(help=f"{OF_A_NEW_FIRM} Separated by commas; * = every instrument.")
    ] = "*",
    two_step: Annotated[
        bool, typer.Option("--two-step", help="Reserve first, then quote, in two commands.")
    ] = False,
    cancel_first: Annotated[
        bool, typer.Option("--cancel-first", help="End the old quote before the new one.")
    ] = False,
    fault_injection: Annotated[
        bool, typer.Option("--fault-injection", help="For tests: serve /test/faults.")
    ] = False,
) -> None:
    """Make markets in the symbols that the market assigns to this node. Ctrl-C signs off."""
    try:
        options = MakerOptions(
            speaker=Speaker(firm, name, epoch or time.time_ns() // 1_000),
            url=url,
            settings=load_settings(config, strategy=strategy),
            credentials=credentials_of(key, secret),
            two_step=two_step,
            cancel_first=cancel_first,
            fault_injection=fault_injection,
        )
        new_firm = NewFirm(
            budget_bid=budget_bid,
            budget_ask=budget_ask,
            position_limit=position_limit,
            lease_ms=lease_ms,
            symbols=tuple(part.strip() for part in symbols.split(",") if part.strip()),
        )
        serving = Serving(host=host, port=port)
        uvloop.run(run_maker(options, serving, new_firm=new_firm if create_firm else None))
    except StaleMaker as error:
        errors.print(f"tradepit: {error}", style="red", highlight=False)
        raise typer.Exit(EXIT_STALE) from None
    except (ClientError, FirmMissing, OSError, SettingsError, StrategyError, ValueError) as error:
        errors.print(f"tradepit: {error}", style="red", highlight=False)
        raise typer.Exit(1) from None
