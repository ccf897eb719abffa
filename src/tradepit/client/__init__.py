"""The public Python client of a Tradepit node.

- `sync_client`: `Client`, blocking; `async_client`: `AsyncClient`, for asyncio
- `streams`: `AsyncStream`, channels that outlive connections; `sync_streams`: `Stream`, the same
  for code that blocks; `following`: how they tell gaps and doubles;
  `channel_data`: what their messages carry
- `operation_socket`: `OperationSocket`, many writes in flight over one socket; `connections`
- `replays`: replays of recordings; `replay_streams`, `replay_following`: how one is followed
- `calls`: the requests of both, and the reading of their answers; `retries`: when to repeat them
- `signing`: signed requests, for a node in key mode
- `models`: what the API takes and answers, as typed records; `values`: what many of them hold
- `firm_models`, `firm_calls`: the same for firms; `sync_firms`, `async_firms`: as methods
- `contracts`: trades of elsewhere and summaries, the trade store's part of all that
- `errors`: what goes wrong, as exceptions that carry the problem document
"""

from tradepit.client.async_client import AsyncClient
from tradepit.client.contracts import ContractSummary, Ingested, TradeLine
from tradepit.client.errors import ApiError, ClientError, ClockSkew, NodeUnreachable, Rejected
from tradepit.client.firm_models import (
    Firm,
    MakerLease,
    Quote,
    Release,
    Reservation,
    Reserve,
    SetQuote,
)
from tradepit.client.following import Message
from tradepit.client.models import (
    Auction,
    Cancel,
    MassCancel,
    Order,
    OrderBook,
    Place,
    Replace,
    ScheduleEntry,
    Trade,
)
from tradepit.client.operation_socket import OperationSocket
from tradepit.client.replay_streams import AsyncReplayStream, ReplayStream
from tradepit.client.replays import (
    Replay,
    ReplayBooks,
    ReplayChanged,
    ReplayMessage,
    ReplayPlace,
    ReplaySnapshot,
    ReplayStep,
)
from tradepit.client.retries import RetryPolicy
from tradepit.client.streams import AsyncStream
from tradepit.client.sync_client import Client
from tradepit.client.sync_streams import Stream

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncReplayStream",
    "AsyncStream",
    "Auction",
    "Cancel",
    "Client",
    "ClientError",
    "ClockSkew",
    "ContractSummary",
    "Firm",
    "Ingested",
    "MakerLease",
    "MassCancel",
    "Message",
    "NodeUnreachable",
    "OperationSocket",
    "Order",
    "OrderBook",
    "Place",
    "Quote",
    "Rejected",
    "Release",
    "Replace",
    "Replay",
    "ReplayBooks",
    "ReplayChanged",
    "ReplayMessage",
    "ReplayPlace",
    "ReplaySnapshot",
    "ReplayStep",
    "ReplayStream",
    "Reservation",
    "Reserve",
    "RetryPolicy",
    "ScheduleEntry",
    "SetQuote",
    "Stream",
    "Trade",
    "TradeLine",
]
