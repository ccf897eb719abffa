//! How many messages each channel has had since the journal began: their numbers.
//!
//! Counted on every replica whether somebody watches or not, and carried in snapshots, so that a
//! channel goes on with the same numbers on another node and after a restart.

use crate::event::Output;
use crate::feed::auction::{AuctionEvent, AuctionState};
use crate::feed::changes::{Observer, OrderChange, Touch, walk};
use crate::snapshot::{Read, Sink, Source};
use crate::wire::*;

/// Messages of one instrument's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentCounts {
    pub trades: u64,
    pub orders: u64,
    pub levels: u64,
    /// Trades before it was defined as it is now: their ticks and lots may have been others.
    pub trades_before: u64,
    pub auctions: u64,
    /// What the channel of auctions said last.
    pub auction: AuctionState,
}

impl InstrumentCounts {
    /// The counts before this many of them.
    pub const fn minus(self, later: Self) -> Self {
        Self {
            trades: self.trades - later.trades,
            orders: self.orders - later.orders,
            levels: self.levels - later.levels,
            trades_before: self.trades_before,
            auctions: self.auctions - later.auctions,
            auction: self.auction,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instrument n at n.
    instruments: Vec<InstrumentCounts>,
    /// Execution reports of account n at n.
    reports: Vec<u64>,
}

#[inline(always)]
fn entry<T: Default + Clone>(list: &mut Vec<T>, number: u32) -> &mut T {
    let index = number as usize;
    if index >= list.len() {
        lengthen(list, index);
    }
    &mut list[index]
}

#[cold]
fn lengthen<T: Default + Clone>(list: &mut Vec<T>, index: usize) {
    list.resize(index + 1, T::default());
}

impl Counts {
    /// Count the events of one call of `apply`.
    pub fn absorb(&mut self, output: &Output) {
        walk(&output.records, self);
    }

    /// The messages that these events make.
    pub fn of_events(events: &[u8]) -> Self {
        let mut counts = Self::default();
        walk(events, &mut counts);
        counts
    }

    pub fn instrument(&self, number: u32) -> InstrumentCounts {
        self.instruments.get(number as usize).copied().unwrap_or_default()
    }

    /// Execution reports of an account.
    pub fn reports(&self, account: u32) -> u64 {
        self.reports.get(account as usize).copied().unwrap_or_default()
    }

    pub fn write(&self, sink: &mut impl Sink) {
        sink.u64(self.instruments.len() as u64);
        for counts in &self.instruments {
            sink.u64(counts.trades);
            sink.u64(counts.orders);
            sink.u64(counts.levels);
            sink.u64(counts.trades_before);
            sink.u64(counts.auctions);
            counts.auction.write(sink);
        }
        sink.u64(self.reports.len() as u64);
        for &count in &self.reports {
            sink.u64(count);
        }
    }

    pub fn read(source: &mut Source<'_>) -> Read<Self> {
        let mut counts = Self::default();
        for _ in 0..source.count(66)? {
            counts.instruments.push(InstrumentCounts {
                trades: source.u64()?,
                orders: source.u64()?,
                levels: source.u64()?,
                trades_before: source.u64()?,
                auctions: source.u64()?,
                auction: AuctionState::read(source)?,
            });
        }
        for _ in 0..source.count(8)? {
            counts.reports.push(source.u64()?);
        }
        Ok(counts)
    }
}

impl Observer for Counts {
    #[inline(always)]
    fn order(&mut self, _place: u64, change: &OrderChange) {
        entry(&mut self.instruments, change.instrument).orders += 1;
    }

    #[inline(always)]
    fn level(&mut self, _place: u64, touch: &Touch, is_new: bool) {
        entry(&mut self.instruments, touch.instrument).levels += u64::from(is_new);
    }

    #[inline(always)]
    fn trade(&mut self, _place: u64, trade: &Trade) {
        entry(&mut self.instruments, trade.instrument).trades += 1;
    }

    fn defined(&mut self, instrument: u32, phase: u8) {
        let counts = entry(&mut self.instruments, instrument);
        counts.trades_before = counts.trades;
        counts.auction.phase = phase;
    }

    fn auction(&mut self, _place: u64, instrument: u32, event: AuctionEvent) {
        let counts = entry(&mut self.instruments, instrument);
        counts.auctions += 1;
        counts.auction.take(event);
    }

    fn opened(&mut self, account: u32) {
        entry(&mut self.reports, account);
    }

    #[inline(always)]
    fn report(&mut self, _place: u64, account: u32, _order_id: u64, _event: &[u8; RECORD_BYTES]) {
        if let Some(count) = self.reports.get_mut(account as usize) {
            *count += 1;
        }
    }
}
