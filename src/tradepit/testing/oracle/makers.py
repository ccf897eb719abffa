"""Makers, and which of them owns which of its firm's instruments. Rulebook section 18."""

from __future__ import annotations

from tradepit.domain.wire import (
    EndReason,
    FirmSymbolChanged,
    MakerHeartbeat,
    MakerJoined,
    MakerLeft,
    RejectReason,
    SetFirmSymbol,
    SymbolAssigned,
)
from tradepit.testing.oracle.firms import end_quote, known_firm, lot_units
from tradepit.testing.oracle.market import Account, Market, Rejected
from tradepit.testing.oracle.parties import Firm, Maker
from tradepit.testing.oracle.sessions import visible_name

MAKERS_MAX = 1_000
ALIVE, LEAVING = 0, 1
ADD, REMOVE = 1, 2


def set_firm_symbol(market: Market, command: SetFirmSymbol) -> None:
    account = market.known_account(command.account)
    firm = known_firm(account)
    instrument = market.known_instrument(command.instrument)
    if command.mode not in (ADD, REMOVE):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    if command.mode == ADD:
        lot_units(instrument)
    if (command.mode == ADD) == (instrument.number in firm.owners):
        return
    if command.mode == REMOVE:
        stop_making(market, account, instrument.number, EndReason.REQUESTED)
        return
    firm.owners[instrument.number] = 0
    show_symbol(market, account, instrument.number, ADD)
    assign(market, account)


def show_symbol(market: Market, account: Account, instrument: int, mode: int) -> None:
    market.emit(FirmSymbolChanged(status=mode, account=account.number, instrument=instrument))


def stop_making(market: Market, account: Account, instrument: int, reason: EndReason) -> None:
    """The firm no longer makes the instrument; what it quotes or reserved there ends."""
    del known_firm(account).owners[instrument]
    show_symbol(market, account, instrument, REMOVE)
    if instrument in account.quotes:
        end_quote(market, account, instrument, reason)
    assign(market, account)


def forget_instrument(market: Market, instrument: int) -> None:
    """What REMOVE_INSTRUMENT ends: for the firms that make it, then for the others."""
    accounts = [account for _, account in sorted(market.accounts.items())]
    for account in accounts:
        if account.firm is not None and instrument in account.firm.owners:
            stop_making(market, account, instrument, EndReason.REMOVED)
    for account in accounts:
        if instrument in account.quotes:
            end_quote(market, account, instrument, EndReason.REMOVED)


def heartbeat(market: Market, command: MakerHeartbeat, text: bytes | None) -> None:
    account = market.accounts[command.account]
    firm = known_firm(account)
    name = visible_name(text)
    if command.mode not in (ALIVE, LEAVING) or command.epoch == 0:
        raise Rejected(RejectReason.INVALID_COMBINATION)
    maker = next((maker for maker in firm.makers.values() if maker.name == name), None)
    if maker is None:
        if command.mode == ALIVE:
            join(market, account, name, command.epoch)
        return
    if command.epoch < maker.epoch:
        raise Rejected(RejectReason.STALE_MAKER)
    if command.epoch > maker.epoch:
        maker.epoch = command.epoch
        show_joined(market, account, firm, maker)
    if command.mode == LEAVING:
        leave(market, account, maker.number, EndReason.REQUESTED)
    else:
        maker.leased_until = market.time_ns + firm.lease_ns


def join(market: Market, account: Account, name: str, epoch: int) -> None:
    firm = known_firm(account)
    if len(firm.makers) >= MAKERS_MAX:
        raise Rejected(RejectReason.TOO_MANY_MAKERS)
    firm.last_maker += 1
    maker = Maker(firm.last_maker, name, epoch, market.time_ns + firm.lease_ns)
    firm.makers[maker.number] = maker
    show_joined(market, account, firm, maker)
    assign(market, account)


def show_joined(market: Market, account: Account, firm: Firm, maker: Maker) -> None:
    joined = MakerJoined(
        account=account.number, maker=maker.number, epoch=maker.epoch, lease_ns=firm.lease_ns
    )
    market.emit(joined, maker.name.encode())


def leave(market: Market, account: Account, number: int, reason: EndReason) -> None:
    """A maker leaves or its lease lapses; others get its instruments."""
    del known_firm(account).makers[number]
    market.emit(MakerLeft(status=reason, account=account.number, maker=number))
    assign(market, account)


def assign(market: Market, account: Account) -> None:
    """Share the firm's instruments evenly among its live makers, moving as few as possible."""
    firm = known_firm(account)
    before = dict(firm.owners)
    firm.owners = new_owners(firm)
    for instrument in sorted(firm.owners):
        owner, previous = firm.owners[instrument], before[instrument]
        if owner != previous:
            market.emit(
                SymbolAssigned(
                    account=account.number,
                    instrument=instrument,
                    maker=owner,
                    previous_maker=previous,
                )
            )


def new_owners(firm: Firm) -> dict[int, int]:
    instruments = sorted(firm.owners)
    if not firm.makers:
        return dict.fromkeys(instruments, 0)
    owned = {
        maker: [i for i in instruments if firm.owners[i] == maker] for maker in sorted(firm.makers)
    }
    share, rest = divmod(len(instruments), len(owned))
    most_first = sorted(owned, key=lambda maker: (-len(owned[maker]), maker))
    quota = {maker: share + (rank < rest) for rank, maker in enumerate(most_first)}
    for maker in owned:
        owned[maker] = owned[maker][: quota[maker]]
    for instrument in instruments:
        if not any(instrument in theirs for theirs in owned.values()):
            taker = min(maker for maker in owned if len(owned[maker]) < quota[maker])
            owned[taker].append(instrument)
    return {i: maker for i in instruments for maker in owned if i in owned[maker]}
