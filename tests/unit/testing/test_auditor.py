"""The auditor complains about events that cannot be, one doctored answer at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tradepit.domain.wire import EventKind, Option
from tradepit.testing.auditor import AuditFailure, Auditor
from tradepit.testing.comparison import by_command
from tradepit.testing.frames import Event, FrameWriter, read_frames
from tradepit.testing.oracle import Oracle
from tradepit.testing.oracle_engine import OracleEngine
from tradepit.testing.script import START_NS, Stage, opening
from tradepit.testing.script_commands import parse

LINES = (
    "s1: ann sell 5 @ 100",
    "s2: bob sell 5 @ 100",
    "s3: cyd sell 5 @ 101",
    "b: cyd buy 7 @ 100",
    "f: cyd buy 9 @ 100 fok",
    "p: bob buy 1 @ 90 post-only",
    "i: ann buy 9 @ 101 ioc cancel-taker",
)


# The same under version 2: icebergs, an auction, stops, a firm's quote, a session.
LINES_OF_VERSION_2 = (
    "i: ann sell 6 @ 100 shows 2",
    "s: bob sell 2 @ 100",
    "t: cyd buy 6 @ 100",
    "w: bob buy 1 stop 101 @ 105",
    "a: cyd buy 3 @ 101",
    "j: ann sell 4 @ 102 shows 2",
    "cyd buy 1 @ 102",
    "eve firm 10 10 0",
    "e1: eve reserve 6 6",
    "q: eve quote 6 @ 90 6 @ 110",
    "v: bob sell 2 @ 90",
    "eve release",
    "x: ann bind desk cancels",
    "o: ann buy 1 @ 80 session 1",
    "ann end-session 1 x",
    "eve makes",
    "eve heartbeat mm-0 1",
    "market phase auction",
    "b1: bob buy 5 @ 103",
    "c1: cyd sell 4 @ 99",
    "c2: cyd sell 2 @ 99 shows 1",
    "market phase continuous",
    "k: ann sell 5 @ 120 shows 2",
    "ann replace k quantity 3",
    "market safety band_ppm 20000",
    "f: ann sell 1 @ 200",
    "g: bob buy 9 @ 200",
)


def audit(
    line: str,
    doctor: Callable[[Event], Event | None],
    lines: tuple[str, ...] = LINES,
    rules_version: int = 1,
) -> None:
    """Play the lines; change the events of one of them on the way to the auditor."""
    oracle, auditor = Oracle(), Auditor()
    writer, stage = FrameWriter(), Stage(OracleEngine(), rules_version=rules_version)
    frames = [writer.write(opening(rules_version), START_NS)]
    for each in lines:
        label, _, words = each.rpartition(": ")
        stage.writer.next_sequence = writer.next_sequence
        if label:
            stage.name_orders(label, is_quote=" quote " in words)
        frames.append(writer.write(parse(words.split(), stage.context), START_NS))
    for each, frame in zip(("", *lines), frames, strict=True):
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


def audit_version_2(line: str, doctor: Callable[[Event], Event | None]) -> None:
    audit(line, doctor, LINES_OF_VERSION_2, rules_version=2)


def test_honest_events_of_version_2_pass() -> None:
    audit_version_2("", lambda event: event)


def line(words: str) -> str:
    """The line that ends with these words."""
    return next(each for each in LINES_OF_VERSION_2 if each.endswith(words))


SWEEP, AUCTION, RUN = line("buy 6 @ 100"), line("phase continuous"), line("cyd buy 1 @ 102")
FILLED, UNCROSSED = EventKind.ORDER_FILLED, EventKind.AUCTION_UNCROSSED
TRIGGERED, REPLACED = EventKind.ORDER_TRIGGERED, EventKind.ORDER_REPLACED
RESERVED, RELEASED = EventKind.RESERVED, EventKind.RESERVATION_RELEASED
HALTED, PHASE = line("buy 9 @ 200"), EventKind.PHASE_CHANGED
KEPT = Option.KEPT_PRIORITY
QUOTED, STANDS = line("6 @ 110"), line("o: ann buy 1 @ 80 session 1")
GATHERS, MAKES = line("buy 5 @ 103"), line("heartbeat mm-0 1")

DOCTORED_OF_VERSION_2 = [
    pytest.param(SWEEP, change(TRADE, quantity=3), "quantity", id="more than shows"),
    pytest.param(SWEEP, change(TRADE, status=0), "kind", id="iceberg hidden"),
    pytest.param(SWEEP, drop(FILLED), "not told", id="fill not told"),
    pytest.param(SWEEP, change(FILLED, visible=3), "stands at", id="shows too much"),
    pytest.param(SWEEP, change(FILLED, options=KEPT), "place", id="kept its place"),
    pytest.param(SWEEP, change(FILLED, visible_before=1), "slice", id="slice before"),
    pytest.param(RUN, drop(TRIGGERED), "another taker", id="untriggered"),
    pytest.param(RUN, change(TRIGGERED, stop_price=99), "triggered at", id="stop price"),
    pytest.param(RUN, change(TRIGGERED, trigger_price=99), "triggered at", id="trigger price"),
    pytest.param(RUN, change(TRIGGERED, trade_count=0), "number of trades", id="run's trades"),
    pytest.param(AUCTION, change(UNCROSSED, price=100), "at the price", id="round's price"),
    pytest.param(AUCTION, change(UNCROSSED, volume=4), "volume", id="round's volume"),
    pytest.param(AUCTION, change(UNCROSSED, surplus=4), "surplus", id="surplus"),
    pytest.param(AUCTION, change(UNCROSSED, trade_count=7), "trades of a round", id="count"),
    pytest.param(AUCTION, drop(UNCROSSED), "outside a round", id="no round"),
    pytest.param(AUCTION, change(TRADE, price=102), "round's price", id="another price"),
    pytest.param(AUCTION, change(TRADE, status=0), "not trading", id="no auction"),
    pytest.param(AUCTION, drop(PHASE), "without its phase", id="no phase"),
    pytest.param(AUCTION, change(PHASE, status=2), "does not", id="halted after a round"),
    pytest.param(GATHERS, change(ACCEPTED, trade_count=1), "number of trades", id="gathering"),
    pytest.param(QUOTED, change(RESERVED, granted_bid=11), "granted", id="beyond the request"),
    pytest.param(QUOTED, change(RESERVED, granted_bid=5), "granted|status", id="quoted more"),
    pytest.param(QUOTED, change(RESERVED, status=2), "status", id="reservation's status"),
    pytest.param(
        line("eve release"), change(RELEASED, freed_bid=3), "freed", id="freed too little"
    ),
    pytest.param(line("eve release"), change(RELEASED, freed_bid=7), "freed", id="freed too much"),
    pytest.param(STANDS, change(ACCEPTED, session=2), "session", id="unknown session"),
    pytest.param(
        line("end-session 1 x"), change(EventKind.SESSION_ENDED, count=0), "count", id="count left"
    ),
    pytest.param(line("end-session 1 x"), drop(CANCELLED), "count", id="order outlives"),
    pytest.param(MAKES, drop(EventKind.SYMBOL_ASSIGNED), "owners", id="nobody owns"),
    pytest.param(
        MAKES, change(EventKind.SYMBOL_ASSIGNED, maker=2), "owners", id="an unknown maker owns"
    ),
    pytest.param(line("quantity 3"), change(FILLED, visible=1), "slice", id="slice of a replace"),
    pytest.param(HALTED, drop(PHASE), "crossed|goes on", id="no halt"),
    pytest.param(HALTED, change(PHASE, reason=0), "band", id="halt by nothing"),
]


@pytest.mark.parametrize(("line", "doctor", "complaint"), DOCTORED_OF_VERSION_2)
def test_a_doctored_answer_of_version_2_is_noticed(
    line: str, doctor: Callable[[Event], Event | None], complaint: str
) -> None:
    with pytest.raises(AuditFailure, match=complaint):
        audit_version_2(line, doctor)
