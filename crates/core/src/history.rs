//! A bounded memory of orders and trades: a view of the events, no part of the state.
//!
//! It answers reads about what happened lately (older ones are SQL's) and rebuilds original
//! answers for repeated commands. Trades have dense ids, orders ascending ones, so both rings are
//! searched without an index; lists per order, account and instrument are chains of ids.

use crate::event::Output;
use crate::frame::TextReader;
use crate::index::prefetch;
use crate::numbers::{Found, Numbers};
use crate::wire::*;
use std::collections::VecDeque;

mod state;

/// What a command made of an order beside fills, for repeating answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub sequence: u64,
    pub price: i64,
    pub quantity: i64,
    pub time_ns: i64,
    pub options: u8,
    pub stop_price: i64,
}

/// What few orders have, kept beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// Largest slice of an iceberg, distance of a trailing stop.
    pub display_quantity: i64,
    /// As it was told last: a trailing stop moves without an event.
    pub stop_price: i64,
    /// As the placing command's answer showed them.
    pub first_stop_price: i64,
    pub first_options: u8,
}

/// An order as its owner sees it.
#[derive(Clone, Debug, Default)]
pub struct OrderView {
    pub id: u64,
    pub account: u32,
    pub instrument: u32,
    pub side: u8,
    pub order_type: u8,
    pub time_in_force: u8,
    pub self_trade_prevention: u8,
    pub options: u8,
    pub status: u8,
    pub close_reason: u8,
    pub price: i64,
    pub quantity: i64,
    pub leaves: i64,
    pub filled: i64,
    /// Ticks * lots.
    pub filled_value: i128,
    pub expires_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
    /// As the placing command's answer showed it.
    pub first_price: i64,
    pub first_quantity: i64,
    pub text: Option<Box<str>>,
    /// Of icebergs and stop orders.
    pub special: Option<Box<Special>>,
    /// After each replace, each reduction and when it was triggered.
    pub changes: Vec<Change>,
    /// Sequence of the command that cancelled or expired it; 0 = none did.
    pub closed_sequence: u64,
    pub(crate) last_fill: u64,
    pub(crate) previous_of_account: u64,
}

/// A trade with both sides.
#[derive(Clone, Copy, Debug, Default)]
pub struct TradeView {
    pub id: u64,
    pub sequence: u64,
    pub time_ns: i64,
    pub price: i64,
    pub quantity: i64,
    pub maker_order: u64,
    pub taker_order: u64,
    pub maker_fee: i64,
    pub taker_fee: i64,
    pub instrument: u32,
    pub maker_account: u32,
    pub taker_account: u32,
    pub taker_side: u8,
    previous_of_maker_order: u64,
    previous_of_taker_order: u64,
    previous_of_maker_account: u64,
    previous_of_taker_account: u64,
    previous_of_instrument: u64,
}

/// One order's view of a trade.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    pub trade: TradeView,
    pub is_maker: bool,
}

impl OrderView {
    /// What the last command up to this sequence made of the order, beside fills.
    fn change_before(&self, sequence: u64) -> Change {
        let special = self.special.as_deref();
        let placed = Change {
            sequence: self.placed_sequence(),
            price: self.first_price,
            quantity: self.first_quantity,
            time_ns: self.created_at,
            options: special.map_or(self.options, |special| special.first_options),
            stop_price: special.map_or(0, |special| special.first_stop_price),
        };
        let changed = self.changes.iter().rev().find(|change| change.sequence <= sequence);
        changed.copied().unwrap_or(placed)
    }

    /// Sequence of the command that placed it.
    const fn placed_sequence(&self) -> u64 {
        // The bid of a quote has the id that was reserved for it right before.
        let is_bid_of_quote = self.options & option::QUOTE != 0 && self.side == Side::Buy as u8;
        self.id + is_bid_of_quote as u64
    }

