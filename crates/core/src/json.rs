//! Orders and fills as the JSON of the public interface: what every answer is made of.
//!
//! In Rust because order entry renders one per order; field by field the shapes are those of
//! `gateway/results.py`, against which a contract test decodes what is written here.

use crate::engine::{Engine, Instrument};
use crate::history::{Fill, History, OrderView};
use crate::queries::is_open;
use crate::wire::*;

/// Digits of an average price beyond its instrument's own.
const AVERAGE_EXTRA_DIGITS: u32 = 6;
const SECOND_NS: i64 = 1_000_000_000;

pub(crate) const SIDES: [&str; 3] = ["none", "buy", "sell"];
const ORDER_TYPES: [&str; 6] = ["none", "limit", "market", "stop", "stop_limit", "trailing_stop"];
const TIMES_IN_FORCE: [&str; 6] = ["none", "gtc", "day", "gtd", "ioc", "fok"];
const PREVENTIONS: [&str; 5] = ["none", "cancel_taker", "cancel_maker", "cancel_both", "decrement"];
const STATUSES: [&str; 7] =
    ["none", "new", "partially_filled", "filled", "cancelled", "expired", "rejected"];
pub(crate) const CLOSE_REASONS: [&str; 17] = [
    "none",
    "requested",
    "ioc_remainder",
    "market_remainder",
    "fok_unfillable",
    "self_trade",
    "mass_cancel",
    "kill",
    "reduce_only",
    "time",
    "closing",
    "no_liquidity",
    "halted",
    "dead_man",
    "disconnect",
    "quote",
    "exposure",
];

/// The command that caused an event.
fn sequence_of(record: &[u8]) -> u64 {
    u64::from_le_bytes(record[8..16].try_into().expect("eight bytes"))
}

/// Text that is being written.
#[derive(Default)]
pub struct Json {
    out: Vec<u8>,
}

impl Json {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    #[inline(always)]
    pub fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A JSON string.
    pub fn string(&mut self, text: &str) {
        self.out.push(b'"');
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                0..=0x1f => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                    self.raw("\\u00");
                    self.out.extend_from_slice(&digits);
                }
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    pub fn integer(&mut self, value: u64) {
        let mut digits = [0u8; 20];
        let start = fill_digits(&mut digits, u128::from(value), 1);
        self.out.extend_from_slice(&digits[start..]);
    }

