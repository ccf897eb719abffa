"""Command records: one function per command, 96 bytes out, ready for a journal frame.

Text that belongs to a record (ids, names, symbols) travels beside the records of a submission, in
record order; `text_entry` writes one entry, and the functions that need one set the TEXT flag.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from xxhash import xxh3_128_intdigest

from tradepit.domain import wire
from tradepit.domain.wire import CommandKind, Option, RecordFlag

OPENED_HERE: Final = 0xFFFF_FFFF
"""The account that the nearest earlier OPEN_ACCOUNT of the same submission named."""

OPERATOR: Final = 0
TEXT_BYTES_MAX: Final = 0xFFFF
NAME_SEPARATOR: Final = "\x1f"

_LOW: Final = 2**64 - 1
_TEXT: Final = int(RecordFlag.TEXT)
_KEY: Final = int(RecordFlag.KEY)


class Key(NamedTuple):
    """An idempotency key as the engine knows it: the 128-bit hash of its text, in halves."""

    low: int
    high: int


NO_KEY: Final = Key(0, 0)


def key_of(text: str | bytes) -> Key:
    """Return the key of a text. An absent key is `NO_KEY`, which no text hashes to in practice."""
    digest = xxh3_128_intdigest(text)
    return Key(digest & _LOW, digest >> 64)


def text_entry(text: str) -> bytes:
    """Return the entry of one text: its length in bytes (u16), then UTF-8."""
    data = text.encode()
    if len(data) > TEXT_BYTES_MAX:
        raise ValueError(f"text of {len(data)} bytes, at most {TEXT_BYTES_MAX} fit")
    return len(data).to_bytes(2, "little") + data


def _flags(key: Key, *, text: bool = False) -> int:
    return (_KEY if key is not NO_KEY else 0) | (_TEXT if text else 0)


def place_order(
    *,
    account: int,
    instrument: int,
    side: int,
    order_type: int,
    time_in_force: int,
    price: int,
    quantity: int,
    definition_version: int,
    key: Key = NO_KEY,
    self_trade_prevention: int = 1,
    options: int = 0,
    valid_until: int = 0,
    expires_at: int = 0,
    label: int = 0,
    text: bool = False,
    display_quantity: int = 0,
    stop_price: int = 0,
    session: int = 0,
) -> bytes:
    """PLACE_ORDER. With `text`, the client order id stands beside it."""
    return wire.PLACE_ORDER.pack(
        20,
        _flags(key, text=text),
        side,
        order_type,
        time_in_force,
        self_trade_prevention,
        options,
        0,
        account,
        instrument,
        key.low,
        key.high,
        valid_until,
        price,
        quantity,
        display_quantity,
        stop_price,
        expires_at,
        definition_version,
        session,
        label,
    )


def cancel_order(*, account: int, order_id: int, key: Key = NO_KEY, valid_until: int = 0) -> bytes:
    """CANCEL_ORDER; the operator (account 0) may cancel anybody's."""
    return wire.CANCEL_ORDER.pack(
        21, _flags(key), 0, 0, 0, 0, 0, 0, account, 0, key.low, key.high, valid_until, order_id
    )


