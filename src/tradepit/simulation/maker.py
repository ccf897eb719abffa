"""A maker process of a firm, as the market sees it: heartbeats, a number, an epoch; up or down."""

from __future__ import annotations

from enum import Enum
from typing import Final

from tradepit.domain import firm_commands
from tradepit.makers import SymbolQuoter, TwoSided
from tradepit.simulation.seat import Seat

DEFINITION: Final = 1
"""Version of every instrument's definition: nobody changes them during a day."""

QUOTE_RECORDS: Final = 2
"""A quote is two commands; the first one's sequence becomes the id of its bid."""


class State(Enum):
    """What a maker process is doing."""

    UP = "up"
    PAUSED = "paused"
    DOWN = "down"


class Maker:
    """One maker process."""

    def __init__(self, name: str, account: int, *, heartbeat_ns: int, first_ns: int) -> None:
        self.name, self.account = name, account
        self.heartbeat_ns = heartbeat_ns
        self.number = 0
        """As the market gave it; 0 until it joined."""
        self.epoch = 1
        self.state = State.UP
        self.beats_at_ns = first_ns
        self.back_at_ns = 0
        self.joined = False
        """The market counts it among the live ones."""
        self.held: list[tuple[Seat, SymbolQuoter]] = []
        """What a paused one still believes to make."""

    @property
    def is_up(self) -> bool:
        """It hears and sends."""
        return self.state is State.UP

    # Its commands.

    def quote(self, instrument: int, sides: TwoSided, *, ttl_ns: int) -> bytes:
        """A quote of the firm, signed by this maker. A side without quantity has no price."""
        return firm_commands.quote(
            account=self.account,
            instrument=instrument,
            bid_price=sides.bid_ticks if sides.bid_lots else 0,
            bid_quantity=sides.bid_lots,
            ask_price=sides.ask_ticks if sides.ask_lots else 0,
            ask_quantity=sides.ask_lots,
            definition_version=DEFINITION,
            ttl_ns=ttl_ns,
            maker=self.number,
            epoch=self.epoch,
        )

    def release(self, instrument: int) -> bytes:
        """The end of the firm's quote."""
        return firm_commands.release(
            account=self.account, instrument=instrument, maker=self.number, epoch=self.epoch
        )

    def heartbeat(self) -> bytes:
        """A sign of life; its text is the name."""
        return firm_commands.maker_heartbeat(account=self.account, epoch=self.epoch)
