"""What a test needs of an engine, so that this room names none of those that it checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Applied(Protocol):
    """What `apply` returns; the native engine's `Applied` is one."""

    @property
    def events(self) -> bytes: ...
    @property
    def texts(self) -> bytes: ...
    @property
    def ends(self) -> bytes: ...
    @property
    def first_sequence(self) -> int: ...


class Engine(Protocol):
    """An engine whose whole state can be asked for; the native `Replica` is one."""

    def apply(self, frames: bytes, /) -> Applied: ...

    @property
    def sequence(self) -> int: ...
    @property
    def market_time_ns(self) -> int: ...
    @property
    def next_expiry_ns(self) -> int: ...
    def key_statistics(self) -> tuple[int, int]: ...
    def asset_totals(self, asset: int, /) -> tuple[int, int, int, int]: ...
    def balances(self, account: int, /) -> list[tuple[int, int, int, int]]: ...
    def positions(
        self, account: int, /
    ) -> list[tuple[int, int, int, int, int, int, int, int]]: ...
    def queue(
        self, instrument: int, side: int, limit: int, /
    ) -> list[tuple[int, int, int, int]]: ...


EngineFactory = Callable[[], Engine]
