"""The message that a key signs: everything a request means, and nothing that a proxy changes."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

SIGNATURE_HEX: Final = 64
NONCE_MAX: Final = 64
TIMESTAMP_DIGITS_MAX: Final = 15


class Signed(NamedTuple):
    """The four headers of a signed request, as they came."""

    key: bytes
    timestamp: bytes
    nonce: bytes
    signature: bytes


def message_of(
    signed: Signed, *, method: bytes, path: bytes, raw_query: bytes, body: bytes
) -> bytes:
    """Return what is signed. Path and query as they were sent, still percent-encoded."""
    digest = hashlib.sha256(body).hexdigest().encode()
    parts = (signed.timestamp, signed.nonce, method, path, raw_query, digest)
    return b"\n".join(parts)


def is_signature(secret: bytes, message: bytes, signature: bytes) -> bool:
    """Compare in constant time."""
    expected = hmac.digest(secret, message, "sha256").hex().encode()
    return hmac.compare_digest(expected, signature)


def is_nonce(nonce: bytes) -> bool:
    """1 to 64 visible ASCII characters."""
    return 0 < len(nonce) <= NONCE_MAX and min(nonce) > 0x20 and max(nonce) < 0x7F
