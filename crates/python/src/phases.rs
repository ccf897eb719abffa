//! Phases of instruments as tuples; the fields are listed in `_native.pyi`.

use tradepit_core::engine::Engine;

/// instrument, is_held, next_at, reopens_at, reopens_phase, band_ppm, protection_ppm, halt_ns,
/// auction_ns, band_reference, schedule
pub type TradingSessionRow = (u32, bool, i64, i64, u8, u32, u32, i64, i64, i64, Vec<u64>);

pub fn trading_sessions(engine: &Engine) -> Vec<TradingSessionRow> {
    let row = |i: &tradepit_core::engine::Instrument| {
        let s = &i.session;
        let reopens_phase = if s.reopens_at == 0 { 0 } else { i.phase_of_reopening() };
        (
            i.number,
            s.is_held,
            s.next_at,
            s.reopens_at,
            reopens_phase,
            s.band_ppm,
            s.protection_ppm,
            s.halt_ns,
            s.auction_ns,
            s.band_reference,
            s.schedule.to_vec(),
        )
    };
    engine.instruments.iter().map(row).collect()
}

pub fn crossing(engine: &Engine, instrument: u32) -> Option<(i64, i64, i64)> {
    let index = (instrument as usize).wrapping_sub(1);
    engine.instruments.get(index)?;
    engine.crossing(index).map(|c| (c.price, c.volume, c.surplus))
}
