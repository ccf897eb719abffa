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
        return rng.randint(0, 8 if name == "mode" else 5)
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
        return unknown_command(rng.choice((0, 33, 39, 46, 255)))
    cls: Any = wire.COMMANDS[kind]
    letters = [c for c in COMMAND_STRUCTS[kind].format.lstrip("<") if c.isalpha() and c != "x"]
    named = zip(cls._fields, letters, strict=True)
    fields = cls._make(wild_value(rng, name, letter) for name, letter in named)
    if kind == wire.CommandKind.PLACE_ORDER and rng.random() < 0.8:
        fields = tamed(rng, fields)
    if kind == wire.CommandKind.QUOTE and rng.random() < 0.8:
        fields = tamed_quote(rng, fields)
    if rng.random() < 0.9:
        fields = fields._replace(valid_until=0)
    return command(fields, rng.choice(TEXTS))


def tamed(rng: Random, order: wire.PlaceOrder) -> wire.PlaceOrder:
    """An order that gets as far as prices and money."""
    order_type = rng.choice((1, 1, 1, 2, 2, 3, 4, 5))
    resting, shows = order_type != wire.OrderType.MARKET, rng.random() < 0.2
    times = (1, 1, 1, 2, 4, 5) if order_type == wire.OrderType.LIMIT else (1, 1, 2)
    is_stop = order_type >= wire.OrderType.STOP
    return order._replace(
        order_type=order_type,
        time_in_force=rng.choice(times if resting else (4, 5)),
        side=rng.choice((1, 2)),
        options=rng.choice((0, 0, 0, 1, 2, 4)) if order_type == 1 else wire.Option.PRICE,
        self_trade_prevention=rng.randint(0, 4),
        account=rng.randint(1, 5),
        instrument=1,
        definition_version=1,
        display_quantity=order.display_quantity if order_type == 1 and shows else 0,
        stop_price=order.stop_price if is_stop else 0,
        expires_at=0,
        session=0,
    )


def tamed_quote(rng: Random, quote: wire.Quote) -> wire.Quote:
    """A quote that gets as far as budgets, prices and money."""
    return quote._replace(
        account=rng.choice((1, 2, 4, 4)),
        instrument=1,
        definition_version=1,
        maker=0,
        bid_price=rng.choice((1, 5, quote.bid_price)),
        ask_price=rng.choice((6, 100, quote.ask_price)),
        ttl_ns=rng.choice((0, 0, quote.ttl_ns)),
    )


def wild_commands(rng: Random) -> list[Command]:
    """One wild command; a quote mostly after the reserved id that it needs."""
    made = wild_command(rng)
    if made.kind == wire.CommandKind.QUOTE and rng.random() < 0.8:
        return [command(wire.ReserveOrderId()), made]
    return [made]


def wild_frames(seed: int, commands: int) -> Iterator[bytes]:
    """A market with enormous balances, then wild commands, a few to a frame."""
    rng = Random(f"wild {seed}")
    rules_version = 1 if seed % 4 == 3 else 2
    writer = FrameWriter()
    yield writer.write([*opening(rules_version), *enormous_balances()], START_NS)
    while commands > 0:
        made = [one for _ in range(rng.randint(1, 5)) for one in wild_commands(rng)]
        commands -= len(made)
        yield writer.write(made, wild_value(rng, "time_ns", "q"))


def enormous_balances() -> Iterator[Command]:
    """All that accounts can have; what version 1 does not know it refuses."""
    for account in (1, 2, 3, 5):
        yield command(wire.Deposit(account=account, asset=1, amount=2**61))
        yield command(wire.Deposit(account=account, asset=2, amount=2**61))
    yield command(wire.SetCredit(account=4, credit=2**61))
    firm = wire.DefineFirm(account=4, budget_bid=2**62, budget_ask=2**62, lease_ns=10**9)
    yield command(firm)
