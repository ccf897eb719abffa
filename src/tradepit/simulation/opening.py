"""A scenario as the first commands of a market: instruments, schedule, accounts, firms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from tradepit.domain import commands, firm_commands, safety_commands
from tradepit.domain.schedule import Entry
from tradepit.domain.wire import AccountType, Phase
from tradepit.node.definitions import AssetDefinition, InstrumentDefinition, MarketDefinition
from tradepit.simulation.scenario import (
    NS_PER_MS,
    NS_PER_SECOND,
    Firm,
    Scenario,
    ScenarioError,
    budget_units,
    made_by,
    nanoseconds,
)
from tradepit.simulation.venue import Venue

MONEY: Final = "USD"
CREDIT: Final = 2**60
"""Minor units that every account may owe: nobody here runs out of money."""

PROTECTION_PPM: Final = 50_000
"""How far from their stop price stop orders may trade."""

SHORT_SHARE: Final = 12
"""Gathering lasts at most one part in so many of the session."""

LEAD_NS: Final = NS_PER_SECOND
"""The market stands so long before its first phase."""

KEY_WINDOW_S: Final = 1
NS_PER_HOUR: Final = 3_600 * NS_PER_SECOND
NS_PER_DAY: Final = 24 * NS_PER_HOUR


class Clock(NamedTuple):
    """The times of a session, ns since the epoch."""

    starts: int
    pre_opens: int
    gathers: int
    """The opening auction begins; prices are indicative until `opens`."""
    opens: int
    closing: int
    """The closing auction begins."""
    closes: int
    ends: int

    def schedule(self) -> list[int]:
        """The schedule of every instrument."""
        times = {
            Phase.PRE_OPEN: self.pre_opens,
            Phase.AUCTION: self.gathers,
            Phase.CONTINUOUS: self.opens,
            Phase.CLOSING_AUCTION: self.closing,
            Phase.CLOSED: self.closes,
        }
        entries = [Entry(at % NS_PER_DAY // NS_PER_MS, phase) for phase, at in times.items()]
        return [entry.word for entry in entries]


class Accounts(NamedTuple):
    """Account numbers."""

    firms: dict[str, int]
    pump: int
    recorded: int
    flow_first: int
    flow: int
    """How many the public has."""


def clock_of(scenario: Scenario) -> Clock:
    """When everything begins and ends. Raises: ScenarioError when it is not within one day."""
    session = scenario.session
    try:
        at = datetime.fromisoformat(f"{session.day}T{session.opens}:00").replace(tzinfo=UTC)
    except ValueError as error:
        raise ScenarioError(f"session: {error}") from error
    opens = int(at.timestamp()) * NS_PER_SECOND
    length = nanoseconds(scenario.session_hours * 3_600)
    most = length // SHORT_SHARE // NS_PER_SECOND * NS_PER_SECOND or NS_PER_SECOND
    auction = min(nanoseconds(session.auction_minutes * 60), most)
    pre = max(auction + NS_PER_SECOND, min(nanoseconds(session.pre_open_minutes * 60), most))
    clock = Clock(
        starts=opens - pre - LEAD_NS,
        pre_opens=opens - pre,
        gathers=opens - auction,
        opens=opens,
        closing=opens + length - auction,
        closes=opens + length,
        ends=opens + length + LEAD_NS,
    )
    if clock.starts // NS_PER_DAY != clock.ends // NS_PER_DAY:
        raise ScenarioError("session: it must begin and end on the same day (UTC)")
    return clock


def open_market(venue: Venue, scenario: Scenario, clock: Clock, *, has_schedule: bool) -> Accounts:
    """Define everything; without a schedule the market trades at once.

    Raises: DefinitionRefused, CommandRefused.
    """
    venue.open(_market(scenario), clock.starts)
    numbers = {each.symbol: number for number, each in enumerate(scenario.instruments, 1)}
    venue.define(_rules(scenario, clock if has_schedule else None), clock.starts)
    accounts = _accounts(scenario)
    names = [*accounts.firms, "pump", "recorded"]
    names += [f"public-{number}" for number in range(scenario.flow.accounts)]
    opened = b"".join(
        commands.open_account(account_type=AccountType.CREDIT, starting_balances=False)
        for _ in names
    )
    texts = b"".join(commands.account_text(name) for name in names)
    venue.define(opened, clock.starts, texts)
    credit = [
        commands.set_credit(account=number, asset=0, credit=CREDIT)
        for number in range(1, len(names) + 1)
    ]
    venue.define(b"".join(credit), clock.starts)
    for firm in scenario.firms:
        venue.define(_firm(scenario, firm, accounts.firms[firm.name], numbers), clock.starts)
    return accounts


def _market(scenario: Scenario) -> MarketDefinition:
    instruments = [
        InstrumentDefinition(
            symbol=each.symbol,
            base=each.symbol,
            quote=MONEY,
            tick_size=each.tick_size,
            lot_size=each.lot_size,
            reference_price=each.price,
            maker_fee_bps=scenario.maker_fee_bps,
            taker_fee_bps=scenario.taker_fee_bps,
            phase="closed",
        )
        for each in scenario.instruments
    ]
    codes = [MONEY, *(each.symbol for each in scenario.instruments)]
    return MarketDefinition(
        key_window_seconds=KEY_WINDOW_S,
        assets=[AssetDefinition(code=code) for code in codes],
        instruments=instruments,
    )


def _rules(scenario: Scenario, clock: Clock | None) -> bytes:
    safety, records = scenario.safety, []
    for number in range(1, len(scenario.instruments) + 1):
        if clock is None:
            records.append(commands.set_phase(instrument=number, phase=Phase.CONTINUOUS))
        else:
            records.append(
                safety_commands.set_schedule(instrument=number, entries=clock.schedule())
            )
        records.append(
            safety_commands.set_instrument_safety(
                instrument=number,
                band_ppm=round(safety.band_percent * 10_000),
                protection_ppm=PROTECTION_PPM,
                halt_ns=nanoseconds(safety.halt_seconds),
                auction_ns=nanoseconds(safety.reopening_auction_seconds),
            )
        )
    return b"".join(records)


def _accounts(scenario: Scenario) -> Accounts:
    firms = {firm.name: number for number, firm in enumerate(scenario.firms, 1)}
    pump = len(firms) + 1
    return Accounts(firms, pump, pump + 1, pump + 2, scenario.flow.accounts)


def _firm(scenario: Scenario, firm: Firm, account: int, numbers: dict[str, int]) -> bytes:
    record = firm_commands.define_firm(
        account=account,
        budget_bid=budget_units(firm.budget),
        budget_ask=budget_units(firm.budget),
        position_limit=budget_units(firm.position_limit),
        lease_ns=nanoseconds(firm.lease_seconds),
    )
    symbols = [numbers[each.symbol] for each in made_by(scenario, firm)]
    return record + b"".join(
        firm_commands.set_firm_symbol(
            account=account, instrument=number, mode=firm_commands.ADD_SYMBOL
        )
        for number in symbols
    )
