//! What one record did to the book, as 48 bytes: `EFFECT_DTYPE` in Python.

use super::report::Problem;

pub const EFFECT_BYTES: usize = 48;

/// What happened to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Kind {
    #[default]
    None = 0,
    Added = 1,
    Removed = 2,
    Reduced = 3,
    ModifiedKept = 4,
    ModifiedLost = 5,
    Cleared = 6,
    Error = 7,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Letter of its side; 0 = there is no order.
    pub side: u8,
    pub price: i64,
    pub size: u32,
    pub orders_ahead: u32,
    pub size_ahead: u64,
}

/// What one record did. Without effects being asked for only what costs nothing is filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub kind: Kind,
    pub problem: Option<Problem>,
    pub orders_cleared: u32,
    pub old: Place,
    pub new: Place,
}

impl Effect {
    pub fn to_bytes(&self) -> [u8; EFFECT_BYTES] {
        let mut bytes = [0; EFFECT_BYTES];
        let problem = self.problem.map_or(0, |problem| problem as u8);
        bytes[..4].copy_from_slice(&[self.kind as u8, problem, self.old.side, self.new.side]);
        bytes[4..8].copy_from_slice(&self.orders_cleared.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.old.price.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.new.price.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.old.size.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.new.size.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.old.orders_ahead.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.new.orders_ahead.to_le_bytes());
        bytes[40..].copy_from_slice(&self.new.size_ahead.to_le_bytes());
        bytes
    }
}
