"""Assets, instruments and their rules. Rulebook section 11."""

from __future__ import annotations

from dataclasses import replace

from tradepit.domain.wire import (
    AssetDefined,
    DefineAsset,
    DefineInstrument,
    InstrumentDefined,
    InstrumentRemoved,
    InstrumentRulesChanged,
    Phase,
    RejectReason,
    RemoveInstrument,
    SetInstrumentRules,
    SetStartingBalance,
    StartingBalanceSet,
)
from tradepit.testing.oracle.makers import forget_instrument
from tradepit.testing.oracle.market import QUANTITY_MAX, Asset, Instrument, Market, Rejected
from tradepit.testing.oracle.phases import settable_phases

UNIT_MAX = 10**15
SCALE_MAX = 18
FEE_PPM_BOUND = 1_000_000


def decode(text: bytes | None, characters_max: int) -> str:
    """Text of 1 to `characters_max` characters."""
    words = (text or b"").decode()
    require(1 <= len(words) <= characters_max)
    return words


def require(consistent: bool) -> None:
    if not consistent:
        raise Rejected(RejectReason.INVALID_DEFINITION)


def define_asset(market: Market, command: DefineAsset, text: bytes | None) -> None:
    require(command.asset == len(market.assets) + 1)
    require(command.scale <= SCALE_MAX)
    code = decode(text, 16)
    require(all(asset.code != code for asset in market.assets.values()))
    market.assets[command.asset] = Asset(command.asset, code, command.scale)
    market.emit(AssetDefined(asset=command.asset, scale=command.scale), text)


def whole(mantissa: int, exponent: int) -> int:
    """mantissa × 10^exponent as a whole number of 1 to 10^15, else refused."""
    if exponent < -20 or exponent > SCALE_MAX:
        raise Rejected(RejectReason.INVALID_DEFINITION)
    value, remainder = mantissa, 0
    for _ in range(abs(exponent)):
        if exponent > 0:
            value *= 10
        elif remainder == 0:
            value, remainder = divmod(value, 10)
    require(remainder == 0 and 1 <= value <= UNIT_MAX)
    return value


def define_instrument(market: Market, command: DefineInstrument, text: bytes | None) -> None:
    base = market.assets.get(command.base_asset)
    quote = market.assets.get(command.quote_asset)
    if base is None or quote is None or base is quote:
        raise Rejected(RejectReason.INVALID_DEFINITION)
    require(command.tick_mantissa > 0 and command.lot_mantissa > 0)
    lot = whole(command.lot_mantissa, base.scale - command.lot_exponent)
    unit = whole(
        command.tick_mantissa * command.lot_mantissa,
        quote.scale - command.tick_exponent - command.lot_exponent,
    )
    require(command.reference_price >= 0)
    symbol = decode(text, 32)
    require(
        all(
            other.symbol != symbol or other.phase == Phase.REMOVED
            for other in market.instruments.values()
            if other.number != command.instrument
        )
    )
    require(command.mode in settable_phases(market))
    new = Instrument(
        number=command.instrument,
        symbol=symbol,
        phase=Phase(command.mode),
        base_asset=command.base_asset,
        quote_asset=command.quote_asset,
        tick_mantissa=command.tick_mantissa,
        tick_exponent=command.tick_exponent,
        lot_mantissa=command.lot_mantissa,
        lot_exponent=command.lot_exponent,
        lot=lot,
        unit=unit,
        reference_price=command.reference_price,
    )
    existing = market.instruments.get(command.instrument)
    if existing is None:
        require(command.instrument == len(market.instruments) + 1)
    else:
        check_redefinition(market, existing, new)
        new = redefined(existing, new)
    market.instruments[new.number] = new
    show_definition(market, new, text)


def check_redefinition(market: Market, existing: Instrument, new: Instrument) -> None:
    """Whether an existing instrument may change."""
    require(existing.phase != Phase.REMOVED)
    require(existing.symbol == new.symbol)
    require((existing.base_asset, existing.quote_asset) == (new.base_asset, new.quote_asset))
    check_nothing_rests(market, existing)
    in_use = any(
        account.position(new.number).net or new.number in account.quotes
        for account in market.accounts.values()
    )
    if in_use:
        raise Rejected(RejectReason.INSTRUMENT_IN_USE)


def redefined(existing: Instrument, new: Instrument) -> Instrument:
    """The instrument with its new steps and reference; what it traded at is forgotten."""
    return replace(
        existing,
        tick_mantissa=new.tick_mantissa,
        tick_exponent=new.tick_exponent,
        lot_mantissa=new.lot_mantissa,
        lot_exponent=new.lot_exponent,
        lot=new.lot,
        unit=new.unit,
        reference_price=new.reference_price,
        definition_version=existing.definition_version + 1,
        last_price=0,
        band_reference=0,
    )


def check_nothing_rests(market: Market, instrument: Instrument) -> None:
    if market.live_in(instrument.number):
        raise Rejected(RejectReason.INSTRUMENT_IN_USE)


def show_definition(market: Market, instrument: Instrument, text: bytes | None) -> None:
    market.emit(
        InstrumentDefined(
            status=instrument.phase,
            instrument=instrument.number,
            base_asset=instrument.base_asset,
            quote_asset=instrument.quote_asset,
            tick_mantissa=instrument.tick_mantissa,
            tick_exponent=instrument.tick_exponent,
            lot_mantissa=instrument.lot_mantissa,
            lot_exponent=instrument.lot_exponent,
            definition_version=instrument.definition_version,
            reference_price=instrument.reference_price,
        ),
        text,
    )


def set_instrument_rules(market: Market, command: SetInstrumentRules) -> None:
    instrument = market.known_instrument(command.instrument)
    require(1 <= command.quantity_min <= command.quantity_max <= QUANTITY_MAX)
    require(command.value_max >= 0)
    require(command.reference_price >= 0)
    require(abs(command.maker_fee_ppm) < FEE_PPM_BOUND)
    require(abs(command.taker_fee_ppm) < FEE_PPM_BOUND)
    require(command.maker_fee_ppm + command.taker_fee_ppm >= 0)
    require(command.collar_ppm <= 1_000_000)
    instrument.quantity_min = command.quantity_min
    instrument.quantity_max = command.quantity_max
    instrument.value_max = command.value_max
    instrument.reference_price = command.reference_price
    instrument.collar_ppm = command.collar_ppm
    instrument.maker_fee_ppm = command.maker_fee_ppm
    instrument.taker_fee_ppm = command.taker_fee_ppm
    market.emit(
        InstrumentRulesChanged(
            instrument=instrument.number,
            quantity_min=command.quantity_min,
            quantity_max=command.quantity_max,
            value_max=command.value_max,
            reference_price=command.reference_price,
            collar_ppm=command.collar_ppm,
            maker_fee_ppm=command.maker_fee_ppm,
            taker_fee_ppm=command.taker_fee_ppm,
        )
    )


def remove_instrument(market: Market, command: RemoveInstrument) -> None:
    instrument = market.known_instrument(command.instrument)
    check_nothing_rests(market, instrument)
    instrument.phase = Phase.REMOVED
    market.emit(InstrumentRemoved(instrument=instrument.number))
    forget_instrument(market, instrument.number)


def set_starting_balance(market: Market, command: SetStartingBalance) -> None:
    asset = market.known_asset(command.asset)
    if command.amount < 0:
        raise Rejected(RejectReason.INVALID_AMOUNT)
    asset.starting_balance = command.amount
    market.emit(StartingBalanceSet(asset=asset.number, amount=command.amount))
