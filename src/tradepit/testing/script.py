"""A text notation for short market stories: commands, and the events they must cause.

A line at the left edge is a command, indented lines below it are all its events, in order::

    s1: ann sell 5 @ 101
    b:  bob buy 7 @ 101 ioc
        accepted b 7 @ 101: cancelled, leaves 0, trades 1
        trade 5 @ 101 s1 > b, maker leaves 0
        cancelled b IOC_REMAINDER 2 of 7

A command without lines below it must not be rejected. The market has the assets USD and X and one
instrument X-USD with tick, lot and both scales such that prices and quantities are minor units.
Accounts: ann, bob, cyd (cash, rich), eve (credit), poor (cash, nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradepit.domain.wire import (
    AccountState,
    AccountType,
    CancelByKey,
    CancelOrder,
    CloseReason,
    DefineAsset,
    DefineInstrument,
    Deposit,
    EventKind,
    Genesis,
    MassCancel,
    OpenAccount,
    Option,
    OrderStatus,
    OrderType,
    Phase,
    PlaceOrder,
    RecordFlag,
    RejectReason,
    ReplaceOrder,
    SelfTradePrevention,
    SetAccountLimits,
    SetAccountState,
    SetCredit,
    SetInstrumentRules,
    SetPhase,
    SetPositionLimit,
    Side,
    TimeInForce,
    TimeJump,
    Transfer,
    Withdraw,
)
from tradepit.testing.engine_port import Engine
from tradepit.testing.frames import Command, Event, FrameWriter, command, read_events

ACCOUNTS = ("ann", "bob", "cyd", "eve", "poor")
ASSETS = {"USD": 1, "X": 2}
INSTRUMENT = 1
RICH = 1_000_000
START_NS = 20_000 * 86_400 * 10**9
SECOND_NS = 10**9
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


@dataclass
class Story:
    """One case of a table: what happens, line by line, and what must come of it."""

    title: str
    steps: list[tuple[str, list[str]]] = field(default_factory=list)


def stories(text: str) -> Iterator[Story]:
    """Cases of a table; each begins with a line `== title`, `#` begins a remark."""
    story: Story | None = None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith("== "):
            if story is not None:
                yield story
            story = Story(line[3:].strip())
        elif story is None:
            raise ValueError(f"outside a story: {line}")
        elif line[0] == " ":
            story.steps[-1][1].append(" ".join(line.split()))
        else:
            story.steps.append((line.strip(), []))
    if story is not None:
        yield story


def opening() -> list[Command]:
    """The market in which every story begins."""
    genesis = Genesis(
        key_window_ns=60 * SECOND_NS,
        key_capacity=100,
        accounts_max=len(ACCOUNTS),
        market_id=7,
        rules_version=1,
        schema_version=1,
    )
    commands: list[Any] = [genesis, TimeJump(to_ns=START_NS)]
    result = [command(fields) for fields in commands]
    result += [command(DefineAsset(asset=n), code) for code, n in ASSETS.items()]
    define = DefineInstrument(
        mode=Phase.CONTINUOUS,
        instrument=INSTRUMENT,
        base_asset=ASSETS["X"],
        quote_asset=ASSETS["USD"],
        tick_mantissa=1,
        lot_mantissa=1,
    )
    result.append(command(define, "X-USD"))
    for name in ACCOUNTS:
        type_ = AccountType.CREDIT if name == "eve" else AccountType.CASH
        result.append(command(OpenAccount(mode=type_), name))
    for name in ("ann", "bob", "cyd"):
        for asset in ASSETS.values():
            result.append(command(Deposit(account=number_of(name), asset=asset, amount=RICH)))
    result.append(command(SetCredit(account=number_of("eve"), credit=RICH)))
    return result


def number_of(name: str) -> int:
    return 0 if name == "operator" else ACCOUNTS.index(name) + 1


class Stage:
    """Plays a story on an engine and tells what happened in the story's own words."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.writer = FrameWriter()
        self.order_ids: dict[str, int] = {}
        self.time_ns = START_NS
        self.send(opening())

    def send(self, commands: list[Command]) -> list[Event]:
        applied = self.engine.apply(self.writer.write(commands, self.time_ns))
        events = read_events(applied.events, applied.texts)
        return [event for event in events if event.kind != EventKind.FRAME_APPLIED]

    def play(self, line: str) -> list[str]:
        """The events of a command line, each as a line of the notation."""
        label, _, words = line.rpartition(": ")
        if words.startswith("book"):
            return [self.book()]
        if words.startswith("balance"):
            return [self.balance(words.split()[1])]
        if words.startswith("wait"):
            later = self.time_ns + int(Decimal(words.split()[1]) * SECOND_NS)
            events = self.send([command(TimeJump(to_ns=later))])
            self.time_ns = later
            return self.tell(events)
        if label:
            self.order_ids[label] = self.writer.next_sequence
        return self.tell(self.send([self.parse(words.split())]))

    def parse(self, words: list[str]) -> Command:
        """A command line without its label."""
        subject, verb, *rest = words
        if verb in SIDES:
            return self.place(subject, SIDES[verb], rest)
        if verb in ADMINISTRATION:
            return command(ADMINISTRATION[verb](subject, rest))
        verbs: dict[str, Callable[[str, list[str]], Any]] = {
            "cancel": lambda who, rest: CancelOrder(
                account=number_of(who), order_id=self.order_ids[rest[0]]
            ),
            "replace": self.replace,
            "mass-cancel": lambda who, rest: MassCancel(
                account=number_of(who), side=SIDES[rest[0]] if rest else Side.NONE
            ),
            "cancel-key": lambda who, rest: CancelByKey(
                account=number_of(who), target_low=int(rest[0]), target_high=1
            ),
        }
        return command(verbs[verb](subject, rest))

    def place(self, account: str, side: Side, words: list[str]) -> Command:
        fields = PlaceOrder(
            account=number_of(account),
            side=side,
            instrument=INSTRUMENT,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=int(words[0]),
            definition_version=1,
        )
        words = words[1:]
        if words[0] == "market":
            fields = fields._replace(order_type=OrderType.MARKET, time_in_force=TimeInForce.IOC)
            words = words[1:]
        while words:
            word, *words = words
            if word == "@":
                options = fields.options
                if fields.order_type == OrderType.MARKET:
                    options |= Option.PRICE
                fields = fields._replace(price=int(words.pop(0)), options=options)
            elif word == "key":
                fields = fields._replace(
                    flags=RecordFlag.KEY, key_low=int(words.pop(0)), key_high=1
                )
            elif word == "label":
                fields = fields._replace(label=int(words.pop(0)))
            elif word == "until":
                fields = fields._replace(expires_at=self.time_ns + int(words.pop(0)) * SECOND_NS)
            elif word in TIMES:
                fields = fields._replace(time_in_force=TIMES[word])
            elif word in MODES:
                fields = fields._replace(self_trade_prevention=MODES[word])
            else:
                fields = fields._replace(options=fields.options | OPTIONS[word])
        return command(fields)

    def replace(self, account: str, words: list[str]) -> ReplaceOrder:
        fields = ReplaceOrder(
            account=number_of(account),
            order_id=self.order_ids[words[0]],
            instrument=INSTRUMENT,
            definition_version=1,
        )
        for word, value in zip(words[1::2], words[2::2], strict=True):
            if word == "@":
                options = fields.options | Option.PRICE
                fields = fields._replace(price=int(value), options=options)
            else:
                options = fields.options | Option.QUANTITY
                fields = fields._replace(quantity=int(value), options=options)
        return fields

    def tell(self, events: list[Event]) -> list[str]:
        names = {order_id: label for label, order_id in self.order_ids.items()}
        return [tell_event(event.fields, names) for event in events]

    def book(self) -> str:
        """Both queues, best first: `bids b1 5@100 | asks s1 3@101`."""
        names = {order_id: label for label, order_id in self.order_ids.items()}
        sides = []
        for word, side in (("bids", Side.BUY), ("asks", Side.SELL)):
            rows = self.engine.queue(INSTRUMENT, side, 100)
            sides.append(" ".join([word, *(f"{names[i]} {q}@{p}" for i, p, q, _ in rows)]))
        return " | ".join(sides)

    def balance(self, account: str) -> str:
        """Totals with what is held: `USD 95 held 10, X 5 held 0`."""
        rows = {asset: row for asset, *row in self.engine.balances(number_of(account))}
        parts = []
        for code, asset in ASSETS.items():
            total, held, _ = rows.get(asset, (0, 0, 0))
            parts.append(f"{code} {total} held {held}")
        return ", ".join(parts)


