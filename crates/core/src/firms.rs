//! Firms: budgets, makers and their leases, the instruments that they make (sections 17 and 18).

use crate::admin::whole_step;
use crate::engine::{Done, Engine, Instrument, Outcome, Reject};
use crate::ledger::BALANCE_MAX;
use crate::moments::Class;
use crate::sessions::is_name;
use crate::wire::*;
use std::collections::BTreeMap;

/// Decimal places of a unit of budgets.
pub const UNIT_SCALE: u32 = 8;
const LEASE_NS_MIN: i64 = 100_000_000;
const LEASE_NS_MAX: i64 = 3_600_000_000_000;
/// Live makers of one firm.
const MAKERS_MAX: usize = 1_000;

/// An account that makes markets under a budget. Budgets and limits in units of 10^-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firm {
    /// Of bids and asks over all instruments.
    pub budgets: [i64; 2],
    /// What is granted of them.
    pub used: [i64; 2],
    /// Per instrument; 0 = none.
    pub position_limit: i64,
    pub lease_ns: i64,
    /// Live makers by number.
    pub makers: BTreeMap<u32, Maker>,
    /// The number given last.
    pub last_maker: u32,
    /// The instruments that it makes, and the maker of each; 0 = nobody.
    pub owners: BTreeMap<u32, u32>,
}

/// A live node of a firm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maker {
    pub name: Box<str>,
    /// Of its run.
    pub epoch: u64,
    pub lease_until: i64,
}

impl Firm {
    fn maker_of(&self, name: &str) -> Option<u32> {
        self.makers.iter().find(|(_, maker)| &*maker.name == name).map(|(&number, _)| number)
    }

    /// May this maker's run act in the instrument?
    pub(crate) fn is_owner(&self, instrument: u32, maker: u32, epoch: u64) -> bool {
        let is_live = self.makers.get(&maker).is_some_and(|live| live.epoch == epoch);
        match self.owners.get(&instrument) {
            Some(&owner) => is_live && owner == maker,
            None => is_live || maker == 0,
        }
    }

    /// What of the budget of a side (0 bids, 1 asks) is not granted.
    pub fn available(&self, side: usize) -> i64 {
        (self.budgets[side] - self.used[side]).max(0)
    }
}

/// Firms by account.
#[derive(Default)]
pub struct Firms {
    by_account: BTreeMap<u32, Firm>,
}

impl Firms {
    pub fn get(&self, account: u32) -> Option<&Firm> {
        self.by_account.get(&account)
    }

    pub(crate) fn get_mut(&mut self, account: u32) -> Option<&mut Firm> {
        self.by_account.get_mut(&account)
    }

    pub(crate) fn insert(&mut self, account: u32, firm: Firm) {
        self.by_account.insert(account, firm);
    }

    /// All firms by account.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, &Firm)> {
        self.by_account.iter().map(|(&account, firm)| (account, firm))
    }

    /// Accounts of the firms that make an instrument.
    fn making(&self, instrument: u32) -> Vec<u32> {
        let makes = |(account, firm): (u32, &Firm)| {
            firm.owners.contains_key(&instrument).then_some(account)
        };
        self.iter().filter_map(makes).collect()
    }
}

impl Instrument {
    /// Units of budgets in a lot, when that is a whole number within bounds.
    pub fn units(&self) -> Option<i64> {
        whole_step(self.lot_mantissa.into(), UNIT_SCALE, self.lot_exponent.into())
    }
}

impl Engine {
    pub(crate) fn firm(&self, account: u32) -> Result<&Firm, RejectReason> {
        self.firms.get(account).ok_or(RejectReason::NotAFirm)
    }

    pub(crate) fn define_firm(&mut self, c: &DefineFirm) -> Outcome {
        let amounts = [c.budget_bid, c.budget_ask, c.position_limit];
        let valid = amounts.iter().all(|amount| (0..=BALANCE_MAX).contains(amount))
            && (LEASE_NS_MIN..=LEASE_NS_MAX).contains(&c.lease_ns);
        if !valid {
            return Err(RejectReason::InvalidLimit.into());
        }
        let mut firm = self.firms.by_account.remove(&c.account).unwrap_or_default();
        firm.budgets = [c.budget_bid, c.budget_ask];
        firm.position_limit = c.position_limit;
        firm.lease_ns = c.lease_ns;
        self.firms.insert(c.account, firm);
        self.output.push(&FirmChanged {
            kind: EventKind::FirmChanged as u8,
            sequence: self.sequence,
            account: c.account,
            budget_bid: c.budget_bid,
            budget_ask: c.budget_ask,
            position_limit: c.position_limit,
            lease_ns: c.lease_ns,
            ..Default::default()
        });
        Ok(Done::default())
    }

    pub(crate) fn set_firm_symbol(&mut self, c: &SetFirmSymbol) -> Outcome {
        const ADD: u8 = 1;
        const REMOVE: u8 = 2;
        let makes = self.firm(c.account)?.owners.contains_key(&c.instrument);
        let index = self.known_instrument(c.instrument)?;
        match c.mode {
            ADD if self.instruments[index].units().is_none() => {
                return Err(RejectReason::NotQuotable.into());
            }
            ADD if !makes => self.add_symbol(c.account, c.instrument),
            REMOVE if makes => self.remove_symbol(c.account, c.instrument, EndReason::Requested),
            ADD | REMOVE => {}
            _ => return Err(RejectReason::InvalidCombination.into()),
        }
        Ok(Done::default())
    }