    pub(crate) fn name(&mut self, names: &[&'static str], number: u8) {
        self.raw(names.get(usize::from(number)).copied().unwrap_or("unknown"));
    }

    /// `units` steps of mantissa * 10^-exponent, with the places of the step: `70150.50`.
    pub fn decimal(&mut self, units: i128, mantissa: u32, exponent: u32) {
        let value = units * i128::from(mantissa);
        if value < 0 {
            self.out.push(b'-');
        }
        let mut digits = [0u8; 64];
        let places = exponent as usize;
        let start = fill_digits(&mut digits, value.unsigned_abs(), places + 1);
        let point = digits.len() - places;
        self.out.extend_from_slice(&digits[start..point]);
        if places > 0 {
            self.out.push(b'.');
            self.out.extend_from_slice(&digits[point..]);
        }
    }

    /// value / count steps, half-even to a few digits beyond the step's own places.
    pub(crate) fn average(&mut self, value: i128, count: i128, mantissa: u32, exponent: u32) {
        let mut places = exponent + AVERAGE_EXTRA_DIGITS;
        let scaled = value * i128::from(mantissa) * 10i128.pow(AVERAGE_EXTRA_DIGITS);
        let mut rounded = divide_half_even(scaled, count);
        while places > exponent && rounded % 10 == 0 {
            rounded /= 10;
            places -= 1;
        }
        self.decimal(rounded, 1, places);
    }

    /// RFC 3339 in UTC with nine fractional digits.
    pub fn time(&mut self, time_ns: i64) {
        let (second, nanosecond) = (time_ns.div_euclid(SECOND_NS), time_ns.rem_euclid(SECOND_NS));
        let (day, rest) = (second.div_euclid(86_400), second.rem_euclid(86_400));
        let (year, month, date) = civil(day);
        let parts = [
            (year as u64, 4, '-'),
            (month, 2, '-'),
            (date, 2, 'T'),
            (rest as u64 / 3600, 2, ':'),
            (rest as u64 / 60 % 60, 2, ':'),
            (rest as u64 % 60, 2, '.'),
            (nanosecond as u64, 9, 'Z'),
        ];
        for (value, width, separator) in parts {
            let mut digits = [0u8; 20];
            let start = fill_digits(&mut digits, u128::from(value), width);
            self.out.extend_from_slice(&digits[start..]);
            self.out.push(separator as u8);
        }
    }
}

/// Write the digits of a value at the end of `digits`, at least `width`; where they start.
#[inline]
fn fill_digits(digits: &mut [u8], value: u128, width: usize) -> usize {
    let mut at = digits.len();
    let least = digits.len() - width;
    let mut small = match u64::try_from(value) {
        Ok(small) => small,
        Err(_) => {
            let mut large = value;
            while large > u128::from(u64::MAX) {
                at -= 1;
                digits[at] = b'0' + (large % 10) as u8;
                large /= 10;
            }
            large as u64
        }
    };
    while small > 0 || at > least {
        at -= 1;
        digits[at] = b'0' + (small % 10) as u8;
        small /= 10;
    }
    at
}

fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    let (quotient, remainder) =
        (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    let twice = 2 * remainder;
    let up = twice > denominator || (twice == denominator && quotient & 1 == 1);
    quotient + i128::from(up)
}

/// Year, month, day of a day number since 1970-01-01 (proleptic Gregorian calendar).
fn civil(day: i64) -> (i64, u64, u64) {
    // Counted from 0000-03-01, so that leap days end a year; 146,097 days make 400 years.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u64, date as u64)
}

impl Instrument {
    pub(crate) fn write_price(&self, json: &mut Json, price: i64) {
        json.decimal(i128::from(price), self.tick_mantissa, self.tick_exponent);
    }

    pub(crate) fn write_quantity(&self, json: &mut Json, lots: i128) {
        json.decimal(lots, self.lot_mantissa, self.lot_exponent);
    }
}

/// Renders rows of one engine and its history.
pub struct Renderer<'a> {
    pub engine: &'a Engine,
    pub history: &'a History,
}

