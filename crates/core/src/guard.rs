//! Safety of accounts: bounds of orders, message rate, runaway guard, dead-man timer (section 16).

use crate::engine::{DAY_NS, Done, Engine, Outcome, Reject};
use crate::ledger::BALANCE_MAX;
use crate::moments::Class;
use crate::wire::*;
use std::collections::BTreeMap;

pub(crate) const SECOND_NS: i64 = 1_000_000_000;
/// Shortest window that a guard counts in.
const WINDOW_NS_MIN: i64 = 1_000_000;
/// A price this part of the previous one away from it still repeats it.
const NEAR: i128 = 1_000;

/// What few accounts have set for themselves or were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// (quantity_max, value_max) by instrument; 0 = none, but not both.
    pub order_limits: BTreeMap<u32, (i64, i64)>,
    pub settings: GuardSettings,
    pub counters: GuardCounters,
    /// When the dead-man timer is due; 0 = off.
    pub dead_man_at: i64,
}

/// What SET_ACCOUNT_GUARD sets; a bound of 0 = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardSettings {
    /// In each second of market time.
    pub messages_max: u32,
    /// In each window.
    pub repeats_max: u32,
    pub window_ns: i64,
    /// Minor units of `traded_asset` in each window.
    pub traded_max: i64,
    pub traded_asset: u32,
}

/// What the guard has counted since it was set; what has no bound is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounters {
    /// The second in which messages were counted, and how many.
    pub second: i64,
    pub messages: u64,
    pub run: Option<Run>,
    /// The window in which trades were counted, and what they came to.
    pub traded_window: i64,
    pub traded: i128,
}

/// Orders that repeat each other: the last of them, and its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub instrument: u32,
    pub side: u8,
    pub order_type: u8,
    pub quantity: i64,
    pub price: i64,
    /// The window in which the run began.
    pub window: i64,
    pub number: u64,
}

impl Run {
    /// The run as it is with this order as its next, or a new one.
    fn with(previous: Option<&Self>, c: &PlaceOrder, window: i64) -> Self {
        let number = previous.filter(|run| run.is_repeated(c, window)).map_or(0, |run| run.number);
        Self {
            instrument: c.instrument,
            side: c.side,
            order_type: c.order_type,
            quantity: c.quantity,
            price: c.price,
            window,
            number: number + 1,
        }
    }

    fn is_repeated(&self, c: &PlaceOrder, window: i64) -> bool {
        let distance = (i128::from(c.price) - i128::from(self.price)).abs();
        (self.instrument, self.side, self.order_type, self.quantity, self.window)
            == (c.instrument, c.side, c.order_type, c.quantity, window)
            && (distance == 0 || distance * NEAR <= i128::from(self.price))
    }
}

impl GuardSettings {
    fn needs_window(&self) -> bool {
        self.repeats_max != 0 || self.traded_max != 0
    }

    fn is_valid(&self) -> bool {
        let has_window = (WINDOW_NS_MIN..=DAY_NS).contains(&self.window_ns);
        self.traded_max >= 0 && (has_window || !self.needs_window())
    }
}

impl Guard {
    /// Count a message; is it within the rate?
    fn count_message(&mut self, now: i64) -> bool {
        let bound = u64::from(self.settings.messages_max);
        if bound == 0 {
            return true;
        }
        let second = now / SECOND_NS;
        if self.counters.second != second {
            (self.counters.second, self.counters.messages) = (second, 0);
        }
        self.counters.messages += 1;
        self.counters.messages <= bound
    }

    /// The run that this order would continue or begin, when runs are counted.
    fn run_with(&self, c: &PlaceOrder, now: i64) -> Option<Run> {
        let counts = self.settings.repeats_max != 0;
        counts.then(|| Run::with(self.counters.run.as_ref(), c, now / self.settings.window_ns))
    }

    /// Count a trade in this asset; is the account still within its bound?
    fn count_traded(&mut self, asset: u32, notional: i64, now: i64) -> bool {
        let GuardSettings { traded_max, traded_asset, window_ns, .. } = self.settings;
        if traded_max == 0 || traded_asset != asset {
            return true;
        }
        let window = now / window_ns;
        if self.counters.traded_window != window {
            (self.counters.traded_window, self.counters.traded) = (window, 0);
        }
        self.counters.traded += i128::from(notional);
        self.counters.traded <= i128::from(traded_max)
    }
}

