//! Money and positions: what accounts own, hold and owe, in whole minor units.

use crate::account::{Account, Balance, Position};
use crate::index::{FlatIndex, prefetch_at};
use crate::orders::NONE;
use std::collections::BTreeMap;

/// Balances stay within ± this bound at every door (deposits, transfers).
pub const BALANCE_MAX: i64 = 1 << 62;
/// Largest credit line.
pub const CREDIT_MAX: i64 = 1 << 61;

#[derive(Clone, Debug, Default)]
pub struct Asset {
    pub code: String,
    /// Decimal places of one minor unit.
    pub scale: u32,
    pub deposits: i128,
    pub withdrawals: i128,
    /// What the market earned in fees, net of rebates.
    pub fees: i128,
}

/// Starting balances as they stood when accounts were opened with them.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// (asset, amount), by asset.
    pub balances: Vec<(u32, i64)>,
    /// (instrument, lots, cost), by instrument.
    pub positions: Vec<(u32, i64, i128)>,
}

/// A change of what an order sets aside, and of the lots that it has open.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    pub asset: u32,
    pub amount: i64,
    pub side: u8,
    pub lots: i64,
}

impl std::ops::Neg for Hold {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { amount: -self.amount, lots: -self.lots, ..self }
    }
}

/// What a trade moves for one of its parties, signed; `price` in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    pub instrument: u32,
    pub base: u32,
    pub quote: u32,
    pub coins: i64,
    pub money: i64,
    /// What a resting order no longer sets aside.
    pub coins_released: i64,
    pub money_released: i64,
    pub lots: i64,
    pub price: i64,
}

#[derive(Default)]
pub struct Ledger {
    /// Asset n at n - 1.
    pub assets: Vec<Asset>,
    /// Account n at n - 1.
    pub accounts: Vec<Account>,
    /// (id, name) of account n at n - 1.
    pub names: Vec<(Box<str>, Box<str>)>,
    ids: FlatIndex,
    /// What newly opened accounts get: (asset, amount), by asset.
    pub starting_balances: BTreeMap<u32, i64>,
    pub grants: Vec<Grant>,
    /// A setting that the grant depends on changed since the last one was made.
    pub grant_is_stale: bool,
}

fn hash_id(id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(id.as_bytes())
}

impl Ledger {
    #[inline(always)]
    pub fn account(&self, number: u32) -> &Account {
        &self.accounts[number as usize - 1]
    }

    #[inline(always)]
    pub fn account_mut(&mut self, number: u32) -> &mut Account {
        &mut self.accounts[number as usize - 1]
    }

    /// Ask for the account's memory, if there is such an account.
    #[inline(always)]
    pub fn prefetch(&self, number: u32) {
        let index = (number as usize).wrapping_sub(1);
        for line in 0..size_of::<Account>() / 64 {
            prefetch_at(&self.accounts, index, line * 64);
        }
    }

    #[inline(always)]
    pub fn exists(&self, number: u32) -> bool {
        number != 0 && number as usize <= self.accounts.len()
    }

    pub fn knows_asset(&self, asset: u32) -> bool {
        asset != 0 && asset as usize <= self.assets.len()
    }

    pub fn asset_mut(&mut self, asset: u32) -> &mut Asset {
        &mut self.assets[asset as usize - 1]
    }

    /// Number of the account with this id.
    pub fn number_of(&self, id: &str) -> Option<u32> {
        self.ids.find(hash_id(id), |slot| &*self.names[slot as usize].0 == id).map(|slot| slot + 1)
    }

    /// Add an account; its number is returned. The id must be new.
    pub fn add_account(&mut self, id: &str, name: &str, account: Account) -> u32 {
        let slot = self.accounts.len() as u32;
        self.ids.insert(hash_id(id), slot);
        self.accounts.push(account);
        self.names.push((id.into(), name.into()));
        slot + 1
    }

    fn granted(&self, grant: u32, asset: u32) -> i64 {
        if grant == NONE {
            return 0;
        }
        let balances = &self.grants[grant as usize].balances;
        balances.iter().find(|(a, _)| *a == asset).map_or(0, |(_, amount)| *amount)
    }

    /// The balance as it stands, whether the account touched the asset or not.
    #[inline(always)]
    pub fn balance(&self, account: u32, asset: u32) -> Balance {
        let a = self.account(account);
        match a.balance(asset) {
            Some(balance) => *balance,
            None => Balance { asset, total: self.granted(a.grant, asset), held: 0 },
        }
    }

    /// The balance for writing; made from the starting balance at the first touch.
    #[inline(always)]
    pub fn balance_mut(&mut self, account: u32, asset: u32) -> &mut Balance {
        if self.account(account).balance(asset).is_none() {
            self.touch_balance(account, asset);
        }
        self.account_mut(account).balance_mut(asset).expect("touched balances are there")
    }

