//! Safety of accounts: bounds of orders, message rate, runaway guard, dead-man timer (section 16).

use crate::engine::{Engine, Outcome, Reject};
use crate::wire::*;
use std::collections::BTreeMap;

/// What few accounts have set for themselves or were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// (quantity_max, value_max) by instrument; 0 = none.
    pub order_limits: BTreeMap<u32, (i64, i64)>,
}

impl Engine {
    /// Checks of PLACE_ORDER, REPLACE_ORDER and QUOTE after the account's state: its session (0 =
    /// none) and its message rate. Only called for accounts with a guard, or with a session.
    pub(crate) fn check_entry(&mut self, account: u32, session: u32) -> Result<(), Reject> {
        let _ = (account, session);
        unimplemented!()
    }

    /// ACCOUNT_MAX_QUANTITY.
    pub(crate) fn check_account_quantity(
        &self,
        account: u32,
        instrument: u32,
        quantity: i64,
    ) -> Result<(), Reject> {
        let _ = (account, instrument, quantity);
        unimplemented!()
    }

    /// ACCOUNT_MAX_VALUE of this many lots at a price; `None`: no price to value it at.
    pub(crate) fn check_account_value(
        &self,
        account: u32,
        instrument: u32,
        price: Option<i64>,
        quantity: i64,
    ) -> Result<(), Reject> {
        let _ = (account, instrument, price, quantity);
        unimplemented!()
    }

    /// RUNAWAY_GUARD: the last check of PLACE_ORDER.
    pub(crate) fn check_repeats(&self, account: u32, c: &PlaceOrder) -> Result<(), Reject> {
        let _ = (account, c);
        unimplemented!()
    }

    /// A PLACE_ORDER of an account with a guard was accepted.
    pub(crate) fn note_order(&mut self, account: u32, c: &PlaceOrder) {
        let _ = (account, c);
        unimplemented!()
    }

    /// The runaway guard refused an order: the account may only cancel from now on.
    pub(crate) fn trip(&mut self, account: u32) {
        let _ = account;
        unimplemented!()
    }

    /// A trade of this notional, section 8 done: the maker's account, then the taker's.
    pub(crate) fn note_traded(&mut self, maker: u32, taker: u32, instrument: u32, notional: i64) {
        let _ = (maker, taker, instrument, notional);
        unimplemented!()
    }

    pub(crate) fn set_order_limits(&mut self, c: &SetOrderLimits) -> Outcome {
        let _ = c;
        unimplemented!()
    }

    pub(crate) fn set_account_guard(&mut self, c: &SetAccountGuard) -> Outcome {
        let _ = c;
        unimplemented!()
    }

    pub(crate) fn set_dead_man(&mut self, account: u32, timeout_ns: i64) -> Outcome {
        let _ = (account, timeout_ns);
        unimplemented!()
    }

    /// The timer of `set_dead_man` is due.
    pub(crate) fn dead_man(&mut self, account: u32) {
        let _ = account;
        unimplemented!()
    }
}