impl Engine {
    /// Checks of PLACE_ORDER, REPLACE_ORDER and QUOTE after the account's state: its session (0 =
    /// none) and its message rate. Only called for accounts with a guard, or with a session.
    pub(crate) fn check_entry(&mut self, account: u32, session: u32) -> Result<(), Reject> {
        if session != 0 && !self.sessions.is_live(account, session) {
            return Err(RejectReason::UnknownSession.into());
        }
        let now = self.now;
        if let Some(guard) = &mut self.ledger.account_mut(account).guard
            && !guard.count_message(now)
        {
            return Err(RejectReason::MessageRate.into());
        }
        Ok(())
    }

    fn order_limits(&self, account: u32, instrument: u32) -> (i64, i64) {
        let guard = self.ledger.account(account).guard.as_ref();
        guard.and_then(|guard| guard.order_limits.get(&instrument).copied()).unwrap_or((0, 0))
    }

    /// ACCOUNT_MAX_QUANTITY.
    pub(crate) fn check_account_quantity(
        &self,
        account: u32,
        instrument: u32,
        quantity: i64,
    ) -> Result<(), Reject> {
        let (bound, _) = self.order_limits(account, instrument);
        if bound != 0 && quantity > bound {
            return Err(Reject::bound(RejectReason::AccountMaxQuantity, quantity, bound));
        }
        Ok(())
    }

    /// ACCOUNT_MAX_VALUE of this many lots at a price; `None`: no price to value it at.
    pub(crate) fn check_account_value(
        &self,
        account: u32,
        instrument: u32,
        price: Option<i64>,
        quantity: i64,
    ) -> Result<(), Reject> {
        let (_, bound) = self.order_limits(account, instrument);
        let Some(price) = price.filter(|_| bound != 0) else { return Ok(()) };
        let unit = self.instruments[instrument as usize - 1].unit;
        let value = (i128::from(price) * i128::from(quantity)).saturating_mul(unit.into());
        if value > i128::from(bound) {
            let required = i64::try_from(value).unwrap_or(i64::MAX);
            return Err(Reject::bound(RejectReason::AccountMaxValue, required, bound));
        }
        Ok(())
    }

    /// RUNAWAY_GUARD: the last check of PLACE_ORDER.
    pub(crate) fn check_repeats(&self, account: u32, c: &PlaceOrder) -> Result<(), Reject> {
        let Some(guard) = &self.ledger.account(account).guard else { return Ok(()) };
        match guard.run_with(c, self.now) {
            Some(run) if run.number > u64::from(guard.settings.repeats_max) => {
                Err(RejectReason::RunawayGuard.into())
            }
            _ => Ok(()),
        }
    }

    /// A PLACE_ORDER of an account with a guard was accepted.
    pub(crate) fn note_order(&mut self, account: u32, c: &PlaceOrder) {
        let now = self.now;
        if let Some(guard) = &mut self.ledger.account_mut(account).guard {
            guard.counters.run = guard.run_with(c, now);
        }
    }

    /// The runaway guard acts: the account may only cancel from now on.
    pub(crate) fn trip(&mut self, account: u32) {
        if self.ledger.account(account).state == AccountState::Active as u8 {
            self.change_state(account, AccountState::CancelOnly as u8);
        }
    }

    /// A trade of this notional, section 8 done: the maker's account, then the taker's.
    pub(crate) fn note_traded(&mut self, maker: u32, taker: u32, instrument: u32, notional: i64) {
        let asset = self.instruments[instrument as usize - 1].quote_asset;
        let now = self.now;
        for account in [maker, taker] {
            if let Some(guard) = &mut self.ledger.account_mut(account).guard
                && !guard.count_traded(asset, notional, now)
            {
                self.trip(account);
            }
        }
    }

