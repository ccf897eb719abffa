"""The door of key mode: nothing is routed before it is known who asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from tradepit.access.access import Access, AccessDenied
from tradepit.gateway.app import BASE_PATH, LINES_PATH, send_answer
from tradepit.gateway.authentication import (
    PEER,
    PRINCIPAL,
    TARGET,
    Headers,
    authenticate,
    confined_query,
    denial_answer,
)
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.permissions import is_public
from tradepit.gateway.problems import Refused, problem_of, refused
from tradepit.gateway.replies import problem_answer
from tradepit.gateway.trade_lines import BODY_MAX

HELD_BYTES_MAX: Final = 4 * BODY_MAX
"""Large bodies that wait for their signature to be checked, all together: whoever sent them may
be nobody."""

BATCH_PATH: Final = f"{BASE_PATH}/orders/batch"


class KeyDoor:
    """Lets in whoever shows a signature or a ticket, and says who it is."""

    def __init__(self, app: ASGIApp, access: Access, config: GatewayConfig) -> None:
        self._app = app
        self._access = access
        self._config = config
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = cast(HTTPScope, scope)
        if not is_public(http["path"]):
            try:
                receive = await self._authenticated(http, receive)
            except AccessDenied as error:
                await send_answer(denial_answer(error), send)
                return
            except Refused as error:
                answer = problem_answer(error.problem, retry_after=error.retry_after)
                await send_answer(answer, send)
                return
        await self._app(scope, receive, send)

    async def _authenticated(self, scope: HTTPScope, receive: Receive) -> Receive:
        """Find out who speaks; what is signed is the whole body, so it is read here."""
        facts = cast(dict[str, Any], scope)
        body = await self._body(scope, receive)
        principal = authenticate(
            self._access,
            method=scope["method"].encode(),
            target=facts[TARGET],
            headers=cast(Headers, scope["headers"]),
            body=body,
            peer=facts[PEER],
            is_stream=scope["path"].rstrip("/").endswith("/stream"),
        )
        facts[PRINCIPAL] = principal
        scope["query_string"] = confined_query(scope["query_string"], principal.account)
        return replayed(body, receive)

    async def _body(self, scope: HTTPScope, receive: Receive) -> bytes:
        path = scope["path"].rstrip("/")
        limit = self._config.order_body_max
        if path == BATCH_PATH:
            limit = self._config.batch_body_max
        elif path == LINES_PATH:
            limit = BODY_MAX
        length = 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                length = int(value)
        if length > limit:
            raise refused("too_large", f"{length} bytes, at most {limit} are taken")
        if limit == self._config.order_body_max:
            return await read_whole(receive, limit)
        with self._held(length or limit):
            return await read_whole(receive, limit)

    @contextmanager
    def _held(self, size: int) -> Iterator[None]:
        """Hold room for a large body; raises `Refused` overloaded."""
        if self._held_bytes + size > HELD_BYTES_MAX:
            problem = problem_of("overloaded", "too much is being read", outcome="rejected")
            raise Refused(problem, retry_after=1)
        self._held_bytes += size
        try:
            yield
        finally:
            self._held_bytes -= size


async def read_whole(receive: Receive, limit: int) -> bytes:
    """Return the body of at most `limit` bytes; raises `Refused` too_large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise refused("malformed", "the client went away before its request was whole")
        parts.append(message["body"])
        size += len(parts[-1])
        if size > limit:
            raise refused("too_large", f"more than {limit} bytes")
        if not message["more_body"]:
            return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read before, once."""
    is_given = False

    async def again() -> Any:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
