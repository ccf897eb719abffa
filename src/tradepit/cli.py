"""The command line: the composition root, which alone chooses adapters."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import uvloop
from rich.console import Console

from tradepit import store_cli
from tradepit.access import cli as keys_cli
from tradepit.access.sealing import MasterKeyError
from tradepit.config import Config, ConfigError, find_config, load_config
from tradepit.demonstration import (
    Participant,
    RecordedSession,
    market_with_firm,
    participants_of,
)
from tradepit.gateway.access import OpenAccessRefused
from tradepit.journal.port import JournalError
from tradepit.makers.live import cli as maker_cli
from tradepit.marketdata import cli as data_cli
from tradepit.node import cli as journal_cli
from tradepit.node.definitions import DefinitionRefused
from tradepit.node.outcome import NotAccepted
from tradepit.observe.logs import configure_logs
from tradepit.running import FIRST_ACCOUNT, AddressInUse, serve_market

DEMO_CONFIG: Final = "demo"
DEMO_DATA_DIR: Final = "data/demo"
DEMO_ORDERS_PER_SECOND: Final = 200.0
SWITCH_SECONDS: Final = 0.0002
"""How long another thread waits for the interpreter when the event loop is busy. A rotation of the
journal asks for it several times, and at the default of 5 ms each would delay a commit."""

EXIT_INTERRUPTED: Final = 130

app = typer.Typer(
    name="tradepit",
    help="A complete electronic market that a person can run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(journal_cli.app, name="journal")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(store_cli.app, name="store")
app.add_typer(data_cli.app, name="data")
app.command()(data_cli.record)
errors = Console(stderr=True, soft_wrap=True)

ConfigName = Annotated[
    str | None,
    typer.Option("--config", help="A TOML file, or a supplied one: demo, load, coin-exchange."),
]
DataDir = Annotated[
    str | None, typer.Option("--data-dir", help="Journal and snapshots; made on first use.")
]
Host = Annotated[str | None, typer.Option(help="Address to serve; loopback only without keys.")]
Port = Annotated[int | None, typer.Option(help="0 takes any free port.")]


@app.command()
def run(
    data_dir: DataDir = None, host: Host = None, port: Port = None, config: ConfigName = None
) -> None:
    """Run one node, without participants. Ctrl-C stops it; started again it has all its state."""
    loaded = _load(config, data_dir=data_dir, host=host, port=port)
    _run(loaded)


@app.command()
def demo(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    config: ConfigName = DEMO_CONFIG,
    rate: Annotated[
        float, typer.Option(help="Generated operations a second; 0: none.", min=0)
    ] = DEMO_ORDERS_PER_SECOND,
    makers: Annotated[
        int | None, typer.Option(help="Maker processes; default: the configuration's.", min=0)
    ] = None,
    external_rate: Annotated[
        float | None,
        typer.Option(help="Crossing orders a second from outside; 0: none.", min=0),
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            help="Also play this recorded session (DBN, MBO).", exists=True, dir_okay=False
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Of the recorded session; 1 = recorded pace, max = no pauses.")
    ] = "1",
) -> None:
    """Run a market that lives: the demo instruments, generated orders, an account to trade with."""
    is_elsewhere = data_dir is not None or "TRADEPIT_DATA_DIR" in os.environ
    loaded = _load(
        config, data_dir=data_dir if is_elsewhere else DEMO_DATA_DIR, host=host, port=port
    )
    if loaded.access.mode == "keys":
        raise _fail(ConfigError("the demonstration runs in open mode; use `tradepit run`"))
    session = None if recorded is None else RecordedSession(recorded, speed)
    given = {"makers": makers, "external_rate": external_rate}
    wanted = {name: value for name, value in given.items() if value is not None}
    loaded = msgspec.structs.replace(loaded, demo=msgspec.structs.replace(loaded.demo, **wanted))
    participants = participants_of(loaded.demo, rate=rate, recorded=session)
    _run(market_with_firm(loaded), account=FIRST_ACCOUNT, participants=participants)


def _load(config: str | None, **flags: object) -> Config:
    try:
        path = None if config is None else find_config(config)
        return load_config(path, os.environ, flags)
    except ConfigError as error:
        raise _fail(error) from None


def _run(
    config: Config, *, account: str | None = None, participants: Sequence[Participant] = ()
) -> None:
    configure_logs()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        failure = uvloop.run(serve_market(config, account=account, participants=participants))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (
        AddressInUse,
        DefinitionRefused,
        JournalError,
        MasterKeyError,
        NotAccepted,
        OpenAccessRefused,
        OSError,
    ) as error:
        raise _fail(error) from None
    if failure is not None:
        raise _fail(failure)


@app.command()
@wraps(maker_cli.maker)
def maker(*arguments: Any, **options: Any) -> None:
    configure_logs()
    maker_cli.maker(*arguments, **options)


def _fail(error: Exception) -> typer.Exit:
    errors.print(f"tradepit: {error}", style="red", highlight=False)
    return typer.Exit(1)


def _mount(name: str, *, command: str | None = None) -> None:
    """Add the commands of a room that this installation has, under its name or another one."""
    module = f"tradepit.{name}.cli"
    if find_spec(f"tradepit.{name}") is not None and find_spec(module) is not None:
        from importlib import import_module

        app.add_typer(import_module(module).app, name=command or name)


_mount("flow")
_mount("projections")
_mount("simulation", command="simulate")


def main() -> None:
    """The `tradepit` command."""
    app()


if __name__ == "__main__":
    main()
