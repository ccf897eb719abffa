"""The calls of the API, without sending them: both clients share these.

A write carries an idempotency key, so that it can be repeated until an answer comes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from tradepit.client.errors import UnreadableAnswer, api_error
from tradepit.client.models import (
    Account,
    AccountFill,
    AccountLimits,
    AccountState,
    Auction,
    Balance,
    BatchAnswer,
    BatchOperation,
    BoundSession,
    CancelCount,
    DeadMan,
    Instrument,
    MarketPhase,
    Number,
    Order,
    OrderBook,
    OrderQueue,
    Page,
    Place,
    Position,
    Problem,
    ScheduleEntry,
    Trade,
)

BASE_PATH: Final = "/api/v1"
BATCH_MAX: Final = 1_000
"""Operations that the batch route takes at once."""

RETRY_STATUSES: Final = frozenset({429, 503})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request and the reading of its answer. `key` is set on writes.

    `is_repeatable` is False for a write without a key that would take effect twice.
    """

    method: str
    path: str
    decode: Callable[[bytes], T]
    params: Mapping[str, str] | None = None
    body: bytes | None = None
    key: str | None = None
    more_headers: Mapping[str, str] | None = None
    is_repeatable: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the request."""
        headers = {}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        return headers | dict(self.more_headers or {})

    def read(self, status: int, headers: Mapping[str, str], content: bytes) -> T:
        """Return the answer.

        Raises:
            ApiError: the node refused; the subclass follows the HTTP status.
            UnreadableAnswer: not an answer of this API.
        """
        try:
            if status < 400:
                return self.decode(content)
            problem = _decode_problem(content)
        except msgspec.MsgspecError as error:
            raise UnreadableAnswer(status, str(error)) from error
        retry_after = headers.get("retry-after", "")
        raise api_error(
            msgspec.structs.replace(problem, status=status),
            retry_after_s=float(retry_after) if retry_after.isdigit() else None,
        )


def new_key() -> str:
    """An idempotency key that nobody else has."""
    return secrets.token_hex(16)


def health() -> Call[None]:
    """GET /health, outside the API's base path."""
    return Call("GET", "/health", lambda _content: None)


def list_instruments() -> Call[tuple[Instrument, ...]]:
    """Every instrument."""
    return Call("GET", f"{BASE_PATH}/instruments", _decode_instruments)


def get_instrument(symbol: str) -> Call[Instrument]:
    """One instrument, with its rules and its last price."""
    return Call("GET", _instrument_path(symbol), _decode_instrument)


def remove_instrument(symbol: str, key: str | None) -> Call[Instrument]:
    """The end of an instrument in which nothing rests."""
    return Call("DELETE", _instrument_path(symbol), _decode_instrument, key=key or new_key())


def set_phase(symbol: str, phase: str, key: str | None) -> Call[Instrument]:
    """Halt, resume or close."""
    path = f"{_instrument_path(symbol)}/phase"
    body = _encode({"phase": phase})
    return Call("PUT", path, _decode_instrument, body=body, key=key or new_key())


def set_market_phase(phase: str, key: str | None) -> Call[MarketPhase]:
    """The same for every instrument."""
    return _write("PUT", "/market/phase", {"phase": phase}, _decode_market_phase, key)


def set_schedule(
    symbol: str, entries: Iterable[ScheduleEntry | Mapping[str, Any]], key: str | None
) -> Call[Instrument]:
    """Phases by time of day."""
    path = f"{_instrument_path(symbol)}/schedule"
    body = _encode({"entries": list(entries)})
    return Call("PUT", path, _decode_instrument, body=body, key=key or new_key())


def set_safety(symbol: str, fields: Mapping[str, Number], key: str | None) -> Call[Instrument]:
    """Automatic halts and protection; what is not among the fields stays."""
    path = f"{_instrument_path(symbol)}/safety"
    return Call("PUT", path, _decode_instrument, body=_encode(fields), key=key or new_key())


def get_auction(symbol: str) -> Call[Auction]:
    """What an uncrossing would come to now."""
    return Call("GET", f"{_instrument_path(symbol)}/auction", _decode_auction)


def _instrument_path(symbol: str) -> str:
    return f"{BASE_PATH}/instruments/{quote(symbol, safe='')}"


