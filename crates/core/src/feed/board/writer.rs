//! From changes to messages: what one call of the board writes.

use super::*;

/// Writes the messages of one call.
pub(super) struct Writer<'a> {
    pub(super) board: &'a mut Board,
    pub(super) engine: &'a Engine,
    pub(super) time_ns: i64,
    /// The level that is being touched, with the place of its last touch.
    pub(super) run: Option<(u32, u8, i64, u64)>,
    pub(super) found: Found,
}

impl Writer<'_> {
    fn watch(&mut self, instrument: u32) -> Option<&mut Watch> {
        let watch = self.board.watches.get_mut(instrument as usize)?.as_deref_mut();
        self.found.is_change |= watch.is_some();
        watch
    }

    /// Let a trade, the instrument's `seq`th, count in candles and statistics.
    fn count(&mut self, place: u64, seq: u64, trade: &Trade) {
        let (engine, time_ns) = (self.engine, self.time_ns);
        let Some(watch) = self.watch(trade.instrument) else { return };
        let tick = Tick { time_ns, price: trade.price, quantity: trade.quantity };
        for number in watch.tapes.clone() {
            let entry = self.board.entry_mut(number);
            let ended = entry.candles.as_mut().and_then(|candles| candles.add(tick, place));
            if let Some(candle) = ended {
                entry.push_candle(engine, &candle, seq - 1, true, place);
            }
            if let Some(statistics) = &mut entry.statistics {
                statistics.add(tick, place);
            }
        }
    }

    fn fill(&mut self, place: u64, account: u32, trade: &Trade, lots: i64) {
        let owner = self.board.owners.get_mut(&account);
        let Some(positions) = owner.and_then(|owner| owner.positions.as_mut()) else { return };
        let instrument = trade.instrument;
        let position = positions
            .entry(instrument)
            .or_insert_with(|| Position { instrument, ..Position::default() });
        position.fill(lots, trade.price);
        let (trade_id, price, time_ns) = (trade.trade_id, trade.price, self.time_ns);
        let position = *position;
        self.found.fills.push(Fill { place, account, position, trade_id, lots, price, time_ns });
    }
}

impl Observer for Writer<'_> {
    fn time(&mut self, time_ns: i64) {
        self.time_ns = time_ns;
    }

    fn order(&mut self, place: u64, change: &OrderChange) {
        let engine = self.engine;
        let Some(watch) = self.watch(change.instrument) else { return };
        watch.counts.orders += 1;
        let (seq, numbers) = (watch.counts.orders, std::mem::take(&mut watch.orders));
        let instrument = &engine.instruments[change.instrument as usize - 1];
        let mut texts: [Option<Arc<[u8]>>; 2] = [None, None];
        for &number in &numbers {
            let entry = self.board.entry_mut(number);
            let is_own = entry.account != 0 && entry.account == change.account;
            let channel = &mut entry.channel;
            let text = texts[usize::from(is_own)].get_or_insert_with(|| {
                message(&channel.head, seq, None, |json| {
                    texts::order(json, instrument, place, change, is_own);
                })
            });
            channel.push(seq, place, text.clone());
        }
        self.watch(change.instrument).expect("it is watched").orders = numbers;
    }

    fn level(&mut self, place: u64, touch: &Touch, is_new: bool) {
        let Some(watch) = self.watch(touch.instrument) else { return };
        watch.counts.levels += u64::from(is_new);
        watch.touched_at = place;
        let Some(sides) = &mut watch.levels else { return };
        let level = sides[side_index(touch.side)].entry(touch.price).or_default();
        level.0 += i128::from(touch.lots);
        level.1 = level.1.strict_add_signed(touch.orders);
        self.run = Some((touch.instrument, touch.side, touch.price, place));
    }

    fn run_ended(&mut self) {
        let Some((number, side, price, place)) = self.run.take() else { return };
        let engine = self.engine;
        let Some(watch) = self.watch(number) else { return };
        let (lots, orders) = watch.level(side, price);
        if orders == 0
            && let Some(sides) = &mut watch.levels
        {
            sides[side_index(side)].remove(&price);
        }
        let seq = watch.counts.levels;
        let (books, conflated) = (watch.books.clone(), watch.conflated.clone());
        let instrument = &engine.instruments[number as usize - 1];
        for number in books {
            let channel = &mut self.board.entry_mut(number).channel;
            let text = message(&channel.head, seq, None, |json| {
                texts::level(json, instrument, side, (price, lots, orders));
            });
            channel.push(seq, place, text);
        }
        for number in conflated {
            self.board.entry_mut(number).touched.insert((side, price), (seq, place));
        }
    }

    fn trade(&mut self, place: u64, trade: &Trade) {
        let (engine, time_ns) = (self.engine, self.time_ns);
        let bought = if trade.side == Side::Buy as u8 { 1 } else { -1 };
        if !self.board.owners.is_empty() {
            self.fill(place, trade.maker_account, trade, -bought * trade.quantity);
            self.fill(place, trade.account, trade, bought * trade.quantity);
        }
        let Some(watch) = self.watch(trade.instrument) else { return };
        watch.counts.trades += 1;
        let seq = watch.counts.trades;
        let numbers: Vec<u32> = watch.trades.iter().chain(&watch.prints).copied().collect();
        let instrument = &engine.instruments[trade.instrument as usize - 1];
        for number in numbers {
            let channel = &mut self.board.entry_mut(number).channel;
            let text = message(&channel.head, seq, None, |json| {
                texts::trade(json, instrument, trade, time_ns);
            });
            channel.push(seq, place, text);
        }
        self.count(place, seq, trade);
    }

    fn auction(&mut self, place: u64, instrument: u32, event: AuctionEvent) {
        let engine = self.engine;
        let Some(watch) = self.watch(instrument) else { return };
        watch.counts.auctions += 1;
        watch.counts.auction.take(event);
        let (seq, state, numbers) =
            (watch.counts.auctions, watch.counts.auction, watch.auctions.clone());
        for number in numbers {
            let channel = &mut self.board.entry_mut(number).channel;
            let text = message(&channel.head, seq, None, |json| {
                state.write_json(json, &engine.instruments[instrument as usize - 1]);
            });
            channel.push(seq, place, text);
        }
    }

    fn defined(&mut self, instrument: u32, phase: u8) {
        let Some(watch) = self.watch(instrument) else { return };
        watch.counts.trades_before = watch.counts.trades;
        watch.counts.auction.phase = phase;
        let nothing = Remembered { ticks: Vec::new(), since_ns: i64::MIN };
        for number in watch.tapes.clone() {
            let entry = self.board.entry_mut(number);
            if let Kind::Candles { length_ns } = entry.kind {
                entry.candles = Some(Candles::new(length_ns, &nothing, 0));
            } else {
                entry.statistics = Some(Statistics::new(&nothing));
            }
        }
    }

    fn report(&mut self, place: u64, account: u32, order_id: u64, event: &[u8; RECORD_BYTES]) {
        if self.board.owners.get(&account).is_some_and(|owner| owner.reports > 0) {
            self.found.reports.push(Report { place, account, order_id, event: *event });
        }
    }

    fn funds(&mut self, account: u32) {
        if self.board.owners.get(&account).is_some_and(|owner| owner.positions.is_some()) {
            self.found.moved.push(account);
        }
    }
}
