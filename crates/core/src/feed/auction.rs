//! What the channel `auction` says of an instrument, folded from its events.

use crate::auction::Crossing;
use crate::engine::Instrument;
use crate::json::Json;
use crate::snapshot::{Read, Sink, Source};
use crate::trading_session::gathers;
use crate::wire::*;

const PHASES: [&str; 9] = [
    "none",
    "continuous",
    "halted",
    "cancel_only",
    "closed",
    "pre_open",
    "auction",
    "removed",
    "closing_auction",
];

/// A round in which a crossed book traded. Ticks, lots, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncrossed {
    pub crossing: Crossing,
    pub trade_count: u32,
    pub time_ns: i64,
}

/// Something that the channel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuctionEvent {
    Phase(u8),
    Indicative(Crossing),
    Uncrossed(Uncrossed),
}

/// An instrument's phase, what gathers in it, and its last round of uncrossing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuctionState {
    pub phase: u8,
    pub indicative: Crossing,
    pub uncrossed: Option<Uncrossed>,
}

impl AuctionEvent {
    /// What an event tells, if it is one of these.
    pub fn of(kind: EventKind, record: &[u8; RECORD_BYTES]) -> Option<Self> {
        Some(match kind {
            EventKind::PhaseChanged => Self::Phase(PhaseChanged::from_bytes(record).status),
            EventKind::AuctionIndicative => {
                let e = AuctionIndicative::from_bytes(record);
                let (price, volume, surplus) = (e.price, e.volume, e.surplus);
                Self::Indicative(Crossing { price, volume, surplus })
            }
            EventKind::AuctionUncrossed => {
                let e = AuctionUncrossed::from_bytes(record);
                let (price, volume, surplus) = (e.price, e.volume, e.surplus);
                let crossing = Crossing { price, volume, surplus };
                let (trade_count, time_ns) = (e.trade_count, e.time_ns);
                Self::Uncrossed(Uncrossed { crossing, trade_count, time_ns })
            }
            _ => return None,
        })
    }
}

impl AuctionState {
    /// As an instrument's definition begins it.
    pub fn defined(phase: u8) -> Self {
        Self { phase, ..Self::default() }
    }

    /// The state that an instrument begins with in these events, which define it.
    pub fn of_new(events: &[u8], instrument: u32) -> Self {
        let (records, _) = events.as_chunks::<RECORD_BYTES>();
        let mut headers = records.iter().map(|record| EventHeader::from_bytes(record));
        let defines = |header: &EventHeader| {
            header.kind == EventKind::InstrumentDefined as u8 && header.instrument == instrument
        };
        headers.find(defines).map_or_else(Self::default, |header| Self::defined(header.status))
    }

    pub fn take(&mut self, event: AuctionEvent) {
        match event {
            AuctionEvent::Phase(phase) => {
                // What gathers from phase to phase is one auction.
                if !(gathers(self.phase) && gathers(phase)) {
                    self.indicative = Crossing::default();
                }
                self.phase = phase;
            }
            AuctionEvent::Indicative(indicative) => self.indicative = indicative,
            AuctionEvent::Uncrossed(uncrossed) => self.uncrossed = Some(uncrossed),
        }
    }

    /// `{phase, indicative_price, indicative_volume, surplus, uncrossed}`.
    pub fn write_json(&self, json: &mut Json, instrument: &Instrument) {
        json.raw("{\"phase\":\"");
        json.name(&PHASES, self.phase);
        json.raw("\",\"indicative_price\":");
        if self.indicative.price == 0 {
            json.raw("null");
        } else {
            json.raw("\"");
            instrument.write_price(json, self.indicative.price);
            json.raw("\"");
        }
        json.raw(",\"indicative_volume\":\"");
        instrument.write_quantity(json, i128::from(self.indicative.volume));
        json.raw("\",\"surplus\":\"");
        instrument.write_quantity(json, i128::from(self.indicative.surplus));
        json.raw("\",\"uncrossed\":");
        match &self.uncrossed {
            Some(uncrossed) => uncrossed.write_json(json, instrument),
            None => json.raw("null"),
        }
        json.raw("}");
    }

    pub fn write(&self, sink: &mut impl Sink) {
        sink.u8(self.phase);
        write_crossing(sink, &self.indicative);
        sink.u8(u8::from(self.uncrossed.is_some()));
        if let Some(uncrossed) = &self.uncrossed {
            write_crossing(sink, &uncrossed.crossing);
            sink.u32(uncrossed.trade_count);
            sink.i64(uncrossed.time_ns);
        }
    }

    pub fn read(source: &mut Source<'_>) -> Read<Self> {
        let (phase, indicative) = (source.u8()?, read_crossing(source)?);
        let uncrossed = if source.u8()? == 0 {
            None
        } else {
            let crossing = read_crossing(source)?;
            let (trade_count, time_ns) = (source.u32()?, source.i64()?);
            Some(Uncrossed { crossing, trade_count, time_ns })
        };
        Ok(Self { phase, indicative, uncrossed })
    }
}

impl Uncrossed {
    fn write_json(&self, json: &mut Json, instrument: &Instrument) {
        json.raw("{\"price\":\"");
        instrument.write_price(json, self.crossing.price);
        json.raw("\",\"volume\":\"");
        instrument.write_quantity(json, i128::from(self.crossing.volume));
        json.raw("\",\"surplus\":\"");
        instrument.write_quantity(json, i128::from(self.crossing.surplus));
        json.raw("\",\"trades\":");
        json.integer(u64::from(self.trade_count));
        json.raw(",\"executed_at\":\"");
        json.time(self.time_ns);
        json.raw("\"}");
    }
}

fn write_crossing(sink: &mut impl Sink, crossing: &Crossing) {
    for value in [crossing.price, crossing.volume, crossing.surplus] {
        sink.i64(value);
    }
}

fn read_crossing(source: &mut Source<'_>) -> Read<Crossing> {
    Ok(Crossing { price: source.i64()?, volume: source.i64()?, surplus: source.i64()? })
}
