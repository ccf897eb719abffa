"""Messages of a replay as what happens in the recording, without input or output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from tradepit.client.replays import (
    RecordedBook,
    RecordedLevel,
    Replay,
    ReplayChanged,
    ReplayMessage,
    ReplaySnapshot,
    ReplayStep,
)
from tradepit.flow.recorded_source import Happening, Moved
from tradepit.marketdata.recorded_events import EventGrouper, MboRecord
from tradepit.marketdata.records import FLAG_LAST, FLAG_SNAPSHOT, PRICE_SCALE

ACTIONS: Final = {
    "add": "A",
    "cancel": "C",
    "modify": "M",
    "clear": "R",
    "trade": "T",
    "fill": "F",
}
"""Others (N, and letters that the format does not have) do nothing."""

SIDES: Final = {"bid": "B", "ask": "A"}

CLEARED: Final = MboRecord("R", "N", None, 0, 0, FLAG_SNAPSHOT, 0, 0, 0)


class ReplayedEvents:
    """Events of one instrument, as a replay plays them; numbered as they come."""

    def __init__(self, instrument_id: int) -> None:
        self._instrument_id = instrument_id
        self._grouper = EventGrouper()
        self.position = 0
        """Messages of the recording taken, of all instruments."""
        self.replay: Replay | None = None
        """As it was told last."""

    @property
    def is_ended(self) -> bool:
        """The replay has come to the end of the recording."""
        return self.replay is not None and self.replay.state == "ended"

    def take(self, message: ReplayMessage) -> Sequence[Happening]:
        """What has happened when a message came."""
        match message:
            case ReplayStep():
                self.position = message.number
                if message.instrument_id != self._instrument_id:
                    return ()
                return self._grouper.add(_record(message))
            case ReplaySnapshot():
                self.replay = message.replay
                return self._place(message)
            case ReplayChanged():
                self.replay = message.replay
                return self._grouper.end() if self.is_ended else ()

    def _place(self, snapshot: ReplaySnapshot) -> Sequence[Happening]:
        """The book anew, unless it is the one that is there: the start, or after a reconnect."""
        position = snapshot.replay.position
        if position == self.position:
            return self._grouper.end() if self.is_ended else ()
        self.position = position
        books = [book for book in snapshot.books if book.instrument_id == self._instrument_id]
        return (Moved(self._grouper.replace((CLEARED, *_resting(books)))),)


def _record(step: ReplayStep) -> MboRecord:
    return MboRecord(
        action=ACTIONS.get(step.action, "N"),
        side=SIDES.get(step.side or "", "N"),
        price=None if step.price is None else _nano(step.price),
        size=step.size,
        order_id=step.order_id,
        flags=step.flags,
        sequence=step.venue_sequence,
        time_event_ns=0,
        time_received_ns=0,
    )


def _resting(books: Iterable[RecordedBook]) -> Iterator[MboRecord]:
    """Orders of books as records that add them, in the order of their queues."""
    for book in books:
        for side, levels in (("B", book.bids), ("A", book.asks)):
            for level in levels:
                yield from _queue(side, level)


def _queue(side: str, level: RecordedLevel) -> Iterator[MboRecord]:
    price, flags = _nano(level.price), FLAG_SNAPSHOT | FLAG_LAST
    for order in level.queue or ():
        yield MboRecord("A", side, price, order.size, order.order_id, flags, 0, 0, 0)


def _nano(price: Decimal) -> int:
    return int(price * PRICE_SCALE)
