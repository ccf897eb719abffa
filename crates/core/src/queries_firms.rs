//! Read-only questions about firms, their makers and exposures, about sessions and guards.

use crate::engine::Engine;
use crate::exposure::{Exposure, QuoteSide};
use crate::firms::{Firm, Maker};
use crate::guard::{Guard, GuardCounters, GuardSettings, SECOND_NS};
use crate::sessions::{LEASE_NS, Session};

/// A firm; budgets, what is used of them and the limit in units of 10^-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmView {
    pub account: u32,
    pub account_id: String,
    pub budget_bid: i64,
    pub budget_ask: i64,
    pub used_bid: i64,
    pub used_ask: i64,
    /// Per instrument, 0 = none.
    pub position_limit: i64,
    pub lease_ns: i64,
}

/// A live maker with the instruments that it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakerView {
    pub maker: u32,
    pub name: String,
    pub epoch: u64,
    pub lease_until: i64,
    pub instruments: Vec<u32>,
}

/// A reservation with its quote, or a quote of an account that is no firm; lots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposureView {
    pub instrument: u32,
    /// ReservationStatus; 0 = the account was no firm.
    pub status: u8,
    pub maker: u32,
    pub expires_at: i64,
    pub bid: SideView,
    pub ask: SideView,
}

/// One side of an exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideView {
    pub requested: i64,
    /// Still held of the budget.
    pub granted: i64,
    /// Of the quote as it was set; 0 = no such side, or no quote.
    pub price: i64,
    pub quantity: i64,
    pub order_id: u64,
    /// What of the order rests now.
    pub leaves: i64,
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    pub session: u32,
    pub name: String,
    pub cancels_on_disconnect: bool,
    pub binding: u64,
    pub holder: u64,
    /// When it ends unless its holder writes.
    pub lease_until: i64,
}

/// An account's guard with what counts now: in this second, in this window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardView {
    pub settings: GuardSettings,
    pub messages: u64,
    /// How many orders repeat each other up to the last one.
    pub repeats: u64,
    pub traded: i128,
    /// When the dead-man timer is due, 0 = off.
    pub dead_man_at: i64,
    /// (instrument, quantity_max, value_max), 0 = none.
    pub order_limits: Vec<(u32, i64, i64)>,
}

impl Engine {
    /// All firms, by account.
    pub fn firm_views(&self) -> Vec<FirmView> {
        self.firms.iter().map(|(account, firm)| self.firm_view(account, firm)).collect()
    }

    fn firm_view(&self, account: u32, firm: &Firm) -> FirmView {
        FirmView {
            account,
            account_id: self.ledger.names[account as usize - 1].0.to_string(),
            budget_bid: firm.budgets[0],
            budget_ask: firm.budgets[1],
            used_bid: firm.used[0],
            used_ask: firm.used[1],
            position_limit: firm.position_limit,
            lease_ns: firm.lease_ns,
        }
    }

    /// A firm's live makers, by number.
    pub fn maker_views(&self, account: u32) -> Vec<MakerView> {
        let Some(firm) = self.firms.get(account) else { return Vec::new() };
        let view = |(&maker, Maker { name, epoch, lease_until }): (&u32, &Maker)| {
            let made = firm.owners.iter().filter(|(_, owner)| **owner == maker);
            let instruments = made.map(|(&instrument, _)| instrument).collect();
            let (epoch, lease_until) = (*epoch, *lease_until);
            MakerView { maker, name: name.to_string(), epoch, lease_until, instruments }
        };
        firm.makers.iter().map(view).collect()
    }

    /// (instrument, maker or 0) of the instruments that a firm makes.
    pub fn firm_symbols(&self, account: u32) -> Vec<(u32, u32)> {
        let owners = self.firms.get(account).map(|firm| &firm.owners);
        owners.into_iter().flatten().map(|(&instrument, &maker)| (instrument, maker)).collect()
    }

    /// An account's reservations and quotes, by instrument.
    pub fn exposure_views(&self, account: u32) -> Vec<ExposureView> {
        let exposures = self.exposures.of_account(account);
        exposures.map(|(instrument, exposure)| self.exposure_view(instrument, exposure)).collect()
    }

    /// Accounts with a reservation or a quote in an instrument, ascending.
    pub fn exposed_accounts(&self, instrument: u32) -> Vec<u32> {
        self.exposures.accounts_in(instrument)
    }

    fn exposure_view(&self, instrument: u32, exposure: &Exposure) -> ExposureView {
        let side = |i: usize| {
            let QuoteSide { price, quantity, order_id } = exposure.quote[i];
            let slot = self.resting_side(&exposure.quote[i]);
            let leaves = slot.map_or(0, |slot| self.orders[slot].leaves);
            let (requested, granted) = (exposure.requested[i], exposure.granted[i]);
            SideView { requested, granted, price, quantity, order_id, leaves }
        };
        ExposureView {
            instrument,
            status: exposure.status,
            maker: exposure.maker,
            expires_at: exposure.expires_at,
            bid: side(0),
            ask: side(1),
        }
    }

    /// An account's sessions, by name.
    pub fn session_views(&self, account: u32) -> Vec<SessionView> {
        let view = |(session, s): (u32, &Session)| SessionView {
            session,
            name: s.name.to_string(),
            cancels_on_disconnect: s.cancels,
            binding: s.binding,
            holder: s.holder,
            lease_until: self.sessions.seen_at(s.holder) + LEASE_NS,
        };
        self.sessions.of_account(account).map(view).collect()
    }

    /// An account's guard; one without bounds when it has none.
    pub fn guard_view(&self, account: u32) -> GuardView {
        let Some(guard) = &self.ledger.account(account).guard else { return GuardView::default() };
        let Guard { order_limits, settings, counters, dead_man_at } = &**guard;
        let GuardCounters { second, messages, run, traded_window, traded } = *counters;
        let in_window =
            |window: i64| settings.window_ns > 0 && self.now / settings.window_ns == window;
        let repeats = run.filter(|run| in_window(run.window)).map_or(0, |run| run.number);
        GuardView {
            settings: *settings,
            messages: if second == self.now / SECOND_NS { messages } else { 0 },
            repeats,
            traded: if in_window(traded_window) { traded } else { 0 },
            dead_man_at: *dead_man_at,
            order_limits: order_limits.iter().map(|(&i, &(q, v))| (i, q, v)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
