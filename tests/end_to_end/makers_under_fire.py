"""Kills and pauses processes of a demonstration at random, and checks the market after each time.

By hand, against a demonstration that runs (it is started again by this script when its node was
killed, which happens with --node only):

    python -m tests.end_to_end.makers_under_fire --data-dir data/demo --kills 50 --seed 7

Checked each time: every maker is back, each symbol has exactly one live owner, counts differ by at
most one, everything is quoted by its owner and no quote is past its end; budgets, positions and the
state hash are what the journal says, command by command (`journal_audit`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from tests.end_to_end.journal_audit import UNITS, JournalAudit, require_sound
from tests.end_to_end.processes import children, is_alive

from tradepit.client import Client
from tradepit.client.errors import ClientError, NotFound
from tradepit.client.firm_models import FirmMakers

FIRM = "mm"
SETTLED_SECONDS = 90.0
"""For everybody to be back: leases of three seconds, restarts on a busy machine."""

LEASE_SECONDS = 3.0
STEADY_SECONDS = 1.1 * LEASE_SECONDS
"""Everything must be right for so long: until then a maker that is dead may count as alive."""

INVARIANTS_EVERY = 500
"""Commands between checks of all books and balances; with thousands of resting orders each takes a
while."""


class Demonstration(Protocol):
    """What is shot at."""

    url: str
    data_dir: Path

    @property
    def pid(self) -> int:
        """Of the node."""

    def start_again(self) -> None:
        """Start the node that was killed."""


@dataclass(frozen=True)
class Shot:
    """What is done to whom."""

    at: str
    """Part of a command line, `node`, or `makers` for several at once."""
    pause_s: float = 0.0
    """0: SIGKILL."""

    def __str__(self) -> str:
        return f"{'pause' if self.pause_s else 'kill'} {self.at} {self.pause_s or '':.3}".rstrip()


class Gunner:
    """Which shot comes next, from a seed."""

    def __init__(self, seed: int, makers: int, *, with_node: bool) -> None:
        self._random = random.Random(seed)
        self._makers = makers
        self._with_node = with_node

    def next(self) -> Shot:
        """A shot: makers most of the time, now and then everything else."""
        draw = self._random
        maker = f"--name {FIRM}-{draw.randrange(self._makers)}"
        others = ["flow external", "tradepit.feeding", "makers"]
        others += ["node", "node"] if self._with_node else []
        at = maker if draw.random() < 0.6 else draw.choice(others)
        is_pause = draw.random() < 0.4 and at != "makers"
        longest = 3.0 if at == "node" else 3 * LEASE_SECONDS
        return Shot(at, draw.uniform(0.2, longest) if is_pause else 0.0)

    def some(self, pids: list[int]) -> list[int]:
        """Two or more of them."""
        return self._random.sample(pids, self._random.randint(2, len(pids)))


class Fire:
    """Shoots, waits until the market has settled, checks."""

    def __init__(self, demo: Demonstration, *, seed: int, makers: int, with_node: bool) -> None:
        self._demo = demo
        self._makers = makers
        self._gunner = Gunner(seed, makers, with_node=with_node)
        self._audit = JournalAudit(demo.data_dir, invariants_every=INVARIANTS_EVERY)
        self.shots: Counter[str] = Counter()
        """By kind and target."""
        self.settled_s: list[float] = []
        """How long each took until everything was right again."""

    def run(self, shots: int, tell: Callable[[str], None] = print) -> None:
        """So many shots; raises AssertionError at the first thing that is wrong."""
        with Client(self._demo.url) as client:
            self._settle(client)
            for number in range(1, shots + 1):
                shot = self._gunner.next()
                self._fire(client, shot)
                began = time.monotonic()
                self._settle(client)
                self.settled_s.append(time.monotonic() - began - STEADY_SECONDS)
                sequence = self._check(client)
                self.shots[f"{'pause' if shot.pause_s else 'kill'} {shot.at.split()[-1]}"] += 1
                tell(f"{number}: {shot}; settled in {self.settled_s[-1]:.1f} s at {sequence:,}")

    def _fire(self, client: Client, shot: Shot) -> None:
        for pid in self._targets(shot):
            with contextlib.suppress(ProcessLookupError):
                if not shot.pause_s:
                    os.kill(pid, signal.SIGKILL)
                    continue
                os.kill(pid, signal.SIGSTOP)
                self._watch(client, shot)
                os.kill(pid, signal.SIGCONT)
        if shot.at == "node" and not shot.pause_s:
            self._demo.start_again()

    def _watch(self, client: Client, shot: Shot) -> None:
        """While a process sleeps: budgets hold, nothing has two owners (`_wrong` insists)."""
        end = time.monotonic() + shot.pause_s
        while (left := end - time.monotonic()) > 0:
            if shot.at != "node":
                self._wrong(client)
            time.sleep(min(left, 0.2))

    def _targets(self, shot: Shot) -> list[int]:
        if shot.at == "node":
            return [self._demo.pid]
        beside = children(self._demo.pid)
        if shot.at == "makers":
            pids = [pid for pid, line in beside.items() if "tradepit.makers.live" in line]
            return self._gunner.some(pids)
        return [pid for pid, line in beside.items() if f"{shot.at} " in f"{line} "]

    # What must be so again.

    def _settle(self, client: Client) -> None:
        """Wait until makers, owners and quotes are as they should be, and stay so."""
        end = time.monotonic() + SETTLED_SECONDS
        right_since: float | None = None
        while right_since is None or time.monotonic() - right_since < STEADY_SECONDS:
            wrong = self._wrong(client)
            now = time.monotonic()
            if wrong is not None:
                right_since = None
            elif right_since is None:
                right_since = now
            assert now < end, f"not in {SETTLED_SECONDS:g} s: {wrong}"
            time.sleep(0.1)

    def _wrong(self, client: Client) -> str | None:
        """What is not as it should be; budgets must be right at any time."""
        try:
            exposure = client.exposure(client_id=FIRM)
            assert exposure.bid_usage <= exposure.bid_capacity, exposure
            assert exposure.ask_usage <= exposure.ask_capacity, exposure
            cluster = client.cluster()
            firm = next(firm for firm in cluster.firms if firm.id == FIRM)
            return self._wrong_owners(firm) or self._wrong_quotes(client, firm)
        except ClientError as error:
            return str(error)

    def _wrong_owners(self, firm: FirmMakers) -> str | None:
        """Each symbol has one owner at any time; what may take a moment is that all are back."""
        owned = [symbol for maker in firm.makers for symbol in maker.symbols]
        shares = [len(maker.symbols) for maker in firm.makers]
        assert len(owned) == len(set(owned)), f"two owners: {firm}"
        assert not shares or max(shares) - min(shares) <= 1, f"shares {shares}"
        assert not (firm.makers and firm.unassigned), f"nobody makes {firm.unassigned}"
        if len(firm.makers) != self._makers:
            return f"live makers: {[maker.name for maker in firm.makers]}"
        return None

    def _wrong_quotes(self, client: Client, firm: FirmMakers) -> str | None:
        for maker in firm.makers:
            for symbol in maker.symbols:
                try:
                    quote = client.quote(symbol, client_id=FIRM)
                except NotFound:
                    return f"nobody quotes {symbol}"
                if quote.maker != maker.number:
                    return f"{symbol} is quoted by maker {quote.maker}, not {maker.name}"
                if quote.bid_order_id is None and quote.ask_order_id is None:
                    return f"the quote of {symbol} is empty"
        return None

    def _check(self, client: Client) -> int:
        """Hold the node's answers against its journal; the sequence it stood at."""
        exposure = client.exposure(client_id=FIRM)
        self._audit.go_to(exposure.as_of)
        used = self._audit.firm(FIRM).used
        assert used == (exposure.bid_usage * UNITS, exposure.ask_usage * UNITS), (used, exposure)
        positions = client.firm(FIRM)
        self._audit.go_to(positions.as_of)
        shown = {one.symbol: one.net_quantity for one in positions.positions if one.net_quantity}
        summed = self._audit.firm(FIRM).positions
        assert {symbol: quantity * UNITS for symbol, quantity in shown.items()} == summed
        cluster = client.cluster(state_hash=True)
        writer = cluster.nodes[0]
        self._audit.go_to(writer.sequence)
        assert self._audit.replica.state_hash() == writer.state_hash
        self._require_fresh(client)
        require_sound(self._audit, FIRM)
        return writer.sequence

    def _require_fresh(self, client: Client) -> None:
        """No quote stands that is past its end in market time."""
        for one in client.instruments():
            with contextlib.suppress(NotFound):
                quote = client.quote(one.symbol, client_id=FIRM)
                self._audit.go_to(quote.as_of)
                now_ns = self._audit.replica.market_time_ns
                assert quote.expires_at is not None
                assert ns_of(quote.expires_at) > now_ns, f"{quote} is past its end"


