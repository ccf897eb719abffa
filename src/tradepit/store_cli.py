"""`tradepit store`: a worker of the trade store alone, and the recount of what it holds."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from tradepit.config import Config, ConfigError, find_config, load_config
from tradepit.gateway.access import OpenAccessRefused
from tradepit.observe.logs import configure_logs
from tradepit.projections.database import Database, DatabaseRefused, default_url
from tradepit.projections.store.verification import Verdict, verify
from tradepit.storing import run_worker

app = typer.Typer(
    help="The trade store alone: trades of elsewhere and their summaries, without a market.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)

ConfigName = Annotated[str | None, typer.Option("--config", help="A TOML file.")]
DataDir = Annotated[
    str | None, typer.Option("--data-dir", help="Where history.sqlite lies, without a URL.")
]
Url = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="sqlite:///FILE or postgresql://…; default: TRADEPIT_DATABASE_URL, else "
        "history.sqlite in the data directory.",
    ),
]


@app.callback()
def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to serve; loopback only without keys.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="0 takes any free port.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: ConfigName = None,
    shards: Annotated[
        int | None, typer.Option(help="Summary records per contract; default: summaries.shards.")
    ] = None,
) -> None:
    """Serve the trade store's routes until Ctrl-C. Any number of workers may share a PostgreSQL."""
    if context.invoked_subcommand is not None:
        return
    configure_logs()
    loaded = _load(config, host=host, port=port, database_url=url, data_dir=data_dir)
    try:
        uvloop.run(
            run_worker(
                _url(loaded),
                shards=shards or loaded.summaries.shards,
                host=loaded.host,
                port=loaded.port,
                allowed_hosts=tuple(loaded.allowed_hosts),
            )
        )
    except KeyboardInterrupt:
        return
    except (DatabaseRefused, OpenAccessRefused, SQLAlchemyError, OSError) as error:
        raise _fail(error) from None


@app.command(name="verify")
def verify_command(
    url: Url = None,
    data_dir: DataDir = None,
    config: ConfigName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count the raw trades again and compare with every summary. Exit code 1 when one differs."""
    loaded = _load(config, database_url=url, data_dir=data_dir)

    async def run() -> Verdict:
        database = await Database.open(_url(loaded))
        try:
            return await verify(database)
        finally:
            await database.close()

    try:
        verdict = asyncio.run(run())
    except (DatabaseRefused, SQLAlchemyError, OSError) as error:
        raise _fail(error) from None
    if as_json:
        found = verdict._asdict() | {"differences": [one._asdict() for one in verdict.differences]}
        typer.echo(json.dumps(found, indent=2))
    else:
        for difference in verdict.differences:
            errors.print(str(difference), style="red", highlight=False)
        if not verdict.differences:
            console.print(
                f"the summaries are what {verdict.trades:,} trades come to: {verdict.contracts:,} "
                f"records of contracts, {verdict.prices:,} of prices"
            )
    if verdict.differences:
        raise typer.Exit(1)


def _load(config: str | None, **flags: object) -> Config:
    try:
        return load_config(None if config is None else find_config(config), os.environ, flags)
    except ConfigError as error:
        raise _fail(error) from None


def _url(config: Config) -> str:
    """Where the database is; the data directory is made when the file lies there."""
    if config.database_url is not None:
        return config.database_url
    Path(config.data_dir).mkdir(parents=True, exist_ok=True)
    return default_url(Path(config.data_dir))


def _fail(error: Exception) -> typer.Exit:
    errors.print(f"tradepit: {error}", style="red", highlight=False)
    return typer.Exit(1)
