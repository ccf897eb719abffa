"""Drafts of administration: accounts, money, limits, instruments. One or several records each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tradepit.domain import commands
from tradepit.domain.commands import NO_KEY, OPENED_HERE, Key, key_of, text_entry
from tradepit.domain.decimals import DecimalError, parse_units, step_of
from tradepit.domain.schedule import PHASES
from tradepit.domain.wire import AccountState, AccountType, EventKind
from tradepit.engine.rows import AssetRow
from tradepit.gateway.drafts import Draft, Market
from tradepit.gateway.fields import check_key, choose, time_field, visible
from tradepit.gateway.listing import number_refused
from tradepit.gateway.problems import problem_of, refused
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.shapes import (
    DefineInstrument,
    Limits,
    MoveFunds,
    OpenAccount,
    Transfer,
    decimal_text,
)

CREDIT_MAX: Final = 2**61
"""The engine's largest credit; stands for no bound."""

ASSET_SCALE: Final = 8
"""Decimal places of an asset defined with an instrument, when its steps need no more."""

ASSET_SCALE_MAX: Final = 18
NAME_BYTES_MAX: Final = 128
ACCOUNT_TYPES: Final = {"cash": int(AccountType.CASH), "credit": int(AccountType.CREDIT)}


def optional_key(key: bytes | None) -> Key:
    """The key of an `Idempotency-Key` header, checked."""
    return NO_KEY if key is None else key_of(check_key(key))


def known_account(market: Market, account_id: str, *, field: str | None = None) -> int:
    """Return the number of an account; raises `Refused` unknown_account."""
    number = market.replica.account_number(account_id)
    if not number:
        raise refused("unknown_account", f"there is no account {account_id!r}", field=field)
    return number


class AdminDraft(Draft):
    """Records that stand or fall by themselves; answered by `render` once one of `last` happened.

    `render` is given the number of an ending MASS_CANCELLED, else 0, and says None when what a
    repeated command claims to have done does not exist.
    """

    __slots__ = ("last", "render", "status")
    is_last = True

    def __init__(
        self,
        market: Market,
        records: list[bytes],
        texts: bytes,
        last: EventKind | frozenset[EventKind],
        render: Callable[[int], bytes | None],
        *,
        status: int = 200,
        is_urgent: bool = False,
    ) -> None:
        super().__init__(market)
        self.records = b"".join(records)
        self.texts = texts
        self.count = len(records)
        self.last = frozenset({last}) if isinstance(last, EventKind) else last
        self.render = render
        self.status = status
        self.is_urgent = is_urgent

    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        return kind in self.last

    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        count = 0
        if events[position] == EventKind.MASS_CANCELLED:
            count = int.from_bytes(events[position + 24 : position + 32], "little")
        return Answer(self.status, self.render(count) or b"{}", sequence)

    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        body = self.render(result)
        if body is None:
            return problem_answer(problem_of("key_reused"))
        return Answer(self.status, body, sequence)


def open_account_records(
    market: Market, body: OpenAccount, account_id: str, key: Key
) -> tuple[list[bytes], bytes]:
    """Records and texts that open an account, with its credit."""
    visible(account_id, "id")
    if len(body.name.encode()) > NAME_BYTES_MAX or "\x1f" in body.name:
        raise refused("invalid_field", f"name is up to {NAME_BYTES_MAX} bytes", field="name")
    account_type = choose(ACCOUNT_TYPES, body.type, "type")
    records = [
        commands.open_account(
            account_type=account_type,
            key=key,
            valid_until=time_field(body.valid_until, "valid_until"),
        )
    ]
    if account_type == AccountType.CREDIT:
        records += credit_records(market, OPENED_HERE, body)
    elif body.credit:
        raise refused("not_credit_account", field="credit")
    return records, commands.account_text(account_id, body.name)


def credit_records(market: Market, account: int, body: OpenAccount | Limits) -> list[bytes]:
    """Records that give an account credit, without a bound when the body names none."""
    if body.credit is None:
        return [commands.set_credit(account=account, asset=0, credit=CREDIT_MAX)]
    return [
        commands.set_credit(
            account=account,
            asset=market.listing.asset(code, "credit").asset,
            credit=_not_negative(market, code, decimal_text(raw, "credit")),
        )
        for code, raw in body.credit.items()
    ]


def _not_negative(market: Market, code: str, text: bytes | None) -> int:
    try:
        units = parse_units(text or b"", 1, market.listing.asset(code).scale)
    except DecimalError as error:
        raise number_refused(error, "invalid_number", "credit", "the asset's unit") from None
    if not 0 <= units <= CREDIT_MAX:
        raise refused("invalid_limit", "credit is 0 or more", field="credit", status=400)
    return units


def funds_record(
    market: Market, account: int, body: MoveFunds, key: Key, *, is_deposit: bool
) -> bytes:
    """The record of a deposit or withdrawal."""
    asset = market.listing.asset(body.asset)
    text = decimal_text(body.amount, "amount")
    build = commands.deposit if is_deposit else commands.withdraw
    return build(
        account=account,
        asset=asset.asset,
        amount=market.listing.amount_units(text or b"", asset),
        key=key,
        valid_until=time_field(body.valid_until, "valid_until"),
    )


