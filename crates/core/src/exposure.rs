//! Reservations of firms and quotes of accounts, by account and instrument (section 17).

use crate::engine::{Engine, Outcome};
use crate::wire::*;

#[derive(Default)]
pub struct Exposures {}

impl Engine {
    pub(crate) fn quote(&mut self, account: u32, c: &Quote) -> Outcome {
        let _ = (account, c);
        unimplemented!()
    }

    pub(crate) fn reserve(&mut self, account: u32, c: &Reserve) -> Outcome {
        let _ = (account, c);
        unimplemented!()
    }

    pub(crate) fn release(&mut self, account: u32, c: &Release) -> Outcome {
        let _ = (account, c);
        unimplemented!()
    }

    /// Leaves of an order with option QUOTE fell by so many lots.
    pub(crate) fn quote_fell(&mut self, account: u32, instrument: u32, side: u8, by: i64) {
        let _ = (account, instrument, side, by);
        unimplemented!()
    }

    /// A reservation or quote is due.
    pub(crate) fn exposure_ends(&mut self, account: u32, instrument: u32) {
        let _ = (account, instrument);
        unimplemented!()
    }

    /// KILLED: everything of the account ends, after its orders were cancelled.
    pub(crate) fn end_exposures(&mut self, account: u32) {
        let _ = account;
        unimplemented!()
    }

    /// REMOVE_INSTRUMENT: firms no longer make it, its reservations and quotes end.
    pub(crate) fn end_instrument(&mut self, instrument: u32) {
        let _ = instrument;
    }

    /// Has an instrument a reservation or a quote?
    pub(crate) fn is_exposed(&self, instrument: u32) -> bool {
        let _ = instrument;
        false
    }
}
