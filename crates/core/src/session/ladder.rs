//! The venue's book: orders in queues, one queue per tick and side, in a fixed range of ticks.

/// Ticks from 0 up to this; sessions keep to the middle of it.
pub const TICKS: u32 = 1 << 16;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Bid,
    Ask,
}

impl Side {
    pub const fn other(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }

    pub const fn letter(self) -> u8 {
        match self {
            Self::Bid => b'B',
            Self::Ask => b'A',
        }
    }

    /// A tick that is so much worse (negative: better) for this side; kept inside the range.
    pub fn worse(self, tick: u32, by: i32) -> u32 {
        let signed = match self {
            Self::Bid => -by,
            Self::Ask => by,
        };
        tick.saturating_add_signed(signed).clamp(1, TICKS - 1)
    }

    /// Whether a price of this side trades with one of the other.
    pub const fn reaches(self, limit: u32, other: u32) -> bool {
        match self {
            Self::Bid => limit >= other,
            Self::Ask => limit <= other,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub id: u64,
    pub side: Side,
    pub tick: u32,
    pub shown: u32,
    /// Quantity behind the shown part.
    pub hidden: u32,
    /// Shown part after a refresh.
    pub peak: u32,
    next: u32,
    previous: u32,
    /// Where `live` has it.
    place: u32,
}

#[derive(Clone, Copy)]
struct Queue {
    head: u32,
    tail: u32,
}

/// Orders by number (a slot that is used again once its order is gone), and their queues.
pub struct Ladder {
    orders: Vec<Order>,
    free: Vec<u32>,
    live: [Vec<u32>; 2],
    queues: [Vec<Queue>; 2],
    /// Best tick of each side; that of an empty side lies beyond the range.
    best: [u32; 2],
}

impl Ladder {
    pub fn new() -> Self {
        let queues = || vec![Queue { head: NONE, tail: NONE }; TICKS as usize];
        Self {
            orders: Vec::new(),
            free: Vec::new(),
            live: [Vec::new(), Vec::new()],
            queues: [queues(), queues()],
            best: [0, TICKS],
        }
    }

    pub fn count(&self, side: Side) -> u32 {
        self.live[side as usize].len() as u32
    }

    pub fn best(&self, side: Side) -> Option<u32> {
        (self.count(side) > 0).then_some(self.best[side as usize])
    }

    pub fn order(&self, slot: u32) -> Order {
        self.orders[slot as usize]
    }

    pub fn order_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.orders[slot as usize]
    }

    /// The first order of the best level.
    pub fn first(&self, side: Side) -> Option<u32> {
        let tick = self.best(side)?;
        Some(self.queues[side as usize][tick as usize].head)
    }

    /// The slot of the n-th live order of a side, in no particular order.
    pub fn live(&self, side: Side, n: u32) -> u32 {
        self.live[side as usize][n as usize]
    }

    /// Put an order at the back of its level; gives its slot.
    pub fn add(&mut self, id: u64, side: Side, tick: u32, shown: u32) -> u32 {
        let place = self.count(side);
        let order =
            Order { id, side, tick, shown, hidden: 0, peak: 0, next: NONE, previous: NONE, place };
        let slot = if let Some(slot) = self.free.pop() {
            self.orders[slot as usize] = order;
            slot
        } else {
            self.orders.push(order);
            (self.orders.len() - 1) as u32
        };
        self.live[side as usize].push(slot);
        self.append(slot);
        slot
    }

    /// Take an order off.
    pub fn remove(&mut self, slot: u32) {
        let Order { side, place, .. } = self.order(slot);
        self.unlink(slot);
        let live = &mut self.live[side as usize];
        live.swap_remove(place as usize);
        if let Some(&moved) = live.get(place as usize) {
            self.orders[moved as usize].place = place;
        }
        self.free.push(slot);
    }

    /// Put an order at the back of the level of a tick.
    pub fn requeue(&mut self, slot: u32, tick: u32) {
        self.unlink(slot);
        self.orders[slot as usize].tick = tick;
        self.append(slot);
    }

    /// Slots of a side, best first, in queue order.
    pub fn in_order(&self, side: Side) -> Vec<u32> {
        let mut slots = Vec::with_capacity(self.count(side) as usize);
        let mut ticks: Vec<u32> = (0..TICKS).collect();
        if side == Side::Bid {
            ticks.reverse();
        }
        for tick in ticks {
            let mut slot = self.queues[side as usize][tick as usize].head;
            while slot != NONE {
                slots.push(slot);
                slot = self.orders[slot as usize].next;
            }
        }
        slots
    }

    fn append(&mut self, slot: u32) {
        let Order { side, tick, .. } = self.order(slot);
        let best = &mut self.best[side as usize];
        *best = match side {
            Side::Bid => tick.max(*best),
            Side::Ask => tick.min(*best),
        };
        let queue = &mut self.queues[side as usize][tick as usize];
        let order = &mut self.orders[slot as usize];
        order.next = NONE;
        order.previous = queue.tail;
        if queue.tail == NONE {
            queue.head = slot;
        } else {
            self.orders[queue.tail as usize].next = slot;
        }
        queue.tail = slot;
    }

    fn unlink(&mut self, slot: u32) {
        let Order { side, tick, next, previous, .. } = self.order(slot);
        let queue = &mut self.queues[side as usize][tick as usize];
        if previous == NONE {
            queue.head = next;
        } else {
            self.orders[previous as usize].next = next;
        }
        if next == NONE {
            queue.tail = previous;
        } else {
            self.orders[next as usize].previous = previous;
        }
        let is_empty = self.queues[side as usize][tick as usize].head == NONE;
        if is_empty && self.best[side as usize] == tick {
            self.find_best(side, tick);
        }
    }

    /// The next level behind one that is empty now.
    fn find_best(&mut self, side: Side, from: u32) {
        let queues = &self.queues[side as usize];
        let is_used = |tick: &u32| queues[*tick as usize].head != NONE;
        self.best[side as usize] = match side {
            Side::Bid => (0..from).rev().find(is_used).unwrap_or(0),
            Side::Ask => (from + 1..TICKS).find(is_used).unwrap_or(TICKS),
        };
    }
}
