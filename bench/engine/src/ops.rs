//! A flow as neutral operations, the same for every engine.

/// What an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Place = 1,
    /// Immediate or cancel.
    Take = 2,
    Cancel = 3,
    /// Lower the quantity; the place in the queue is kept.
    Reduce = 4,
    /// Move to another price.
    Move = 5,
}

/// One operation. `target` is the index of the operation that placed the order.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Op {
    pub kind: Kind,
    pub is_buy: bool,
    reserved: u16,
    /// From 1.
    pub account: u32,
    pub price: i64,
    /// New open quantity of a reduced or moved order.
    pub quantity: u32,
    /// Filled before; `quantity + filled` is the order's new total.
    pub filled: u32,
    pub target: u32,
    reserved_end: u32,
}

const _: () = assert!(size_of::<Op>() == 32);

impl Op {
    pub const fn new(kind: Kind, is_buy: bool, account: u32, price: i64, quantity: u32) -> Self {
        Self {
            kind,
            is_buy,
            reserved: 0,
            account,
            price,
            quantity,
            filled: 0,
            target: 0,
            reserved_end: 0,
        }
    }

    pub const fn on(mut self, target: u32, filled: u32) -> Self {
        self.target = target;
        self.filled = filled;
        self
    }
}

/// Operations as bytes: what the Python benchmarks read.
pub fn as_bytes(ops: &[Op]) -> &[u8] {
    // SAFETY: `Op` is plain integers without padding (asserted by its size).
    unsafe { std::slice::from_raw_parts(ops.as_ptr().cast(), size_of_val(ops)) }
}

/// A named flow: the book is filled, then the key window, then the clock runs.
pub struct Flow {
    pub name: &'static str,
    pub ops: Vec<Op>,
    /// Operations before the measured part.
    pub warm_up: usize,
    /// Trades that price-time priority makes of the measured part.
    pub fills: u64,
    pub resting_min: usize,
}
