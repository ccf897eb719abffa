//! One instrument's venue: what happens next, by chance, and how it is written down.

use super::Settings;
use super::ladder::{Ladder, Order, Side, TICKS};
use super::random::Random;
use super::tape::{Entry, Tape};

/// The session begins here and is drawn back to it, so that a long one stays inside the range.
const MIDDLE: u32 = TICKS / 2;
/// Ticks from the middle at which all aggressors go back to it.
const PULL: i64 = 8_000;
/// A side with fewer orders is not hit, so that it never runs empty.
const SIDE_ORDERS_MIN: u32 = 30;
/// Far orders lie within so many ticks of the best.
const FAR_TICKS: u64 = 900;

/// Events of continuous trading in a thousand, while the book has its usual size: the mix of
/// records of an hour of ESH4 after its open. The rest are trades.
const ADDS: u64 = 415;
const CANCELS: u64 = 300;
const MODIFIES: u64 = 230;
/// How many adds become cancels while the book is larger than usual, and the other way round.
const BALANCE: u64 = 50;

/// An order that an event has hit, and what was known of it before.
struct Hit {
    slot: u32,
    before: Order,
    is_gone: bool,
    /// Rank among the refreshes of the event; 0 = none.
    refreshed: u32,
}

pub struct Venue {
    pub(super) number: u32,
    settings: Settings,
    pub(super) ladder: Ladder,
    next_id: u64,
    entries: Vec<Entry>,
    hits: Vec<Hit>,
}

const fn entry(action: u8, order: &Order, size: u32) -> Entry {
    Entry { action, side: order.side.letter(), tick: order.tick, size, order_id: order.id }
}

impl Venue {
    pub fn new(number: u32, settings: Settings, random: &mut Random) -> Self {
        let mut venue = Self {
            number,
            settings,
            ladder: Ladder::new(),
            next_id: u64::from(number) << 40,
            entries: Vec::new(),
            hits: Vec::new(),
        };
        for count in 0..settings.orders.max(4 * SIDE_ORDERS_MIN) {
            let side = if count % 2 == 0 { Side::Bid } else { Side::Ask };
            venue.enter(side, random);
        }
        venue
    }

    /// Write down everything that rests.
    pub fn snapshot(&self, tape: &mut Tape) {
        let slots = [Side::Bid, Side::Ask].map(|side| self.ladder.in_order(side));
        let orders = slots.iter().flatten().map(|slot| self.ladder.order(*slot));
        tape.snapshot(self.number, orders.map(|order| entry(b'A', &order, order.shown)));
    }

    /// Before the open: an order beyond the other side's best, which does not trade yet.
    pub fn enter_crossed(&mut self, random: &mut Random, tape: &mut Tape) {
        let side = if random.below(2) == 0 { Side::Bid } else { Side::Ask };
        let beyond = random.below(6) as i32;
        let tick = side.other().worse(MIDDLE, beyond);
        let slot = self.add(side, tick, size(random));
        let order = self.ladder.order(slot);
        tape.event(self.number, &[entry(b'A', &order, order.shown)]);
    }

    /// The open: what crosses trades at one price, in one event.
    pub fn uncross(&mut self, tape: &mut Tape) {
        while let (Some(bid), Some(ask)) = (self.crossing(Side::Bid), self.crossing(Side::Ask)) {
            let [bid, ask] = [bid, ask].map(|slot| self.ladder.order(slot));
            let quantity = bid.shown.min(ask.shown);
            for order in [bid, ask] {
                self.entries.push(Entry { tick: MIDDLE, ..entry(b'F', &order, quantity) });
            }
            for side in [Side::Bid, Side::Ask] {
                self.fill_first(side, quantity);
            }
        }
        let traded = self.entries.iter().filter(|each| each.side == b'B');
        let quantity = traded.map(|each| each.size).sum();
        if quantity > 0 {
            let all = Entry { action: b'T', side: b'N', tick: MIDDLE, size: quantity, order_id: 0 };
            self.entries.insert(0, all);
            self.write_hits();
            self.close(tape);
        }
    }

