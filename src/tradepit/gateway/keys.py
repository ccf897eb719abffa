"""Routes of keys and sessions. In open mode there are none: they answer 404."""

from __future__ import annotations

from typing import Final

from litestar import Response, delete, get, post
from litestar.params import FromPath

from tradepit.access.access import Access
from tradepit.access.keys import LABEL_MAX, KeyRecord, NewKey, TooManyKeys
from tradepit.access.principals import PERMISSIONS, Permission, Principal
from tradepit.access.sessions import TooManySessions
from tradepit.gateway.administration import known_account
from tradepit.gateway.authentication import TICKET_COOKIE, require
from tradepit.gateway.fields import choose
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import AnyRequest, decode, json_response, read_body, speaker
from tradepit.gateway.results import CreatedKey, KeyFacts, SessionFacts
from tradepit.gateway.shapes import CreateKey, OpenSession
from tradepit.gateway.times import format_time

_CHOICES: Final = {word: int(permission) for word, permission in PERMISSIONS.items()}


@get("/accounts/{account_id:str}/keys")
async def list_account_keys(gateway: GatewayGiven, account_id: FromPath[str]) -> Response[bytes]:
    access = keys_of(gateway)
    known_account(gateway.desk.market, account_id)
    return _list(gateway, access.keys.of_account(account_id))


@post("/accounts/{account_id:str}/keys")
async def create_account_key(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    access = keys_of(gateway)
    known_account(gateway.desk.market, account_id)
    body = decode(await read_body(request, gateway.config.order_body_max), CreateKey)
    permission = Permission(choose(_CHOICES, body.permission or "trade", "permission"))
    if permission is Permission.ADMIN:
        detail = "an account's key is read or trade; POST /keys makes the operator's"
        raise refused("invalid_field", detail, field="permission")
    return _created(await create_key(access, account_id, permission, body.label))


@get("/keys")
async def list_keys(gateway: GatewayGiven) -> Response[bytes]:
    """The operator's own keys."""
    return _list(gateway, keys_of(gateway).keys.of_account(None))


@post("/keys")
async def create_operator_key(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    """A key of the operator: it may name any account; `read` and `trade` do not administer."""
    access = keys_of(gateway)
    body = decode(await read_body(request, gateway.config.order_body_max), CreateKey)
    permission = Permission(choose(_CHOICES, body.permission or "admin", "permission"))
    return _created(await create_key(access, None, permission, body.label))


@delete("/keys/{key_id:str}", status_code=200)
async def revoke_key(
    request: AnyRequest, gateway: GatewayGiven, key_id: FromPath[str]
) -> Response[bytes]:
    access = keys_of(gateway)
    principal = speaker(request)
    record = access.keys.find(key_id)
    if record is None or principal is None or not _may_see(principal, record):
        raise refused("unknown_key")
    if record.id != principal.key_id:
        is_own = principal.account is not None
        require(principal, Permission.TRADE if is_own else Permission.ADMIN)
    await access.revoke_key(record)
    return json_response(_facts(record))


@post("/sessions", status_code=201)
async def open_session(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    access = keys_of(gateway)
    principal = _speaker(request)
    if principal.session_id is not None:
        raise refused("forbidden", "a session is opened with a signed request, not with a ticket")
    body = decode(await read_body(request, gateway.config.order_body_max) or b"{}", OpenSession)
    permission = principal.permission
    if body.permission is not None:
        permission = Permission(choose(_CHOICES, body.permission, "permission"))
        require(principal, permission)
    try:
        ticket, session_id = access.open_session(principal, permission)
    except TooManySessions:
        raise refused("overloaded", "too many sessions", retry_after=1) from None
    facts = SessionFacts(
        id=session_id,
        key=principal.key_id,
        account=principal.account,
        permission=permission.word,
        expires_in=int(access.options.session_s),
        ticket=ticket,
    )
    response = json_response(facts, 201)
    if body.cookie:
        origin = request.headers.get("origin", "")
        secure = "; Secure" if origin.startswith("https:") else ""
        response.headers["set-cookie"] = (
            f"{TICKET_COOKIE.decode()}={ticket}; Path=/; HttpOnly; SameSite=Strict; "
            f"Max-Age={facts.expires_in}{secure}"
        )
    return response


@get("/sessions")
async def read_session(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    """Who the caller is."""
    keys_of(gateway)
    principal = _speaker(request)
    facts = SessionFacts(
        id=principal.session_id,
        key=principal.key_id,
        account=principal.account,
        permission=principal.permission.word,
    )
    return json_response(facts)


@delete("/sessions", status_code=200)
async def end_session(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    """End the session of the ticket shown; with a signed request, all sessions of the key."""
    access = keys_of(gateway)
    principal = _speaker(request)
    access.end_session(principal)
    response = json_response(b"{}")
    response.headers["set-cookie"] = f"{TICKET_COOKIE.decode()}=; Path=/; HttpOnly; Max-Age=0"
    return response


def keys_of(gateway: Gateway) -> Access:
    """The keys of this node; raises `Refused` not_found in open mode."""
    if gateway.access is None:
        raise refused("not_found", "this node runs in open mode, without keys")
    return gateway.access


async def create_key(
    access: Access, account: str | None, permission: Permission, label: str
) -> NewKey:
    """Make a key; raises `Refused` keys_limit."""
    if len(label) > LABEL_MAX:
        raise refused("invalid_field", f"label is up to {LABEL_MAX} characters", field="label")
    try:
        return await access.create_key(account, permission, label)
    except TooManyKeys:
        raise refused("keys_limit") from None


def _speaker(request: AnyRequest) -> Principal:
    principal = speaker(request)
    assert principal is not None, "the door lets nobody else through"
    return principal


def _may_see(principal: Principal, record: KeyRecord) -> bool:
    return principal.account is None or principal.account == record.principal.account


def _created(made: NewKey) -> Response[bytes]:
    facts = _facts(made.record)
    values = {name: getattr(facts, name) for name in facts.__struct_fields__}
    return json_response(CreatedKey(api_key=made.record.id, api_secret=made.secret, **values), 201)


def _list(gateway: Gateway, records: list[KeyRecord]) -> Response[bytes]:
    items = [_facts(record) for record in reversed(records)]
    return json_response({"items": items, "as_of": gateway.node.replica.sequence, "next": None})


def _facts(record: KeyRecord) -> KeyFacts:
    revoked = record.revoked_at_ns
    return KeyFacts(
        id=record.id,
        account=record.principal.account,
        permission=record.principal.permission.word,
        label=record.label,
        created_at=format_time(record.created_at_ns),
        revoked_at=None if revoked is None else format_time(revoked),
    )


HANDLERS: Final = (
    list_account_keys,
    create_account_key,
    list_keys,
    create_operator_key,
    revoke_key,
    open_session,
    read_session,
    end_session,
)
"""Served in both modes, so that the document and the table hold for both."""
