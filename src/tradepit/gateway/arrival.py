"""A connection that left HTTP: what its request asked for, and what it is made of."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tradepit.gateway.authentication import Headers


class Arrival(NamedTuple):
    """A connection whose HTTP request asked for a WebSocket or an event stream, not yet served."""

    transport: asyncio.Transport
    url: bytes
    """Path and query, as they were sent."""
    headers: Headers
    rest: bytes = b""
    """What came after the request, of a WebSocket."""
    is_open: bool = False
    """Its request was answered already, in another process."""

    @property
    def path(self) -> str:
        return self.url.decode("latin-1").partition("?")[0]

    @property
    def query(self) -> str:
        return self.url.decode("latin-1").partition("?")[2]

    def header(self, name: bytes) -> str | None:
        """The last header of this name, which is in lower case."""
        found = dict(self.headers).get(name)
        return None if found is None else found.decode("latin-1")