    /// Does it wait for its stop price?
    pub const fn waits(&self) -> bool {
        self.options & option::STOP != 0
    }

    pub fn stop_price(&self) -> i64 {
        self.special.as_ref().map_or(0, |special| special.stop_price)
    }

    pub fn display_quantity(&self) -> i64 {
        self.special.as_ref().map_or(0, |special| special.display_quantity)
    }

    /// Take over what a command made of it, and remember it for answers.
    fn change(&mut self, change: Change) {
        self.quantity = change.quantity;
        (self.options, self.updated_at) = (change.options, change.time_ns);
        if let Some(special) = &mut self.special {
            special.stop_price = change.stop_price;
        }
        match self.changes.last_mut() {
            Some(last) if last.sequence == change.sequence => *last = change,
            _ => self.changes.push(change),
        }
    }
}

/// How many events ahead memory is asked for.
const LOOKAHEAD: usize = 8;

pub struct History {
    orders: VecDeque<OrderView>,
    /// Orders that were remembered before the first of `orders`.
    orders_gone: u64,
    numbers: Numbers,
    trades: VecDeque<TradeView>,
    orders_max: usize,
    trades_max: usize,
    /// Newest order and trade of account n at n.
    last_of_account: Vec<(u64, u64)>,
    /// Newest trade of instrument n at n.
    last_of_instrument: Vec<u64>,
    time_ns: i64,
}

