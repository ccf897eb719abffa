"""What a simulated day was: makers, firms, instruments, auctions, halts, faults, checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tradepit.domain.wire import RejectReason
from tradepit.makers import MakerReport
from tradepit.simulation.checks import Check
from tradepit.simulation.sampling import Samples

if TYPE_CHECKING:
    from tradepit.simulation.simulation import Simulation

REPORT_FILE: Final = "report.json"


class MakerRow(Struct, frozen=True, kw_only=True):
    """A maker in one symbol, over all its times there. Money in the quote asset, before fees."""

    firm: str
    strategy: str
    maker: str
    symbol: str
    times: int
    """How often it took the symbol over."""
    profit: float
    spread_captured: float
    adverse_selection: float
    """Against it within a second of its fills; mark-out with the sign turned."""
    fills: int
    volume: float
    inventory: float
    """At the end of its last time."""
    quote_uptime: float | None
    quoted_spread: float | None
    observed_s: float


class FirmRow(Struct, frozen=True, kw_only=True):
    """A firm."""

    name: str
    strategy: str
    makers: int
    profit: float
    """Positions at the mid, before fees."""
    profit_max: float
    profit_min: float
    spread_captured: float
    adverse_selection: float
    fills: int
    unowned_fills: int
    """While no maker was there to hear of them."""
    gross_position_max: float
    quote_uptime: float | None
    budget_used_max: float


class SymbolRow(Struct, frozen=True, kw_only=True):
    """An instrument."""

    symbol: str
    trades: int
    volume: float
    last: float
    halts: int
    auctions: int


class AuctionRow(Struct, frozen=True, kw_only=True):
    """An uncrossing with a trade."""

    time_ns: int
    symbol: str
    phase: str
    price: float
    volume: float
    trades: int


class PhaseRow(Struct, frozen=True, kw_only=True):
    """A halt: why, and until when."""

    time_ns: int
    symbol: str
    reason: str
    until_ns: int


class FaultRow(Struct, frozen=True, kw_only=True):
    """Something that went wrong."""

    time_ns: int
    what: str
    target: str
    back_ns: int


class PumpRow(Struct, frozen=True, kw_only=True):
    """The bot."""

    symbol: str
    profit: float
    fills: int
    bought: float
    sold: float
    left: float


class Report(Struct, frozen=True, kw_only=True):
    """A whole day."""

    scenario: str
    seed: int
    session_hours: float
    state_hash: str
    commands: int
    events: int
    frames: int
    seconds: float
    """Of real time."""
    cpu_seconds: float
    """Of this process: what it takes on a core of its own."""
    quotes: int
    trades: int
    refusals: dict[str, int]
    maker_refusals: dict[str, int]
    late_refusals: int
    moves: int
    """Symbols that went from one maker to another."""
    firms: list[FirmRow]
    makers: list[MakerRow]
    symbols: list[SymbolRow]
    auctions: list[AuctionRow]
    halts: list[PhaseRow]
    faults: list[FaultRow]
    pump: PumpRow | None
    checks: list[Check]
    samples: Samples

    @property
    def holds(self) -> bool:
        """All checks do."""
        return all(check.holds for check in self.checks)


def make_report(
    day: Simulation, checks: list[Check], *, seconds: float, cpu_seconds: float
) -> Report:
    """The report of a day that is over."""
    tape, fleet, venue = day.tape, day.fleet, day.venue
    makers = _makers(day)
    halts = _halts(day)
    return Report(
        scenario=day.scenario.name,
        seed=day.seed,
        session_hours=day.scenario.session_hours,
        state_hash=venue.replica.state_hash(),
        commands=venue.commands,
        events=tape.events,
        frames=venue.frames,
        seconds=round(seconds, 2),
        cpu_seconds=round(cpu_seconds, 2),
        quotes=fleet.quotes_sent,
        trades=int(tape.trades.sum()),
        refusals=_by_count(tape.refusals),
        maker_refusals=_by_count(fleet.refusals),
        late_refusals=fleet.late_refusals,
        moves=sum(bool(given.previous and given.maker) for given in tape.assignments),
        firms=[_firm(day, name, makers) for name in day.accounts.firms],
        makers=makers,
        symbols=_symbols(day, halts),
        auctions=_auctions(day),
        halts=halts,
        faults=[FaultRow(**each._asdict()) for each in day.faults.happened],
        pump=_pump(day),
        checks=checks,
        samples=day.sampler.samples,
    )


def _by_count(counts: Mapping[RejectReason, int]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].name))
    return {reason.name.lower(): count for reason, count in ordered}


def _makers(day: Simulation) -> list[MakerRow]:
    names = {account: name for name, account in day.accounts.firms.items()}
    tenures: dict[tuple[str, str, str, str], list[MakerReport]] = defaultdict(list)
    for seat in day.fleet.seats:
        for each in seat.reports:
            key = (names[seat.account], seat.choice.name, each.maker, each.symbol)
            tenures[key].append(each)
    rows = [_maker(*key, reports) for key, reports in tenures.items()]
    return sorted(rows, key=lambda row: (row.maker, row.symbol))


def _maker(firm: str, strategy: str, maker: str, symbol: str, times: list[MakerReport]) -> MakerRow:
    observed = float(sum(each.observed_s for each in times))
    quoted = sum((each.quote_uptime or 0.0) * float(each.observed_s) for each in times)
    spread = sum(
        (each.quoted_spread or 0.0) * (each.quote_uptime or 0.0) * float(each.observed_s)
        for each in times
    )
    return MakerRow(
        firm=firm,
        strategy=strategy,
        maker=maker,
        symbol=symbol,
        times=len(times),
        profit=float(sum(each.realised_pnl + (each.unrealised_pnl or 0) for each in times)),
        spread_captured=float(sum(each.spread_captured for each in times)),
        adverse_selection=float(sum(each.adverse_selection for each in times)),
        fills=sum(each.fills for each in times),
        volume=float(sum(each.bought + each.sold for each in times)),
        inventory=float(times[-1].inventory),
        quote_uptime=quoted / observed if observed else None,
        quoted_spread=spread / quoted if quoted else None,
        observed_s=observed,
    )


def _firm(day: Simulation, name: str, makers: list[MakerRow]) -> FirmRow:
    account = day.accounts.firms[name]
    seats = [seat for seat in day.fleet.seats if seat.account == account]
    rows = [row for row in makers if row.firm == name]
    [series] = [each for each in day.sampler.samples.firms if each.name == name]
    observed = sum(row.observed_s for row in rows)
    uptime = sum((row.quote_uptime or 0.0) * row.observed_s for row in rows)
    [firm] = [each for each in day.scenario.firms if each.name == name]
    budget = day.fleet.budgets[account]
    return FirmRow(
        name=name,
        strategy=firm.strategy.name,
        makers=firm.makers,
        profit=series.profit[-1] if series.profit else 0.0,
        profit_max=max(series.profit, default=0.0),
        profit_min=min(series.profit, default=0.0),
        spread_captured=sum(row.spread_captured for row in rows),
        adverse_selection=sum(row.adverse_selection for row in rows),
        fills=sum(seat.fills for seat in seats),
        unowned_fills=sum(seat.unowned_fills for seat in seats),
        gross_position_max=max(series.gross_position, default=0.0),
        quote_uptime=uptime / observed if observed else None,
        budget_used_max=budget.most_units / budget.units if budget.units else 0.0,
    )


def _symbols(day: Simulation, halts: list[PhaseRow]) -> list[SymbolRow]:
    tape, rows = day.tape, []
    for index, each in enumerate(day.scenario.instruments):
        auctions = [a for a in tape.auctions if a.instrument == index + 1 and a.trades]
        rows.append(
            SymbolRow(
                symbol=each.symbol,
                trades=int(tape.trades[index]),
                volume=float(each.spec.quantity(int(tape.volume_lots[index]))),
                last=float(each.spec.price(int(tape.last_ticks[index]))),
                halts=sum(halt.symbol == each.symbol for halt in halts),
                auctions=len(auctions),
            )
        )
    return rows


def _auctions(day: Simulation) -> list[AuctionRow]:
    instruments = day.scenario.instruments
    return [
        AuctionRow(
            time_ns=each.time_ns,
            symbol=instruments[each.instrument - 1].symbol,
            phase=each.phase,
            price=float(instruments[each.instrument - 1].spec.price(each.price_ticks)),
            volume=float(instruments[each.instrument - 1].spec.quantity(each.volume_lots)),
            trades=each.trades,
        )
        for each in day.tape.auctions
        if each.trades
    ]


def _halts(day: Simulation) -> list[PhaseRow]:
    """Halts, each until the instrument trades again."""
    rows, open_since = [], {}
    for change in day.tape.phases:
        if change.phase == "halted":
            open_since[change.instrument] = change
        elif change.phase in ("continuous", "closed") and change.instrument in open_since:
            began = open_since.pop(change.instrument)
            symbol = day.scenario.instruments[change.instrument - 1].symbol
            reason = "operator" if began.reason == "command" else began.reason
            rows.append(
                PhaseRow(
                    time_ns=began.time_ns, symbol=symbol, reason=reason, until_ns=change.time_ns
                )
            )
    return rows


def _pump(day: Simulation) -> PumpRow | None:
    symbol = day.scenario.pump.symbol
    if not symbol:
        return None
    index = [each.symbol for each in day.scenario.instruments].index(symbol)
    spec, pump = day.scenario.instruments[index].spec, day.pump
    profit = pump.profit_tick_lots(float(day.tape.last_ticks[index]))
    return PumpRow(
        symbol=symbol,
        profit=profit * float(spec.money_per_tick_lot),
        fills=pump.fills,
        bought=float(spec.quantity(pump.bought_lots)),
        sold=float(spec.quantity(pump.sold_lots)),
        left=float(spec.quantity(pump.position_lots)),
    )