    /// The first order of a side while its best reaches the other side's.
    fn crossing(&self, side: Side) -> Option<u32> {
        let (own, other) = (self.ladder.best(side)?, self.ladder.best(side.other())?);
        if side.reaches(own, other) { self.ladder.first(side) } else { None }
    }

    /// One event of continuous trading.
    pub fn act(&mut self, random: &mut Random, tape: &mut Tape) {
        let count = self.ladder.count(Side::Bid) + self.ladder.count(Side::Ask);
        let adds = if count < self.settings.orders { ADDS + BALANCE } else { ADDS - BALANCE };
        let choice = random.below(1000);
        let side = if random.below(2) == 0 { Side::Bid } else { Side::Ask };
        let is_thin = self.ladder.count(side) < 2 * SIDE_ORDERS_MIN;
        if choice < adds || is_thin {
            let slot = self.enter(side, random);
            let order = self.ladder.order(slot);
            self.entries.push(entry(b'A', &order, order.shown));
        } else if choice < ADDS + CANCELS {
            self.cancel(side, random);
        } else if choice < ADDS + CANCELS + MODIFIES {
            self.modify(side, random);
        } else {
            self.aggress(random);
        }
        self.close(tape);
    }

    fn close(&mut self, tape: &mut Tape) {
        tape.event(self.number, &self.entries);
        self.entries.clear();
    }

    fn add(&mut self, side: Side, tick: u32, shown: u32) -> u32 {
        self.next_id += 1;
        self.ladder.add(self.next_id, side, tick, shown)
    }

    fn enter(&mut self, side: Side, random: &mut Random) -> u32 {
        let tick = self.passive_tick(side, random);
        let slot = self.add(side, tick, size(random));
        if random.happens(self.settings.iceberg_ppm) {
            let order = self.ladder.order_mut(slot);
            order.peak = order.shown;
            order.hidden = order.shown * (1 + random.geometric());
        }
        slot
    }

    /// A price that does not trade: mostly near the touch, sometimes far from it.
    fn passive_tick(&self, side: Side, random: &mut Random) -> u32 {
        let touch = self.ladder.best(side.other()).unwrap_or(MIDDLE);
        let away = if random.below(8) == 0 {
            random.below(FAR_TICKS) as u32
        } else {
            3 * random.geometric() + random.below(3) as u32
        };
        side.worse(touch, 1 + away.min(TICKS) as i32)
    }

    /// A resting order, more often one near the touch.
    fn pick(&self, side: Side, random: &mut Random) -> u32 {
        let count = u64::from(self.ladder.count(side));
        let [one, two] =
            [random.below(count), random.below(count)].map(|n| self.ladder.live(side, n as u32));
        let reaches = side.reaches(self.ladder.order(one).tick, self.ladder.order(two).tick);
        if reaches { one } else { two }
    }

    fn cancel(&mut self, side: Side, random: &mut Random) {
        let slot = self.pick(side, random);
        let order = self.ladder.order(slot);
        self.entries.push(entry(b'C', &order, order.shown));
        self.ladder.remove(slot);
    }

    /// Half of the changes make an order smaller in its place; the others lose it.
    fn modify(&mut self, side: Side, random: &mut Random) {
        let slot = self.pick(side, random);
        let order = self.ladder.order(slot);
        let choice = random.below(10);
        if choice < 5 && order.shown > 1 {
            let shown = 1 + random.below(u64::from(order.shown) - 1) as u32;
            self.ladder.order_mut(slot).shown = shown;
        } else if choice < 7 {
            self.ladder.order_mut(slot).shown = order.shown.saturating_add(size(random));
            self.ladder.requeue(slot, order.tick);
        } else {
            let tick = self.passive_tick(side, random);
            if tick == order.tick {
                self.ladder.order_mut(slot).shown = order.shown.saturating_add(1);
            }
            self.ladder.requeue(slot, tick);
        }
        let order = self.ladder.order(slot);
        self.entries.push(entry(b'M', &order, order.shown));
    }

