"""The asyncio client of a node's HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, Unpack, overload

import httpx

from tradepit.client import calls, contracts, replays
from tradepit.client.async_firms import AsyncFirmRequests
from tradepit.client.calls import Call
from tradepit.client.contracts import (
    ContractHighestPrice,
    ContractLastTradeTime,
    Contracts,
    ContractSummary,
    ContractVolume,
    Ingested,
    TradeLine,
)
from tradepit.client.errors import ClientError, NodeUnreachable
from tradepit.client.models import (
    Account,
    AccountFill,
    AccountLimits,
    AccountState,
    Auction,
    Balance,
    BatchOperation,
    BatchResult,
    BoundSession,
    DeadMan,
    Instrument,
    MarketPhase,
    Number,
    Order,
    OrderBook,
    OrderQueue,
    Page,
    Place,
    PlaceFields,
    Position,
    ScheduleEntry,
    Side,
    Trade,
)
from tradepit.client.replay_streams import AsyncReplayStream
from tradepit.client.replays import Replay, ReplayBooks, ReplayPlace, Speed
from tradepit.client.retries import RECONNECTS, RetryPolicy, pause_before_retry
from tradepit.client.signing import Signing, credentials_of
from tradepit.client.streams import AsyncStream

T = TypeVar("T")
QUEUE_DEPTH: Final = 5_000
"""What the route shows at most."""


class AsyncClient(AsyncFirmRequests):
    """Talks to one node. Writes carry an idempotency key and are repeated until answered.

    Methods raise `NodeUnreachable` when no answer came in all attempts, and the `ApiError` of the
    problem document when the node refused.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        key: str | None = None,
        secret: str | None = None,
        retries: RetryPolicy | None = None,
        timeout_s: float = 10.0,
        reconnects: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """
        Args:
            key: with its `secret`, for a node in key mode: requests are signed.
            retries: of one call. reconnects: of a stream, after each loss of its connection.
        """
        self._retries = retries or RetryPolicy()
        self._reconnects = reconnects or RECONNECTS
        self._url = url
        self._credentials = credentials_of(key, secret)
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=timeout_s,
            transport=transport,
            trust_env=False,
            auth=None if self._credentials is None else Signing(self._credentials),
            # Reading certificates takes longer than a market: only where there are some.
            verify=not url.startswith("http://"),
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def health(self) -> None:
        """Whether the node answers; raises when it does not."""
        await self._send(calls.health())

    # Instruments.

    async def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument."""
        return await self._send(calls.list_instruments())

    async def instrument(self, symbol: str) -> Instrument:
        """One instrument, with its rules and its last price."""
        return await self._send(calls.get_instrument(symbol))

    async def create_instrument(self, *, key: str | None = None, **fields: Any) -> Instrument:
        """Create an instrument: `symbol`, `tick_size`, `lot_size` and what else the API takes."""
        return await self._send(calls.create_instrument(fields, key))

    async def remove_instrument(self, symbol: str, *, key: str | None = None) -> Instrument:
        """End an instrument in which nothing rests."""
        return await self._send(calls.remove_instrument(symbol, key))

    async def set_phase(self, symbol: str, phase: str, *, key: str | None = None) -> Instrument:
        """Set a phase: `continuous`, `halted`, `cancel_only`, `closed`, or one that gathers
        orders for an auction: `pre_open`, `auction`, `closing_auction`."""
        return await self._send(calls.set_phase(symbol, phase, key))

    async def set_market_phase(self, phase: str, *, key: str | None = None) -> MarketPhase:
        """Set the phase of every instrument."""
        return await self._send(calls.set_market_phase(phase, key))

    async def set_schedule(
        self,
        symbol: str,
        entries: Iterable[ScheduleEntry | Mapping[str, Any]],
        *,
        key: str | None = None,
    ) -> Instrument:
        """Set phases by time of day (UTC), such as `{"at": "08:00", "phase": "pre_open"}`; no
        entries take the schedule away."""
        return await self._send(calls.set_schedule(symbol, entries, key))

    async def set_safety(
        self, symbol: str, *, key: str | None = None, **fields: Number
    ) -> Instrument:
        """Set `band_percent`, `protection_percent`, `halt_seconds`, `auction_seconds`; what is not
        given stays."""
        return await self._send(calls.set_safety(symbol, fields, key))

    async def auction(self, symbol: str) -> Auction:
        """What an auction of an instrument would come to now."""
        return await self._send(calls.get_auction(symbol))

    # Accounts.

    async def open_account(self, *, key: str | None = None, **fields: Any) -> Account:
        """Open an account: `id`, `name`, `type`, `credit`."""
        return await self._send(calls.open_account(fields, key))

    async def account(self, account_id: str) -> Account:
        """An account with its balances."""
        return await self._send(calls.get_account(account_id))

    async def balances(self, account_id: str) -> tuple[Balance, ...]:
        """Total, held and available, per asset."""
        return await self._send(calls.list_balances(account_id))

    async def positions(self, account_id: str) -> tuple[Position, ...]:
        """Net quantity, average price and profit, per instrument."""
        return await self._send(calls.list_positions(account_id))

    async def account_trades(
        self,
        account_id: str,
        *,
        instrument: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[AccountFill]:
        """An account's own fills, newest first."""
        filters = calls.filters_of({"instrument": instrument, "limit": limit, "cursor": cursor})
        return await self._send(calls.list_account_trades(account_id, filters))

    async def deposit(
        self, account_id: str, *, asset: str, amount: Number, key: str | None = None
    ) -> Account:
        """Give an account money or coins."""
        call = calls.move_funds(
            account_id, "deposits", asset=asset, amount=amount, to=None, key=key
        )
        return await self._send(call)

    async def withdraw(
        self, account_id: str, *, asset: str, amount: Number, key: str | None = None
    ) -> Account:
        """Take money or coins away."""
        call = calls.move_funds(
            account_id, "withdrawals", asset=asset, amount=amount, to=None, key=key
        )
        return await self._send(call)

    async def transfer(
        self, account_id: str, *, to: str, asset: str, amount: Number, key: str | None = None
    ) -> Account:
        """Move money or coins to another account."""
        call = calls.move_funds(account_id, "transfers", asset=asset, amount=amount, to=to, key=key)
        return await self._send(call)

    async def set_limits(
        self, account_id: str, *, key: str | None = None, **fields: Any
    ) -> AccountLimits:
        """Set limits: `open_orders_max`, `credit` by asset, `instruments` (a list of `instrument`,
        `max_quantity`, `max_value`, `position_max`), `messages_per_second`, and the runaway guard:
        `repeats_max`, `traded_max` of `traded_asset`, per `window_seconds`. What is not given
        stays, 0 takes a limit away."""
        return await self._send(calls.set_limits(account_id, fields, key))

    async def suspend(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Refuse the account's new orders."""
        return await self._send(calls.change_state(account_id, "suspend", key))

    async def resume(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Take the account's orders again."""
        return await self._send(calls.change_state(account_id, "resume", key))

    async def limits(self, account_id: str) -> AccountLimits:
        """The limits of an account."""
        return await self._send(calls.get_limits(account_id))

    async def set_dead_man(
        self, account_id: str, *, timeout_ms: int, key: str | None = None
    ) -> DeadMan:
        """Cancel all of the account's orders unless this is called again in time; 0 = off."""
        return await self._send(calls.set_dead_man(account_id, timeout_ms, key))

    async def sessions(self, account_id: str) -> tuple[BoundSession, ...]:
        """Live sessions of an account, whose orders leave with their connections."""
        return await self._send(calls.list_sessions(account_id))

    async def cancel_only(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Refuse the account's new orders; those that rest stay, and it may cancel them."""
        return await self._send(calls.change_state(account_id, "cancel-only", key))

    async def kill(self, account_id: str, *, key: str | None = None) -> AccountState:
        """Cancel all of the account's orders and refuse new ones."""
        return await self._send(calls.change_state(account_id, "kill", key))

    # Orders.

    @overload
    async def place(self, order: Place, /, *, key: str | None = None) -> Order: ...
    @overload
    async def place(self, *, key: str | None = None, **fields: Unpack[PlaceFields]) -> Order: ...
    async def place(  # type: ignore[misc]  # mypy: Unpack beside a positional
        self, order: Place | None = None, /, *, key: str | None = None, **fields: Any
    ) -> Order:
        """Place an order, given as a `Place` or by its fields; the answer holds its fills."""
        wanted = Place(**fields) if order is None else order
        return await self._send(calls.place_order(wanted, key))

    async def cancel(
        self, order_id: str | int, *, client_id: str | None = None, key: str | None = None
    ) -> Order:
        """Cancel an order."""
        return await self._send(calls.cancel_order(order_id, client_id, key))

    async def replace(
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
        call = calls.replace_order(
            order_id,
            client_id=client_id,
            price=price,
            quantity=quantity,
            stop_price=stop_price,
            key=key,
        )
        return await self._send(call)

    async def batch(
        self, operations: Sequence[BatchOperation], *, key: str | None = None
    ) -> tuple[BatchResult, ...]:
        """Send up to 1,000 operations in one durable commit; one result for each, in order."""
        return (await self._send(calls.send_batch(operations, key))).results

    async def mass_cancel(
        self,
        *,
        client_id: str | None = None,
        instrument: str | None = None,
        side: Side | None = None,
        client_order_id: str | None = None,
        key: str | None = None,
    ) -> int:
        """Cancel the open orders that match; how many there were."""
        call = calls.mass_cancel(
            client_id=client_id,
            instrument=instrument,
            side=side,
            client_order_id=client_order_id,
            key=key,
        )
        return await self._send(call)

    async def order(self, order_id: str | int, *, client_id: str | None = None) -> Order:
        """An order as it stands now."""
        return await self._send(calls.get_order(order_id, client_id))

    async def orders(
        self,
        *,
        client_id: str | None = None,
        instrument: str | None = None,
        status: str | None = None,
        client_order_id: str | None = None,
        limit: int | str | None = None,
        cursor: str | None = None,
    ) -> Page[Order]:
        """Orders, newest first. `status` takes names such as `filled`, or `open`, with commas."""
        filters = calls.filters_of(
            {
                "client_id": client_id,
                "instrument": instrument,
                "status": status,
                "client_order_id": client_order_id,
                "limit": limit,
                "cursor": cursor,
            }
        )
        return await self._send(calls.list_orders(filters))

    # The book.

    async def trades(
        self,
        *,
        instrument: str | None = None,
        limit: int | str | None = None,
        cursor: str | None = None,
    ) -> Page[Trade]:
        """Trades, newest first."""
        filters = calls.filters_of({"instrument": instrument, "limit": limit, "cursor": cursor})
        return await self._send(calls.list_trades(filters))

    async def order_book(self, instrument: str, *, depth: int = 10) -> OrderBook:
        """The best levels of both sides."""
        return await self._send(calls.get_order_book(instrument, depth))

    async def order_queue(self, instrument: str, *, depth: int = QUEUE_DEPTH) -> OrderQueue:
        """Resting orders of both sides in the order in which they will trade."""
        return await self._send(calls.get_order_queue(instrument, depth))

    # Streams.

    def stream(
        self, *channels: str, client_id: str | None = None, conflate_ms: int | None = None
    ) -> AsyncStream:
        """Follow channels: `trades:SYM`, `bbo:SYM`, `book:SYM`, `orders:SYM`, `candles:SYM:1m`,
        `statistics:SYM`, `auction:SYM` (`*` for every instrument), `execution` and `positions` of
        an account.

        Use it with `async with`, and iterate over its messages. See `AsyncStream`.
        """
        return AsyncStream(
            self._url,
            channels,
            client_id=client_id,
            conflate_ms=conflate_ms,
            reconnects=self._reconnects,
            credentials=self._credentials,
        )

    # Replays of recordings.

    async def create_replay(
        self,
        source: str,
        *,
        speed: Speed = 1,
        mode: str = "shared",
        loop: bool = False,
        state: str = "paused",
    ) -> Replay:
        """Replay a recording that the node can see: a file there, or `market`, its own past.

        Args:
            mode: `shared`: all watch one clock. `private`: one reader, whom the clock waits for.
            state: once it is indexed: `paused` or `playing`.
        """
        call = replays.create_replay(source, speed=speed, mode=mode, loop=loop, state=state)
        return await self._send(call)

    async def replays(self) -> tuple[Replay, ...]:
        """All replays, newest first."""
        return await self._send(replays.list_replays())

    async def replay(self, replay_id: str) -> Replay:
        """A replay as it stands."""
        return await self._send(replays.get_replay(replay_id))

    async def change_replay(
        self,
        replay_id: str,
        *,
        speed: Speed | None = None,
        loop: bool | None = None,
        seek: Literal["start", "end"] | ReplayPlace | None = None,
        step: int | None = None,
        state: str | None = None,
    ) -> Replay:
        """Change a replay, in the order of the arguments.

        Args:
            step: so many messages forward, or back when it is negative.
            state: `playing` or `paused`.
        """
        call = replays.change_replay(
            replay_id, speed=speed, loop=loop, seek=seek, step=step, state=state
        )
        return await self._send(call)

    async def delete_replay(self, replay_id: str) -> Replay:
        """End a replay and its streams."""
        return await self._send(replays.delete_replay(replay_id))

    async def replay_book(
        self,
        replay_id: str,
        *,
        instrument: str | None = None,
        instrument_id: int | None = None,
        publisher_id: int | None = None,
        depth: int | None = None,
        by_order: bool = False,
    ) -> ReplayBooks:
        """The books where the replay stands; all of them without a name.

        Args:
            by_order: each level also with its `queue`.
        """
        filters = calls.filters_of(
            {
                "instrument": instrument,
                "instrument_id": instrument_id,
                "publisher_id": publisher_id,
                "depth": depth,
                "by": "order" if by_order else None,
            }
        )
        return await self._send(replays.get_replay_book(replay_id, filters))

    def follow_replay(
        self,
        replay_id: str,
        *,
        by_order: bool = False,
        is_awaited: bool = False,
        since: int | None = None,
    ) -> AsyncReplayStream:
        """Follow a replay: a `ReplaySnapshot`, then a `ReplayStep` for each message of the
        recording, and a `ReplayChanged` when somebody paused it or the like.

        Use it with `async with`, and iterate over its messages. See `AsyncReplayStream`.

        Args:
            by_order: snapshots hold every order.
            is_awaited: the clock waits for this reader, who therefore misses nothing.
            since: go on after the message with this `seq` instead of a first snapshot.
        """
        return AsyncReplayStream(
            self._url,
            replay_id,
            by_order=by_order,
            is_awaited=is_awaited,
            since=since,
            reconnects=self._reconnects,
            credentials=self._credentials,
        )

    async def ingest_trades(self, lines: Iterable[TradeLine]) -> Ingested:
        """Store trades of elsewhere; a line whose trade id was seen before changes nothing."""
        return await self._send(contracts.ingest_trades(lines))

    async def ingest_lines(self, body: bytes) -> Ingested:
        """Store trades that are lines of JSON already. Each must have a trade id: the call is
        repeated until it is answered."""
        return await self._send(contracts.ingest_body(body))

    async def contracts(self, *, limit: int = 50, cursor: str | None = None) -> Contracts:
        """Summaries of contracts, in the order of their tickers."""
        return await self._send(contracts.list_contracts(limit, cursor))

    async def contract_summary(
        self, ticker: str, *, price: Decimal | str | None = None, shard: int | None = None
    ) -> ContractSummary:
        """What a contract's trades come to, or those at one price."""
        return await self._send(contracts.contract_summary(ticker, price, shard))

    async def contract_volume(self, ticker: str, *, shard: int | None = None) -> ContractVolume:
        """Volume of a contract."""
        return await self._send(contracts.contract_volume(ticker, None, shard))

    async def contract_highest_price(
        self, ticker: str, *, shard: int | None = None
    ) -> ContractHighestPrice:
        """Highest price of a contract."""
        return await self._send(contracts.contract_highest_price(ticker, shard))

    async def contract_last_trade_time(
        self, ticker: str, *, shard: int | None = None
    ) -> ContractLastTradeTime:
        """Most recent trade time of a contract."""
        return await self._send(contracts.contract_last_trade_time(ticker, None, shard))

    async def contract_volume_at(
        self, ticker: str, price: Decimal | str, *, shard: int | None = None
    ) -> ContractVolume:
        """Volume of a contract at a price."""
        return await self._send(contracts.contract_volume(ticker, price, shard))

    async def contract_last_trade_time_at(
        self, ticker: str, price: Decimal | str, *, shard: int | None = None
    ) -> ContractLastTradeTime:
        """Most recent trade time of a contract at a price."""
        return await self._send(contracts.contract_last_trade_time(ticker, price, shard))

    async def _send(self, call: Call[T]) -> T:
        pauses = self._retries.pauses()
        while True:
            try:
                return await self._try(call)
            except ClientError as error:
                if isinstance(error, NodeUnreachable) and not call.is_repeatable:
                    raise
                await asyncio.sleep(pause_before_retry(error, pauses))

    async def _try(self, call: Call[T]) -> T:
        try:
            response = await self._http.request(
                call.method,
                call.path,
                params=call.params,
                content=call.body,
                headers=call.headers,
            )
        except httpx.TransportError as error:
            raise NodeUnreachable(str(self._http.base_url), repr(error)) from error
        return call.read(response.status_code, response.headers, response.content)
