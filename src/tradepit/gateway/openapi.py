"""The OpenAPI 3.1 document: the routes of this package, described once, from the same structs that
decode requests. A test compares the table with the routes that are served."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import msgspec

from tradepit.gateway import results, shapes, store_results
from tradepit.gateway.described_route import (
    AFTER,
    API,
    ASSET,
    BY,
    CLIENT,
    CLIENT_ORDER,
    DEPTH,
    FROM,
    GAPS,
    HISTORY,
    INSTRUMENT,
    INTERVAL,
    LIMIT,
    LINE_CURSOR,
    LIST,
    MIN_SEQUENCE,
    PAGE,
    POINTS,
    REPLAY_INSTRUMENT,
    SHARD,
    SIDE,
    STATUS,
    TEXT,
    TO,
    UNTIL,
    Json,
    Route,
)
from tradepit.gateway.firms import results as firms
from tradepit.gateway.firms.described import FIRM_ROUTES
from tradepit.gateway.problems import CODES, Problem
from tradepit.gateway.replaying import shapes as replays
from tradepit.gateway.trade_lines import TradeLine

ALWAYS: Final = (400, 401, 403, 503)
"""Statuses that any route may answer."""

ROUTES: Final = (
    Route("post", f"{API}/orders", "Place an order", (results.Order, results.ForgottenOrder),
          shapes.PlaceOrder, status=201, errors=(404, 409, 413, 415, 422, 429), is_write=True),
    Route("post", f"{API}/orders/batch", "Up to 1,000 operations, in order, in one commit",
          results.BatchResults, shapes.Batch, errors=(413, 415, 422, 429), is_write=True),
    Route("get", f"{API}/orders", f"List orders, newest first. {HISTORY}", results.Page,
          query=(CLIENT, INSTRUMENT, STATUS, CLIENT_ORDER, *LIST), errors=(422,),
          item=results.Order),
    Route("delete", f"{API}/orders", "Cancel all that match; by client_order_id also an order that "
          "has not arrived yet", results.Cancelled,
          query=(CLIENT, INSTRUMENT, SIDE, CLIENT_ORDER, UNTIL), errors=(404, 409, 422, 429),
          is_write=True),
    Route("get", f"{API}/orders/{{order_id}}", "Read an order", results.Order,
          query=(CLIENT, MIN_SEQUENCE), errors=(404, 422)),
    Route("delete", f"{API}/orders/{{order_id}}", "Cancel an order",
          (results.Order, results.ForgottenOrder), query=(CLIENT, UNTIL),
          errors=(404, 409, 422, 429), is_write=True),
    Route("patch", f"{API}/orders/{{order_id}}", "Amend price, total quantity, stop price",
          (results.Order, results.ForgottenOrder), shapes.AmendOrder, query=(CLIENT,),
          errors=(404, 409, 413, 415, 422, 429), is_write=True),
    Route("post", f"{API}/accounts", "Open an account with the starting balances", results.Account,
          shapes.OpenAccount, status=201, errors=(409, 413, 415, 422, 429), is_write=True,
          tag="accounts"),
    Route("get", f"{API}/accounts/{{account_id}}", "Read an account", results.Account,
          query=(MIN_SEQUENCE,), errors=(404, 422), tag="accounts"),
    Route("get", f"{API}/accounts/{{account_id}}/balances", "Money by asset", results.Page,
          query=(MIN_SEQUENCE,), errors=(404, 422), tag="accounts", item=results.Balance),
    Route("get", f"{API}/accounts/{{account_id}}/positions", "Positions, valued at the mid, else "
          "at the last trade", results.Page, query=(MIN_SEQUENCE,), errors=(404, 422),
          tag="accounts", item=results.Position),
    Route("get", f"{API}/accounts/{{account_id}}/trades", f"Own fills. {HISTORY}", results.Page,
          query=(INSTRUMENT, *LIST), errors=(404, 422), tag="accounts", item=results.AccountFill),
    Route("get", f"{API}/accounts/{{account_id}}/ledger", "Double-entry lines, newest first",
          results.Page, query=(ASSET, LIMIT, LINE_CURSOR, PAGE, MIN_SEQUENCE),
          errors=(404, 422, 503), tag="accounts", item=results.LedgerLine),
    Route("get", f"{API}/accounts/{{account_id}}/performance", "Average buy and sell price, "
          "position and profit over time, by instrument", results.Page,
          query=(INSTRUMENT, POINTS, MIN_SEQUENCE), errors=(404, 422, 503), tag="accounts",
          item=results.AccountPerformance),
    Route("post", f"{API}/accounts/{{account_id}}/deposits", "Bring money in", results.Account,
          shapes.MoveFunds, status=201, errors=(404, 409, 413, 415, 422, 429), is_write=True,
          tag="accounts"),
    Route("post", f"{API}/accounts/{{account_id}}/withdrawals", "Take money out", results.Account,
          shapes.MoveFunds, status=201, errors=(404, 409, 413, 415, 422, 429), is_write=True,
          tag="accounts"),
    Route("post", f"{API}/accounts/{{account_id}}/transfers", "Money to another account",
          results.Account, shapes.Transfer, status=201, errors=(404, 409, 413, 415, 422, 429),
          is_write=True, tag="accounts"),
    Route("put", f"{API}/accounts/{{account_id}}/limits", "Set limits", results.AccountLimits,
          shapes.Limits, errors=(404, 409, 413, 415, 422, 429), is_write=True, tag="accounts"),
    Route("get", f"{API}/accounts/{{account_id}}/limits", "Limits", results.AccountLimits,
          query=(MIN_SEQUENCE,), errors=(404, 422), tag="accounts"),
    Route("post", f"{API}/accounts/{{account_id}}/dead-man", "Cancel all orders unless this is "
          "sent again in time", results.DeadMan, shapes.SetDeadMan,
          errors=(404, 409, 413, 415, 422, 429), is_write=True, tag="accounts"),
    Route("get", f"{API}/accounts/{{account_id}}/sessions", "Live sessions: whose orders leave "
          "with a connection", results.Page, query=(MIN_SEQUENCE,), errors=(404, 422),
          tag="accounts", item=results.BoundSession),
    *(
        Route("post", f"{API}/accounts/{{account_id}}/{action}", about, results.AccountStateResult,
              query=(UNTIL,), errors=(404, 409, 415, 422, 429), is_write=True, tag="accounts")
        for action, about in (
            ("suspend", "Refuse new orders"),
            ("resume", "Take orders again"),
            ("cancel-only", "Refuse new orders; those that rest stay"),
            ("kill", "Cancel everything and refuse new orders"),
        )
    ),
    Route("get", f"{API}/instruments", "List instruments", results.Page, query=(MIN_SEQUENCE,),
          errors=(422,), tag="instruments", item=results.Instrument),
    Route("post", f"{API}/instruments", "Add an instrument, and its assets when they are new",
          results.Instrument, shapes.DefineInstrument, status=201,
          errors=(409, 413, 415, 422, 429), is_write=True, tag="instruments"),
    Route("get", f"{API}/instruments/{{symbol}}", "Read an instrument", results.Instrument,
          query=(MIN_SEQUENCE,), errors=(404, 422), tag="instruments"),
    Route("delete", f"{API}/instruments/{{symbol}}", "Remove an instrument in which nothing rests",
          results.Instrument, query=(UNTIL,), errors=(404, 409, 422, 429), is_write=True,
          tag="instruments"),
    Route("put", f"{API}/instruments/{{symbol}}/phase", "Open, halt, gather for an auction, close",
          results.Instrument, shapes.SetPhase, errors=(404, 409, 413, 415, 422, 429),
          is_write=True, tag="instruments"),
    Route("put", f"{API}/market/phase", "Set the phase of every instrument", results.MarketPhase,
          shapes.SetPhase, errors=(409, 413, 415, 422, 429), is_write=True, tag="instruments"),
    Route("put", f"{API}/instruments/{{symbol}}/schedule", "Phases by time of day; no entries take "
          "the schedule away", results.Instrument, shapes.SetSchedule,
          errors=(404, 409, 413, 415, 422, 429), is_write=True, tag="instruments"),
    Route("put", f"{API}/instruments/{{symbol}}/safety", "Automatic halts, and protection of stop "
          "orders", results.Instrument, shapes.SetInstrumentSafety,
          errors=(404, 409, 413, 415, 422, 429), is_write=True, tag="instruments"),
    Route("get", f"{API}/instruments/{{symbol}}/auction", "What an auction would come to now",
          results.Auction, query=(MIN_SEQUENCE,), errors=(404, 422), tag="instruments"),
    Route("get", f"{API}/instruments/{{symbol}}/statistics", "The last 24 hours",
          results.Statistics, query=(MIN_SEQUENCE,), errors=(422, 503), tag="instruments"),
    Route("get", f"{API}/candles", "Candles, newest first; intervals without trades are left out",
          results.Page, query=(INSTRUMENT, INTERVAL, FROM, TO, GAPS, *LIST), errors=(422, 503),
          tag="market data", item=results.CandleResult),
    Route("get", f"{API}/trades", f"List trades. {HISTORY}", results.Page,
          query=(INSTRUMENT, *LIST), errors=(422,), tag="market data", item=results.Trade),
    Route("get", f"{API}/orderbook", "The book, best first", (results.Book, results.QueueBook),
          query=(INSTRUMENT, DEPTH, BY, MIN_SEQUENCE), errors=(422,), tag="market data"),
    Route("post", f"{API}/trades/ingest", "Store trades of elsewhere: one JSON object per line, up "
          "to 16 MiB and 100,000 lines, gzip accepted (Content-Encoding). All lines of a request "
          "are stored in one transaction, but a bad line spoils no other. A trade_id that was seen "
          "before changes nothing, so a request with ids may be repeated", store_results.Ingested,
          TradeLine, errors=(413, 415), tag="trade store", is_lines=True),
    Route("get", f"{API}/contracts", "Summaries of contracts, by ticker", store_results.Contracts,
          query=(LIMIT, AFTER), tag="trade store"),
    *(
        Route("get", f"{API}/contracts/{{ticker}}/{path}", about, answer, query=(SHARD,),
              errors=(404,), tag="trade store")
        for path, about, answer in (
            ("summary", "What a contract's trades come to", store_results.ContractSummary),
            ("volume", "Volume of a contract", store_results.ContractVolume),
            ("highest-price", "Highest price of a contract", store_results.ContractHighestPrice),
            ("last-trade-time", "Most recent trade time of a contract",
             store_results.ContractLastTradeTime),
            ("prices/{price}", "What a contract's trades at a price come to",
             store_results.ContractSummary),
            ("prices/{price}/volume", "Volume of a contract at a price",
             store_results.ContractVolume),
            ("prices/{price}/last-trade-time", "Most recent trade time of a contract at a price",
             store_results.ContractLastTradeTime),
        )
    ),
    Route("get", f"{API}/accounts/{{account_id}}/keys", "Keys of an account, without secrets",
          results.Page, errors=(404,), tag="keys", item=results.KeyFacts),
    Route("post", f"{API}/accounts/{{account_id}}/keys", "Make a key of an account",
          results.CreatedKey, shapes.CreateKey, status=201, errors=(404, 413, 415, 422),
          tag="keys"),
    Route("get", f"{API}/keys", "Keys of the operator, without secrets", results.Page,
          errors=(404,), tag="keys", item=results.KeyFacts),
    Route("post", f"{API}/keys", "Make a key of the operator", results.CreatedKey,
          shapes.CreateKey, status=201, errors=(404, 413, 415, 422), tag="keys"),
    Route("delete", f"{API}/keys/{{key_id}}", "Revoke a key, and end what it opened",
          results.KeyFacts, errors=(404,), tag="keys"),
    Route("post", f"{API}/sessions", "Open a session: a ticket for streams and the page; signed "
          "requests only", results.SessionFacts, shapes.OpenSession, status=201,
          errors=(404, 413, 415), tag="keys"),
    Route("get", f"{API}/sessions", "Who the caller is", results.SessionFacts, errors=(404,),
          tag="keys"),
    Route("delete", f"{API}/sessions", "End the session of the ticket shown; with a signed "
          "request, all sessions of its key", results.Nothing, errors=(404,), tag="keys"),
    Route("post", f"{API}/replays", "Replay a recording: index it (kept), then play it on a clock "
          "of its own", replays.ReplayState, replays.ReplayWish, status=201,
          errors=(404, 413, 415, 422), tag="replays"),
    Route("get", f"{API}/replays", "Replays, newest first", replays.ReplayList, tag="replays",
          errors=(404,)),
    Route("get", f"{API}/replays/{{replay_id}}", "How a replay stands", replays.ReplayState,
          errors=(404,), tag="replays"),
    Route("patch", f"{API}/replays/{{replay_id}}", "Play, pause, step, jump, set the speed",
          replays.ReplayState, replays.ReplayChange, errors=(404, 409, 413, 415, 422),
          tag="replays"),
    Route("delete", f"{API}/replays/{{replay_id}}", "End a replay", replays.ReplayState,
          errors=(404,), tag="replays"),
    Route("get", f"{API}/replays/{{replay_id}}/book", "The books where the replay stands",
          replays.ReplayBooks, query=(REPLAY_INSTRUMENT, DEPTH, BY), errors=(404, 409),
          tag="replays"),
    *FIRM_ROUTES,
    Route("get", "/health", "Liveness", results.Health, tag="node"),
    Route("get", "/ready", "Readiness: takes new orders", results.Health, tag="node"),
    Route("get", "/metrics", "Prometheus text", None, tag="node"),
)  # fmt: skip

SOCKETS: Final = {
    f"{API}/ws": "Order entry and channels over WebSocket.\n\n"
    'Orders: `{"id": any, "op": "place" | "cancel" | "replace" | "mass_cancel", …}` is answered '
    '`{"id", "op", "status", "order" | "result" | "problem"}`; `idempotency_key` names the key.\n\n'
    'Safety: `{"op": "bind_session", "client_id"?, "name", "cancel_on_disconnect": true}` binds a '
    "session of the account to this connection; its later orders here carry it, and leave when "
    'the connection is gone. `{"op": "dead_man", "client_id"?, "timeout_ms"}` is the timer of '
    "POST /accounts/{account_id}/dead-man.\n\n"
    'Firms: `{"op": "quote" | "reserve" | "release", "instrument", …}` and `{"op": "heartbeat", '
    '"maker", "epoch"}` take the fields of their routes; answered with `quote`, `reservation`, '
    "`released`, `maker`.\n\n"
    'Channels: `{"op": "subscribe", "channel": "book:BTC-USD", "from": seq?}` is answered by a '
    "snapshot and then changes; `trades:SYM`, `bbo:SYM`, `book:SYM`, `orders:SYM`, "
    "`candles:SYM:1m`, `statistics:SYM`, `auction:SYM` (SYM may be `*`), `execution` and "
    "`positions` (with `client_id` in open mode). `seq` counts the messages of a channel by one; "
    "where numbers may be skipped (`bbo`, `candles`, `statistics`, conflated books) a message "
    "names the "
    '`previous_seq`. `"conflate_ms": 10` to `10000` sends each level of `book` and `bbo` at most '
    "that often. A consumer that falls behind is closed with code 4008.",
    f"{API}/stream": "Channels as Server-Sent Events: `?channels=book:BTC-USD,trades:*`, for "
    "channels of an account also `client_id`; `conflate_ms=` for books. Each event's data is what "
    "a socket's message would be; events of several channels come in one order. An event's id is "
    "`journal_sequence.index`: with `Last-Event-ID` (or `last_event_id=`) all channels go on "
    "after it, or give a snapshot with the code `snapshot_required` when too much was missed. "
    "A reader that falls behind is sent the event `error`, code `slow_consumer`, and closed.",
    f"{API}/replays/{{replay_id}}/stream": "A replay as Server-Sent Events. The first message is a "
    "snapshot of the books (`?snapshot=orders`: with every order; `?wait=true`: the clock waits "
    "for this reader), then each message of the recording with its effect, and notes: `state`, and "
    "`jump` with the books where the replay "
    "stands now. `seq` grows by one, also as the event's id: `Last-Event-ID` (or `from=`) goes on "
    "after it, or gives a snapshot with the code `snapshot_required`. `left_ns` is when a message "
    "left the replay's clock, in nanoseconds since the Unix epoch.",
    f"{API}/replays/{{replay_id}}/export": "A download, made while it is read: `?what=steps` "
    "(messages `from` to `to` with their effects) or `what=book` (at `position`, default where the "
    "replay stands; `by=level|order`, `instrument_id`), `format=ndjson|zip`.",
    f"{API}/ws/replays/{{replay_id}}": "The same over WebSocket. "
    '`{"id": any, "op": "control", …}` takes what PATCH takes, and is answered '
    '`{"id", "op", "status", "replay" | "problem"}`.',
    f"{API}/ws/trades": "One text frame per trade; `?instrument=` for one instrument.",
}


def _scheme(place: str, name: str, about: str) -> Json:
    return {"type": "apiKey", "in": place, "name": name, "description": about}


SECURITY_SCHEMES: Final = {
    "key": _scheme("header", "X-Key", "the id of the key"),
    "timestamp": _scheme("header", "X-Timestamp", "milliseconds since the Unix epoch"),
    "nonce": _scheme("header", "X-Nonce", "1 to 64 visible ASCII characters, good once"),
    "signature": _scheme(
        "header",
        "X-Signature",
        "lower-case hex of HMAC-SHA256, under the secret, of `timestamp\\nnonce\\nMETHOD\\npath"
        "\\nraw_query\\nsha256hex(body)`",
    ),
    "ticket": _scheme("header", "X-Ticket", "from POST /sessions; on streams also `?ticket=`"),
    "cookie": _scheme("cookie", "tradepit_ticket", "the same, for the page"),
}
SECURITY: Final[list[Json]] = [
    {},
    {"key": [], "timestamp": [], "nonce": [], "signature": []},
    {"ticket": []},
    {"cookie": []},
]
"""Nothing in open mode; in key mode a signature, or a ticket."""


@cache
def openapi_document() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(_document())


def _document() -> Json:
    structs = {Problem, results.AcceptedOrder}
    for route in ROUTES:
        answers = route.answer if isinstance(route.answer, tuple) else (route.answer,)
        structs |= {shape for shape in (*answers, route.body, route.item) if shape is not None}
    ordered = sorted(structs, key=lambda shape: shape.__name__)
    _, components = msgspec.json.schema_components(
        ordered, ref_template="#/components/schemas/{name}"
    )
    _describe_batch(components)
    paths: Json = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    for path, about in SOCKETS.items():
        paths[path] = {"get": _socket(path, about)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tradepit",
            "version": "1",
            "description": "A complete electronic market. Decimals are exact: strings or numbers "
            "in, strings out. Times are RFC 3339 in UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in ("orders", "accounts", "instruments", "firms",
                                             "market data", "trade store", "streams",
                                             "replays", "keys", "node")],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY_SCHEMES},
        "security": SECURITY,
        "x-problem-codes": {
            code: {"status": meaning.status, "title": meaning.title}
            for code, meaning in sorted(CODES.items())
        },
    }  # fmt: skip


def _describe_batch(components: Json) -> None:
    """Operations are decoded one by one, so that one bad one does not spoil the others."""
    _, more = msgspec.json.schema_components(
        [shapes.Operation], ref_template="#/components/schemas/{name}"
    )
    components.update(more)
    components["Batch"]["properties"]["operations"] = {
        "type": "array",
        "maxItems": 1000,
        "items": {"$ref": "#/components/schemas/Operation"},
    }
    result = components["BatchResult"]["properties"]
    result["order"] = {"anyOf": [_ref(results.Order), _ref(results.ForgottenOrder)]}
    result["problem"] = _ref(Problem)
    result["quote"] = {"anyOf": [_ref(firms.Quote), _ref(firms.ForgottenQuote)]}
    result["reservation"] = {"anyOf": [_ref(firms.Reservation), _ref(firms.ForgottenReservation)]}
    result["released"] = _ref(firms.Released)
    result["maker"] = _ref(firms.HeartbeatAnswer)


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": {str(route.status): _answer(route)},
    }
    if route.is_write and route.path == f"{API}/orders" and route.method == "post":
        operation["responses"]["202"] = {
            "description": "accepted, with `Prefer: respond-async`",
            "content": {"application/json": {"schema": _ref(results.AcceptedOrder)}},
        }
    if route.is_write and route.status == 201:
        operation["responses"]["200"] = _answer(route) | {
            "description": "the original answer to a repeated write"
        }
    for status in sorted({*ALWAYS, *route.errors}):
        operation["responses"][str(status)] = _problem(status)
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _ref(route.body)} for kind in _body_kinds(route)},
        }
    return operation


def _body_kinds(route: Route) -> tuple[str, ...]:
    """One trade is a body of one line."""
    return ("application/json", "application/x-ndjson") if route.is_lines else ("application/json",)


def _operation_id(route: Route) -> str:
    words = [word for word in route.path.removeprefix(API).split("/") if word]
    return "_".join([route.method, *(word.strip("{}").replace(".", "_") for word in words)])


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": word[1:-1], "in": "path", "required": True,
         "schema": {"type": "string", "pattern": "^[!-.0-~]+$"}}
        for word in path.split("/")
        if word.startswith("{")
    ]  # fmt: skip


def _parameters(route: Route) -> list[Json]:
    parameters = _path_parameters(route.path)
    for name, about, schema in route.query:
        required = name == "instrument" and route.path.endswith("/orderbook")
        parameters.append(
            {"name": name, "in": "query", "description": about, "required": required,
             "schema": schema}
        )  # fmt: skip
    if route.is_write:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "1 to 64 visible ASCII characters; the same command under the "
                "same key is done once",
                "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
            }
        )
    return parameters


def _ref(shape: type) -> Json:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _answer(route: Route) -> Json:
    if route.answer is None:
        return {"description": "text", "content": {"text/plain": {"schema": TEXT}}}
    schema: Json
    if isinstance(route.answer, tuple):
        schema = {"anyOf": [_ref(shape) for shape in route.answer]}
    else:
        schema = _ref(route.answer)
    if route.item is not None:
        items = {"type": "array", "items": _ref(route.item)}
        schema = {"allOf": [schema, {"type": "object", "properties": {"items": items}}]}
    answer: Json = {"description": "done", "content": {"application/json": {"schema": schema}}}
    if route.is_write:
        answer["headers"] = {
            "X-Sequence": {"description": "journal sequence", "schema": {"type": "integer"}},
            "Idempotent-Replayed": {"description": "true on a repeated write", "schema": TEXT},
        }
    return answer


def _problem(status: int) -> Json:
    codes = sorted(code for code, meaning in CODES.items() if meaning.status == status)
    answer: Json = {
        "description": ", ".join(codes),
        "content": {"application/problem+json": {"schema": _ref(Problem)}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return answer


def _socket(path: str, about: str) -> Json:
    statuses = (400, 403, 404, 409, 422, 426, 503) if "{" in path else (400, 403, 422, 426, 503)
    return {
        "operationId": re.sub(r"\W+", "_", path.removeprefix(API)).strip("_"),
        "summary": "WebSocket",
        "description": about,
        "tags": ["streams"],
        "parameters": _path_parameters(path),
        "responses": {"101": {"description": "switching to WebSocket"}}
        | {str(status): _problem(status) for status in statuses},
    }
