"""Channel names: from what a subscriber writes to what a channel carries."""

from __future__ import annotations

from typing import Final, NamedTuple

from tradepit.gateway.answers import json_text
from tradepit.gateway.intervals import interval_seconds
from tradepit.gateway.listing import Listing
from tradepit.gateway.problems import refused

CONFLATE_MS_MIN: Final = 10
CONFLATE_MS_MAX: Final = 10_000

STATISTICS_MS: Final = 250
"""They are told at most four times a second."""

PUBLIC: Final = ("trades", "bbo", "book", "orders", "candles", "statistics", "auction")
PRIVATE: Final = ("execution", "positions")
CONFLATABLE: Final = ("bbo", "book")
STAR: Final = "*"


class Name(NamedTuple):
    """What a channel carries. Numbers are 0 where they do not apply."""

    kind: str
    """One of those above, or `prints`: bare trade objects of /ws/trades."""
    instrument: int = 0
    account: int = 0
    """Whose; of `orders`, whose orders are marked."""
    conflate_ms: int = 0
    interval: str = ""
    """Of candles, as it was written."""

    @property
    def interval_s(self) -> int:
        """Seconds of a candle."""
        return interval_seconds(self.interval) if self.interval else 0

    @property
    def timer_ms(self) -> int:
        """Milliseconds between its messages; 0 = they come as things happen."""
        return STATISTICS_MS if self.kind == "statistics" else self.conflate_ms

    @property
    def board_kind(self) -> str:
        """What the native board calls it."""
        return f"conflated_{self.kind}" if self.conflate_ms else self.kind

    def is_same_channel(self, other: Name) -> bool:
        """Whether a subscriber calls both by one name."""
        if self.kind in PRIVATE:
            return self == other
        return (*self[:2], self.interval) == (*other[:2], other.interval)


class Pattern(NamedTuple):
    """A name as it was written, before symbols and accounts became numbers."""

    kind: str
    symbol: str = ""
    conflate_ms: int = 0
    interval: str = ""


def parse(channel: str, conflate_ms: int) -> Pattern:
    """Read the text of a channel; raises `Refused`."""
    if channel in PRIVATE:
        return Pattern(channel)
    if channel == "statistics":
        return Pattern(channel, STAR)
    kind, separator, symbol = channel.partition(":")
    if not separator or kind not in (*PUBLIC, "prints"):
        raise refused("invalid_field", f"there is no channel {channel!r}", field="channel")
    if kind != "candles":
        return Pattern(kind, symbol, conflate_ms if kind in CONFLATABLE else 0)
    symbol, _, interval = symbol.rpartition(":")
    interval_seconds(interval, code="invalid_field", field="channel")
    return Pattern(kind, symbol, interval=interval)


def check_conflation(conflate_ms: int | None) -> int:
    """Milliseconds between messages about one level, 0 for every message; raises `Refused`."""
    if conflate_ms is None:
        return 0
    if not CONFLATE_MS_MIN <= conflate_ms <= CONFLATE_MS_MAX:
        detail = f"conflate_ms must be {CONFLATE_MS_MIN} to {CONFLATE_MS_MAX}"
        raise refused("invalid_field", detail, field="conflate_ms")
    return conflate_ms


def check_conflatable(channel: str, conflate_ms: int | None) -> None:
    """Raise `Refused` when this channel's messages cannot stand for each other."""
    if conflate_ms is not None and channel.partition(":")[0] not in CONFLATABLE:
        detail = f"{channel} cannot be conflated, only bbo and book"
        raise refused("invalid_field", detail, field="conflate_ms")


def head_of(name: Name, listing: Listing, client_id: str) -> str:
    """Beginning of each of a channel's messages, up to its number."""
    if name.kind == "prints":
        return ""
    if name.kind in PRIVATE:
        return f'{{"channel":"{name.kind}","client_id":{json_text(client_id)},"seq":'
    symbol = listing.by_number[name.instrument].row.symbol
    interval = f":{name.interval}" if name.interval else ""
    channel = json_text(f"{name.kind}:{symbol}{interval}")
    conflation = f'"conflate_ms":{name.conflate_ms},' if name.conflate_ms else ""
    return f'{{"channel":{channel},{conflation}"seq":'
