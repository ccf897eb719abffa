"""Clients of replays over plain sockets, which count and rebuild what they are sent."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from tests.contract.wire_socket import WireSocket

SECONDS = 20.0


class Replaying:
    """One replay, asked over HTTP."""

    def __init__(self, port: int, source: str, **fields: Any) -> None:
        self.port = port
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/replays", timeout=30)
        answer = self.http.post("", json={"source": source} | fields)
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["id"]
        self.until(lambda state: state["state"] != "indexing")

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/{self.id}").json()
        return found

    def until(self, is_so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while not is_so(state := self.state()):
            assert time.monotonic() < end, state
            time.sleep(0.01)
        return state

    def change(self, **fields: Any) -> dict[str, Any]:
        answer = self.http.patch(f"/{self.id}", json=fields)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refusal(self, **fields: Any) -> tuple[int, str]:
        answer = self.http.patch(f"/{self.id}", json=fields)
        return answer.status_code, answer.json()["code"]

    def book(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.http.get(f"/{self.id}/book", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["books"]
        return found

    def stream(self, **query: Any) -> ReplayEvents:
        return ReplayEvents(self.port, self.id, **query)

    def socket(self, **query: Any) -> ReplayFrames:
        return ReplayFrames(self.port, self.id, **query)

    def close(self) -> None:
        self.http.delete(f"/{self.id}")
        self.http.close()


def _query(query: dict[str, Any]) -> str:
    pairs = [f"{name.rstrip('_')}={value}" for name, value in query.items()]
    return f"?{'&'.join(pairs)}" if pairs else ""


class ReplayEvents:
    """The event stream of a replay."""

    def __init__(self, port: int, id: str, last_event_id: str = "", **query: Any) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        head = f"GET /api/v1/replays/{id}/stream{_query(query)} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        self.file = self.socket.makefile("rb")
        self.last = ""
        try:
            self.socket.sendall(f"{head}\r\n".encode())
            self.status = int(self._line().split()[1])
            while self._line().strip():
                pass
        except (EOFError, OSError):
            self.close()
            raise

    def _line(self) -> bytes:
        """A whole line; raises EOFError when the connection ends before or within it."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line

    def next(self) -> dict[str, Any]:
        """The next message; raises EOFError. An error event is `{"error": …}`."""
        is_error, last = False, self.last
        while True:
            line = self._line()
            if line.startswith(b"id: "):
                last = line[4:].strip().decode()
            elif line.startswith(b"event: error"):
                is_error = True
            elif line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line[6:])
                self.last = last
                return {"error": found} if is_error else found

    def rest(self) -> Iterator[dict[str, Any]]:
        """All messages until the stream is closed."""
        with contextlib.suppress(EOFError):
            while True:
                yield self.next()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class ReplayFrames(WireSocket):
    """The WebSocket of a replay."""

    def __init__(self, port: int, id: str, **query: Any) -> None:
        super().__init__(port, f"/ws/replays/{id}{_query(query)}")

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = self.receive()
        return found


class Rebuilt:
    """Price levels of one book, kept up by what a reader is sent; checks that `seq` is gapless."""

    def __init__(self) -> None:
        self.seq: int | None = None
        self.sides: dict[str, dict[str, list[int]]] = {"bid": {}, "ask": {}}
        self.steps = 0
        self.is_required = False

    def take(self, message: dict[str, Any]) -> None:
        if "snapshot" in message:
            assert "jump" not in message or message["seq"] == (self.seq or 0) + 1
            self.is_required = message.get("code") == "snapshot_required"
            self.seq = message["seq"]
            self._replace(message["snapshot"]["books"])
            return
        assert self.seq is not None
        assert message["seq"] == self.seq + 1, f"{message['seq']} after {self.seq}"
        self.seq = message["seq"]
        if "effect" in message:
            self.steps += 1
            self._apply(message["effect"])

    def _replace(self, books: list[dict[str, Any]]) -> None:
        (book,) = books
        for side, name in (("bid", "bids"), ("ask", "asks")):
            self.sides[side] = {
                level["price"]: [level["size"], level["orders"]] for level in book[name]
            }

    def _apply(self, effect: dict[str, Any]) -> None:
        if effect.get("orders_cleared"):
            self.sides = {"bid": {}, "ask": {}}
        for name, sign in (("old", -1), ("new", 1)):
            order = effect.get(name)
            if order is not None:
                levels = self.sides[order["side"]]
                level = levels.setdefault(order["price"], [0, 0])
                level[0] += sign * order["size"]
                level[1] += sign
                if not level[1]:
                    del levels[order["price"]]

    def equals(self, book: dict[str, Any]) -> bool:
        told = {
            side: {level["price"]: [level["size"], level["orders"]] for level in book[name]}
            for side, name in (("bid", "bids"), ("ask", "asks"))
        }
        return told == self.sides
