//! Phases of an instrument: schedule, band, reopening (rulebook section 15).

use crate::auction::Crossing;
use crate::engine::{DAY_NS, Done, Engine, Instrument, Outcome};
use crate::moments::Class;
use crate::wire::*;

const PPM: u32 = 1_000_000;
const MS_NS: i64 = 1_000_000;
const DAY_MS: u64 = 86_400_000;
const ENTRY_BITS: u32 = 47;
const WEEK: i64 = 7;
/// 1970-01-01 was a Thursday; Monday is 0.
const WEEKDAY_OF_EPOCH: i64 = 3;
const PROTECTION_PPM: u32 = 50_000;

/// Do orders rest without matching in this phase?
#[inline(always)]
pub(crate) const fn gathers(phase: u8) -> bool {
    phase == Phase::PreOpen as u8
        || phase == Phase::Auction as u8
        || phase == Phase::ClosingAuction as u8
}

/// What governs an instrument's phases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradingSession {
    /// Entries as in SET_SCHEDULE.
    pub schedule: [u64; 7],
    /// Next transition of the schedule, 0 = none.
    pub next_at: i64,
    /// An operator's halt or closing: the schedule passes it by.
    pub is_held: bool,
    pub band_ppm: u32,
    pub protection_ppm: u32,
    pub halt_ns: i64,
    pub auction_ns: i64,
    /// What the band is measured from; 0 = the next trade's price.
    pub band_reference: i64,
    /// Prices that a taker may trade at.
    band: (i64, i64),
    /// When a halt by the band, or the auction after it, ends by itself; 0 = not set.
    pub reopens_at: i64,
    /// What was last published while orders gather.
    pub indicative: Crossing,
}

impl Default for TradingSession {
    fn default() -> Self {
        Self {
            schedule: [0; 7],
            next_at: 0,
            is_held: false,
            band_ppm: 0,
            protection_ppm: PROTECTION_PPM,
            halt_ns: 0,
            auction_ns: 0,
            band_reference: 0,
            band: (0, i64::MAX),
            reopens_at: 0,
            indicative: Crossing::default(),
        }
    }
}

impl TradingSession {
    /// Measure the band from this price; 0 = from the next trade's.
    pub(crate) fn set_band_reference(&mut self, price: i64) {
        self.band_reference = price;
        self.band = (0, i64::MAX);
        if self.band_ppm != 0 && price != 0 {
            let width = i128::from(price) * i128::from(self.band_ppm) / i128::from(PPM);
            let width = width as i64;
            self.band = (price - width, price.saturating_add(width));
        }
    }

    #[inline(always)]
    pub(crate) fn wants_band_reference(&self) -> bool {
        self.band_ppm != 0 && self.band_reference == 0
    }

    pub(crate) fn note_first_trade(&mut self, price: i64) {
        if self.wants_band_reference() {
            self.set_band_reference(price);
        }
    }

    /// The earliest transition after a time, 0 = none.
    fn next_after(&self, time_ns: i64) -> i64 {
        let today = time_ns.div_euclid(DAY_NS);
        let days = today..=today + WEEK;
        let times = days.flat_map(|day| {
            let weekday = (day + WEEKDAY_OF_EPOCH).rem_euclid(WEEK);
            let of_day = self.schedule.iter().filter(move |&&entry| is_on(entry, weekday));
            of_day.map(move |&entry| day * DAY_NS + millisecond(entry) as i64 * MS_NS)
        });
        times.filter(|&at| at > time_ns).min().unwrap_or(0)
    }

    /// The phase that the schedule sets at one of its transitions.
    fn phase_at(&self, time_ns: i64) -> u8 {
        let weekday = (time_ns.div_euclid(DAY_NS) + WEEKDAY_OF_EPOCH).rem_euclid(WEEK);
        let ms = (time_ns.rem_euclid(DAY_NS) / MS_NS) as u64;
        let entry = self.schedule.iter().find(|&&e| is_on(e, weekday) && millisecond(e) == ms);
        (entry.expect("a transition is of an entry") >> 32) as u8
    }
}

