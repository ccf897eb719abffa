"""The desk: every write of the public interface passes here, whichever way it came.

The hot path, the ASGI application and the socket hand in parsed requests with a `reply`; the desk
submits their commands and calls `reply` once, on the event loop, with the answer. Nothing is
awaited, so an order costs no task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import structlog

from tradepit.domain.wire import EVENT_HEADER_DTYPE
from tradepit.gateway.authentication import confine
from tradepit.gateway.changing import CancelDraft, MassCancelDraft, ReplaceDraft
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.drafts import Draft, Market, StaleDefinition
from tradepit.gateway.fields import check_key
from tradepit.gateway.firms.operations import FIRM_OPERATIONS, firm_operation_draft
from tradepit.gateway.ordinary import TIMED_EVERY, OrdinaryOrders
from tradepit.gateway.placing import PlaceDraft
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import UNDECODABLE, Refused, decoding_problem, problem_of, refused
from tradepit.gateway.rejects import RETRY_AFTER_S
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.shapes import (
    AmendOrder,
    Batch,
    Operation,
    decode_batch,
    decode_operation,
    decode_place,
)
from tradepit.node.outcome import Failure, NoSpace, NotAccepted, Outcome, Overloaded
from tradepit.observe.metrics import LatencyHistogram

Reply = Callable[[Answer], None]

BROKEN_ANSWER: Final = problem_answer(problem_of("internal_error", outcome="unknown"))

log = structlog.get_logger(__name__)

STALE_ANSWER: Final = problem_answer(problem_of("stale_definition"))


class Desk:
    """Takes writes, gives answers."""

    def __init__(self, node: MarketNode, config: GatewayConfig) -> None:
        self.node = node
        self.config = config
        self.market = Market(node)
        self.latency = LatencyHistogram(
            "tradepit_write_seconds", "From a parsed write to its answer; one in sixteen is timed."
        )
        self.submitted_count = 0
        self.answered_count = 0
        self.refused_count = 0
        self.failed_count = 0
        self.ordinary = OrdinaryOrders(self)
        self.remember: Callable[[Answer, Reply], None] | None = None
        """Replies with an answer that the history may complete; None without a history."""

    def place(
        self,
        body: bytes,
        key: bytes | None,
        reply: Reply,
        own: str | None = None,
        *,
        is_async: bool = False,
    ) -> None:
        """POST /orders. `own` is the account of the request's key, which it cannot leave."""
        try:
            if key is not None:
                check_key(key)
            order = decode_place(body)
            if own is not None:
                order.client_id = confine(order.client_id, own)
            draft = PlaceDraft(self.market, order, key, is_async=is_async)
        except UNDECODABLE as error:
            reply(problem_answer(decoding_problem(error)))
        except Refused as error:
            reply(problem_answer(error.problem, retry_after=error.retry_after))
        else:
            _Single(self, draft, reply).submit()

    def cancel(
        self,
        order_id: str,
        client_id: str | None,
        key: bytes | None,
        reply: Reply,
        *,
        valid_until: str | None = None,
    ) -> None:
        """DELETE /orders/{id}."""
        self.write(
            lambda: CancelDraft(
                self.market, order_id, client_id, _key(key), valid_until=valid_until
            ),
            reply,
        )

    def write(self, make: Callable[[], Draft], reply: Reply) -> None:
        """Submit the one draft that `make` returns, or answer its refusal."""
        try:
            draft = make()
        except UNDECODABLE as error:
            reply(problem_answer(decoding_problem(error)))
        except Refused as error:
            reply(problem_answer(error.problem, retry_after=error.retry_after))
        else:
            self.submit(draft, reply)

    def submit(self, draft: Draft, reply: Reply) -> None:
        """Submit a draft; `reply` is called later, or at once when the node takes nothing."""
        _Single(self, draft, reply).submit()

    def tell(self, draft: Draft, reply: Reply, outcome: Outcome) -> None:
        """Answer a draft whose commands came back."""
        _Single(self, draft, reply).done(outcome)

    def replace(
        self,
        order_id: str | int,
        client_id: str | None,
        key: bytes | None,
        amend: AmendOrder,
        reply: Reply,
    ) -> None:
        """PATCH /orders/{id}."""
        self.write(lambda: ReplaceDraft(self.market, order_id, client_id, _key(key), amend), reply)

    def batch(self, body: bytes, key: bytes | None, reply: Reply, own: str | None = None) -> None:
        """POST /orders/batch: every operation answered by itself, all in one commit. One that
        leaves the key's `own` account spoils the whole: nothing of it is done."""
        try:
            if key is not None:
                check_key(key)
            if self._batch_plain(body, key, reply, own):
                return
            batch = decode_batch(body)
            if own is not None:
                batch.client_id = confine(batch.client_id, own)
            limit = self.config.batch_operations_max
            if len(batch.operations) > limit:
                detail = f"{len(batch.operations)} operations, at most {limit} are taken"
                raise refused("invalid_field", detail, field="operations")
            drafts = self.batch_drafts(batch, key, own)
        except UNDECODABLE as error:
            reply(problem_answer(decoding_problem(error)))
        except Refused as error:
            reply(problem_answer(error.problem))
        else:
            _Many(self, drafts, reply).submit()

    def _batch_plain(self, body: bytes, key: bytes | None, reply: Reply, own: str | None) -> bool:
        """Take a batch of ordinary orders of one account; False for any other."""
        config = self.config
        if not config.hot_path:
            return False
        found = self.node.replica.plain_batch(body, key, config.batch_operations_max)
        if found is None:
            return False
        records, count, client_id = found
        if own is not None and client_id != own:
            return False
        many = _PlainMany(self, body, key, count, reply)
        try:
            self.node.submit(records, b"", count, many.done, account=client_id)
        except NotAccepted as error:
            reply(self.refusal_answer(error))
        return True

    def batch_drafts(
        self, batch: Batch, key: bytes | None, own: str | None = None
    ) -> list[Draft | Answer]:
        """The drafts of a batch, or at once the answers of operations that are no good.

        Raises:
            Refused: forbidden; an operation leaves the `own` account.
        """
        drafts: list[Draft | Answer] = []
        for index, raw in enumerate(batch.operations):
            try:
                operation = decode_operation(raw)
            except UNDECODABLE as error:
                drafts.append(problem_answer(decoding_problem(error)))
                continue
            if operation.client_id is None:
                operation.client_id = batch.client_id
            else:
                confine(operation.client_id, own)
            try:
                own_key = None if key is None else b"%b/%d" % (key, index)
                if operation.client_order_id is not None and operation.op == "place":
                    own_key = None
                drafts.append(self.operation_draft(operation, own_key))
            except UNDECODABLE as error:
                drafts.append(problem_answer(decoding_problem(error)))
            except Refused as error:
                drafts.append(problem_answer(error.problem))
        return drafts

    def operation_draft(self, operation: Operation, key: bytes | None, session: int = 0) -> Draft:
        """Return the draft of one operation of a batch or socket message; raises `Refused`.

        Args:
            session: of the account, that a new order comes with; 0 = none.
        """
        market = self.market
        op = operation.op
        if op == "place":
            for field in ("instrument", "side"):
                if getattr(operation, field) is None:
                    raise refused("invalid_field", f"{field} is missing", field=field)
            return PlaceDraft(market, operation, key, session=session)
        if op == "mass_cancel":
            return MassCancelDraft(
                market,
                client_id=operation.client_id,
                instrument=operation.instrument,
                side=operation.side,
                client_order_id=operation.client_order_id,
                key=key,
                valid_until=operation.valid_until,
            )
        if op in FIRM_OPERATIONS:
            return firm_operation_draft(market, operation, key)
        if operation.order_id is None:
            raise refused("invalid_field", "order_id is missing", field="order_id")
        if op == "cancel":
            return CancelDraft(
                market,
                operation.order_id,
                operation.client_id,
                key,
                valid_until=operation.valid_until,
            )
        amend = AmendOrder(
            price=operation.price,
            quantity=operation.quantity,
            stop_price=operation.stop_price,
            valid_until=operation.valid_until,
        )
        return ReplaceDraft(market, operation.order_id, operation.client_id, key, amend)

    def refusal_answer(self, error: NotAccepted) -> Answer:
        """Return the answer for what the node raised before it took the commands over."""
        self.refused_count += 1
        if isinstance(error, Overloaded):
            code = "too_many_requests" if error.scope == "account" else "overloaded"
        elif isinstance(error, NoSpace):
            code = "journal_full"
        else:
            code = "not_available"
        problem = problem_of(code, str(error), outcome="rejected")
        return problem_answer(problem, retry_after=RETRY_AFTER_S)

    def failure_answer(self, failure: Failure) -> Answer:
        """Return the answer for commands that were queued and have no events."""
        self.failed_count += 1
        code = "unknown_outcome" if failure is Failure.UNKNOWN else "not_available"
        return problem_answer(problem_of(code, outcome=failure.value))

    def broken_answer(self, error: Exception) -> Answer:
        """Return the answer when this program fails over events: they happened, so say unknown."""
        log.error("an answer could not be written", exc_info=error)
        self.failed_count += 1
        return BROKEN_ANSWER


