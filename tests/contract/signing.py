"""Signing by the letter of the contract, apart from the program's own code; and a signed client."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

_nonces = itertools.count(time.time_ns())


@dataclass(frozen=True)
class Pair:
    """A key and its secret."""

    key: str
    secret: str


def headers_of(
    pair: Pair,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    timestamp: int | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The four headers of a request."""
    path, _, query = target.partition("?")
    stamp = str(time.time_ns() // 1_000_000 if timestamp is None else timestamp)
    once = f"n{next(_nonces)}" if nonce is None else nonce
    text = "\n".join([stamp, once, method, path, query, hashlib.sha256(body).hexdigest()])
    signature = hmac.new(pair.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"X-Key": pair.key, "X-Timestamp": stamp, "X-Nonce": once, "X-Signature": signature}


class SignedHttp:
    """An HTTP client that signs each request; with no pair it signs nothing."""

    def __init__(self, url: str, pair: Pair | None = None) -> None:
        self.pair = pair
        self.http = httpx.Client(base_url=url, timeout=10)

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request; `body` becomes JSON."""
        content = b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("Content-Type", "application/json")
        if self.pair is not None:
            named = headers_of(self.pair, method, target, content) | named
        return self.http.request(method, target, content=content, headers=named)

    def close(self) -> None:
        self.http.close()
