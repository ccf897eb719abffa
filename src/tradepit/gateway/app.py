"""The ASGI application: every route that the hot path does not answer, and those that it does."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, cast

import structlog
from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from tradepit.gateway import (
    accounts,
    analytics,
    instruments,
    keys,
    market_data,
    operations,
    orders,
    trade_store,
)
from tradepit.gateway.access import Doorkeeper
from tradepit.gateway.firms import quote_routes
from tradepit.gateway.firms import routes as firm_routes
from tradepit.gateway.gateway import GATEWAY, Gateway
from tradepit.gateway.permissions import guard
from tradepit.gateway.problems import Problem, Refused, problem_of, refused
from tradepit.gateway.replaying import routes as replay_routes
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.requests import answer_response
from tradepit.gateway.trade_store import StoreDesk
from tradepit.gateway.wire_http import answer_headers, is_json, is_json_lines

log = structlog.get_logger(__name__)

BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
BASE_PATH: Final = "/api/v1"
LINES_PATH: Final = BASE_PATH + trade_store.INGEST_PATH
"""Takes lines of JSON, under whichever of their names."""


@cache
def build_app(body_max: int) -> Litestar:
    """Return the application, one for all gateways of the process: making its hundred routes takes
    a fifth of a second. Serve it behind a `Door`, with the gateway in the connection's state.

    Args:
        body_max: bytes of the longest body that is taken.
    """
    api = Router(
        BASE_PATH,
        route_handlers=[
            *orders.HANDLERS,
            *accounts.HANDLERS,
            *instruments.HANDLERS,
            *firm_routes.HANDLERS,
            *quote_routes.HANDLERS,
            *market_data.HANDLERS,
            *analytics.HANDLERS,
            *keys.HANDLERS,
            *trade_store.HANDLERS,
            *replay_routes.HANDLERS,
        ],
    )

    async def the_gateway(scope: Scope) -> Gateway:
        return cast(Gateway, scope["state"][GATEWAY])

    async def the_trade_store(scope: Scope) -> StoreDesk:
        store = (await the_gateway(scope)).trade_store
        if store is None:
            raise refused("database_unavailable", "this node has no database, or not yet")
        return store

    return Litestar(
        route_handlers=[api, *operations.HANDLERS],
        dependencies={"gateway": Provide(the_gateway), "trade_store": Provide(the_trade_store)},
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        signature_namespace={"Gateway": Gateway, "StoreDesk": StoreDesk, "Scope": Scope},
        request_max_body_size=body_max,
        logging_config=None,
        guards=[guard],
    )


class Door:
    """Refuses foreign hosts and origins and bodies that are not JSON, before anything is routed."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._doorkeeper = doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(cast(HTTPScope, scope))
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await send_answer(problem_answer(problem), send)

    def _problem(self, scope: HTTPScope) -> Problem | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            return problem_of("malformed", "more than one Host")
        problem = self._doorkeeper.problem(headers.get(b"host"), headers.get(b"origin"))
        if problem is not None:
            return problem
        if scope["method"] not in BODY_METHODS:
            return None
        kind = headers.get(b"content-type")
        is_lines = scope["path"].rstrip("/") == LINES_PATH
        if is_json(kind) or (is_lines and is_json_lines(kind)):
            return None
        return problem_of("unsupported_media_type")


async def send_answer(answer: Answer, send: Send) -> None:
    """Send an answer without the application."""
    headers = [*answer_headers(answer), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def on_refused(request: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    """A refusal raised by a handler."""
    return answer_response(problem_answer(error.problem, retry_after=error.retry_after))


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """A refusal of Litestar's own, in our words."""
    headers = {}
    if isinstance(error, NotFoundException):
        code = "not_found"
    elif isinstance(error, MethodNotAllowedException):
        code = "method_not_allowed"
        headers = dict(error.headers or {})
    elif error.status_code == 413:
        code = "too_large"
    elif isinstance(error, ClientException):
        code = "malformed"
    else:
        return on_failure(request, error)
    response = answer_response(problem_answer(problem_of(code)))
    response.headers.update(headers)
    return response


def on_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Something is wrong with this program: log it, and do not pretend to know the outcome."""
    log.error("request failed", path=request.url.path, exc_info=error)
    return answer_response(problem_answer(problem_of("internal_error", outcome="unknown")))


EXCEPTION_HANDLERS: Final[Any] = {
    Refused: on_refused,
    HTTPException: on_http_exception,
    Exception: on_failure,
}
