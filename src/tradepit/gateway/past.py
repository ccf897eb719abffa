"""What the node no longer remembers: pages and orders from the SQL history, as JSON.

A list is answered from memory when memory surely holds all of it, else from SQL alone, which is
waited for until it has everything that was durable when the request came. A projector that is
further behind than that is not hidden: `as_of` says what the answer reflects.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from litestar import Response
from sqlalchemy.exc import SQLAlchemyError

from tradepit.domain.decimals import format_average, format_units
from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    TimeInForce,
)
from tradepit.gateway.answers import SIDE_TEXT, fill_texts, json_text, trade_text
from tradepit.gateway.gateway import Gateway
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import (
    AnyRequest,
    Slice,
    json_response,
    number_parameter,
    page_body,
)
from tradepit.gateway.times import format_time
from tradepit.projections.database import within
from tradepit.projections.reads import (
    Definition,
    Page,
    SqlHistory,
    StoredLine,
    StoredOrder,
)
from tradepit.projections.rows import LineKind

DatabaseError: Final = (SQLAlchemyError, OSError)

CURSOR_DIGITS: Final = 18
"""Fewer than a 64-bit number may have."""

READING_SECONDS: Final = 1.0
"""How long a list waits for a projector that is behind."""

ANSWER_SECONDS: Final = 5.0
"""How long the database may take; then the answer is 503 `history_unavailable`."""


class Query(Protocol):
    """A question to the history."""

    def __call__(self, history: SqlHistory, /) -> Awaitable[Page]: ...


async def ask(gateway: Gateway, request: AnyRequest, query: Query) -> Page | None:
    """Return a page of the history; None when the node keeps none.

    Raises:
        Refused: `min_sequence` is not reached, or the database does not answer.
    """
    history = gateway.history
    if history is None:
        return None
    wanted = number_parameter(request, "min_sequence", 0, least=0)
    durable = gateway.node.replica.sequence

    async def answer() -> Page:
        reached = await history.reach(max(wanted, durable), READING_SECONDS)
        if reached < wanted:
            raise refused("sequence_not_reached", f"the history is at sequence {reached}")
        return await query(history)

    try:
        return await within(ANSWER_SECONDS, answer())
    except DatabaseError:
        raise refused("history_unavailable", retry_after=1) from None


def page_response(
    wanted: Slice,
    page: Page,
    texts: Callable[[Any], list[str]],
    cursor: Callable[[Any], object],
) -> Response[bytes]:
    """The part of a page that is asked for; `cursor` names a row for the next page."""
    shown = page.rows[wanted.skip : wanted.skip + wanted.limit]
    following = None
    if len(page.rows) == wanted.rows and shown:
        following = str(cursor(shown[-1].row))
    items = [text for row in shown for text in texts(row)]
    return json_response(page_body(items, page.as_of, following))


def order_text(order: StoredOrder) -> str:
    """An order object, as `crates/core/src/json.rs` writes those that the node remembers."""
    row, definition = order.row, order.definition
    price = f'"{definition.price_text(row.price)}"' if row.price else "null"
    average = "null"
    if row.filled:
        step = (definition.tick_mantissa, definition.tick_exponent)
        average = f'"{format_average(row.filled_value, row.filled, *step)}"'
    fills = ",".join(fill_texts(definition, order.fills))
    return (
        f'{{"id":"{row.order_id}","order_id":"{row.order_id}"'
        f',"client_id":{json_text(order.account_id)}'
        f',"client_order_id":{json_text(row.client_order_id)}'
        f',"instrument":{json_text(definition.symbol)},"side":"{SIDE_TEXT[row.side]}"'
        f',"type":"{_word(OrderType, row.order_type)}"'
        f',"time_in_force":"{_word(TimeInForce, row.time_in_force)}","price":{price}'
        f',"quantity":"{definition.quantity_text(row.quantity)}"'
        f',"remaining":"{definition.quantity_text(row.leaves)}"'
        f',"filled_quantity":"{definition.quantity_text(row.filled)}"'
        f',"average_price":{average},"status":"{_word(OrderStatus, row.status)}"'
        f'{_special(row, definition)}{_unusual(row)},"fills":[{fills}]'
        f',"created_at":"{format_time(row.created_ns)}"'
        f',"updated_at":"{format_time(row.updated_ns)}"}}'
    )


def _word(kind: Callable[[int], Any], number: int) -> str:
    return str(kind(number).name).lower()


def _special(row: Any, definition: Definition) -> str:
    """What icebergs and stop orders have."""
    if not row.stop_price:
        lots = row.display_quantity
        return f',"display_quantity":"{definition.quantity_text(lots)}"' if lots else ""
    text = f',"stop_price":"{definition.price_text(row.stop_price)}"'
    if row.display_quantity:
        text += f',"trail_amount":"{definition.price_text(row.display_quantity)}"'
    waits = row.options & Option.STOP
    return text + (',"triggered":false' if waits else ',"triggered":true')


def _unusual(row: Any) -> str:
    """Fields that only some orders have."""
    text = ""
    if row.self_trade_prevention != SelfTradePrevention.CANCEL_TAKER:
        mode = _word(SelfTradePrevention, row.self_trade_prevention)
        text += f',"self_trade_prevention":"{mode}"'
    if row.options & Option.POST_ONLY:
        text += ',"post_only":true'
    if row.options & Option.POST_ONLY_REPRICE:
        text += ',"post_only":"reprice"'
    if row.options & Option.REDUCE_ONLY:
        text += ',"reduce_only":true'
    if row.options & Option.QUOTE:
        text += ',"quote":true'
    if row.expires_ns:
        text += f',"expires_at":"{format_time(row.expires_ns)}"'
    if row.close_reason:
        text += f',"close_reason":"{_word(CloseReason, row.close_reason)}"'
    return text


def stored_trade_text(row: Any, definition: Definition) -> str:
    """A public trade."""
    return trade_text(
        definition,
        trade_id=row.trade_id,
        price=row.price,
        quantity=row.quantity,
        maker_order_id=row.maker_order_id,
        taker_order_id=row.taker_order_id,
        taker_side=row.taker_side,
        time_ns=row.time_ns,
    )


def line_id(row: Any) -> str:
    """The name of a ledger line."""
    return f"{row.sequence}.{row.line}"


def line_of(cursor: str) -> tuple[int, int]:
    """Sequence and number of a ledger line's name; raises `Refused` invalid_cursor."""
    sequence, _, line = cursor.partition(".")
    if not (_is_number(sequence) and _is_number(line)):
        raise refused("invalid_cursor", field="cursor")
    return int(sequence), int(line)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= CURSOR_DIGITS


def line_text(line: StoredLine) -> str:
    """One ledger line of an account."""
    row = line.row
    trade = "null" if row.trade_id is None else f'"{row.trade_id}"'
    return (
        f'{{"id":"{line_id(row)}","sequence":{row.sequence}'
        f',"kind":"{_word(LineKind, row.kind)}","asset":{json_text(line.asset)}'
        f',"amount":"{format_units(row.amount, 1, line.scale)}","trade_id":{trade}'
        f',"at":"{format_time(row.time_ns)}"}}'
    )
