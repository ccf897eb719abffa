"""The native door: bytes in, bytes out. Records: schema/records.toml; behaviour: docs/rules.md."""

import os
from typing import Any, final

Buffer = bytes | bytearray | memoryview

@final
class Applied:
    """What a call of `Replica.apply` caused."""

    @property
    def events(self) -> bytes:
        """Event records of 96 bytes in cause order (`tradepit.domain.wire.EVENTS`)."""
    @property
    def texts(self) -> bytes:
        """For each event with flag TEXT, in order: u16 length, UTF-8 bytes."""
    @property
    def ends(self) -> bytes:
        """u32 per command: number of events up to and including that command's last one.

        The FRAME_APPLIED event counts to the first command of its frame.
        """
    @property
    def first_sequence(self) -> int:
        """Sequence of the first command applied (0 when every frame was a repeat)."""

@final
class Scan:
    """What `scan_frames` found from the start of a buffer."""

    @property
    def valid_bytes(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def last_sequence(self) -> int: ...
    @property
    def last_crc(self) -> int: ...
    @property
    def last_time_ns(self) -> int: ...
    @property
    def problem(self) -> str:
        """Empty when the buffer ends exactly after a whole frame; else why scanning stopped:
        `short` (torn tail), `zeros` (preallocated space), or `magic`, `version`, `crc`,
        `chain`, `sequence`, `length`, `padding`."""

def scan_frames(buffer: Buffer, first_sequence: int, previous_crc: int) -> Scan:
    """Check whole frames: lengths, crc, chain of crcs, dense sequences. Applies nothing."""

@final
class Writer:
    """A thread that writes and syncs in the order in which it is asked, without the GIL."""

    def __init__(self) -> None: ...
    def fileno(self) -> int:
        """Readable when there are results."""
    def submit(self, sync_first: int, descriptor: int, data: Buffer, offset: int) -> None:
        """fdatasync `sync_first` (-1 = nothing); write all of the data at the offset; fdatasync.
        Without data only the first of these. After a failure nothing more is done or told.

        Raises: RuntimeError when it is closed.
        """
    def results(self) -> list[tuple[float, int]]:
        """What has finished since the last call, in order: seconds of the write and its sync,
        errno of the call that failed or 0."""
    def close(self) -> None:
        """Return when what was submitted has finished, or one of it failed."""

class EnginePanicked(Exception):
    """The engine panicked; its state must not be used. `args[1]` is the sequence."""

class FrameError(Exception):
    """The buffer is not a run of whole, well-formed, consecutive frames; nothing after the
    offending frame was applied."""

@final
class GeneratedSession:
    """Order-by-order data of any length from a seed: `tradepit.marketdata.generated`."""

    def __init__(
        self,
        *,
        seed: int,
        instruments: int,
        orders: int,
        pre_open_orders: int,
        iceberg_ppm: int,
        start_ns: int,
        gap_ns: int,
    ) -> None:
        """Raises ValueError without an instrument."""
    def take(self, records: int) -> bytes:
        """The next whole events, at least so many records of `MBO_DTYPE`."""

@final
class Replica:
    """Engine state plus a bounded history of orders and trades (a view of the events)."""

    def __init__(self, *, history_orders: int = 200_000, history_trades: int = 250_000) -> None: ...
    @staticmethod
    def restore(
        snapshot: Buffer, *, history_orders: int = 200_000, history_trades: int = 250_000
    ) -> Replica:
        """Raises ValueError when the bytes are no snapshot of this version, or damaged."""
    def snapshot(self) -> bytes: ...
    def state_hash(self) -> str:
        """32 hex digits over the engine's logical state (history excluded)."""
    def quarantine(self, sequence: int) -> None:
        """Skip the command at this sequence when it comes."""
    def inject_panic(self, sequence: int) -> None:
        """For tests: panic when the command at this sequence is applied."""
    def apply(self, frames: Buffer) -> Applied:
        """Apply whole frames. Releases the GIL for large buffers.

        Raises: FrameError, EnginePanicked.
        """
    def replay(self, frames: Buffer) -> int:
        """`apply` without returning events; the number of commands applied."""

    @property
    def sequence(self) -> int: ...
    @property
    def market_time_ns(self) -> int: ...
    @property
    def next_due_ns(self) -> int:
        """When an order expires or a timer goes off; 0 = never."""
    @property
    def wakes_at_ns(self) -> int | None:
        """Market time at which something happens by itself: an expiry, a phase, a lease."""
    @property
    def rules_version(self) -> int:
        """0 before GENESIS."""
    def genesis(self) -> tuple[int, int, int, int]:
        """key_window_ns, key_capacity, accounts_max, market_id."""
    def key_statistics(self) -> tuple[int, int]:
        """Keys held, and finish time (ns) of the oldest finished one (0 = none)."""
    def counts(self) -> dict[str, int]:
        """accounts, live_orders, keys, trades, levels, history_orders, history_trades."""

    def feed_counts(self, instrument: int) -> tuple[int, int, int]:
        """Messages that the channels `trades`, `orders` and `book` of an instrument have had since
        the journal began; a view of the events, not of the state, carried in snapshots."""
    def report_count(self, account: int) -> int:
        """Execution reports that an account has had since the journal began."""
    def history_floor(self) -> tuple[int, int]:
        """Ids of the first order and the first trade that the history remembers; 0 when it has
        forgotten none."""

    # Definitions. Tuples in the order of the names given.
    def assets(self) -> list[tuple[int, str, int]]:
        """asset, code, scale."""
    def instruments(
        self,
    ) -> list[
        tuple[
            int,
            str,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
        ]
    ]:
        """instrument, symbol, phase, base_asset, quote_asset, tick_mantissa, tick_exponent,
        lot_mantissa, lot_exponent, definition_version, quantity_min, quantity_max, value_max,
        reference_price, collar_ppm, maker_fee_ppm, taker_fee_ppm, last_price, unit."""
    def starting_balances(self) -> list[tuple[int, int]]:
        """asset, amount."""
    def asset_totals(self, asset: int) -> tuple[int, int, int, int]:
        """deposits, withdrawals, sum of balances (recounted now), fees."""

    # Accounts.
    def account_number(self, id: str) -> int:
        """0 when there is none."""
    def account(self, account: int) -> tuple[str, str, int, int, int, int] | None:
        """id, name, AccountType, AccountState, open_orders, open_orders_max."""
    def account_id(self, account: int) -> str: ...
    def balances(self, account: int) -> list[tuple[int, int, int, int]]:
        """asset, total, held, credit; every asset that was ever touched or given at the start."""
    def positions(self, account: int) -> list[tuple[int, int, int, int, int, int, int, int]]:
        """instrument, net, cost, realised, version, open_buy, open_sell, position_max."""

    # Firms and the safety of accounts. Raise ValueError for an account that is not there.
    def firms(self) -> list[tuple[int, str, int, int, int, int, int, int]]:
        """account, account_id, budget_bid, budget_ask, used_bid, used_ask, position_limit (units
        of 10^-8), lease_ns; by account."""
    def makers(self, account: int) -> list[tuple[int, str, int, int, list[int]]]:
        """maker, name, epoch, lease_until_ns, instruments: a firm's live makers."""
    def firm_symbols(self, account: int) -> list[tuple[int, int]]:
        """instrument, maker (0 = nobody): what a firm makes."""
    def exposures(
        self, account: int
    ) -> list[
        tuple[
            int,
            int,
            int,
            int,
            tuple[int, int, int, int, int, int],
            tuple[int, int, int, int, int, int],
        ]
    ]:
        """instrument, ReservationStatus (0 = the account was no firm), maker, expires_at_ns, bid,
        ask: reservations and quotes. A side: requested, granted (what is still held), price,
        quantity, order_id (of the quote as it was set, 0 = none), leaves (what rests now)."""
    def exposed_accounts(self, instrument: int) -> list[int]:
        """Accounts with a reservation or a quote in an instrument, ascending."""
    def sessions(self, account: int) -> list[tuple[int, str, bool, int, int, int]]:
        """session, name, cancels_on_disconnect, binding, holder (an incarnation), lease_until_ns
        (unless the holder writes); by name."""
    def guard(self, account: int) -> tuple[int, int, int, int, int, int, int, int, int]:
        """messages_max, repeats_max, window_ns, traded_max, traded_asset; messages in this second,
        repeats and traded in this window; dead_man_at_ns (0 = off)."""
    def order_limits(self, account: int) -> list[tuple[int, int, int]]:
        """instrument, quantity_max, value_max; 0 = none."""

    # Phases.
    def trading_sessions(
        self,
    ) -> list[tuple[int, bool, int, int, int, int, int, int, int, int, list[int]]]:
        """instrument, is_held, next_at, reopens_at, reopens_phase, band_ppm, protection_ppm,
        halt_ns, auction_ns, band_reference, schedule (seven entries as in SET_SCHEDULE)."""
    def crossing(self, instrument: int) -> tuple[int, int, int] | None:
        """Price, volume, surplus (bids less asks) of the round that an uncrossing would make now;
        None when the book is not crossed."""

    # Book.
    def top(self, instrument: int) -> tuple[int, int, int, int]:
        """bid price, bid quantity, ask price, ask quantity; 0, 0 for an empty side."""
    def depth(self, instrument: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """price, quantity, orders; best first."""
    def queue(self, instrument: int, side: int, limit: int) -> list[tuple[int, int, int, int]]:
        """order_id, price, leaves, account; in priority order."""
    def queue_ahead(self, order_id: int) -> tuple[int, int] | None:
        """Quantity and number of orders before a resting order at its price."""

    # Orders and trades. ORDER tuple: order_id, account, instrument, side, order_type,
    # time_in_force, self_trade_prevention, options, status, close_reason, price, quantity, leaves,
    # filled, filled_value (ticks * lots), expires_at, created_at_ns, updated_at_ns,
    # client_order_id (or None), first_quantity, display_quantity, stop_price.
    def order(self, order_id: int) -> tuple[object, ...] | None:
        """Live (from the engine) or finished (from history)."""
    def order_at(self, order_id: int, sequence: int) -> tuple[object, ...] | None:
        """The order as it stood right after this sequence, from history."""
    def order_json(self, order_id: int, sequence: int) -> bytes | None:
        """The order object of the public interface: right after a sequence (from history), or as
        it stands now (sequence 0), then with its place in the queue while it rests."""
    def plain_request(self, data: bytes, host: bytes) -> tuple[bytes, str, int, int] | None:
        """Read an ordinary `POST /orders` that is whole: record, account id, start of the key's
        value (0 = none), start of the body. None for all that has anything unusual about it."""
    def plain_message(self, data: bytes) -> tuple[bytes, str, bytes] | None:
        """Read an ordinary socket message that places an order: record, account id, JSON of its
        id. None for all that has anything unusual about it."""
    def plain_batch(
        self, body: bytes, key: bytes | None, operations_max: int
    ) -> tuple[bytes, int, str] | None:
        """Read a batch that only places ordinary orders of one account: records, how many,
        account id. None for all that has anything unusual about it."""
    def batch_json(self, events: bytes, first_sequence: int, count: int) -> bytes | None:
        """The answer to a batch of orders; None when one of them was not accepted."""
    def placed_messages(self, events: bytes, first_sequence: int, count: int) -> list[bytes | None]:
        """Answers to so many requests, each a whole HTTP message; None where nothing was
        placed."""
    def placed_frames(
        self, events: bytes, first_sequence: int, ids: list[bytes]
    ) -> list[bytes | None]:
        """Answers to socket messages with these ids, each a whole frame; None as above."""
    def order_by_client_id(self, account: int, client_order_id: str) -> int:
        """Newest order of the account with this client order id; 0 = none known."""
    def orders(
        self, account: int, instrument: int, statuses: int, before_order_id: int, limit: int
    ) -> list[tuple[object, ...]]:
        """Newest first. 0 = any; statuses = bit mask (1 << OrderStatus), 0 = any."""
    def fills(self, order_id: int, limit: int) -> list[tuple[int, int, int, int, int, int, bool]]:
        """Oldest first: trade_id, sequence, time_ns, price, quantity, fee, is_maker."""
    def trades(
        self, instrument: int, account: int, before_trade_id: int, limit: int
    ) -> list[tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]]:
        """Newest first: trade_id, sequence, time_ns, instrument, price, quantity, maker_order_id,
        taker_order_id, maker_account, taker_account, taker_side, maker_fee, taker_fee."""

@final
class Books:
    """Books of many instruments and publishers, order by order: `tradepit.marketdata.books`.

    Records are whole ones of 56 bytes (`MBO_DTYPE`), otherwise ValueError and nothing is applied.
    Applying releases the GIL; meanwhile every other call raises RuntimeError. Applied: records,
    events ended, mistakes. Levels: price, size, orders. Sides: ord("B"), ord("A").
    """

    def __init__(self, *, add_unknown_modifies: bool) -> None: ...
    def apply(self, buffer: Buffer) -> tuple[int, int, int]: ...
    def apply_with_effects(self, buffer: Buffer) -> tuple[tuple[int, int, int], bytes]:
        """Applied, and `EFFECT_DTYPE` per record."""
    def apply_with_best(
        self, buffer: Buffer, changes_only: bool
    ) -> tuple[tuple[int, int, int], bytes]:
        """Applied, and `BBO_DTYPE` per event."""
    def start_source(self) -> None: ...
    def book_keys(self) -> list[tuple[int, int]]:
        """publisher_id, instrument_id; ascending."""
    def best(
        self, publisher: int, instrument: int
    ) -> tuple[tuple[int, int, int] | None, tuple[int, int, int] | None, bool]:
        """Bid, ask, whether an event is going on."""
    def best_of_all(
        self, instrument: int
    ) -> tuple[tuple[int, int, int] | None, tuple[int, int, int] | None, bool]: ...
    def levels(
        self, publisher: int, instrument: int, side: int, count: int
    ) -> list[tuple[int, int, int]]: ...
    def levels_of_all(
        self, instrument: int, side: int, count: int
    ) -> list[tuple[int, int, int]]: ...
    def level(
        self, publisher: int, instrument: int, side: int, price: int
    ) -> tuple[int, int, list[tuple[int, int]]] | None:
        """Price, size, orders (id, size) in queue order."""
    def order(
        self, publisher: int, instrument: int, id: int
    ) -> tuple[int, int, int, int, int, int] | None:
        """id, side, price, size, orders ahead, size ahead."""
    def size_of_side(self, publisher: int, instrument: int, side: int) -> tuple[int, int]:
        """Orders, levels."""
    def crossed(
        self, publisher: int, instrument: int
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Before the first trade and from then on: events, first and last ts_event."""
    def live_orders(self) -> int: ...
    def live_orders_max(self) -> int:
        """At once, since the books were made or loaded."""
    def counts(self) -> tuple[int, int, list[int], list[int]]:
        """Records, events, records by action (A C M R T F N other), mistakes by ERROR_…."""
    def save(self) -> bytes: ...
    def load(self, saved: Buffer) -> None:
        """Raises ValueError when the bytes are no saved books, or damaged."""
    def digest(self) -> str:
        """32 hex digits."""

class DbnError(Exception):
    """No DBN file of records that can be read, or a damaged one; the text names the place."""

@final
class DbnReader:
    """Order-by-order records of a DBN file: `tradepit.marketdata.dbn_reader`.

    Raises DbnError and OSError; when a file is damaged, after all before it was delivered.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None: ...
    def read(self, count: int) -> bytes:
        """The next records, about so many; empty at the end."""
    def apply_to(self, books: Books, count: int) -> tuple[int, int, int]:
        """Apply the next records, about so many: records, events, mistakes; 0 records at the
        end."""
    def metadata(self) -> dict[str, Any] | None:
        """The header; None for a fragment. Mappings: raw symbol, symbol, first day, day after."""
    def skipped(self) -> list[tuple[int, int]]:
        """Records of other kinds passed over: record type, count."""
    def progress(self) -> tuple[int, int]:
        """Bytes of the file read so far, and all of them."""

@final
class Symbols:
    """Symbols by instrument number and day: `tradepit.marketdata.replays.rendering`."""

    def __init__(self, mappings: list[tuple[int, str, int, int]]) -> None:
        """Instrument, symbol, start and end (ns since the Unix epoch, not included) each."""

def render_steps(
    records: Buffer,
    effects: Buffer,
    left_ns: Buffer | None,
    first_seq: int,
    first_number: int,
    symbols: Symbols,
    style: str,
) -> bytes:
    """Messages of a replay as JSON; `style` is lines, events or frames.

    As many whole records (`MBO_DTYPE`), effects (`EFFECT_DTYPE`) and times (`<u8`); without times
    that field is left out. Releases the GIL. Raises: ValueError when they are not as many, or a
    number does not fit 64 bits.
    """

@final
class FeedBoard:
    """The channels that somebody watches, written from events in one call per frame.

    Channels go by numbers that `open` gives; one that is not open is a KeyError. A place is a
    position in the journal (`tradepit.marketdata.feeds`), `seq` the number of a message in its
    channel.
    """

    def __init__(self) -> None: ...
    def open(
        self,
        replica: Replica,
        kind: str,
        *,
        instrument: int,
        account: int,
        head: str,
        window_max: int,
        interval_s: int = 0,
        untold: Buffer | None = None,
    ) -> int:
        """Open a channel that goes on from the present; its number is returned.

        Args:
            kind: `trades`, `prints` (trades as bare objects), `bbo`, `book`, `conflated_bbo`,
                `conflated_book`, `orders`, `candles`, `statistics` are written here; `execution`
                and `positions` by whoever calls `push`.
            account: whose, or for `orders` whose orders are marked; 0 = nobody.
            head: beginning of every message, up to its number.
            window_max: messages that are remembered once sent.
            interval_s: length of candles.
            untold: events that the replica has applied and that `on_events` is told next; with
                any, what the channel is about is new with them.
        Raises:
            ValueError: no such kind or account.
        """
    def close(self, number: int) -> None: ...
    def on_events(
        self, replica: Replica, events: Buffer
    ) -> tuple[
        bool,
        list[tuple[int, int, int, int, int, bytes]],
        list[tuple[int, int, int, int, int, int, int, int, int, int, int]],
        list[int],
    ]:
        """Write what events changed; the replica has applied exactly up to them.

        Returns:
            Whether anything watched changed; reports (`feeds.Report`) and fills (`feeds.Fill`) of
            watched accounts; watched accounts whose positions may have changed without a fill.
        """
    def push(self, number: int, data: str, *, place: int) -> int:
        """Add the next message, with this data; its number is returned."""
    def write_candles(self, replica: Replica) -> None:
        """Write the candles that have grown since the last time."""
    def conflate(self, replica: Replica, number: int) -> None:
        """Write what touched a conflated channel, or statistics, since the last time."""
    def snapshot(self, replica: Replica, number: int) -> bytes:
        """JSON of what the channel shows as it is now; for the kinds that are written here."""
    def last(self, number: int) -> int:
        """Number of the last message."""
    def pending(self) -> list[tuple[int, int]]:
        """Channels with messages that are not sent, each with how many."""
    def unsent_frames(self, number: int) -> bytes:
        """Those messages as WebSocket frames."""
    def unsent_events(self, numbers: list[int]) -> bytes:
        """Those messages of several channels as events of an event stream, in one order."""
    def sent(self, number: int) -> None:
        """What was not sent, is."""
    def forget(self, number: int, place: int) -> None:
        """Let nobody go on from a message up to now."""
    def frames_since(self, number: int, seq: int) -> bytes | None:
        """Messages after a number as frames; None when they are not remembered."""
    def remembers(self, number: int, place: int) -> bool:
        """Whether everything after a place is remembered."""
    def events_since(self, numbers: list[int], place: int) -> bytes:
        """Messages of several channels after a place, as events in one order."""
