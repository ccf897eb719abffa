"""Drafts of firms: budgets, symbols, safety, heartbeats. See `quoting` for what they quote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tradepit.domain import commands, firm_commands
from tradepit.domain.commands import NO_KEY, OPENED_HERE, Key, text_entry
from tradepit.domain.decimals import DecimalError, parse_units
from tradepit.domain.wire import AccountType, EndReason, EventKind, RejectReason
from tradepit.engine.firm_rows import FirmRow
from tradepit.gateway.account_drafts import state_draft
from tradepit.gateway.administration import (
    AdminDraft,
    credit_records,
    open_account_records,
    optional_key,
)
from tradepit.gateway.drafts import EVENT_BYTES, Draft, Market
from tradepit.gateway.fields import time_field, visible
from tradepit.gateway.firms import results
from tradepit.gateway.firms.shapes import DefineFirm, Heartbeat, SetBudget
from tradepit.gateway.firms.statements import (
    NS_PER_MS,
    UNIT_PLACES,
    find_firm,
    firm_of,
    firm_rows,
    firm_symbols,
    heartbeat_answer,
    known_firm,
    symbols_of,
    units_text,
)
from tradepit.gateway.listing import Instrument, number_refused
from tradepit.gateway.problems import Problem, Refused, problem_of, refused
from tradepit.gateway.rejects import Reject
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.shapes import OpenAccount, decimal_text

if TYPE_CHECKING:
    from tradepit.gateway.desk import Desk, Reply

BUDGET_DEFAULT: Final = 100 * 10**UNIT_PLACES
BUDGET_MAX: Final = 2**62
LOT_UNITS_MAX: Final = 10**15
"""Budget units of a lot: more would not fit beside a budget."""

_REJECTED: Final = int(EventKind.COMMAND_REJECTED)
_REPEATED: Final = int(EventKind.COMMAND_REPEATED)
_SYMBOL_CHANGED: Final = int(EventKind.FIRM_SYMBOL_CHANGED)
_MAKER_LEFT: Final = int(EventKind.MAKER_LEFT)
_REQUESTED: Final = int(EndReason.REQUESTED)


class SilentDraft(Draft):
    """A write that may be done without an event of its own: whatever is not refused was done."""

    __slots__ = ()

    def answer(self, events: bytes, start: int, stop: int, sequence: int) -> Answer:
        for position in range(start, stop, EVENT_BYTES):
            if events[position] in (_REJECTED, _REPEATED):
                return super().answer(events, position, stop, sequence)
        return self._done(events, start, stop, sequence + self.count - 1)

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return False

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return self._done(b"", 0, 0, sequence)


class DefineFirmDraft(SilentDraft):
    """A new firm: a flat credit account if there is none of its id, its budgets, its symbols."""

    __slots__ = ("firm_id",)

    def __init__(self, market: Market, body: DefineFirm, key: bytes | None) -> None:
        super().__init__(market)
        self.firm_id = body.id
        command_key = optional_key(key)
        until = time_field(body.valid_until, "valid_until")
        instruments = [quotable(market, symbol) for symbol in body.symbols]
        account = market.replica.account_number(body.id)
        records: list[bytes] = []
        if not account:
            records, self.texts = _open_records(market, body, command_key)
            account, command_key = OPENED_HERE, NO_KEY
        elif body.credit is not None:
            _require_credit_account(market, account)
            records = credit_records(market, account, _account_body(body))
        budgets = _budgets(body, _new_firm(body))
        records.append(
            firm_commands.define_firm(
                account=account, key=command_key, valid_until=until, **budgets._asdict()
            )
        )
        records += [
            firm_commands.set_firm_symbol(
                account=account,
                instrument=instrument.number,
                mode=firm_commands.ADD_SYMBOL,
                valid_until=until,
            )
            for instrument in instruments
        ]
        self.records, self.count = b"".join(records), len(records)

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        return Answer(201, msgspec.json.encode(firm_of(self.market, self.firm_id)), sequence)


class KnownFirmDraft(SilentDraft):
    """The opening of an account that is a firm already, to learn whether this request did it."""

    __slots__ = ("firm_id",)

    def __init__(self, market: Market, body: DefineFirm, key: Key) -> None:
        super().__init__(market)
        self.firm_id = body.id
        records, self.texts = _open_records(market, body, key)
        self.records = records[0]

    def _problem(self, reject: Reject) -> Problem:
        if reject.reason == RejectReason.ACCOUNT_EXISTS:
            return problem_of("firm_exists", f"the firm {self.firm_id!r} is another")
        return super()._problem(reject)

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        return Answer(200, msgspec.json.encode(firm_of(self.market, self.firm_id)), sequence)


def define_firm(desk: Desk, body: DefineFirm, key: bytes | None, reply: Reply) -> None:
    """Make a firm. One that exists in the same form is answered as it stands."""
    market = desk.market
    try:
        known = find_firm(market, visible(body.id, "id").decode())
        if known is None:
            desk.submit(DefineFirmDraft(market, body, key), reply)
        elif _is_same(market, known, body):
            reply(Answer(200, msgspec.json.encode(firm_of(market, body.id))))
        elif key is not None:
            desk.submit(KnownFirmDraft(market, body, optional_key(key)), reply)
        else:
            raise refused("firm_exists", f"the firm {body.id!r} is another")
    except Refused as error:
        reply(problem_answer(error.problem, retry_after=error.retry_after))


class Budgets(msgspec.Struct, frozen=True):
    """What DEFINE_FIRM sets."""

    budget_bid: int
    budget_ask: int
    position_limit: int
    lease_ns: int

    def _asdict(self) -> dict[str, int]:
        return msgspec.structs.asdict(self)


def _new_firm(body: DefineFirm) -> Budgets:
    return Budgets(BUDGET_DEFAULT, BUDGET_DEFAULT, BUDGET_DEFAULT, body.lease_ms * NS_PER_MS)


def _budgets(body: DefineFirm | SetBudget, known: Budgets) -> Budgets:
    """What a body asks for, the rest as it is known."""
    return Budgets(
        _units(body.budget_bid, "budget_bid", known.budget_bid),
        _units(body.budget_ask, "budget_ask", known.budget_ask),
        _units(body.position_limit, "position_limit", known.position_limit),
        known.lease_ns if body.lease_ms is None else body.lease_ms * NS_PER_MS,
    )


def _budgets_of(row: FirmRow) -> Budgets:
    return Budgets(row.budget_bid, row.budget_ask, row.position_limit, row.lease_ns)


def _units(raw: Raw | UnsetType, field: str, default: int) -> int:
    text = None if raw is UNSET else decimal_text(raw, field)
    if text is None:
        return default
    try:
        units = parse_units(text, 1, UNIT_PLACES)
    except DecimalError as error:
        raise number_refused(error, "invalid_number", field, "0.00000001") from None
    if not 0 <= units <= BUDGET_MAX:
        detail = f"{field} is 0 to {units_text(BUDGET_MAX)}"
        raise refused("invalid_limit", detail, field=field, status=400)
    return units


def _is_same(market: Market, known: FirmRow, body: DefineFirm) -> bool:
    """Whether a firm is what a body asks for; symbols that it does not name do not count."""
    numbers = [row.instrument for row in firm_symbols(market, known.account)]
    symbols = set(symbols_of(market, numbers))
    is_made = not body.symbols or symbols == set(body.symbols)
    return is_made and _budgets(body, _new_firm(body)) == _budgets_of(known)


def _require_credit_account(market: Market, account: int) -> None:
    values = market.replica.account(account)
    if values is None or values[2] != AccountType.CREDIT:
        raise refused("not_credit_account", field="credit")


def _account_body(body: DefineFirm) -> OpenAccount:
    return OpenAccount(
        id=body.id,
        name=body.name,
        type="credit",
        credit=body.credit,
        valid_until=body.valid_until,
    )


def _open_records(market: Market, body: DefineFirm, key: Key) -> tuple[list[bytes], bytes]:
    """The opening of a flat credit account with its credit."""
    records, texts = open_account_records(market, _account_body(body), body.id, key)
    opening = commands.open_account(
        account_type=int(AccountType.CREDIT),
        starting_balances=False,
        key=key,
        valid_until=time_field(body.valid_until, "valid_until"),
    )
    return [opening, *records[1:]], texts


def quotable(market: Market, symbol: str) -> Instrument:
    """An instrument whose lots are whole budget units; raises `Refused`."""
    instrument = market.listing.find(symbol, "symbols")
    row = instrument.row
    units = row.lot_mantissa * 10 ** (UNIT_PLACES - row.lot_exponent)
    if row.lot_exponent > UNIT_PLACES or units > LOT_UNITS_MAX:
        raise refused("not_quotable", f"{symbol}: lots of {instrument.lot_size}", field="symbols")
    return instrument


def budget_draft(market: Market, firm_id: str, body: SetBudget, key: bytes | None) -> AdminDraft:
    """New budgets, position limit or lease of a firm."""
    row = known_firm(market, firm_id)
    record = firm_commands.define_firm(
        account=row.account,
        key=optional_key(key),
        valid_until=time_field(body.valid_until, "valid_until"),
        **_budgets(body, _budgets_of(row))._asdict(),
    )
    return AdminDraft(
        market,
        [record],
        b"",
        EventKind.FIRM_CHANGED,
        lambda _: msgspec.json.encode(firm_of(market, firm_id)),
    )


def firm_state_draft(
    market: Market, firm_id: str, action: str, key: bytes | None, valid_until: str | None
) -> AdminDraft:
    """Kill or resume a firm: its orders, quotes and reservations."""
    known_firm(market, firm_id)
    return state_draft(market, firm_id, action, key, valid_until)


class SymbolDraft(SilentDraft):
    """An instrument that a firm makes from now on, or no longer."""

    __slots__ = ("firm_id", "is_added", "symbol")

    def __init__(
        self,
        market: Market,
        firm_id: str,
        symbol: str,
        key: bytes | None,
        valid_until: str | None,
        *,
        is_added: bool,
    ) -> None:
        super().__init__(market)
        self.firm_id, self.symbol, self.is_added = firm_id, symbol, is_added
        self.account = known_firm(market, firm_id).account
        mode = firm_commands.ADD_SYMBOL if is_added else firm_commands.REMOVE_SYMBOL
        self.records = firm_commands.set_firm_symbol(
            account=self.account,
            instrument=market.listing.find(symbol, "symbol").number,
            mode=mode,
            key=optional_key(key),
            valid_until=time_field(valid_until, "valid_until"),
        )

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        changed = _SYMBOL_CHANGED in events[position:stop:EVENT_BYTES]
        return Answer(200, msgspec.json.encode(self._result(changed=changed)), sequence)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        return Answer(200, msgspec.json.encode(self._result(changed=True)), sequence)

    def _result(self, *, changed: bool) -> results.FirmSymbols:
        numbers = [row.instrument for row in firm_symbols(self.market, self.account)]
        result = results.FirmSymbols(
            firm=self.firm_id, symbol=self.symbol, symbols=symbols_of(self.market, numbers)
        )
        if self.is_added:
            result.added = changed
        else:
            result.removed = changed
        return result


def cluster_symbol_draft(
    market: Market,
    firm_id: str | None,
    symbol: str,
    key: bytes | None,
    valid_until: str | None,
    *,
    is_added: bool,
) -> SymbolDraft:
    """The same for the firm that is named, else for the market's only one."""
    rows = firm_rows(market)
    if firm_id is None:
        if len(rows) != 1:
            detail = f"firm names one of the market's {len(rows)} firms"
            raise refused("invalid_field", detail, field="firm")
        firm_id = rows[0].account_id
    return SymbolDraft(market, firm_id, symbol, key, valid_until, is_added=is_added)