impl Renderer<'_> {
    fn instrument(&self, number: u32) -> &Instrument {
        &self.engine.instruments[number as usize - 1]
    }

    /// The order as it stands now, with its place in the queue while it rests.
    pub fn order(&self, order_id: u64) -> Option<Vec<u8>> {
        let known = self.history.order(order_id).cloned();
        let mut order = known.or_else(|| self.engine.live_order(order_id))?;
        if order.waits()
            && let Some(special) = &mut order.special
            && let Some(stop_price) = self.engine.current_stop(order_id)
        {
            special.stop_price = stop_price;
        }
        Some(self.write(&order, u64::MAX, is_open(order.status)))
    }

    /// The order right after this sequence, as the command's answer showed it.
    pub fn order_at(&self, order_id: u64, sequence: u64) -> Option<Vec<u8>> {
        let order = self.history.order_at(order_id, sequence)?;
        Some(self.write(&order, sequence, false))
    }

    /// The results of a batch whose commands each placed an order; None when one did not, or when
    /// the history no longer holds one.
    pub fn batch(&self, events: &[u8], first_sequence: u64, count: u64) -> Option<Vec<u8>> {
        let mut out = b"{\"results\":[".to_vec();
        for (index, order) in self.placed(events, first_sequence, count).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"status\":201,\"order\":");
            out.extend_from_slice(&order?);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        Some(out)
    }

    /// The orders that so many commands placed; None for one that did not, or when the history no
    /// longer holds it.
    pub fn placed(
        &self,
        events: &[u8],
        first_sequence: u64,
        count: u64,
    ) -> impl Iterator<Item = Option<Vec<u8>>> {
        let mut records = events.chunks_exact(size_of::<OrderAccepted>());
        (first_sequence..first_sequence + count).map(move |sequence| {
            let event = records.find(|record| sequence_of(record) == sequence)?;
            let is_accepted = event[0] == EventKind::OrderAccepted as u8;
            if is_accepted { self.order_at(sequence, sequence) } else { None }
        })
    }

    fn write(&self, o: &OrderView, up_to: u64, with_queue: bool) -> Vec<u8> {
        let instrument = self.instrument(o.instrument);
        let mut json = Json::with_capacity(640);
        json.raw("{\"id\":\"");
        json.integer(o.id);
        json.raw("\",\"order_id\":\"");
        json.integer(o.id);
        json.raw("\",\"client_id\":");
        json.string(&self.engine.ledger.names[o.account as usize - 1].0);
        json.raw(",\"client_order_id\":");
        match &o.text {
            Some(text) => json.string(text),
            None => json.raw("null"),
        }
        json.raw(",\"instrument\":");
        json.string(&instrument.symbol);
        json.raw(",\"side\":\"");
        json.name(&SIDES, o.side);
        json.raw("\",\"type\":\"");
        json.name(&ORDER_TYPES, o.order_type);
        json.raw("\",\"time_in_force\":\"");
        json.name(&TIMES_IN_FORCE, o.time_in_force);
        json.raw("\",\"price\":");
        if o.price == 0 {
            json.raw("null");
        } else {
            json.raw("\"");
            instrument.write_price(&mut json, o.price);
            json.raw("\"");
        }
        for (name, lots) in
            [("quantity", o.quantity), ("remaining", o.leaves), ("filled_quantity", o.filled)]
        {
            json.raw(",\"");
            json.raw(name);
            json.raw("\":\"");
            instrument.write_quantity(&mut json, i128::from(lots));
            json.raw("\"");
        }
        json.raw(",\"average_price\":");
        if o.filled == 0 {
            json.raw("null");
        } else {
            json.raw("\"");
            let (mantissa, exponent) = (instrument.tick_mantissa, instrument.tick_exponent);
            json.average(o.filled_value, i128::from(o.filled), mantissa, exponent);
            json.raw("\"");
        }
        json.raw(",\"status\":\"");
        json.name(&STATUSES, o.status);
        json.raw("\"");
        if with_queue {
            self.write_queue(&mut json, instrument, o.id);
        }
        write_special(&mut json, instrument, o);
        write_unusual(&mut json, o);
        json.raw(",\"fills\":[");
        if o.filled > 0 {
            self.write_fills(&mut json, instrument, o.id, up_to);
        }
        json.raw("],\"created_at\":\"");
        json.time(o.created_at);
        json.raw("\",\"updated_at\":\"");
        json.time(o.updated_at);
        json.raw("\"}");
        json.into_bytes()
    }

    fn write_queue(&self, json: &mut Json, instrument: &Instrument, order_id: u64) {
        if let Some((quantity, orders)) = self.engine.queue_ahead(order_id) {
            json.raw(",\"queue_ahead\":\"");
            instrument.write_quantity(json, quantity);
            json.raw("\",\"orders_ahead\":");
            json.integer(orders);
        }
    }

    fn write_fills(&self, json: &mut Json, instrument: &Instrument, order_id: u64, up_to: u64) {
        let mut fills: Vec<Fill> = self.history.fills(order_id).collect();
        fills.retain(|fill| fill.trade.sequence <= up_to);
        let scale = self.engine.ledger.assets[instrument.quote_asset as usize - 1].scale;
        for (index, Fill { trade, is_maker }) in fills.iter().rev().enumerate() {
            json.raw(if index == 0 { "{\"trade_id\":\"" } else { ",{\"trade_id\":\"" });
            json.integer(trade.id);
            json.raw("\",\"price\":\"");
            instrument.write_price(json, trade.price);
            json.raw("\",\"quantity\":\"");
            instrument.write_quantity(json, i128::from(trade.quantity));
            json.raw("\",\"fee\":\"");
            let fee = if *is_maker { trade.maker_fee } else { trade.taker_fee };
            json.decimal(i128::from(fee), 1, scale);
            json.raw("\",\"liquidity\":\"");
            json.raw(if *is_maker { "maker" } else { "taker" });
            json.raw("\",\"executed_at\":\"");
            json.time(trade.time_ns);
            json.raw("\"}");
        }
    }
}

