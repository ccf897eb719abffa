//! The channels that somebody watches, kept up from frame to frame.

mod writer;

use self::writer::Writer;
use crate::account::Position;
use crate::engine::{Engine, Instrument, side_index};
use crate::feed::auction::{AuctionEvent, AuctionState};
use crate::feed::changes::{COMMAND_SPAN, Observer, OrderChange, Touch, walk};
use crate::feed::channel::Channel;
use crate::feed::counts::{Counts, InstrumentCounts};
use crate::feed::tape::{Candle, Candles, Remembered, Statistics, Tick, write_candle};
use crate::feed::texts::{self, Top};
use crate::json::Json;
use crate::wire::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Most levels and orders of a side in a snapshot.
const LEVELS_MAX: usize = 1_000_000;
const ORDERS_MAX: usize = 1_000_000;

/// What a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Trades,
    /// Trades as bare objects, for /ws/trades.
    Prints,
    Bbo,
    Book,
    /// A book whose levels are sent when asked for, once each.
    ConflatedBook,
    /// The best, sent when asked for.
    ConflatedBbo,
    Orders,
    /// Messages come from outside; numbered by reports of an account.
    Execution,
    /// As above, numbered by fills of an account.
    Positions,
    /// The running candle of this length. After `n` trades it is message `2n`; message `2n + 1`
    /// says that it is over.
    Candles {
        length_ns: i64,
    },
    /// The last 24 hours, sent when asked for; numbered by trades.
    Statistics,
    /// Phase, indicative values and rounds of uncrossing.
    Auction,
}

/// A channel to be opened.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    pub kind: Kind,
    pub instrument: u32,
    pub account: u32,
    /// Beginning of every message, up to its number.
    pub head: &'a str,
    pub window_max: usize,
    /// For candles and statistics: what is remembered of the trades that they are made of.
    pub remembered: Remembered,
    /// Events that are applied and still to be told; with any, instrument and account are new.
    pub untold: &'a [u8],
}

/// An execution report of a watched account.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub place: u64,
    pub account: u32,
    pub order_id: u64,
    pub event: [u8; RECORD_BYTES],
}

/// A position of a watched account after one fill, and the fill.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    pub place: u64,
    pub account: u32,
    pub position: Position,
    pub trade_id: u64,
    /// Bought; negative = sold.
    pub lots: i64,
    pub price: i64,
    pub time_ns: i64,
}

/// What a frame brought that is written elsewhere.
#[derive(Debug, Default)]
pub struct Found {
    pub reports: Vec<Report>,
    pub fills: Vec<Fill>,
    /// Watched accounts whose positions may have changed without a fill.
    pub moved: Vec<u32>,
    /// Something that is watched changed.
    pub is_change: bool,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    instrument: u32,
    account: u32,
    channel: Channel,
    /// Levels touched since they were sent last, with the number of their last message.
    touched: HashMap<(u8, i64), (u64, u64)>,
    /// The best that was sent last.
    top: Top,
    candles: Option<Candles>,
    statistics: Option<Statistics>,
}

impl Entry {
    /// Tell a candle as it is after so many trades of its instrument.
    fn push_candle(
        &mut self,
        engine: &Engine,
        candle: &Candle,
        trades: u64,
        is_closed: bool,
        place: u64,
    ) {
        let instrument = &engine.instruments[self.instrument as usize - 1];
        let seq = 2 * trades + u64::from(is_closed);
        let since_ns = self.candles.as_ref().map_or(i64::MIN, Candles::since_ns);
        let channel = &mut self.channel;
        let text = message(&channel.head, seq, Some(channel.last()), |json| {
            write_candle(json, instrument, candle, is_closed, since_ns);
        });
        channel.push(seq, place, text);
    }

    /// Tell the best when it is another one than was told last.
    fn push_top(&mut self, instrument: &Instrument, top: Top, seq: u64, place: u64) {
        if top == self.top {
            return;
        }
        self.top = top;
        let channel = &mut self.channel;
        let text = message(&channel.head, seq, Some(channel.last()), |json| {
            texts::top(json, instrument, top);
        });
        channel.push(seq, place, text);
    }
}

/// An instrument that is watched, with its channels by kind.
#[derive(Debug, Default)]
struct Watch {
    counts: InstrumentCounts,
    /// Quantity and orders by price, of each side; kept while a book is watched.
    levels: Option<[HashMap<i64, (i128, u32)>; 2]>,
    /// Place of the last touch that is not looked at for the best yet.
    touched_at: u64,
    trades: Vec<u32>,
    prints: Vec<u32>,
    bbo: Vec<u32>,
    books: Vec<u32>,
    conflated: Vec<u32>,
    orders: Vec<u32>,
    /// Candles and statistics.
    tapes: Vec<u32>,
    auctions: Vec<u32>,
}