def rules_of(_: str, words: list[str]) -> SetInstrumentRules:
    """`market rules maker_fee_ppm 100 taker_fee_ppm 200`; what is not named is as at first."""
    given = {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    fields = SetInstrumentRules(instrument=INSTRUMENT, quantity_min=1, quantity_max=2**40)
    return fields._replace(**given)


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
}


def tell_event(event: Any, names: dict[int, str]) -> str:
    """One event as a line of the notation."""
    name = names.get(getattr(event, "order_id", 0), "-")
    match event.kind:
        case EventKind.COMMAND_REJECTED:
            amounts = f" {event.required} > {event.available}" if event.required else ""
            return f"rejected {RejectReason(event.reason).name}{amounts}"
        case EventKind.COMMAND_REPEATED:
            reason = f" {RejectReason(event.reason).name}" if event.reason else ""
            return f"repeated {names.get(event.original_sequence, '-')}{reason}"
        case EventKind.ORDER_ACCEPTED:
            status = OrderStatus(event.status).name.lower()
            return (
                f"accepted {name} {event.quantity} @ {event.price}: {status}, "
                f"leaves {event.leaves}, trades {event.trade_count}"
            )
        case EventKind.ORDER_REPLACED:
            status = OrderStatus(event.status).name.lower()
            kept = "kept" if event.options & Option.KEPT_PRIORITY else "lost"
            return (
                f"replaced {name} {event.previous_leaves} @ {event.previous_price} by "
                f"{event.quantity} @ {event.price}, place {kept}: {status}, "
                f"leaves {event.leaves}, trades {event.trade_count}"
            )
        case EventKind.TRADE:
            maker, taker = names[event.maker_order_id], names[event.taker_order_id]
            fees = ""
            if event.maker_fee or event.taker_fee:
                fees = f", fees {event.maker_fee} {event.taker_fee}"
            return (
                f"trade {event.quantity} @ {event.price} {maker} > {taker}, "
                f"maker leaves {event.maker_leaves}{fees}"
            )
        case EventKind.ORDER_CANCELLED:
            word = "expired" if event.status == OrderStatus.EXPIRED else "cancelled"
            reason = CloseReason(event.reason).name
            return f"{word} {name} {reason} {event.cancelled_quantity} of {event.quantity}"
        case EventKind.ORDER_REDUCED:
            reason = CloseReason(event.reason).name
            return f"reduced {name} {reason} by {event.reduced_by}, leaves {event.leaves}"
        case EventKind.MASS_CANCELLED:
            return f"mass-cancelled {event.count}"
        case EventKind.KEY_TOMBSTONED:
            return f"tombstone {event.target_low}"
        case EventKind.FUNDS_MOVED:
            return f"moved {event.amount}, balance {event.balance}"
        case _:
            return EventKind(event.kind).name.lower()
