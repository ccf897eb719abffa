"""Rules of the naive engine that need several instruments, nodes or a thousand of something.

What one instrument and a few accounts can show stands in tests/property/tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tradepit.domain import wire
from tradepit.domain.wire import EventKind, OrderType, Phase, RejectReason, Side, TimeInForce
from tradepit.testing.frames import Command, Event, FrameWriter, command, unknown_command
from tradepit.testing.oracle import FrameRefused, Oracle
from tradepit.testing.script import SECOND_NS, START_NS, opening

ANN, BOB, EVE = 1, 2, 4
RICH = 10**6


class Play:
    """An oracle with one incarnation that talks to it; time stands still unless moved."""

    def __init__(self, rules_version: int = 2) -> None:
        self.oracle = Oracle()
        self.writer = FrameWriter()
        self.now = START_NS
        self.send(*opening(rules_version))

    @property
    def market(self) -> Any:
        return self.oracle.market

    def send(self, *commands: Any, writer: FrameWriter | None = None) -> list[Event]:
        """Events of one frame; plain fields are packed without a text."""
        packed = [c if isinstance(c, Command) else command(c) for c in commands]
        writer = writer or self.writer
        writer.next_sequence = self.market.sequence + 1
        return self.oracle.apply(writer.write(packed, self.now)).values[1:]

    def reasons(self, *commands: Any) -> list[RejectReason]:
        return [
            RejectReason(event.fields.reason)
            for event in self.send(*commands)
            if event.kind == EventKind.COMMAND_REJECTED
        ]


def of_kind(events: list[Event], kind: EventKind) -> list[Any]:
    return [event.fields for event in events if event.kind == kind]


def order(account: int, side: Side, price: int, quantity: int = 1, **fields: int) -> Any:
    return wire.PlaceOrder(
        account=account,
        side=side,
        instrument=1,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=price,
        quantity=quantity,
        definition_version=1,
    )._replace(**fields)


def stop(account: int, side: Side, price: int, **fields: int) -> Any:
    return order(account, side, 0, order_type=OrderType.STOP, stop_price=price, **fields)


def instruments(count: int) -> list[Command]:
    """Instruments 2 to `count` + 1 beside that of the opening."""
    return [
        command(
            wire.DefineInstrument(
                mode=Phase.CONTINUOUS,
                instrument=number,
                base_asset=2,
                quote_asset=1,
                tick_mantissa=1,
                lot_mantissa=1,
            ),
            f"X-USD-{number}",
        )
        for number in range(2, count + 2)
    ]


def firm(**fields: int) -> wire.DefineFirm:
    return wire.DefineFirm(
        account=ANN, budget_bid=10**10, budget_ask=10**10, lease_ns=SECOND_NS
    )._replace(**fields)


def heartbeat(name: str, epoch: int = 1, **fields: int) -> Command:
    return command(wire.MakerHeartbeat(account=ANN, epoch=epoch, **fields), name)


def makes(instrument: int, mode: int = 1) -> wire.SetFirmSymbol:
    return wire.SetFirmSymbol(account=ANN, instrument=instrument, mode=mode)


def assigned(events: list[Event]) -> dict[int, tuple[int, int]]:
    """Instrument to maker and previous maker."""
    return {
        e.instrument: (e.maker, e.previous_maker)
        for e in of_kind(events, EventKind.SYMBOL_ASSIGNED)
    }


# Versions.


def test_under_version_1_the_kinds_of_version_2_are_unknown() -> None:
    play = Play(rules_version=1)
    commands = [cls() for number, cls in wire.COMMANDS.items() if number >= 25]
    assert play.reasons(*commands) == [RejectReason.UNKNOWN_COMMAND] * 14


def test_under_version_1_nothing_of_version_2_can_be_ordered() -> None:
    play = Play(rules_version=1)
    combination = RejectReason.INVALID_COMBINATION
    assert play.reasons(
        stop(ANN, Side.SELL, 90),
        order(ANN, Side.SELL, 90, 5, display_quantity=2),
        wire.SetPhase(instrument=1, mode=Phase.AUCTION),
        wire.SetAccountState(account=ANN, mode=wire.AccountState.CANCEL_ONLY),
    ) == [combination, combination, RejectReason.INVALID_PHASE, combination]
    assert not play.reasons(order(ANN, Side.SELL, 90, session=7))


def test_rules_go_up_and_never_down() -> None:
    play = Play(rules_version=1)
    activate = wire.ActivateRules
    unsupported = [RejectReason.UNSUPPORTED_RULES] * 2
    assert play.reasons(activate(rules_version=0), activate(rules_version=3)) == unsupported
    assert not play.reasons(activate(rules_version=1), activate(rules_version=2))
    assert not play.reasons(stop(ANN, Side.SELL, 90), activate(rules_version=2))
    assert play.reasons(activate(rules_version=1)) == unsupported[:1]


def test_a_genesis_of_later_rules_stops_the_engine() -> None:
    frame = FrameWriter().write([command(wire.Genesis(rules_version=3, schema_version=1))], 0)
    with pytest.raises(FrameRefused):
        Oracle().apply(frame)


def test_orders_of_version_1_came_with_no_session() -> None:
    play = Play(rules_version=1)
    play.send(order(ANN, Side.SELL, 90, session=1), wire.ActivateRules(rules_version=2))
    bind = command(wire.BindSession(account=ANN, mode=1), "desk")
    (bound,) = of_kind(play.send(bind), EventKind.SESSION_BOUND)
    assert bound.session == 1
    end = wire.EndSession(account=ANN, session=1, binding=bound.binding)
    (ended,) = of_kind(play.send(end), EventKind.SESSION_ENDED)
    assert ended.count == 0


# Accounts and keys.


def test_commands_25_to_39_need_an_account_and_those_from_40_have_the_operators_keys() -> None:
    play = Play()
    unknown = RejectReason.UNKNOWN_ACCOUNT
    assert play.reasons(wire.SetDeadMan(), wire.Release(account=99)) == [unknown] * 2
    assert play.reasons(wire.DefineFirm(account=99)) == [unknown]
    assert not play.send(wire.ReserveOrderId(account=99, flags=2, valid_until=1))
    key: Any = {"flags": wire.RecordFlag.KEY, "key_low": 5}
    assert not play.reasons(wire.SetDeadMan(account=ANN, **key))
    assert not play.reasons(wire.SetDeadMan(account=BOB, **key))
    assert not play.reasons(firm(**key))
    reused = [RejectReason.KEY_REUSED]
    assert play.reasons(firm(account=BOB, **key)) == reused
    assert of_kind(play.send(firm(**key)), EventKind.COMMAND_REPEATED)


def test_the_account_opened_in_a_frame_may_bind_a_session_there() -> None:
    play = Play()
    for kind, account in ((wire.BindSession(account=0xFFFFFFFF), "bob"), (unknown_command(99), "")):
        named = command(wire.OpenAccount(flags=wire.RecordFlag.IF_ABSENT), account or "bob")
        events = play.send(named, command(kind, "desk") if account else kind)
        assert events[0].fields.account == (BOB if account else 0)


def test_a_quote_under_another_maker_is_the_same_command() -> None:
    play = Play()
    quote = wire.Quote(
        account=BOB,
        flags=wire.RecordFlag.KEY,
        key_low=5,
        instrument=1,
        ask_price=100,
        ask_quantity=5,
        definition_version=1,
        maker=1,
    )
    play.send(wire.ReserveOrderId(), quote)
    again = play.send(wire.ReserveOrderId(), quote._replace(maker=2, definition_version=9))
    assert [event.kind for event in again] == [EventKind.COMMAND_REPEATED]
    other = quote._replace(epoch=2)
    assert play.reasons(wire.ReserveOrderId(), other) == [RejectReason.KEY_REUSED]


def test_a_quote_follows_its_reserved_id_directly() -> None:
    play = Play()
    quote = wire.Quote(
        account=BOB, instrument=1, ask_price=100, ask_quantity=5, definition_version=1
    )
    combination = [RejectReason.INVALID_COMBINATION]
    assert play.reasons(quote) == combination
    assert play.reasons(wire.ReserveOrderId(), wire.Tick(), quote) == combination
    play.send(wire.ReserveOrderId())
    assert play.reasons(quote) == combination
    play.oracle.quarantine(play.market.sequence + 1)
    assert play.reasons(wire.ReserveOrderId(), quote) == combination
    assert not play.reasons(wire.ReserveOrderId(), quote)


# Bounds of one thousand.


def test_one_command_runs_at_most_a_thousand_triggered_orders() -> None:
    play = Play()
    play.send(*(stop(EVE, Side.SELL, 100) for _ in range(1_003)))
    events = play.send(order(ANN, Side.BUY, 100), order(BOB, Side.SELL, 100))
    assert len(of_kind(events, EventKind.ORDER_TRIGGERED)) == 1_000
    late = play.send(wire.Tick(), wire.Tick())
    assert [e.sequence for e in of_kind(late, EventKind.ORDER_TRIGGERED)] == [
        play.market.sequence - 1
    ] * 3


def test_a_rejected_command_is_followed_by_runs_and_a_quarantined_one_is_not() -> None:
    play = Play()
    play.send(*(stop(EVE, Side.SELL, 100) for _ in range(1_001)))
    play.send(order(ANN, Side.BUY, 100), order(BOB, Side.SELL, 100))
    play.oracle.quarantine(play.market.sequence + 1)
    kinds = [event.kind for event in play.send(wire.Tick(), order(ANN, Side.BUY, 0))]
    assert kinds == [
        EventKind.COMMAND_QUARANTINED,
        EventKind.COMMAND_REJECTED,
        EventKind.ORDER_TRIGGERED,
        EventKind.ORDER_CANCELLED,
    ]


def test_a_thousand_trailing_stops_wait_in_an_instrument() -> None:
    play = Play()
    play.send(
        wire.SetInstrumentRules(instrument=1, quantity_min=1, quantity_max=9, reference_price=50)
    )
    trailing = stop(EVE, Side.SELL, 5)._replace(order_type=OrderType.TRAILING_STOP)
    assert not play.reasons(*[trailing] * 1_000)
    assert play.reasons(trailing, stop(EVE, Side.SELL, 5)) == [RejectReason.TOO_MANY_TRAILING]


def test_an_account_has_256_sessions_and_a_firm_1000_makers() -> None:
    play = Play()
    binds = [command(wire.BindSession(account=ANN), f"s{n}") for n in range(257)]
    assert play.reasons(*binds) == [RejectReason.TOO_MANY_SESSIONS]
    assert not play.reasons(binds[0], command(wire.BindSession(account=BOB), "s256"))
    joins = [heartbeat(f"m{n}") for n in range(1_001)]
    assert play.reasons(firm(), *joins) == [RejectReason.TOO_MANY_MAKERS]


# Sessions and their nodes.


def test_a_session_lapses_with_the_node_that_bound_it_last() -> None:
    play, other = Play(), FrameWriter(incarnation=2)
    bind = command(wire.BindSession(account=ANN, mode=1), "desk")
    play.send(bind, order(ANN, Side.SELL, 90, session=1))
    play.send(bind, writer=other)
    for _ in range(2):
        play.now += 2 * SECOND_NS
        assert not play.send(wire.Tick())
    play.now += SECOND_NS - 1
    assert not play.send(wire.Tick())
    play.now += 1
    kinds = [event.kind for event in play.send(wire.Tick())]
    assert kinds == [EventKind.ORDER_CANCELLED, EventKind.SESSION_ENDED]


def test_a_frame_of_the_holder_renews_before_what_is_due_at_its_stamp() -> None:
    play = Play()
    play.send(command(wire.BindSession(account=ANN, mode=1), "desk"))
    for _ in range(4):
        play.now += 2 * SECOND_NS
        assert not play.send(wire.Tick())
    assert play.market.sessions[1].seen_at == play.now


def test_a_jump_of_the_holder_renews_and_that_of_another_node_does_not() -> None:
    play, other = Play(), FrameWriter(incarnation=2)
    play.send(command(wire.BindSession(account=ANN, mode=1), "desk"))
    play.now += 60 * SECOND_NS
    jumped = play.send(wire.TimeJump(to_ns=play.now))
    assert [event.kind for event in jumped] == [EventKind.TIME_JUMPED]
    play.now += 5 * SECOND_NS
    lapsed = play.send(wire.TimeJump(to_ns=play.now), writer=other)
    assert [event.kind for event in lapsed] == [EventKind.TIME_JUMPED, EventKind.SESSION_ENDED]


def test_a_repeated_frame_of_the_holder_renews_nothing() -> None:
    play = Play()
    frame = play.writer.write([command(wire.BindSession(account=ANN), "desk")], play.now)
    play.oracle.apply(frame)
    play.now += 2 * SECOND_NS
    play.send(wire.Tick(), writer=FrameWriter(incarnation=2))
    assert play.oracle.apply(frame).values == []
    assert play.market.sessions[1].seen_at == START_NS


# Firms with several instruments.


def test_the_budget_counts_what_is_granted_over_all_instruments() -> None:
    play = Play()
    play.send(*instruments(2), firm(budget_bid=10 * 10**8, budget_ask=5 * 10**8))
    reserves = [
        wire.Reserve(
            account=ANN, instrument=n, bid_quantity=6, ask_quantity=2, definition_version=1
        )
        for n in (1, 2, 3)
    ]
    reserved = of_kind(play.send(*reserves), EventKind.RESERVED)
    assert [(e.granted_bid, e.granted_ask) for e in reserved] == [(6, 2), (4, 2), (0, 1)]
    status = wire.ReservationStatus
    assert [e.status for e in reserved] == [status.GRANTED, status.PARTIAL, status.PARTIAL]
    play.send(wire.Release(account=ANN, instrument=1))
    (again,) = of_kind(play.send(reserves[2]), EventKind.RESERVED)
    assert (again.granted_bid, again.granted_ask) == (6, 2)


def test_instruments_are_shared_evenly_and_few_move() -> None:
    play = Play()
    play.send(*instruments(6), firm(), *(makes(n) for n in range(1, 8)))
    assert assigned(play.send(heartbeat("a"))) == dict.fromkeys(range(1, 8), (1, 0))
    assert assigned(play.send(heartbeat("b"))) == dict.fromkeys((5, 6, 7), (2, 1))
    assert assigned(play.send(heartbeat("c"))) == {4: (3, 1), 7: (3, 2)}


def test_a_leaving_makers_instruments_go_to_the_lowest_below_its_share() -> None:
    play = Play()
    play.send(*instruments(6), firm(), *(makes(n) for n in range(1, 8)))
    play.send(heartbeat("a"), heartbeat("b"), heartbeat("c"))
    # a owns 1 to 3, b 5 and 6, c 4 and 7; a and c are left, a has most and gets the larger share.
    assert assigned(play.send(heartbeat("b", mode=1))) == {5: (1, 2), 6: (3, 2)}


def test_a_lapsed_lease_moves_instruments_and_nobody_may_be_left() -> None:
    play = Play()
    play.send(*instruments(1), firm(), makes(1), makes(2), heartbeat("a"), heartbeat("b"))
    jump = wire.TimeJump(to_ns=play.now + SECOND_NS)
    events = play.send(jump)
    assert [e.maker for e in of_kind(events, EventKind.MAKER_LEFT)] == [1, 2]
    moves = of_kind(events, EventKind.SYMBOL_ASSIGNED)
    assert [(e.instrument, e.maker, e.previous_maker) for e in moves] == [
        (1, 2, 1),
        (1, 0, 2),
        (2, 0, 2),
    ]


def test_a_removed_instrument_leaves_its_firms_and_ends_what_is_reserved_there() -> None:
    play = Play()
    play.send(*instruments(2), firm(), makes(1), makes(2), makes(3), heartbeat("a"))
    play.send(heartbeat("b"))
    reserve = wire.Reserve(
        account=ANN, instrument=1, bid_quantity=6, definition_version=1, maker=1, epoch=1
    )
    assert not play.reasons(reserve)
    events = play.send(wire.RemoveInstrument(instrument=1))
    assert [event.kind for event in events] == [
        EventKind.INSTRUMENT_REMOVED,
        EventKind.FIRM_SYMBOL_CHANGED,
        EventKind.RESERVATION_RELEASED,
    ]
    released = events[-1].fields
    assert (released.freed_bid, released.status) == (6, wire.EndReason.REMOVED)


def test_lots_that_are_no_whole_units_cannot_be_quoted() -> None:
    play = Play()
    play.send(command(wire.DefineAsset(asset=3, scale=10), "Y"), firm())
    fine = wire.DefineInstrument(
        mode=Phase.CONTINUOUS,
        instrument=2,
        base_asset=3,
        quote_asset=1,
        tick_mantissa=10**9,
        lot_mantissa=1,
        lot_exponent=9,
    )
    play.send(command(fine, "Y-USD"))
    quotable = RejectReason.NOT_QUOTABLE
    assert play.reasons(makes(2), makes(2, mode=2), makes(2, mode=3)) == [
        quotable,
        RejectReason.INVALID_COMBINATION,
    ]
    reserve = wire.Reserve(account=ANN, instrument=2, bid_quantity=6, definition_version=1)
    assert play.reasons(reserve) == [quotable]


def test_an_instrument_in_which_something_is_reserved_or_waits_is_in_use() -> None:
    play = Play()
    in_use = [RejectReason.INSTRUMENT_IN_USE]
    define = instruments(1)[0]
    play.send(define, firm(), wire.Reserve(account=ANN, instrument=2, definition_version=1))
    assert play.reasons(define) == in_use
    play.send(wire.Release(account=ANN, instrument=2))
    assert not play.reasons(define)
    play.send(stop(ANN, Side.SELL, 90, instrument=2, definition_version=2))
    assert play.reasons(define) == in_use
    assert play.reasons(wire.RemoveInstrument(instrument=2)) == in_use


# Schedules.


def entry(seconds: int, phase: Phase, weekdays: int = 0) -> int:
    return seconds * 1_000 | phase << 32 | weekdays << 40


def test_the_next_transition_is_on_the_next_day_that_the_entry_names() -> None:
    play = Play()
    monday = (START_NS // (86_400 * SECOND_NS) + 3) % 7
    days_to_tuesday = (1 - monday) % 7 or 7
    tuesday = entry(0, Phase.AUCTION, weekdays=0b10)
    (shown,) = of_kind(
        play.send(wire.SetSchedule(instrument=1, entry_1=tuesday)), EventKind.SCHEDULE_CHANGED
    )
    assert shown.next_at == START_NS + days_to_tuesday * 86_400 * SECOND_NS


BROKEN: list[Callable[[], wire.SetSchedule]] = [
    lambda: wire.SetSchedule(instrument=1, entry_2=entry(1, Phase.AUCTION)),
    lambda: wire.SetSchedule(instrument=1, entry_1=entry(1, Phase.AUCTION) | 1 << 47),
    lambda: wire.SetSchedule(instrument=1, entry_1=entry(1, Phase.AUCTION) | 1 << 48),
    lambda: wire.SetSchedule(instrument=1, entry_1=1_000),
    lambda: wire.SetSchedule(instrument=1, entry_1=1_000 | 9 << 32),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_schedule_that_is_none_is_refused(broken: Callable[[], wire.SetSchedule]) -> None:
    assert Play().reasons(broken()) == [RejectReason.INVALID_DEFINITION]


def test_what_is_due_happens_by_time_and_at_one_time_by_class() -> None:
    play = Play()
    play.send(
        firm(),
        heartbeat("a"),
        order(BOB, Side.BUY, 5, time_in_force=3, expires_at=START_NS + SECOND_NS),
        wire.SetDeadMan(account=BOB, timeout_ns=SECOND_NS),
        wire.Reserve(account=ANN, instrument=1, ttl_ns=SECOND_NS, definition_version=1),
        wire.SetSchedule(instrument=1, entry_1=entry(1, Phase.PRE_OPEN)),
        order(BOB, Side.BUY, 4, time_in_force=3, expires_at=START_NS + SECOND_NS - 1),
    )
    events = play.send(wire.TimeJump(to_ns=START_NS + SECOND_NS))
    assert [event.kind for event in events[1:]] == [
        EventKind.ORDER_CANCELLED,
        EventKind.ORDER_CANCELLED,
        EventKind.MASS_CANCELLED,
        EventKind.RESERVATION_RELEASED,
        EventKind.MAKER_LEFT,
        EventKind.PHASE_CHANGED,
    ]
    assert [e.price for e in of_kind(events, EventKind.ORDER_CANCELLED)] == [4, 5]
