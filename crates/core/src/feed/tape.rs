//! Candles and statistics of an instrument's trades, as far as they are remembered.

use crate::engine::{Engine, Instrument};
use crate::json::Json;
use std::collections::VecDeque;

const MINUTE_NS: i64 = 60_000_000_000;
const DAY_NS: i64 = 1440 * MINUTE_NS;

/// One trade, as far as it counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    pub time_ns: i64,
    pub price: i64,
    pub quantity: i64,
}

/// Prices in ticks, volume in lots, value in ticks * lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    pub start_ns: i64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i128,
    pub value: i128,
    pub trades: u64,
}

impl Candle {
    const fn new(start_ns: i64, price: i64) -> Self {
        let (open, high, low, close) = (price, price, price, price);
        Self { start_ns, open, high, low, close, volume: 0, value: 0, trades: 0 }
    }

    fn add(&mut self, tick: Tick) {
        self.high = self.high.max(tick.price);
        self.low = self.low.min(tick.price);
        self.close = tick.price;
        self.volume += i128::from(tick.quantity);
        self.value += i128::from(tick.price) * i128::from(tick.quantity);
        self.trades += 1;
    }
}

/// Trades that are remembered, oldest first, and since when all of them are.
#[derive(Clone, Debug)]
pub struct Remembered {
    pub ticks: Vec<Tick>,
    /// `i64::MIN` = since the instrument was defined.
    pub since_ns: i64,
}

/// The running candle of one length.
#[derive(Clone, Debug)]
pub struct Candles {
    length_ns: i64,
    since_ns: i64,
    candle: Option<Candle>,
    /// It was told, or found, that the running candle is over.
    is_closed: bool,
    /// Place of the last trade that was not told.
    grown_at: Option<u64>,
}

impl Candles {
    pub fn new(length_ns: i64, remembered: &Remembered, now_ns: i64) -> Self {
        let since_ns = remembered.since_ns;
        let mut candles =
            Self { length_ns, since_ns, candle: None, is_closed: false, grown_at: None };
        for &tick in &remembered.ticks {
            candles.add(tick, 0);
        }
        candles.grown_at = None;
        candles.is_closed = candles.is_over(now_ns);
        candles
    }

    fn is_over(&self, now_ns: i64) -> bool {
        self.candle.is_some_and(|candle| now_ns - candle.start_ns >= self.length_ns)
    }

    /// Count a trade. When it begins another candle, the one before is returned, unless it was
    /// told to be over.
    pub fn add(&mut self, tick: Tick, place: u64) -> Option<Candle> {
        let start_ns = tick.time_ns - tick.time_ns.rem_euclid(self.length_ns);
        let mut ended = None;
        if self.candle.is_none_or(|candle| candle.start_ns != start_ns) {
            ended = self.candle.take().filter(|_| !self.is_closed);
            self.is_closed = false;
        }
        self.candle.get_or_insert_with(|| Candle::new(start_ns, tick.price)).add(tick);
        self.grown_at = Some(place);
        ended
    }

    /// The running candle when market time has just ended it.
    pub fn close(&mut self, now_ns: i64) -> Option<Candle> {
        if self.is_closed || !self.is_over(now_ns) {
            return None;
        }
        self.is_closed = true;
        self.grown_at = None;
        self.candle
    }

    /// The running candle when it has grown since it was told, with the place of its last trade.
    pub fn grown(&mut self) -> Option<(Candle, u64)> {
        Some((self.candle?, self.grown_at.take()?))
    }

    /// The running candle, and whether it is over.
    pub const fn running(&self) -> (Option<Candle>, bool) {
        (self.candle, self.is_closed)
    }

    pub const fn since_ns(&self) -> i64 {
        self.since_ns
    }
}

/// A candle as GET /candles writes it, and whether it is over. One whose beginning is not
/// remembered says so.
pub fn write_candle(
    json: &mut Json,
    instrument: &Instrument,
    candle: &Candle,
    is_closed: bool,
    since_ns: i64,
) {
    json.raw("{\"start\":\"");
    json.time(candle.start_ns);
    for (name, price) in [
        ("\",\"open\":\"", candle.open),
        ("\",\"high\":\"", candle.high),
        ("\",\"low\":\"", candle.low),
        ("\",\"close\":\"", candle.close),
    ] {
        json.raw(name);
        instrument.write_price(json, price);
    }
    json.raw("\",\"volume\":\"");
    instrument.write_quantity(json, candle.volume);
    json.raw("\",\"trades\":");
    json.integer(candle.trades);
    json.raw(",\"vwap\":\"");
    json.average(candle.value, candle.volume, instrument.tick_mantissa, instrument.tick_exponent);
    json.raw(if is_closed { "\",\"closed\":true" } else { "\",\"closed\":false" });
    json.raw(if candle.start_ns < since_ns { ",\"complete\":false}" } else { "}" });
}

