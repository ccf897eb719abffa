"""What random streams once found, told as short stories; both engines now agree."""

from __future__ import annotations

from tradepit._native import Replica
from tradepit.domain import wire
from tradepit.domain.wire import EventKind, RecordFlag, RejectReason, TimeInForce
from tradepit.testing.comparison import require_same
from tradepit.testing.frames import Command, Event, FrameWriter, command
from tradepit.testing.oracle import Oracle
from tradepit.testing.script import SECOND_NS, START_NS, opening


class Both:
    """Both engines behind one writer; every answer has to be the same."""

    def __init__(self, start: list[Command]) -> None:
        self.oracle, self.replica, self.writer = Oracle(), Replica(), FrameWriter()
        self.send(*start)

    def send(self, *commands: Command, time_ns: int = START_NS) -> list[Event]:
        frame = self.writer.write(commands, time_ns)
        expected = self.oracle.apply(frame)
        require_same(frame, expected, self.replica.apply(frame))
        return expected.values


def good_till(expires_at: int, **fields: int) -> Command:
    return command(
        wire.PlaceOrder(
            account=1,
            side=wire.Side.BUY,
            instrument=1,
            order_type=wire.OrderType.LIMIT,
            time_in_force=TimeInForce.GTD,
            price=1,
            quantity=1,
            definition_version=1,
            expires_at=expires_at,
            **fields,
        )
    )


def test_a_late_cancel_by_key_is_too_late_before_its_keys_are_compared() -> None:
    """Generator seed 25: one engine said INVALID_COMBINATION."""
    both = Both(opening())
    cancel = wire.CancelByKey(
        account=1, flags=RecordFlag.KEY, key_low=5, target_low=5, valid_until=START_NS - 1
    )
    late, in_time = both.send(command(cancel), command(cancel._replace(valid_until=0, key_high=0)))[
        1:
    ]
    assert late.fields.reason == RejectReason.TOO_LATE
    assert in_time.fields.reason == RejectReason.KEY_REUSED


def test_expiries_of_the_stamp_come_before_a_quarantined_command() -> None:
    """Generator seed 7: one engine left them to the next command."""
    both = Both(opening())
    both.send(good_till(START_NS + 1))
    skipped = both.writer.next_sequence
    both.oracle.quarantine(skipped)
    both.replica.quarantine(skipped)
    kinds = [event.kind for event in both.send(command(wire.Tick()), time_ns=START_NS + 1)]
    assert kinds == [
        EventKind.FRAME_APPLIED,
        EventKind.ORDER_CANCELLED,
        EventKind.COMMAND_QUARANTINED,
    ]


def test_without_a_window_the_key_of_an_expired_order_lasts_one_more_command() -> None:
    """Generator seed 50: keys are forgotten first, then orders expire."""
    genesis = wire.Genesis(key_capacity=9, accounts_max=9, rules_version=1, schema_version=1)
    both = Both([command(genesis), *opening()[1:]])
    order = good_till(START_NS + SECOND_NS, flags=RecordFlag.KEY, key_low=5)
    both.send(order)
    later = START_NS + SECOND_NS
    answers = both.send(order, order, time_ns=later)[2:]
    assert [event.kind for event in answers] == [
        EventKind.COMMAND_REPEATED,
        EventKind.COMMAND_REJECTED,
    ]
    assert answers[1].fields.reason == RejectReason.INVALID_EXPIRY
