"""What one asks of a market in process. Answers are the records of `tradepit.client.models`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from tradepit.client.errors import api_error
from tradepit.client.models import (
    Account,
    AccountFill,
    AccountLimits,
    Auction,
    Balance,
    Instrument,
    Level,
    Order,
    OrderBook,
    OrderQueue,
    Page,
    Position,
    Problem,
    QueuedOrder,
    Top,
    Trade,
)
from tradepit.domain.wire import Side
from tradepit.engine.rows import PositionRow, TopRow, TradeRow
from tradepit.gateway.administration import known_account
from tradepit.gateway.answers import SIDE_TEXT
from tradepit.gateway.desk import Desk, Reply
from tradepit.gateway.drafts import Market as Lookup
from tradepit.gateway.fields import order_number, statuses_field
from tradepit.gateway.instrument_statements import (
    auction_body,
    instrument_bodies,
    newest_instrument_body,
)
from tradepit.gateway.problems import Refused, encode_problem, refused
from tradepit.gateway.replies import Answer
from tradepit.gateway.statements import (
    account_body,
    balances_of,
    limits_body,
    own_fills,
    position_of,
)
from tradepit.gateway.times import format_time
from tradepit.market.clock import datetime_of
from tradepit.market.data_frames import data_frame
from tradepit.market.event_log import EventLog, Events
from tradepit.market.image import Image
from tradepit.node.outcome import Outcome
from tradepit.node.recovery import History

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
LEVELS_MAX: Final = 2**31
"""No bound: every level or order of a side."""


class Ground(Protocol):
    """What a market stands on: memory, or a node on a data directory."""

    @property
    def desk(self) -> Desk: ...
    @property
    def events(self) -> EventLog: ...
    @property
    def history(self) -> History: ...
    def run(self, function: Callable[[], T]) -> T: ...
    def answer(self, start: Callable[[Reply], None]) -> Answer: ...
    def execute(self, records: bytes, texts: bytes, count: int) -> Outcome: ...
    def image(self) -> Image: ...
    def journal(self) -> bytes: ...
    def frames(self) -> list[bytes] | None: ...
    def close(self) -> None: ...


class QueuePlace(NamedTuple):
    """What stands before a resting order at its price."""

    quantity: Decimal
    orders: int


class MarketReads:
    """The reading half of `Market`."""

    _ground: Ground

    def _ask(self, function: Callable[[Lookup], T]) -> T:
        """Ask; what the edge refuses is raised as the client raises it."""
        try:
            return self._ground.run(lambda: function(self._ground.desk.market))
        except Refused as error:
            raise raised(encode_problem(error.problem), error.problem.status) from None

    # Instruments.

    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument."""

        def read(market: Lookup) -> tuple[Instrument, ...]:
            return tuple(decode(body, Instrument) for body in instrument_bodies(market))

        return self._ask(read)

    def instrument(self, symbol: str) -> Instrument:
        """One instrument, with its rules and its last price."""

        def read(market: Lookup) -> Instrument:
            market.listing.find(symbol)
            return decode(newest_instrument_body(market, symbol), Instrument)

        return self._ask(read)

    def auction(self, symbol: str) -> Auction:
        """What an auction of an instrument would come to now."""
        return self._ask(lambda market: decode(auction_body(market, symbol), Auction))

    # Orders.

    def order(self, order_id: str | int, *, client_id: str | None = None) -> Order:
        """An order as it stands now."""

        def read(market: Lookup) -> Order:
            row = market.replica.order(order_number(order_id))
            if row is None or (
                client_id is not None and row[1] != market.replica.account_number(client_id)
            ):
                raise refused("unknown_order")
            return decode(market.renderer.order_row(row), Order)

        return self._ask(read)

    def orders(
        self,
        *,
        client_id: str | None = None,
        instrument: str | None = None,
        status: str | None = None,
        client_order_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Order]:
        """Orders, newest first. `status` takes names such as `filled`, or `open`, with commas."""

        def read(market: Lookup) -> Page[Order]:
            replica = market.replica
            number = 0 if instrument is None else market.listing.find(instrument).number
            account = 0 if client_id is None else replica.account_number(client_id)
            statuses = statuses_field(status)
            if client_id is not None and not account:
                return Page((), replica.sequence)
            if client_order_id is not None:
                row = replica.order(replica.order_by_client_id(account, client_order_id))
                rows = [] if row is None else [row]
            else:
                rows = replica.orders(account, number, statuses, int(cursor or 0), limit + 1)
            items = tuple(decode(market.renderer.order_row(row), Order) for row in rows[:limit])
            return Page(items, replica.sequence, items[-1].id if len(rows) > limit else None)

        return self._ask(read)

    def queue_place(self, order_id: str | int) -> QueuePlace | None:
        """What stands before an order in its queue; None when it does not rest."""

        def read(market: Lookup) -> QueuePlace | None:
            number = order_number(order_id)
            row, place = market.replica.order(number), market.replica.queue_ahead(number)
            if row is None or place is None:
                return None
            instrument = market.listing.by_number[row[2]]
            return QueuePlace(Decimal(instrument.quantity_text(place[0])), place[1])

        return self._ask(read)

    # The book.

    def order_book(self, instrument: str, *, depth: int = 10) -> OrderBook:
        """The best levels of both sides."""

        def read(market: Lookup) -> OrderBook:
            found = market.listing.find(instrument)
            bids, asks = (
                tuple(
                    Level(
                        Decimal(found.price_text(price)),
                        Decimal(found.quantity_text(quantity)),
                        orders,
                    )
                    for price, quantity, orders in market.replica.depth(found.number, side, depth)
                )
                for side in (Side.BUY, Side.SELL)
            )
            return OrderBook(instrument, bids, asks, market.replica.sequence)

        return self._ask(read)

    def order_queue(self, instrument: str, *, depth: int = LEVELS_MAX) -> OrderQueue:
        """Resting orders of both sides in the order in which they will trade."""

        def read(market: Lookup) -> OrderQueue:
            found = market.listing.find(instrument)
            bids, asks = (
                tuple(
                    QueuedOrder(
                        str(order_id),
                        Decimal(found.price_text(price)),
                        Decimal(found.quantity_text(leaves)),
                    )
                    for order_id, price, leaves, _ in market.replica.queue(
                        found.number, side, depth
                    )
                )
                for side in (Side.BUY, Side.SELL)
            )
            return OrderQueue(instrument, bids, asks, market.replica.sequence)

        return self._ask(read)

    def top(self, instrument: str) -> Top:
        """Best bid and offer."""

        def read(market: Lookup) -> Top:
            found = market.listing.find(instrument)
            row = TopRow._make(market.replica.top(found.number))
            price, quantity = found.price_text, found.quantity_text
            return Top(
                Decimal(price(row.bid_price)) if row.bid_quantity else None,
                Decimal(quantity(row.bid_quantity)),
                Decimal(price(row.ask_price)) if row.ask_quantity else None,
                Decimal(quantity(row.ask_quantity)),
            )

        return self._ask(read)

    def trades(
        self, *, instrument: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Trade]:
        """Trades, newest first."""

        def read(market: Lookup) -> Page[Trade]:
            number = 0 if instrument is None else market.listing.find(instrument).number
            rows = market.replica.trades(number, 0, int(cursor or 0), limit + 1)
            items = tuple(_trade(market, TradeRow._make(row)) for row in rows[:limit])
            last = items[-1].id if len(rows) > limit else None
            return Page(items, market.replica.sequence, last)

        return self._ask(read)

    # Accounts.

    def account(self, account_id: str) -> Account:
        """An account with its balances."""

        def read(market: Lookup) -> Account:
            known_account(market, account_id)
            return decode(account_body(market, account_id), Account)

        return self._ask(read)

    def limits(self, account_id: str) -> AccountLimits:
        """The limits of an account."""

        def read(market: Lookup) -> AccountLimits:
            account = known_account(market, account_id)
            return decode(limits_body(market, account_id, account), AccountLimits)

        return self._ask(read)

    def balances(self, account_id: str) -> tuple[Balance, ...]:
        """Total, held and available, per asset."""

        def read(market: Lookup) -> tuple[Balance, ...]:
            rows = balances_of(market, known_account(market, account_id))
            return decode(msgspec.json.encode(rows), tuple[Balance, ...])

        return self._ask(read)

    def positions(self, account_id: str) -> tuple[Position, ...]:
        """Net quantity, average price and profit, per instrument."""

        def read(market: Lookup) -> tuple[Position, ...]:
            rows = market.replica.positions(known_account(market, account_id))
            found = [position_of(market, PositionRow._make(row)) for row in rows]
            return decode(msgspec.json.encode(found), tuple[Position, ...])

        return self._ask(read)

    def account_trades(
        self,
        account_id: str,
        *,
        instrument: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AccountFill]:
        """An account's own fills, newest first."""

        def read(market: Lookup) -> Page[AccountFill]:
            account = known_account(market, account_id)
            number = 0 if instrument is None else market.listing.find(instrument).number
            rows = market.replica.trades(number, account, int(cursor or 0), limit + 1)
            texts = [
                text
                for row in rows[:limit]
                for text in own_fills(market, TradeRow._make(row), account)
            ]
            last = str(rows[limit - 1][0]) if len(rows) > limit else None
            items = tuple(decode(text, AccountFill) for text in texts)
            return Page(items, market.replica.sequence, last)

        return self._ask(read)

    # The market itself.

    @property
    def sequence(self) -> int:
        """Sequence of the last command."""
        return self._ask(lambda market: market.replica.sequence)

    @property
    def state_hash(self) -> str:
        """Fingerprint of the engine's state, 32 hex digits."""
        return self._ask(lambda market: market.replica.state_hash())

    @property
    def time_ns(self) -> int:
        """Market time in nanoseconds since the epoch."""
        return self._ask(lambda market: market.replica.market_time_ns)

    @property
    def now(self) -> datetime:
        """Market time."""
        return datetime_of(self.time_ns)

    def events(self, kind: str | None = None, *, since: int = 0) -> Events:
        """Events as a numpy array of wire records, in cause order.

        Args:
            kind: such as `trade` or `order_accepted`, with all fields of that kind; None gives all
                kinds with the fields that every event has.
            since: a sequence; only events of later commands.
        Units: price in ticks, quantity in lots, money in minor units, time in ns.
        """
        return self._ground.run(lambda: self._ground.events.array(kind, since))

    def data_frame(self, kind: str, *, since: int = 0) -> pd.DataFrame:
        """Events of a kind as a data frame: symbols, account ids, times, decimals as floats.

        Raises:
            ImportError: pandas is not installed (`pip install tradepit[notebook]`).
        """
        return self._ask(lambda market: data_frame(market, self._ground.events, kind, since))

    def journal(self) -> bytes:
        """All commands as journal frames; `Market.replay` takes them."""
        return self._ground.journal()


def decode(body: bytes | str | None, shape: type[T]) -> T:
    """A body of the public interface as a record."""
    if body is None:
        raise AssertionError("what was looked up a moment ago is gone")
    return msgspec.json.decode(body, type=shape)


def raised(problem: bytes, status: int) -> Exception:
    """The exception of a problem document."""
    document: Any = msgspec.json.decode(problem, type=Problem, strict=False)
    return api_error(msgspec.structs.replace(document, status=status))


def _trade(market: Lookup, row: TradeRow) -> Trade:
    instrument = market.listing.by_number[row.instrument]
    return Trade(
        str(row.trade_id),
        instrument.row.symbol,
        Decimal(instrument.price_text(row.price)),
        Decimal(instrument.quantity_text(row.quantity)),
        str(row.maker_order_id),
        str(row.taker_order_id),
        "buy" if SIDE_TEXT[row.taker_side] == "buy" else "sell",
        format_time(row.time_ns),
    )
