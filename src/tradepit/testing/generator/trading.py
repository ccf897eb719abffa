"""Auctions, bands, schedules and chains of stop orders: what version 2 does with one book."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tradepit.domain.wire import (
    AccountState,
    MassCancel,
    Option,
    OrderType,
    Phase,
    PlaceOrder,
    SetAccountGuard,
    SetAccountLimits,
    SetAccountState,
    SetInstrumentSafety,
    SetPhase,
    SetPositionLimit,
    SetSchedule,
    Side,
    Tick,
    TimeInForce,
    TimeJump,
)
from tradepit.testing.frames import Command, command
from tradepit.testing.generator import makers, orders
from tradepit.testing.generator.administration import keyed
from tradepit.testing.generator.profile import DAY_NS, SECOND_NS
from tradepit.testing.generator.view import View
from tradepit.testing.oracle.market import GATHERING, Instrument

MS_NS = 10**6
DAY_MS = DAY_NS // MS_NS
PHASES = (Phase.CONTINUOUS, Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED, *GATHERING)


def limit(view: View, instrument: Instrument, side: Side, away: int, lots: int) -> PlaceOrder:
    """A resting order `away` ticks above the middle."""
    return PlaceOrder(
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        self_trade_prevention=view.rng.randint(0, 4),
        account=view.account(),
        instrument=instrument.number,
        price=max(1, view.middle(instrument) + away),
        quantity=lots * view.profile.size,
        definition_version=instrument.definition_version,
    )


def auction(view: View) -> Iterator[Command]:
    """Orders gather at few prices, many of one account; then the book is uncrossed."""
    instrument = view.instrument()
    phase = view.pick(GATHERING)
    yield keyed(view, SetPhase(instrument=instrument.number, mode=phase))
    for _ in range(view.rng.randint(5, 30)):
        yield from gathered(view, instrument)
    if phase == Phase.CLOSING_AUCTION and view.chance(0.6):
        yield command(SetPhase(instrument=instrument.number, mode=Phase.CLOSED))
    if view.chance(0.8):
        yield command(SetPhase(instrument=instrument.number, mode=Phase.CONTINUOUS))


def gathered(view: View, instrument: Instrument) -> Iterator[Command]:
    """One command while orders gather."""
    roll = view.rng.random()
    if roll < 0.65:
        side = view.pick((Side.BUY, Side.SELL))
        lots = view.pick((1, 2, 3, 3, 5, 12))
        fields = limit(view, instrument, side, view.rng.randint(-3, 3), lots)
        if view.chance(0.25):
            fields = orders.iceberg(view, fields)
        yield orders.named(view, fields)
    elif roll < 0.85:
        yield orders.named(view, orders.place(view, instrument))
    elif roll < 0.92:
        yield view.pick((orders.replace, orders.cancel))(view)
    elif roll < 0.95:
        yield from makers.quote_of(view, view.account(), instrument)
    else:
        yield command(Tick())


def phases(view: View) -> Iterator[Command]:
    """An order of every type in a phase, and back."""
    instrument = view.instrument()
    yield keyed(view, SetPhase(instrument=instrument.number, mode=view.pick(PHASES)))
    for order_type in view.rng.sample(list(OrderType)[1:], 5):
        fields = orders.place(view, instrument)
        if order_type >= OrderType.STOP:
            fields = orders.stop(view, instrument, fields)._replace(order_type=order_type)
        elif order_type == OrderType.LIMIT and view.chance(0.5):
            fields = orders.iceberg(view, limit(view, instrument, Side.BUY, 0, 3))
        yield orders.named(view, fields)
    if view.chance(0.8):
        yield command(SetPhase(instrument=instrument.number, mode=Phase.CONTINUOUS))


def resume(view: View) -> Iterator[Command]:
    yield command(SetPhase(mode=Phase.CONTINUOUS))


def safety_of(view: View, instrument: Instrument) -> SetInstrumentSafety:
    """Bands of a few ticks, halts and auctions of moments."""
    middle = view.middle(instrument)
    ticks = view.rng.randint(1, 4)
    return SetInstrumentSafety(
        instrument=instrument.number,
        band_ppm=min(10**6, ticks * 10**6 // middle + 1),
        protection_ppm=view.pick((50_000, 50_000, 0, 300_000, 10**6)),
        halt_ns=view.pick((0, 1, SECOND_NS // 50, SECOND_NS // 4, 2 * SECOND_NS)),
        auction_ns=view.pick((0, 0, 1, SECOND_NS // 20, SECOND_NS)),
    )


def safety(view: View) -> Iterator[Command]:
    fields = safety_of(view, view.instrument())
    roll = view.rng.random()
    if roll < 0.35:
        fields = fields._replace(band_ppm=0)
    elif roll < 0.5:
        spoiled: dict[str, int] = view.pick(
            (
                {"band_ppm": 10**6 + 1},
                {"protection_ppm": 10**6 + 1},
                {"halt_ns": view.pick((-1, DAY_NS + 1))},
                {"auction_ns": view.pick((-1, DAY_NS + 1))},
                {"instrument": 99},
            )
        )
        fields = fields._replace(**spoiled)
    yield keyed(view, fields)


def band(view: View) -> Iterator[Command]:
    """A band, orders on both sides of it, and takers that would leave it."""
    instrument = view.instrument()
    yield command(safety_of(view, instrument))
    for away in (1, 3, 6):
        for side in (Side.BUY, Side.SELL):
            sign = 1 if side == Side.SELL else -1
            yield command(limit(view, instrument, side, sign * away, 2))
    side = view.pick((Side.BUY, Side.SELL))
    taker = limit(view, instrument, side, 9 if side == Side.BUY else -9, 12)
    yield command(taker._replace(time_in_force=view.pick((1, 1, 4, 5))))
    if view.chance(0.3):
        yield from makers.quote_of(view, view.account(), instrument, away=8)


def cascade(view: View) -> Iterator[Command]:
    """A ladder of orders, stops one below the other, and the order that sets them off."""
    instrument, down = view.instrument(), view.chance(0.5)
    side, opposite = (Side.SELL, Side.BUY) if down else (Side.BUY, Side.SELL)
    step = -1 if down else 1
    for rung in range(1, 7):
        maker = limit(view, instrument, opposite, step * rung, view.rng.randint(1, 2))
        if view.chance(0.3):
            maker = orders.iceberg(view, maker)
        yield command(maker)
        yield command(falling_stop(view, limit(view, instrument, side, step * rung, 1)))
    yield command(limit(view, instrument, side, step * 2, view.rng.randint(1, 3)))


def falling_stop(view: View, fields: PlaceOrder) -> PlaceOrder:
    """A stop order at the price of the given limit order."""
    order_type = view.pick((OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP))
    stop = fields._replace(order_type=order_type, stop_price=fields.price)
    stop = stop._replace(time_in_force=view.pick((TimeInForce.GTC, TimeInForce.DAY)))
    if view.chance(0.35):
        expires_at = view.now + 60 * SECOND_NS
        stop = stop._replace(time_in_force=TimeInForce.GTD, expires_at=expires_at)
    if order_type == OrderType.STOP_LIMIT:
        return stop
    if order_type == OrderType.TRAILING_STOP:
        stop = stop._replace(stop_price=view.rng.randint(1, 4))
    if view.chance(0.1):
        stop = stop._replace(options=Option.REDUCE_ONLY)
    if view.chance(0.3):
        return stop._replace(price=0)
    away = -6 if fields.side == Side.SELL else 6
    return stop._replace(price=max(1, fields.price + away), options=stop.options | Option.PRICE)


def iceberg_sweep(view: View) -> Iterator[Command]:
    """Icebergs and others at one price, then somebody who takes through many slices."""
    instrument, side = view.instrument(), view.pick((Side.BUY, Side.SELL))
    away = 1 if side == Side.SELL else -1
    for _ in range(view.rng.randint(2, 4)):
        maker = limit(view, instrument, side, away, view.rng.randint(2, 9))
        yield command(orders.iceberg(view, maker) if view.chance(0.7) else maker)
    taker = limit(view, instrument, Side.BUY if side == Side.SELL else Side.SELL, 2 * away, 15)
    if view.chance(0.3):
        taker = taker._replace(order_type=OrderType.MARKET, price=0, time_in_force=4)
    else:
        taker = taker._replace(time_in_force=view.pick((1, 4, 5, 5)))
    yield orders.named(view, taker)


def schedule(view: View) -> Iterator[Command]:
    """Transitions within the next seconds, sometimes over a jump of days; or none at all."""
    instrument = view.instrument()
    if view.chance(0.25):
        yield keyed(view, SetSchedule(instrument=view.any_instrument()))
        return
    ms = sorted({(view.now // MS_NS + view.rng.randint(1, 4_000)) % DAY_MS for _ in range(5)})
    phases = [view.pick(PHASES) for _ in ms[:-1]] + [Phase.CONTINUOUS]
    weekdays = view.pick((0, 0, 0, 0b111_1111, view.rng.getrandbits(7)))
    words = [at | p << 32 | weekdays << 40 for at, p in zip(ms, phases, strict=True)]
    if view.chance(0.15):
        words = spoiled_schedule(view, words)
    entries = {f"entry_{n}": word for n, word in enumerate(words, start=1)}
    yield keyed(view, SetSchedule(instrument=instrument.number, **entries))
    for _ in range(view.rng.randint(0, 8)):
        yield orders.named(view, orders.place(view, instrument))
    if view.chance(0.2):
        yield command(TimeJump(to_ns=view.now + view.pick((5 * SECOND_NS, DAY_NS, 2 * DAY_NS))))


def spoiled_schedule(view: View, words: list[int]) -> list[int]:
    return view.pick(
        (
            [0, *words],
            words[::-1],
            [words[0], words[0]],
            [DAY_MS | Phase.CONTINUOUS << 32],
            [Phase.REMOVED << 32],
            [5],
            [words[0] | 1 << view.pick((47, 48, 63))],
        )
    )


def trailing_crowd(view: View) -> Iterator[Command]:
    """More trailing stops than may wait, of an account that nothing else keeps from it."""
    instrument, account = view.instrument(), 5
    yield command(MassCancel())
    yield command(SetPhase(instrument=instrument.number, mode=Phase.CONTINUOUS))
    yield command(view.profile.rules(instrument.number))
    yield command(SetAccountState(account=account, mode=AccountState.ACTIVE))
    yield command(SetAccountGuard(account=account))
    yield command(SetAccountLimits(account=account))
    yield command(SetPositionLimit(account=account, instrument=instrument.number))
    fields = limit(view, instrument, Side.BUY, 0, 1)._replace(account=account, price=1, quantity=1)
    fields = fields._replace(order_type=OrderType.TRAILING_STOP, options=Option.PRICE, stop_price=1)
    for _ in range(1_002):
        yield command(fields)
    yield command(MassCancel())


IDEAS: dict[Callable[[View], Iterator[Command]], int] = {
    auction: 16,
    phases: 12,
    resume: 6,
    safety: 6,
    band: 10,
    cascade: 20,
    iceberg_sweep: 10,
    schedule: 6,
}
