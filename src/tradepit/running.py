"""A market that runs: node, gateway, participants. Part of the composition root."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from sqlalchemy.exc import SQLAlchemyError

from tradepit.access.access import Access
from tradepit.companions import Companion
from tradepit.config import Config
from tradepit.demonstration import Participant, show_participants
from tradepit.domain import commands
from tradepit.feeding import feed_companion
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.server import bind, start_server
from tradepit.journal.file import OnSynced
from tradepit.journal.segments import JournalOptions
from tradepit.keyed import open_key_mode, require_keys
from tradepit.node.node import Node, NodeState
from tradepit.node.opening import NodeOptions, OpenNode, open_node
from tradepit.node.queue import Limits
from tradepit.node.recovery import History
from tradepit.observe.metrics import LatencyHistogram, Sample, Source
from tradepit.projections.cli import URL_VARIABLE
from tradepit.projections.database import Database, create_engine, default_url
from tradepit.projections.reads import SqlHistory
from tradepit.storing import NodeStore

FIRST_ACCOUNT: Final = "you"
"""The account that the demonstration opens and funds."""

RECORDINGS: Final = "recordings"
REPLAY_INDEXES: Final = "replay-indexes"
LOGS: Final = "logs"
"""In the data directory."""

PROJECTOR: Final = "projections follow"

WATCH_SECONDS: Final = 0.5
"""How coarse the projection's metrics are."""

LOOK_SECONDS: Final = 2.0
"""A database that says nothing for so long counts as not available."""

LEAVE_SECONDS: Final = 3.0

US_PER_SECOND: Final = 1e6

console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


class AddressInUse(Exception):
    """Somebody else listens there."""


async def serve_market(
    config: Config, *, account: str | None = None, participants: Sequence[Participant] = ()
) -> Exception | None:
    """Run a node and its gateway until SIGINT or SIGTERM, or until the node fails.

    Args:
        account: open this account and show its first trade.
        participants: processes that trade here.
    Returns:
        Why the node failed; None when it was told to stop.
    """
    require_keys(config.access, config.host)
    _require_free(config.host, config.port)
    syncs = LatencyHistogram("tradepit_journal_sync_seconds", "Write and sync of one frame.")
    opened = await _open(config, lambda seconds: syncs.add(seconds * US_PER_SECOND))
    stopping = _stop_signal()
    companions: list[Companion] = []
    watch = ProjectionWatch(_database_url(config)) if config.projections.enabled else None
    access: Access | None = None
    try:
        access = open_key_mode(config.access, Path(config.data_dir))
        gateway = _gateway_config(config)
        node = cast(MarketNode, opened.node)  # the native queries answer untyped tuples
        server = await start_server(
            node,
            gateway,
            host=config.host,
            port=config.port,
            history=None if watch is None else watch.history,
            access=access,
        )
        server.gateway.registry.register(_source(opened, syncs, watch))
        store = NodeStore(
            _database_url(config), shards=config.summaries.shards, use=server.gateway.use_store
        )
        try:
            _announce(opened.node, server.url, config)
            if account is not None:
                await _open_account(opened.node, account)
                _show_first_trade(server.url, account)
            if config.feeds.process:
                attach = server.gateway.feeds.attach
                companions.append(feed_companion(Path(config.data_dir), gateway, attach))
            else:
                server.gateway.replays.restore()
            if config.projections.enabled:
                companions.append(_projector(config))
            logs = Path(config.data_dir) / LOGS
            show_participants(server.url, config.demo, participants, logs)
            for one in participants:
                if "recorded" in one.command:
                    _show_pause(server.url)
                command = [*one.command, "--url", server.url]
                log = logs / f"{one.name.replace(' ', '-')}.log"
                companions.append(Companion(one.name, command, is_needed=one.is_needed, log=log))
            await _first(stopping.wait(), opened.node.wait_ended())
        finally:
            server.gateway.feeds.close()
            await asyncio.gather(*(each.stop() for each in companions))
            await server.stop()
    finally:
        if access is not None:
            access.close()
        await opened.close()
    is_left = await _leave_database([store, watch])
    if opened.node.failure is None:
        console.print(f"stopped; {opened.node.replica.sequence:,} commands are durable")
    if not is_left:
        errors.print(
            f"left without the database, which does not answer {opened.node.failure or ''}"
        )
        sys.stdout.flush()
        os._exit(0 if opened.node.failure is None else 1)
    return opened.node.failure


async def _leave_database(parts: Iterable[NodeStore | ProjectionWatch | None]) -> bool:
    """Close what speaks to the database; everything else is closed already.

    Returns:
        False: something waits for an answer and cannot even be cancelled, since to cancel a
        statement the driver asks the server, which hangs.
    """
    closing = [asyncio.ensure_future(part.close()) for part in parts if part is not None]
    if closing:
        await asyncio.wait(closing, timeout=LEAVE_SECONDS)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    return not left or not (await asyncio.wait(left, timeout=LEAVE_SECONDS))[1]


def _gateway_config(config: Config) -> GatewayConfig:
    data_dir = Path(config.data_dir).resolve()
    return GatewayConfig(
        allowed_hosts=tuple(config.allowed_hosts),
        data_dir=str(data_dir),
        recordings=(str(data_dir / RECORDINGS), *config.replays.recordings),
        replay_dir=str(config.replays.index_dir or data_dir / REPLAY_INDEXES),
        replay_bytes_max=config.replays.index_bytes_max,
    )


