"""The auditor complains about events that cannot be, one doctored answer at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tradepit.domain.wire import EventKind
from tradepit.testing.auditor import AuditFailure, Auditor
from tradepit.testing.comparison import by_command
from tradepit.testing.frames import Event, FrameWriter, read_frames
from tradepit.testing.oracle import Oracle
from tradepit.testing.oracle_engine import OracleEngine
from tradepit.testing.script import START_NS, Stage, opening

LINES = (
    "s1: ann sell 5 @ 100",
    "s2: bob sell 5 @ 100",
    "s3: cyd sell 5 @ 101",
    "b: cyd buy 7 @ 100",
    "f: cyd buy 9 @ 100 fok",
    "p: bob buy 1 @ 90 post-only",
    "i: ann buy 9 @ 101 ioc cancel-taker",
)


def audit(line: str, doctor: Callable[[Event], Event | None]) -> None:
    """Play the lines; change the events of one of them on the way to the auditor."""
    oracle, auditor = Oracle(), Auditor()
    writer, stage = FrameWriter(), Stage(OracleEngine())
    frames = [writer.write(opening(), START_NS)]
    for each in LINES:
        stage.order_ids[each.split(":")[0]] = writer.next_sequence
        frames.append(writer.write([stage.parse(each.split(": ")[1].split())], START_NS))
    for each, frame in zip(("", *LINES), frames, strict=True):
        applied = oracle.apply(frame)
        (parts,) = read_frames(frame)
        for command, events in zip(
            parts.commands, by_command(applied.values, applied.ends), strict=True
        ):
            if each == line:
                events = [e for e in map(doctor, events) if e is not None]
            auditor.audit(command, events)


def change(kind: EventKind, **fields: int) -> Callable[[Event], Event | None]:
    """Set fields of the first event of a kind."""
    seen: list[Event] = []

    def doctor(event: Event) -> Event | None:
        if event.kind != kind or seen:
            return event
        seen.append(event)
        return Event(event.fields._replace(**fields), event.text)

    return doctor


def drop(kind: EventKind) -> Callable[[Event], Event | None]:
    return lambda event: None if event.kind == kind else event


def test_honest_events_pass() -> None:
    audit("", lambda event: event)


TAKES, KILLED, POSTED, IMMEDIATE = LINES[3:]
ACCEPTED, TRADE, CANCELLED = EventKind.ORDER_ACCEPTED, EventKind.TRADE, EventKind.ORDER_CANCELLED

DOCTORED = [
    pytest.param(TAKES, change(TRADE, price=99), "maker's price", id="price"),
    pytest.param(TAKES, change(TRADE, maker_order_id=19, maker_account=2), "to trade", id="fifo"),
    pytest.param(TAKES, change(TRADE, quantity=4), "quantity", id="quantity"),
    pytest.param(TAKES, change(TRADE, maker_leaves=1), "maker's leaves", id="maker leaves"),
    pytest.param(TAKES, change(TRADE, trade_id=2), "trade id", id="trade id"),
    pytest.param(TAKES, change(TRADE, maker_fee=1), "fees", id="fee"),
    pytest.param(TAKES, change(TRADE, side=2), "taker's header", id="side"),
    pytest.param(TAKES, drop(TRADE), "leaves", id="lost trade"),
    pytest.param(TAKES, change(ACCEPTED, status=1), "status", id="status"),
    pytest.param(TAKES, change(ACCEPTED, leaves=1), "leaves", id="leaves"),
    pytest.param(TAKES, change(ACCEPTED, trade_count=1), "number of trades", id="trade count"),
    pytest.param(TAKES, change(ACCEPTED, price=99), "limit", id="through the limit"),
    pytest.param(TAKES, change(ACCEPTED, order_id=5), "order id", id="order id"),
    pytest.param(TAKES, change(ACCEPTED, sequence=5), "event of command", id="sequence"),
    pytest.param(KILLED, drop(CANCELLED), "leaves", id="fok rests"),
    pytest.param(KILLED, change(CANCELLED, cancelled_quantity=8), "cancelled", id="cancelled"),
    pytest.param(IMMEDIATE, change(CANCELLED, reason=11), "no liquidity", id="liquidity"),
    pytest.param(IMMEDIATE, change(CANCELLED, status=5), "expired", id="expired"),
    pytest.param(POSTED, change(ACCEPTED, price=101), "crossed", id="crossed"),
    pytest.param(POSTED, change(ACCEPTED, price=2_000_000), "crossed", id="far crossed"),
    pytest.param(POSTED, drop(ACCEPTED), "answered", id="unanswered"),
]


@pytest.mark.parametrize(("line", "doctor", "complaint"), DOCTORED)
def test_a_doctored_answer_is_noticed(
    line: str, doctor: Callable[[Event], Event | None], complaint: str
) -> None:
    with pytest.raises(AuditFailure, match=complaint):
        audit(line, doctor)