    #[cold]
    fn touch_balance(&mut self, account: u32, asset: u32) {
        let total = self.granted(self.account(account).grant, asset);
        self.account_mut(account).add_balance(Balance { asset, total, held: 0 });
    }

    /// What an account with these starting balances has before it touches the instrument.
    pub(crate) fn granted_position(&self, grant: u32, instrument: u32) -> Position {
        let mut position = Position { instrument, ..Position::default() };
        if grant != NONE {
            let positions = &self.grants[grant as usize].positions;
            if let Some((_, lots, cost)) = positions.iter().find(|(i, ..)| *i == instrument) {
                (position.net, position.cost) = (*lots, *cost);
            }
        }
        position
    }

    #[inline(always)]
    pub fn position(&self, account: u32, instrument: u32) -> Position {
        let a = self.account(account);
        match a.position(instrument) {
            Some(position) => *position,
            None => self.granted_position(a.grant, instrument),
        }
    }

    #[inline(always)]
    pub fn position_mut(&mut self, account: u32, instrument: u32) -> &mut Position {
        if self.account(account).position(instrument).is_none() {
            self.touch_position(account, instrument);
        }
        self.account_mut(account).position_mut(instrument).expect("touched positions are there")
    }

    #[cold]
    fn touch_position(&mut self, account: u32, instrument: u32) {
        let position = self.granted_position(self.account(account).grant, instrument);
        self.account_mut(account).add_position(position);
    }

    #[cold]
    fn touch(&mut self, account: u32, asset: u32, instrument: u32) {
        self.balance_mut(account, asset);
        self.position_mut(account, instrument);
    }

    /// Hold more of an asset, or less, for an order of this many more open lots.
    #[inline]
    pub fn change_hold(&mut self, account: u32, instrument: u32, hold: Hold) {
        let Hold { asset, amount, side, lots } = hold;
        let entry = self.account(account);
        if entry.balance(asset).is_none() || entry.position(instrument).is_none() {
            self.touch(account, asset, instrument);
        }
        let entry = self.account_mut(account);
        let balance = entry.balance_mut(asset).expect("touched balances are there");
        balance.held += amount;
        assert!(balance.held >= 0, "more released than held");
        let position = entry.position_mut(instrument).expect("touched positions are there");
        position.open(side, lots);
    }

    /// Book one party's side of a trade; its position is returned.
    #[inline]
    pub fn settle(&mut self, account: u32, side: &Settlement) -> &mut Position {
        let entry = self.account(account);
        if entry.balance(side.quote).is_none()
            || entry.balance(side.base).is_none()
            || entry.position(side.instrument).is_none()
        {
            self.touch(account, side.quote, side.instrument);
            self.balance_mut(account, side.base);
        }
        let entry = self.account_mut(account);
        let moves = [
            (side.quote, side.money, side.money_released),
            (side.base, side.coins, side.coins_released),
        ];
        for (asset, amount, released) in moves {
            let balance = entry.balance_mut(asset).expect("touched balances are there");
            balance.total += amount;
            balance.held -= released;
            assert!(balance.held >= 0, "more released than held");
        }
        let position = entry.position_mut(side.instrument).expect("touched positions are there");
        position.fill(side.lots, side.price);
        position
    }

    /// What an order or a withdrawal may use: total - held + credit.
    #[inline(always)]
    pub fn available(&self, account: u32, asset: u32) -> i64 {
        let balance = self.balance(account, asset);
        balance.total - balance.held + self.account(account).credit_in(asset)
    }
}

/// Fee on a notional of at least 0, rounded toward zero; negative rates are rebates.
#[inline(always)]
pub fn fee(notional: i64, ppm: i32) -> i64 {
    const MILLION: i64 = 1_000_000;
    if ppm == 0 {
        return 0;
    }
    // n * ppm / 10^6 without a 128-bit division; a large n is whole * 10^6 + rest.
    let size = i64::from(ppm.unsigned_abs());
    let amount = if notional <= i64::MAX / MILLION && size <= MILLION {
        notional * size / MILLION
    } else {
        let (whole, rest) = (notional / MILLION, notional % MILLION);
        whole * size + rest * size / MILLION
    };
    if ppm < 0 { -amount } else { amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fee_equals_the_exact_quotient_toward_zero() {
        for n in [0i64, 1, 999_999, 1_000_001, 123_456_789_012_345, 1 << 62] {
            for ppm in [-999_999, -250, -1, 0, 1, 333, 999_999] {
                let exact = i128::from(n) * i128::from(ppm) / 1_000_000;
                assert_eq!(i128::from(fee(n, ppm)), exact, "{n} {ppm}");
            }
        }
    }
}
