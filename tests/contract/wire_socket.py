"""A small WebSocket client over a plain socket, written from RFC 6455."""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any


class Closed(Exception):
    """The server closed; code and reason of its close frame, 0 when there was none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def status_of(port: int, path: str, **headers: str) -> int:
    """The HTTP status that asking for a socket gives."""
    wire = WireSocket(port, path, **headers)
    wire.close()
    return wire.status


class WireSocket:
    """One connection."""

    def __init__(self, port: int, path: str = "/ws", **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.pending = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
            while b"\r\n\r\n" not in self.pending:
                self._more()
        except (Closed, OSError):
            self.socket.close()
            raise
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed(0, "")
        self.pending += data

    def _take(self, size: int) -> bytes:
        while len(self.pending) < size:
            self._more()
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def send_frame(self, opcode: int, payload: bytes, *, is_last: bool = True) -> None:
        mask = os.urandom(4)
        size = len(payload)
        first = bytes([opcode | (0x80 if is_last else 0)])
        if size < 126:
            head = first + bytes([0x80 | size])
        elif size < 65536:
            head = first + b"\xfe" + size.to_bytes(2, "big")
        else:
            head = first + b"\xff" + size.to_bytes(8, "big")
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
        self.socket.sendall(head + mask + masked)

    def send(self, message: object) -> None:
        self.send_frame(1, json.dumps(message).encode())

    def receive_frame(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
        elif size == 127:
            size = int.from_bytes(self._take(8), "big")
        return first & 0x0F, self._take(size)

    def receive(self) -> Any:
        """The next message; answers pings, raises `Closed`."""
        while True:
            opcode, payload = self.receive_frame()
            if opcode == 1:
                return json.loads(payload)
            if opcode == 8:
                raise Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())
            if opcode == 9:
                self.send_frame(10, payload)

    def ask(self, message: dict[str, Any]) -> Any:
        """Send a message with an id and return its answer; other messages are dropped."""
        self.send({"id": "ask"} | message)
        while True:
            answer = self.receive()
            if answer.get("id") == "ask":
                return answer

    def close(self) -> None:
        self.socket.close()
