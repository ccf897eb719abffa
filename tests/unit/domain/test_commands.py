"""Command records: every function fills the fields that the schema names."""

from __future__ import annotations

import numpy as np
import pytest

from tradepit.domain import commands, firm_commands, safety_commands, wire
from tradepit.domain.commands import Key, Step, key_of, text_entry

KEY = Key(5, 6)
KEYED = {"key_low": 5, "key_high": 6, "valid_until": 8}

QUOTE = firm_commands.quote(
    account=3,
    instrument=4,
    bid_price=10,
    bid_quantity=11,
    ask_price=12,
    ask_quantity=13,
    definition_version=15,
    ttl_ns=14,
    maker=16,
    epoch=17,
    key=KEY,
    valid_until=8,
)

CASES: list[tuple[bytes, type, dict[str, int]]] = [
    (
        commands.place_order(
            account=3,
            instrument=4,
            side=1,
            order_type=1,
            time_in_force=1,
            price=10,
            quantity=20,
            definition_version=7,
            key=KEY,
            options=1,
            valid_until=8,
            expires_at=9,
            label=11,
            text=True,
            display_quantity=12,
            stop_price=13,
            session=14,
        ),
        wire.PlaceOrder,
        {
            "kind": 20,
            "flags": 3,
            "side": 1,
            "order_type": 1,
            "time_in_force": 1,
            "self_trade_prevention": 1,
            "options": 1,
            "account": 3,
            "instrument": 4,
            "key_low": 5,
            "key_high": 6,
            "valid_until": 8,
            "price": 10,
            "quantity": 20,
            "display_quantity": 12,
            "stop_price": 13,
            "expires_at": 9,
            "definition_version": 7,
            "session": 14,
            "label": 11,
        },
    ),
    (
        commands.cancel_order(account=3, order_id=9),
        wire.CancelOrder,
        {"kind": 21, "account": 3, "order_id": 9},
    ),
    (
        commands.replace_order(
            account=3, order_id=9, instrument=4, definition_version=7, price=None, quantity=5
        ),
        wire.ReplaceOrder,
        {
            "kind": 22,
            "account": 3,
            "instrument": 4,
            "options": 16,
            "order_id": 9,
            "quantity": 5,
            "definition_version": 7,
        },
    ),
    (
        commands.mass_cancel(account=3, instrument=4, side=2, key=KEY),
        wire.MassCancel,
        {
            "kind": 23,
            "flags": 2,
            "side": 2,
            "account": 3,
            "instrument": 4,
            "key_low": 5,
            "key_high": 6,
        },
    ),
    (
        commands.cancel_by_key(account=3, target=KEY),
        wire.CancelByKey,
        {"kind": 24, "account": 3, "target_low": 5, "target_high": 6},
    ),
    (
        commands.open_account(if_absent=True),
        wire.OpenAccount,
        {"kind": 12, "flags": 1 | 4 | 8, "mode": 1},
    ),
    (
        commands.set_account_state(account=3, state=3),
        wire.SetAccountState,
        {"kind": 13, "mode": 3, "account": 3},
    ),
    (
        commands.set_account_limits(account=3, open_orders_max=5),
        wire.SetAccountLimits,
        {"kind": 14, "account": 3, "open_orders_max": 5},
    ),
    (
        commands.set_position_limit(account=3, instrument=4, position_max=5),
        wire.SetPositionLimit,
        {"kind": 15, "account": 3, "instrument": 4, "position_max": 5},
    ),
    (
        commands.set_credit(account=3, asset=0, credit=5),
        wire.SetCredit,
        {"kind": 16, "account": 3, "credit": 5},
    ),
    (
        commands.deposit(account=3, asset=2, amount=5),
        wire.Deposit,
        {"kind": 17, "account": 3, "asset": 2, "amount": 5},
    ),
    (
        commands.withdraw(account=3, asset=2, amount=5),
        wire.Withdraw,
        {"kind": 18, "account": 3, "asset": 2, "amount": 5},
    ),
    (
        commands.transfer(account=3, to_account=4, asset=2, amount=5),
        wire.Transfer,
        {"kind": 19, "account": 3, "to_account": 4, "asset": 2, "amount": 5},
    ),
    (
        commands.define_asset(asset=2, scale=8),
        wire.DefineAsset,
        {"kind": 6, "flags": 1, "asset": 2, "scale": 8},
    ),
    (
        commands.define_instrument(
            instrument=4,
            base_asset=1,
            quote_asset=2,
            tick=Step(1, 2),
            lot=Step(3, 4),
            reference_price=5,
        ),
        wire.DefineInstrument,
        {
            "kind": 7,
            "flags": 1,
            "mode": 1,
            "instrument": 4,
            "base_asset": 1,
            "quote_asset": 2,
            "tick_mantissa": 1,
            "tick_exponent": 2,
            "lot_mantissa": 3,
            "lot_exponent": 4,
            "reference_price": 5,
        },
    ),
    (
        commands.set_instrument_rules(
            instrument=4,
            quantity_min=1,
            quantity_max=2,
            value_max=3,
            reference_price=5,
            collar_ppm=6,
            maker_fee_ppm=-7,
            taker_fee_ppm=8,
        ),
        wire.SetInstrumentRules,
        {
            "kind": 8,
            "instrument": 4,
            "quantity_min": 1,
            "quantity_max": 2,
            "value_max": 3,
            "reference_price": 5,
            "collar_ppm": 6,
            "maker_fee_ppm": -7,
            "taker_fee_ppm": 8,
        },
    ),
    (
        commands.remove_instrument(instrument=4),
        wire.RemoveInstrument,
        {"kind": 9, "instrument": 4},
    ),
    (
        commands.set_phase(instrument=4, phase=2),
        wire.SetPhase,
        {"kind": 10, "mode": 2, "instrument": 4},
    ),
    (
        commands.set_starting_balance(asset=2, amount=5),
        wire.SetStartingBalance,
        {"kind": 11, "asset": 2, "amount": 5},
    ),
    (commands.tick(), wire.Tick, {"kind": 3}),
    (commands.time_jump(to_ns=5), wire.TimeJump, {"kind": 4, "to_ns": 5}),
    (
        commands.quarantine(target_sequence=5),
        wire.Quarantine,
        {"kind": 5, "target_sequence": 5},
    ),
    (
        commands.activate_rules(rules_version=1),
        wire.ActivateRules,
        {"kind": 2, "rules_version": 1},
    ),
    (
        commands.genesis(key_window_ns=1, key_capacity=2, accounts_max=3, market_id=4),
        wire.Genesis,
        {
            "kind": 1,
            "key_window_ns": 1,
            "key_capacity": 2,
            "accounts_max": 3,
            "market_id": 4,
            "rules_version": 2,
            "schema_version": 1,
        },
    ),
    (
        safety_commands.set_schedule(instrument=3, entries=[5, 7], key=KEY, valid_until=8),
        wire.SetSchedule,
        {"kind": 42, "flags": 2, "instrument": 3, "entry_1": 5, "entry_2": 7, **KEYED},
    ),
    (
        safety_commands.set_instrument_safety(
            instrument=3,
            band_ppm=1,
            protection_ppm=2,
            halt_ns=4,
            auction_ns=9,
            key=KEY,
            valid_until=8,
        ),
        wire.SetInstrumentSafety,
        {
            "kind": 43,
            "flags": 2,
            "instrument": 3,
            "band_ppm": 1,
            "protection_ppm": 2,
            "halt_ns": 4,
            "auction_ns": 9,
            **KEYED,
        },
    ),
    (
        safety_commands.set_order_limits(
            account=3, instrument=4, quantity_max=1, value_max=2, key=KEY, valid_until=8
        ),
        wire.SetOrderLimits,
        {
            "kind": 44,
            "flags": 2,
            "account": 3,
            "instrument": 4,
            "quantity_max": 1,
            "value_max": 2,
            **KEYED,
        },
    ),
    (
        safety_commands.set_account_guard(
            account=3,
            messages_max=1,
            repeats_max=2,
            window_ns=4,
            traded_max=9,
            traded_asset=10,
            key=KEY,
            valid_until=8,
        ),
        wire.SetAccountGuard,
        {
            "kind": 45,
            "flags": 2,
            "account": 3,
            "messages_max": 1,
            "repeats_max": 2,
            "window_ns": 4,
            "traded_max": 9,
            "traded_asset": 10,
            **KEYED,
        },
    ),
    (
        safety_commands.set_dead_man(account=3, timeout_ns=4, key=KEY, valid_until=8),
        wire.SetDeadMan,
        {"kind": 31, "flags": 2, "account": 3, "timeout_ns": 4, **KEYED},
    ),
    (
        safety_commands.bind_session(account=3, cancels=True, key=KEY, valid_until=8),
        wire.BindSession,
        {"kind": 29, "flags": 3, "mode": 1, "account": 3, **KEYED},
    ),
    (
        safety_commands.end_session(account=3, session=4, binding=9),
        wire.EndSession,
        {"kind": 30, "account": 3, "session": 4, "binding": 9},
    ),
    (QUOTE[:96], wire.ReserveOrderId, {"kind": 26}),
    (
        QUOTE[96:],
        wire.Quote,
        {
            "kind": 25,
            "flags": 2,
            "account": 3,
            "instrument": 4,
            "bid_price": 10,
            "bid_quantity": 11,
            "ask_price": 12,
            "ask_quantity": 13,
            "ttl_ns": 14,
            "definition_version": 15,
            "maker": 16,
            "epoch": 17,
            **KEYED,
        },
    ),
    (
        firm_commands.reserve(
            account=3,
            instrument=4,
            bid_quantity=11,
            ask_quantity=13,
            definition_version=15,
            ttl_ns=14,
            maker=16,
            epoch=17,
            key=KEY,
            valid_until=8,
        ),
        wire.Reserve,
        {
            "kind": 27,
            "flags": 2,
            "account": 3,
            "instrument": 4,
            "bid_quantity": 11,
            "ask_quantity": 13,
            "ttl_ns": 14,
            "definition_version": 15,
            "maker": 16,
            "epoch": 17,
            **KEYED,
        },
    ),
    (
        firm_commands.release(account=3, instrument=4, maker=16, epoch=17, key=KEY, valid_until=8),
        wire.Release,
        {
            "kind": 28,
            "flags": 2,
            "account": 3,
            "instrument": 4,
            "maker": 16,
            "epoch": 17,
            **KEYED,
        },
    ),
    (
        firm_commands.maker_heartbeat(account=3, epoch=17, is_leaving=True, key=KEY, valid_until=8),
        wire.MakerHeartbeat,
        {"kind": 32, "flags": 3, "mode": 1, "account": 3, "epoch": 17, **KEYED},
    ),
    (
        firm_commands.define_firm(
            account=3,
            budget_bid=11,
            budget_ask=12,
            position_limit=13,
            lease_ns=14,
            key=KEY,
            valid_until=8,
        ),
        wire.DefineFirm,
        {
            "kind": 40,
            "flags": 2,
            "account": 3,
            "budget_bid": 11,
            "budget_ask": 12,
            "position_limit": 13,
            "lease_ns": 14,
            **KEYED,
        },
    ),
    (
        firm_commands.set_firm_symbol(account=3, instrument=4, mode=2, key=KEY, valid_until=8),
        wire.SetFirmSymbol,
        {"kind": 41, "flags": 2, "mode": 2, "account": 3, "instrument": 4, **KEYED},
    ),
]