def ns_of(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC."""
    whole, _, part = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 10**9 + int(Decimal(f"0.{part or 0}") * 10**9)


class RunningDemonstration:
    """One that somebody started; its node is started again with the same words."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.data_dir = data_dir
        self.url = url
        self._pid = int((data_dir / "lock").read_text())
        self._command = _words(self._pid, "cmdline")
        self._folder = os.readlink(f"/proc/{self._pid}/cwd")
        variables = (word.partition("=") for word in _words(self._pid, "environ"))
        self._environment = {name: value for name, _, value in variables}

    @property
    def pid(self) -> int:
        return self._pid

    def start_again(self) -> None:
        """Start it, in the background from now on."""
        end = time.monotonic() + SETTLED_SECONDS
        while is_alive(self._pid):
            assert time.monotonic() < end, "the node does not die"
            time.sleep(0.05)
        self._pid = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).pid
        print(f"the node is process {self._pid} now")


def _words(pid: int, file: str) -> list[str]:
    return Path(f"/proc/{pid}/{file}").read_text().rstrip("\0").split("\0")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Kill and pause processes of a demonstration.")
    parser.add_argument("--data-dir", type=Path, default=Path("data/demo"))
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--makers", type=int, default=7)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--node", action="store_true", help="kill and pause the node too")
    given = parser.parse_args()
    print("seed", given.seed)
    demo = RunningDemonstration(given.data_dir, given.url)
    fire = Fire(demo, seed=given.seed, makers=given.makers, with_node=given.node)
    fire.run(given.kills)
    print(f"all right after {given.kills} shots: {dict(fire.shots)}")
    print(f"settled in {max(fire.settled_s):.1f} s at most")


if __name__ == "__main__":
    main()
