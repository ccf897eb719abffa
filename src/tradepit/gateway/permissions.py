"""Who may call which route in key mode. What is not in the table is the operator's alone.

A test compares the table with the routes that are served, and calls each as everybody.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from tradepit.access.principals import Permission, Principal
from tradepit.gateway.authentication import PRINCIPAL, require
from tradepit.gateway.gateway import GATEWAY, Gateway
from tradepit.gateway.problems import refused

READ: Final = Permission.READ
TRADE: Final = Permission.TRADE
ADMIN: Final = Permission.ADMIN
API: Final = "/api/v1"


class Rule(NamedTuple):
    """What a route asks of a key."""

    permission: Permission
    is_own: bool = False
    """The path names an account: the key's own, unless it is the operator's."""


PUBLIC: Final = frozenset({"/", "/docs", "/health", "/metrics", "/openapi.json", "/ready"})
"""Paths that need no key: the page and its documents, and what monitoring asks."""

RULES: Final[dict[tuple[str, str], Rule]] = {
    ("POST", f"{API}/orders"): Rule(TRADE),
    ("GET", f"{API}/orders"): Rule(READ),
    ("DELETE", f"{API}/orders"): Rule(TRADE),
    ("POST", f"{API}/orders/batch"): Rule(TRADE),
    ("GET", f"{API}/orders/{{order_id}}"): Rule(READ),
    ("DELETE", f"{API}/orders/{{order_id}}"): Rule(TRADE),
    ("PATCH", f"{API}/orders/{{order_id}}"): Rule(TRADE),
    ("POST", f"{API}/accounts"): Rule(ADMIN),
    ("GET", f"{API}/accounts/{{account_id}}"): Rule(READ, True),
    ("GET", f"{API}/accounts/{{account_id}}/balances"): Rule(READ, True),
    ("GET", f"{API}/accounts/{{account_id}}/positions"): Rule(READ, True),
    ("GET", f"{API}/accounts/{{account_id}}/trades"): Rule(READ, True),
    ("GET", f"{API}/accounts/{{account_id}}/ledger"): Rule(READ, True),
    ("GET", f"{API}/accounts/{{account_id}}/performance"): Rule(READ, True),
    ("POST", f"{API}/accounts/{{account_id}}/deposits"): Rule(ADMIN),
    ("POST", f"{API}/accounts/{{account_id}}/withdrawals"): Rule(ADMIN),
    ("POST", f"{API}/accounts/{{account_id}}/transfers"): Rule(ADMIN),
    ("PUT", f"{API}/accounts/{{account_id}}/limits"): Rule(ADMIN),
    ("GET", f"{API}/accounts/{{account_id}}/limits"): Rule(READ, True),
    ("GET", f"{API}/accounts/{{account_id}}/sessions"): Rule(READ, True),
    ("POST", f"{API}/accounts/{{account_id}}/dead-man"): Rule(TRADE, True),
    ("POST", f"{API}/accounts/{{account_id}}/suspend"): Rule(ADMIN),
    ("POST", f"{API}/accounts/{{account_id}}/resume"): Rule(ADMIN),
    # Stopping oneself is always allowed; only the operator starts again.
    ("POST", f"{API}/accounts/{{account_id}}/kill"): Rule(TRADE, True),
    ("POST", f"{API}/accounts/{{account_id}}/cancel-only"): Rule(TRADE, True),
    ("GET", f"{API}/accounts/{{account_id}}/keys"): Rule(READ, True),
    ("POST", f"{API}/accounts/{{account_id}}/keys"): Rule(ADMIN),
    # One's own keys, with `trade`; a key may always revoke itself.
    ("DELETE", f"{API}/keys/{{key_id}}"): Rule(READ),
    ("GET", f"{API}/keys"): Rule(ADMIN),
    ("POST", f"{API}/keys"): Rule(ADMIN),
    ("POST", f"{API}/sessions"): Rule(READ),
    ("GET", f"{API}/sessions"): Rule(READ),
    ("DELETE", f"{API}/sessions"): Rule(READ),
    ("GET", f"{API}/instruments"): Rule(READ),
    ("POST", f"{API}/instruments"): Rule(ADMIN),
    ("GET", f"{API}/instruments/{{symbol}}"): Rule(READ),
    ("DELETE", f"{API}/instruments/{{symbol}}"): Rule(ADMIN),
    ("PUT", f"{API}/instruments/{{symbol}}/phase"): Rule(ADMIN),
    ("PUT", f"{API}/instruments/{{symbol}}/schedule"): Rule(ADMIN),
    ("PUT", f"{API}/instruments/{{symbol}}/safety"): Rule(ADMIN),
    ("GET", f"{API}/instruments/{{symbol}}/auction"): Rule(READ),
    ("PUT", f"{API}/market/phase"): Rule(ADMIN),
    ("GET", f"{API}/instruments/{{symbol}}/statistics"): Rule(READ),
    ("POST", f"{API}/firms"): Rule(ADMIN),
    ("GET", f"{API}/firms"): Rule(READ),
    ("GET", f"{API}/firms/{{account_id}}"): Rule(READ, True),
    ("PUT", f"{API}/firms/{{account_id}}/budget"): Rule(ADMIN),
    ("POST", f"{API}/firms/{{account_id}}/symbols"): Rule(ADMIN),
    ("DELETE", f"{API}/firms/{{account_id}}/symbols/{{symbol}}"): Rule(ADMIN),
    ("POST", f"{API}/firms/{{account_id}}/kill"): Rule(TRADE, True),
    ("POST", f"{API}/firms/{{account_id}}/resume"): Rule(ADMIN),
    ("POST", f"{API}/firms/{{account_id}}/makers/{{name}}/heartbeat"): Rule(TRADE, True),
    ("GET", f"{API}/cluster"): Rule(READ),
    ("POST", f"{API}/cluster/symbols"): Rule(ADMIN),
    ("DELETE", f"{API}/cluster/symbols/{{symbol}}"): Rule(ADMIN),
    ("PUT", f"{API}/quotes/{{symbol}}"): Rule(TRADE),
    ("GET", f"{API}/quotes/{{symbol}}"): Rule(READ),
    ("DELETE", f"{API}/quotes/{{symbol}}"): Rule(TRADE),
    ("POST", f"{API}/reservations"): Rule(TRADE),
    ("GET", f"{API}/reservations"): Rule(READ),
    ("POST", f"{API}/reservations/{{symbol}}/release"): Rule(TRADE),
    ("GET", f"{API}/exposure"): Rule(READ),
    ("GET", f"{API}/positions"): Rule(READ),
    ("GET", f"{API}/positions/{{symbol}}"): Rule(READ),
    ("GET", f"{API}/trades"): Rule(READ),
    ("GET", f"{API}/orderbook"): Rule(READ),
    ("GET", f"{API}/candles"): Rule(READ),
    ("POST", f"{API}/trades/ingest"): Rule(ADMIN),
    ("GET", f"{API}/contracts"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/summary"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/volume"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/highest-price"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/last-trade-time"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/prices/{{price}}"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/prices/{{price}}/volume"): Rule(READ),
    ("GET", f"{API}/contracts/{{ticker}}/prices/{{price}}/last-trade-time"): Rule(READ),
    ("POST", f"{API}/replays"): Rule(TRADE),
    ("GET", f"{API}/replays"): Rule(READ),
    ("GET", f"{API}/replays/{{replay_id}}"): Rule(READ),
    ("PATCH", f"{API}/replays/{{replay_id}}"): Rule(TRADE),
    ("DELETE", f"{API}/replays/{{replay_id}}"): Rule(TRADE),
    ("GET", f"{API}/replays/{{replay_id}}/book"): Rule(READ),
    ("GET", f"{API}/replays/{{replay_id}}/stream"): Rule(READ),
    ("GET", f"{API}/replays/{{replay_id}}/export"): Rule(READ),
    ("GET", "/ws/replays/{replay_id}"): Rule(READ),
    ("GET", f"{API}/ws/replays/{{replay_id}}"): Rule(READ),
    ("GET", "/ws"): Rule(READ),
    ("GET", "/ws/trades"): Rule(READ),
    ("GET", f"{API}/ws"): Rule(READ),
    ("GET", f"{API}/ws/trades"): Rule(READ),
    ("GET", f"{API}/stream"): Rule(READ),
}
"""Routes that are not served (yet) do no harm here."""

_OPERATOR_ONLY: Final = Rule(ADMIN)


def is_public(path: str) -> bool:
    """Whether a path needs no key."""
    return path in PUBLIC or (path.endswith("/") and path[:-1] in PUBLIC)


def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Refuse a request whose key does not allow its route; runs once the route is known.

    Raises:
        Refused: forbidden.
    """
    scope: Any = connection.scope
    template = scope["path_template"]
    gateway: Gateway = scope["state"][GATEWAY]
    if gateway.access is None or is_public(template):
        return
    principal: Principal | None = scope.get(PRINCIPAL)
    if principal is None:  # the door let a protected path through: fail closed
        raise refused("unauthenticated")
    rule = RULES.get((scope["method"], template), _OPERATOR_ONLY)
    require(principal, rule.permission)
    if rule.is_own and principal.account is not None:
        named = scope["path_params"].get("account_id")
        if named != principal.account:
            raise refused("forbidden", "the key speaks for another account")