class HeartbeatDraft(SilentDraft):
    """A maker is alive, or leaves. A renewal has no event; the answer is what it owns now."""

    __slots__ = ("epoch", "name")

    def __init__(
        self, market: Market, firm_id: str, name: str, body: Heartbeat, key: bytes | None
    ) -> None:
        super().__init__(market)
        visible(name, "name")
        self.name, self.epoch = name, body.epoch
        self.account = known_firm(market, firm_id).account
        self.is_urgent = True
        # It says nothing about what the firm sent before, so it need not wait behind that.
        # Who leaves says so after its last quotes.
        self.speaker = firm_id if body.leaving else f"{firm_id} heartbeats"
        self.records = firm_commands.maker_heartbeat(
            account=self.account,
            epoch=body.epoch,
            is_leaving=body.leaving,
            key=optional_key(key),
            valid_until=time_field(body.valid_until, "valid_until"),
        )
        self.texts = text_entry(name)

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        left = self._left(events, position, stop)
        answer = heartbeat_answer(self.market, self.account, self.name, epoch=self.epoch, left=left)
        return Answer(200, msgspec.json.encode(answer), sequence, name=b"maker")

    def _left(self, events: bytes, position: int, stop: int) -> int:
        """The number of the maker that left by this command; 0 when none did. Leases that lapse
        before it, this maker's own among them, are no answer to it."""
        for at in range(position, stop, EVENT_BYTES):
            if events[at] == _MAKER_LEFT and events[at + 7] == _REQUESTED:
                return int.from_bytes(events[at + 24 : at + 28], "little")
        return 0
