//! Reservations of firms and quotes of accounts, by account and instrument (section 17).
//!
//! What a firm's reservations hold is summed up in `Firm::used`, in units, with each change of them.

use crate::engine::{DAY_NS, Done, Engine, Outcome, side_index};
use crate::firms::Firm;
use crate::moments::Class;
use crate::wire::*;
use std::collections::BTreeMap;

const TTL_NS: i64 = 30_000_000_000;
const TTL_NS_MIN: i64 = 1_000_000;
/// Largest quantity that may be reserved, in lots.
const RESERVED_MAX: i64 = 1 << 40;

/// What an account has reserved and quotes in one instrument. Pairs: bid, ask; quantities in lots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    pub expires_at: i64,
    /// The maker that set it last; 0 = none.
    pub maker: u32,
    /// ReservationStatus at the grant; 0 for accounts that are no firm, as are the next two.
    pub status: u8,
    pub requested: [i64; 2],
    /// Still held of the budgets.
    pub granted: [i64; 2],
    pub quote: [QuoteSide; 2],
}

/// A side of a quote as it was set; all 0 = no such side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuoteSide {
    pub price: i64,
    pub quantity: i64,
    pub order_id: u64,
}

/// Exposures by (account, instrument).
#[derive(Default)]
pub struct Exposures {
    by_place: BTreeMap<(u32, u32), Exposure>,
}

impl Exposures {
    pub fn get(&self, account: u32, instrument: u32) -> Option<&Exposure> {
        self.by_place.get(&(account, instrument))
    }

    /// An account's by instrument.
    pub fn of_account(&self, account: u32) -> impl Iterator<Item = (u32, &Exposure)> {
        let range = self.by_place.range((account, 0)..=(account, u32::MAX));
        range.map(|(&(_, instrument), exposure)| (instrument, exposure))
    }

    /// All of them by (account, instrument).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&(u32, u32), &Exposure)> {
        self.by_place.iter()
    }

    pub(crate) fn accounts_in(&self, instrument: u32) -> Vec<u32> {
        let places = self.by_place.keys().filter(|(_, i)| *i == instrument);
        places.map(|&(account, _)| account).collect()
    }
}

/// How much of what was asked for was granted.
pub fn grant_status(requested: [i64; 2], granted: [i64; 2]) -> ReservationStatus {
    let is_empty = |side: usize| requested[side] > 0 && granted[side] == 0;
    if requested == granted {
        ReservationStatus::Granted
    } else if is_empty(0) && is_empty(1) {
        ReservationStatus::Denied
    } else {
        ReservationStatus::Partial
    }
}

impl Engine {
    /// When something with this time to live ends.
    pub(crate) fn end_of(&self, ttl_ns: i64) -> Result<i64, RejectReason> {
        match ttl_ns {
            0 => Ok(self.now + TTL_NS),
            TTL_NS_MIN..=DAY_NS => Ok(self.now + ttl_ns),
            _ => Err(RejectReason::InvalidExpiry),
        }
    }

    /// Units of budgets in a lot of the instrument.
    pub(crate) fn units(&self, instrument: u32) -> Result<i64, RejectReason> {
        self.instruments[instrument as usize - 1].units().ok_or(RejectReason::NotQuotable)
    }

    pub(crate) fn check_owner(
        &self,
        account: u32,
        instrument: u32,
        maker: u32,
        epoch: u64,
    ) -> Result<(), RejectReason> {
        let is_owner = self.firm(account)?.is_owner(instrument, maker, epoch);
        if is_owner { Ok(()) } else { Err(RejectReason::NotOwner) }
    }

    /// Slot of a quote's order, while it rests.
    pub(crate) fn resting_side(&self, side: &QuoteSide) -> Option<u32> {
        if side.order_id == 0 { None } else { self.orders.find(side.order_id) }
    }

    /// What a new reservation of the firm in the instrument would get of the wanted lots.
    pub(crate) fn grant(&self, account: u32, instrument: u32, wanted: [i64; 2]) -> [i64; 2] {
        let firm = self.firms.get(account).expect("a firm");
        let units = self.units(instrument).expect("it was checked");
        let held = self.exposures.get(account, instrument).map_or([0; 2], |old| old.granted);
        [0, 1].map(|side| {
            let used = firm.used[side] - held[side] * units;
            wanted[side].min((firm.budgets[side] - used).max(0) / units)
        })
    }

    pub(crate) fn reserve(&mut self, account: u32, c: &Reserve) -> Outcome {
        let expires_at = self.check_reserve(account, c)?;
        let requested = [c.bid_quantity, c.ask_quantity];
        let granted = self.grant(account, c.instrument, requested);
        let old = self.exposures.get(account, c.instrument).copied().unwrap_or_default();
        let exposure = Exposure {
            expires_at,
            maker: c.maker,
            status: grant_status(requested, granted) as u8,
            requested,
            granted,
            quote: old.quote,
        };
        self.push_reserved(account, c.instrument, &exposure);
        for (side, lots) in old.quote.iter().zip(granted) {
            if let Some(slot) = self.resting_side(side)
                && self.orders[slot].leaves > lots
            {
                self.shrink(slot, self.orders[slot].leaves - lots, CloseReason::Exposure);
            }
        }
        self.set_exposure(account, c.instrument, Some(exposure));
        Ok(Done::default())
    }

