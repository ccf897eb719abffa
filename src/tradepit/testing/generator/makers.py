"""Firms, their makers and quotes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tradepit.domain.wire import (
    DefineFirm,
    DefineInstrument,
    MakerHeartbeat,
    Phase,
    Quote,
    Release,
    Reserve,
    ReserveOrderId,
    SetFirmSymbol,
    Tick,
    TimeJump,
)
from tradepit.testing.frames import Command, command
from tradepit.testing.generator.administration import any_account, keyed, remove_and_renew
from tradepit.testing.generator.profile import SECOND_NS, USD, VAULT
from tradepit.testing.generator.view import View
from tradepit.testing.oracle.market import Instrument

BULK = "BULK-USD"
NAMES = ("mm-0", "mm-1", "mm-2", "mm-3")
TTLS_NS = (0, 10**6, SECOND_NS // 10, SECOND_NS, 5 * SECOND_NS)
LOTS_MAX = 2**54
"""Budget units that may still be multiplied."""
LEASES_NS = (10**8, SECOND_NS // 2, 2 * SECOND_NS, 3_600 * SECOND_NS)


def units(instrument: Instrument) -> int:
    """Budget units of a lot, as near as whole numbers come."""
    return max(1, instrument.lot_mantissa * 10**8 // int(10**instrument.lot_exponent))


def firm_account(view: View) -> int:
    """Mostly a firm, if there is one."""
    firms = [a.number for a in view.market.accounts.values() if a.firm is not None]
    return view.pick(firms) if firms and view.chance(0.85) else any_account(view)


def define_firm(view: View) -> Iterator[Command]:
    """Budgets for some lots of some instrument; new firms are rare."""
    account = firm_account(view) if view.chance(0.8) else view.pick((1, 4, 5))
    lots = min(units(view.instrument()) * view.profile.size, LOTS_MAX)
    fields = DefineFirm(
        account=account,
        budget_bid=lots * view.rng.randint(3, 40),
        budget_ask=lots * view.rng.randint(3, 40),
        position_limit=lots * view.pick((0, 0, 10, 100)),
        lease_ns=view.pick(LEASES_NS),
    )
    if view.chance(0.15):
        spoiled: dict[str, int] = view.pick(
            (
                {"budget_bid": -1},
                {"budget_ask": 2**62 + 1},
                {"position_limit": -1},
                {"lease_ns": 10**8 - 1},
                {"lease_ns": 3_600 * SECOND_NS + 1},
            )
        )
        fields = fields._replace(**spoiled)
    yield keyed(view, fields)


def firm_symbol(view: View) -> Iterator[Command]:
    mode = view.pick((1, 1, 1, 2)) if view.chance(0.95) else view.pick((0, 3))
    instrument = view.any_instrument()
    yield keyed(view, SetFirmSymbol(account=firm_account(view), instrument=instrument, mode=mode))


def heartbeat(view: View) -> Iterator[Command]:
    """Known makers live on, leave, come back under a later epoch, or an earlier one."""
    account, name = firm_account(view), view.pick(NAMES)
    firm = view.market.accounts[account].firm if account in view.market.accounts else None
    live = firm.makers.values() if firm else ()
    epoch = next((maker.epoch for maker in live if maker.name == name), 1)
    epoch += view.pick((0, 0, 0, 0, 0, 1, -1))
    if view.chance(0.04):
        name = view.pick(("", "a b", "x" * 65))
    mode = view.pick((0,) * 8 + (1, 1, 2))
    yield keyed(view, MakerHeartbeat(account=account, mode=mode, epoch=max(0, epoch)), name)


def heartbeats(view: View) -> Iterator[Command]:
    for _ in range(view.rng.randint(2, 5)):
        yield from heartbeat(view)


def maker_of(view: View, account: int, instrument: int) -> dict[str, int]:
    """Maker and epoch as they should be, or nearly so."""
    known = view.market.accounts.get(account)
    firm = known.firm if known else None
    if firm is None or view.chance(0.08):
        return {"maker": view.pick((0, 1, 2)), "epoch": view.pick((0, 1))}
    maker = firm.makers.get(firm.owners.get(instrument, 0))
    if maker is None:
        return {"maker": 0, "epoch": 0}
    return {"maker": maker.number, "epoch": maker.epoch}


def reserve(view: View) -> Iterator[Command]:
    account, number = firm_account(view), view.any_instrument()
    known = view.market.accounts.get(account)
    if known is not None and known.quotes and view.chance(0.5):
        number = view.pick(list(known.quotes))
    instrument = view.market.instruments.get(number, view.instrument())
    size = view.profile.size
    fields = Reserve(
        account=account,
        instrument=number,
        bid_quantity=view.pick((0, 1, 2, 5, 20)) * size,
        ask_quantity=view.pick((0, 1, 2, 5, 20)) * size,
        ttl_ns=view.pick(TTLS_NS),
        definition_version=instrument.definition_version,
        **maker_of(view, account, number),
    )
    if view.chance(0.1):
        fields = fields._replace(**view.pick(SPOILED_RESERVES))
    yield keyed(view, fields)


SPOILED_RESERVES: tuple[dict[str, int], ...] = (
    {"bid_quantity": -1},
    {"ask_quantity": 2**40 + 1},
    {"ttl_ns": 999_999},
    {"ttl_ns": 86_400 * SECOND_NS + 1},
    {"definition_version": 99},
    {"maker": 77},
)


def release(view: View) -> Iterator[Command]:
    account, number = any_account(view), view.any_instrument()
    if view.chance(0.6):
        account = firm_account(view)
    named = maker_of(view, account, number) if view.chance(0.6) else {}
    yield keyed(view, Release(account=account, instrument=number, **named))


def quote(view: View) -> Iterator[Command]:
    account = firm_account(view) if view.chance(0.75) else view.account()
    yield from quote_of(view, account, view.instrument())


def quotes(view: View) -> Iterator[Command]:
    """One maker quotes several times in a row, as when prices move."""
    account = firm_account(view)
    for instrument in view.rng.choices(view.instruments(), k=view.rng.randint(2, 5)):
        yield from quote_of(view, account, instrument)


def quote_of(view: View, account: int, instrument: Instrument, away: int = 0) -> Iterator[Command]:
    """A quote around the middle, moved by `away`; often with a side as it stands."""
    middle = max(3, view.middle(instrument) + away + view.rng.randint(-1, 1))
    size = view.profile.size
    fields: Any = Quote(
        account=account,
        instrument=instrument.number,
        bid_price=middle - view.rng.randint(1, 2),
        bid_quantity=view.pick((0, 2, 5, 5, 9, 20)) * size,
        ask_price=middle + view.rng.randint(1, 2),
        ask_quantity=view.pick((0, 2, 5, 5, 9, 20)) * size,
        ttl_ns=view.pick(TTLS_NS),
        definition_version=instrument.definition_version,
        **maker_of(view, account, instrument.number),
    )
    if view.chance(0.3):
        fields = fields._replace(**standing_side(view, account, instrument.number))
    if view.chance(0.12):
        fields = fields._replace(**view.pick(spoiled_quotes(view, fields)))
    if view.chance(0.97):
        yield command(ReserveOrderId())
    if view.chance(0.02):
        yield command(Tick())
    yield keyed(view, fields)


def standing_side(view: View, account: int, instrument: int) -> dict[str, int]:
    """Price and leaves of a side that rests, so that it may be kept."""
    known = view.market.accounts.get(account)
    quote = known.quotes.get(instrument) if known else None
    bid = view.market.orders.get(quote.bid_id) if quote else None
    ask = view.market.orders.get(quote.ask_id) if quote else None
    if bid is not None and (ask is None or view.chance(0.5)):
        return {"bid_price": bid.price, "bid_quantity": bid.leaves}
    if ask is not None:
        return {"ask_price": ask.price, "ask_quantity": ask.leaves}
    return {}


def spoiled_quotes(view: View, fields: Quote) -> list[dict[str, int]]:
    size = view.profile.size
    return [
        {"bid_quantity": 0, "ask_quantity": 0},
        {"bid_quantity": -1},
        {"bid_price": 0, "bid_quantity": size},
        {"ask_price": -1, "ask_quantity": size},
        {"bid_price": fields.ask_price, "bid_quantity": size, "ask_quantity": size},
        {"ask_price": fields.ask_price * 3, "ask_quantity": size},
        {"bid_quantity": 100_000 * size},
        {"ask_quantity": 2**41},
        {"bid_quantity": 2**40, "bid_price": 2**40, "ask_quantity": 0},
        {"ttl_ns": 999_999},
        {"definition_version": fields.definition_version + 1},
        {"instrument": 99},
        {"maker": 77},
        {"valid_until": view.now - 1},
    ]


def bulk(view: View) -> Iterator[Command]:
    """An instrument whose lots are too many units to be quoted, and a firm that wants to."""
    known = {i.symbol: i.number for i in view.market.instruments.values()}
    number = known.get(BULK, len(view.market.instruments) + 1)
    if BULK not in known:
        define = DefineInstrument(
            mode=Phase.CONTINUOUS,
            instrument=number,
            base_asset=VAULT,
            quote_asset=USD,
            tick_mantissa=1,
            lot_mantissa=20_000_000,
        )
        yield command(define, BULK)
    account = firm_account(view)
    yield command(SetFirmSymbol(account=account, instrument=number, mode=1))
    reserve = Reserve(account=account, instrument=number, definition_version=1, bid_quantity=1)
    yield command(reserve)


def removal(view: View) -> Iterator[Command]:
    """An instrument is removed that a firm makes, or where somebody reserved or quoted."""
    instrument, account = view.instrument(), firm_account(view)
    if view.chance(0.6):
        yield command(SetFirmSymbol(account=account, instrument=instrument.number, mode=1))
    yield from quote_of(view, account, instrument)
    yield from remove_and_renew(view, instrument)


def maker_crowd(view: View) -> Iterator[Command]:
    """One more maker than a firm may have; an hour later all leases have lapsed."""
    yield command(DefineFirm(account=5, lease_ns=3_600 * SECOND_NS))
    for number in range(1_002):
        yield command(MakerHeartbeat(account=5, epoch=1), f"c{number}")
    yield command(TimeJump(to_ns=view.now + 3_700 * SECOND_NS))


IDEAS: dict[Callable[[View], Iterator[Command]], int] = {
    define_firm: 8,
    firm_symbol: 10,
    heartbeat: 12,
    heartbeats: 12,
    reserve: 14,
    release: 9,
    quote: 40,
    quotes: 16,
    bulk: 1,
    removal: 1,
}
