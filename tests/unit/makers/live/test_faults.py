"""Faults strike where and as often as they are armed, and never in a process not started for it."""

from __future__ import annotations

import asyncio
import signal
import time

import msgspec
import pytest

from tradepit.makers.live.faults import Delay, Fault, Faults, Point


def decoded(text: str) -> Fault:
    return msgspec.json.decode(text, type=Fault)


def reach(faults: Faults, point: Point, symbol: str | None = None) -> int:
    return asyncio.run(faults.reach(point, symbol))


def test_arming_is_refused_in_a_process_not_started_for_it() -> None:
    faults = Faults(is_enabled=False)
    with pytest.raises(ValueError, match="--fault-injection"):
        faults.arm(Fault(at=Point.BEFORE_QUOTE, do="drop"))
    assert reach(faults, Point.BEFORE_QUOTE) == 1


def test_a_fault_strikes_its_symbol_as_often_as_it_says() -> None:
    faults = Faults(is_enabled=True)
    faults.arm(Fault(at=Point.BEFORE_QUOTE, do="drop", symbol="A", count=2))
    passed = [reach(faults, Point.BEFORE_QUOTE, symbol) for symbol in "BAAA"]
    assert passed == [1, 0, 0, 1]
    assert reach(faults, Point.AFTER_QUOTE, "A") == 1
    assert faults.state().struck == {"before_quote": 2}
    assert faults.state().armed == ()


def test_a_repeated_message_is_passed_twice() -> None:
    faults = Faults(is_enabled=True)
    faults.arm(Fault(at=Point.BEFORE_POSITION_UPDATE, do="duplicate"))
    assert reach(faults, Point.BEFORE_POSITION_UPDATE, "A") == 2


def test_crash_and_stop_are_signals_that_nobody_can_catch() -> None:
    sent: list[signal.Signals] = []
    faults = Faults(is_enabled=True, strike=sent.append)
    faults.arm(Fault(at=Point.AFTER_RESERVATION, do="crash"))
    faults.arm(Fault(at=Point.AFTER_RESERVATION, do="stop"))
    assert [reach(faults, Point.AFTER_RESERVATION) for _ in range(2)] == [1, 1]
    assert sent == [signal.SIGKILL, signal.SIGSTOP]


def test_a_delay_waits_and_goes_on() -> None:
    faults = Faults(is_enabled=True)
    faults.arm(Fault(at=Point.BEFORE_HEARTBEAT, do=Delay(30)))
    began = time.monotonic()
    assert reach(faults, Point.BEFORE_HEARTBEAT) == 1
    assert time.monotonic() - began >= 0.03


def test_faults_are_read_as_the_page_takes_them() -> None:
    assert decoded('{"at":"before_quote","do":{"delay_ms":5},"symbol":"A"}') == Fault(
        at=Point.BEFORE_QUOTE, do=Delay(5), symbol="A"
    )
    for text in (
        '{"at":"nowhere","do":"drop"}',
        '{"at":"before_quote","do":"explode"}',
        '{"at":"before_quote","do":"drop","count":0}',
        '{"at":"before_quote","do":"drop","often":2}',
        '{"at":"before_quote","do":{"delay_ms":0}}',
    ):
        with pytest.raises(msgspec.ValidationError):
            decoded(text)


def test_disarming_leaves_nothing_armed() -> None:
    faults = Faults(is_enabled=True)
    faults.arm(Fault(at=Point.BEFORE_QUOTE, do="drop"))
    faults.clear()
    assert reach(faults, Point.BEFORE_QUOTE) == 1
