//! The five flows: what traders do, seeded.

use crate::model::Model;
use crate::ops::{Flow, Kind, Op};
use crate::rng::Rng;

pub const ACCOUNTS: u32 = 100_000;
const START_PRICE: i64 = 1_000_000;
/// Sparse prices lie up to 2^23 ticks from here, as many in each octave from 2^14 on.
const SPARSE_CENTRE: i64 = 100_000_000;
const SPARSE_OCTAVES: std::ops::Range<u64> = 14..24;
const QUANTITY_MAX: u64 = 100;

/// Shares in percent; what remains are cancels.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    /// Orders that rest.
    makers: u64,
    /// Orders that take.
    takers: u64,
    reduces: u64,
    moves: u64,
    /// Of the takers, how many buy.
    taker_buys: u64,
    /// A taker's size in multiples of a maker's.
    taker_size: u64,
    /// Mean distance of a new order from the touch, ticks; 0 = sparse.
    distance: f64,
}

const STEADY: Shape = Shape {
    name: "steady",
    makers: 43,
    takers: 12,
    reduces: 4,
    moves: 4,
    taker_buys: 50,
    taker_size: 1,
    distance: 400.0,
};

/// Every flow of the engine benchmark.
pub const SHAPES: [Shape; 5] = [
    STEADY,
    Shape { name: "one-sided", taker_buys: 95, makers: 44, takers: 14, ..STEADY },
    Shape { name: "sweep-heavy", taker_size: 12, makers: 66, takers: 4, ..STEADY },
    Shape { name: "sparse prices", distance: 0.0, ..STEADY },
    Shape { name: "cancel-heavy", makers: 47, takers: 2, reduces: 1, moves: 1, ..STEADY },
];

pub fn shape(name: &str) -> Option<Shape> {
    SHAPES.into_iter().find(|shape| shape.name == name)
}

/// How large a flow is.
#[derive(Clone, Copy)]
pub struct Size {
    pub resting: usize,
    pub accounts: u32,
    /// Operations after the fill and before the clock.
    pub settle: usize,
    pub measured: usize,
}

struct Generator {
    shape: Shape,
    size: Size,
    rng: Rng,
    model: Model,
    ops: Vec<Op>,
    /// Where new orders gather when a side is empty.
    anchor: i64,
}

/// The flow of this shape; the same seed makes the same flow.
pub fn generate(shape: Shape, size: Size, seed: u64) -> Flow {
    let mut g = Generator {
        shape,
        size,
        rng: Rng::new(seed),
        model: Model::default(),
        ops: Vec::with_capacity(size.resting + size.settle + size.measured),
        anchor: START_PRICE,
    };
    while g.model.resting() < size.resting {
        g.make();
    }
    for _ in 0..size.settle {
        g.step();
    }
    let (warm_up, fills_before) = (g.ops.len(), g.model.fills);
    let mut resting_min = usize::MAX;
    for _ in 0..size.measured {
        g.step();
        resting_min = resting_min.min(g.model.resting());
    }
    let fills = g.model.fills - fills_before;
    Flow { name: shape.name, ops: g.ops, warm_up, fills, resting_min }
}

impl Generator {
    fn step(&mut self) {
        let s = self.shape;
        // The book is kept at its size: cancels give way below it, new orders above.
        let lack = self.size.resting as i64 - self.model.resting() as i64;
        let steer = (lack * 200 / self.size.resting as i64).clamp(-20, 20);
        let makers = (s.makers as i64 + steer).max(5) as u64;
        let draw = self.rng.below(100);
        if draw < s.takers {
            self.take();
        } else if draw < s.takers + s.reduces {
            self.reduce();
        } else if draw < s.takers + s.reduces + s.moves {
            self.shift();
        } else if draw < s.takers + s.reduces + s.moves + makers {
            self.make();
        } else {
            self.cancel();
        }
    }

    fn next_index(&self) -> u32 {
        self.ops.len() as u32
    }

    fn account(&mut self) -> u32 {
        self.rng.below(u64::from(self.size.accounts)) as u32 + 1
    }

    /// A price that rests on this side.
    fn resting_price(&mut self, is_buy: bool) -> i64 {
        let opposite = self.model.best(!is_buy);
        let own = self.model.best(is_buy);
        if self.shape.distance == 0.0 {
            return self.sparse_price(is_buy);
        }
        let touch = opposite.or(own).unwrap_or(self.anchor);
        let away = 1 + self.rng.geometric(self.shape.distance);
        let price = if is_buy { touch - away } else { touch + away };
        price.max(1)
    }

    /// Anywhere over several orders of magnitude, rarely twice at one price.
    fn sparse_price(&mut self, is_buy: bool) -> i64 {
        let octaves = SPARSE_OCTAVES.end - SPARSE_OCTAVES.start;
        let scale = 1 << (SPARSE_OCTAVES.start + self.rng.below(octaves));
        let away = 1 + self.rng.below(scale) as i64;
        if is_buy { SPARSE_CENTRE - away } else { SPARSE_CENTRE + away }
    }

    fn make(&mut self) {
        let (is_buy, account) = (self.rng.chance(50), self.account());
        let price = self.resting_price(is_buy);
        let quantity = self.rng.below(QUANTITY_MAX) as u32 + 1;
        self.place(Kind::Place, account, is_buy, price, quantity);
    }

    fn take(&mut self) {
        let is_buy = self.rng.chance(self.shape.taker_buys);
        let Some(best) = self.model.best(!is_buy) else { return self.make() };
        let quantity = ((self.rng.below(QUANTITY_MAX) + 1) * self.shape.taker_size) as u32;
        // Far enough to be filled, near enough for a hold.
        let price = if is_buy { best + best / 50 + 20_000 } else { (best - best / 50).max(1) };
        let account = self.account();
        self.anchor = best;
        self.place(Kind::Take, account, is_buy, price, quantity);
    }

    /// Self-trades are checked for by the engines that can, and do not occur, so that all agree.
    fn place(&mut self, kind: Kind, mut account: u32, is_buy: bool, price: i64, quantity: u32) {
        while self.model.meets_own(account, is_buy, price, quantity) {
            account = self.account();
        }
        let order = (account, is_buy, price, quantity);
        self.model.place(self.next_index(), order, kind == Kind::Place);
        self.ops.push(Op::new(kind, is_buy, account, price, quantity));
    }

    fn any_live(&mut self) -> u32 {
        self.model.live(self.rng.below(self.model.resting() as u64) as usize)
    }

    fn cancel(&mut self) {
        let index = self.any_live();
        let order = self.model.order(index);
        self.model.remove(index);
        let op = Op::new(Kind::Cancel, order.is_buy, order.account, order.price, 0);
        self.ops.push(op.on(index, order.filled));
    }

    fn reduce(&mut self) {
        let index = self.any_live();
        let order = self.model.order(index);
        if order.open < 2 {
            return self.make();
        }
        let open = self.rng.below(u64::from(order.open) - 1) as u32 + 1;
        self.model.reduce(index, open);
        let op = Op::new(Kind::Reduce, order.is_buy, order.account, order.price, open);
        self.ops.push(op.on(index, order.filled));
    }

    fn shift(&mut self) {
        let index = self.any_live();
        let order = self.model.order(index);
        let price = self.resting_price(order.is_buy);
        if price == order.price {
            return self.make();
        }
        self.model.shift(index, price);
        let op = Op::new(Kind::Move, order.is_buy, order.account, price, order.open);
        self.ops.push(op.on(index, order.filled));
    }
}
