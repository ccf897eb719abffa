"""A text notation for short market stories: commands, and the events they must cause.

A line at the left edge is a command, indented lines below it are all its events, in order::

    s1: ann sell 5 @ 101
    b:  bob buy 7 @ 101 ioc
        accepted b 7 @ 101: cancelled, leaves 0, trades 1
        trade 5 @ 101 s1 > b, maker leaves 0
        cancelled b IOC_REMAINDER 2 of 7

A command without lines below it must not be rejected. The market has the assets USD and X and one
instrument X-USD with tick, lot and both scales such that prices and quantities are minor units.
Accounts: ann, bob, cyd (cash, rich), eve (credit), poor (cash, nothing). A quote labelled q has the
orders q.bid and q.ask. Words: `script_commands`; lines of events: `script_events`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradepit.domain.wire import (
    AccountType,
    DefineAsset,
    DefineInstrument,
    Deposit,
    EventKind,
    Genesis,
    OpenAccount,
    Phase,
    SetCredit,
    Side,
    Tick,
    TimeJump,
)
from tradepit.testing.engine_port import Engine
from tradepit.testing.frames import Command, Event, FrameWriter, command, read_events
from tradepit.testing.script_commands import (
    ACCOUNTS,
    ASSETS,
    INSTRUMENT,
    SECOND_NS,
    Context,
    number_of,
    parse,
)
from tradepit.testing.script_events import tell_event

RICH = 1_000_000
START_NS = 20_000 * 86_400 * 10**9


@dataclass
class Story:
    """One case of a table: what happens, line by line, and what must come of it."""

    title: str
    steps: list[tuple[str, list[str]]] = field(default_factory=list)


def stories(text: str) -> Iterator[Story]:
    """Cases of a table; each begins with a line `== title`, `#` begins a remark."""
    story: Story | None = None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith("== "):
            if story is not None:
                yield story
            story = Story(line[3:].strip())
        elif story is None:
            raise ValueError(f"outside a story: {line}")
        elif line[0] == " ":
            story.steps[-1][1].append(" ".join(line.split()))
        else:
            story.steps.append((line.strip(), []))
    if story is not None:
        yield story


def opening(rules_version: int = 1) -> list[Command]:
    """The market in which every story begins."""
    genesis = Genesis(
        key_window_ns=60 * SECOND_NS,
        key_capacity=100,
        accounts_max=len(ACCOUNTS),
        market_id=7,
        rules_version=rules_version,
        schema_version=1,
    )
    commands: list[Any] = [genesis, TimeJump(to_ns=START_NS)]
    result = [command(fields) for fields in commands]
    result += [command(DefineAsset(asset=n), code) for code, n in ASSETS.items()]
    define = DefineInstrument(
        mode=Phase.CONTINUOUS,
        instrument=INSTRUMENT,
        base_asset=ASSETS["X"],
        quote_asset=ASSETS["USD"],
        tick_mantissa=1,
        lot_mantissa=1,
    )
    result.append(command(define, "X-USD"))
    for name in ACCOUNTS:
        type_ = AccountType.CREDIT if name == "eve" else AccountType.CASH
        result.append(command(OpenAccount(mode=type_), name))
    for name in ("ann", "bob", "cyd"):
        for asset in ASSETS.values():
            result.append(command(Deposit(account=number_of(name), asset=asset, amount=RICH)))
    result.append(command(SetCredit(account=number_of("eve"), credit=RICH)))
    return result


class Stage:
    """Plays a story on an engine and tells what happened in the story's own words."""

    def __init__(self, engine: Engine, *, rules_version: int = 1) -> None:
        self.engine = engine
        self.writer = FrameWriter()
        self.context = Context(START_NS)
        self.send(opening(rules_version))

    @property
    def order_ids(self) -> dict[str, int]:
        return self.context.order_ids

    def send(self, commands: list[Command]) -> list[Event]:
        applied = self.engine.apply(self.writer.write(commands, self.context.time_ns))
        events = read_events(applied.events, applied.texts)
        return [event for event in events if event.kind != EventKind.FRAME_APPLIED]

    def play(self, line: str) -> list[str]:
        """The events of a command line, each as a line of the notation."""
        label, _, words = line.rpartition(": ")
        if words.startswith("book"):
            return [self.book()]
        if words.startswith("balance"):
            return [self.balance(words.split()[1])]
        if words.startswith("node"):
            return self.change_writer(int(words.split()[1]))
        if words.startswith("wait"):
            return self.wait(int(Decimal(words.split()[1]) * SECOND_NS))
        if words.startswith("tick"):
            self.context.time_ns += int(Decimal(words.split()[1]) * SECOND_NS)
            return self.tell(self.send([command(Tick())]))
        if label:
            self.name_orders(label, is_quote=" quote " in words)
        return self.tell(self.send(parse(words.split(), self.context)))

    def name_orders(self, label: str, *, is_quote: bool) -> None:
        """The next command's order, or the two that a quote may make."""
        if is_quote:
            self.order_ids[f"{label}.bid"] = self.writer.next_sequence
            self.order_ids[f"{label}.ask"] = self.writer.next_sequence + 1
        else:
            self.order_ids[label] = self.writer.next_sequence

    def change_writer(self, incarnation: int) -> list[str]:
        """Another node writes from here on."""
        before = self.writer
        self.writer = FrameWriter(incarnation, next_sequence=before.next_sequence)
        self.writer.previous_crc = before.previous_crc
        return []

    def wait(self, ns: int) -> list[str]:
        """Time jumps; later frames are stamped accordingly."""
        later = self.context.time_ns + ns
        events = self.send([command(TimeJump(to_ns=later))])
        self.context.time_ns = later
        return self.tell(events)

    def tell(self, events: list[Event]) -> list[str]:
        names = {order_id: label for label, order_id in self.order_ids.items()}
        return [tell_event(event.fields, names) for event in events]

    def book(self) -> str:
        """Both queues, best first: `bids b1 5@100 | asks s1 3@101`."""
        names = {order_id: label for label, order_id in self.order_ids.items()}
        sides = []
        for word, side in (("bids", Side.BUY), ("asks", Side.SELL)):
            rows = self.engine.queue(INSTRUMENT, side, 100)
            sides.append(" ".join([word, *(f"{names[i]} {q}@{p}" for i, p, q, _ in rows)]))
        return " | ".join(sides)

    def balance(self, account: str) -> str:
        """Totals with what is held: `USD 95 held 10, X 5 held 0`."""
        rows = {asset: row for asset, *row in self.engine.balances(number_of(account))}
        parts = []
        for code, asset in ASSETS.items():
            total, held, _ = rows.get(asset, (0, 0, 0))
            parts.append(f"{code} {total} held {held}")
        return ", ".join(parts)