/// What icebergs and stop orders have.
fn write_special(json: &mut Json, instrument: &Instrument, o: &OrderView) {
    let Some(special) = o.special.as_deref() else { return };
    if special.stop_price == 0 {
        json.raw(",\"display_quantity\":\"");
        instrument.write_quantity(json, i128::from(special.display_quantity));
        json.raw("\"");
        return;
    }
    json.raw(",\"stop_price\":\"");
    instrument.write_price(json, special.stop_price);
    if special.display_quantity != 0 {
        json.raw("\",\"trail_amount\":\"");
        instrument.write_price(json, special.display_quantity);
    }
    json.raw(if o.waits() { "\",\"triggered\":false" } else { "\",\"triggered\":true" });
}

/// Fields that only some orders have.
fn write_unusual(json: &mut Json, o: &OrderView) {
    if o.self_trade_prevention != SelfTradePrevention::CancelTaker as u8 {
        json.raw(",\"self_trade_prevention\":\"");
        json.name(&PREVENTIONS, o.self_trade_prevention);
        json.raw("\"");
    }
    if o.options & option::POST_ONLY != 0 {
        json.raw(",\"post_only\":true");
    }
    if o.options & option::POST_ONLY_REPRICE != 0 {
        json.raw(",\"post_only\":\"reprice\"");
    }
    if o.options & option::REDUCE_ONLY != 0 {
        json.raw(",\"reduce_only\":true");
    }
    if o.options & option::QUOTE != 0 {
        json.raw(",\"quote\":true");
    }
    if o.expires_at != 0 {
        json.raw(",\"expires_at\":\"");
        json.time(o.expires_at);
        json.raw("\"");
    }
    if o.close_reason != 0 {
        json.raw(",\"close_reason\":\"");
        json.name(&CLOSE_REASONS, o.close_reason);
        json.raw("\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        write(&mut json);
        String::from_utf8(json.into_bytes()).expect("UTF-8")
    }

    #[test]
    fn decimals_have_the_places_of_their_step() {
        let cases: [(i128, u32, u32, &str); 6] = [
            (7_015_050, 1, 2, "70150.50"),
            (3, 1, 4, "0.0003"),
            (-25, 25, 2, "-6.25"),
            (7, 1, 0, "7"),
            (0, 5, 3, "0.000"),
            (1 << 100, 1, 1, "126765060022822940149670320537.6"),
        ];
        for (units, mantissa, exponent, text) in cases {
            assert_eq!(written(|json| json.decimal(units, mantissa, exponent)), text);
        }
    }

    #[test]
    fn averages_round_half_even_beyond_the_step() {
        assert_eq!(written(|json| json.average(10, 3, 1, 2)), "0.03333333");
        assert_eq!(written(|json| json.average(200, 2, 1, 2)), "1.00");
        assert_eq!(written(|json| json.average(1, 2_000_000, 1, 0)), "0");
        assert_eq!(written(|json| json.average(3, 2_000_000, 1, 0)), "0.000002");
    }

    #[test]
    fn times_are_rfc_3339() {
        for (time_ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399_000_000_001, "2000-02-28T23:59:59.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_795_296_481_923_841_696, "2026-11-21T21:28:01.923841696Z"),
        ] {
            assert_eq!(written(|json| json.time(time_ns)), text);
        }
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(written(|json| json.string("a\"b\\c\n\u{e9}")), "\"a\\\"b\\\\c\\u000a\u{e9}\"");
    }
}