def _projector(config: Config) -> Companion:
    command = [sys.executable, "-m", "tradepit.projections.cli", "follow"]
    # A URL may hold a password, which a command line would show to everybody.
    environment = {URL_VARIABLE: _database_url(config)}
    arguments = ["--data-dir", config.data_dir]
    return Companion(PROJECTOR, [*command, *arguments], environment=environment, is_needed=True)


def _database_url(config: Config) -> str:
    return config.database_url or default_url(Path(config.data_dir))


def _require_free(host: str, port: int) -> None:
    """Fail before anything is recovered, not after."""
    try:
        bind(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"port {port} of {host} is taken; stop what uses it, or choose another with --port"
            ) from None
        raise


class ProjectionWatch:
    """The SQL read models as the node sees them: a reader, and how far they are."""

    def __init__(self, url: str) -> None:
        # Made and migrated by the projector; a database that is down must not keep a market down.
        self._database = Database(create_engine(url))
        self.history = SqlHistory(self._database)
        self.sequence = 0
        self.is_available = False
        self._task = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while True:
            look = asyncio.ensure_future(self.history.sequence())
            if not (await asyncio.wait({look}, timeout=LOOK_SECONDS))[0]:
                self.is_available = False
            try:
                self.sequence = await look
                self.is_available = True
            except (SQLAlchemyError, OSError):
                self.is_available = False
            await asyncio.sleep(WATCH_SECONDS)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._database.close()

    def samples(self, durable_sequence: int) -> Iterable[Sample]:
        """The numbers for /metrics."""
        lag = max(0, durable_sequence - self.sequence)
        yield Sample("tradepit_projection_sequence", "Last sequence in SQL.", self.sequence)
        yield Sample("tradepit_projection_lag", "Durable commands that are not in SQL.", lag)
        yield Sample("tradepit_projection_available", "1 when SQL answers.", self.is_available)


def _source(opened: OpenNode, syncs: LatencyHistogram, watch: ProjectionWatch | None) -> Source:
    """The numbers of node and journal, beside the gateway's."""

    def samples() -> Iterable[Sample]:
        node, snapshots = opened.node, opened.snapshotter
        is_read_only = node.state is NodeState.READ_ONLY
        yield Sample("tradepit_durable_sequence", "Last durable sequence.", node.durable_sequence)
        yield Sample("tradepit_generation", "Generation of the journal.", node.generation)
        yield Sample("tradepit_journal_full", "1 when only cancels are taken.", node.is_full)
        yield Sample("tradepit_read_only", "1 after a panic of the engine.", is_read_only)
        yield Sample("tradepit_frames", "Frames of this run.", node.frames_applied, True)
        yield Sample("tradepit_snapshots", "Snapshots of this run.", snapshots.taken, True)
        yield Sample("tradepit_snapshots_failed", "Failed ones.", snapshots.failed, True)
        if watch is not None:
            yield from watch.samples(node.durable_sequence)

    return Source(samples, [syncs])


async def _open(config: Config, on_synced: OnSynced) -> OpenNode:
    columns = (TextColumn("recovering"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=errors, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("recovering", total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        options = NodeOptions(
            market=config.market,
            journal=JournalOptions(config.journal.segment_bytes, config.journal.reserve_bytes),
            limits=Limits(
                config.limits.node_max,
                config.limits.urgent_extra,
                config.limits.account_max,
                config.limits.frame_max,
            ),
            history=History(config.history.orders, config.history.trades),
            snapshot_every_commands=config.journal.snapshot_every_commands,
            progress=progress,
            on_synced=on_synced,
        )
        return await open_node(Path(config.data_dir), options)


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    return stopping


async def _first(*awaitables: Coroutine[object, object, object]) -> None:
    """Return when one of them does."""
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _announce(node: Node, url: str, config: Config) -> None:
    instruments = len(node.replica.instruments())
    console.print(f"[bold]Tradepit[/] serves [bold]{url}[/]  (Ctrl-C stops)", highlight=False)
    console.print(
        f"{instruments} instruments, {node.replica.sequence:,} commands in {config.data_dir}; "
        f"API at {url}/docs",
        highlight=False,
    )
    if node.state is NodeState.READ_ONLY:
        console.print(
            f"[red]read-only: the command at sequence {node.panicked_sequence} panics the engine; "
            f"see `tradepit journal quarantine --help`"
        )


async def _open_account(node: Node, account: str) -> None:
    if node.state is NodeState.RUNNING:
        record = commands.open_account(if_absent=True)
        await node.execute(record, commands.account_text(account), 1, account=account)


def _show_first_trade(url: str, account: str) -> None:
    order = (
        f'{{"client_id": "{account}", "instrument": "BTC-USD", "side": "buy", '
        f'"type": "market", "quantity": "0.01"}}'
    )
    place = (
        f'Place(client_id="{account}", instrument="BTC-USD", side="buy", type="market", '
        'quantity="0.01")'
    )
    text = f"""
The account "{account}" has money and coins. A first trade, in a shell or in Python:

  curl -s {url}/api/v1/orders -H 'Content-Type: application/json' \\
    -d '{order}'

  from tradepit.client import Client, Place
  print(Client("{url}").place({place}))
"""
    console.print(text, highlight=False, markup=False)


def _show_pause(url: str) -> None:
    text = f"""The recorded session is a replay; its id is in the list. To pause it:

  curl -s {url}/api/v1/replays
  curl -s -X PATCH {url}/api/v1/replays/ID -H 'Content-Type: application/json' \\
    -d '{{"state": "paused"}}'
"""
    console.print(text, highlight=False, markup=False)