def create_instrument(fields: Mapping[str, Any], key: str | None) -> Call[Instrument]:
    """A new instrument; `fields` as in the API: symbol, tick_size, lot_size and others."""
    return _write("POST", "/instruments", fields, _decode_instrument, key)


def open_account(fields: Mapping[str, Any], key: str | None) -> Call[Account]:
    """A new account; `fields` as in the API: id, name, type."""
    return _write("POST", "/accounts", fields, _decode_account, key)


def get_account(account_id: str) -> Call[Account]:
    """An account with its balances."""
    return Call("GET", _account_path(account_id), _decode_account)


def list_balances(account_id: str) -> Call[tuple[Balance, ...]]:
    """Total, held and available, per asset."""
    return Call("GET", _account_path(account_id, "balances"), _decode_balances)


def list_positions(account_id: str) -> Call[tuple[Position, ...]]:
    """Net quantity, average price and profit, per instrument."""
    return Call("GET", _account_path(account_id, "positions"), _decode_positions)


def list_account_trades(account_id: str, filters: Mapping[str, str]) -> Call[Page[AccountFill]]:
    """An account's own fills, newest first."""
    path = _account_path(account_id, "trades")
    return Call("GET", path, _decode_account_trades, params=filters)


def move_funds(
    account_id: str, kind: str, *, asset: str, amount: Number, to: str | None, key: str | None
) -> Call[Account]:
    """A deposit, withdrawal or transfer: `kind` is the last part of the route."""
    body = {"asset": asset, "amount": amount} | ({} if to is None else {"to": to})
    path = _account_path(account_id, kind)
    return Call("POST", path, _decode_account, body=_encode(body), key=key or new_key())


def set_limits(account_id: str, fields: Mapping[str, Any], key: str | None) -> Call[AccountLimits]:
    """New limits; `fields` as in the API: open_orders_max, positions, credit."""
    path = _account_path(account_id, "limits")
    return Call("PUT", path, _decode_limits, body=_encode(fields), key=key or new_key())


def get_limits(account_id: str) -> Call[AccountLimits]:
    """The limits of an account."""
    return Call("GET", _account_path(account_id, "limits"), _decode_limits)


def set_dead_man(account_id: str, timeout_ms: int, key: str | None) -> Call[DeadMan]:
    """Cancel all orders unless this is sent again in time."""
    path = _account_path(account_id, "dead-man")
    body = _encode({"timeout_ms": timeout_ms})
    return Call("POST", path, _decode_dead_man, body=body, key=key or new_key())


def list_sessions(account_id: str) -> Call[tuple[BoundSession, ...]]:
    """Live sessions of an account."""
    return Call("GET", _account_path(account_id, "sessions"), _decode_sessions)


def change_state(account_id: str, action: str, key: str | None) -> Call[AccountState]:
    """Suspend, resume, make cancel-only, or kill."""
    path = _account_path(account_id, action)
    return Call("POST", path, _decode_state, key=key or new_key())


def _account_path(account_id: str, *more: str) -> str:
    return "/".join([BASE_PATH, "accounts", quote(account_id, safe=""), *more])


def place_order(order: Place, key: str | None) -> Call[Order]:
    """A new order; answered when durable and matched."""
    return _write("POST", "/orders", order, _decode_order, key)


def cancel_order(order_id: str | int, client_id: str | None, key: str | None) -> Call[Order]:
    """Take an order off the book."""
    params = {"client_id": client_id} if client_id else None
    return Call(
        "DELETE",
        f"{BASE_PATH}/orders/{order_id}",
        _decode_order,
        params=params,
        key=key or new_key(),
    )


