//! One side of a book: price levels in order, each a queue of orders.
//!
//! Prices below 2^30 ticks live in a trie of 64-way nodes, five deep, whose bitmaps give the next
//! price in a few instructions however far away it is; higher ones in an ordered map. Nothing
//! depends on where prices are, so a jump or a gap costs the same as a step.

use crate::orders::{NONE, Order, Orders};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

const DEPTH: usize = 5;
const TRIE_PRICES: i64 = 1 << (6 * DEPTH);

/// All orders at one price, first to last in the queue.
#[derive(Clone, Debug, Default)]
pub struct Level {
    pub quantity: i128,
    pub price: i64,
    pub head: u32,
    pub tail: u32,
    pub orders: u32,
}

#[derive(Clone)]
struct Node {
    bits: u64,
    children: [u32; 64],
}

/// Levels by price. The trie's leaves and the map hold level slots.
pub struct Ladder {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Pages (price / 64) that were found lately with their leaves, by page.
    recent: [(i64, u32); RECENT_PAGES],
    beyond: BTreeMap<i64, u32>,
}

const ROOT: u32 = 0;
/// Prices that are traded much lie in far fewer pages.
const RECENT_PAGES: usize = 64;
const NO_PAGE: (i64, u32) = (-1, NONE);

#[inline(always)]
const fn digit(price: i64, height: usize) -> usize {
    ((price >> (6 * height)) & 63) as usize
}

impl Default for Ladder {
    fn default() -> Self {
        let root = Node { bits: 0, children: [NONE; 64] };
        let recent = [NO_PAGE; RECENT_PAGES];
        Self { nodes: vec![root], free: Vec::new(), recent, beyond: BTreeMap::new() }
    }
}

impl Ladder {
    #[inline(always)]
    const fn in_trie(price: i64) -> bool {
        price >= 0 && price < TRIE_PRICES
    }

    /// Where the page of this price is remembered.
    #[inline(always)]
    const fn recent(price: i64) -> usize {
        (price >> 6) as usize % RECENT_PAGES
    }

    #[inline(always)]
    fn leaf(&self, price: i64) -> Option<u32> {
        match self.recent[Self::recent(price)] {
            (page, leaf) if page == price >> 6 => Some(leaf),
            _ => self.walk_to_leaf(price),
        }
    }

    fn walk_to_leaf(&self, price: i64) -> Option<u32> {
        let mut node = ROOT;
        for height in (1..DEPTH).rev() {
            let n = &self.nodes[node as usize];
            let i = digit(price, height);
            if n.bits >> i & 1 == 0 {
                return None;
            }
            node = n.children[i];
        }
        Some(node)
    }

    #[inline(always)]
    pub fn get(&self, price: i64) -> Option<u32> {
        if !Self::in_trie(price) {
            return self.beyond.get(&price).copied();
        }
        let leaf = &self.nodes[self.leaf(price)? as usize];
        let i = digit(price, 0);
        (leaf.bits >> i & 1 == 1).then(|| leaf.children[i])
    }

    /// What may be the level at this price, for prefetching.
    #[inline(always)]
    fn guess(&self, price: i64) -> u32 {
        if !Self::in_trie(price) {
            return NONE;
        }
        self.leaf(price).map_or(NONE, |leaf| self.nodes[leaf as usize].children[digit(price, 0)])
    }