class _Single:
    """One draft on its way through the journal."""

    __slots__ = ("attempts", "began", "desk", "draft", "reply")

    def __init__(self, desk: Desk, draft: Draft, reply: Reply) -> None:
        self.desk = desk
        self.draft = draft
        self.reply = reply
        self.attempts = 0
        self.began = 0.0

    def submit(self) -> None:
        draft = self.draft
        desk = self.desk
        desk.submitted_count += 1
        if not desk.submitted_count % TIMED_EVERY:
            self.began = time.perf_counter()
        try:
            desk.node.submit(
                draft.records,
                draft.texts,
                draft.count,
                self.done,
                urgent=draft.is_urgent,
                account=draft.speaker,
            )
        except NotAccepted as error:
            self.reply(desk.refusal_answer(error))

    def done(self, outcome: Outcome) -> None:
        if outcome.failure is not None:
            self.reply(self.desk.failure_answer(outcome.failure))
            return
        events = outcome.events
        try:
            answer = self.draft.answer(events, 0, len(events), outcome.first_sequence)
        except StaleDefinition:
            self._again()
            return
        except Exception as error:
            answer = self.desk.broken_answer(error)
        self.desk.answered_count += 1
        if self.began:
            self.desk.latency.add((time.perf_counter() - self.began) * 1e6)
        if answer.recall is not None and self.desk.remember is not None:
            self.desk.remember(answer, self.reply)
        else:
            self.reply(answer)

    def _again(self) -> None:
        self.attempts += 1
        if self.attempts > self.desk.config.stale_retries:
            self.reply(STALE_ANSWER)
            return
        self.desk.market.listing.refresh()
        try:
            self.draft.redraft()
        except Refused as error:
            self.reply(problem_answer(error.problem))
        else:
            self.submit()


