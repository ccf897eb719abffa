//! Money and positions: what accounts own, hold and owe, in whole minor units.

use crate::index::{FlatIndex, prefetch};
use crate::orders::NONE;
use smallvec::SmallVec;
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub asset: u32,
    pub total: i64,
    /// Set aside for resting orders.
    pub held: i64,
}

/// One account in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub instrument: u32,
    /// Lots; negative = short.
    pub net: i64,
    /// Ticks * lots of the open position, signed like `net`.
    pub cost: i128,
    /// Ticks * lots, without fees.
    pub realised: i128,
    /// Number of fills.
    pub version: u64,
    pub open_buy: i64,
    pub open_sell: i64,
    /// Leaves of resting reduce-only orders, both sides.
    pub reduce_only: i64,
    /// Position limit in lots; 0 = none.
    pub limit: i64,
}

impl Position {
    /// Book a fill of `quantity` lots, signed (+ bought, - sold), at `price`.
    #[inline]
    pub fn fill(&mut self, quantity: i64, price: i64) {
        self.version += 1;
        self.trade(quantity, price);
    }

    /// Move the position without counting a fill.
    #[inline]
    pub fn trade(&mut self, quantity: i64, price: i64) {
        let price = i128::from(price);
        let opposite = (self.net > 0 && quantity < 0) || (self.net < 0 && quantity > 0);
        let mut opening = quantity;
        if opposite {
            let closing = quantity.abs().min(self.net.abs());
            let direction: i64 = self.net.signum();
            let removed = self.removed_cost(closing);
            // Closing a long earns price * closing - removed; a short has negative cost.
            self.realised += i128::from(direction) * price * i128::from(closing) - removed;
            self.cost -= removed;
            self.net -= direction * closing;
            opening = quantity + direction * closing;
        }
        self.net += opening;
        self.cost += price * i128::from(opening);
    }

    /// Take lots of a long position out at cost: a withdrawal realises nothing.
    pub fn withdraw(&mut self, lots: i64) {
        let lots = lots.min(self.net.max(0));
        if lots > 0 {
            self.cost -= self.removed_cost(lots);
            self.net -= lots;
        }
    }

    #[inline]
    fn removed_cost(&self, closing: i64) -> i128 {
        let net = self.net.abs();
        if closing == net {
            return self.cost;
        }
        match i64::try_from(self.cost).ok().and_then(|cost| cost.checked_mul(closing)) {
            Some(product) => i128::from(product / net),
            None => self.cost * i128::from(closing) / i128::from(net),
        }
    }

    /// What reduce-only orders on the given side may still take off.
    #[inline]
    pub fn reducible(&self, sells: bool) -> i64 {
        if sells { self.net.max(0) } else { (-self.net).max(0) }
    }
}

/// The part of an account that order entry touches.
#[derive(Clone, Debug)]
pub struct Account {
    /// Open orders, by entry.
    pub first_order: u32,
    pub last_order: u32,
    pub open_orders: u32,
    /// 0 = no limit.
    pub open_orders_max: u32,
    /// Index of the starting balances it was given, or NONE.
    pub grant: u32,
    pub account_type: u8,
    pub state: u8,
    /// Credit in every asset without a line of its own.
    pub credit: i64,
    pub credits: Option<Box<BTreeMap<u32, i64>>>,
    pub balances: SmallVec<[Balance; 2]>,
    pub positions: SmallVec<[Position; 1]>,
}

impl Account {
    #[inline(always)]
    pub fn prefetch(&self) {
        prefetch(self);
        prefetch(&self.balances);
        prefetch(&self.positions);
    }

    pub fn credit_in(&self, asset: u32) -> i64 {
        match &self.credits {
            Some(credits) => credits.get(&asset).copied().unwrap_or(self.credit),
            None => self.credit,
        }
    }
}

