//! One order-by-order message, read in place: DBN's `MboMsg`.

pub const RECORD_BYTES: usize = 56;
/// Length in words and record type, the first two bytes of every such record.
const HEAD: u16 = 0xa0 << 8 | (RECORD_BYTES / 4) as u16;
/// A price that is none.
pub const PRICE_NONE: i64 = i64::MAX;

pub mod flag {
    pub const LAST: u8 = 128;
    pub const TOP_OF_BOOK: u8 = 64;
    pub const SNAPSHOT: u8 = 32;
}

/// A side of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Side {
    Bid = 0,
    Ask = 1,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Bid, Self::Ask];

    /// From the letter of a record; None for N and everything else.
    #[inline(always)]
    pub const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'B' => Some(Self::Bid),
            b'A' => Some(Self::Ask),
            _ => None,
        }
    }

    pub const fn letter(self) -> u8 {
        match self {
            Self::Bid => b'B',
            Self::Ask => b'A',
        }
    }
}

/// A view of the bytes of one message.
#[derive(Clone, Copy)]
pub struct Record<'a>(pub &'a [u8; RECORD_BYTES]);

macro_rules! field {
    ($name:ident, $type:ty, $at:literal) => {
        #[inline(always)]
        pub fn $name(self) -> $type {
            const WIDTH: usize = size_of::<$type>();
            let bytes = self.0[$at..$at + WIDTH].try_into().expect("a field lies in its record");
            <$type>::from_le_bytes(bytes)
        }
    };
}

impl Record<'_> {
    field!(head, u16, 0);
    field!(publisher, u16, 2);
    field!(instrument, u32, 4);
    field!(ts_event, u64, 8);
    field!(order_id, u64, 16);
    field!(price, i64, 24);
    field!(size, u32, 32);
    field!(flags, u8, 36);
    field!(action, u8, 38);
    field!(side_letter, u8, 39);
    field!(ts_recv, u64, 40);
    field!(sequence, u32, 52);

    #[inline(always)]
    pub fn is_mbo(self) -> bool {
        self.head() == HEAD
    }

    #[inline(always)]
    pub fn side(self) -> Option<Side> {
        Side::from_letter(self.side_letter())
    }

    #[inline(always)]
    pub fn has(self, flag: u8) -> bool {
        self.flags() & flag != 0
    }

    /// Publisher and instrument as one number.
    #[inline(always)]
    pub fn book_key(self) -> u64 {
        book_key(self.publisher(), self.instrument())
    }
}

#[inline(always)]
pub const fn book_key(publisher: u16, instrument: u32) -> u64 {
    (publisher as u64) << 32 | instrument as u64
}