/// The last 24 hours, to the minute.
#[derive(Clone, Debug)]
pub struct Statistics {
    since_ns: i64,
    minutes: VecDeque<Candle>,
    grown_at: Option<u64>,
}

impl Statistics {
    pub fn new(remembered: &Remembered) -> Self {
        let since_ns = remembered.since_ns;
        let mut statistics = Self { since_ns, minutes: VecDeque::new(), grown_at: None };
        for &tick in &remembered.ticks {
            statistics.add(tick, 0);
        }
        statistics.grown_at = None;
        statistics
    }

    /// Where the last 24 hours begin.
    pub const fn begin_ns(now_ns: i64) -> i64 {
        (now_ns - DAY_NS).div_euclid(MINUTE_NS) * MINUTE_NS + MINUTE_NS
    }

    pub fn add(&mut self, tick: Tick, place: u64) {
        let start_ns = tick.time_ns - tick.time_ns.rem_euclid(MINUTE_NS);
        if self.minutes.back().is_none_or(|minute| minute.start_ns != start_ns) {
            self.minutes.push_back(Candle::new(start_ns, tick.price));
            let begin_ns = Self::begin_ns(tick.time_ns);
            while self.minutes.front().is_some_and(|minute| minute.start_ns < begin_ns) {
                self.minutes.pop_front();
            }
        }
        self.minutes.back_mut().expect("one was made").add(tick);
        self.grown_at = Some(place);
    }

    /// Place of the last trade that was not told.
    pub const fn grown(&mut self) -> Option<u64> {
        self.grown_at.take()
    }

    /// As GET /instruments/{symbol}/statistics writes it. What is not remembered is said to be.
    pub fn write(&self, json: &mut Json, engine: &Engine, instrument: &Instrument) {
        let begin_ns = Self::begin_ns(engine.now);
        let minutes = || self.minutes.iter().filter(|minute| minute.start_ns >= begin_ns);
        let (tick, exponent) = (instrument.tick_mantissa, instrument.tick_exponent);
        let last = (instrument.last_price != 0).then_some(instrument.last_price);
        let first = minutes().next().map(|minute| minute.open);
        let newest = minutes().next_back().map(|minute| minute.close);
        let change = first.zip(newest).map(|(first, newest)| newest - first);
        json.raw("{\"instrument\":");
        json.string(&instrument.symbol);
        for (name, price) in [
            (",\"last\":", last),
            (",\"open\":", first),
            (",\"high\":", minutes().map(|minute| minute.high).max()),
            (",\"low\":", minutes().map(|minute| minute.low).min()),
            (",\"change\":", change),
        ] {
            json.raw(name);
            quoted(json, price, |json, price| instrument.write_price(json, price));
        }
        json.raw(",\"change_percent\":");
        quoted(json, first.zip(change), |json, (first, change)| {
            json.average(i128::from(change) * 10_000, i128::from(first), 1, 2);
        });
        let volume: i128 = minutes().map(|minute| minute.volume).sum();
        let value: i128 = minutes().map(|minute| minute.value).sum();
        json.raw(",\"volume\":\"");
        instrument.write_quantity(json, volume);
        json.raw("\",\"trades\":");
        json.integer(minutes().map(|minute| minute.trades).sum());
        json.raw(",\"vwap\":");
        let average = (volume > 0).then_some(value);
        quoted(json, average, |json, value| json.average(value, volume, tick, exponent));
        json.raw(",\"as_of\":");
        json.integer(engine.sequence);
        json.raw(if begin_ns < self.since_ns { ",\"complete\":false}" } else { "}" });
    }
}

fn quoted<T>(json: &mut Json, value: Option<T>, write: impl FnOnce(&mut Json, T)) {
    match value {
        None => json.raw("null"),
        Some(value) => {
            json.raw("\"");
            write(json, value);
            json.raw("\"");
        }
    }
}
