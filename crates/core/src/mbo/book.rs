//! The book of one instrument at one publisher.

use super::prices::{Prices, key};
use super::queue::Queues;
use super::record::{Side, book_key};
use super::report::CrossedPhase;

#[derive(Default)]
pub struct Book {
    pub publisher: u16,
    pub instrument: u32,
    pub sides: [Prices; 2],
    /// An event has begun and not ended: the book may show what never was.
    pub in_event: bool,
    /// Records of a snapshot are coming.
    pub in_snapshot: bool,
    /// A trade has been seen.
    pub has_traded: bool,
    pub events: u64,
    /// What the last row of best prices showed.
    pub shown: Option<Best>,
    /// Before the first trade, and from then on.
    pub crossed: [CrossedPhase; 2],
}

/// Price, size and number of orders of a best level.
pub type Top = (i64, u64, u32);

/// Best bid and offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Best {
    pub bid: Option<Top>,
    pub ask: Option<Top>,
    /// Asked for in the middle of an event: the answer may be a state that never was.
    pub in_event: bool,
}

impl Book {
    pub fn new(publisher: u16, instrument: u32) -> Self {
        Self { publisher, instrument, ..Self::default() }
    }

    pub const fn key(&self) -> u64 {
        book_key(self.publisher, self.instrument)
    }

    #[inline(always)]
    pub fn side_mut(&mut self, side: Side) -> &mut Prices {
        &mut self.sides[side as usize]
    }

    pub const fn side(&self, side: Side) -> &Prices {
        &self.sides[side as usize]
    }

    #[inline(always)]
    pub fn is_crossed(&self) -> bool {
        match (self.sides[0].best(), self.sides[1].best()) {
            // The complement turns an ask's key into its price.
            (Some((bid, _)), Some((ask, _))) => bid >= key(Side::Ask, ask),
            _ => false,
        }
    }

    #[inline]
    pub fn end_event(&mut self, ts_event: u64) {
        self.in_event = false;
        self.in_snapshot = false;
        self.events += 1;
        if self.is_crossed() {
            self.crossed[usize::from(self.has_traded)].note(ts_event);
        }
    }

    pub fn top(&self, side: Side, queues: &Queues) -> Option<Top> {
        let (_, level) = self.side(side).best()?;
        let level = queues.level(level);
        Some((level.price, level.size, level.orders))
    }

    pub fn best(&self, queues: &Queues) -> Best {
        let [bid, ask] = Side::BOTH.map(|side| self.top(side, queues));
        Best { bid, ask, in_event: self.in_event }
    }
}
