"""Command lines of the notation of `script`: words become commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradepit.domain import wire
from tradepit.domain.wire import (
    AccountState,
    CancelByKey,
    CancelOrder,
    Deposit,
    MassCancel,
    Option,
    OrderType,
    Phase,
    PlaceOrder,
    RecordFlag,
    ReplaceOrder,
    SelfTradePrevention,
    SetAccountLimits,
    SetAccountState,
    SetInstrumentRules,
    SetPhase,
    SetPositionLimit,
    Side,
    Transfer,
    Withdraw,
)
from tradepit.testing.frames import Command, command

ACCOUNTS = ("ann", "bob", "cyd", "eve", "poor")
ASSETS = {"USD": 1, "X": 2}
INSTRUMENT = 1
SECOND_NS = 10**9
UNITS_OF_LOT = 10**8
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TIMES = {"gtc": 1, "day": 2, "gtd": 3, "ioc": 4, "fok": 5}
MODES = {
    "none": SelfTradePrevention.NONE,
    "cancel-taker": SelfTradePrevention.CANCEL_TAKER,
    "cancel-maker": SelfTradePrevention.CANCEL_MAKER,
    "cancel-both": SelfTradePrevention.CANCEL_BOTH,
    "decrement": SelfTradePrevention.DECREMENT,
}
OPTIONS = {
    "post-only": Option.POST_ONLY,
    "reprice": Option.POST_ONLY_REPRICE,
    "reduce-only": Option.REDUCE_ONLY,
}
STOPS = {
    "stop": OrderType.STOP,
    "stop-limit": OrderType.STOP_LIMIT,
    "trail": OrderType.TRAILING_STOP,
}


@dataclass
class Context:
    """What words refer to: orders and sessions by their label, market time."""

    time_ns: int
    order_ids: dict[str, int] = field(default_factory=dict)


def number_of(name: str) -> int:
    return 0 if name == "operator" else ACCOUNTS.index(name) + 1


def parse(words: list[str], context: Context) -> list[Command]:
    """The commands of a line without its label."""
    subject, verb, *rest = words
    if verb in SIDES:
        return [place(subject, SIDES[verb], rest, context)]
    if verb == "quote":
        return quote(subject, rest)
    if verb in NAMED:
        fields, text = NAMED[verb](subject, rest)
        return [command(fields, text)]
    if verb in ADMINISTRATION:
        return [command(ADMINISTRATION[verb](subject, rest))]
    return [command(OF_ORDERS[verb](subject, rest, context))]


def place(account: str, side: Side, words: list[str], context: Context) -> Command:
    """`5 @ 101 ioc`, `5 market`, `5 stop 95`, `5 stop-limit 95 @ 94`, `5 trail 3`."""
    quantity, *words = words
    fields = PlaceOrder(
        account=number_of(account),
        side=side,
        instrument=INSTRUMENT,
        order_type=OrderType.LIMIT,
        time_in_force=wire.TimeInForce.GTC,
        quantity=int(quantity),
        definition_version=1,
    )
    if words[0] == "market":
        fields = fields._replace(order_type=OrderType.MARKET, time_in_force=TIMES["ioc"])
        words = words[1:]
    elif words[0] in STOPS:
        fields = fields._replace(order_type=STOPS[words[0]], stop_price=int(words[1]))
        words = words[2:]
    while words:
        word, *words = words
        if word in PLACE_VALUES:
            fields = PLACE_VALUES[word](fields, int(words.pop(0)))
        elif word == "until":
            fields = fields._replace(expires_at=context.time_ns + int(words.pop(0)) * SECOND_NS)
        elif word in TIMES:
            fields = fields._replace(time_in_force=TIMES[word])
        elif word in MODES:
            fields = fields._replace(self_trade_prevention=MODES[word])
        else:
            fields = fields._replace(options=fields.options | OPTIONS[word])
    return command(fields)


def at_price(fields: PlaceOrder, price: int) -> PlaceOrder:
    """Orders that need no price say that they give one."""
    priced = fields.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return fields._replace(price=price, options=fields.options | (0 if priced else Option.PRICE))


PLACE_VALUES: dict[str, Callable[[PlaceOrder, int], PlaceOrder]] = {
    "@": at_price,
    "key": lambda fields, key: fields._replace(flags=RecordFlag.KEY, key_low=key, key_high=1),
    "label": lambda fields, label: fields._replace(label=label),
    "shows": lambda fields, lots: fields._replace(display_quantity=lots),
    "session": lambda fields, number: fields._replace(session=number),
}
REPLACE_VALUES: dict[str, tuple[str, Option]] = {
    "@": ("price", Option.PRICE),
    "quantity": ("quantity", Option.QUANTITY),
    "stop": ("stop_price", Option.STOP),
}


def replace(account: str, words: list[str], context: Context) -> ReplaceOrder:
    """`replace LABEL @ 101 quantity 7 stop 95`, each as it is given."""
    fields = ReplaceOrder(
        account=number_of(account),
        order_id=context.order_ids[words[0]],
        instrument=INSTRUMENT,
        definition_version=1,
    )
    for word, value in zip(words[1::2], words[2::2], strict=True):
        name, option = REPLACE_VALUES[word]
        given: Any = {name: int(value)}
        fields = fields._replace(options=fields.options | option, **given)
    return fields


def values_of(words: list[str]) -> dict[str, Any]:
    """`name value name value` as fields."""
    return {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}


def quote(account: str, words: list[str]) -> list[Command]:
    """`quote 5 @ 99 6 @ 101 ttl_ns 1000000`; a side that is not wanted is `0 @ 0`."""
    bid, _, bid_price, ask, _, ask_price, *rest = words
    fields = wire.Quote(
        account=number_of(account),
        instrument=INSTRUMENT,
        bid_price=int(bid_price),
        bid_quantity=int(bid),
        ask_price=int(ask_price),
        ask_quantity=int(ask),
        definition_version=1,
        **values_of(rest),
    )
    return [command(wire.ReserveOrderId()), command(fields)]


def rules_of(_: str, words: list[str]) -> SetInstrumentRules:
    """`market rules maker_fee_ppm 100 taker_fee_ppm 200`; what is not named is as at first."""
    fields = SetInstrumentRules(instrument=INSTRUMENT, quantity_min=1, quantity_max=2**40)
    return fields._replace(**values_of(words))


def safety_of(_: str, words: list[str]) -> wire.SetInstrumentSafety:
    """`market safety band_ppm 100000 halt_ns 5`; the protection is that of a new instrument."""
    fields = wire.SetInstrumentSafety(instrument=INSTRUMENT, protection_ppm=50_000)
    return fields._replace(**values_of(words))


def schedule_of(_: str, words: list[str]) -> wire.SetSchedule:
    """`market schedule 3600 auction 7200 continuous`: seconds of the day and phases."""
    pairs = zip(words[::2], words[1::2], strict=True)
    entries = [int(second) * 1_000 | Phase[phase.upper()] << 32 for second, phase in pairs]
    given: Any = {f"entry_{n}": entry for n, entry in enumerate(entries, 1)}
    return wire.SetSchedule(instrument=INSTRUMENT, **given)


def firm_of(who: str, words: list[str]) -> wire.DefineFirm:
    """`ann firm 100 100 50`: budgets of bid and ask and position limit, in lots."""
    bid, ask, limit = (int(lots) * UNITS_OF_LOT for lots in words)
    return wire.DefineFirm(
        account=number_of(who),
        budget_bid=bid,
        budget_ask=ask,
        position_limit=limit,
        lease_ns=SECOND_NS,
    )


def reserve_of(who: str, words: list[str]) -> wire.Reserve:
    """`ann reserve 5 6 ttl_ns 1000000`."""
    return wire.Reserve(
        account=number_of(who),
        instrument=INSTRUMENT,
        bid_quantity=int(words[0]),
        ask_quantity=int(words[1]),
        definition_version=1,
        **values_of(words[2:]),
    )


OF_ORDERS: dict[str, Callable[[str, list[str], Context], Any]] = {
    "cancel": lambda who, words, context: CancelOrder(
        account=number_of(who), order_id=context.order_ids[words[0]]
    ),
    "replace": replace,
    "mass-cancel": lambda who, words, _: MassCancel(
        account=number_of(who), side=SIDES[words[0]] if words else Side.NONE
    ),
    "cancel-key": lambda who, words, _: CancelByKey(
        account=number_of(who), target_low=int(words[0]), target_high=1
    ),
    "end-session": lambda who, words, context: wire.EndSession(
        account=number_of(who), session=int(words[0]), binding=context.order_ids[words[1]]
    ),
}
NAMED: dict[str, Callable[[str, list[str]], tuple[Any, str]]] = {
    "bind": lambda who, words: (
        wire.BindSession(account=number_of(who), mode=int("cancels" in words)),
        words[0],
    ),
    "heartbeat": lambda who, words: (
        wire.MakerHeartbeat(
            account=number_of(who), epoch=int(words[1]), mode=int("leaving" in words)
        ),
        words[0],
    ),
}
ADMINISTRATION: dict[str, Callable[[str, list[str]], Any]] = {
    "rules": rules_of,
    "phase": lambda _, words: SetPhase(instrument=INSTRUMENT, mode=Phase[words[0].upper()]),
    "state": lambda who, words: SetAccountState(
        account=number_of(who), mode=AccountState[words[0].upper()]
    ),
    "orders-max": lambda who, words: SetAccountLimits(
        account=number_of(who), open_orders_max=int(words[0])
    ),
    "position-max": lambda who, words: SetPositionLimit(
        account=number_of(who), instrument=INSTRUMENT, position_max=int(words[0])
    ),
    "deposit": lambda who, words: Deposit(
        account=number_of(who), amount=int(words[0]), asset=ASSETS[words[1]]
    ),
    "withdraw": lambda who, words: Withdraw(
        account=number_of(who), amount=int(words[0]), asset=ASSETS[words[1]]
    ),
    "transfer": lambda who, words: Transfer(
        account=number_of(who),
        amount=int(words[0]),
        asset=ASSETS[words[1]],
        to_account=number_of(words[2]),
    ),
    "safety": safety_of,
    "schedule": schedule_of,
    "order-max": lambda who, words: wire.SetOrderLimits(
        account=number_of(who), instrument=INSTRUMENT, **values_of(words)
    ),
    "guard": lambda who, words: wire.SetAccountGuard(account=number_of(who), **values_of(words)),
    "dead-man": lambda who, words: wire.SetDeadMan(
        account=number_of(who), timeout_ns=int(Decimal(words[0]) * SECOND_NS)
    ),
    "firm": firm_of,
    "makes": lambda who, words: wire.SetFirmSymbol(
        account=number_of(who), instrument=INSTRUMENT, mode=2 if words else 1
    ),
    "reserve": reserve_of,
    "release": lambda who, words: wire.Release(
        account=number_of(who), instrument=INSTRUMENT, **values_of(words)
    ),
}
