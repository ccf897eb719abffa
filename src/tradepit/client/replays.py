"""Replays of recordings through the client: what they are asked and answer, as typed records.

Prices are exact decimals; times are RFC 3339 of the recording's own clock; sizes are lots.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from tradepit.client.calls import BASE_PATH, Call

REPLAYS_PATH: Final = f"{BASE_PATH}/replays"

Speed = float | Literal["max"]
"""Times the recording's own, 0.1 to 1000; `max`: as fast as it is read."""

RecordedSide = Literal["bid", "ask"]


class ReplayPlace(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where to go in a recording: one of these."""

    number: int | None = None
    """Messages of the recording that are applied then."""
    time: str | None = None
    """RFC 3339: to before the first message of this moment or later."""
    fraction: float | None = None
    """Of the messages, 0 to 1."""
    sequence: int | None = None
    """Of the venue: to before the first message with this or a higher one."""


class BookName(Struct, frozen=True):
    """One book of a recording."""

    instrument_id: int
    publisher_id: int
    instrument: str | None = None


class IndexProgress(Struct, frozen=True):
    """How much of the recording has been read for its index."""

    done_bytes: int
    all_bytes: int


class PlaceInBook(Struct, frozen=True):
    """Where an order stood, or stands."""

    side: RecordedSide
    price: Decimal
    size: int
    orders_ahead: int
    size_ahead: int = 0


class Effect(Struct, frozen=True):
    """What a message did to its book."""

    kind: str
    """`none`, `added`, `removed`, `reduced`, `modified_kept`, `modified_lost`, `cleared`,
    `error`."""
    error: str | None = None
    orders_cleared: int = 0
    old: PlaceInBook | None = None
    new: PlaceInBook | None = None


class ReplayStep(Struct, frozen=True):
    """One message of the recording, as it is applied."""

    seq: int
    number: int
    """Its place in the recording, from 1."""
    action: str
    """`add`, `cancel`, `modify`, `clear`, `trade`, `fill` or `none`."""
    instrument_id: int
    publisher_id: int
    size: int
    flags: int
    venue_sequence: int
    effect: Effect
    left_ns: int
    """When it left the replay's clock, ns since the Unix epoch."""
    time: str | None = None
    instrument: str | None = None
    side: RecordedSide | None = None
    order_id: int = 0
    price: Decimal | None = None
    last: bool = False
    """The event ends here: only now the book is one that existed."""


class Replay(Struct, frozen=True):
    """A replay as it stands."""

    id: str
    source: str
    mode: str
    state: str
    """`indexing`, `paused`, `playing`, `ended` or `failed`."""
    speed: str
    position: int
    """Messages of the recording that are applied."""
    messages: int
    """Of the recording; 0 while it is indexed."""
    seq: int = 0
    """Of the last message that its readers were sent."""
    loop: bool = False
    readers: int = 0
    time: str | None = None
    first_time: str | None = None
    last_time: str | None = None
    format: str | None = None
    dataset: str | None = None
    books: tuple[BookName, ...] = ()
    progress: IndexProgress | None = None
    problem: str | None = None
    """Why it failed, or why the recording ends early."""
    steps: tuple[Any, ...] = ()
    """What a step has applied, at most the first thousand messages, as in JSON."""


class RestingOrder(Struct, frozen=True):
    """An order in the queue of its level."""

    order_id: int
    size: int


class RecordedLevel(Struct, frozen=True):
    """Open size at one price; `queue` where every order was asked for, the first one first."""

    price: Decimal
    size: int
    orders: int
    queue: tuple[RestingOrder, ...] | None = None


class RecordedBook(Struct, frozen=True):
    """One book of a recording, best levels first."""

    instrument_id: int
    publisher_id: int
    bids: tuple[RecordedLevel, ...]
    asks: tuple[RecordedLevel, ...]
    instrument: str | None = None


class ReplayBooks(Struct, frozen=True):
    """The books of a replay after the message with this `seq`."""

    id: str
    seq: int
    position: int
    books: tuple[RecordedBook, ...]
    time: str | None = None


class ReplaySnapshot(Struct, frozen=True):
    """The books as they are now; what was known before is void."""

    seq: int
    replay: Replay
    books: tuple[RecordedBook, ...]
    is_jump: bool = False
    """The replay went somewhere else: back, or over messages."""
    is_gap: bool = False
    """It stands in place of messages that were lost."""


class ReplayChanged(Struct, frozen=True):
    """Somebody paused, played, or changed the replay; or it has ended."""

    seq: int
    replay: Replay


ReplayMessage = ReplayStep | ReplaySnapshot | ReplayChanged


def create_replay(source: str, *, speed: Speed, mode: str, loop: bool, state: str) -> Call[Replay]:
    """A new replay. Not repeated after a lost connection: there could be two then."""
    wish = {"source": source, "speed": speed, "mode": mode, "loop": loop, "state": state}
    return _send("POST", "", wish, is_repeatable=False)


def list_replays() -> Call[tuple[Replay, ...]]:
    """All replays, newest first."""
    return Call("GET", REPLAYS_PATH, _decode_list)


def get_replay(replay_id: str) -> Call[Replay]:
    """A replay as it stands."""
    return Call("GET", _path(replay_id), _decode_replay)


def change_replay(
    replay_id: str,
    *,
    speed: Speed | None,
    loop: bool | None,
    seek: Literal["start", "end"] | ReplayPlace | None,
    step: int | None,
    state: str | None,
) -> Call[Replay]:
    """A change. A step is not repeated after a lost connection: there could be two then."""
    wish = {"speed": speed, "loop": loop, "seek": seek, "step": step, "state": state}
    given = {name: value for name, value in wish.items() if value is not None}
    return _send("PATCH", f"/{quote(replay_id, safe='')}", given, is_repeatable=step is None)


def delete_replay(replay_id: str) -> Call[Replay]:
    """The end of a replay and its streams."""
    return Call("DELETE", _path(replay_id), _decode_replay)


def get_replay_book(replay_id: str, filters: Mapping[str, str]) -> Call[ReplayBooks]:
    """The books where the replay stands; filters as in the API."""
    return Call("GET", f"{_path(replay_id)}/book", _decode_books, params=filters)


def _path(replay_id: str) -> str:
    return f"{REPLAYS_PATH}/{quote(replay_id, safe='')}"


def _send(method: str, path: str, body: object, *, is_repeatable: bool) -> Call[Replay]:
    return Call(
        method,
        f"{REPLAYS_PATH}{path}",
        _decode_replay,
        body=msgspec.json.encode(body),
        is_repeatable=is_repeatable,
    )


class _Replays(Struct, frozen=True):
    items: tuple[Replay, ...]


# Order ids travel as text, so that no reader rounds them.
_decode_replay = msgspec.json.Decoder(Replay, strict=False).decode
_decode_replays = msgspec.json.Decoder(_Replays, strict=False).decode
_decode_books = msgspec.json.Decoder(ReplayBooks, strict=False).decode


def _decode_list(content: bytes) -> tuple[Replay, ...]:
    return _decode_replays(content).items
