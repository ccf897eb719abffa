"""From the command line to a maker that runs: the firm, the pages, the signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

import structlog
from msgspec import Struct

from tradepit.client import AsyncClient, NodeUnreachable
from tradepit.client.errors import ApiError, NotFound
from tradepit.client.firm_models import FirmFields
from tradepit.makers.live.node import MakerNode, MakerOptions
from tradepit.makers.live.pages import MakerPages
from tradepit.makers.registry import kind_of
from tradepit.observe.own_port import Pages, PageServer, bind, is_loopback

log = structlog.get_logger(__name__)

WAIT_SECONDS = 0.25
ALL_SYMBOLS = "*"
FIRM_EXISTS = "firm_exists"


class FirmMissing(Exception):
    """The market does not know the firm, and nobody said to make it."""


class NewFirm(Struct, frozen=True, kw_only=True):
    """The firm to make when there is none; None: what the market takes by default."""

    budget_bid: str | None = None
    budget_ask: str | None = None
    position_limit: str | None = None
    lease_ms: int | None = None
    symbols: tuple[str, ...] = ()
    """`*`: every instrument."""


class Serving(Struct, frozen=True, kw_only=True):
    """Where the pages of a maker are served."""

    host: str = "127.0.0.1"
    port: int = 0


async def run_maker(
    options: MakerOptions, serving: Serving, *, new_firm: NewFirm | None = None
) -> None:
    """Run a maker until SIGINT or SIGTERM.

    Args:
        new_firm: made when the market does not know the firm.
    Raises:
        FirmMissing, StaleMaker: it must not run. PortTaken.
        StrategyError: unknown strategy.
    """
    kind_of(options.settings.strategy.name)
    listener = bind(serving.host, serving.port)
    try:
        stopping = _stop_signal()
        node = MakerNode(options)
        pages = Pages(MakerPages(node).routes(), is_loopback=is_loopback(serving.host))
        async with PageServer(pages, listener):
            log.info(
                "maker begins",
                maker=options.speaker.name,
                firm=options.speaker.firm,
                epoch=options.speaker.epoch,
                pages=f"http://{serving.host}:{listener.getsockname()[1]}",
            )
            running = asyncio.ensure_future(_run(node, new_firm))
            waiting = asyncio.ensure_future(stopping.wait())
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not running.done():
                running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            if not running.cancelled():
                running.result()
    finally:
        listener.close()
    log.info("maker ends", maker=options.speaker.name)


async def _run(node: MakerNode, new_firm: NewFirm | None) -> None:
    await ensure_firm(node.client_of(None), node.options.speaker.firm, new_firm)
    await node.run()


async def ensure_firm(client: AsyncClient, firm: str, new_firm: NewFirm | None) -> None:
    """Wait for the node, and see that it knows the firm. Raises: FirmMissing, ApiError."""
    while True:
        try:
            await client.firm(firm)
            return
        except NodeUnreachable as error:
            log.info("waiting for the node", reason=error.reason)
            await asyncio.sleep(WAIT_SECONDS)
        except NotFound as error:
            if new_firm is None:
                raise FirmMissing(f"there is no firm {firm!r}; --create-firm makes it") from error
            break
    try:
        await client.create_firm(firm, **await _fields(client, new_firm))
    except ApiError as error:
        if error.code != FIRM_EXISTS:  # another maker was faster
            raise


async def _fields(client: AsyncClient, firm: NewFirm) -> FirmFields:
    fields: FirmFields = {"symbols": await _symbols(client, firm.symbols)}
    if firm.budget_bid is not None:
        fields["budget_bid"] = firm.budget_bid
    if firm.budget_ask is not None:
        fields["budget_ask"] = firm.budget_ask
    if firm.position_limit is not None:
        fields["position_limit"] = firm.position_limit
    if firm.lease_ms is not None:
        fields["lease_ms"] = firm.lease_ms
    return fields


async def _symbols(client: AsyncClient, symbols: Sequence[str]) -> list[str]:
    if ALL_SYMBOLS not in symbols:
        return list(symbols)
    return [each.symbol for each in await client.instruments()]


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    return stopping