fn entry<T: Default + Clone>(list: &mut Vec<T>, number: u32) -> &mut T {
    let index = number as usize;
    if index >= list.len() {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

impl History {
    pub fn new(orders_max: usize, trades_max: usize) -> Self {
        Self {
            orders: VecDeque::with_capacity(orders_max.max(1)),
            orders_gone: 0,
            numbers: Numbers::default(),
            trades: VecDeque::with_capacity(trades_max.max(1)),
            orders_max: orders_max.max(1),
            trades_max: trades_max.max(1),
            last_of_account: Vec::new(),
            last_of_instrument: Vec::new(),
            time_ns: 0,
        }
    }

    /// Take in the events of one call of `apply`.
    pub fn absorb(&mut self, output: &Output) {
        let mut texts = TextReader::new(&output.texts);
        let later = output.records.chunks_exact(RECORD_BYTES).map(Some).skip(LOOKAHEAD);
        let later = later.chain(std::iter::repeat(None));
        for (record, later) in output.records.chunks_exact(RECORD_BYTES).zip(later) {
            if let Some(later) = later {
                self.prefetch(later);
            }
            let text = if record[1] & record_flag::TEXT != 0 { texts.next_text() } else { None };
            match EventKind::from_number(record[0]) {
                Some(EventKind::FrameApplied) => {
                    self.time_ns = FrameApplied::from_bytes(record).time_ns
                }
                Some(EventKind::TimeJumped) => {
                    self.time_ns = TimeJumped::from_bytes(record).time_ns
                }
                Some(EventKind::OrderAccepted) => {
                    self.accepted(&OrderAccepted::from_bytes(record), text)
                }
                Some(EventKind::OrderReplaced) => self.replaced(&OrderReplaced::from_bytes(record)),
                Some(EventKind::Trade) => self.traded(&Trade::from_bytes(record)),
                Some(EventKind::OrderCancelled) => {
                    self.cancelled(&OrderCancelled::from_bytes(record))
                }
                Some(EventKind::OrderReduced) => self.reduced(&OrderReduced::from_bytes(record)),
                Some(EventKind::OrderTriggered) => {
                    self.triggered(&OrderTriggered::from_bytes(record))
                }
                _ => {}
            }
        }
    }

    fn accepted(&mut self, e: &OrderAccepted, text: Option<&str>) {
        let last = entry(&mut self.last_of_account, e.account);
        let previous_of_account = std::mem::replace(&mut last.0, e.order_id);
        let is_special = e.display_quantity | e.stop_price != 0;
        let special = is_special.then(|| {
            Box::new(Special {
                display_quantity: e.display_quantity,
                stop_price: e.stop_price,
                first_stop_price: e.stop_price,
                first_options: e.options,
            })
        });
        self.remember(OrderView {
            id: e.order_id,
            account: e.account,
            instrument: e.instrument,
            side: e.side,
            order_type: e.order_type,
            time_in_force: e.time_in_force,
            self_trade_prevention: e.self_trade_prevention,
            options: e.options,
            status: OrderStatus::New as u8,
            price: e.price,
            quantity: e.quantity,
            leaves: e.quantity,
            expires_at: e.expires_at,
            created_at: e.time_ns,
            updated_at: e.time_ns,
            first_price: e.price,
            first_quantity: e.quantity,
            text: text.map(Into::into),
            special,
            previous_of_account,
            ..OrderView::default()
        });
    }

    fn replaced(&mut self, e: &OrderReplaced) {
        let Some(order) = self.order_mut(e.order_id) else { return };
        order.price = e.price;
        order.leaves = e.quantity - order.filled;
        let waits = e.options & option::STOP != 0;
        order.change(Change {
            sequence: e.sequence,
            price: e.price,
            quantity: e.quantity,
            time_ns: e.time_ns,
            options: e.options & !option::KEPT_PRIORITY,
            stop_price: if waits { e.stop_price } else { order.stop_price() },
        });
    }

    /// It waits no more: a taker from here on.
    fn triggered(&mut self, e: &OrderTriggered) {
        let Some(order) = self.order_mut(e.order_id) else { return };
        order.leaves = e.quantity - order.filled;
        order.change(Change {
            sequence: e.sequence,
            price: e.price,
            quantity: e.quantity,
            time_ns: e.time_ns,
            options: e.options,
            stop_price: e.stop_price,
        });
    }

    fn traded(&mut self, e: &Trade) {
        if self.trades.len() == self.trades_max {
            self.trades.pop_front();
        }
        let of_instrument = entry(&mut self.last_of_instrument, e.instrument);
        let previous_of_instrument = std::mem::replace(of_instrument, e.trade_id);
        let of_maker = entry(&mut self.last_of_account, e.maker_account);
        let previous_of_maker_account = std::mem::replace(&mut of_maker.1, e.trade_id);
        let of_taker = entry(&mut self.last_of_account, e.account);
        let previous_of_taker_account = match std::mem::replace(&mut of_taker.1, e.trade_id) {
            same if same == e.trade_id => previous_of_maker_account,
            previous => previous,
        };
        let trade = TradeView {
            id: e.trade_id,
            sequence: e.sequence,
            time_ns: self.time_ns,
            price: e.price,
            quantity: e.quantity,
            maker_order: e.maker_order_id,
            taker_order: e.taker_order_id,
            maker_fee: e.maker_fee,
            taker_fee: e.taker_fee,
            instrument: e.instrument,
            maker_account: e.maker_account,
            taker_account: e.account,
            taker_side: e.side,
            previous_of_maker_order: self.filled(e.maker_order_id, e),
            previous_of_taker_order: self.filled(e.taker_order_id, e),
            previous_of_maker_account,
            previous_of_taker_account,
            previous_of_instrument,
        };
        self.trades.push_back(trade);
    }

    /// Count a fill of this order; its previous fill is returned.
    fn filled(&mut self, order_id: u64, e: &Trade) -> u64 {
        let time_ns = self.time_ns;
        let Some(order) = self.order_mut(order_id) else { return 0 };
        order.filled += e.quantity;
        order.leaves -= e.quantity;
        order.filled_value += i128::from(e.price) * i128::from(e.quantity);
        order.updated_at = time_ns;
        let done = order.leaves == 0;
        order.status = if done { OrderStatus::Filled } else { OrderStatus::PartiallyFilled } as u8;
        std::mem::replace(&mut order.last_fill, e.trade_id)
    }

    fn cancelled(&mut self, e: &OrderCancelled) {
        if let Some(order) = self.order_mut(e.order_id) {
            order.status = e.status;
            order.close_reason = e.reason as u8;
            order.closed_sequence = e.sequence;
            order.leaves = 0;
            order.updated_at = e.time_ns;
        }
    }

    fn reduced(&mut self, e: &OrderReduced) {
        let Some(order) = self.order_mut(e.order_id) else { return };
        order.leaves = e.leaves;
        order.change(Change {
            sequence: e.sequence,
            price: e.price,
            quantity: e.quantity,
            time_ns: e.time_ns,
            options: order.options,
            stop_price: order.stop_price(),
        });
    }

    fn remember(&mut self, order: OrderView) {
        if self.orders.len() == self.orders_max {
            self.orders.pop_front();
            self.orders_gone += 1;
        }
        self.numbers.set(order.id, self.orders_gone + self.orders.len() as u64);
        self.orders.push_back(order);
    }

    #[inline]
    fn order_index(&self, id: u64) -> Option<usize> {
        match self.numbers.find(id) {
            Found::At(number) => Some(number.checked_sub(self.orders_gone)? as usize),
            Found::Nowhere => None,
            Found::TooOld => self.orders.binary_search_by_key(&id, |o| o.id).ok(),
        }
    }

    /// Ask for the memory of the order that an event is about.
    #[inline]
    fn prefetch(&self, record: &[u8]) {
        let id = match EventKind::from_number(record[0]) {
            Some(EventKind::Trade) => Trade::from_bytes(record).maker_order_id,
            Some(EventKind::OrderCancelled) => OrderCancelled::from_bytes(record).order_id,
            Some(EventKind::OrderReplaced) => OrderReplaced::from_bytes(record).order_id,
            _ => return,
        };
        let Found::At(number) = self.numbers.find(id) else { return };
        let index = number.wrapping_sub(self.orders_gone) as usize;
        if let Some(order) = self.orders.get(index) {
            prefetch(&order.filled_value);
            prefetch(&order.price);
            prefetch(&order.updated_at);
            prefetch(&order.last_fill);
        }
    }

    fn order_mut(&mut self, id: u64) -> Option<&mut OrderView> {
        let index = self.order_index(id)?;
        Some(&mut self.orders[index])
    }

    pub fn order(&self, id: u64) -> Option<&OrderView> {
        self.order_index(id).map(|index| &self.orders[index])
    }

    /// The order right after this sequence; `None` when fills of it are forgotten.
    pub fn order_at(&self, id: u64, sequence: u64) -> Option<OrderView> {
        let mut order = self.order(id)?.clone();
        if sequence < order.placed_sequence() {
            return None;
        }
        if order.closed_sequence != 0 && sequence >= order.closed_sequence {
            return Some(order);
        }
        let remembered: i64 = self.fills(id).map(|fill| fill.trade.quantity).sum();
        if remembered != order.filled {
            return None;
        }
        let change = order.change_before(sequence);
        (order.filled, order.filled_value) = (0, 0);
        (order.price, order.quantity) = (change.price, change.quantity);
        (order.updated_at, order.close_reason) = (change.time_ns, 0);
        order.options = change.options;
        if let Some(special) = &mut order.special {
            special.stop_price = change.stop_price;
        }
        for fill in self.fills(id).filter(|fill| fill.trade.sequence <= sequence) {
            order.filled += fill.trade.quantity;
            order.filled_value += i128::from(fill.trade.price) * i128::from(fill.trade.quantity);
            order.updated_at = order.updated_at.max(fill.trade.time_ns);
        }
        order.leaves = order.quantity - order.filled;
        order.status = match (order.leaves, order.filled) {
            (0, _) => OrderStatus::Filled,
            (_, 0) => OrderStatus::New,
            _ => OrderStatus::PartiallyFilled,
        } as u8;
        Some(order)
    }

    fn trade(&self, id: u64) -> Option<&TradeView> {
        let first = self.trades.front()?.id;
        self.trades.get(usize::try_from(id.checked_sub(first)?).ok()?)
    }

    /// The order's fills that are remembered, newest first.
    pub fn fills(&self, order_id: u64) -> impl Iterator<Item = Fill> + '_ {
        let mut next = self.order(order_id).map_or(0, |order| order.last_fill);
        std::iter::from_fn(move || {
            let trade = *self.trade(next)?;
            let is_maker = trade.maker_order == order_id;
            next = if is_maker {
                trade.previous_of_maker_order
            } else {
                trade.previous_of_taker_order
            };
            Some(Fill { trade, is_maker })
        })
    }

    /// Newest first; 0 = any account.
    pub fn orders(
        &self,
        account: u32,
        before_id: u64,
    ) -> Box<dyn Iterator<Item = &OrderView> + '_> {
        let before = move |id: u64| before_id == 0 || id < before_id;
        if account == 0 {
            let end = if before_id == 0 {
                self.orders.len()
            } else {
                self.orders.partition_point(|o| o.id < before_id)
            };
            return Box::new(self.orders.range(..end).rev());
        }
        let mut next = self.last_of_account.get(account as usize).map_or(0, |last| last.0);
        Box::new(
            std::iter::from_fn(move || {
                let order = self.order(next)?;
                next = order.previous_of_account;
                Some(order)
            })
            .filter(move |order| before(order.id)),
        )
    }

    /// Newest first; 0 = any instrument, any account.
    pub fn trades(
        &self,
        instrument: u32,
        account: u32,
        before_id: u64,
    ) -> impl Iterator<Item = &TradeView> + '_ {
        let newest = self.trades.back().map_or(0, |trade| trade.id);
        let mut next = match (account, instrument) {
            (0, 0) if before_id != 0 => newest.min(before_id - 1),
            (0, 0) => newest,
            (0, _) => self.last_of_instrument.get(instrument as usize).copied().unwrap_or(0),
            _ => self.last_of_account.get(account as usize).map_or(0, |last| last.1),
        };
        std::iter::from_fn(move || {
            let trade = self.trade(next)?;
            next = match (account, instrument) {
                (0, 0) => trade.id - 1,
                (0, _) => trade.previous_of_instrument,
                _ if trade.maker_account == account => trade.previous_of_maker_account,
                _ => trade.previous_of_taker_account,
            };
            Some(trade)
        })
        .filter(move |trade| {
            (before_id == 0 || trade.id < before_id)
                && (instrument == 0 || trade.instrument == instrument)
        })
    }

    /// The newest trades of an instrument since a time, oldest first, at most so many; and since
    /// when they are all: `i64::MIN` = there were no more than those that were asked for.
    pub fn trades_since(
        &self,
        instrument: u32,
        since_ns: i64,
        most: u64,
    ) -> (Vec<&TradeView>, i64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut newest = self.trades(instrument, 0, 0).take(most);
        let mut found: Vec<&TradeView> = Vec::new();
        let all_since_ns = loop {
            match newest.next() {
                Some(trade) if trade.time_ns < since_ns => break since_ns,
                Some(trade) => found.push(trade),
                None if found.len() == most => break i64::MIN,
                // What happened in the same instant may be forgotten.
                None => break found.last().map_or(i64::MAX, |oldest| oldest.time_ns + 1),
            }
        };
        found.reverse();
        (found, all_since_ns)
    }

    /// Ids of the first order and the first trade that are remembered; 0 when none is forgotten.
    pub fn floor(&self) -> (u64, u64) {
        let order = self.orders.front().filter(|_| self.orders_gone > 0);
        let trade = self.trades.front().filter(|trade| trade.id > 1);
        (order.map_or(0, |order| order.id), trade.map_or(0, |trade| trade.id))
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.orders.len(), self.trades.len())
    }
}