const fn millisecond(entry: u64) -> u64 {
    entry & 0xffff_ffff
}

/// Is the entry used, and on this weekday?
const fn is_on(entry: u64, weekday: i64) -> bool {
    let weekdays = entry >> 40;
    entry != 0 && (weekdays == 0 || weekdays >> weekday & 1 != 0)
}

fn is_valid_schedule(entries: &[u64; 7]) -> bool {
    let used = entries.iter().position(|&e| e == 0).unwrap_or(entries.len());
    let (used, unused) = entries.split_at(used);
    unused.iter().all(|&e| e == 0)
        && used.iter().all(|&e| {
            e >> ENTRY_BITS == 0 && millisecond(e) < DAY_MS && is_settable((e >> 32) as u8, 2)
        })
        && used.windows(2).all(|pair| millisecond(pair[0]) < millisecond(pair[1]))
}

/// May a command set this phase?
pub(crate) const fn is_settable(phase: u8, rules_version: u32) -> bool {
    let is_first = phase >= Phase::Continuous as u8 && phase <= Phase::Closed as u8;
    is_first || (rules_version >= 2 && gathers(phase))
}

impl Instrument {
    /// A taker's limit price, tightened to the band; one that lets nothing trade when the best
    /// price is beyond the band's other end: prices only get worse for a taker.
    #[inline(always)]
    pub(crate) fn within_band(&self, is_buy: bool, limit: i64) -> i64 {
        let (low, high) = self.session.band;
        let best = self.sides[is_buy as usize].best().map_or(limit, |level| level.price);
        if is_buy {
            if best < low { 0 } else { limit.min(high) }
        } else if best > high {
            i64::MAX
        } else {
            limit.max(low)
        }
    }
}

impl Instrument {
    /// The next phase on the way from a halt by the band back to trading.
    pub fn phase_of_reopening(&self) -> u8 {
        let by_auction = self.phase == Phase::Halted as u8 && self.session.auction_ns != 0;
        if by_auction { Phase::Auction as u8 } else { Phase::Continuous as u8 }
    }
}

impl Engine {
    pub(crate) fn is_continuous(&self, instrument: u32) -> bool {
        self.instruments[instrument as usize - 1].is_continuous()
    }

    pub(crate) fn set_schedule(&mut self, c: &SetSchedule) -> Outcome {
        let index = self.known_instrument(c.instrument)?;
        let entries = [c.entry_1, c.entry_2, c.entry_3, c.entry_4, c.entry_5, c.entry_6, c.entry_7];
        if !is_valid_schedule(&entries) {
            return Err(RejectReason::InvalidDefinition.into());
        }
        self.disarm(self.instruments[index].session.next_at, Class::Schedule, c.instrument, 0);
        let now = self.now;
        let session = &mut self.instruments[index].session;
        session.schedule = entries;
        session.next_at = session.next_after(now);
        let next_at = session.next_at;
        if next_at != 0 {
            self.arm(next_at, Class::Schedule, c.instrument, 0);
        }
        let [entry_1, entry_2, entry_3, entry_4, entry_5, entry_6, entry_7] = entries;
        self.output.push(&ScheduleChanged {
            kind: EventKind::ScheduleChanged as u8,
            sequence: self.sequence,
            instrument: c.instrument,
            entry_1,
            entry_2,
            entry_3,
            entry_4,
            entry_5,
            entry_6,
            entry_7,
            next_at,
            ..Default::default()
        });
        Ok(Done::default())
    }

    /// A transition of the schedule is due.
    pub(crate) fn scheduled(&mut self, instrument: u32) {
        let index = instrument as usize - 1;
        let session = &mut self.instruments[index].session;
        let phase = session.phase_at(session.next_at);
        session.next_at = session.next_after(session.next_at);
        let (next_at, is_held) = (session.next_at, session.is_held);
        if next_at != 0 {
            self.arm(next_at, Class::Schedule, instrument, 0);
        }
        if !is_held && phase != self.instruments[index].phase {
            self.enter_phase(index, phase, PhaseReason::Schedule, 0);
        }
    }

