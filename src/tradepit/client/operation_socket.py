"""Writes over one WebSocket, many at a time: the fast way for whoever sends all day."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from picows import WSError, WSInvalidStatusError

from tradepit.client.connections import Connection, refusal_of
from tradepit.client.errors import ApiError, NodeUnreachable, UnreadableAnswer, api_error
from tradepit.client.following import SOCKET_PATH
from tradepit.client.models import Problem
from tradepit.client.signing import Credentials

T = TypeVar("T")

ANSWERS_WAITING_MAX: Final = 10_000
"""More than a node takes unanswered from one connection."""

ANSWER_SECONDS: Final = 10.0
"""Longest wait for an answer."""

RESULTS: Final = ("order", "result", "quote", "reservation", "released", "maker")
"""Under one of these names an answer holds what its operation came to."""


class _Answer(Struct):
    """What comes back under the id of an operation."""

    id: Any = None
    status: int = 0
    problem: Problem | None = None
    order: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    quote: Raw | UnsetType = UNSET
    reservation: Raw | UnsetType = UNSET
    released: Raw | UnsetType = UNSET
    maker: Raw | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


class OperationSocket:
    """One connection for operations. It is made when it is needed, and again after a loss.

    Nothing is repeated: an operation whose answer is lost raises `NodeUnreachable`, and may have
    taken effect.
    """

    def __init__(self, url: str, *, credentials: Credentials | None = None) -> None:
        """
        Args:
            url: of the node, as a client's.
        """
        self._url = "ws" + url.removeprefix("http").rstrip("/") + SOCKET_PATH
        self._credentials = credentials
        self._numbers = itertools.count(1)
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[_Answer]] = {}
        self.connections = 0
        """Connections made so far."""

    @property
    def in_flight(self) -> int:
        """Operations without an answer yet."""
        return len(self._waiting)

    async def request(self, operation: Mapping[str, Any], shape: type[T]) -> T:
        """Send an operation (`{"op": …}`) and return its answer.

        Raises:
            ApiError: the node refused it.
            NodeUnreachable: no answer came; it may have taken effect.
        """
        connection = self._connection or await self._connect()
        number = next(self._numbers)
        answered: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            connection.send(_encode({"id": number, **operation}))
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await answered
        except TimeoutError:
            raise NodeUnreachable(self._url, f"no answer in {ANSWER_SECONDS:g} s") from None
        finally:
            self._waiting.pop(number, None)
        return _result(answer, shape)

    async def close(self) -> None:
        """End the connection."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Connection:
        async with self._connecting:
            if self._connection is not None:
                return self._connection
            try:
                connection = await Connection.open(
                    self._url, self._credentials, ANSWERS_WAITING_MAX
                )
            except WSInvalidStatusError as error:
                raise refusal_of(error) or NodeUnreachable(self._url, repr(error)) from error
            except (OSError, WSError, TimeoutError) as error:
                raise NodeUnreachable(self._url, repr(error)) from error
            self.connections += 1
            self._connection = connection
            self._reading = asyncio.ensure_future(self._read(connection))
            return connection

    async def _read(self, connection: Connection) -> None:
        """Hand out answers until the connection is gone."""
        while (payload := await connection.next()) is not None:
            with contextlib.suppress(msgspec.MsgspecError):
                answer = _decode(payload)
                waiting = self._waiting.get(answer.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        if self._connection is connection:
            self._connection = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NodeUnreachable(self._url, "the connection is lost"))


def _result(answer: _Answer, shape: type[T]) -> T:
    if answer.problem is not None:
        raise _refusal(answer.problem, answer.status)
    for name in RESULTS:
        raw: Raw | UnsetType = getattr(answer, name)
        if raw is not UNSET:
            try:
                return msgspec.json.decode(bytes(raw), type=shape)
            except msgspec.MsgspecError as error:
                raise UnreadableAnswer(answer.status, str(error)) from error
    raise UnreadableAnswer(answer.status, "an answer without a result")


def _refusal(problem: Problem, status: int) -> ApiError:
    return api_error(msgspec.structs.replace(problem, status=status))
