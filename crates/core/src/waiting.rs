//! Orders that wait for their stop price (section 13).

use crate::engine::Engine;
use std::collections::{BTreeSet, VecDeque};

/// The waiting orders of one instrument.
#[derive(Default)]
pub struct Waiting {
    /// (stop price, order id) of buys and of sells; not those in the queue.
    pub(crate) stops: [BTreeSet<(i64, u64)>; 2],
    /// (what the last trade price must pass to move the stop, order id): trailing ones of `stops`.
    pub(crate) trailing: [BTreeSet<(i64, u64)>; 2],
    /// Triggered, in the order in which they will run; ids of orders that ended may be among them.
    pub(crate) queue: VecDeque<u64>,
    /// Waiting orders, triggered ones included.
    pub(crate) count: usize,
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.count
    }
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Engine {
    pub(crate) fn run_triggered(&mut self) {
        unimplemented!()
    }
}
