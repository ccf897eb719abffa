"""Signed requests, for a node in key mode."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Generator
from dataclasses import dataclass, field

import httpx

NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its secret."""

    key: str
    secret: str = field(repr=False)

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """Headers that sign a request, good once and for a few seconds.

        Args:
            target: path and query as they are sent, percent-encoded.
        """
        timestamp = str(time.time_ns() // 1_000_000)
        nonce = secrets.token_hex(NONCE_BYTES)
        path, _, query = target.partition("?")
        digest = hashlib.sha256(body).hexdigest()
        message = "\n".join((timestamp, nonce, method, path, query, digest))
        signature = hmac.new(self.secret.encode(), message.encode(), hashlib.sha256)
        return {
            "X-Key": self.key,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": signature.hexdigest(),
        }


class Signing(httpx.Auth):
    """Signs each request as it is sent, each repetition anew."""

    requires_request_body = True

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        target = request.url.raw_path.decode("ascii")
        request.headers.update(self._credentials.headers(request.method, target, request.content))
        yield request


def credentials_of(key: str | None, secret: str | None) -> Credentials | None:
    """Return both or neither; raises ValueError for one alone."""
    if key is None and secret is None:
        return None
    if key is None or secret is None:
        raise ValueError("a key and its secret go together")
    return Credentials(key, secret)
