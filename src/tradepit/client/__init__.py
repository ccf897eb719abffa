"""The public Python client of a Tradepit node.

- `sync_client`: `Client`, blocking; `async_client`: `AsyncClient`, for asyncio
- `calls`: the requests of both, and the reading of their answers; `retries`: when to repeat them
- `models`: what the API takes and answers, as typed records
- `errors`: what goes wrong, as exceptions that carry the problem document
"""

from tradepit.client.async_client import AsyncClient
from tradepit.client.errors import ApiError, ClientError, NodeUnreachable, Rejected
from tradepit.client.models import Cancel, Order, OrderBook, Place, Replace, Trade
from tradepit.client.retries import RetryPolicy
from tradepit.client.sync_client import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Cancel",
    "Client",
    "ClientError",
    "NodeUnreachable",
    "Order",
    "OrderBook",
    "Place",
    "Rejected",
    "Replace",
    "RetryPolicy",
    "Trade",
]
