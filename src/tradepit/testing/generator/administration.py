"""Everything that is not an order: definitions, accounts, money, phases, limits, time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tradepit.domain.wire import (
    AccountState,
    AccountType,
    ActivateRules,
    DefineAsset,
    Deposit,
    Genesis,
    MassCancel,
    OpenAccount,
    Phase,
    Quarantine,
    RecordFlag,
    RemoveInstrument,
    SetAccountLimits,
    SetAccountState,
    SetCredit,
    SetPhase,
    SetPositionLimit,
    SetStartingBalance,
    Tick,
    TimeJump,
    Transfer,
    Withdraw,
)
from tradepit.testing.frames import Command, command, unknown_command
from tradepit.testing.generator import orders
from tradepit.testing.generator.profile import (
    ACME,
    COIN,
    DAY_NS,
    FEES_PPM,
    SECOND_NS,
    USD,
    VAULT,
    InstrumentPlan,
)
from tradepit.testing.generator.view import View
from tradepit.testing.oracle.market import Instrument

Maker = Callable[..., Iterator[Command]]
OPENED = 0xFFFFFFFF


def keyed(view: View, fields: Any, text: bytes | str | None = None) -> Command:
    if view.chance(0.03):
        fields = fields._replace(valid_until=view.now - view.rng.randint(0, 1))
    return command(view.with_key(fields, 0.5 if view.profile.key_capacity > 100 else 0.2), text)


def any_asset(view: View) -> int:
    return view.pick((USD, USD, COIN, COIN, ACME, 4, VAULT, 0, 9))


def any_account(view: View) -> int:
    return view.account() if view.chance(0.9) else view.pick((0, 44, OPENED))


def amount_of(view: View, asset: int) -> int:
    scale = max(1, view.profile.starting.get(asset, 100))
    return view.pick(
        (scale // 10 + 1, scale // 3 + 1, view.rng.randint(1, scale), 0, -7, 2**63 - 1)
    )


def deposit(view: View) -> Iterator[Command]:
    """Small ones, and the vault filled to its brim."""
    asset = any_asset(view)
    amount = amount_of(view, asset)
    if asset == VAULT and view.chance(0.5):
        amount = 2**62 - view.rng.randint(-1, 200)
    yield keyed(view, Deposit(account=any_account(view), asset=asset, amount=amount))


def withdraw(view: View) -> Iterator[Command]:
    asset = any_asset(view)
    amount = view.pick((1, amount_of(view, asset) // 2))
    yield keyed(view, Withdraw(account=any_account(view), asset=asset, amount=amount))


def transfer(view: View) -> Iterator[Command]:
    asset = any_asset(view)
    amount = view.pick((1, amount_of(view, asset) // 2))
    if asset == VAULT:
        amount = view.pick((2**61, 2**62 - 100, 1))
    payer, payee = any_account(view), any_account(view)
    yield keyed(view, Transfer(account=payer, asset=asset, to_account=payee, amount=amount))


def open_account(view: View) -> Iterator[Command]:
    """New, existing and impossible ids; then something for the account just named."""
    id = view.pick(("ann", "bob", f"acc-{view.rng.randint(1, 30)}", "x" * 64, "x" * 65, "", "a b"))
    text = id + view.pick(("", "", "\x1fSome Name", "\x1f" + "n" * 128, "\x1f" + "é" * 65))
    flags = view.pick((0, RecordFlag.STARTING_BALANCES, RecordFlag.IF_ABSENT, 12))
    fields = OpenAccount(flags=flags, mode=view.pick((0, 0, AccountType.CASH, 2, 3)))
    yield keyed(view, fields, view.pick((text, text, text, text, None)))
    if view.chance(0.7):
        yield keyed(view, Deposit(account=OPENED, asset=USD, amount=view.rng.randint(1, 1000)))
        yield orders.named(view, orders.place(view)._replace(account=OPENED))


def account_state(view: View) -> Iterator[Command]:
    """States come and go; most accounts end up active again."""
    state = view.pick((1, AccountState.SUSPENDED, AccountState.SUSPENDED, AccountState.KILLED, 9))
    account = any_account(view)
    yield keyed(view, SetAccountState(account=account, mode=state))
    for _ in range(view.rng.randint(0, 4)):
        yield orders.named(view, orders.place(view)._replace(account=account))
        yield orders.replace(view)
    if view.chance(0.9):
        yield command(SetAccountState(account=account, mode=AccountState.ACTIVE))


def wake_everyone(view: View) -> Iterator[Command]:
    for account in view.market.accounts:
        yield command(SetAccountState(account=account, mode=AccountState.ACTIVE))
        yield command(SetAccountLimits(account=account))


def limits(view: View) -> Iterator[Command]:
    account, instrument = any_account(view), view.pick((1, 2, 3, 99))
    bad = view.chance(0.15)
    position_max = view.pick((-1, 2**62 + 1)) if bad else position_limit(view, account, instrument)
    credit = view.pick((-1, 2**61 + 1)) if bad else view.rng.randint(0, 10**6)
    fields: Any = view.pick(
        (
            SetAccountLimits(account=account, open_orders_max=view.pick((0, 0, 2, 5, 40))),
            SetPositionLimit(account=account, instrument=instrument, position_max=position_max),
            SetCredit(account=view.pick((account, 4, 5)), asset=any_asset(view), credit=credit),
        )
    )
    yield keyed(view, fields)


def position_limit(view: View, account: int, instrument: int) -> int:
    """None, or a little more than what the account has already."""
    known = view.market.accounts.get(account)
    net = known.position(instrument).net if known else 0
    return view.pick((0, abs(net) + view.rng.randint(0, 15) * view.profile.size))


def phase(view: View) -> Iterator[Command]:
    """Somewhere else for a moment, then mostly back."""
    instrument = view.pick((0, view.instrument().number, view.instrument().number, 99))
    mode = view.pick((Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED, 1, 5, 6, 7, 8, 0))
    yield keyed(view, SetPhase(instrument=instrument, mode=mode))
    for _ in range(view.rng.randint(0, 6)):
        yield view.pick((orders.replace, orders.cancel))(view)
        yield orders.named(view, orders.place(view))
    if view.chance(0.9):
        yield command(SetPhase(mode=Phase.CONTINUOUS))


def instrument_rules(view: View) -> Iterator[Command]:
    instrument = view.instrument()
    maker, taker = view.pick(FEES_PPM)
    price = instrument.last_price or instrument.reference_price
    fields = view.profile.rules(instrument.number)._replace(
        quantity_min=view.pick((1, 1, 2)),
        quantity_max=view.pick((2**40, 50 * view.profile.size)),
        value_max=view.pick((0, 0, price * instrument.unit * 12)),
        reference_price=view.pick((price, price, 0)),
        collar_ppm=view.pick((view.profile.collar_ppm, view.profile.collar_ppm, 0, 200_000)),
        maker_fee_ppm=maker,
        taker_fee_ppm=taker,
    )
    if view.chance(0.3):
        spoiled: dict[str, int] = view.pick(
            (
                {"quantity_min": 0},
                {"quantity_min": 51},
                {"quantity_max": 2**40 + 1},
                {"value_max": -1},
                {"reference_price": -1},
                {"collar_ppm": 1_000_001},
                {"maker_fee_ppm": -1, "taker_fee_ppm": 0},
                {"taker_fee_ppm": 1_000_000},
                {"maker_fee_ppm": -1_000_000, "taker_fee_ppm": 1_000_000},
                {"instrument": 99},
            )
        )
        fields = fields._replace(**spoiled)
    yield keyed(view, fields)


def define_asset(view: View) -> Iterator[Command]:
    number = len(view.market.assets) + view.pick((0, 1, 2))
    code = view.pick(("USD", "", None, "c" * 17, f"N{number}"))
    if number > 12:
        code = None
    yield keyed(view, DefineAsset(asset=number, scale=view.pick((0, 18, 19))), code)


def redefine(view: View) -> Iterator[Command]:
    """An instrument as it is, changed, or changed in a way that cannot be."""
    instrument = view.pick(list(view.market.instruments.values()))
    plan = InstrumentPlan(
        symbol=instrument.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        tick_mantissa=instrument.tick_mantissa,
        tick_exponent=instrument.tick_exponent,
        lot_mantissa=instrument.lot_mantissa,
        lot_exponent=instrument.lot_exponent,
        price=instrument.reference_price,
    )
    fields: Any = plan.definition(instrument.number).fields()
    if view.chance(0.7):
        changes: dict[str, int] = view.pick(
            (
                {"tick_mantissa": 0},
                {"lot_mantissa": 0},
                {"tick_exponent": 40},
                {"lot_exponent": 2**32 - 1},
                {"lot_mantissa": 2**32 - 1, "lot_exponent": 0, "tick_mantissa": 2**32 - 1},
                {"base_asset": 9},
                {"base_asset": fields.quote_asset},
                {"quote_asset": VAULT},
                {"reference_price": -1},
                {"reference_price": fields.reference_price + 1},
                {"mode": view.pick((0, 5, 6, 7, 9))},
                {"instrument": len(view.market.instruments) + 2},
                {"instrument": 0},
            )
        )
        fields = fields._replace(**changes)
    symbol = instrument.symbol if view.chance(0.8) else view.pick(("ACME-USD", "", "s" * 33))
    yield keyed(view, fields, symbol)


def remove_and_renew(view: View, instrument: Instrument | None = None) -> Iterator[Command]:
    """Remove an instrument; its symbol comes back under a new number, then changes once more."""
    instrument = instrument or view.instrument()
    if view.chance(0.8):
        yield command(MassCancel(instrument=instrument.number))
    yield keyed(view, RemoveInstrument(instrument=view.pick((instrument.number,) * 9 + (99,))))
    number = len(view.market.instruments) + 1
    plans = [p for p in view.profile.instruments if p.symbol == instrument.symbol]
    if not plans:
        return
    plan = plans[0]
    yield keyed(view, *_definition(plan, number))
    if view.chance(0.5):
        yield keyed(view, *_definition(plan, number))
    yield command(view.profile.rules(number)._replace(reference_price=plan.price))


def missing_instruments(view: View) -> list[Command]:
    """Definitions of what was removed and did not come back, its key having been refused."""
    there = {i.symbol for i in view.market.instruments.values() if i.phase != Phase.REMOVED}
    missing = [plan for plan in view.profile.instruments if plan.symbol not in there]
    first = len(view.market.instruments) + 1
    return [plan.definition(number) for number, plan in enumerate(missing, start=first)]


def _definition(plan: InstrumentPlan, number: int) -> tuple[Any, str]:
    return plan.definition(number).fields(), plan.symbol


def starting_balance(view: View) -> Iterator[Command]:
    asset = any_asset(view)
    amount = view.profile.starting.get(asset, 0)
    if view.chance(0.2):
        amount = -1
    if asset == VAULT and view.chance(0.3):
        amount = 2**62 + 1
    yield keyed(view, SetStartingBalance(asset=asset, amount=amount))


def journal_commands(view: View) -> Iterator[Command]:
    """What concerns the journal itself, known and unknown."""
    yield view.pick(
        (
            command(Tick()),
            command(Quarantine(target_sequence=5)),
            command(ActivateRules(rules_version=view.pick((1, view.market.version, 3, 0)))),
            command(Genesis(rules_version=view.pick((1, 2, 7)), key_capacity=1)),
            unknown_command(view.pick((0, 33, 46, 99, 255))),
        )
    )


def time_jump(view: View) -> Iterator[Command]:
    """Short, backward, and over midnight."""
    midnight = (view.now // DAY_NS + 1) * DAY_NS
    to_ns = view.pick(
        (view.now + 3 * SECOND_NS, view.now - 1, midnight - 1, midnight, midnight + SECOND_NS, -1)
    )
    yield command(TimeJump(to_ns=to_ns))


MAKERS: dict[Maker, int] = {
    orders.reduce_only_ladder: 20,
    deposit: 30,
    withdraw: 12,
    transfer: 14,
    open_account: 14,
    account_state: 16,
    wake_everyone: 4,
    limits: 34,
    phase: 8,
    instrument_rules: 10,
    define_asset: 4,
    redefine: 5,
    remove_and_renew: 1,
    starting_balance: 5,
    journal_commands: 9,
    time_jump: 5,
}
