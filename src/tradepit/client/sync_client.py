"""The blocking client of a node's HTTP API."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, TypeVar

import httpx

from tradepit.client import calls
from tradepit.client.calls import Call
from tradepit.client.errors import ClientError, NodeUnreachable
from tradepit.client.models import (
    Account,
    BatchOperation,
    BatchResult,
    Instrument,
    Order,
    OrderBook,
    Page,
    Place,
    Trade,
)
from tradepit.client.retries import RetryPolicy, pause_before_retry

T = TypeVar("T")


class Client:
    """Talks to one node. Writes carry an idempotency key and are repeated until answered.

    Methods raise `NodeUnreachable` when no answer came in all attempts, and the `ApiError` of the
    problem document when the node refused.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        retries: RetryPolicy | None = None,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = retries or RetryPolicy()
        self._http = httpx.Client(
            base_url=url, timeout=timeout_s, transport=transport, trust_env=False
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> None:
        """Whether the node answers; raises when it does not."""
        self._send(calls.health())

    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument."""
        return self._send(calls.list_instruments())

    def create_instrument(self, *, key: str | None = None, **fields: Any) -> Instrument:
        """Create an instrument: `symbol`, `tick_size`, `lot_size` and what else the API takes."""
        return self._send(calls.create_instrument(fields, key))

    def open_account(self, *, key: str | None = None, **fields: Any) -> Account:
        """Open an account: `id`, `name`, `type`."""
        return self._send(calls.open_account(fields, key))

    def account(self, account_id: str) -> Account:
        """An account with its balances."""
        return self._send(calls.get_account(account_id))

    def place(self, order: Place, *, key: str | None = None) -> Order:
        """Place an order; the answer holds its fills."""
        return self._send(calls.place_order(order, key))

    def cancel(
        self, order_id: str, *, client_id: str | None = None, key: str | None = None
    ) -> Order:
        """Cancel an order."""
        return self._send(calls.cancel_order(order_id, client_id, key))

    def replace(
        self,
        order_id: str,
        *,
        price: Decimal | str | None = None,
        quantity: Decimal | str | None = None,
        client_id: str | None = None,
        key: str | None = None,
    ) -> Order:
        """Give an order a new price, a new total quantity (fills included), or both."""
        call = calls.replace_order(
            order_id, client_id=client_id, price=price, quantity=quantity, key=key
        )
        return self._send(call)

    def batch(
        self, operations: Sequence[BatchOperation], *, key: str | None = None
    ) -> tuple[BatchResult, ...]:
        """Send up to 1,000 operations in one durable commit; one result for each, in order."""
        return self._send(calls.send_batch(operations, key)).results

    def mass_cancel(
        self,
        *,
        client_id: str | None = None,
        instrument: str | None = None,
        side: str | None = None,
        key: str | None = None,
    ) -> int:
        """Cancel the open orders that match; how many there were."""
        call = calls.mass_cancel(client_id=client_id, instrument=instrument, side=side, key=key)
        return self._send(call)

    def order(self, order_id: str) -> Order:
        """An order as it stands now."""
        return self._send(calls.get_order(order_id))

    def orders(self, **filters: str) -> Page[Order]:
        """Orders, newest first: `client_id`, `instrument`, `status`, `limit`, `cursor`."""
        return self._send(calls.list_orders(filters))

    def trades(self, **filters: str) -> Page[Trade]:
        """Trades, newest first: `instrument`, `limit`, `cursor`."""
        return self._send(calls.list_trades(filters))

    def order_book(self, instrument: str, *, depth: int = 10) -> OrderBook:
        """The best levels of both sides."""
        return self._send(calls.get_order_book(instrument, depth))

    def _send(self, call: Call[T]) -> T:
        pauses = self._retries.pauses()
        while True:
            try:
                return self._try(call)
            except ClientError as error:
                time.sleep(pause_before_retry(error, pauses))

    def _try(self, call: Call[T]) -> T:
        try:
            response = self._http.request(
                call.method,
                call.path,
                params=call.params,
                content=call.body,
                headers=call.headers,
            )
        except httpx.TransportError as error:
            raise NodeUnreachable(str(self._http.base_url), repr(error)) from error
        return call.read(response.status_code, response.headers, response.content)
