//! What market time brings about: expiries, timers, indicative prices (rulebook section 12).

use crate::engine::Engine;
use crate::wire::{CloseReason, OrderStatus};

/// Indicative prices are looked at once in each such span of market time.
pub const INDICATIVE_NS: i64 = 100_000_000;

/// Kinds of timers, in the order in which they go off at the same time. Orders expire before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    DeadMan = 2,
    Session = 3,
    Exposure = 4,
    MakerLease = 5,
    Reopening = 6,
    Schedule = 7,
}

/// Due time, class, and whom it is about: account or instrument, and what of it.
pub type Timer = (i64, Class, u32, u32);

impl Engine {
    /// Forget old keys and let everything happen that market time has reached.
    #[inline(always)]
    pub(crate) fn moment(&mut self) {
        self.keys.forget_until(self.now.saturating_sub(self.parameters.key_window_ns));
        if self.now >= self.next_due {
            self.let_happen();
        }
    }

    #[cold]
    fn let_happen(&mut self) {
        self.is_happening = true;
        loop {
            let order = self.expiries.first().copied().filter(|&(due, _)| due <= self.now);
            let timer = self.next_timer().filter(|&(due, ..)| due <= self.now);
            match (order, timer) {
                (None, None) => break,
                (Some((due, id)), timer) if timer.is_none_or(|(later, ..)| due <= later) => {
                    let slot = self.orders.find(id).expect("an expiry belongs to a live order");
                    self.close_live(slot, OrderStatus::Expired, CloseReason::Time);
                }
                (_, timer) => {
                    let timer = timer.expect("it is the one that is due");
                    self.timers.remove(&timer);
                    self.go_off(timer);
                }
            }
        }
        if self.now / INDICATIVE_NS != self.moment_at / INDICATIVE_NS {
            self.publish_indicative();
        }
        self.moment_at = self.now;
        self.is_happening = false;
        self.next_due = self.first_due();
    }

    /// What goes off next; leases of sessions are kept by their holders.
    fn next_timer(&self) -> Option<Timer> {
        [self.timers.first().copied(), self.sessions.first_due()].into_iter().flatten().min()
    }

    fn go_off(&mut self, (_, class, first, second): Timer) {
        match class {
            Class::DeadMan => self.dead_man(first),
            Class::Session => self.session_lapses(second),
            Class::Exposure => self.exposure_ends(first, second),
            Class::MakerLease => self.maker_lapses(first, second),
            Class::Reopening => self.reopen(first),
            Class::Schedule => self.scheduled(first),
        }
    }

    pub(crate) fn arm(&mut self, due: i64, class: Class, first: u32, second: u32) {
        self.timers.insert((due, class, first, second));
        self.next_due = self.next_due.min(due);
    }

    pub(crate) fn disarm(&mut self, due: i64, class: Class, first: u32, second: u32) {
        self.timers.remove(&(due, class, first, second));
    }

    /// When an order expires or a timer goes off.
    pub fn next_due(&self) -> Option<i64> {
        let order = self.expiries.first().map(|&(due, _)| due);
        let timer = self.next_timer().map(|(due, ..)| due);
        [order, timer].into_iter().flatten().min()
    }

    /// When the engine has to look, `i64::MAX` for never; the next span while orders gather.
    fn first_due(&self) -> i64 {
        let span = if self.gathering.is_empty() { i64::MAX } else { self.next_span() };
        self.next_due().unwrap_or(i64::MAX).min(span)
    }

    /// When indicative prices are looked at next.
    pub(crate) fn next_span(&self) -> i64 {
        (self.moment_at / INDICATIVE_NS + 1) * INDICATIVE_NS
    }

    /// When a TICK is wanted if nothing else comes; `None` for never.
    pub fn wakes_at(&self) -> Option<i64> {
        if self.pending.iter().any(|&instrument| self.is_continuous(instrument)) {
            return Some(self.now);
        }
        let is_stale =
            self.gathering.iter().any(|&instrument| self.indicative_is_stale(instrument));
        let span = is_stale.then(|| self.next_span());
        [self.next_due(), span].into_iter().flatten().min()
    }
}
