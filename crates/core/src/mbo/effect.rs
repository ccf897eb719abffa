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

/// A view of the bytes of one effect.
#[derive(Clone, Copy)]
pub struct EffectView<'a>(pub &'a [u8; EFFECT_BYTES]);

/// Where an order stood or stands; its side may be any byte.
pub struct PlaceView {
    pub side: u8,
    pub price: i64,
    pub size: u32,
    pub orders_ahead: u32,
}

impl EffectView<'_> {
    pub const fn kind(self) -> u8 {
        self.0[0]
    }

    pub const fn problem(self) -> u8 {
        self.0[1]
    }

    pub fn orders_cleared(self) -> u32 {
        u32::from_le_bytes(self.bytes(4))
    }

    pub fn before(self) -> PlaceView {
        self.place(self.0[2], 8, 24, 32)
    }

    pub fn after(self) -> PlaceView {
        self.place(self.0[3], 16, 28, 36)
    }

    pub fn new_size_ahead(self) -> u64 {
        u64::from_le_bytes(self.bytes(40))
    }

    #[inline(always)]
    fn place(self, side: u8, price: usize, size: usize, ahead: usize) -> PlaceView {
        PlaceView {
            side,
            price: i64::from_le_bytes(self.bytes(price)),
            size: u32::from_le_bytes(self.bytes(size)),
            orders_ahead: u32::from_le_bytes(self.bytes(ahead)),
        }
    }

    #[inline(always)]
    fn bytes<const N: usize>(self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a field lies in its effect")
    }
}
