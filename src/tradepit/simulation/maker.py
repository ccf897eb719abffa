"""A maker process of a firm, as the market sees it: heartbeats, a number, an epoch; up or down."""

from __future__ import annotations

from enum import Enum

from tradepit.makers import SymbolQuoter
from tradepit.simulation.records import Owner
from tradepit.simulation.seat import Seat


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

    @property
    def owner(self) -> Owner:
        """How its commands are signed."""
        return Owner(self.account, self.number, self.epoch)
