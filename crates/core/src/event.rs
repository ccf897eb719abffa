//! The buffer that commands write their events into.

use crate::wire::{RECORD_BYTES, Wire, record_flag};

/// Room made at a time.
const GROW_RECORDS: usize = 1024;

/// Events of one call of `apply`, in cause order.
#[derive(Default)]
pub struct Output {
    pub records: Vec<u8>,
    /// For each event with flag TEXT: u16 length, UTF-8 bytes.
    pub texts: Vec<u8>,
    /// Number of events up to and including each command's last one.
    pub ends: Vec<u32>,
}

impl Output {
    pub fn clear(&mut self) {
        self.records.clear();
        self.texts.clear();
        self.ends.clear();
    }

    #[inline(always)]
    pub fn count(&self) -> usize {
        self.records.len() / RECORD_BYTES
    }

    #[cold]
    fn grow(&mut self) {
        self.records.reserve(GROW_RECORDS * RECORD_BYTES);
    }

    /// Append an event; its index is returned.
    #[inline(always)]
    pub fn push<T: Wire>(&mut self, event: &T) -> usize {
        const { assert!(size_of::<T>() == RECORD_BYTES) };
        let index = self.count();
        if self.records.capacity() - self.records.len() < RECORD_BYTES {
            self.grow();
        }
        // SAFETY: there is room for a record, and a `Wire` type is one record without padding.
        unsafe {
            let end = self.records.as_mut_ptr().add(self.records.len());
            end.cast::<T>().write_unaligned(*event);
            self.records.set_len(self.records.len() + RECORD_BYTES);
        }
        index
    }

    /// Write over an event whose outcome was not known when it was appended.
    #[inline(always)]
    pub fn replace<T: Wire>(&mut self, index: usize, event: &T) {
        const { assert!(size_of::<T>() == RECORD_BYTES) };
        let place = &mut self.records[index * RECORD_BYTES..][..RECORD_BYTES];
        // SAFETY: the place is a record, and so is a `Wire` type, without padding.
        unsafe { place.as_mut_ptr().cast::<T>().write_unaligned(*event) };
    }

    /// Text of the event just appended, which carries flag TEXT.
    pub fn push_text(&mut self, text: &str) {
        debug_assert!(self.records[self.records.len() - RECORD_BYTES + 1] & record_flag::TEXT != 0);
        let length =
            u16::try_from(text.len()).expect("texts come from frames, whose lengths are u16");
        self.texts.extend_from_slice(&length.to_le_bytes());
        self.texts.extend_from_slice(text.as_bytes());
    }
}