    pub(crate) fn set_instrument_safety(&mut self, c: &SetInstrumentSafety) -> Outcome {
        let index = self.known_instrument(c.instrument)?;
        let spans = [c.halt_ns, c.auction_ns];
        if c.band_ppm > PPM
            || c.protection_ppm > PPM
            || !spans.iter().all(|span| (0..=DAY_NS).contains(span))
        {
            return Err(RejectReason::InvalidDefinition.into());
        }
        let instrument = &mut self.instruments[index];
        let session = &mut instrument.session;
        (session.band_ppm, session.protection_ppm) = (c.band_ppm, c.protection_ppm);
        (session.halt_ns, session.auction_ns) = (c.halt_ns, c.auction_ns);
        session.set_band_reference(instrument.last_price);
        self.output.push(&InstrumentSafetyChanged {
            kind: EventKind::InstrumentSafetyChanged as u8,
            sequence: self.sequence,
            instrument: c.instrument,
            band_ppm: c.band_ppm,
            protection_ppm: c.protection_ppm,
            halt_ns: c.halt_ns,
            auction_ns: c.auction_ns,
            ..Default::default()
        });
        Ok(Done::default())
    }

    /// SET_PHASE: instrument 0 = all that are not removed.
    pub(crate) fn set_phase(&mut self, number: u32, phase: u8) -> Outcome {
        if number != 0 {
            self.known_instrument(number)?;
        }
        if !is_settable(phase, self.rules_version) {
            return Err(RejectReason::InvalidPhase.into());
        }
        let holds = !gathers(phase) && phase != Phase::Continuous as u8;
        for index in 0..self.instruments.len() {
            let instrument = &mut self.instruments[index];
            if !instrument.is_removed() && (number == 0 || instrument.number == number) {
                instrument.session.is_held = holds;
                self.enter_phase(index, phase, PhaseReason::Command, 0);
            }
        }
        Ok(Done::default())
    }

    /// Set a phase, with what it brings: uncrossing, PHASE_CHANGED, closing.
    fn enter_phase(&mut self, index: usize, phase: u8, reason: PhaseReason, until: i64) {
        let (number, before) = (self.instruments[index].number, self.instruments[index].phase);
        let opens = phase == Phase::Continuous as u8;
        let closes = phase == Phase::Closed as u8;
        let crossed_at = if opens || (closes && before == Phase::ClosingAuction as u8) {
            self.uncross(index)
        } else {
            0
        };
        self.forget_reopening(index);
        let session = &mut self.instruments[index].session;
        if opens {
            session.set_band_reference(crossed_at);
        }
        if gathers(phase) && !gathers(before) {
            session.indicative = Crossing::default();
        }
        self.instruments[index].phase = phase;
        self.note_gathering(number, gathers(phase));
        self.output.push(&PhaseChanged {
            kind: EventKind::PhaseChanged as u8,
            status: phase,
            sequence: self.sequence,
            instrument: number,
            time_ns: self.now,
            reason: reason as u32,
            until,
            ..Default::default()
        });
        if closes {
            self.expire_day_orders(number);
        }
    }

    fn expire_day_orders(&mut self, instrument: u32) {
        let mut slots = self.matching_orders(0, instrument, 0);
        slots.retain(|&slot| self.orders[slot].time_in_force == TimeInForce::Day as u8);
        for slot in slots {
            self.close_live(slot, OrderStatus::Expired, CloseReason::Closing);
        }
    }

    /// Keep the set of instruments whose indicative prices are looked at.
    pub(crate) fn note_gathering(&mut self, instrument: u32, gathers: bool) {
        if !gathers {
            self.gathering.remove(&instrument);
            return;
        }
        if self.gathering.is_empty() && !self.is_happening {
            // The moment of the command that is running is over.
            self.moment_at = self.now;
        }
        self.gathering.insert(instrument);
        self.next_due = self.next_due.min(self.next_span());
    }

    /// A taker met a price outside the band.
    #[cold]
    pub(crate) fn halt_by_band(&mut self, index: usize) {
        let session = &self.instruments[index].session;
        let until = if session.halt_ns == 0 { 0 } else { self.now + session.halt_ns };
        self.enter_phase(index, Phase::Halted as u8, PhaseReason::Band, until);
        if until != 0 {
            self.reopen_at(index, until);
        }
    }

