"""Routes of replays. Streams of theirs are taken over in the HTTP protocol."""

from __future__ import annotations

import re
from typing import Final

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import AnyRequest, answer_response, read_body, speaker

ID: Final = re.compile(r"[0-9a-f]{1,32}")


async def _ask(request: AnyRequest, gateway: Gateway, path: str, body: bytes) -> Response[bytes]:
    answer = await gateway.ask_replays(
        request.method, path, request.url.query, body, speaker(request)
    )
    return answer_response(answer)


def _named(replay_id: str) -> str:
    """The path of a replay; raises `Refused`."""
    if ID.fullmatch(replay_id) is None:
        raise refused("unknown_replay")
    return f"/{replay_id}"


@post("/replays")
async def create_replay(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = await read_body(request, gateway.config.order_body_max)
    return await _ask(request, gateway, "", body)


@get("/replays")
async def list_replays(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    return await _ask(request, gateway, "", b"")


@get("/replays/{replay_id:str}")
async def read_replay(
    request: AnyRequest, gateway: GatewayGiven, replay_id: FromPath[str]
) -> Response[bytes]:
    return await _ask(request, gateway, _named(replay_id), b"")


@patch("/replays/{replay_id:str}")
async def change_replay(
    request: AnyRequest, gateway: GatewayGiven, replay_id: FromPath[str]
) -> Response[bytes]:
    body = await read_body(request, gateway.config.order_body_max)
    return await _ask(request, gateway, _named(replay_id), body)


@delete("/replays/{replay_id:str}", status_code=200)
async def delete_replay(
    request: AnyRequest, gateway: GatewayGiven, replay_id: FromPath[str]
) -> Response[bytes]:
    return await _ask(request, gateway, _named(replay_id), b"")


@get("/replays/{replay_id:str}/book")
async def read_replay_book(
    request: AnyRequest, gateway: GatewayGiven, replay_id: FromPath[str]
) -> Response[bytes]:
    return await _ask(request, gateway, f"{_named(replay_id)}/book", b"")


@get(["/replays/{replay_id:str}/stream", "/replays/{replay_id:str}/export"])
async def replay_stream_on_a_busy_connection(replay_id: FromPath[str]) -> Response[bytes]:
    raise refused("malformed", "a stream needs a connection of its own")


HANDLERS: Final = (
    create_replay,
    list_replays,
    read_replay,
    change_replay,
    delete_replay,
    read_replay_book,
    replay_stream_on_a_busy_connection,
)
