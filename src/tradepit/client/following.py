"""Following channels across lost connections, without input or output: what to ask for, what to
pass on, what to drop.

The messages of a channel are numbered by one; those of a channel that may skip name the one
before them. A reader that knows its last place therefore sees every gap and every double. After a
reconnect it asks to go on from its place; a node that remembers sends what was missed, any other a
snapshot, which is passed on with `is_gap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tradepit.client.channel_data import SHAPES
from tradepit.client.errors import UnreadableAnswer, api_error
from tradepit.client.models import Problem

STAR: Final = ":*"

SOCKET_PATH: Final = "/ws"

OF_AN_ACCOUNT: Final = ("execution", "positions", "orders")
CONFLATABLE: Final = ("book", "bbo")


class Message(NamedTuple):
    """One message of a channel."""

    channel: str
    seq: int
    """Place in the channel."""
    data: Any
    """By kind of channel: see `SHAPES`; a dict for kinds that this version does not know."""
    is_snapshot: bool = False
    """The state as it is now; what was known before is void."""
    is_gap: bool = False
    """A snapshot in place of messages that were lost."""


class _Wire(Struct):
    """What comes over a socket: an answer to a subscription, or a message of a channel."""

    channel: str = ""
    seq: int = 0
    previous_seq: int | None = None
    """Of channels that may skip; others count by one."""
    data: Raw | UnsetType = UNSET
    snapshot: Raw | UnsetType = UNSET
    resumed: bool = False
    id: Any = None
    status: int = 0
    problem: Problem | None = None


_decode = msgspec.json.Decoder(_Wire, strict=False).decode
_encode = msgspec.json.encode


class Follower:
    """Where a reader stands in each of its channels."""

    target: Final = SOCKET_PATH
    is_lost: Final = False
    final_codes: Final = frozenset[int]()

    def __init__(
        self, channels: Sequence[str], client_id: str | None, conflate_ms: int | None = None
    ) -> None:
        self._channels = list(channels)
        self._client_id = client_id
        self._conflate_ms = conflate_ms
        self._places: dict[str, int] = {}
        self._awaited: set[str] = set()
        """Channels asked to go on from their place and not answered yet: what does not follow is
        part of what will be sent again."""
        self._starred: set[str] = set()
        """Known channels of a `*` whose snapshot on this connection is still to come."""
        self._unanswered: set[str] = set()
        self._ended: set[str] = set()
        """Channels that were followed once: what still comes of them is dropped."""

    @property
    def is_subscribed(self) -> bool:
        """The node has taken every subscription: nothing from now on passes unseen."""
        return not self._unanswered

    def begin(self) -> list[bytes]:
        """What to send on a new connection."""
        self._awaited.clear()
        self._starred.clear()
        self._unanswered = set(self._channels)
        requests = []
        for channel in self._channels:
            if self._is_starred(channel):
                self._starred.update(name for name in self._places if _covers(channel, name))
                requests.append(self._request(channel, None))
            else:
                requests.append(self._go_on(channel))
        return requests

    def add(self, channel: str) -> bytes | None:
        """Follow one more channel; what to send for it on a connection that is open already."""
        if channel in self._channels:
            return None
        self._channels.append(channel)
        self._ended.discard(channel)
        self._unanswered.add(channel)
        # What is still under way of an earlier subscription says nothing without its snapshot.
        self._awaited.add(channel)
        return self._request(channel, None)

    def remove(self, channel: str) -> bytes | None:
        """Follow a channel no more; what to send for it on an open connection."""
        if channel not in self._channels:
            return None
        self._channels.remove(channel)
        self._ended.add(channel)
        for known in (self._unanswered, self._awaited):
            known.discard(channel)
        self._places.pop(channel, None)
        return self._encoded("unsubscribe", channel, None)

    def _is_starred(self, channel: str) -> bool:
        return channel == "statistics" or STAR in channel

    def _go_on(self, channel: str) -> bytes:
        place = self._places.get(channel)
        if place is not None:
            self._awaited.add(channel)
        return self._request(channel, place)

    def _request(self, channel: str, place: int | None) -> bytes:
        return self._encoded("subscribe", channel, place)

    def _encoded(self, op: str, channel: str, place: int | None) -> bytes:
        request: dict[str, Any] = {"id": channel, "op": op, "channel": channel}
        kind = channel.partition(":")[0]
        if kind in OF_AN_ACCOUNT and self._client_id is not None:
            request["client_id"] = self._client_id
        if kind in CONFLATABLE and self._conflate_ms is not None:
            request["conflate_ms"] = self._conflate_ms
        if place is not None:
            request["from"] = place
        return _encode(request)

    def take(self, payload: bytes) -> tuple[Message | None, bytes | None]:
        """Return the message to pass on, and the request to send, if any.

        Raises:
            ApiError: the node refuses a channel.
            UnreadableAnswer: not a message of this API.
        """
        try:
            wire = _decode(payload)
        except msgspec.MsgspecError as error:
            raise UnreadableAnswer(0, str(error)) from error
        if wire.problem is not None:
            if wire.id in self._ended:
                return None, None
            raise api_error(msgspec.structs.replace(wire.problem, status=wire.status))
        if wire.channel in self._ended:
            return None, None
        if wire.snapshot is not UNSET:
            return self._snapshot(wire)
        if wire.data is not UNSET:
            return self._update(wire)
        if wire.resumed:
            return self._resumed(wire)
        self._unanswered.discard(wire.id)
        return None, None

    def _snapshot(self, wire: _Wire) -> tuple[Message | None, bytes | None]:
        channel, place = wire.channel, self._places.get(wire.channel)
        if channel in self._starred:
            self._starred.discard(channel)
            return None, None if wire.seq == place else self._go_on(channel)
        self._awaited.discard(channel)
        self._places[channel] = wire.seq
        data = _data(channel, wire.snapshot, 0)
        is_gap = place is not None and place != wire.seq
        return Message(channel, wire.seq, data, True, is_gap), None

    def _update(self, wire: _Wire) -> tuple[Message | None, bytes | None]:
        channel, place = wire.channel, self._places.get(wire.channel)
        if place is not None and wire.seq <= place:
            return None, None
        before = wire.seq - 1 if wire.previous_seq is None else wire.previous_seq
        if before == place:
            self._places[channel] = wire.seq
            return Message(channel, wire.seq, _data(channel, wire.data, 1)), None
        if channel in self._awaited or channel in self._starred:
            return None, None
        return None, self._go_on(channel)

    def _resumed(self, wire: _Wire) -> tuple[Message | None, bytes | None]:
        channel = wire.channel
        self._awaited.discard(channel)
        if wire.seq == self._places.get(channel):
            return None, None
        return None, self._request(channel, None)


def _covers(pattern: str, channel: str) -> bool:
    """Whether a channel is one of those that a `*` stands for."""
    before, _, after = pattern.partition(STAR)
    return channel.startswith(before + ":") and channel.endswith(after)


def _data(channel: str, raw: Raw | UnsetType, which: int) -> Any:
    shapes = SHAPES.get(channel.partition(":")[0])
    json = b"null" if raw is UNSET else bytes(raw)
    try:
        return msgspec.json.decode(json, type=Any if shapes is None else shapes[which])
    except msgspec.MsgspecError as error:
        raise UnreadableAnswer(0, f"{channel}: {error}") from error