    fn check_reserve(&self, account: u32, c: &Reserve) -> Result<i64, RejectReason> {
        self.check_account_state(account)?;
        self.firm(account)?;
        let index = self.known_instrument(c.instrument)?;
        if c.definition_version != self.instruments[index].definition_version {
            return Err(RejectReason::StaleDefinition);
        }
        self.units(c.instrument)?;
        self.check_owner(account, c.instrument, c.maker, c.epoch)?;
        let allowed = 0..=RESERVED_MAX;
        if !allowed.contains(&c.bid_quantity) || !allowed.contains(&c.ask_quantity) {
            return Err(RejectReason::InvalidQuantity);
        }
        self.end_of(c.ttl_ns)
    }

    pub(crate) fn push_reserved(&mut self, account: u32, instrument: u32, exposure: &Exposure) {
        self.output.push(&Reserved {
            kind: EventKind::Reserved as u8,
            status: exposure.status,
            sequence: self.sequence,
            account,
            instrument,
            requested_bid: exposure.requested[0],
            requested_ask: exposure.requested[1],
            granted_bid: exposure.granted[0],
            granted_ask: exposure.granted[1],
            expires_at: exposure.expires_at,
            time_ns: self.now,
            maker: exposure.maker,
            ..Default::default()
        });
    }

    /// Put an exposure into the place of the one before, or end it, with its timer and what it
    /// holds of the budgets; no event.
    pub(crate) fn set_exposure(
        &mut self,
        account: u32,
        instrument: u32,
        exposure: Option<Exposure>,
    ) {
        let place = (account, instrument);
        if let Some(old) = self.exposures.by_place.remove(&place) {
            self.disarm(old.expires_at, Class::Exposure, account, instrument);
            self.use_budget(account, instrument, old.granted.map(|lots| -lots));
        }
        if let Some(exposure) = exposure {
            self.arm(exposure.expires_at, Class::Exposure, account, instrument);
            self.use_budget(account, instrument, exposure.granted);
            self.exposures.by_place.insert(place, exposure);
        }
    }

    /// So many more lots of the firm are granted in the instrument, or less.
    fn use_budget(&mut self, account: u32, instrument: u32, lots: [i64; 2]) {
        if lots == [0; 2] {
            return;
        }
        let units = self.units(instrument).expect("only what is quotable was granted");
        let firm: &mut Firm = self.firms.get_mut(account).expect("only firms have grants");
        for side in [0, 1] {
            firm.used[side] += lots[side] * units;
            assert!(firm.used[side] >= 0, "more released than granted");
        }
    }

    pub(crate) fn release(&mut self, account: u32, c: &Release) -> Outcome {
        self.known_instrument(c.instrument)?;
        if self.firms.get(account).is_some() && c.maker != 0 {
            self.check_owner(account, c.instrument, c.maker, c.epoch)?;
        }
        if self.exposures.get(account, c.instrument).is_some() {
            self.end_exposure(account, c.instrument, EndReason::Requested);
        } else {
            self.push_released(account, c.instrument, [0; 2], EndReason::Requested);
        }
        Ok(Done::default())
    }

    /// Leaves of an order with option QUOTE fell by so many lots.
    pub(crate) fn quote_fell(&mut self, account: u32, instrument: u32, side: u8, by: i64) {
        let exposure = self.exposures.by_place.get_mut(&(account, instrument));
        let exposure = exposure.expect("the order of a quote has its record");
        let side = side_index(side);
        let freed = by.min(exposure.granted[side]);
        exposure.granted[side] -= freed;
        let mut lots = [0; 2];
        lots[side] = -freed;
        self.use_budget(account, instrument, lots);
    }

    /// A reservation or quote is due.
    pub(crate) fn exposure_ends(&mut self, account: u32, instrument: u32) {
        self.end_exposure(account, instrument, EndReason::Time);
    }

    /// KILLED: everything of the account ends, after its orders were cancelled.
    pub(crate) fn end_exposures(&mut self, account: u32) {
        let instruments: Vec<u32> = self.exposures.of_account(account).map(|(i, _)| i).collect();
        for instrument in instruments {
            self.end_exposure(account, instrument, EndReason::Kill);
        }
    }

    /// End a reservation with its quote, if there is one.
    pub(crate) fn end_exposure(&mut self, account: u32, instrument: u32, reason: EndReason) {
        let Some(old) = self.exposures.get(account, instrument).copied() else { return };
        let (status, close_reason) = match reason {
            EndReason::Time => (OrderStatus::Expired, CloseReason::Time),
            _ => (OrderStatus::Cancelled, CloseReason::Requested),
        };
        for side in old.quote {
            if let Some(slot) = self.resting_side(&side) {
                self.close_live(slot, status, close_reason);
            }
        }
        self.set_exposure(account, instrument, None);
        self.push_released(account, instrument, old.granted, reason);
    }

    fn push_released(
        &mut self,
        account: u32,
        instrument: u32,
        [freed_bid, freed_ask]: [i64; 2],
        reason: EndReason,
    ) {
        self.output.push(&ReservationReleased {
            kind: EventKind::ReservationReleased as u8,
            status: reason as u8,
            sequence: self.sequence,
            account,
            instrument,
            freed_bid,
            freed_ask,
            time_ns: self.now,
            ..Default::default()
        });
    }

    /// Has an instrument a reservation or a quote?
    pub(crate) fn is_exposed(&self, instrument: u32) -> bool {
        self.exposures.by_place.keys().any(|(_, i)| *i == instrument)
    }
}

#[cfg(test)]
mod tests;
