//! An account as order entry and matching touch it: three cache lines for the usual trader.

use crate::guard::Guard;
use crate::orders::NONE;
use crate::wire::Side;
use std::collections::BTreeMap;

/// All ones for a buy, 0 for a sell: to choose by side without a branch, since sides come in no
/// order. It is read from memory because of what the compiler makes of a mask that it sees through.
#[inline(always)]
pub(crate) fn buy_mask(side: u8) -> i64 {
    static MASKS: [i64; 4] = [0, -1, 0, 0];
    const { assert!(Side::Buy as usize == 1) };
    MASKS[usize::from(side) % MASKS.len()]
}

/// One account in one asset; assets are numbered from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub asset: u32,
    pub total: i64,
    /// Set aside for resting orders.
    pub held: i64,
}

/// One account in one instrument; what resting orders touch comes first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub instrument: u32,
    /// Lots; negative = short.
    pub net: i64,
    pub open_buy: i64,
    pub open_sell: i64,
    /// Position limit in lots; 0 = none.
    pub limit: i64,
    /// Leaves of resting reduce-only orders, both sides.
    pub reduce_only: i64,
    /// Ticks * lots of the open position, signed like `net`.
    pub cost: i128,
    /// Ticks * lots, without fees.
    pub realised: i128,
    /// Number of fills.
    pub version: u64,
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
            // Lots closed, signed like what is closed.
            let closing =
                if self.net > 0 { self.net.min(-quantity) } else { self.net.max(-quantity) };
            let removed = self.removed_cost(closing);
            // Closing a long earns price * closing - removed; a short has negative cost.
            self.realised += price * i128::from(closing) - removed;
            self.cost -= removed;
            self.net -= closing;
            opening = quantity + closing;
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

    /// The part of the cost that belongs to these lots, signed like `net`.
    #[inline]
    fn removed_cost(&self, closing: i64) -> i128 {
        if closing == self.net {
            return self.cost;
        }
        match i64::try_from(self.cost).ok().and_then(|cost| cost.checked_mul(closing)) {
            Some(product) => i128::from(product / self.net),
            None => self.cost * i128::from(closing) / i128::from(self.net),
        }
    }

    /// Count this many more lots as open on a side.
    #[inline(always)]
    pub fn open(&mut self, side: u8, lots: i64) {
        let bought = buy_mask(side);
        self.open_buy += lots & bought;
        self.open_sell += lots & !bought;
    }

    /// What reduce-only orders on the given side may still take off.
    #[inline]
    pub fn reducible(&self, sells: bool) -> i64 {
        if sells { self.net.max(0) } else { (-self.net).max(0) }
    }
}

/// An account. The balances and positions touched first stand in place, the others in `more`.
#[repr(C, align(64))]
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
    more: Option<Box<More>>,
    pub guard: Option<Box<Guard>>,
    /// Empty places have asset 0.
    first_balances: [Balance; 2],
    /// An empty place has instrument 0.
    first_position: Position,
}

const _: () = assert!(size_of::<Account>() == 192);

/// What few accounts have.
#[derive(Clone, Debug, Default)]
struct More {
    credits: BTreeMap<u32, i64>,
    balances: Vec<Balance>,
    positions: Vec<Position>,
}

impl Account {
    /// An account without orders, balances or positions.
    pub fn new(account_type: u8, state: u8, grant: u32) -> Self {
        Self {
            first_order: NONE,
            last_order: NONE,
            open_orders: 0,
            open_orders_max: 0,
            grant,
            account_type,
            state,
            credit: 0,
            more: None,
            guard: None,
            first_balances: [Balance::default(); 2],
            first_position: Position::default(),
        }
    }

    fn more(&self) -> impl Iterator<Item = &More> {
        self.more.as_deref().into_iter()
    }

    fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Touched balances, in the order of their first touch.
    pub fn balances(&self) -> impl Iterator<Item = &Balance> {
        let first = self.first_balances.iter().filter(|b| b.asset != 0);
        first.chain(self.more().flat_map(|more| &more.balances))
    }

    /// Touched positions, in the order of their first touch.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        let first = Some(&self.first_position).filter(|p| p.instrument != 0);
        first.into_iter().chain(self.more().flat_map(|more| &more.positions))
    }

    /// The place of `first_balances` where an asset stands. Both are looked at before the only
    /// branch: which of them it is comes in no order.
    #[inline(always)]
    fn place(&self, asset: u32) -> Option<usize> {
        let [first, second] = &self.first_balances;
        let differs = (first.asset ^ asset).min(second.asset ^ asset);
        (differs == 0).then(|| usize::from(second.asset == asset))
    }

    #[inline(always)]
    pub fn balance(&self, asset: u32) -> Option<&Balance> {
        match self.place(asset) {
            Some(place) => Some(&self.first_balances[place]),
            None => self.more.as_ref()?.balances.iter().find(|b| b.asset == asset),
        }
    }

    #[inline(always)]
    pub fn balance_mut(&mut self, asset: u32) -> Option<&mut Balance> {
        match self.place(asset) {
            Some(place) => Some(&mut self.first_balances[place]),
            None => self.more.as_mut()?.balances.iter_mut().find(|b| b.asset == asset),
        }
    }

    #[inline(always)]
    pub fn position(&self, instrument: u32) -> Option<&Position> {
        if self.first_position.instrument == instrument {
            return Some(&self.first_position);
        }
        self.more.as_ref()?.positions.iter().find(|p| p.instrument == instrument)
    }

    #[inline(always)]
    pub fn position_mut(&mut self, instrument: u32) -> Option<&mut Position> {
        if self.first_position.instrument == instrument {
            return Some(&mut self.first_position);
        }
        self.more.as_mut()?.positions.iter_mut().find(|p| p.instrument == instrument)
    }

    /// Add the balance of an asset that was not touched yet.
    pub fn add_balance(&mut self, balance: Balance) {
        match self.first_balances.iter_mut().find(|b| b.asset == 0) {
            Some(place) => *place = balance,
            None => self.more_mut().balances.push(balance),
        }
    }

    /// Add the position of an instrument that was not touched yet.
    pub fn add_position(&mut self, position: Position) {
        if self.first_position.instrument == 0 {
            self.first_position = position;
        } else {
            self.more_mut().positions.push(position);
        }
    }

    /// Assets with a credit line of their own.
    pub fn credits(&self) -> impl Iterator<Item = (u32, i64)> {
        self.more().flat_map(|more| &more.credits).map(|(&asset, &credit)| (asset, credit))
    }

    /// Credit in one asset; 0 = in every asset, overriding all lines.
    pub fn set_credit(&mut self, asset: u32, credit: i64) {
        if asset != 0 {
            self.more_mut().credits.insert(asset, credit);
            return;
        }
        self.credit = credit;
        if let Some(more) = &mut self.more {
            more.credits.clear();
        }
    }

    #[inline(always)]
    pub fn credit_in(&self, asset: u32) -> i64 {
        match &self.more {
            Some(more) => more.credits.get(&asset).copied().unwrap_or(self.credit),
            None => self.credit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
