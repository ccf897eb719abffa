"""What the gateway needs of a node. The node's adapter is chosen by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tradepit.engine.rows import FillTuple, OrderTuple
from tradepit.node.outcome import Done, GatheredDone

InstrumentTuple = tuple[
    int, str, int, int, int, int, int, int, int, int,
    int, int, int, int, int, int, int, int, int,
]  # fmt: skip
TradeTuple = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]
PositionTuple = tuple[int, int, int, int, int, int, int, int]


class Replica(Protocol):
    """Queries of the engine that has applied everything durable. See `_native.pyi`."""

    @property
    def sequence(self) -> int: ...
    @property
    def market_time_ns(self) -> int: ...
    def state_hash(self) -> str: ...
    def key_statistics(self) -> tuple[int, int]: ...
    def counts(self) -> dict[str, int]: ...
    def history_floor(self) -> tuple[int, int]: ...
    def assets(self) -> list[tuple[int, str, int]]: ...
    def instruments(self) -> list[InstrumentTuple]: ...
    def account_number(self, id: str) -> int: ...
    def account(self, account: int) -> tuple[str, str, int, int, int, int] | None: ...
    def account_id(self, account: int) -> str: ...
    def balances(self, account: int) -> list[tuple[int, int, int, int]]: ...
    def positions(self, account: int) -> list[PositionTuple]: ...
    def top(self, instrument: int) -> tuple[int, int, int, int]: ...
    def depth(self, instrument: int, side: int, levels: int) -> list[tuple[int, int, int]]: ...
    def queue(self, instrument: int, side: int, limit: int) -> list[tuple[int, int, int, int]]: ...
    def queue_ahead(self, order_id: int) -> tuple[int, int] | None: ...
    def order(self, order_id: int) -> OrderTuple | None: ...
    def order_at(self, order_id: int, sequence: int) -> OrderTuple | None: ...
    def order_json(self, order_id: int, sequence: int) -> bytes | None: ...
    def plain_request(self, data: bytes, host: bytes) -> tuple[bytes, str, int, int] | None: ...
    def plain_message(self, data: bytes) -> tuple[bytes, str, bytes] | None: ...
    def plain_batch(
        self, body: bytes, key: bytes | None, operations_max: int
    ) -> tuple[bytes, int, str] | None: ...
    def batch_json(self, events: bytes, first_sequence: int, count: int) -> bytes | None: ...
    def placed_messages(
        self, events: bytes, first_sequence: int, count: int
    ) -> list[bytes | None]: ...
    def placed_frames(
        self, events: bytes, first_sequence: int, ids: list[bytes]
    ) -> list[bytes | None]: ...
    def order_by_client_id(self, account: int, client_order_id: str) -> int: ...
    def orders(
        self, account: int, instrument: int, statuses: int, before_order_id: int, limit: int
    ) -> list[OrderTuple]: ...
    def fills(self, order_id: int, limit: int) -> list[FillTuple]: ...
    def trades(
        self, instrument: int, account: int, before_trade_id: int, limit: int
    ) -> list[TradeTuple]: ...


Listener = Callable[[int, bytes, bytes, bytes], None]
"""First sequence, events, texts, ends of one applied frame."""


class MarketNode(Protocol):
    """The node: commands in, outcomes and events out, all on one event loop."""

    @property
    def replica(self) -> Replica: ...

    def submit(
        self,
        records: bytes,
        texts: bytes,
        count: int,
        done: Done,
        *,
        urgent: bool = False,
        account: int | str = 0,
    ) -> None:
        """Queue commands for the next frame; raises `NotAccepted` when nothing was queued.

        `account` is the id of the account that speaks, 0 for the operator. `done` is called once,
        on the event loop, never from inside this call.
        """

    def gather(self, record: bytes, item: Any, done: GatheredDone, account: str) -> None:
        """Queue one command; like `submit`, but `done` is called once for many: with their items,
        and the outcome of all."""

    def add_listener(self, listener: Listener) -> None:
        """Call this after each applied frame, after the answers."""

    @property
    def is_ready(self) -> bool:
        """Takes new orders."""

    @property
    def in_flight(self) -> int:
        """Commands taken and not answered."""