    fn add_symbol(&mut self, account: u32, instrument: u32) {
        let firm = self.firms.get_mut(account).expect("a firm");
        firm.owners.insert(instrument, 0);
        self.push_symbol_changed(account, instrument, 1);
        self.assign(account);
    }

    fn remove_symbol(&mut self, account: u32, instrument: u32, reason: EndReason) {
        let firm = self.firms.get_mut(account).expect("a firm");
        firm.owners.remove(&instrument);
        self.push_symbol_changed(account, instrument, 2);
        self.end_exposure(account, instrument, reason);
        self.assign(account);
    }

    fn push_symbol_changed(&mut self, account: u32, instrument: u32, status: u8) {
        self.output.push(&FirmSymbolChanged {
            kind: EventKind::FirmSymbolChanged as u8,
            status,
            sequence: self.sequence,
            account,
            instrument,
            ..Default::default()
        });
    }

    /// REMOVE_INSTRUMENT: firms no longer make it, its reservations and quotes end.
    pub(crate) fn end_instrument(&mut self, instrument: u32) {
        for account in self.firms.making(instrument) {
            self.remove_symbol(account, instrument, EndReason::Removed);
        }
        for account in self.exposures.accounts_in(instrument) {
            self.end_exposure(account, instrument, EndReason::Removed);
        }
    }

    pub(crate) fn maker_heartbeat(
        &mut self,
        account: u32,
        mode: u8,
        epoch: u64,
        name: &str,
    ) -> Outcome {
        let firm = self.firm(account)?;
        if !is_name(name) {
            return Err(RejectReason::InvalidName.into());
        }
        if mode > 1 || epoch == 0 {
            return Err(RejectReason::InvalidCombination.into());
        }
        let is_leaving = mode == 1;
        let number = match firm.maker_of(name) {
            Some(number) => self.known_maker(account, number, epoch)?,
            None if is_leaving => return Ok(Done::default()),
            None => self.new_maker(account, name, epoch)?,
        };
        if is_leaving {
            self.maker_leaves(account, number, EndReason::Requested);
        }
        Ok(Done::default())
    }

    /// A live maker was heard of again.
    fn known_maker(&mut self, account: u32, number: u32, epoch: u64) -> Result<u32, Reject> {
        let known = self.firms.by_account[&account].makers[&number].epoch;
        if epoch < known {
            return Err(RejectReason::StaleMaker.into());
        }
        self.renew_lease(account, number, epoch);
        if epoch > known {
            self.push_joined(account, number);
        }
        Ok(number)
    }

    fn new_maker(&mut self, account: u32, name: &str, epoch: u64) -> Result<u32, Reject> {
        let firm = self.firms.get_mut(account).expect("a firm");
        let has_room = firm.makers.len() < MAKERS_MAX;
        let next = firm.last_maker.checked_add(1).filter(|_| has_room);
        let number = next.ok_or(RejectReason::TooManyMakers)?;
        firm.last_maker = number;
        firm.makers.insert(number, Maker { name: name.into(), epoch, lease_until: 0 });
        self.renew_lease(account, number, epoch);
        self.push_joined(account, number);
        self.assign(account);
        Ok(number)
    }

    fn renew_lease(&mut self, account: u32, number: u32, epoch: u64) {
        let firm = self.firms.get_mut(account).expect("a firm");
        let lease_until = self.now + firm.lease_ns;
        let maker = firm.makers.get_mut(&number).expect("a live maker");
        let before = std::mem::replace(&mut maker.lease_until, lease_until);
        maker.epoch = epoch;
        self.disarm(before, Class::MakerLease, account, number);
        self.arm(lease_until, Class::MakerLease, account, number);
    }

    fn push_joined(&mut self, account: u32, number: u32) {
        let firm = &self.firms.by_account[&account];
        let maker = &firm.makers[&number];
        self.output.push(&MakerJoined {
            kind: EventKind::MakerJoined as u8,
            flags: record_flag::TEXT,
            sequence: self.sequence,
            account,
            maker: number,
            epoch: maker.epoch,
            lease_ns: firm.lease_ns,
            ..Default::default()
        });
        self.output.push_text(&maker.name);
    }

    fn maker_leaves(&mut self, account: u32, number: u32, reason: EndReason) {
        let firm = self.firms.get_mut(account).expect("a firm");
        let maker = firm.makers.remove(&number).expect("a live maker");
        self.disarm(maker.lease_until, Class::MakerLease, account, number);
        self.output.push(&MakerLeft {
            kind: EventKind::MakerLeft as u8,
            status: reason as u8,
            sequence: self.sequence,
            account,
            maker: number,
            ..Default::default()
        });
        self.assign(account);
    }

    pub(crate) fn maker_lapses(&mut self, account: u32, maker: u32) {
        self.maker_leaves(account, maker, EndReason::Lapsed);
    }
}

#[cfg(test)]
mod tests;
