"""Parameters of requests about replays."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from tradepit.gateway.problems import refused


class Query:
    """Parameters of a request."""

    def __init__(self, query: str) -> None:
        self._found = parse_qs(query, keep_blank_values=True)

    def text(self, name: str) -> str | None:
        return self._found.get(name, [None])[-1]

    def number(self, name: str, default: int | None, *, most: int) -> Any:
        text = self.text(name)
        if text is None:
            return default
        if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most:
            return int(text)
        raise refused("invalid_parameter", f"{name} must be 0 to {most}", field=name)
