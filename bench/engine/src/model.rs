//! The plainest price-time book: tells the generator which orders live, so that no cancel misses.

use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy)]
pub struct Live {
    pub account: u32,
    pub is_buy: bool,
    pub price: i64,
    pub open: u32,
    pub filled: u32,
    /// Place in `Model::live`.
    at: u32,
    /// Raised when the order moves, so that its old queue entry is dead.
    version: u32,
}

#[derive(Default)]
pub struct Model {
    /// By the index of the operation that placed it.
    orders: Vec<Option<Live>>,
    live: Vec<u32>,
    sides: [BTreeMap<i64, VecDeque<(u32, u32)>>; 2],
    pub fills: u64,
}

impl Model {
    pub fn resting(&self) -> usize {
        self.live.len()
    }

    /// Index of the `nth` live order, in no meaningful order.
    pub fn live(&self, nth: usize) -> u32 {
        self.live[nth]
    }

    pub fn order(&self, index: u32) -> Live {
        self.orders[index as usize].expect("a live order")
    }

    pub fn best(&mut self, of_bids: bool) -> Option<i64> {
        self.head(of_bids).map(|(price, _)| price)
    }

    /// The first live order of a side; dead entries before it are dropped.
    fn head(&mut self, of_bids: bool) -> Option<(i64, u32)> {
        let side = &mut self.sides[usize::from(!of_bids)];
        loop {
            let mut entry = if of_bids { side.last_entry()? } else { side.first_entry()? };
            while let Some(&(index, version)) = entry.get().front() {
                let order = self.orders[index as usize];
                if order.is_some_and(|order| order.version == version) {
                    return Some((*entry.key(), index));
                }
                entry.get_mut().pop_front();
            }
            entry.remove();
        }
    }

    /// Would an order meet one of its own account before it is filled?
    pub fn meets_own(&mut self, account: u32, is_buy: bool, price: i64, mut open: u32) -> bool {
        self.head(!is_buy);
        let side = &self.sides[usize::from(is_buy)];
        let levels: Box<dyn Iterator<Item = _>> = if is_buy {
            Box::new(side.range(..=price))
        } else {
            Box::new(side.range(price..).rev())
        };
        for &(index, version) in levels.flat_map(|(_, queue)| queue) {
            if let Some(order) = self.orders[index as usize].filter(|o| o.version == version) {
                if order.account == account {
                    return true;
                }
                open -= open.min(order.open);
                if open == 0 {
                    return false;
                }
            }
        }
        false
    }

    /// Let an order trade; what remains of it.
    fn trade(&mut self, is_buy: bool, price: i64, mut open: u32) -> u32 {
        while open > 0 {
            let Some((best, index)) = self.head(!is_buy) else { break };
            if (is_buy && best > price) || (!is_buy && best < price) {
                break;
            }
            let maker = self.orders[index as usize].as_mut().expect("the head is live");
            let quantity = open.min(maker.open);
            maker.open -= quantity;
            maker.filled += quantity;
            open -= quantity;
            self.fills += 1;
            if maker.open == 0 {
                self.remove(index);
            }
        }
        open
    }

    /// Operation `index` places an order.
    pub fn place(&mut self, index: u32, order: (u32, bool, i64, u32), may_rest: bool) {
        let (account, is_buy, price, quantity) = order;
        let open = self.trade(is_buy, price, quantity);
        self.orders.resize(index as usize + 1, None);
        if open > 0 && may_rest {
            let at = self.live.len() as u32;
            let filled = quantity - open;
            self.live.push(index);
            self.orders[index as usize] =
                Some(Live { account, is_buy, price, open, filled, at, version: 0 });
            self.queue(index, is_buy, price, 0);
        }
    }

    fn queue(&mut self, index: u32, is_buy: bool, price: i64, version: u32) {
        self.sides[usize::from(!is_buy)].entry(price).or_default().push_back((index, version));
    }

    pub fn remove(&mut self, index: u32) {
        let order = self.orders[index as usize].take().expect("a live order");
        self.live.swap_remove(order.at as usize);
        if let Some(&moved) = self.live.get(order.at as usize) {
            self.orders[moved as usize].as_mut().expect("listed orders live").at = order.at;
        }
    }

    pub fn reduce(&mut self, index: u32, open: u32) {
        self.orders[index as usize].as_mut().expect("a live order").open = open;
    }

    /// Move an order to a price at which it does not trade.
    pub fn shift(&mut self, index: u32, price: i64) {
        let order = self.orders[index as usize].as_mut().expect("a live order");
        order.price = price;
        order.version += 1;
        let (is_buy, version) = (order.is_buy, order.version);
        self.queue(index, is_buy, price, version);
    }
}
