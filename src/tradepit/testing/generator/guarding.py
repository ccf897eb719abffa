"""Bounds of orders, guards, dead-man timers, sessions: what protects an account in version 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tradepit.domain.wire import (
    AccountState,
    BindSession,
    EndSession,
    OrderType,
    SetAccountGuard,
    SetAccountState,
    SetDeadMan,
    SetOrderLimits,
)
from tradepit.testing.frames import Command, command
from tradepit.testing.generator import orders
from tradepit.testing.generator.administration import any_account, keyed
from tradepit.testing.generator.profile import DAY_NS, SECOND_NS, USD
from tradepit.testing.generator.view import View
from tradepit.testing.oracle.market import Instrument

TIMEOUTS_NS = (0, 1, SECOND_NS // 20, SECOND_NS // 2, 4 * SECOND_NS, DAY_NS)
WINDOWS_NS = (10**6, SECOND_NS, 10 * SECOND_NS, DAY_NS)


def value_of_one(view: View, instrument: Instrument) -> int:
    """Money for the smallest usual quantity, small enough to be multiplied."""
    return min(view.middle(instrument) * instrument.unit * view.profile.size, 2**56)


def order_limits(view: View) -> Iterator[Command]:
    """None, or bounds that some orders meet and others pass."""
    instrument = view.instrument()
    value = value_of_one(view, instrument)
    fields = SetOrderLimits(
        account=any_account(view),
        instrument=view.pick((instrument.number,) * 9 + (view.any_instrument(),)),
        quantity_max=view.pick((0, 0, 5, 9, 30)) * view.profile.size,
        value_max=view.pick((0, 0, value * 5, value * 12)),
    )
    if view.chance(0.15):
        bad = view.pick((-1, 2**62 + 1))
        fields = fields._replace(**{view.pick(("quantity_max", "value_max")): bad})
    yield keyed(view, fields)


def guard(view: View) -> Iterator[Command]:
    instrument = view.instrument()
    value = value_of_one(view, instrument)
    fields = SetAccountGuard(
        account=any_account(view),
        messages_max=view.pick((0, 0, 3, 10)),
        repeats_max=view.pick((0, 0, 1, 2, 4)),
        window_ns=view.pick(WINDOWS_NS),
        traded_max=view.pick((0, 0, value * 10, value * 40)),
        traded_asset=view.pick((USD, instrument.quote_asset)),
    )
    if view.chance(0.2):
        spoiled: dict[str, int] = view.pick(
            (
                {"window_ns": view.pick((0, 999_999, DAY_NS + 1)), "repeats_max": 1},
                {"traded_max": -1},
                {"traded_max": 1, "traded_asset": 99},
                {"traded_max": 0, "repeats_max": 0, "window_ns": -1, "traded_asset": 99},
            )
        )
        fields = fields._replace(**spoiled)
    yield keyed(view, fields)


def runaway(view: View) -> Iterator[Command]:
    """The same order again and again, and one that is nearly the same."""
    account = view.account()
    yield command(
        SetAccountGuard(account=account, repeats_max=view.rng.randint(1, 4), window_ns=SECOND_NS)
    )
    fields = orders.place(view)._replace(account=account, session=0)
    for _ in range(5):
        nearly = fields
        if fields.order_type == OrderType.LIMIT and view.chance(0.4):
            nearly = fields._replace(price=max(1, fields.price + view.rng.randint(-1, 1)))
        if view.chance(0.1):
            nearly = fields._replace(quantity=fields.quantity + 1)
        yield orders.named(view, nearly)
    if view.chance(0.7):
        yield command(SetAccountState(account=account, mode=AccountState.ACTIVE))
        yield command(SetAccountGuard(account=account))


def wake(view: View) -> Iterator[Command]:
    """Everybody may trade again, without bounds."""
    for account in view.market.accounts:
        yield command(SetAccountState(account=account, mode=AccountState.ACTIVE))
        yield command(SetAccountGuard(account=account))
        for instrument in view.instruments():
            yield command(SetOrderLimits(account=account, instrument=instrument.number))


def cancel_only(view: View) -> Iterator[Command]:
    account = any_account(view)
    yield keyed(view, SetAccountState(account=account, mode=AccountState.CANCEL_ONLY))
    for _ in range(2):
        yield orders.named(view, orders.place(view)._replace(account=account))
        yield orders.replace(view)
        yield orders.cancel(view)
    yield command(SetAccountState(account=account, mode=AccountState.ACTIVE))


def dead_man(view: View) -> Iterator[Command]:
    timeout = view.pick((*TIMEOUTS_NS, -1, DAY_NS + 1))
    yield keyed(view, SetDeadMan(account=any_account(view), timeout_ns=timeout))


def bind(view: View) -> Iterator[Command]:
    """New names and known ones, then orders that come with the session."""
    account = any_account(view)
    name = view.pick(("desk", "desk", "algo", "x" * 64))
    if view.chance(0.08):
        name = view.pick(("", "a b", "x" * 65, "é"))
    mode = view.pick((0, 1, 1, 1)) if view.chance(0.95) else 2
    yield keyed(view, BindSession(account=account, mode=mode), name)
    own = [s.number for s in view.market.sessions.values() if s.account == account]
    for _ in range(view.rng.randint(0, 4)):
        fields = orders.place(view)._replace(account=account)
        yield orders.named(view, fields._replace(session=view.pick(own) if own else 0))


def end(view: View) -> Iterator[Command]:
    """The binding in force, or one that is not."""
    sessions = list(view.market.sessions.values())
    if not sessions:
        yield keyed(view, EndSession(account=any_account(view), session=1, binding=1))
        return
    session = view.pick(sessions)
    fields = EndSession(account=session.account, session=session.number, binding=session.binding)
    if view.chance(0.3):
        spoiled: dict[str, int] = view.pick(
            ({"binding": session.binding - 1}, {"account": view.account()}, {"session": 99_999})
        )
        fields = fields._replace(**spoiled)
    yield keyed(view, fields)


def session_crowd(view: View) -> Iterator[Command]:
    """More sessions than an account may have; they lapse when another node writes for a while."""
    for number in range(258):
        yield command(BindSession(account=1), f"s{number}")


IDEAS: dict[Callable[[View], Iterator[Command]], int] = {
    order_limits: 8,
    guard: 7,
    runaway: 5,
    wake: 7,
    cancel_only: 3,
    dead_man: 7,
    bind: 12,
    end: 5,
}
