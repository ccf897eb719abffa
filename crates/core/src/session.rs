//! Generated sessions of order-by-order data, any length, the same for the same seed everywhere.
//!
//! A venue of its own (`venue`) with a book of its own (`ladder`) writes down what happens as
//! records of 56 bytes (`tape`): a snapshot, a crossed pre-open that an uncross ends, then
//! continuous trading, in the forms and about the mix of a real futures session. It shares no code
//! with the books that are rebuilt from such records. Integers only (`random`), so that the bytes
//! depend on nothing but the settings. Memory does not grow with the length.

mod ladder;
pub(crate) mod random;
mod tape;
mod venue;

use random::Random;
use tape::Tape;
use venue::Venue;

/// What a session is made from.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub seed: u64,
    /// Numbered from 1; each has a book of its own.
    pub instruments: u32,
    /// Orders of each book that the snapshot has, and around which their number stays.
    pub orders: u32,
    /// Orders entered into each crossed book before the open.
    pub pre_open_orders: u32,
    /// Of one event in a million: orders with hidden quantity.
    pub iceberg_ppm: u32,
    pub start_ns: u64,
    /// Mean distance of two events.
    pub gap_ns: u64,
}

/// A session that goes on for as long as it is asked.
pub struct Session {
    settings: Settings,
    random: Random,
    tape: Tape,
    venues: Vec<Venue>,
    has_begun: bool,
}

impl Session {
    pub fn new(settings: Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let venues = (1..=settings.instruments)
            .map(|number| Venue::new(number, settings, &mut random))
            .collect();
        Self { settings, random, tape: Tape::new(settings.start_ns), venues, has_begun: false }
    }

    /// Whole events, at least so many records.
    pub fn take(&mut self, records: usize) -> Vec<u8> {
        if !self.has_begun {
            self.has_begun = true;
            self.open();
        }
        while self.tape.records() < records {
            self.pass();
            let venue = self.random.below(u64::from(self.settings.instruments)) as usize;
            self.venues[venue].act(&mut self.random, &mut self.tape);
        }
        self.tape.take()
    }

    /// The time of the last event, in ns since the Unix epoch.
    pub fn time_ns(&self) -> u64 {
        self.tape.time_ns()
    }

    /// Snapshot, pre-open and uncross of every instrument.
    fn open(&mut self) {
        for venue in &mut self.venues {
            venue.snapshot(&mut self.tape);
        }
        for _ in 0..self.settings.pre_open_orders {
            for number in 0..self.venues.len() {
                self.pass();
                self.venues[number].enter_crossed(&mut self.random, &mut self.tape);
            }
        }
        for number in 0..self.venues.len() {
            self.pass();
            self.venues[number].uncross(&mut self.tape);
        }
    }

    /// Time goes on: mostly in bursts, with pauses between them.
    fn pass(&mut self) {
        let gap = self.settings.gap_ns.max(1);
        let is_burst = self.random.below(4) != 0;
        let range = if is_burst { gap / 8 } else { gap * 61 / 8 };
        self.tape.pass(1 + self.random.below(range.max(1)));
    }
}

#[cfg(test)]
mod tests;
