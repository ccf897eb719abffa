"""A node with tiny segments that trades with itself: `small_node.py DIRECTORY ORDERS`.

Every acknowledgement is a line on standard output, written when the outcome is known, so that
strace sees it among the other calls.
"""

from __future__ import annotations

import asyncio
import os
import sys
from decimal import Decimal
from pathlib import Path

from tradepit.domain import commands
from tradepit.journal.segments import JournalOptions
from tradepit.node.definitions import AssetDefinition, InstrumentDefinition, MarketDefinition
from tradepit.node.node import Node
from tradepit.node.opening import NodeOptions, open_node
from tradepit.node.outcome import Outcome
from tradepit.node.snapshotter import take_snapshot

OPTIONS = NodeOptions(
    market=MarketDefinition(
        assets=[
            AssetDefinition(code="USD", starting_balance=Decimal(1_000_000)),
            AssetDefinition(code="BTC", starting_balance=Decimal(100)),
        ],
        instruments=[
            InstrumentDefinition(
                symbol="BTC-USD",
                base="BTC",
                quote="USD",
                tick_size=Decimal("0.01"),
                lot_size=Decimal("0.0001"),
                reference_price=Decimal(70_000),
            )
        ],
    ),
    journal=JournalOptions(segment_bytes=4 << 10, reserve_bytes=1 << 10),
    snapshot_every_commands=0,
)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def trade(node: Node, orders: int, root: Path) -> None:
    """Groups of one to four orders, each acknowledged on its own; a snapshot now and then."""
    record = commands.open_account(if_absent=True)
    await node.execute(record, commands.account_text("a1"), 1)

    def answer(outcome: Outcome) -> None:
        if outcome.failure is None:
            say(f"served {outcome.first_sequence}")
        else:
            say(f"unserved {outcome.failure.value}")

    for number in range(orders):
        record = commands.place_order(
            account=1,
            instrument=1,
            side=1 + number % 2,
            order_type=1,
            time_in_force=1,
            price=7_000_000 + number % 9,
            quantity=1 + number,
            definition_version=1,
            key=commands.key_of(f"key {number}"),
        )
        node.submit(record, b"", 1, answer)
        if number % 4 == 0:
            await node.execute(commands.mass_cancel(account=1, instrument=1, side=2), b"", 1)
        if number % 25 == 20:
            path = take_snapshot(root)
            say(f"snapshot {int(path.stem) if path else 0}")


async def main(root: Path, orders: int) -> int:
    opened = await open_node(root, OPTIONS)
    say(f"served {opened.node.durable_sequence}")
    try:
        await trade(opened.node, orders, root)
    finally:
        await opened.close()
    return 1 if opened.node.failure else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]))))
