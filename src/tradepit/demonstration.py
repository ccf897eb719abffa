"""What the demonstration runs beside its node: makers, an external publisher, generated and
recorded orders. Part of the composition root."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from rich.console import Console

from tradepit.config import SUPPLIED, Config, DemoSection
from tradepit.observe.own_port import PortTaken, bind

HOST: Final = "127.0.0.1"
"""Pages of makers and publisher are for this machine."""

OTHER_PORTS: Final = range(20_000, 32_000)
"""Below those that systems give to outgoing connections: a port that is free stays so while its
process is started again."""

PORTS_TRIED: Final = 100

MAKER_SETTINGS: Final = SUPPLIED / "makers"
"""A file for each strategy that takes more than its defaults."""

console = Console(soft_wrap=True)


class Participant(NamedTuple):
    """A process that takes part in the market; `--url` is added to its command."""

    name: str
    command: Sequence[str]
    is_needed: bool = False
    """Start it again when it ends."""
    page: str | None = None
    """Where it tells of itself."""


class RecordedSession(NamedTuple):
    """A recorded session to play."""

    file: Path
    speed: str


def market_with_firm(config: Config) -> Config:
    """The same with the demonstration's firm in its market, if makers quote for it."""
    market, demo = config.market, config.demo
    if market is None or not demo.makers:
        return config
    symbols = demo.firm.symbols or [one.symbol for one in market.instruments]
    firm = msgspec.structs.replace(demo.firm, symbols=symbols)
    market = msgspec.structs.replace(market, firms=[*market.firms, firm])
    return msgspec.structs.replace(config, market=market)


def participants_of(
    demo: DemoSection, *, rate: float, recorded: RecordedSession | None
) -> list[Participant]:
    """Everybody that a demonstration starts.

    Args:
        rate: generated operations a second; 0: none.
    """
    ports = _Ports()
    found = [_maker(demo, number, ports) for number in range(demo.makers)]
    if demo.external_rate:
        found.append(_publisher(demo, ports))
    if rate:
        found.append(Participant("flow orders", _command("flow", "orders", "--rate", str(rate))))
    if recorded is not None:
        command = _command("flow", "recorded", str(recorded.file), "--speed", recorded.speed)
        found.append(Participant("flow recorded", command))
    return found


def show_participants(
    url: str, demo: DemoSection, participants: Sequence[Participant], logs: Path
) -> None:
    """Say where to look."""
    makers = [one for one in participants if one.page and one.name.startswith("maker")]
    others = [one for one in participants if one.page and one not in makers]
    if makers:
        text = f"""The firm "{demo.firm.id}" quotes through {len(makers)} makers. Who makes what, positions, one maker:

  curl -s {url}/api/v1/cluster
  curl -s '{url}/api/v1/positions?client_id={demo.firm.id}'
  curl -s {makers[0].page}/status

All of them, each with /status, /metrics and /health: {" ".join(one.page or "" for one in makers)}
What they log: {logs}
"""  # noqa: E501
        console.print(text, highlight=False, markup=False)
    for one in others:
        console.print(f"`{one.name}`: curl -s {one.page}/status\n", highlight=False, markup=False)


def _maker(demo: DemoSection, number: int, ports: _Ports) -> Participant:
    strategy = demo.strategies[number % len(demo.strategies)]
    wanted = demo.maker_port and demo.maker_port + number
    port = ports.take(wanted)
    command = _command("makers.live", "--firm", demo.firm.id, "--name", f"{demo.firm.id}-{number}")
    command += ["--port", str(port), "--strategy", strategy]
    settings = MAKER_SETTINGS / f"{strategy}.toml"
    if settings.is_file():
        command += ["--config", str(settings)]
    name = f"maker {demo.firm.id}-{number}"
    return Participant(name, command, is_needed=True, page=f"http://{HOST}:{port}")


def _publisher(demo: DemoSection, ports: _Ports) -> Participant:
    port = ports.take(demo.external_port)
    options = ["--rate", str(demo.external_rate), "--port", str(port), "--progress", "0"]
    command = _command("flow", "external", *options)
    return Participant("flow external", command, is_needed=True, page=f"http://{HOST}:{port}")


class _Ports:
    """Ports of participants, each given once; the same over restarts of its process."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def take(self, wanted: int) -> int:
        """The wanted port, or another one when it is taken or none is wanted (0)."""
        for port in (wanted, *random.sample(OTHER_PORTS, PORTS_TRIED)):
            if port and port not in self._given and _is_free(port):
                self._given.add(port)
                return port
        raise OSError(f"no free port on {HOST}")


def _is_free(port: int) -> bool:
    try:
        bind(HOST, port).close()
    except PortTaken:
        return False
    return True


def _command(room: str, *arguments: str) -> list[str]:
    """A room by itself: it loads a third of what the whole command line does."""
    return [sys.executable, "-m", f"tradepit.{room}", *arguments]