    fn reopen_at(&mut self, index: usize, due: i64) {
        self.instruments[index].session.reopens_at = due;
        self.arm(due, Class::Reopening, self.instruments[index].number, 0);
    }

    fn forget_reopening(&mut self, index: usize) {
        let due = std::mem::take(&mut self.instruments[index].session.reopens_at);
        if due != 0 {
            self.disarm(due, Class::Reopening, self.instruments[index].number, 0);
        }
    }

    /// The next step of a reopening is due.
    pub(crate) fn reopen(&mut self, instrument: u32) {
        let index = instrument as usize - 1;
        let due = std::mem::take(&mut self.instruments[index].session.reopens_at);
        let phase = self.instruments[index].phase_of_reopening();
        if phase == Phase::Continuous as u8 {
            self.enter_phase(index, phase, PhaseReason::Reopening, 0);
            return;
        }
        let until = due + self.instruments[index].session.auction_ns;
        self.enter_phase(index, phase, PhaseReason::Reopening, until);
        self.reopen_at(index, until);
    }

    /// REMOVE_INSTRUMENT: nothing of it happens by itself any more.
    pub(crate) fn forget_session(&mut self, index: usize) {
        let number = self.instruments[index].number;
        self.forget_reopening(index);
        self.disarm(self.instruments[index].session.next_at, Class::Schedule, number, 0);
        self.note_gathering(number, false);
        self.instruments[index].session = TradingSession::default();
    }

    /// Arm the timers of a restored instrument.
    pub(crate) fn resume_session(&mut self, index: usize) {
        let number = self.instruments[index].number;
        let session = &mut self.instruments[index].session;
        session.set_band_reference(session.band_reference);
        let (next_at, reopens_at) = (session.next_at, session.reopens_at);
        for (due, class) in [(next_at, Class::Schedule), (reopens_at, Class::Reopening)] {
            if due != 0 {
                self.arm(due, class, number, 0);
            }
        }
        if gathers(self.instruments[index].phase) {
            self.note_gathering(number, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn entry(hour: u64, phase: Phase, weekdays: u64) -> u64 {
        (hour * 3_600_000) | ((phase as u64) << 32) | (weekdays << 40)
    }

    #[test]
    fn the_schedule_goes_on_over_days_and_weekends() {
        let weekdays = 0b1_1111;
        let mut schedule = [0; 7];
        schedule[0] = entry(9, Phase::Continuous, weekdays);
        schedule[1] = entry(17, Phase::Closed, weekdays);
        let session = TradingSession { schedule, ..TradingSession::default() };
        let hour = DAY_NS / 24;
        // Day 0 is a Thursday, so day 1 is the last before a weekend and day 4 a Monday.
        assert_eq!(session.next_after(0), 9 * hour);
        assert_eq!(session.next_after(9 * hour), 17 * hour);
        assert_eq!(session.next_after(DAY_NS + 17 * hour), 4 * DAY_NS + 9 * hour);
        assert_eq!(session.phase_at(4 * DAY_NS + 17 * hour), Phase::Closed as u8);
    }

    #[test]
    fn schedules_that_are_out_of_order_or_name_no_phase_are_refused() {
        let open = entry(9, Phase::Continuous, 0);
        assert!(is_valid_schedule(&[open, entry(17, Phase::Closed, 0), 0, 0, 0, 0, 0]));
        assert!(is_valid_schedule(&[0; 7]));
        assert!(!is_valid_schedule(&[open, open, 0, 0, 0, 0, 0]));
        assert!(!is_valid_schedule(&[0, open, 0, 0, 0, 0, 0]));
        assert!(!is_valid_schedule(&[entry(24, Phase::Closed, 0), 0, 0, 0, 0, 0, 0]));
        assert!(!is_valid_schedule(&[entry(9, Phase::Removed, 0), 0, 0, 0, 0, 0, 0]));
        assert!(!is_valid_schedule(&[open | 1 << 47, 0, 0, 0, 0, 0, 0]));
    }
}