class _Many:
    """The drafts of a batch in one submission; what was refused at once keeps its place."""

    __slots__ = ("counts", "desk", "drafts", "reply")

    def __init__(self, desk: Desk, drafts: list[Draft | Answer], reply: Reply) -> None:
        self.desk = desk
        self.drafts = drafts
        self.reply = reply
        self.counts = [0 if isinstance(draft, Answer) else draft.count for draft in drafts]
        """Commands of each operation."""

    def submit(self) -> None:
        drafts = [draft for draft in self.drafts if not isinstance(draft, Answer)]
        if not drafts:
            self._reply(self.drafts, 0)  # type: ignore[arg-type]
            return
        speakers = {draft.speaker for draft in drafts}
        try:
            self.desk.node.submit(
                b"".join([draft.records for draft in drafts]),
                b"".join([draft.texts for draft in drafts]),
                sum(draft.count for draft in drafts),
                self.done,
                urgent=all(draft.is_urgent for draft in drafts),
                account=speakers.pop() if len(speakers) == 1 else 0,
            )
        except NotAccepted as error:
            self.reply(self.desk.refusal_answer(error))

    def done(self, outcome: Outcome) -> None:
        if outcome.failure is not None:
            self.reply(self.desk.failure_answer(outcome.failure))
            return
        events = outcome.events
        sequences = np.frombuffer(events, EVENT_HEADER_DTYPE)["sequence"]
        firsts = np.cumsum([outcome.first_sequence, *self.counts])
        bounds = (np.searchsorted(sequences, firsts) * 96).tolist()
        answers = [
            self._answer(draft, events, bounds[index], bounds[index + 1], int(firsts[index]))
            for index, draft in enumerate(self.drafts)
        ]
        self.desk.answered_count += len(answers)
        self._reply(answers, int(firsts[-1]) - 1)

    def _answer(
        self, draft: Draft | Answer, events: bytes, start: int, stop: int, sequence: int
    ) -> Answer:
        if isinstance(draft, Answer):
            return draft
        try:
            return draft.answer(events, start, stop, sequence)
        except StaleDefinition:
            self.desk.market.listing.refresh()
            return STALE_ANSWER
        except Exception as error:
            return self.desk.broken_answer(error)

    def _reply(self, answers: Sequence[Answer], sequence: int) -> None:
        body = b'{"results":[' + b",".join([result_json(answer) for answer in answers]) + b"]}"
        self.reply(Answer(200, body, sequence))


class _PlainMany:
    """A batch of ordinary orders on its way; drafts are only made when one was not accepted."""

    __slots__ = ("body", "count", "desk", "key", "reply")

    def __init__(
        self, desk: Desk, body: bytes, key: bytes | None, count: int, reply: Reply
    ) -> None:
        self.desk = desk
        self.body = body
        self.key = key
        self.count = count
        self.reply = reply

    def done(self, outcome: Outcome) -> None:
        desk, first = self.desk, outcome.first_sequence
        if outcome.failure is None:
            answer = desk.node.replica.batch_json(outcome.events, first, self.count)
            if answer is not None:
                desk.answered_count += self.count
                self.reply(Answer(200, answer, first + self.count - 1))
                return
        drafts = desk.batch_drafts(decode_batch(self.body), self.key)
        many = _Many(desk, drafts, self.reply)
        many.counts = [1] * self.count
        many.done(outcome)


def result_json(answer: Answer) -> bytes:
    """One result of a batch, or of a socket message."""
    status = answer.status
    if status >= 400:
        return b'{"status":%d,"problem":%b}' % (status, answer.body)
    name = answer.name or (b"order" if answer.body.startswith(b'{"id":') else b"result")
    replay = b',"replayed":true' if answer.is_replay else b""
    return b'{"status":%d%b,"%b":%b}' % (status, replay, name, answer.body)


def _key(key: bytes | None) -> bytes | None:
    return None if key is None else check_key(key)
