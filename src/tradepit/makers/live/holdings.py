"""A firm's positions as its channel tells them: what is news, what is stale, where a gap is."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tradepit.client.models import Position
from tradepit.domain.wire import Side
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.strategy import NEVER, OwnFill, OwnPosition

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}


class Holdings:
    """The newest position of each symbol, by version."""

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        self.is_known = False
        """A snapshot has come."""
        self.stale = 0
        """Messages that were no news."""
        self.gaps = 0
        """Versions that were passed over."""

    def begin(self, positions: Iterable[Position]) -> list[Position]:
        """Take over a snapshot; what is not older than known, for whoever holds it."""
        found = [each for each in positions if self._is_current(each)]
        self.positions |= {each.instrument: each for each in found}
        self.is_known = True
        return found

    def _is_current(self, position: Position) -> bool:
        known = self.positions.get(position.instrument)
        return known is None or position.version >= known.version

    def apply(self, position: Position) -> bool:
        """Take over what came with a fill; False when it is not newer than what is known."""
        known = self.positions.get(position.instrument)
        version = 0 if known is None else known.version
        if position.version <= version:
            self.stale += 1
            return False
        if position.version != version + 1:
            self.gaps += 1
        self.positions[position.instrument] = position
        return True

    def position_in(self, spec: InstrumentSpec) -> OwnPosition:
        """Where the firm stands in a symbol."""
        return own_position(spec, self.positions.get(spec.symbol))

    def cost_in(self, symbol: str) -> Decimal | None:
        """What the position cost, signed like it; None when there is none."""
        position = self.positions.get(symbol)
        if position is None or position.average_price is None:
            return None
        return position.average_price * position.net_quantity


def own_position(spec: InstrumentSpec, position: Position | None) -> OwnPosition:
    """A position as strategies hear of it."""
    if position is None:
        return OwnPosition()
    last = position.last_fill
    return OwnPosition(
        position_lots=spec.lots(position.net_quantity),
        version=position.version or NEVER,
        last_fill_ticks=None if last is None else spec.nearest_ticks(last.price),
    )


def own_fill(spec: InstrumentSpec, position: Position, *, time_ns: int) -> OwnFill | None:
    """The fill that a position came with; None when it does not say."""
    last = position.last_fill
    if last is None:
        return None
    return OwnFill(
        time_ns=time_ns,
        side=SIDES[last.side],
        price_ticks=spec.nearest_ticks(last.price),
        quantity_lots=spec.lots(last.quantity),
        position_lots=spec.lots(position.net_quantity),
        version=position.version,
    )