def replace_order(
    order_id: str | int,
    *,
    client_id: str | None,
    price: Number | None,
    quantity: Number | None,
    stop_price: Number | None,
    key: str | None,
) -> Call[Order]:
    """A new price, a new total quantity (fills included), of a waiting order a new stop price."""
    fields = {
        "client_id": client_id,
        "price": price,
        "quantity": quantity,
        "stop_price": stop_price,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return _write("PATCH", f"/orders/{order_id}", given, _decode_order, key)


def send_batch(operations: Sequence[BatchOperation], key: str | None) -> Call[BatchAnswer]:
    """Up to `BATCH_MAX` operations, in order, in one durable commit."""
    if len(operations) > BATCH_MAX:
        raise ValueError(f"{len(operations)} operations in a batch, at most {BATCH_MAX} fit")
    return _write("POST", "/orders/batch", {"operations": operations}, _decode_batch, key)


def mass_cancel(
    *,
    client_id: str | None,
    instrument: str | None,
    side: str | None,
    client_order_id: str | None,
    key: str | None,
) -> Call[int]:
    """Cancel the open orders that match; how many there were."""
    fields = {
        "client_id": client_id,
        "instrument": instrument,
        "side": side,
        "client_order_id": client_order_id,
    }
    params = {name: value for name, value in fields.items() if value is not None}
    return Call("DELETE", f"{BASE_PATH}/orders", _decode_count, params=params, key=key or new_key())


def get_order(order_id: str | int, client_id: str | None) -> Call[Order]:
    """An order as it stands now."""
    params = {"client_id": client_id} if client_id else None
    return Call("GET", f"{BASE_PATH}/orders/{order_id}", _decode_order, params=params)


def list_orders(filters: Mapping[str, str]) -> Call[Page[Order]]:
    """Orders, newest first; filters as in the API."""
    return Call("GET", f"{BASE_PATH}/orders", _decode_orders, params=filters)


def list_trades(filters: Mapping[str, str]) -> Call[Page[Trade]]:
    """Trades, newest first; filters as in the API."""
    return Call("GET", f"{BASE_PATH}/trades", _decode_trades, params=filters)


def get_order_book(instrument: str, depth: int) -> Call[OrderBook]:
    """The best levels of both sides."""
    params = {"instrument": instrument, "depth": str(depth)}
    return Call("GET", f"{BASE_PATH}/orderbook", _decode_book, params=params)


def get_order_queue(instrument: str, depth: int) -> Call[OrderQueue]:
    """Resting orders of both sides in the order in which they will trade."""
    params = {"instrument": instrument, "depth": str(depth), "by": "order"}
    return Call("GET", f"{BASE_PATH}/orderbook", _decode_queue, params=params)


def filters_of(fields: Mapping[str, object]) -> dict[str, str]:
    """Filters of a list, without those that are not set."""
    return {name: str(value) for name, value in fields.items() if value is not None}


def _write(
    method: str, path: str, body: object, decode: Callable[[bytes], T], key: str | None
) -> Call[T]:
    return Call(
        method,
        f"{BASE_PATH}{path}",
        decode,
        body=_encode(body),
        key=key or new_key(),
    )


_encode = msgspec.json.Encoder().encode
_decode_problem = msgspec.json.Decoder(Problem).decode
_decode_account = msgspec.json.Decoder(Account).decode
_decode_instrument = msgspec.json.Decoder(Instrument).decode
_decode_order = msgspec.json.Decoder(Order).decode
_decode_batch = msgspec.json.Decoder(BatchAnswer).decode
_decode_book = msgspec.json.Decoder(OrderBook).decode
_decode_orders = msgspec.json.Decoder(Page[Order]).decode
_decode_trades = msgspec.json.Decoder(Page[Trade]).decode
_decode_instrument_page = msgspec.json.Decoder(Page[Instrument]).decode
_decode_queue = msgspec.json.Decoder(OrderQueue).decode
_decode_account_trades = msgspec.json.Decoder(Page[AccountFill]).decode
_decode_limits = msgspec.json.Decoder(AccountLimits).decode
_decode_auction = msgspec.json.Decoder(Auction).decode
_decode_market_phase = msgspec.json.Decoder(MarketPhase).decode
_decode_dead_man = msgspec.json.Decoder(DeadMan).decode
_decode_session_page = msgspec.json.Decoder(Page[BoundSession]).decode
_decode_state = msgspec.json.Decoder(AccountState).decode
_decode_balance_page = msgspec.json.Decoder(Page[Balance]).decode
_decode_position_page = msgspec.json.Decoder(Page[Position]).decode
_decode_cancelled = msgspec.json.Decoder(CancelCount).decode


def _decode_instruments(content: bytes) -> tuple[Instrument, ...]:
    return _decode_instrument_page(content).items


def _decode_balances(content: bytes) -> tuple[Balance, ...]:
    return _decode_balance_page(content).items


def _decode_positions(content: bytes) -> tuple[Position, ...]:
    return _decode_position_page(content).items


def _decode_sessions(content: bytes) -> tuple[BoundSession, ...]:
    return _decode_session_page(content).items


def _decode_count(content: bytes) -> int:
    return _decode_cancelled(content).cancelled
