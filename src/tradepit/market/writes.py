"""How the market in process does something: the desk of a node, and its answers as records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from tradepit.gateway.desk import Desk, Reply
from tradepit.gateway.drafts import Draft
from tradepit.gateway.drafts import Market as Lookup
from tradepit.gateway.problems import decoding_problem, encode_problem
from tradepit.market.reads import MarketReads, decode, raised

T = TypeVar("T")
Body = TypeVar("Body", bound=msgspec.Struct)
_encode = msgspec.json.encode


class MarketWrites(MarketReads):
    """What every writing half of `Market` stands on."""

    def _write(self, make: Callable[[Lookup], Draft], shape: type[T]) -> T:
        return self._do(lambda desk, reply: desk.write(lambda: make(desk.market), reply), shape)

    def _do(self, start: Callable[[Desk, Reply], None], shape: type[T]) -> T:
        desk = self._ground.desk
        answer = self._ground.answer(lambda reply: start(desk, reply))
        if answer.status >= 400:
            raise raised(answer.body, answer.status)
        return decode(answer.body, shape)


def key_bytes(key: str | None) -> bytes | None:
    """An idempotency key as the desk takes it."""
    return None if key is None else key.encode("latin-1", "replace")


def shape_of(fields: Mapping[str, Any], shape: type[Body]) -> Body:
    """Arguments as the body that the API would get: unknown ones are a mistake of the caller.

    Raises:
        ApiError: what the API would say of such a body.
    """
    known = msgspec.structs.fields(shape)
    unknown = set(fields) - {field.encode_name for field in known}
    if unknown:
        raise TypeError(f"there is no argument {', '.join(sorted(unknown))}")
    try:
        return msgspec.json.decode(_encode(dict(fields)), type=shape)
    except msgspec.ValidationError as error:
        problem = decoding_problem(error)
        raise raised(encode_problem(problem), problem.status) from None