impl Watch {
    fn list(&mut self, kind: Kind) -> &mut Vec<u32> {
        match kind {
            Kind::Trades => &mut self.trades,
            Kind::Prints => &mut self.prints,
            Kind::Bbo | Kind::ConflatedBbo => &mut self.bbo,
            Kind::Book => &mut self.books,
            Kind::ConflatedBook => &mut self.conflated,
            Kind::Orders => &mut self.orders,
            Kind::Auction => &mut self.auctions,
            _ => &mut self.tapes,
        }
    }

    fn is_idle(&self) -> bool {
        let lists =
            [&self.trades, &self.prints, &self.bbo, &self.books, &self.conflated, &self.orders];
        lists.iter().all(|list| list.is_empty())
            && self.tapes.is_empty()
            && self.auctions.is_empty()
    }

    fn level(&self, side: u8, price: i64) -> (i128, u32) {
        let levels = self.levels.as_ref().map(|sides| &sides[side_index(side)]);
        levels.and_then(|levels| levels.get(&price)).copied().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Owner {
    reports: u32,
    /// By instrument; kept while positions are watched.
    positions: Option<HashMap<u32, Position>>,
}

/// Watched channels by number, and what they follow.
#[derive(Debug, Default)]
pub struct Board {
    entries: Vec<Option<Entry>>,
    /// Instrument n at n.
    watches: Vec<Option<Box<Watch>>>,
    owners: HashMap<u32, Owner>,
    open: usize,
}

impl Board {
    /// Open a channel that goes on from the present; its number is returned.
    pub fn open(&mut self, engine: &Engine, counts: &Counts, opening: &Opening<'_>) -> u32 {
        let &Opening { kind, instrument, account, untold, .. } = opening;
        let later = Counts::of_events(untold);
        let number = self.entries.iter().position(Option::is_none).unwrap_or(self.entries.len());
        let first = untold.first_chunk::<RECORD_BYTES>();
        let first = first.map(|event| EventHeader::from_bytes(event).sequence);
        let sequence = first.unwrap_or(engine.sequence + 1);
        let mut now = counts.instrument(instrument).minus(later.instrument(instrument));
        if !untold.is_empty() {
            now.auction = AuctionState::of_new(untold, instrument);
        }
        let watched = instrument != 0;
        let counted = if watched { self.watch(engine, opening, number as u32, now) } else { now };
        let last = match kind {
            Kind::Trades | Kind::Prints => counted.trades,
            Kind::Bbo | Kind::ConflatedBbo | Kind::Book | Kind::ConflatedBook => counted.levels,
            Kind::Orders => counted.orders,
            Kind::Candles { .. } => 2 * counted.trades,
            Kind::Statistics => counted.trades,
            Kind::Auction => counted.auctions,
            Kind::Execution => counts.reports(account) - later.reports(account),
            Kind::Positions => self.positions_of(engine, account, !untold.is_empty()),
        };
        if kind == Kind::Execution {
            self.owners.entry(account).or_default().reports += 1;
        }
        let place = sequence * COMMAND_SPAN - 1;
        let channel = Channel::new(opening.head, opening.window_max, last, place);
        let top = if untold.is_empty() { top_of(engine, instrument) } else { Top::default() };
        let candles = |length_ns| Candles::new(length_ns, &opening.remembered, engine.now);
        let candles =
            if let Kind::Candles { length_ns } = kind { Some(candles(length_ns)) } else { None };
        let is_statistics = kind == Kind::Statistics;
        let statistics = is_statistics.then(|| Statistics::new(&opening.remembered));
        let touched = HashMap::new();
        let entry = Entry { kind, instrument, account, channel, touched, top, candles, statistics };
        if number == self.entries.len() {
            self.entries.push(None);
        }
        self.entries[number] = Some(entry);
        self.open += 1;
        number as u32
    }

    /// Follow an instrument for one more channel; its counts are returned.
    fn watch(
        &mut self,
        engine: &Engine,
        opening: &Opening<'_>,
        number: u32,
        now: InstrumentCounts,
    ) -> InstrumentCounts {
        let index = opening.instrument as usize;
        if index >= self.watches.len() {
            self.watches.resize_with(index + 1, || None);
        }
        let fresh = || Box::new(Watch { counts: now, ..Watch::default() });
        let watch = self.watches[index].get_or_insert_with(fresh);
        let is_new = !opening.untold.is_empty();
        let needs_levels = matches!(opening.kind, Kind::Book | Kind::ConflatedBook);
        if needs_levels && watch.levels.is_none() {
            watch.levels = Some([Side::Buy, Side::Sell].map(|side| {
                let levels = if is_new { 0 } else { usize::MAX };
                let levels = engine.depth(opening.instrument, side as u8, levels);
                levels.into_iter().map(|(price, lots, orders)| (price, (lots, orders))).collect()
            }));
        }
        watch.list(opening.kind).push(number);
        watch.counts
    }

    /// Follow the positions of an account; the number of its fills is returned.
    fn positions_of(&mut self, engine: &Engine, account: u32, is_new: bool) -> u64 {
        let grant = engine.ledger.account(account).grant;
        let before = |position: Position| {
            if is_new {
                engine.ledger.granted_position(grant, position.instrument)
            } else {
                position
            }
        };
        let positions = engine.positions(account).into_iter().map(before);
        let positions: HashMap<_, _> = positions.map(|p| (p.instrument, p)).collect();
        let fills = positions.values().map(|position| position.version).sum();
        self.owners.entry(account).or_default().positions = Some(positions);
        fills
    }

    /// Forget a channel, and what only it needed.
    pub fn close(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        self.open -= 1;
        if let Some(Some(watch)) = self.watches.get_mut(entry.instrument as usize) {
            watch.list(entry.kind).retain(|&other| other != number);
            if watch.books.is_empty() && watch.conflated.is_empty() {
                watch.levels = None;
            }
            if watch.is_idle() {
                self.watches[entry.instrument as usize] = None;
            }
        }
        if let Some(owner) = self.owners.get_mut(&entry.account) {
            owner.reports -= u32::from(entry.kind == Kind::Execution);
            if entry.kind == Kind::Positions {
                owner.positions = None;
            }
            if owner.reports == 0 && owner.positions.is_none() {
                self.owners.remove(&entry.account);
            }
        }
    }

    /// An open channel.
    pub fn channel(&self, number: u32) -> Option<&Channel> {
        self.entries.get(number as usize)?.as_ref().map(|entry| &entry.channel)
    }

    pub fn channel_mut(&mut self, number: u32) -> Option<&mut Channel> {
        self.entries.get_mut(number as usize)?.as_mut().map(|entry| &mut entry.channel)
    }

    fn entry(&self, number: u32) -> &Entry {
        self.entries[number as usize].as_ref().expect("the channel is open")
    }

    fn entry_mut(&mut self, number: u32) -> &mut Entry {
        self.entries[number as usize].as_mut().expect("the channel is open")
    }

    /// Channels with messages that are not sent yet, each with how many.
    pub fn pending(&self) -> Vec<(u32, usize)> {
        let count = |entry: &Option<Entry>| entry.as_ref().map_or(0, |e| e.channel.pending());
        let counts = self.entries.iter().map(count).enumerate();
        let pending = counts.filter(|&(_, count)| count > 0);
        pending.map(|(number, count)| (number as u32, count)).collect()
    }

    /// Add a message that is written elsewhere; its number is returned.
    pub fn push(&mut self, number: u32, place: u64, data: &str) -> u64 {
        let channel = &mut self.entry_mut(number).channel;
        let seq = channel.last() + 1;
        let text = message(&channel.head, seq, None, |json| json.raw(data));
        channel.push(seq, place, text);
        seq
    }

    /// Write what these events changed: those of frames that the engine has just applied.
    pub fn on_events(&mut self, engine: &Engine, events: &[u8]) -> Found {
        if self.open == 0 {
            return Found::default();
        }
        let mut writer =
            Writer { board: self, engine, time_ns: 0, run: None, found: Found::default() };
        walk(events, &mut writer);
        let mut found = writer.found;
        found.moved.sort_unstable();
        found.moved.dedup();
        for &account in &found.moved {
            self.positions_of(engine, account, false);
        }
        self.write_tops(engine);
        found.is_change |= self.close_candles(engine);
        found
    }

    /// Tell which candles market time has ended.
    fn close_candles(&mut self, engine: &Engine) -> bool {
        let mut is_change = false;
        for watch in self.watches.iter().flatten() {
            for &number in &watch.tapes {
                let entry = self.entries[number as usize].as_mut().expect("it is open");
                let Some(candles) = &mut entry.candles else { continue };
                if let Some(candle) = candles.close(engine.now) {
                    let place = (engine.sequence + 1) * COMMAND_SPAN - 1;
                    entry.push_candle(engine, &candle, watch.counts.trades, true, place);
                    is_change = true;
                }
            }
        }
        is_change
    }

    /// Write the candles that have grown.
    pub fn write_candles(&mut self, engine: &Engine) {
        for watch in self.watches.iter().flatten() {
            for &number in &watch.tapes {
                let entry = self.entries[number as usize].as_mut().expect("it is open");
                let grown = entry.candles.as_mut().and_then(Candles::grown);
                if let Some((candle, place)) = grown {
                    entry.push_candle(engine, &candle, watch.counts.trades, false, place);
                }
            }
        }
    }

    fn write_tops(&mut self, engine: &Engine) {
        for index in 1..self.watches.len() {
            let Some(watch) = &mut self.watches[index] else { continue };
            let place = std::mem::take(&mut watch.touched_at);
            if place == 0 || watch.bbo.is_empty() {
                continue;
            }
            let top = top_of(engine, index as u32);
            let (seq, instrument) = (watch.counts.levels, &engine.instruments[index - 1]);
            for &number in &watch.bbo {
                let entry = self.entries[number as usize].as_mut().expect("it is open");
                if entry.kind == Kind::ConflatedBbo {
                    entry.touched.insert((0, 0), (seq, place));
                } else {
                    entry.push_top(instrument, top, seq, place);
                }
            }
        }
    }

    /// Write what a conflated channel was touched by since the last time.
    pub fn conflate(&mut self, engine: &Engine, number: u32) {
        let entry = self.entries[number as usize].as_mut().expect("the channel is open");
        let mut touched: Vec<_> = entry.touched.drain().collect();
        touched.sort_unstable_by_key(|&(_, (seq, _))| seq);
        let Some(watch) = &self.watches[entry.instrument as usize] else { return };
        let instrument = &engine.instruments[entry.instrument as usize - 1];
        if let Some(statistics) = &mut entry.statistics
            && let Some(place) = statistics.grown()
        {
            let (seq, channel) = (watch.counts.trades, &mut entry.channel);
            let text = message(&channel.head, seq, Some(channel.last()), |json| {
                statistics.write(json, engine, instrument);
            });
            channel.push(seq, place, text);
        }
        for ((side, price), (seq, place)) in touched {
            if entry.kind == Kind::ConflatedBbo {
                entry.push_top(instrument, top_of(engine, instrument.number), seq, place);
                continue;
            }
            let (lots, orders) = watch.level(side, price);
            let channel = &mut entry.channel;
            let text = message(&channel.head, seq, Some(channel.last()), |json| {
                texts::level(json, instrument, side, (price, lots, orders));
            });
            channel.push(seq, place, text);
        }
    }

    /// What a channel begins with, for the kinds that are written here: the state of the present.
    pub fn snapshot(&self, engine: &Engine, number: u32) -> Vec<u8> {
        let &Entry { kind, instrument, account, ref candles, ref statistics, .. } =
            self.entry(number);
        let mut json = Json::with_capacity(256);
        let definition = engine.instruments.get((instrument as usize).wrapping_sub(1));
        match (kind, definition) {
            (Kind::Book | Kind::ConflatedBook, Some(of)) => {
                texts::book(&mut json, engine, of, LEVELS_MAX);
            }
            (Kind::Orders, Some(of)) => {
                texts::queues(&mut json, engine, of, account, ORDERS_MAX);
            }
            (Kind::Candles { .. }, Some(of)) => {
                json.raw("{\"candles\":[");
                let candles = candles.as_ref().expect("it is one of candles");
                if let (Some(candle), is_closed) = candles.running() {
                    write_candle(&mut json, of, &candle, is_closed, candles.since_ns());
                }
                json.raw("]}");
            }
            (Kind::Statistics, Some(of)) => {
                let statistics = statistics.as_ref().expect("it is one of statistics");
                statistics.write(&mut json, engine, of);
            }
            (Kind::Auction, Some(of)) => {
                let watch = self.watches[instrument as usize].as_ref().expect("it is watched");
                watch.counts.auction.write_json(&mut json, of);
            }
            (Kind::Bbo | Kind::ConflatedBbo, Some(of)) => {
                texts::top(&mut json, of, top_of(engine, instrument))
            }
            _ => json.raw("{\"trades\":[]}"),
        }
        json.into_bytes()
    }
}

fn top_of(engine: &Engine, instrument: u32) -> Top {
    let Some(instrument) = engine.instruments.get((instrument as usize).wrapping_sub(1)) else {
        return Top::default();
    };
    let best = |side: usize| {
        instrument.sides[side].best().map_or((0, 0), |level| (level.price, level.quantity))
    };
    let ((bid, bid_lots), (ask, ask_lots)) = (best(0), best(1));
    (bid, bid_lots, ask, ask_lots)
}

/// A whole message; without a head it is its data alone.
fn message(
    head: &str,
    seq: u64,
    previous: Option<u64>,
    write: impl FnOnce(&mut Json),
) -> Arc<[u8]> {
    let mut json = Json::with_capacity(320);
    if !head.is_empty() {
        json.raw(head);
        json.integer(seq);
        if let Some(previous) = previous {
            json.raw(",\"previous_seq\":");
            json.integer(previous);
        }
        json.raw(",\"data\":");
    }
    write(&mut json);
    if !head.is_empty() {
        json.raw("}");
    }
    json.into_bytes().into()
}