def transfer_record(market: Market, account: int, body: Transfer, key: Key) -> bytes:
    """The record of a transfer."""
    asset = market.listing.asset(body.asset)
    text = decimal_text(body.amount, "amount")
    return commands.transfer(
        account=account,
        to_account=known_account(market, body.to, field="to"),
        asset=asset.asset,
        amount=market.listing.amount_units(text or b"", asset),
        key=key,
        valid_until=time_field(body.valid_until, "valid_until"),
    )


def state_record(account: int, state: AccountState, key: Key, valid_until: str | None) -> bytes:
    """The record of suspend, resume or kill."""
    return commands.set_account_state(
        account=account,
        state=state,
        key=key,
        valid_until=time_field(valid_until, "valid_until"),
    )


class InstrumentPlan:
    """A new instrument: its assets when they are missing, its definition, its rules."""

    def __init__(self, market: Market, body: DefineInstrument, key: Key) -> None:
        self.records: list[bytes] = []
        self.texts = b""
        tick = self._step(body.tick_size, "tick_size")
        lot = self._step(body.lot_size, "lot_size")
        base, _, quote = body.symbol.partition("-")
        # Assets numbered here follow the last; another definition in between makes it collide,
        # and the engine refuses the second.
        self._assets = dict(market.listing.assets_by_code)
        base_number = self._asset(body.base_asset or base, lot.exponent, "base_asset")
        quote_number = self._asset(
            body.quote_asset or quote, tick.exponent + lot.exponent, "quote_asset"
        )
        number = max(market.listing.by_number, default=0) + 1
        reference = self._units(body.reference_price, tick, "reference_price")
        self.records.append(
            commands.define_instrument(
                instrument=number,
                base_asset=base_number,
                quote_asset=quote_number,
                tick=tick,
                lot=lot,
                reference_price=reference,
                phase=choose(PHASES, body.phase, "phase"),
                key=key,
                valid_until=time_field(body.valid_until, "valid_until"),
            )
        )
        self.texts += text_entry(body.symbol)
        self.records.append(self._rules(number, body, lot, reference))

    def _step(self, raw: object, field: str) -> commands.Step:
        text = decimal_text(raw, field)  # type: ignore[arg-type]
        try:
            return commands.Step(*step_of((text or b"").decode("ascii", "replace")))
        except DecimalError as error:
            detail = f"{field} {error.problem.value}"
            raise refused("invalid_number", detail, field=field) from None

    def _asset(self, code: str, places: int, field: str) -> int:
        known = self._assets.get(code)
        if known is not None:
            return known.asset
        if not 1 <= len(code) <= 16 or not code.isprintable():
            raise refused("invalid_field", f"{field} is 1 to 16 characters", field=field)
        scale = max(ASSET_SCALE, places)
        if scale > ASSET_SCALE_MAX:
            raise refused("invalid_definition", "the steps are too small", field=field)
        number = len(self._assets) + 1
        self._assets[code] = AssetRow(number, code, scale)
        self.records.append(commands.define_asset(asset=number, scale=scale))
        self.texts += text_entry(code)
        return number

    def _units(self, raw: object, step: commands.Step, field: str, default: int = 0) -> int:
        text = decimal_text(raw, field)  # type: ignore[arg-type]
        if text is None:
            return default
        try:
            return parse_units(text, *step)
        except DecimalError as error:
            raise number_refused(error, "invalid_number", field, "its step") from None

    def _rules(
        self, number: int, body: DefineInstrument, lot: commands.Step, reference: int
    ) -> bytes:
        quote = self._assets[body.quote_asset or body.symbol.partition("-")[2]]
        ppm_of_bps = commands.Step(1, 2)
        ppm_of_percent = commands.Step(1, 4)
        values = {
            "quantity_min": self._units(body.quantity_min, lot, "quantity_min", 1),
            "quantity_max": self._units(body.quantity_max, lot, "quantity_max", 2**40),
            "value_max": self._units(body.value_max, commands.Step(1, quote.scale), "value_max"),
            "reference_price": reference,
            "collar_ppm": self._units(
                body.price_collar_percent, ppm_of_percent, "price_collar_percent"
            ),
            "maker_fee_ppm": self._units(body.maker_fee_bps, ppm_of_bps, "maker_fee_bps"),
            "taker_fee_ppm": self._units(body.taker_fee_bps, ppm_of_bps, "taker_fee_bps"),
        }
        _check_rules(values)
        return commands.set_instrument_rules(instrument=number, **values)


def _check_rules(values: dict[str, int]) -> None:
    """The engine's own rule, asked before the first of the two commands changes anything."""
    problem = ""
    if not 1 <= values["quantity_min"] <= values["quantity_max"] <= 2**40:
        problem = (
            "quantity_min is at least one lot and at most quantity_max, that at most 2^40 lots"
        )
    elif values["value_max"] < 0 or values["reference_price"] < 0:
        problem = "value_max and reference_price are 0 or more"
    elif not 0 <= values["collar_ppm"] <= 1_000_000:
        problem = "price_collar_percent is 0 to 100"
    elif values["maker_fee_ppm"] + values["taker_fee_ppm"] < 0:
        problem = "maker and taker fee together are never negative"
    elif max(abs(values["maker_fee_ppm"]), abs(values["taker_fee_ppm"])) >= 1_000_000:
        problem = "a fee is less than the whole value"
    if problem:
        raise refused("invalid_definition", problem)
