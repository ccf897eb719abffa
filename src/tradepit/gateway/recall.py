"""Original answers that the node has forgotten, from the history.

A repeated command is answered as it was at first. Memory holds the newest orders only; for older
ones the order as it was is put together from its row and its fills.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from tradepit.gateway import past
from tradepit.gateway.desk import Reply
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import problem_of
from tradepit.gateway.replies import Answer, Memory, Recall, problem_answer
from tradepit.projections.database import within
from tradepit.projections.reads import Page, SqlHistory, StoredOrder

OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class Recaller:
    """Completes answers on tasks of its own; a history that does not answer changes nothing."""

    def __init__(self, node: MarketNode, history: SqlHistory) -> None:
        self._node = node
        self._history = history
        self._tasks: set[asyncio.Task[None]] = set()

    def complete(self, answer: Answer, reply: Reply) -> None:
        """Reply with what the history knows, else with the answer as it is."""
        task = asyncio.get_running_loop().create_task(self._complete(answer, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _complete(self, answer: Answer, reply: Reply) -> None:
        recall = answer.recall
        assert recall is not None, "asked for an answer that recalls"
        try:
            page = await within(past.ANSWER_SECONDS, self._order(recall.order_id))
        except past.DatabaseError:
            page = None
        if page is not None and page.rows:
            answer = _completed(answer, recall, page.rows[0])
        reply(answer)

    async def _order(self, order_id: int) -> Page:
        await self._history.reach(self._node.replica.sequence, past.READING_SECONDS)
        return await self._history.order(order_id)


def _completed(answer: Answer, recall: Recall, order: StoredOrder) -> Answer:
    if recall.memory is Memory.PLACED:
        return answer._replace(body=past.order_text(as_placed(order)).encode())
    if order.row.status in OPEN or recall.account not in (0, order.row.account):
        return answer
    if recall.memory is Memory.CLOSED:
        return problem_answer(problem_of("order_closed"), sequence=answer.sequence)
    return answer._replace(body=past.order_text(order).encode())


def as_placed(order: StoredOrder) -> StoredOrder:
    """The order right after the command that placed it."""
    row = order.row
    placed_by = _placed_by(row)
    fills = [fill for fill in order.fills if fill.sequence == placed_by]
    filled = sum(fill.quantity for fill in fills)
    waited = bool(row.first_stop_price) and row.triggered_sequence != placed_by
    if row.first_stop_price and not waited and row.order_type != OrderType.STOP_LIMIT:
        return order  # it came in and ended in that command
    leaves = row.first_quantity - filled
    ended = leaves > 0 and not waited and _ended_at_once(row)
    status = OrderStatus.NEW
    if ended:
        status = OrderStatus.CANCELLED
    elif not leaves:
        status = OrderStatus.FILLED
    elif filled:
        status = OrderStatus.PARTIALLY_FILLED
    values: dict[str, Any] = dict(row._mapping) | {
        "price": row.first_price,
        "quantity": row.quantity if ended else row.first_quantity,
        "leaves": 0 if ended else leaves,
        "filled": filled,
        "filled_value": sum(fill.price * fill.quantity for fill in fills),
        "status": status,
        "close_reason": row.close_reason if ended else 0,
        "updated_ns": row.created_ns,
        "options": row.options | Option.STOP if waited else row.options,
        "stop_price": row.first_stop_price if waited else row.stop_price,
    }
    return order._replace(row=SimpleNamespace(**values), fills=fills)


def _placed_by(row: Any) -> int:
    """Sequence of the placing command: the order's id, but for the bid of a quote, whose id is that
    of the command before."""
    is_bid_of_quote = row.options & Option.QUOTE and row.side == Side.BUY
    return int(row.order_id) + bool(is_bid_of_quote)


def _ended_at_once(row: Any) -> bool:
    """Whether the placing command itself cancelled what was left."""
    if row.order_type == OrderType.MARKET or row.time_in_force in (
        TimeInForce.IOC,
        TimeInForce.FOK,
    ):
        return True
    ended_then = row.status == OrderStatus.CANCELLED and row.updated_ns == row.created_ns
    had_nothing = row.close_reason == CloseReason.REDUCE_ONLY and row.first_stop_price
    return bool(ended_then and (had_nothing or row.close_reason == CloseReason.SELF_TRADE))
