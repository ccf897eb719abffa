"""Between Litestar and the desk: bodies, parameters and answers of ordinary requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response

from tradepit.access.principals import Principal
from tradepit.gateway.authentication import PRINCIPAL
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import UNDECODABLE, Refused, decoding_problem, refused
from tradepit.gateway.replies import Answer
from tradepit.gateway.wire_http import answer_headers

Shape = TypeVar("Shape")
AnyRequest = Request[Any, Any, Any]

WAIT_AHEAD_MAX: Final = 1_000_000
"""A reader that is further behind than this will not catch up within a request."""

NUMBER_MAX: Final = 2**63 - 1


def answer_response(answer: Answer) -> Response[bytes]:
    """The ASGI response of an answer; the hot path writes the same status, headers and body."""
    pairs = [(name.decode(), value.decode()) for name, value in answer_headers(answer)]
    headers = dict(pairs)
    kind = headers.pop("content-type")
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=kind)


async def answered(start: Callable[[Callable[[Answer], None]], None]) -> Response[bytes]:
    """Start a write and wait for its answer. A caller that goes away does not undo it."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def reply(answer: Answer) -> None:
        if not future.done():
            future.set_result(answer)

    start(reply)
    return answer_response(await future)


def json_response(body: bytes | object, status: int = 200) -> Response[bytes]:
    """A response of JSON that is written already, or of a struct."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(content, status_code=status, media_type="application/json")


async def read_body(request: AnyRequest, limit: int) -> bytes:
    """Return the body of at most `limit` bytes; raises `Refused` too_large."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise refused("too_large", f"{length} bytes, at most {limit} are taken")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise refused("malformed", "the client went away before its request was whole")
        parts.append(message["body"])
        size += len(parts[-1])
        if size > limit:
            raise refused("too_large", f"more than {limit} bytes")
        if not message["more_body"]:
            return b"".join(parts)


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """Return the body as a struct; raises `Refused` naming the field."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UNDECODABLE as error:
        raise Refused(decoding_problem(error)) from None


def speaker(request: AnyRequest) -> Principal | None:
    """Who speaks in key mode; None in open mode."""
    found: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    return found


def own_account(request: AnyRequest) -> str | None:
    """The account of the request's key; None in open mode and for the operator."""
    principal = speaker(request)
    return None if principal is None else principal.account


def idempotency_key(request: AnyRequest) -> bytes | None:
    """The `Idempotency-Key` header."""
    keys = request.headers.getall("idempotency-key", [])
    if len(keys) > 1:
        raise refused("invalid_key", "more than one Idempotency-Key", field="Idempotency-Key")
    return keys[0].encode("latin-1") if keys else None


def number_parameter(
    request: AnyRequest, name: str, default: int, *, least: int = 1, most: int = NUMBER_MAX
) -> int:
    """A whole number from the query; raises `Refused` invalid_parameter."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most:
        return int(text)
    raise refused("invalid_parameter", f"{name} must be {least} to {most}", field=name)


def choice_parameter(request: AnyRequest, name: str, choices: tuple[str, ...]) -> str:
    """One of some words from the query, the first being the default."""
    text: str = request.query_params.get(name, choices[0]).lower()
    if text not in choices:
        raise refused("invalid_parameter", f"{name} must be one of {choices}", field=name)
    return text


class Waiters:
    """Reads that wait until the replica has a sequence."""

    def __init__(self, node: MarketNode, wait_max: float) -> None:
        self._node = node
        self._wait_max = wait_max
        self._events: set[asyncio.Event] = set()

    def on_frame(self) -> None:
        """A frame was applied: let every waiter look again."""
        if self._events:
            for event in self._events:
                event.set()

    async def reach(self, request: AnyRequest) -> None:
        """Honour `min_sequence`; raises `Refused` sequence_not_reached when time is up."""
        wanted = number_parameter(request, "min_sequence", 0, least=0)
        node = self._node
        if node.replica.sequence >= wanted:
            return
        if wanted - node.replica.sequence < WAIT_AHEAD_MAX:
            event = asyncio.Event()
            self._events.add(event)
            try:
                async with asyncio.timeout(self._wait_max):
                    while node.replica.sequence < wanted:
                        event.clear()
                        await event.wait()
                return
            except TimeoutError:
                pass
            finally:
                self._events.discard(event)
        now = node.replica.sequence
        raise refused("sequence_not_reached", f"the reader is at sequence {now}")


class Slice:
    """Which part of a list is asked for: `limit`, `cursor`, `page`."""

    def __init__(
        self,
        request: AnyRequest,
        *,
        size: int,
        size_max: int,
        depth_max: int,
        cursor_is_number: bool = True,
    ) -> None:
        self.limit = number_parameter(request, "limit", size, most=size_max)
        page = number_parameter(request, "page", 1, most=depth_max)
        self.skip = (page - 1) * self.limit
        if self.skip + self.limit > depth_max:
            detail = f"page times limit is at most {depth_max}; use cursor"
            raise refused("invalid_parameter", detail, field="page")
        text = request.query_params.get("cursor")
        self.cursor: str | None = text
        self.before = 0
        if text is not None and cursor_is_number:
            if not (text.isascii() and text.isdigit() and 0 < len(text) <= 19):
                raise refused("invalid_cursor", field="cursor")
            self.before = min(int(text), NUMBER_MAX)

    @property
    def rows(self) -> int:
        """Rows to read: those skipped, those shown, and one to know whether more follow."""
        return self.skip + self.limit + 1


def page_body(items: list[str], as_of: int, following: str | None) -> bytes:
    """The body of a list."""
    cursor = "null" if following is None else f'"{following}"'
    return f'{{"items":[{",".join(items)}],"as_of":{as_of},"next":{cursor}}}'.encode()
