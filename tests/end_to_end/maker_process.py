"""A market of fourteen shares, and makers in processes of their own, to be killed and paused."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.end_to_end.node_process import NodeProcess, free_port

SYMBOLS: Final = tuple(f"S{number:02d}" for number in range(14))
FIRM: Final = "F"
LEASE_MS: Final = 2_000
BUDGET: Final = 100

_HEAD: Final = """
[projections]
enabled = false

[[market.assets]]
code = "USD"
starting_balance = "1000000000"
"""
_SHARE: Final = """
[[market.assets]]
code = "{symbol}"
starting_balance = "1000000"

[[market.instruments]]
symbol = "{symbol}"
base = "{symbol}"
quote = "USD"
tick_size = "0.01"
lot_size = "1"
reference_price = "100"
"""


def market_file(folder: Path) -> Path:
    """The configuration of the market."""
    path = folder / "market.toml"
    path.write_text(_HEAD + "".join(_SHARE.format(symbol=symbol) for symbol in SYMBOLS))
    return path


def ask(node: NodeProcess, path: str, *, method: str = "GET", body: Any = None) -> Any:
    """Body of an answer of the API; raises OSError when there is none."""
    return _json(f"{node.url}/api/v1{path}", method, body)


def _json(url: str, method: str, body: Any) -> Any:
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


class MakerProcess:
    """`tradepit maker`, by its short way; started again it is a new run of the same name."""

    def __init__(
        self,
        node: NodeProcess,
        name: str,
        *more: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.node, self.name, self.more = node, name, more
        self.environment = os.environ | dict(environment or {})
        self.port = free_port()
        self.log = node.data_dir.parent / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start without waiting."""
        command = [sys.executable, "-m", "tradepit.makers.live", "--firm", FIRM]
        command += ["--name", self.name, "--url", self.node.url, "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.more],
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, paused or not."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def page(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """A page of its own, as JSON; None when nobody answers or it is refused."""
        try:
            return _json(f"http://127.0.0.1:{self.port}{path}", method, body)
        except (OSError, urllib.error.HTTPError):
            return None

    def text(self, path: str) -> str:
        """A page of its own as it is."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            found: str = answer.read().decode()
            return found


def owners(node: NodeProcess) -> dict[str, str]:
    """Who makes each symbol, by the market's word."""
    (firm,) = ask(node, "/cluster")["firms"]
    return {symbol: maker["name"] for maker in firm["makers"] for symbol in maker["symbols"]}


def numbers(node: NodeProcess) -> dict[str, int]:
    """Numbers of the live makers, by name."""
    (firm,) = ask(node, "/cluster")["firms"]
    return {maker["name"]: maker["number"] for maker in firm["makers"]}


def quoted_by(node: NodeProcess) -> dict[str, int]:
    """The number of the maker whose quote stands, for each symbol in which one rests."""
    found = {}
    for symbol in SYMBOLS:
        with contextlib.suppress(urllib.error.HTTPError):
            quote = ask(node, f"/quotes/{symbol}?client_id={FIRM}")
            if quote["bid_order_id"] or quote["ask_order_id"]:
                found[symbol] = quote["maker"]
    return found


def take(node: NodeProcess, symbol: str, side: str, quantity: int) -> dict[str, Any]:
    """An order of a public account that takes what is quoted."""
    price = "150" if side == "buy" else "50"
    found: dict[str, Any] = ask(
        node,
        "/orders",
        method="POST",
        body={
            "client_id": "public",
            "instrument": symbol,
            "side": side,
            "type": "limit",
            "time_in_force": "ioc",
            "price": price,
            "quantity": str(quantity),
        },
    )
    return found


def wait_until(is_so: Any, what: str, *, seconds: float = 30.0) -> float:
    """Wait for something; how long it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with contextlib.suppress(OSError):
            if is_so():
                return time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(f"{what}: not in {seconds:g} s")


StartMaker = Callable[..., MakerProcess]


def shares(node: NodeProcess) -> dict[str, int]:
    """How many symbols each maker has."""
    found = list(owners(node).values())
    return {name: found.count(name) for name in numbers(node)}


def all_quoted(node: NodeProcess) -> bool:
    """Whether each symbol has a quote of the maker that owns it."""
    by_name, quoted = numbers(node), quoted_by(node)
    owned = {symbol: by_name.get(name) for symbol, name in owners(node).items()}
    return len(quoted) == len(SYMBOLS) and quoted == owned


def within_budget(node: NodeProcess) -> bool:
    """Whether no side of the firm's budgets is exceeded."""
    exposure = ask(node, f"/exposure?client_id={FIRM}")
    return max(Decimal(exposure["bid_usage"]), Decimal(exposure["ask_usage"])) <= BUDGET


def net_positions(node: NodeProcess) -> dict[str, Decimal]:
    """The firm's positions, by the market's word."""
    return {
        each["symbol"]: Decimal(each["net_quantity"])
        for each in ask(node, f"/positions?client_id={FIRM}")["items"]
    }
