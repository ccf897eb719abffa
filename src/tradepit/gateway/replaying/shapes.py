"""Bodies of replays: what is asked, what is answered."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from tradepit.gateway.problems import refused
from tradepit.marketdata.replays.session import SPEED_MAX, SPEED_MIN, STEP_MESSAGES_MAX

FASTEST: Final = "max"
SOURCE_LENGTH_MAX: Final = 4096

Speed = str | int | float
Mode = Literal["shared", "private"]


class ReplayWish(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /replays`."""

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=SOURCE_LENGTH_MAX)]
    """Name of a recording, or `market`: the market's own past."""
    speed: Speed = 1
    """Times the recording's own, 0.1 to 1000, or `max`."""
    mode: str = "shared"
    """`shared`: all watch one clock. `private`: one reader, whom the clock waits for."""
    loop: bool = False
    state: str = "paused"
    """Once it is indexed: `paused` or `playing`."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go: one of these."""

    number: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Messages of the recording that are applied then."""
    time: str | None = None
    """RFC 3339: to before the first message of this moment or later."""
    fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    sequence: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Of the venue: to before the first message with this or a higher one."""


class ReplayChange(msgspec.Struct, frozen=True, kw_only=True):
    """`PATCH /replays/{id}`; applied in this order."""

    speed: Speed | None = None
    loop: bool | None = None
    seek: str | Place | None = None
    """`start`, `end`, or a place."""
    step: Annotated[int, msgspec.Meta(ge=-STEP_MESSAGES_MAX, le=STEP_MESSAGES_MAX)] | None = None
    """So many messages forward, or back."""
    state: str | None = None
    """`playing` or `paused`."""


class ControlMessage(ReplayChange, frozen=True, kw_only=True):
    """A message on the WebSocket of a replay: a change, or a ping."""

    op: str
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ReplayBook(msgspec.Struct, frozen=True, kw_only=True):
    """One book of a recording."""

    instrument_id: int
    publisher_id: int
    instrument: str | None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the recording has been read for its index."""

    done_bytes: int
    all_bytes: int


class ReplayState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A replay as it stands."""

    id: str
    source: str
    mode: str
    state: str
    """`indexing`, `paused`, `playing`, `ended` or `failed`."""
    speed: str
    loop: bool
    seq: int
    """Of the last message that its readers were sent."""
    readers: int
    position: int
    """Messages of the recording that are applied."""
    messages: int
    """Of the recording; 0 while it is indexed."""
    time: str | None = None
    """Of the recording's clock."""
    first_time: str | None = None
    last_time: str | None = None
    format: str | None = None
    dataset: str | None = None
    books: list[ReplayBook] | None = None
    progress: Progress | None = None
    problem: str | None = None
    """Why it failed, or why the recording ends early."""
    steps: list[msgspec.Raw] | None = None
    """What a step has applied, at most the first thousand messages."""


class ReplayList(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /replays`."""

    items: list[ReplayState]
    next: str | None = None


class ReplayBooks(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /replays/{id}/book`."""

    id: str
    seq: int
    position: int
    time: str | None
    books: list[Any]
    """Each `{instrument, instrument_id, publisher_id, bids, asks}`, best level first."""


def speed_of(text: Speed) -> float | None:
    """The speed that a body names; None = as fast as possible. Raises `Refused`."""
    if isinstance(text, str) and text.lower() == FASTEST:
        return None
    try:
        speed = float(Decimal(str(text)))
    except ArithmeticError:
        speed = math.nan
    if not SPEED_MIN <= speed <= SPEED_MAX:
        detail = f"from {SPEED_MIN:g} to {SPEED_MAX:g}, or {FASTEST!r}"
        raise refused("invalid_field", detail, field="speed")
    return speed


def speed_text(speed: float | None) -> str:
    return FASTEST if speed is None else f"{speed:g}"


def word_of(text: str, words: tuple[str, ...], field: str) -> str:
    """One of some words, in any case. Raises `Refused`."""
    word = text.lower()
    if word not in words:
        raise refused("invalid_field", f"must be one of {', '.join(words)}", field=field)
    return word
