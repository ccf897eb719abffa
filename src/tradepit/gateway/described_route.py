"""What the OpenAPI document says of a route: the words, and the parameters that many share."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Json = dict[str, Any]

API: Final = "/api/v1"


class Parameter(NamedTuple):
    """One query parameter."""

    name: str
    about: str
    schema: Json


class Route(NamedTuple):
    """One operation."""

    method: str
    path: str
    summary: str
    answer: type | tuple[type, ...] | None
    body: type | None = None
    query: tuple[Parameter, ...] = ()
    status: int = 200
    errors: tuple[int, ...] = ()
    is_write: bool = False
    tag: str = "orders"
    item: type | None = None
    """What a list holds."""
    is_lines: bool = False
    """The body is lines of `body`."""


TEXT: Final[Json] = {"type": "string"}
CLIENT = Parameter("client_id", "the account; absent = trusted operator", TEXT)
INSTRUMENT = Parameter("instrument", "symbol", {"type": "string", "examples": ["BTC-USD"]})
SIDE = Parameter("side", "buy or sell", {"type": "string", "enum": ["buy", "sell"]})
CLIENT_ORDER = Parameter("client_order_id", "own name of the order", TEXT)
STATUS = Parameter("status", "comma-separated; open = new, partially_filled", TEXT)
UNTIL = Parameter("valid_until", "RFC 3339; refused when applied later", TEXT)
LIMIT = Parameter("limit", "items", {"type": "integer", "minimum": 1, "maximum": 1000})
CURSOR = Parameter("cursor", "`next` of the page before", {"type": "string", "pattern": "^[0-9]+$"})
PAGE = Parameter("page", "from 1; page times limit up to 10,000", {"type": "integer", "minimum": 1})
MIN_SEQUENCE = Parameter(
    "min_sequence", "wait (bounded) until the reader has it", {"type": "integer", "minimum": 0}
)
DEPTH = Parameter("depth", "levels (at most 1,000) or orders (at most 5,000)", {"type": "integer"})
BY = Parameter(
    "by", "price levels, or order by order", {"type": "string", "enum": ["level", "order"]}
)
SHARD = Parameter(
    "shard", "one summary record; absent = all merged", {"type": "integer", "minimum": 0}
)
AFTER = Parameter("cursor", "`next` of the page before", TEXT)
REPLAY_INSTRUMENT = Parameter("instrument", "symbol; absent = every book", TEXT)
LIST = (LIMIT, CURSOR, PAGE, MIN_SEQUENCE)

HISTORY: Final = (
    "The newest come from memory, older ones from SQL: nothing is forgotten. `as_of` is the "
    "sequence that the answer reflects."
)
ASSET = Parameter("asset", "code", TEXT)
LINE_CURSOR = Parameter("cursor", "`next` of the page before", TEXT)
INTERVAL = Parameter("interval", "1s to 1d, such as 5m; divides a day", TEXT)
FROM = Parameter("from", "first start: RFC 3339 or nanoseconds since the epoch", TEXT)
TO = Parameter("to", "starts before this", TEXT)
GAPS = Parameter(
    "gaps",
    "leave out intervals without trades, or carry the close forward (flagged)",
    {"type": "string", "enum": ["leave", "carry"]},
)
POINTS = Parameter("points", "most points", {"type": "integer", "minimum": 1, "maximum": 2000})