    fn new_node(&mut self) -> u32 {
        match self.free.pop() {
            Some(node) => node,
            None => {
                self.nodes.push(Node { bits: 0, children: [NONE; 64] });
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// Add a level at a price that has none.
    pub fn insert(&mut self, price: i64, level: u32) {
        if !Self::in_trie(price) {
            self.beyond.insert(price, level);
            return;
        }
        let leaf = match self.recent[Self::recent(price)] {
            (page, leaf) if page == price >> 6 => leaf,
            _ => self.make_leaf(price),
        };
        let leaf = &mut self.nodes[leaf as usize];
        let i = digit(price, 0);
        leaf.bits |= 1 << i;
        leaf.children[i] = level;
    }

    fn make_leaf(&mut self, price: i64) -> u32 {
        let mut node = ROOT;
        for height in (1..DEPTH).rev() {
            let i = digit(price, height);
            if self.nodes[node as usize].bits >> i & 1 == 0 {
                let child = self.new_node();
                let n = &mut self.nodes[node as usize];
                n.bits |= 1 << i;
                n.children[i] = child;
            }
            node = self.nodes[node as usize].children[i];
        }
        self.recent[Self::recent(price)] = (price >> 6, node);
        node
    }

    /// Remove the level at a price that has one.
    pub fn remove(&mut self, price: i64) {
        if !Self::in_trie(price) {
            self.beyond.remove(&price);
            return;
        }
        let leaf = self.leaf(price).expect("a level has its leaf");
        let node = &mut self.nodes[leaf as usize];
        node.bits &= !(1 << digit(price, 0));
        if node.bits == 0 {
            self.prune(price);
        }
    }

    /// Free the empty leaf of this price and every node that became empty above it.
    fn prune(&mut self, price: i64) {
        let mut path = [ROOT; DEPTH];
        for height in (1..DEPTH).rev() {
            path[height - 1] = self.nodes[path[height] as usize].children[digit(price, height)];
        }
        let recent = &mut self.recent[Self::recent(price)];
        if recent.0 == price >> 6 {
            *recent = NO_PAGE;
        }
        for height in 0..DEPTH - 1 {
            if self.nodes[path[height] as usize].bits != 0 {
                return;
            }
            self.free.push(path[height]);
            self.nodes[path[height + 1] as usize].bits &= !(1 << digit(price, height + 1));
        }
    }

    /// The level with the lowest price above `price`.
    pub fn above(&self, price: i64) -> Option<u32> {
        let in_trie = if price < TRIE_PRICES - 1 { self.trie_above(price) } else { None };
        in_trie.or_else(|| {
            self.beyond.range((Excluded(price), Unbounded)).next().map(|(_, &level)| level)
        })
    }

    /// The level with the highest price below `price`.
    pub fn below(&self, price: i64) -> Option<u32> {
        if price > TRIE_PRICES
            && let Some((_, &level)) = self.beyond.range((Unbounded, Excluded(price))).next_back()
        {
            return Some(level);
        }
        self.trie_below(price.min(TRIE_PRICES))
    }

    fn trie_above(&self, price: i64) -> Option<u32> {
        if price < 0 {
            return (self.nodes[ROOT as usize].bits != 0).then(|| self.lowest(ROOT, DEPTH - 1));
        }
        let mut path = [NONE; DEPTH];
        path[DEPTH - 1] = ROOT;
        let mut reached = DEPTH - 1;
        while reached > 0 {
            let node = &self.nodes[path[reached] as usize];
            let i = digit(price, reached);
            if node.bits >> i & 1 == 0 {
                break;
            }
            path[reached - 1] = node.children[i];
            reached -= 1;
        }
        for (height, &node) in path.iter().enumerate().skip(reached) {
            let node = &self.nodes[node as usize];
            let i = digit(price, height);
            let higher = node.bits & (u64::MAX << i) & !(1 << i);
            if higher != 0 {
                let child = node.children[higher.trailing_zeros() as usize];
                return Some(if height == 0 { child } else { self.lowest(child, height - 1) });
            }
        }
        None
    }

    fn trie_below(&self, price: i64) -> Option<u32> {
        if price >= TRIE_PRICES {
            return (self.nodes[ROOT as usize].bits != 0).then(|| self.highest(ROOT, DEPTH - 1));
        }
        let mut path = [NONE; DEPTH];
        path[DEPTH - 1] = ROOT;
        let mut reached = DEPTH - 1;
        while reached > 0 {
            let node = &self.nodes[path[reached] as usize];
            let i = digit(price, reached);
            if node.bits >> i & 1 == 0 {
                break;
            }
            path[reached - 1] = node.children[i];
            reached -= 1;
        }
        for (height, &node) in path.iter().enumerate().skip(reached) {
            let node = &self.nodes[node as usize];
            let lower = node.bits & !(u64::MAX << digit(price, height));
            if lower != 0 {
                let child = node.children[63 - lower.leading_zeros() as usize];
                return Some(if height == 0 { child } else { self.highest(child, height - 1) });
            }
        }
        None
    }

    fn lowest(&self, mut node: u32, height: usize) -> u32 {
        for _ in 0..=height {
            let n = &self.nodes[node as usize];
            node = n.children[n.bits.trailing_zeros() as usize];
        }
        node
    }

    fn highest(&self, mut node: u32, height: usize) -> u32 {
        for _ in 0..=height {
            let n = &self.nodes[node as usize];
            node = n.children[63 - n.bits.leading_zeros() as usize];
        }
        node
    }
}

/// Bids or asks of one instrument.
pub struct BookSide {
    ladder: Ladder,
    levels: Vec<Level>,
    free: Vec<u32>,
    best: u32,
    is_bids: bool,
    pub orders: usize,
    pub level_count: usize,
    /// Resting reduce-only orders; matching looks closer when there are any.
    pub reduce_only_orders: u32,
    /// Resting icebergs.
    pub icebergs: u32,
}

impl BookSide {
    pub fn new(is_bids: bool) -> Self {
        Self {
            ladder: Ladder::default(),
            levels: Vec::new(),
            free: Vec::new(),
            best: NONE,
            is_bids,
            orders: 0,
            level_count: 0,
            reduce_only_orders: 0,
            icebergs: 0,
        }
    }

    /// The best level.
    #[inline(always)]
    pub fn best(&self) -> Option<&Level> {
        (self.best != NONE).then(|| &self.levels[self.best as usize])
    }

    #[inline(always)]
    pub fn level(&self, slot: u32) -> &Level {
        &self.levels[slot as usize]
    }

    /// The next level after this price, away from the touch.
    pub fn after(&self, price: i64) -> Option<&Level> {
        let slot = if self.is_bids { self.ladder.below(price) } else { self.ladder.above(price) };
        slot.map(|slot| &self.levels[slot as usize])
    }

    /// Levels from best to worst.
    pub fn levels(&self) -> impl Iterator<Item = &Level> {
        std::iter::successors(self.best(), |level| self.after(level.price))
    }

    /// Is `price` at least as good for this side as `other`?
    #[inline(always)]
    pub fn at_least_as_good(&self, price: i64, other: i64) -> bool {
        if self.is_bids { price >= other } else { price <= other }
    }

    /// The best order, or NONE.
    #[inline(always)]
    pub fn best_order(&self) -> u32 {
        self.best().map_or(NONE, |level| level.head)
    }

    /// What may be the last order at this price, for prefetching.
    #[inline(always)]
    pub fn guess_last(&self, price: i64) -> u32 {
        self.levels.get(self.ladder.guess(price) as usize).map_or(NONE, |level| level.tail)
    }

    /// Put an order at the end of its price's queue.
    #[inline]
    pub fn push(&mut self, orders: &mut Orders, slot: u32) {
        let (price, visible) = (orders[slot].price, orders.visible(slot));
        self.icebergs += u32::from(orders[slot].is_iceberg());
        let level_slot = if self.best != NONE && self.levels[self.best as usize].price == price {
            self.best
        } else {
            self.ladder.get(price).unwrap_or_else(|| self.add_level(price))
        };
        let level = &mut self.levels[level_slot as usize];
        let tail = level.tail;
        level.tail = slot;
        level.quantity += i128::from(visible);
        level.orders += 1;
        if tail == NONE {
            level.head = slot;
        } else {
            orders[tail].next = slot;
        }
        let order = &mut orders[slot];
        order.previous = tail;
        order.next = NONE;
        order.level = level_slot;
        self.orders += 1;
    }

    fn add_level(&mut self, price: i64) -> u32 {
        let level = Level { quantity: 0, price, head: NONE, tail: NONE, orders: 0 };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.levels[slot as usize] = level;
                slot
            }
            None => {
                self.levels.push(level);
                (self.levels.len() - 1) as u32
            }
        };
        self.ladder.insert(price, slot);
        self.level_count += 1;
        if self.best == NONE || self.at_least_as_good(price, self.levels[self.best as usize].price)
        {
            self.best = slot;
        }
        slot
    }

    /// Take an order out of its queue; its level goes with the last one.
    #[inline]
    pub fn remove(&mut self, orders: &mut Orders, slot: u32) {
        let Order { level, next, previous, .. } = orders[slot];
        let visible = orders.visible(slot);
        self.icebergs -= u32::from(orders[slot].is_iceberg());
        if previous == NONE {
            self.levels[level as usize].head = next;
        } else {
            orders[previous].next = next;
        }
        if next == NONE {
            self.levels[level as usize].tail = previous;
        } else {
            orders[next].previous = previous;
        }
        self.orders -= 1;
        let entry = &mut self.levels[level as usize];
        entry.quantity -= i128::from(visible);
        entry.orders -= 1;
        if entry.orders == 0 {
            assert!(entry.quantity == 0, "an empty level has quantity");
            self.remove_level(level);
        }
    }

    fn remove_level(&mut self, slot: u32) {
        let price = self.levels[slot as usize].price;
        if slot == self.best {
            let next =
                if self.is_bids { self.ladder.below(price) } else { self.ladder.above(price) };
            self.best = next.unwrap_or(NONE);
        }
        self.ladder.remove(price);
        self.level_count -= 1;
        self.free.push(slot);
    }

    /// Lower a resting order's leaves; it keeps its place.
    #[inline(always)]
    pub fn reduce(&mut self, orders: &mut Orders, slot: u32, by: i64) {
        let order = &mut orders[slot];
        order.leaves -= by;
        self.levels[order.level as usize].quantity -= i128::from(by);
    }

    /// Lower a resting iceberg's leaves and what it shows; it keeps its place.
    pub fn reduce_iceberg(&mut self, orders: &mut Orders, slot: u32, by: i64, visible: i64) {
        let before = orders.visible(slot);
        orders[slot].leaves -= by;
        orders.extra_mut(slot).visible = visible;
        self.levels[orders[slot].level as usize].quantity -= i128::from(before - visible);
    }

    /// Lots of a level, hidden ones included.
    pub fn whole_quantity(&self, orders: &Orders, level: &Level) -> i128 {
        if self.icebergs == 0 {
            return level.quantity;
        }
        self.queue(orders, level).map(|slot| i128::from(orders[slot].leaves)).sum()
    }

    /// Orders of a level, first in, first out.
    pub fn queue<'a>(&self, orders: &'a Orders, level: &Level) -> impl Iterator<Item = u32> + 'a {
        std::iter::successors(Some(level.head), |&slot| {
            let next = orders[slot].next;
            (next != NONE).then_some(next)
        })
    }

    /// Quantity and orders before this one at its price.
    pub fn ahead(&self, orders: &Orders, slot: u32) -> (i128, u64) {
        let (mut quantity, mut count) = (0, 0);
        let mut at = orders[slot].previous;
        while at != NONE {
            quantity += i128::from(orders.visible(at));
            count += 1;
            at = orders[at].previous;
        }
        (quantity, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::mix;

    #[test]
    fn ladder_behaves_like_an_ordered_map() {
        let mut ladder = Ladder::default();
        let mut truth = BTreeMap::new();
        let mut state = 7u64;
        for step in 0..60_000u32 {
            state = mix(state.wrapping_add(u64::from(step)));
            let spread = [50, 5_000, TRIE_PRICES as u64 + 10_000, 1 << 62][state as usize % 4];
            let price = (mix(state) % spread) as i64;
            if truth.remove(&price).is_some() {
                ladder.remove(price);
            } else {
                truth.insert(price, step);
                ladder.insert(price, step);
            }
            let probe = (mix(state ^ 99) % spread) as i64;
            let above = truth.range((Excluded(probe), Unbounded)).next().map(|(_, &l)| l);
            let below = truth.range((Unbounded, Excluded(probe))).next_back().map(|(_, &l)| l);
            assert_eq!(ladder.get(probe), truth.get(&probe).copied());
            assert_eq!(ladder.above(probe), above, "above {probe}");
            assert_eq!(ladder.below(probe), below, "below {probe}");
        }
    }
}