def layout(shape: type) -> np.dtype[np.void]:
    name = "".join(f"_{c}" if c.isupper() else c for c in shape.__name__).lstrip("_").upper()
    dtype: np.dtype[np.void] = getattr(wire, f"{name}_DTYPE")
    return dtype


@pytest.mark.parametrize(("record", "shape", "fields"), CASES, ids=lambda case: str(case)[:0])
def test_a_record_holds_exactly_the_fields_given(
    record: bytes, shape: type, fields: dict[str, int]
) -> None:
    assert len(record) == wire.RECORD_BYTES
    view = np.frombuffer(record, layout(shape))[0]
    names = layout(shape).names or ()
    assert {name: int(view[name]) for name in names if view[name]} == fields


def test_every_command_of_the_schema_has_its_function() -> None:
    assert {shape for _, shape, _ in CASES} == set(wire.COMMANDS.values())


def test_a_key_is_the_hash_of_its_text_in_halves() -> None:
    key = key_of("order-1")
    assert key == key_of(b"order-1") != key_of("order-2")
    assert 0 < key.low < 2**64
    assert 0 < key.high < 2**64


def test_text_beyond_its_length_field_is_refused() -> None:
    assert text_entry("ab") == b"\x02\x00ab"
    with pytest.raises(ValueError, match="65536 bytes"):
        text_entry("x" * 65536)
