//! Steps of a replay as JSON: each message, what it did to its book, when it left the clock.
//!
//! A batch becomes one buffer, framed as its receivers read it. In Rust because every client of
//! every replay gets this text; `testing/replay_messages.py` says the same in plain Python.

use super::effect::{EFFECT_BYTES, EffectView, PlaceView};
use super::record::{PRICE_NONE, RECORD_BYTES, Record, Side, flag};
use super::symbols::Symbols;
use super::text::Text;

/// How a time says that it is not known.
const TIME_NONE: u64 = u64::MAX;
/// Room for a message; more is made when it does not do.
const MESSAGE_BYTES: usize = 512;

/// How messages follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line each.
    Lines,
    /// Server-Sent Events, `seq` as their id.
    Events,
    /// WebSocket text frames of a server: not masked.
    Frames,
}

/// Messages that were applied, one after the other; the slices have the same length.
pub struct Steps<'a> {
    pub records: &'a [[u8; RECORD_BYTES]],
    pub effects: &'a [[u8; EFFECT_BYTES]],
    /// Little-endian; None where no clock was involved, which leaves the field out.
    pub left_ns: Option<&'a [[u8; 8]]>,
    pub first_seq: u64,
    pub first_number: u64,
    pub symbols: &'a Symbols,
}

const UNKNOWN: &[u8] = b"unknown";
const EFFECT_NAMES: [&[u8]; 8] = [
    b"none",
    b"added",
    b"removed",
    b"reduced",
    b"modified_kept",
    b"modified_lost",
    b"cleared",
    b"error",
];
const ERROR_NAMES: [&[u8]; 10] = [
    b"",
    b"duplicate_order",
    b"unknown_cancel",
    b"unknown_modify",
    b"cancel_too_large",
    b"no_side",
    b"no_price",
    b"no_size",
    b"unknown_action",
    b"not_mbo",
];

/// First byte of a whole text frame, and how a length of 16 and of 64 bits is announced.
const TEXT_FRAME: u8 = 0x81;
const MEDIUM: u8 = 126;
const LARGE: u8 = 127;

impl Steps<'_> {
    /// The whole batch in one buffer.
    ///
    /// Panics when the slices differ in length.
    pub fn render(&self, style: Style) -> Vec<u8> {
        let count = self.records.len();
        let times = self.left_ns.map_or(count, <[_]>::len);
        assert!(self.effects.len() == count && times == count, "one of each");
        let mut text = Text::with_capacity(count * MESSAGE_BYTES);
        for at in 0..count {
            match style {
                Style::Lines => {
                    self.message(&mut text, at);
                    text.raw(b"\n");
                }
                Style::Events => {
                    text.raw(b"id: ");
                    text.integer(self.first_seq + at as u64);
                    text.raw(b"\ndata: ");
                    self.message(&mut text, at);
                    text.raw(b"\n\n");
                }
                Style::Frames => {
                    let start = text.out.len();
                    text.raw(&[TEXT_FRAME, MEDIUM, 0, 0]);
                    self.message(&mut text, at);
                    set_length(&mut text.out, start);
                }
            }
        }
        text.out
    }

    #[inline]
    fn message(&self, text: &mut Text, at: usize) {
        let record = Record(&self.records[at]);
        text.raw(b"{\"seq\":");
        text.integer(self.first_seq + at as u64);
        text.raw(b",\"number\":");
        text.integer(self.first_number + at as u64);
        if record.ts_event() != TIME_NONE {
            text.raw(b",\"time\":\"");
            text.time(record.ts_event());
            text.raw(b"\"");
        }
        text.raw(b",");
        text.raw(self.symbols.field(record.instrument(), record.ts_event()));
        text.raw(b"\"instrument_id\":");
        text.integer(record.instrument().into());
        text.raw(b",\"publisher_id\":");
        text.integer(record.publisher().into());
        order(text, record);
        effect(text, EffectView(&self.effects[at]));
        if let Some(left_ns) = self.left_ns {
            text.raw(b",\"left_ns\":");
            text.integer(u64::from_le_bytes(left_ns[at]));
        }
        text.raw(b"}");
    }
}

#[inline]
fn order(text: &mut Text, record: Record<'_>) {
    text.raw(b",\"action\":\"");
    text.raw(action_name(record.action()));
    text.raw(b"\"");
    side(text, b",\"side\":\"", record.side());
    if record.order_id() != 0 {
        text.raw(b",\"order_id\":\"");
        text.integer(record.order_id());
        text.raw(b"\"");
    }
    price(text, record.price());
    text.raw(b",\"size\":");
    text.integer(record.size().into());
    if record.has(flag::LAST) {
        text.raw(b",\"last\":true");
    }
    text.raw(b",\"flags\":");
    text.integer(record.flags().into());
    text.raw(b",\"venue_sequence\":");
    text.integer(record.sequence().into());
}

#[inline]
fn effect(text: &mut Text, effect: EffectView<'_>) {
    text.raw(b",\"effect\":{\"kind\":\"");
    text.raw(EFFECT_NAMES.get(usize::from(effect.kind())).copied().unwrap_or(UNKNOWN));
    text.raw(b"\"");
    if effect.problem() != 0 {
        text.raw(b",\"error\":\"");
        text.raw(ERROR_NAMES.get(usize::from(effect.problem())).copied().unwrap_or(UNKNOWN));
        text.raw(b"\"");
    }
    if effect.orders_cleared() != 0 {
        text.raw(b",\"orders_cleared\":");
        text.integer(effect.orders_cleared().into());
    }
    place(text, b",\"old\":{\"side\":\"", effect.before());
    if place(text, b",\"new\":{\"side\":\"", effect.after()) {
        // Back into the object that has just been closed.
        text.out.pop();
        text.raw(b",\"size_ahead\":");
        text.integer(effect.new_size_ahead());
        text.raw(b"}");
    }
    text.raw(b"}");
}

/// Where an order stands; whether there is one.
#[inline]
fn place(text: &mut Text, begin: &[u8], place: PlaceView) -> bool {
    let found = Side::from_letter(place.side);
    if found.is_none() {
        return false;
    }
    side(text, begin, found);
    price(text, place.price);
    text.raw(b",\"size\":");
    text.integer(place.size.into());
    text.raw(b",\"orders_ahead\":");
    text.integer(place.orders_ahead.into());
    text.raw(b"}");
    true
}

#[inline]
fn side(text: &mut Text, begin: &[u8], side: Option<Side>) {
    if let Some(side) = side {
        text.raw(begin);
        text.raw(match side {
            Side::Bid => b"bid\"",
            Side::Ask => b"ask\"",
        });
    }
}

#[inline]
fn price(text: &mut Text, price: i64) {
    if price != PRICE_NONE {
        text.raw(b",\"price\":\"");
        text.price(price);
        text.raw(b"\"");
    }
}

const fn action_name(action: u8) -> &'static [u8] {
    match action {
        b'A' => b"add",
        b'C' => b"cancel",
        b'M' => b"modify",
        b'R' => b"clear",
        b'T' => b"trade",
        b'F' => b"fill",
        b'N' => b"none",
        _ => UNKNOWN,
    }
}

/// Write the length of a frame that starts here and has room for one of 16 bits.
#[inline]
fn set_length(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start - 4;
    // Every message is longer than what fits one byte: its fixed part alone is.
    assert!(length >= usize::from(MEDIUM), "a message has all its fields");
    if let Ok(length) = u16::try_from(length) {
        out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
    } else {
        out[start + 1] = LARGE;
        out.splice(start + 2..start + 4, (length as u64).to_be_bytes());
    }
}
