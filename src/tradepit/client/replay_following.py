"""Following a replay across lost connections, without input or output.

Its messages are numbered by one. After a reconnect the reader asks to go on from its place; a node
that remembers sends what was missed, any other a snapshot, which is passed on with `is_gap`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tradepit.client.errors import UnreadableAnswer
from tradepit.client.replays import (
    RecordedBook,
    Replay,
    ReplayChanged,
    ReplayMessage,
    ReplaySnapshot,
    ReplayStep,
)

GAP: Final = "snapshot_required"

REPLAY_ENDED: Final = 4000
READER_REPLACED: Final = 4002


class _Books(Struct):
    replay: Replay
    books: tuple[RecordedBook, ...]


class _Wire(Struct):
    """What is no step: books, a change, an answer."""

    seq: int = 0
    snapshot: _Books | UnsetType = UNSET
    state: Replay | UnsetType = UNSET
    jump: bool = False
    code: str = ""


# Order ids travel as text, so that no reader rounds them.
_decode_step = msgspec.json.Decoder(ReplayStep, strict=False).decode
_decode_wire = msgspec.json.Decoder(_Wire, strict=False).decode


class ReplayFollower:
    """Where a reader stands in a replay."""

    final_codes: Final = frozenset({REPLAY_ENDED, READER_REPLACED})

    def __init__(
        self, replay_id: str, *, by_order: bool, is_awaited: bool, since: int | None
    ) -> None:
        self._replay_id = replay_id
        self._by_order = by_order
        self._is_awaited = is_awaited
        self._place = since
        self._is_begun = False
        self._is_behind = False
        """What comes first on the next connection stands in place of messages."""
        self.is_lost = False
        """Only a new connection helps: a jump came without its queues."""

    @property
    def is_subscribed(self) -> bool:
        """Nothing from now on passes unseen."""
        return self._is_begun

    @property
    def target(self) -> str:
        """Path and query of the next connection."""
        query = {"snapshot": "orders"} if self._by_order else {}
        if self._is_awaited:
            query["wait"] = "true"
        if self._place is not None:
            query["from"] = str(self._place)
        path = f"/ws/replays/{quote(self._replay_id, safe='')}"
        return f"{path}?{urlencode(query)}" if query else path

    def begin(self) -> list[bytes]:
        """What to send on a new connection: nothing, the address says it all."""
        self._is_begun, self.is_lost = True, False
        return []

    def take(self, payload: bytes) -> tuple[ReplayMessage | None, bytes | None]:
        """Return the message to pass on, and the request to send: none.

        Raises: UnreadableAnswer for what is no message of a replay, or does not follow.
        """
        try:
            return self._step(payload), None
        except msgspec.ValidationError:
            pass
        except msgspec.DecodeError as error:
            raise UnreadableAnswer(0, str(error)) from error
        try:
            return self._other(_decode_wire(payload)), None
        except msgspec.MsgspecError as error:
            raise UnreadableAnswer(0, str(error)) from error

    def _step(self, payload: bytes) -> ReplayStep | None:
        step = _decode_step(payload)
        return step if self._follows(step.seq) else None

    def _other(self, wire: _Wire) -> ReplayMessage | None:
        if wire.snapshot is not UNSET:
            return self._snapshot(wire, wire.snapshot)
        if wire.state is not UNSET and self._follows(wire.seq):
            return ReplayChanged(wire.seq, wire.state)
        return None

    def _snapshot(self, wire: _Wire, books: _Books) -> ReplaySnapshot | None:
        if wire.jump and not self._follows(wire.seq):
            return None
        if self._by_order and not _has_queues(books.books):
            self._place, self._is_behind, self.is_lost = None, True, True
            return None
        is_gap = wire.code == GAP or self._is_behind
        self._place, self._is_behind = wire.seq, False
        return ReplaySnapshot(wire.seq, books.replay, books.books, wire.jump, is_gap)

    def _follows(self, seq: int) -> bool:
        """Whether a message is the next one; one that is known is not."""
        place = self._place
        if place is not None and seq <= place:
            return False
        if place is not None and seq != place + 1:
            raise UnreadableAnswer(0, f"message {seq} of a replay came after {place}")
        self._place = seq
        return True


def _has_queues(books: tuple[RecordedBook, ...]) -> bool:
    """Whether every order is told: a jump that nobody with such a wish watched has levels only."""
    levels = (level for book in books for level in (*book.bids, *book.asks))
    return all(level.queue is not None for level in levels)