def replace_order(
    *,
    account: int,
    order_id: int,
    instrument: int,
    definition_version: int,
    price: int | None,
    quantity: int | None,
    stop_price: int | None = None,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """REPLACE_ORDER: a new price, total quantity or stop price; None keeps what is."""
    options = 0
    if stop_price is not None:
        options |= int(Option.STOP)
    if price is not None:
        options |= int(Option.PRICE)
    if quantity is not None:
        options |= int(Option.QUANTITY)
    return wire.REPLACE_ORDER.pack(
        22,
        _flags(key),
        0,
        0,
        0,
        0,
        options,
        0,
        account,
        instrument,
        key.low,
        key.high,
        valid_until,
        order_id,
        price or 0,
        quantity or 0,
        definition_version,
        0,
        stop_price or 0,
    )


def mass_cancel(
    *, account: int, instrument: int = 0, side: int = 0, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """MASS_CANCEL of what matches; 0 = any."""
    return wire.MASS_CANCEL.pack(
        23, _flags(key), side, 0, 0, 0, 0, 0, account, instrument, key.low, key.high, valid_until
    )


def cancel_by_key(*, account: int, target: Key, key: Key = NO_KEY, valid_until: int = 0) -> bytes:
    """CANCEL_BY_KEY: cancels the order of that key, or leaves a tombstone for it."""
    return wire.CANCEL_BY_KEY.pack(
        24,
        _flags(key),
        0,
        0,
        0,
        0,
        0,
        0,
        account,
        0,
        key.low,
        key.high,
        valid_until,
        target.low,
        target.high,
    )


def open_account(
    *,
    account_type: int = 1,
    starting_balances: bool = True,
    if_absent: bool = False,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """OPEN_ACCOUNT; its text is `account_text(id, name)`."""
    flags = _flags(key, text=True)
    if starting_balances:
        flags |= RecordFlag.STARTING_BALANCES
    if if_absent:
        flags |= RecordFlag.IF_ABSENT
    return wire.OPEN_ACCOUNT.pack(
        12, flags, 0, 0, 0, 0, 0, account_type, 0, 0, key.low, key.high, valid_until
    )


def account_text(account_id: str, name: str = "") -> bytes:
    """The text entry of OPEN_ACCOUNT."""
    return text_entry(f"{account_id}{NAME_SEPARATOR}{name}" if name else account_id)


def set_account_state(
    *, account: int, state: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_ACCOUNT_STATE; KILLED also cancels all open orders."""
    return wire.SET_ACCOUNT_STATE.pack(
        13, _flags(key), 0, 0, 0, 0, 0, state, account, 0, key.low, key.high, valid_until
    )


def set_account_limits(
    *, account: int, open_orders_max: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_ACCOUNT_LIMITS; 0 = no limit."""
    return wire.SET_ACCOUNT_LIMITS.pack(
        14,
        _flags(key),
        0,
        0,
        0,
        0,
        0,
        0,
        account,
        0,
        key.low,
        key.high,
        valid_until,
        open_orders_max,
    )


def set_position_limit(
    *, account: int, instrument: int, position_max: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_POSITION_LIMIT in lots; 0 = no limit."""
    return wire.SET_POSITION_LIMIT.pack(
        15,
        _flags(key),
        0,
        0,
        0,
        0,
        0,
        0,
        account,
        instrument,
        key.low,
        key.high,
        valid_until,
        position_max,
    )


def set_credit(
    *, account: int, asset: int, credit: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_CREDIT in minor units; asset 0 = every asset."""
    return wire.SET_CREDIT.pack(
        *_money_header(CommandKind.SET_CREDIT, account, key, valid_until), asset, 0, credit
    )


def deposit(
    *, account: int, asset: int, amount: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """DEPOSIT in minor units."""
    return wire.DEPOSIT.pack(
        *_money_header(CommandKind.DEPOSIT, account, key, valid_until), asset, 0, amount
    )


def withdraw(
    *, account: int, asset: int, amount: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """WITHDRAW in minor units."""
    return wire.WITHDRAW.pack(
        *_money_header(CommandKind.WITHDRAW, account, key, valid_until), asset, 0, amount
    )


def transfer(
    *,
    account: int,
    to_account: int,
    asset: int,
    amount: int,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """TRANSFER from `account` to `to_account`, in minor units."""
    return wire.TRANSFER.pack(
        *_money_header(CommandKind.TRANSFER, account, key, valid_until), asset, to_account, amount
    )


def _money_header(kind: CommandKind, account: int, key: Key, valid_until: int) -> tuple[int, ...]:
    return (kind, _flags(key), 0, 0, 0, 0, 0, 0, account, 0, key.low, key.high, valid_until)


def define_asset(*, asset: int, scale: int) -> bytes:
    """DEFINE_ASSET; its text is the code."""
    return wire.DEFINE_ASSET.pack(6, _TEXT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, asset, scale)


class Step(NamedTuple):
    """A tick or lot size: `mantissa * 10^-exponent`."""

    mantissa: int
    exponent: int


def define_instrument(
    *,
    instrument: int,
    base_asset: int,
    quote_asset: int,
    tick: Step,
    lot: Step,
    reference_price: int,
    phase: int = 1,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """DEFINE_INSTRUMENT; its text is the symbol. The reference price is in ticks."""
    return wire.DEFINE_INSTRUMENT.pack(
        7,
        _flags(key, text=True),
        0,
        0,
        0,
        0,
        0,
        phase,
        0,
        instrument,
        key.low,
        key.high,
        valid_until,
        base_asset,
        quote_asset,
        *tick,
        *lot,
        reference_price,
    )


def set_instrument_rules(
    *,
    instrument: int,
    quantity_min: int,
    quantity_max: int,
    value_max: int,
    reference_price: int,
    collar_ppm: int,
    maker_fee_ppm: int,
    taker_fee_ppm: int,
) -> bytes:
    """SET_INSTRUMENT_RULES: lots, minor units of the quote asset, ticks, parts per million."""
    return wire.SET_INSTRUMENT_RULES.pack(
        8,
        *(0,) * 8,
        instrument,
        0,
        0,
        0,
        quantity_min,
        quantity_max,
        value_max,
        reference_price,
        collar_ppm,
        maker_fee_ppm,
        taker_fee_ppm,
    )


def remove_instrument(*, instrument: int, key: Key = NO_KEY, valid_until: int = 0) -> bytes:
    """REMOVE_INSTRUMENT; refused while orders rest."""
    return wire.REMOVE_INSTRUMENT.pack(
        9, _flags(key), 0, 0, 0, 0, 0, 0, 0, instrument, key.low, key.high, valid_until
    )


def set_phase(*, instrument: int, phase: int, key: Key = NO_KEY, valid_until: int = 0) -> bytes:
    """SET_PHASE; instrument 0 = all."""
    return wire.SET_PHASE.pack(
        10, _flags(key), 0, 0, 0, 0, 0, phase, 0, instrument, key.low, key.high, valid_until
    )


def set_starting_balance(*, asset: int, amount: int) -> bytes:
    """SET_STARTING_BALANCE for accounts opened from now on, in minor units."""
    return wire.SET_STARTING_BALANCE.pack(11, *(0,) * 12, asset, 0, amount)


def tick() -> bytes:
    """TICK: moves market time to the frame's stamp."""
    return wire.TICK.pack(3, *(0,) * 12)


def time_jump(*, to_ns: int) -> bytes:
    """TIME_JUMP: moves market time by more than the jump bound."""
    return wire.TIME_JUMP.pack(4, *(0,) * 12, to_ns)


def quarantine(*, target_sequence: int) -> bytes:
    """QUARANTINE: the recorded decision that a sequence is skipped."""
    return wire.QUARANTINE.pack(5, *(0,) * 12, target_sequence)


def activate_rules(*, rules_version: int) -> bytes:
    """ACTIVATE_RULES from the next command on."""
    return wire.ACTIVATE_RULES.pack(2, *(0,) * 12, rules_version)


def genesis(*, key_window_ns: int, key_capacity: int, accounts_max: int, market_id: int) -> bytes:
    """GENESIS under the rules and schema of this program."""
    return wire.GENESIS.pack(
        1,
        *(0,) * 12,
        key_window_ns,
        key_capacity,
        accounts_max,
        market_id,
        wire.RULES_VERSION,
        wire.SCHEMA_VERSION,
    )
