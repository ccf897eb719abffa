//! Accounts and their money: opening, states, limits, deposits, transfers (rulebook section 11).

use crate::account::Account;
use crate::engine::{Done, Engine, Outcome, Reject};
use crate::ledger::{BALANCE_MAX, CREDIT_MAX, Grant};
use crate::orders::NONE;
use crate::wire::*;

const NAME_BYTES_MAX: usize = 128;

fn is_account_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| (0x21..=0x7e).contains(&b))
}

/// The id in an OPEN_ACCOUNT's text, and the name after it.
fn split_name(text: &str) -> (&str, &str) {
    text.split_once('\u{1f}').unwrap_or((text, ""))
}

impl Engine {
    /// The account that an OPEN_ACCOUNT's text names, whatever became of the command; 0 = none.
    pub(crate) fn opened_account(&self, text: Option<&str>) -> u32 {
        text.and_then(|text| self.ledger.number_of(split_name(text).0)).unwrap_or(0)
    }

    pub(crate) fn open_account(&mut self, header: &CommandHeader, text: &str) -> Outcome {
        let (id, name) = split_name(text);
        if !is_account_id(id) || name.len() > NAME_BYTES_MAX {
            return Err(RejectReason::InvalidAccountId.into());
        }
        if self.ledger.number_of(id).is_some() {
            let tolerated = header.flags & record_flag::IF_ABSENT != 0;
            return if tolerated {
                Ok(Done::default())
            } else {
                Err(RejectReason::AccountExists.into())
            };
        }
        let count = self.ledger.accounts.len() as u64;
        if count >= self.parameters.accounts_max || count >= u64::from(u32::MAX - 1) {
            return Err(RejectReason::TooManyAccounts.into());
        }
        let account_type = if header.mode == 0 { AccountType::Cash as u8 } else { header.mode };
        if AccountType::from_number(account_type).is_none() {
            return Err(RejectReason::InvalidCombination.into());
        }
        let starts = header.flags & record_flag::STARTING_BALANCES != 0;
        if starts && self.ledger.starting_balances.values().any(|&amount| amount > BALANCE_MAX) {
            return Err(RejectReason::BalanceOverflow.into());
        }
        let grant = if starts { self.current_grant() } else { NONE };
        let account = Account::new(account_type, AccountState::Active as u8, grant);
        let number = self.ledger.add_account(id, name, account);
        self.output.push(&AccountOpened {
            kind: EventKind::AccountOpened as u8,
            flags: record_flag::TEXT,
            status: account_type,
            sequence: self.sequence,
            account: number,
            time_ns: self.now,
            ..Default::default()
        });
        self.output.push_text(text);
        if starts {
            self.announce_grant(number, grant);
        }
        Ok(Done::default())
    }

    /// Index of the grant that stands for today's starting balances and reference prices.
    fn current_grant(&mut self) -> u32 {
        if self.ledger.grant_is_stale || self.ledger.grants.is_empty() {
            self.ledger.grant_is_stale = false;
            let amounts = self.ledger.starting_balances.iter();
            let balances: Vec<_> =
                amounts.filter(|(_, a)| **a > 0).map(|(&asset, &a)| (asset, a)).collect();
            let mut positions = Vec::new();
            for &(asset, amount) in &balances {
                if let Some(&number) = self.primary_instruments.get(&asset) {
                    let instrument = &self.instruments[number as usize - 1];
                    let lots = amount / instrument.lot;
                    let cost = i128::from(lots) * i128::from(instrument.reference_price);
                    positions.push((number, lots, cost));
                }
            }
            positions.sort_unstable();
            self.ledger.grants.push(Grant { balances, positions });
        }
        self.ledger.grants.len() as u32 - 1
    }

    fn announce_grant(&mut self, account: u32, grant: u32) {
        for i in 0..self.ledger.grants[grant as usize].balances.len() {
            let (asset, amount) = self.ledger.grants[grant as usize].balances[i];
            self.ledger.asset_mut(asset).deposits += i128::from(amount);
            self.push_funds_moved(CommandKind::OpenAccount, account, asset, 0, amount, amount);
        }
    }

    fn push_funds_moved(
        &mut self,
        cause: CommandKind,
        account: u32,
        asset: u32,
        counterpart: u32,
        amount: i64,
        balance: i64,
    ) {
        self.output.push(&FundsMoved {
            kind: EventKind::FundsMoved as u8,
            status: cause as u8,
            sequence: self.sequence,
            account,
            asset,
            counterpart,
            amount,
            balance,
            time_ns: self.now,
            ..Default::default()
        });
    }

    pub(crate) fn set_account_state(&mut self, account: u32, state: u8) -> Outcome {
        let is_later = state == AccountState::CancelOnly as u8 && self.rules_version < 2;
        if AccountState::from_number(state).is_none() || is_later {
            return Err(RejectReason::InvalidCombination.into());
        }
        self.restart_counters(account);
        self.change_state(account, state);
        let mut done = Done::default();
        if state == AccountState::Killed as u8 {
            let slots = self.matching_orders(account, 0, 0);
            self.cancel_all(&slots, CloseReason::Kill);
            self.end_exposures(account);
            self.push_mass_cancelled(account, 0, 0, slots.len());
            done.result = slots.len() as u32;
        }
        Ok(done)
    }

    pub(crate) fn change_state(&mut self, account: u32, state: u8) {
        self.ledger.account_mut(account).state = state;
        self.output.push(&AccountStateChanged {
            kind: EventKind::AccountStateChanged as u8,
            status: state,
            sequence: self.sequence,
            account,
            ..Default::default()
        });
    }

