//! Phases of an instrument: schedule, bands, reopening (section 15).

use crate::engine::{Engine, Outcome};
use crate::wire::*;

/// What governs an instrument's phases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TradingSession {
    pub schedule: [u64; 7],
}

impl Engine {
    pub(crate) fn is_continuous(&self, instrument: u32) -> bool {
        self.instruments[instrument as usize - 1].is_continuous()
    }
    pub(crate) fn set_schedule(&mut self, c: &SetSchedule) -> Outcome {
        let _ = c;
        unimplemented!()
    }
    pub(crate) fn set_instrument_safety(&mut self, c: &SetInstrumentSafety) -> Outcome {
        let _ = c;
        unimplemented!()
    }
    pub(crate) fn reopen(&mut self, instrument: u32) {
        let _ = instrument;
        unimplemented!()
    }
    pub(crate) fn scheduled(&mut self, instrument: u32) {
        let _ = instrument;
        unimplemented!()
    }
    pub(crate) fn publish_indicative(&mut self) {}
    pub(crate) fn indicative_is_stale(&self, instrument: u32) -> bool {
        let _ = instrument;
        false
    }
}
