"""One WebSocket of a client, with what came over it and was not taken yet."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, cast

import httpx
import msgspec
from picows import (
    WSFrame,
    WSInvalidStatusError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from tradepit.client.errors import ApiError, api_error
from tradepit.client.models import Problem
from tradepit.client.signing import Credentials

FRAME_BYTES_MAX: Final = 256 << 20
"""A snapshot of a book of 100,000 levels a side is about 20 MB."""

PING_SECONDS: Final = 10.0
HANDSHAKE_SECONDS: Final = 5.0


def refusal_of(error: WSInvalidStatusError) -> ApiError | None:
    """Why the node does not want this client at all; None when another attempt may help."""
    try:
        problem = msgspec.json.decode(error.raw_body or b"", type=Problem)
    except msgspec.MsgspecError:
        return None
    return api_error(problem) if problem.status in (401, 403, 404) else None


class Connection(WSListener):
    """One WebSocket and what came over it."""

    def __init__(self, waiting_max: int) -> None:
        super().__init__()
        self._waiting_max = waiting_max
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._parts: list[bytes] = []
        self._socket: WSTransport | None = None
        self._is_paused = False
        self.close_code = 0
        """Why the node closed it; 0 when it was lost."""

    @staticmethod
    async def open(url: str, credentials: Credentials | None, waiting_max: int) -> Connection:
        """Connect, with a signature of this moment.

        Raises:
            OSError, TimeoutError, WSError: nobody there, or not a WebSocket.
        """
        target = httpx.URL(url).raw_path.decode("ascii")
        headers = None if credentials is None else credentials.headers("GET", target)
        _, listener = await ws_connect(
            lambda: Connection(waiting_max),
            url,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_SECONDS,
            auto_ping_reply_timeout=PING_SECONDS,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            max_frame_size=FRAME_BYTES_MAX,
            extra_headers=headers,
        )
        if listener is None:  # gone before it was open
            raise ConnectionResetError(f"{url} hung up before it was a WebSocket")
        return cast(Connection, listener)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._socket = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._socket = None
        self._waiting.put_nowait(None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self.close_code = int(cast(Any, frame.get_close_code()))
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                payload = b"".join(self._parts)
                self._parts.clear()
                self._keep(payload)

    def _keep(self, payload: bytes) -> None:
        self._waiting.put_nowait(payload)
        if self._waiting.qsize() > self._waiting_max and not self._is_paused and self._socket:
            self._is_paused = True
            self._reader().pause_reading()

    async def next(self) -> bytes | None:
        """The next message; None when the connection is gone."""
        payload = await self._waiting.get()
        self._read_on()
        return payload

    @property
    def has_waiting(self) -> bool:
        """Whether something has come that is not taken."""
        return not self._waiting.empty()

    def next_waiting(self) -> bytes | None:
        """What `next` gives, while something is waiting."""
        payload = self._waiting.get_nowait()
        self._read_on()
        return payload

    def _read_on(self) -> None:
        few = self._waiting_max // 2
        if self._is_paused and self._waiting.qsize() < few and self._socket:
            self._is_paused = False
            self._reader().resume_reading()

    def _reader(self) -> Any:
        assert self._socket is not None
        return self._socket.underlying_transport

    def send(self, request: bytes) -> None:
        """Send a request; on a connection that is gone, the next one begins anew anyway."""
        if self._socket is not None:
            self._socket.send(WSMsgType.TEXT, request)

    def limit_buffer(self, receive_bytes: int) -> None:
        """Keep the kernel from gathering more than about twice this before it is read."""
        end = self._reader().get_extra_info("socket") if self._socket is not None else None
        if end is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)

    def drop(self) -> None:
        """Say goodbye, and wait for nothing."""
        if self._socket is not None:
            self._socket.send_close()
            self._socket.disconnect()

    async def close(self) -> None:
        """Say goodbye."""
        if self._socket is not None:
            wire = self._socket
            self.drop()
            await wire.wait_disconnected()