    /// Change the guard of an account; one that says nothing is none.
    fn change_guard(&mut self, account: u32, change: impl FnOnce(&mut Guard)) {
        let place = &mut self.ledger.account_mut(account).guard;
        let mut guard = place.take().unwrap_or_default();
        change(&mut guard);
        *place = (*guard != Guard::default()).then_some(guard);
    }

    /// SET_ACCOUNT_STATE and SET_ACCOUNT_GUARD: what was counted is forgotten.
    pub(crate) fn restart_counters(&mut self, account: u32) {
        if let Some(guard) = &mut self.ledger.account_mut(account).guard {
            guard.counters = GuardCounters::default();
        }
    }

    pub(crate) fn set_order_limits(&mut self, c: &SetOrderLimits) -> Outcome {
        self.known_instrument(c.instrument)?;
        let allowed = 0..=BALANCE_MAX;
        if !allowed.contains(&c.quantity_max) || !allowed.contains(&c.value_max) {
            return Err(RejectReason::InvalidLimit.into());
        }
        let limits = (c.quantity_max, c.value_max);
        self.change_guard(c.account, |guard| {
            if limits == (0, 0) {
                guard.order_limits.remove(&c.instrument);
            } else {
                guard.order_limits.insert(c.instrument, limits);
            }
        });
        self.output.push(&OrderLimitsChanged {
            kind: EventKind::OrderLimitsChanged as u8,
            sequence: self.sequence,
            account: c.account,
            instrument: c.instrument,
            quantity_max: c.quantity_max,
            value_max: c.value_max,
            ..Default::default()
        });
        Ok(Done::default())
    }

    pub(crate) fn set_account_guard(&mut self, c: &SetAccountGuard) -> Outcome {
        let settings = GuardSettings {
            messages_max: c.messages_max,
            repeats_max: c.repeats_max,
            window_ns: c.window_ns,
            traded_max: c.traded_max,
            traded_asset: c.traded_asset,
        };
        let counts_unknown = c.traded_max != 0 && !self.ledger.knows_asset(c.traded_asset);
        if !settings.is_valid() || counts_unknown {
            return Err(RejectReason::InvalidLimit.into());
        }
        self.change_guard(c.account, |guard| {
            guard.settings = settings;
            guard.counters = GuardCounters::default();
        });
        self.output.push(&AccountGuardChanged {
            kind: EventKind::AccountGuardChanged as u8,
            sequence: self.sequence,
            account: c.account,
            messages_max: c.messages_max,
            repeats_max: c.repeats_max,
            window_ns: c.window_ns,
            traded_max: c.traded_max,
            traded_asset: c.traded_asset,
            ..Default::default()
        });
        Ok(Done::default())
    }

    pub(crate) fn set_dead_man(&mut self, account: u32, timeout_ns: i64) -> Outcome {
        if !(0..=DAY_NS).contains(&timeout_ns) {
            return Err(RejectReason::InvalidLimit.into());
        }
        let expires_at = if timeout_ns == 0 { 0 } else { self.now + timeout_ns };
        self.rewind_dead_man(account, expires_at);
        self.output.push(&DeadManSet {
            kind: EventKind::DeadManSet as u8,
            sequence: self.sequence,
            account,
            expires_at,
            ..Default::default()
        });
        Ok(Done::default())
    }

    fn rewind_dead_man(&mut self, account: u32, expires_at: i64) {
        let guard = self.ledger.account(account).guard.as_ref();
        let before = guard.map_or(0, |guard| guard.dead_man_at);
        self.disarm(before, Class::DeadMan, account, 0);
        if expires_at != 0 {
            self.arm(expires_at, Class::DeadMan, account, 0);
        }
        self.change_guard(account, |guard| guard.dead_man_at = expires_at);
    }

    /// The timer of `set_dead_man` is due.
    pub(crate) fn dead_man(&mut self, account: u32) {
        self.change_guard(account, |guard| guard.dead_man_at = 0);
        let slots = self.matching_orders(account, 0, 0);
        self.cancel_all(&slots, CloseReason::DeadMan);
        self.push_mass_cancelled(account, 0, 0, slots.len());
    }
}

#[cfg(test)]
mod tests;
