"""The market in process: what one does with it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar, Unpack, overload

import msgspec
import numpy as np

from tradepit.client.models import (
    Account,
    AccountLimits,
    AccountState,
    BatchAnswer,
    BatchOperation,
    BatchResult,
    CancelCount,
    DeadMan,
    Instrument,
    MarketPhase,
    MassCancel,
    Number,
    Order,
    Place,
    PlaceFields,
    Replace,
    ScheduleEntry,
    Side,
)
from tradepit.domain import commands
from tradepit.domain.wire import RECORD_BYTES
from tradepit.gateway.account_drafts import (
    funds_draft,
    limits_draft,
    open_account_draft,
    state_draft,
    transfer_draft,
)
from tradepit.gateway.instrument_drafts import (
    define_instrument_draft,
    remove_instrument_draft,
)
from tradepit.gateway.phase_drafts import (
    market_phase_draft,
    phase_draft,
    safety_draft,
    schedule_draft,
)
from tradepit.gateway.safety_drafts import DeadManDraft
from tradepit.gateway.shapes import (
    DefineInstrument,
    Limits,
    MoveFunds,
    OpenAccount,
    SetDeadMan,
    SetInstrumentSafety,
    SetPhase,
    SetSchedule,
    Transfer,
    decode_amend,
    decode_operation,
)
from tradepit.journal.segments import JournalOptions
from tradepit.market.clock import (
    START,
    Clock,
    ManualClock,
    clock_of,
    ns_of_seconds,
    ns_of_text,
)
from tradepit.market.definition import InstrumentLike, definition_of, supplied_default
from tradepit.market.event_log import EventLog, Events
from tradepit.market.firms import MarketFirms
from tradepit.market.hosted import HostedMarket, is_new
from tradepit.market.image import (
    Image,
    Writer,
    last_writer,
    new_replica,
    open_source,
    restored_replica,
)
from tradepit.market.memory import MemoryMarket, MemoryNode
from tradepit.market.reads import Ground
from tradepit.market.writes import key_bytes as _key
from tradepit.market.writes import shape_of as _shape
from tradepit.node.definitions import DefinitionRefused, MarketDefinition, opening_commands
from tradepit.node.opening import NodeOptions
from tradepit.node.recovery import History

T = TypeVar("T")
Body = TypeVar("Body", bound=msgspec.Struct)
SEGMENT_BYTES: Final = 8 << 20
"""A segment is made before it is needed, and two of them before the first command: 8 MiB take
milliseconds, and hold 80,000 commands."""

MARKET_ID: Final = 1
"""Every market in memory is the same one, so that the same commands give the same bytes."""

_encode = msgspec.json.encode


class Market(MarketFirms):
    """An exchange inside this process: accounts, orders, matching, clearing, as a node has them.

    Arguments, answers and errors are those of `tradepit.client.Client`. What a rule refuses is
    raised: `Rejected` and its kin carry the code, the text and the amounts. Market time stands
    still until `advance`, so the same calls give the same bytes.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | MarketDefinition | None = None,
        *,
        instruments: Iterable[InstrumentLike] | None = None,
        balances: Mapping[str, Number] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        start: str = START,
        clock: str | Clock | None = None,
        keep_journal: bool = True,
        market_id: int = MARKET_ID,
        incarnation: int = 1,
        history: History | None = None,
    ) -> None:
        """
        Args:
            config: a TOML file, the name of a supplied one, or a definition. Default: `demo`,
                fourteen instruments, where every account starts with money and coins.
            instruments: in its place, symbols such as `ABC-USD` or mappings with `symbol`,
                `tick_size`, `lot_size`, `reference_price` and the other settings of
                docs/configuration.md.
            balances: what every account starts with, by asset; for `instruments`.
            data_dir: keep the journal there, on the disk, as a node does; a node can open the
                directory afterwards, and the other way round.
            start: market time of a new market.
            clock: None stands still until `advance`; `"wall"`, or a function that gives ns.
            keep_journal: False forgets the commands of a market in memory, 200 bytes each.
            market_id, incarnation: names that a market in memory writes into its journal; the state
                hash covers them.
            history: how many finished orders and trades can be read.
        """
        self._clock = clock_of(clock, start)
        definition = definition_of(config, instruments, balances)
        history = history or History()
        if data_dir is not None:
            self._ground: Ground = self._host(Path(data_dir), definition, history)
            return
        node = MemoryNode(
            new_replica(history),
            self._clock,
            writer=Writer(incarnation),
            journal=[] if keep_journal else None,
        )
        _define(node, definition or supplied_default(), market_id)
        self._ground = MemoryMarket(node, history)

    def _host(
        self, root: Path, definition: MarketDefinition | None, history: History
    ) -> HostedMarket:
        if definition is None and is_new(root):
            definition = supplied_default()
        options = NodeOptions(
            market=definition,
            history=history,
            clock=self._clock,
            journal=JournalOptions(SEGMENT_BYTES),
        )
        hosted = HostedMarket(root, options)
        if isinstance(self._clock, ManualClock):
            time_ns = hosted.run(lambda: hosted.node.replica.market_time_ns)
            self._clock.time_ns = max(self._clock.time_ns, time_ns)
        weakref.finalize(self, hosted.close)
        return hosted

    @classmethod
    def _on(cls, ground: Ground, clock: Clock) -> Market:
        market = cls.__new__(cls)
        market._ground, market._clock = ground, clock
        return market

    def __enter__(self) -> Market:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve this market over HTTP and WebSocket until it is closed; where clients find it.

        Only a market with a `data_dir`; port 0 takes any free one.
        """
        if not isinstance(self._ground, HostedMarket):
            raise ValueError("a market in memory has nothing to serve from; give it a data_dir")
        return self._ground.serve(host, port)

    def close(self) -> None:
        """Let go of the data directory. A market in memory has nothing to let go of."""
        self._ground.close()

    def __repr__(self) -> str:
        return f"<Market at sequence {self.sequence}, {self.now:%Y-%m-%d %H:%M:%S} UTC>"

    # Copies.

    def snapshot(self) -> bytes:
        """The whole state as bytes: accounts, orders and trades, positions, keys, clock."""
        return self._ground.image().pack()

    @classmethod
    def restore(cls, snapshot: bytes, *, history: History | None = None) -> Market:
        """A market in memory at a snapshot; its events begin there.

        Raises:
            ValueError: the bytes are no snapshot, of another version, or damaged.
        """
        return cls._at(Image.unpack(snapshot), history or History())

    def fork(self) -> Market:
        """A market in memory in the same state; what happens in one never shows in the other."""
        ground = self._ground
        events = ground.run(ground.events.copy)
        image = ground.image()._replace(time_ns=self._clock())
        return Market._at(image, ground.history, events, ground.frames())

    @classmethod
    def replay(
        cls,
        source: bytes | str | os.PathLike[str],
        *,
        until: int | None = None,
        history: History | None = None,
    ) -> Market:
        """A market in memory that has lived through a journal, with all its events.

        Args:
            source: the data directory of a node or market (in use or not), what `journal` gave, or
                a file of that.
            until: stop after this sequence.
        """
        history = history or History()
        found = open_source(source, until)
        replica = new_replica(history)
        for sequence in found.quarantined:
            replica.quarantine(sequence)
        clock = ManualClock(0)
        node = MemoryNode(replica, clock, writer=Writer(), journal=[])
        for frames in found.frames:
            node.take_over(frames, last_writer(frames))
        clock.time_ns = replica.market_time_ns
        return cls._on(MemoryMarket(node, history), clock)

    @classmethod
    def _at(
        cls,
        image: Image,
        history: History,
        events: EventLog | None = None,
        journal: list[bytes] | None = None,
    ) -> Market:
        clock = ManualClock(image.time_ns)
        node = MemoryNode(
            restored_replica(image.state, history),
            clock,
            writer=image.writer,
            events=events,
            journal=journal,
        )
        return cls._on(MemoryMarket(node, history), clock)

    # Time.

    def advance(self, seconds: float | Decimal | timedelta) -> datetime:
        """Move market time on; orders that are due expire. The new time."""
        return self._move(self._manual().time_ns + ns_of_seconds(seconds))

    def advance_to(self, time: str) -> datetime:
        """Move market time on to an RFC 3339 time."""
        return self._move(ns_of_text(time))

    def _move(self, time_ns: int) -> datetime:
        clock = self._manual()
        if time_ns < clock.time_ns:
            raise ValueError("time does not go back")
        jump = commands.time_jump(to_ns=time_ns)
        self._ground.execute(jump, b"", 1)
        clock.time_ns = time_ns
        return self.now

    def _manual(self) -> ManualClock:
        if not isinstance(self._clock, ManualClock):
            raise ValueError("this market runs on a clock of its own")
        return self._clock

    # Instruments.

    def create_instrument(self, *, key: str | None = None, **fields: Any) -> Instrument:
        """Create an instrument: `symbol`, `tick_size`, `lot_size` and what else the API takes."""
        body = _shape(fields, DefineInstrument)
        return self._write(
            lambda market: define_instrument_draft(market, body, _key(key)), Instrument
        )

    def remove_instrument(self, symbol: str, *, key: str | None = None) -> Instrument:
        """End an instrument in which nothing rests."""
        return self._write(
            lambda market: remove_instrument_draft(market, symbol, _key(key), None), Instrument
        )

    def set_phase(self, symbol: str, phase: str, *, key: str | None = None) -> Instrument:
        """Set a phase: `continuous`, `halted`, `cancel_only`, `closed`, or one that gathers
        orders for an auction: `pre_open`, `auction`, `closing_auction`."""
        body = SetPhase(phase)
        return self._write(lambda market: phase_draft(market, symbol, body, _key(key)), Instrument)

    def set_market_phase(self, phase: str, *, key: str | None = None) -> MarketPhase:
        """Set the phase of every instrument."""
        body = SetPhase(phase)
        return self._write(lambda market: market_phase_draft(market, body, _key(key)), MarketPhase)

    def set_schedule(
        self,
        symbol: str,
        entries: Iterable[ScheduleEntry | Mapping[str, Any]],
        *,
        key: str | None = None,
    ) -> Instrument:
        """Set phases by time of day (UTC), such as `{"at": "08:00", "phase": "pre_open"}`; no
        entries take the schedule away. They come as market time moves (`advance`)."""
        body = _shape({"entries": list(entries)}, SetSchedule)
        return self._write(
            lambda market: schedule_draft(market, symbol, body, _key(key)), Instrument
        )

    def set_safety(self, symbol: str, *, key: str | None = None, **fields: Number) -> Instrument:
        """Set `band_percent`, `protection_percent`, `halt_seconds`, `auction_seconds`; what is not
        given stays."""
        body = _shape(fields, SetInstrumentSafety)
        return self._write(lambda market: safety_draft(market, symbol, body, _key(key)), Instrument)

    # Accounts.

    def open_account(self, *, key: str | None = None, **fields: Any) -> Account:
        """Open an account: `id`, `name`, `type`, `credit`."""
        body = _shape(fields, OpenAccount)
        return self._write(lambda market: open_account_draft(market, body, _key(key)), Account)

    def deposit(
        self, account_id: str, *, asset: str, amount: Number, key: str | None = None
    ) -> Account:
        """Give an account money or coins."""
        body = _shape({"asset": asset, "amount": amount}, MoveFunds)
        return self._write(
            lambda market: funds_draft(market, account_id, body, _key(key), is_deposit=True),
            Account,
        )

    def withdraw(
        self, account_id: str, *, asset: str, amount: Number, key: str | None = None
    ) -> Account:
        """Take money or coins away."""
        body = _shape({"asset": asset, "amount": amount}, MoveFunds)
        return self._write(
            lambda market: funds_draft(market, account_id, body, _key(key), is_deposit=False),
            Account,
        )

    def transfer(
        self, account_id: str, *, to: str, asset: str, amount: Number, key: str | None = None
    ) -> Account:
        """Move money or coins to another account."""
        body = _shape({"asset": asset, "amount": amount, "to": to}, Transfer)
        return self._write(
            lambda market: transfer_draft(market, account_id, body, _key(key)), Account
        )

    def set_limits(
        self, account_id: str, *, key: str | None = None, **fields: Any
    ) -> AccountLimits:
        """Set limits: `open_orders_max`, `credit` by asset, `instruments` (a list of `instrument`,
        `max_quantity`, `max_value`, `position_max`), `messages_per_second`, and the runaway guard:
        `repeats_max`, `traded_max` of `traded_asset`, per `window_seconds`. What is not given
        stays, 0 takes a limit away."""
        body = _shape(fields, Limits)
        return self._write(
            lambda market: limits_draft(market, account_id, body, _key(key)), AccountLimits
        )

    def suspend(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Refuse the account's new orders."""
        return self._state(account_id, "suspend", key)

    def resume(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Take the account's orders again."""
        return self._state(account_id, "resume", key)

    def cancel_only(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Refuse the account's new orders; those that rest stay, and it may cancel them."""
        return self._state(account_id, "cancel-only", key)

    def set_dead_man(self, account_id: str, *, timeout_ms: int, key: str | None = None) -> DeadMan:
        """Cancel all of the account's orders unless this is called again within so much market
        time; 0 = off."""
        body = _shape({"timeout_ms": timeout_ms}, SetDeadMan)
        return self._write(
            lambda market: DeadManDraft(market, account_id, body, _key(key)), DeadMan
        )

    def kill(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Cancel all of the account's orders and refuse new ones."""
        return self._state(account_id, "kill", key)

    def _state(self, account_id: str, action: str, key: str | None) -> AccountState:
        return self._write(
            lambda market: state_draft(market, account_id, action, _key(key), None),
            AccountState,
        )

    # Orders.

    @overload
    def place(self, order: Place, /, *, key: str | None = None) -> Order: ...
    @overload
    def place(self, *, key: str | None = None, **fields: Unpack[PlaceFields]) -> Order: ...
    def place(  # type: ignore[misc]  # mypy: Unpack beside a positional
        self, order: Place | None = None, /, *, key: str | None = None, **fields: Any
    ) -> Order:
        """Place an order, given as a `Place` or by its fields; the answer holds its fills."""
        body = _encode(Place(**fields) if order is None else order)
        return self._do(lambda desk, reply: desk.place(body, _key(key), reply), Order)

    def cancel(
        self, order_id: str | int, *, client_id: str | None = None, key: str | None = None
    ) -> Order:
        """Cancel an order."""
        number = str(order_id)
        return self._do(lambda desk, reply: desk.cancel(number, client_id, _key(key), reply), Order)

    def replace(
        self,
        order_id: str | int,
        *,
        price: Number | None = None,
        quantity: Number | None = None,
        stop_price: Number | None = None,
        client_id: str | None = None,
        key: str | None = None,
    ) -> Order:
        """Give an order a new price, a new total quantity (fills included), and while it waits a
        new stop price."""
        wanted = Replace(
            order_id=str(order_id), price=price, quantity=quantity, stop_price=stop_price
        )
        amend = decode_amend(_encode(wanted))
        return self._do(
            lambda desk, reply: desk.replace(order_id, client_id, _key(key), amend, reply),
            Order,
        )

    def batch(
        self, operations: Sequence[BatchOperation], *, key: str | None = None
    ) -> tuple[BatchResult, ...]:
        """Do up to 1,000 operations as one; a refused one is told in its result, not raised."""
        body = _encode({"operations": operations})
        answer = self._do(lambda desk, reply: desk.batch(body, _key(key), reply), BatchAnswer)
        return answer.results

    def mass_cancel(
        self,
        *,
        client_id: str | None = None,
        instrument: str | None = None,
        side: Side | None = None,
        client_order_id: str | None = None,
        key: str | None = None,
    ) -> int:
        """Cancel the open orders that match; how many there were."""
        wanted = MassCancel(
            client_id=client_id,
            instrument=instrument,
            side=side,
            client_order_id=client_order_id,
        )
        operation = decode_operation(_encode(wanted))
        count = self._do(
            lambda desk, reply: desk.write(
                lambda: desk.operation_draft(operation, _key(key)), reply
            ),
            CancelCount,
        )
        return count.cancelled

    def apply(self, records: bytes | Events, texts: bytes = b"") -> bytes:
        """Apply command records as they are, the quickest way in; their event records.

        Args:
            records: 96 bytes each, from `tradepit.domain.commands` or an array of such records.
            texts: entries of the records that carry text.
        """
        data = records.tobytes() if isinstance(records, np.ndarray) else records
        return self._ground.execute(data, texts, len(data) // RECORD_BYTES).events


def _define(node: MemoryNode, definition: MarketDefinition, market_id: int) -> None:
    """The first commands of a new market."""
    batches = opening_commands(node.replica, definition, now_ns=node.clock(), market_id=market_id)
    refused = []
    for batch in batches:
        outcome = node.execute(batch.records, batch.texts, len(batch.changes))
        refused += batch.refusals(outcome.first_sequence, outcome.events)
    if refused:
        raise DefinitionRefused("the market does not take: " + "; ".join(refused))
