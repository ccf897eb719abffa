"""Commands whose fields are anything at all: small numbers, or the edges of their types.

Most are refused; what counts is that every engine refuses the same, in the same words, and that
no input makes one stop.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random
from typing import Any

from tradepit.domain import wire
from tradepit.testing.frames import COMMAND_STRUCTS, Command, FrameWriter, command, unknown_command
from tradepit.testing.script import START_NS, opening

SMALL = (0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 9, 50, 100)
POWERS = (2**31, 2**32, 2**40, 2**41, 2**53, 2**60, 2**61, 2**62, 2**63, 2**64)
ENUM_FIELDS = ("side", "order_type", "time_in_force", "self_trade_prevention", "mode")
# Kinds after which little else is let through; kept rare.
STOPPERS = (
    wire.CommandKind.TIME_JUMP,
    wire.CommandKind.SET_ACCOUNT_STATE,
    wire.CommandKind.SET_PHASE,
    wire.CommandKind.REMOVE_INSTRUMENT,
    wire.CommandKind.SET_INSTRUMENT_RULES,
)
TEXTS = (None, "", "USD", "Y-USD", "X-USD", "zoe", "zoe\x1fZoé", "é" * 70, "q" * 33, " ")


def bounds(letter: str) -> tuple[int, int]:
    """Smallest and largest value of a struct format letter."""
    bits = struct.calcsize("<" + letter) * 8
    if letter.islower():
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def wild_value(rng: Random, name: str, letter: str) -> int:
    low, high = bounds(letter)
    if name in ENUM_FIELDS and rng.random() < 0.9:
        return rng.randint(0, 5)
    roll = rng.random()
    if roll < 0.6:
        value = rng.choice(SMALL)
    elif roll < 0.75:
        value = START_NS + rng.choice((-1, 0, 1, 10**9))
    elif roll < 0.95:
        value = rng.choice((1, -1)) * (rng.choice(POWERS) + rng.randint(-1, 1))
    else:
        value = rng.choice((low, high))
    return value if low <= value <= high else rng.choice(SMALL)


def wild_command(rng: Random) -> Command:
    """Any kind, orders more often than the rest."""
    kind = wire.CommandKind.PLACE_ORDER
    if rng.random() < 0.6:
        kind = rng.choice(list(wire.CommandKind))
    if kind in STOPPERS and rng.random() < 0.9:
        kind = wire.CommandKind.CANCEL_ORDER
    if rng.random() < 0.01:
        return unknown_command(rng.choice((0, 25, 255)))
    cls: Any = wire.COMMANDS[kind]
    letters = [c for c in COMMAND_STRUCTS[kind].format.lstrip("<") if c.isalpha() and c != "x"]
    named = zip(cls._fields, letters, strict=True)
    fields = cls._make(wild_value(rng, name, letter) for name, letter in named)
    if kind == wire.CommandKind.PLACE_ORDER and rng.random() < 0.8:
        fields = tamed(rng, fields)
    if rng.random() < 0.9:
        fields = fields._replace(valid_until=0)
    return command(fields, rng.choice(TEXTS))


def tamed(rng: Random, order: wire.PlaceOrder) -> wire.PlaceOrder:
    """An order that gets as far as prices and money."""
    is_market = rng.random() < 0.3
    return order._replace(
        order_type=2 if is_market else 1,
        time_in_force=rng.choice((4, 5) if is_market else (1, 1, 1, 2, 4, 5)),
        side=rng.choice((1, 2)),
        options=wire.Option.PRICE if is_market else rng.choice((0, 0, 0, 1, 2, 4)),
        self_trade_prevention=rng.randint(0, 4),
        account=rng.randint(1, 5),
        instrument=1,
        definition_version=1,
        display_quantity=0,
        stop_price=0,
        expires_at=0,
    )


def wild_frames(seed: int, commands: int) -> Iterator[bytes]:
    """A market with enormous balances, then wild commands, a few to a frame."""
    rng = Random(f"wild {seed}")
    writer = FrameWriter()
    yield writer.write([*opening(), *enormous_balances()], START_NS)
    while commands > 0:
        size = min(commands, rng.randint(1, 5))
        commands -= size
        stamp = wild_value(rng, "time_ns", "q")
        yield writer.write([wild_command(rng) for _ in range(size)], stamp)


def enormous_balances() -> Iterator[Command]:
    for account in (1, 2, 3, 5):
        yield command(wire.Deposit(account=account, asset=1, amount=2**61))
        yield command(wire.Deposit(account=account, asset=2, amount=2**61))
    yield command(wire.SetCredit(account=4, credit=2**61))