    fn limits_changed(
        &mut self,
        kind: CommandKind,
        account: u32,
        event: AccountLimitsChanged,
    ) -> Outcome {
        self.output.push(&AccountLimitsChanged {
            kind: EventKind::AccountLimitsChanged as u8,
            sequence: self.sequence,
            account,
            limit_kind: kind as u32,
            ..event
        });
        Ok(Done::default())
    }

    pub(crate) fn set_account_limits(&mut self, account: u32, open_orders_max: u32) -> Outcome {
        self.ledger.account_mut(account).open_orders_max = open_orders_max;
        let event =
            AccountLimitsChanged { open_orders_max: open_orders_max.into(), ..Default::default() };
        self.limits_changed(CommandKind::SetAccountLimits, account, event)
    }

    pub(crate) fn set_position_limit(&mut self, c: &SetPositionLimit) -> Outcome {
        self.known_instrument(c.instrument)?;
        if !(0..=BALANCE_MAX).contains(&c.position_max) {
            return Err(RejectReason::InvalidLimit.into());
        }
        self.ledger.position_mut(c.account, c.instrument).limit = c.position_max;
        let event = AccountLimitsChanged {
            instrument: c.instrument,
            position_max: c.position_max,
            ..Default::default()
        };
        self.limits_changed(CommandKind::SetPositionLimit, c.account, event)
    }

    pub(crate) fn set_credit(&mut self, c: &SetCredit) -> Outcome {
        if c.asset != 0 && !self.ledger.knows_asset(c.asset) {
            return Err(RejectReason::UnknownAsset.into());
        }
        if !(0..=CREDIT_MAX).contains(&c.credit) {
            return Err(RejectReason::InvalidLimit.into());
        }
        let account = self.ledger.account_mut(c.account);
        if account.account_type != AccountType::Credit as u8 {
            return Err(RejectReason::NotCreditAccount.into());
        }
        account.set_credit(c.asset, c.credit);
        let event = AccountLimitsChanged { credit: c.credit, asset: c.asset, ..Default::default() };
        self.limits_changed(CommandKind::SetCredit, c.account, event)
    }

    fn check_amount(&self, asset: u32, amount: i64) -> Result<(), Reject> {
        if !self.ledger.knows_asset(asset) {
            return Err(RejectReason::UnknownAsset.into());
        }
        if amount <= 0 {
            return Err(RejectReason::InvalidAmount.into());
        }
        Ok(())
    }

    /// Would the account's balance stay representable with this much more?
    fn check_room(&self, account: u32, asset: u32, amount: i64) -> Result<(), Reject> {
        let total = i128::from(self.ledger.balance(account, asset).total) + i128::from(amount);
        if total.abs() > i128::from(BALANCE_MAX) {
            return Err(RejectReason::BalanceOverflow.into());
        }
        Ok(())
    }

    pub(crate) fn deposit(&mut self, c: &Deposit) -> Outcome {
        self.check_amount(c.asset, c.amount)?;
        self.check_room(c.account, c.asset, c.amount)?;
        self.ledger.asset_mut(c.asset).deposits += i128::from(c.amount);
        self.move_funds(CommandKind::Deposit, c.account, c.asset, 0, c.amount);
        self.shrink_after_move(c.account, c.asset);
        Ok(Done::default())
    }

    pub(crate) fn withdraw(&mut self, c: &Withdraw) -> Outcome {
        self.check_amount(c.asset, c.amount)?;
        self.check_funds(c.account, c.asset, c.amount)?;
        self.ledger.asset_mut(c.asset).withdrawals += i128::from(c.amount);
        self.move_funds(CommandKind::Withdraw, c.account, c.asset, 0, -c.amount);
        self.shrink_after_move(c.account, c.asset);
        Ok(Done::default())
    }

    pub(crate) fn transfer(&mut self, c: &Transfer) -> Outcome {
        if !self.ledger.exists(c.to_account) {
            return Err(RejectReason::UnknownAccount.into());
        }
        self.check_amount(c.asset, c.amount)?;
        if c.to_account == c.account {
            return Err(RejectReason::SameAccount.into());
        }
        self.check_funds(c.account, c.asset, c.amount)?;
        self.check_room(c.to_account, c.asset, c.amount)?;
        self.move_funds(CommandKind::Transfer, c.account, c.asset, c.to_account, -c.amount);
        self.move_funds(CommandKind::Transfer, c.to_account, c.asset, c.account, c.amount);
        self.shrink_after_move(c.account, c.asset);
        self.shrink_after_move(c.to_account, c.asset);
        Ok(Done::default())
    }

    /// Change a balance and the position that its coins are counted in; with its event.
    fn move_funds(
        &mut self,
        cause: CommandKind,
        account: u32,
        asset: u32,
        counterpart: u32,
        amount: i64,
    ) {
        let balance = self.ledger.balance_mut(account, asset);
        balance.total += amount;
        let total = balance.total;
        if let Some(&number) = self.primary_instruments.get(&asset) {
            let instrument = &self.instruments[number as usize - 1];
            let (lots, reference) = (amount / instrument.lot, instrument.reference_price);
            let position = self.ledger.position_mut(account, number);
            if lots > 0 {
                position.trade(lots, reference);
            } else {
                position.withdraw(-lots);
            }
        }
        self.push_funds_moved(cause, account, asset, counterpart, amount, total);
    }

    fn shrink_after_move(&mut self, account: u32, asset: u32) {
        if let Some(&number) = self.primary_instruments.get(&asset) {
            self.shrink_reduce_only(account, number);
        }
    }
}
