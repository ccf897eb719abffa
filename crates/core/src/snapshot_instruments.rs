//! An instrument's rules and what governs its phases, as bytes of the state.

use crate::auction::Crossing;
use crate::book::BookSide;
use crate::engine::Instrument;
use crate::snapshot::{Read, Sink, Source};
use crate::trading_session::TradingSession;
use crate::waiting::Waiting;

pub(crate) fn write_instrument(sink: &mut impl Sink, i: &Instrument) {
    sink.text(&i.symbol);
    sink.u8(i.phase);
    for v in [
        i.base_asset,
        i.quote_asset,
        i.tick_mantissa,
        i.tick_exponent,
        i.lot_mantissa,
        i.lot_exponent,
    ] {
        sink.u32(v);
    }
    sink.u32(i.definition_version);
    for v in [
        i.lot,
        i.unit,
        i.quantity_min,
        i.quantity_max,
        i.value_max,
        i.reference_price,
        i.last_price,
    ] {
        sink.i64(v);
    }
    sink.u32(i.collar_ppm);
    sink.u32(u32::from(i.fees));
    sink.u32(i.fee_schedules.len() as u32);
    for &(maker, taker) in &i.fee_schedules {
        sink.i32(maker);
        sink.i32(taker);
    }
    write_session(sink, &i.session);
}

fn write_session(sink: &mut impl Sink, s: &TradingSession) {
    for entry in s.schedule {
        sink.u64(entry);
    }
    sink.i64(s.next_at);
    sink.u8(u8::from(s.is_held));
    sink.u32(s.band_ppm);
    sink.u32(s.protection_ppm);
    for v in [s.halt_ns, s.auction_ns, s.band_reference, s.reopens_at] {
        sink.i64(v);
    }
    for v in [s.indicative.price, s.indicative.volume, s.indicative.surplus] {
        sink.i64(v);
    }
}

fn read_session(source: &mut Source<'_>) -> Read<TradingSession> {
    let mut session = TradingSession::default();
    for entry in &mut session.schedule {
        *entry = source.u64()?;
    }
    session.next_at = source.i64()?;
    session.is_held = source.u8()? != 0;
    session.band_ppm = source.u32()?;
    session.protection_ppm = source.u32()?;
    session.halt_ns = source.i64()?;
    session.auction_ns = source.i64()?;
    session.band_reference = source.i64()?;
    session.reopens_at = source.i64()?;
    session.indicative =
        Crossing { price: source.i64()?, volume: source.i64()?, surplus: source.i64()? };
    Ok(session)
}

pub(crate) fn read_instrument(source: &mut Source<'_>, number: u32) -> Read<Instrument> {
    let mut instrument = Instrument {
        number,
        symbol: source.text()?.into(),
        phase: source.u8()?,
        base_asset: source.u32()?,
        quote_asset: source.u32()?,
        tick_mantissa: source.u32()?,
        tick_exponent: source.u32()?,
        lot_mantissa: source.u32()?,
        lot_exponent: source.u32()?,
        definition_version: source.u32()?,
        lot: source.i64()?,
        unit: source.i64()?,
        quantity_min: source.i64()?,
        quantity_max: source.i64()?,
        value_max: source.i64()?,
        reference_price: source.i64()?,
        last_price: source.i64()?,
        collar_ppm: source.u32()?,
        fees: source.u32()? as u16,
        fee_schedules: Vec::new(),
        sides: [BookSide::new(true), BookSide::new(false)],
        waiting: Waiting::default(),
        session: TradingSession::default(),
    };
    for _ in 0..source.u32()? {
        instrument.fee_schedules.push((source.i32()?, source.i32()?));
    }
    instrument.session = read_session(source)?;
    Ok(instrument)
}