    /// An order that trades at once: T and F of each price, then a rest of the aggressor, then what
    /// became of the orders that it hit.
    fn aggress(&mut self, random: &mut Random) {
        let best = self.ladder.best(Side::Bid).unwrap_or(MIDDLE);
        let drift = (i64::from(best) - i64::from(MIDDLE)).clamp(-PULL, PULL);
        let is_buy = (random.below(2 * PULL as u64) as i64) < PULL - drift;
        let side = if is_buy { Side::Bid } else { Side::Ask };
        let other = side.other();
        let touch = self.ladder.best(other).expect("a side never runs empty");
        let limit = other.worse(touch, random.below(3) as i32);
        let mut rest = size(random) * (1 + random.geometric());
        while rest > 0 && self.ladder.count(other) > SIDE_ORDERS_MIN {
            let tick = self.ladder.best(other).expect("a side never runs empty");
            if !side.reaches(limit, tick) {
                break;
            }
            rest = self.trade_at(tick, side, rest);
        }
        let is_cleared = self.ladder.best(other).is_none_or(|tick| !side.reaches(limit, tick));
        if rest > 0 && is_cleared && random.below(2) == 0 {
            let slot = self.add(side, limit, rest);
            let order = self.ladder.order(slot);
            self.entries.push(entry(b'A', &order, rest));
        }
        self.write_hits();
    }

    /// Trade at the best level of the other side; gives what is left.
    fn trade_at(&mut self, tick: u32, side: Side, quantity: u32) -> u32 {
        let trade = self.entries.len();
        let other = side.other();
        self.entries.push(Entry { action: b'T', side: side.letter(), tick, size: 0, order_id: 0 });
        let mut rest = quantity;
        while rest > 0 && self.ladder.best(other) == Some(tick) {
            if self.ladder.count(other) <= SIDE_ORDERS_MIN {
                break;
            }
            let slot = self.ladder.first(other).expect("a level has an order");
            let order = self.ladder.order(slot);
            let filled = rest.min(order.shown);
            self.entries.push(entry(b'F', &order, filled));
            self.fill_first(other, filled);
            rest -= filled;
        }
        self.entries[trade].size = quantity - rest;
        rest
    }

    /// Take quantity from the first order of a side, which has at least so much.
    fn fill_first(&mut self, side: Side, quantity: u32) {
        let slot = self.ladder.first(side).expect("a level has an order");
        let before = self.ladder.order(slot);
        let at = self.hits.iter().position(|hit| hit.slot == slot && !hit.is_gone);
        let at = at.unwrap_or_else(|| {
            self.hits.push(Hit { slot, before, is_gone: false, refreshed: 0 });
            self.hits.len() - 1
        });
        let order = self.ladder.order_mut(slot);
        order.shown -= quantity;
        if order.shown > 0 {
            return;
        }
        if order.hidden > 0 {
            order.shown = order.peak.min(order.hidden);
            order.hidden -= order.shown;
            self.ladder.requeue(slot, before.tick);
            self.hits[at].refreshed =
                1 + self.hits.iter().map(|hit| hit.refreshed).max().unwrap_or(0);
        } else {
            self.ladder.remove(slot);
            self.hits[at].is_gone = true;
        }
    }

    /// What became of the orders that were hit. A refreshed one has left and comes back behind.
    fn write_hits(&mut self) {
        let mut again = Vec::new();
        for hit in self.hits.drain(..) {
            if hit.is_gone || hit.refreshed > 0 {
                self.entries.push(entry(b'C', &hit.before, hit.before.shown));
            } else {
                let order = self.ladder.order(hit.slot);
                self.entries.push(entry(b'M', &order, order.shown));
            }
            if !hit.is_gone && hit.refreshed > 0 {
                again.push((hit.refreshed, hit.slot));
            }
        }
        again.sort_unstable();
        for (_, slot) in again {
            let order = self.ladder.order(slot);
            self.entries.push(entry(b'A', &order, order.shown));
        }
    }
}

/// Mostly one, sometimes many.
fn size(random: &mut Random) -> u32 {
    match random.below(20) {
        0 => 10 * (1 + random.geometric()),
        1..=4 => 2 + random.below(8) as u32,
        _ => 1,
    }
}
