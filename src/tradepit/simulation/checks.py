"""What must be true at the end of a simulated day, whatever happened in it."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from tradepit.simulation.fleet import Fleet
from tradepit.simulation.seat import Seat
from tradepit.simulation.tape import Tape
from tradepit.simulation.venue import Venue


class Check(Struct, frozen=True):
    """One of them, and what was found."""

    what: str
    holds: bool
    found: str


def run_checks(venue: Venue, fleet: Fleet, tape: Tape) -> list[Check]:
    """All of them."""
    return [
        _budgets(fleet),
        _positions(venue, fleet),
        _cash(venue, fleet),
        _ledger(venue),
        _owners(fleet, tape),
    ]


def _budgets(fleet: Fleet) -> Check:
    looks = sum(budget.looks for budget in fleet.budgets.values())
    exceeded = sum(budget.exceeded for budget in fleet.budgets.values())
    most = max((b.most_units / b.units for b in fleet.budgets.values() if b.units), default=0.0)
    found = f"{looks:,} grants, {exceeded} beyond it; at most {most:.0%} of a budget was used"
    return Check("no firm was ever granted more than its budget", exceeded == 0, found)


def _positions(venue: Venue, fleet: Fleet) -> Check:
    """The fills that were told, against the positions that the market keeps."""
    kept = _kept_positions(venue, fleet)
    wrong = [seat for seat in fleet.seats if kept.get(_place(seat), 0) != seat.position_lots]
    fills = sum(seat.fills for seat in fleet.seats)
    found = f"{fills:,} fills, {len(fleet.seats)} positions, {len(wrong)} differ"
    return Check("the sum of fills is the position", not wrong, found)


def _place(seat: Seat) -> tuple[int, int]:
    return seat.account, seat.instrument


def _kept_positions(venue: Venue, fleet: Fleet) -> dict[tuple[int, int], int]:
    accounts = {seat.account for seat in fleet.seats}
    return {
        (account, row[0]): row[1]
        for account in accounts
        for row in venue.replica.positions(account)
    }


def _cash(venue: Venue, fleet: Fleet) -> Check:
    """What fills cost, against realised profit and cost of the market's positions."""
    wrong = 0
    for account in {seat.account for seat in fleet.seats}:
        told = {seat.instrument: seat.cash_tick_lots for seat in fleet.seats
                if seat.account == account}  # fmt: skip
        for instrument, _, cost, realised, *_ in venue.replica.positions(account):
            wrong += realised - cost != told.get(instrument, 0)
    found = f"{wrong} differ"
    return Check("profit counted from fills is that of the market's positions", not wrong, found)


def _ledger(venue: Venue) -> Check:
    wrong = []
    for asset, code, _ in venue.replica.assets():
        deposits, withdrawals, totals, fees = venue.replica.asset_totals(asset)
        if deposits - withdrawals != totals + fees:
            wrong.append(code)
    count = len(venue.replica.assets())
    found = f"{count} assets, {len(wrong)} do not add up {' '.join(wrong)}".rstrip()
    return Check("money and assets are conserved", not wrong, found)


def _owners(fleet: Fleet, tape: Tape) -> Check:
    """Assignments follow on each other: each names the owner that the one before made."""
    owners: dict[tuple[int, int], int] = {}
    broken = 0
    for given in tape.assignments:
        place = (given.account, given.instrument)
        broken += owners.get(place, 0) != given.previous
        owners[place] = given.maker
    live = {(maker.account, maker.number) for maker in fleet.makers if maker.joined}
    lost = sum((account, owner) not in live for (account, _), owner in owners.items() if owner)
    uneven = _unevenness(owners, live)
    found = (
        f"{len(tape.assignments)} assignments, {broken} with another owner before, {lost} symbols "
        f"with an owner that is gone, shares differ by {uneven}"
    )
    holds = not broken and not lost and uneven <= 1
    return Check("each symbol of a firm has one owner, evenly", holds, found)


def _unevenness(owners: dict[tuple[int, int], int], live: set[tuple[int, int]]) -> int:
    """Largest difference between two live makers of one firm in how much they own."""
    shares = Counter((account, owner) for (account, _), owner in owners.items())
    counts: dict[int, list[int]] = {}
    for account, number in live:
        counts.setdefault(account, []).append(shares[account, number])
    return max((max(each) - min(each) for each in counts.values()), default=0)