/// Starting balances as they stood when accounts were opened with them.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// (asset, amount), by asset.
    pub balances: Vec<(u32, i64)>,
    /// (instrument, lots, cost), by instrument.
    pub positions: Vec<(u32, i64, i128)>,
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

    /// A new account without orders.
    pub fn new_account(account_type: u8, state: u8, grant: u32) -> Account {
        Account {
            first_order: NONE,
            last_order: NONE,
            open_orders: 0,
            open_orders_max: 0,
            grant,
            account_type,
            state,
            credit: 0,
            credits: None,
            balances: SmallVec::new(),
            positions: SmallVec::new(),
        }
    }

    fn granted(&self, grant: u32, asset: u32) -> i64 {
        if grant == NONE {
            return 0;
        }
        let balances = &self.grants[grant as usize].balances;
        balances.iter().find(|(a, _)| *a == asset).map_or(0, |(_, amount)| *amount)
    }

    /// The balance as it stands, whether the account touched the asset or not.
    #[inline]
    pub fn balance(&self, account: u32, asset: u32) -> Balance {
        let a = self.account(account);
        match a.balances.iter().find(|b| b.asset == asset) {
            Some(balance) => *balance,
            None => Balance { asset, total: self.granted(a.grant, asset), held: 0 },
        }
    }

    /// The balance for writing; made from the starting balance at the first touch.
    #[inline]
    pub fn balance_mut(&mut self, account: u32, asset: u32) -> &mut Balance {
        let index = account as usize - 1;
        match self.accounts[index].balances.iter().position(|b| b.asset == asset) {
            Some(at) => &mut self.accounts[index].balances[at],
            None => {
                let total = self.granted(self.accounts[index].grant, asset);
                let balances = &mut self.accounts[index].balances;
                balances.push(Balance { asset, total, held: 0 });
                balances.last_mut().expect("just pushed")
            }
        }
    }

    fn granted_position(&self, grant: u32, instrument: u32) -> Position {
        let mut position = Position { instrument, ..Position::default() };
        if grant != NONE {
            let positions = &self.grants[grant as usize].positions;
            if let Some((_, lots, cost)) = positions.iter().find(|(i, ..)| *i == instrument) {
                (position.net, position.cost) = (*lots, *cost);
            }
        }
        position
    }

    #[inline]
    pub fn position(&self, account: u32, instrument: u32) -> Position {
        let a = self.account(account);
        match a.positions.iter().find(|p| p.instrument == instrument) {
            Some(position) => *position,
            None => self.granted_position(a.grant, instrument),
        }
    }

    #[inline]
    pub fn position_mut(&mut self, account: u32, instrument: u32) -> &mut Position {
        let index = account as usize - 1;
        match self.accounts[index].positions.iter().position(|p| p.instrument == instrument) {
            Some(at) => &mut self.accounts[index].positions[at],
            None => {
                let position = self.granted_position(self.accounts[index].grant, instrument);
                let positions = &mut self.accounts[index].positions;
                positions.push(position);
                positions.last_mut().expect("just pushed")
            }
        }
    }

    /// What an order or a withdrawal may use: total - held + credit.
    #[inline]
    pub fn available(&self, account: u32, asset: u32) -> i64 {
        let balance = self.balance(account, asset);
        balance.total - balance.held + self.account(account).credit_in(asset)
    }
}

/// Fee on a notional of at least 0, rounded toward zero; negative rates are rebates.
#[inline]
pub fn fee(notional: i64, ppm: i32) -> i64 {
    const MILLION: i64 = 1_000_000;
    if ppm == 0 {
        return 0;
    }
    // n * ppm / 10^6 without a 128-bit division: n = whole * 10^6 + rest.
    let (whole, rest) = (notional / MILLION, notional % MILLION);
    let size = i64::from(ppm.unsigned_abs());
    let amount = whole * size + rest * size / MILLION;
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

    #[test]
    fn crossing_zero_realises_the_old_side_and_opens_the_new() {
        let mut position = Position::default();
        position.fill(10, 100);
        position.fill(-4, 110);
        assert_eq!((position.net, position.cost, position.realised), (6, 600, 40));
        position.fill(-10, 90);
        assert_eq!((position.net, position.cost, position.realised), (-4, -360, -20));
        position.fill(4, 80);
        assert_eq!(
            (position.net, position.cost, position.realised, position.version),
            (0, 0, 20, 4)
        );
    }

    #[test]
    fn a_withdrawal_takes_lots_at_cost_and_realises_nothing() {
        let mut position = Position { net: 3, cost: 100, ..Position::default() };
        position.withdraw(1);
        assert_eq!((position.net, position.cost, position.realised), (2, 67, 0));
        position.withdraw(5);
        assert_eq!((position.net, position.cost, position.realised), (0, 0, 0));
        let mut short = Position { net: -3, cost: -100, ..Position::default() };
        short.withdraw(2);
        assert_eq!((short.net, short.cost), (-3, -100));
    }

    #[test]
    fn closing_part_of_a_position_beyond_64_bits_of_cost_is_exact() {
        let cost = (1i128 << 80) + 12_345;
        let mut position = Position { net: 7, cost, ..Position::default() };
        position.fill(-3, 1);
        let removed = cost * 3 / 7;
        assert_eq!(
            (position.net, position.cost, position.realised),
            (4, cost - removed, 3 - removed)
        );
        let mut small = Position { net: 7, cost: 100, ..Position::default() };
        small.fill(-3, 20);
        assert_eq!((small.net, small.cost, small.realised), (4, 100 - 42, 60 - 42));
    }

    #[test]
    fn a_flat_position_opens_on_either_side() {
        let mut position = Position::default();
        position.fill(-5, 10);
        assert_eq!((position.net, position.cost, position.realised), (-5, -50, 0));
        position.fill(-5, 20);
        assert_eq!((position.net, position.cost, position.realised), (-10, -150, 0));
        position.fill(10, 5);
        assert_eq!((position.net, position.cost, position.realised), (0, 0, 100));
        position.fill(5, 10);
        assert_eq!((position.net, position.cost, position.realised), (5, 50, 100));
    }
}
