"""Answers as bytes of HTTP/1.1, and what both ways into the gateway ask of a request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from tradepit.gateway.replies import Answer

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_OK_HEAD: Final = (
    b"%bcontent-type: application/json\r\nx-sequence: %d\r\ncontent-length: %d\r\n\r\n%b"
)
_JSON: Final = b"application/json"

CHALLENGE: Final = b'Tradepit-HMAC-SHA256 headers="X-Key X-Timestamp X-Nonce X-Signature"'
"""What a 401 names, as HTTP asks."""


def answer_bytes(answer: Answer) -> bytes:
    """The whole HTTP message of an answer."""
    status_line = _STATUS_LINES[answer.status]
    if answer.status < 400 and answer.sequence and not answer.is_replay:
        return _OK_HEAD % (status_line, answer.sequence, len(answer.body), answer.body)
    head = [status_line, b"content-length: %d\r\n" % len(answer.body)]
    head += [b"%b: %b\r\n" % pair for pair in answer_headers(answer)]
    return b"".join([*head, b"\r\n", answer.body])


def answer_headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, without its length."""
    kind = b"application/json" if answer.status < 400 else b"application/problem+json"
    headers = [(b"content-type", kind)]
    if answer.sequence:
        headers.append((b"x-sequence", b"%d" % answer.sequence))
    if answer.is_replay:
        headers.append((b"idempotent-replayed", b"true"))
    if answer.status == 401:
        headers.append((b"www-authenticate", CHALLENGE))
    if answer.retry_after:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    return headers


def is_json(kind: bytes | None) -> bool:
    """Whether a body of this content type is taken: JSON, or nothing said."""
    return kind is None or kind == _JSON or kind.split(b";")[0].strip().lower() == _JSON


def is_json_lines(kind: bytes | None) -> bool:
    """Whether a content type says newline-delimited JSON."""
    return kind is not None and kind.split(b";")[0].strip().lower() in _JSON_LINES


_JSON_LINES: Final = frozenset(
    {
        b"application/x-ndjson",
        b"application/ndjson",
        b"application/jsonl",
        b"application/x-jsonlines",
    }
)
