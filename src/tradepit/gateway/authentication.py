"""Key mode at the edges: which credentials a request shows, and what their refusal looks like."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode

from tradepit.access.access import Access, AccessDenied
from tradepit.access.principals import Permission, Principal
from tradepit.access.signature import Signed
from tradepit.gateway.problems import Refused, problem_of, refused
from tradepit.gateway.replies import Answer, problem_answer

Headers = list[tuple[bytes, bytes]]

SIGNED_HEADERS: Final = (b"x-key", b"x-timestamp", b"x-nonce", b"x-signature")
_X: Final = (b"x-", b"X-")
TICKET_HEADER: Final = b"x-ticket"
TICKET_COOKIE: Final = b"tradepit_ticket"
TICKET_PARAMETER: Final = "ticket"
PRINCIPAL: Final = "tradepit.principal"
"""Where the door leaves who speaks, in the ASGI scope; absent in open mode."""

TARGET: Final = "tradepit.target"
PEER: Final = "tradepit.peer"
"""Where the protocol leaves the request's target as it came, and who sent it."""


def signed_of(headers: Headers) -> Signed | None:
    """Return the four headers of a signature; None unless each is there once."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in SIGNED_HEADERS:
            if name in found:
                return None
            found[name] = value
    if len(found) < len(SIGNED_HEADERS):
        return None
    return Signed(*(found[name] for name in SIGNED_HEADERS))


def part_signature(data: bytes) -> tuple[Signed, bytes, bytes] | None:
    """Part the headers of a signature from a whole request that is written the usual way.

    Returns:
        The signature, the request's target, the request without those headers; None when it is
        not plainly so.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    found: dict[bytes, bytes] = {}
    kept = []
    for line in lines:
        if line[:2] in _X:
            name, _, value = line.partition(b": ")
            name = name.lower()
            if name not in SIGNED_HEADERS or name in found:
                return None
            found[name] = value
        else:
            kept.append(line)
    words = lines[0].split(b" ")
    if len(found) < len(SIGNED_HEADERS) or len(words) != 3:
        return None
    signed = Signed(*(found[name] for name in SIGNED_HEADERS))
    return signed, words[1], b"\r\n".join(kept) + data[end:]


def authenticate(
    access: Access,
    *,
    method: bytes,
    target: bytes,
    headers: Headers,
    body: bytes,
    peer: str,
    is_stream: bool = False,
) -> Principal:
    """Return who sent a request.

    Args:
        target: path and query as they came.
        is_stream: a ticket may also stand in the query, where browsers can put it.
    Raises:
        AccessDenied: see `Access`.
    """
    named = dict(headers)
    address = access.address_of(peer, named.get(b"x-forwarded-for"))
    access.admit(address)
    path, _, raw_query = target.partition(b"?")
    if not named.keys().isdisjoint(SIGNED_HEADERS):
        signed = signed_of(headers)
        # A bare `?` signs like none: one spelling of a request, no more.
        if signed is None or target.endswith(b"?"):
            raise access.failure(address)
        return access.authenticate(
            signed, method=method, path=path, raw_query=raw_query, body=body, address=address
        )
    ticket = _ticket(headers, raw_query if is_stream else b"")
    if ticket is None:
        raise AccessDenied("unauthenticated", "sign the request, or show a ticket")
    return access.by_ticket(ticket, address)


def _ticket(headers: Headers, raw_query: bytes) -> str | None:
    found = [value for name, value in headers if name == TICKET_HEADER]
    for name, value in headers:
        if name == b"cookie":
            pairs = (pair.strip().partition(b"=") for pair in value.split(b";"))
            found += [text for key, _, text in pairs if key == TICKET_COOKIE]
    if raw_query:
        parameters = parse_qsl(raw_query.decode("latin-1"), keep_blank_values=True)
        found += [text.encode() for key, text in parameters if key == TICKET_PARAMETER]
    return found[0].decode("latin-1") if found else None


def operations_in(body: bytes) -> int:
    """How many operations a batch holds, roughly: it is charged before it is read."""
    return body.count(b'"op"')


def denial_answer(error: AccessDenied) -> Answer:
    """The answer to a request that was not let in."""
    outcome = "rejected" if error.code in ("rate_limited", "not_available") else None
    problem = problem_of(error.code, error.detail, outcome=outcome)
    return problem_answer(problem, retry_after=error.retry_after_s)


def denial(error: AccessDenied) -> Refused:
    """The same, as the exception of a handler."""
    outcome = "rejected" if error.code in ("rate_limited", "not_available") else None
    problem = problem_of(error.code, error.detail, outcome=outcome)
    return Refused(problem, retry_after=error.retry_after_s)


def require(principal: Principal | None, permission: Permission) -> None:
    """Raise `Refused` forbidden when the key does not allow it; nobody means open mode."""
    if principal is not None and principal.permission < permission:
        raise refused("forbidden", f"this needs the permission {permission.word}")


def confine(named: str | None, account: str | None) -> str | None:
    """Return the account that a command is about: the key's own, or any that the operator names.

    Raises:
        Refused: forbidden; an account's key names another.
    """
    if account is None or named == account:
        return named
    if named is None:
        return account
    raise refused("forbidden", "the key speaks for another account", field="client_id")


def confined_query(raw_query: bytes, account: str | None) -> bytes:
    """The query of a request with the key's own account as its `client_id`.

    So a handler that reads `client_id`, and every account's lists do, cannot forget whose they are.

    Raises:
        Refused: forbidden; it names another account.
    """
    if account is None:
        return raw_query
    pairs = parse_qsl(raw_query.decode("latin-1"), keep_blank_values=True)
    for name, value in pairs:
        if name == "client_id":
            confine(value, account)
    kept = [pair for pair in pairs if pair[0] != "client_id"]
    return urlencode([*kept, ("client_id", account)]).encode()
