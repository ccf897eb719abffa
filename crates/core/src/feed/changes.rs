//! From events to changes: one pass, told to an observer.
//!
//! Rules. The remainder of an incoming order rests when its part of the command is over, which is
//! when the next incoming order begins (a stop that was triggered, the other side of a quote) or
//! the command ends: trades come first, then `Added` (or `Moved`, for a replaced order that lost
//! its place). A replaced order that does not rest again is `Removed` before its trades. Orders
//! that wait for their stop price are on no book: their owners alone are told. Of an iceberg
//! everything here is the slice that it shows; one that goes to the back with its next slice is
//! gone and then `Added`. Changes of one price level that follow each other within such a
//! part are one run. Nothing depends on how commands were framed.

use crate::feed::auction::AuctionEvent;
use crate::wire::*;

/// Places of one command in the journal; later ones share the last.
pub const COMMAND_SPAN: u64 = 1_000_000;

/// What happened to an order that rests, rested, or now rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is the last in its price's queue.
    Added,
    /// It is the last in the queue of this price; before, it was elsewhere.
    Moved { previous_price: i64, previous_leaves: i64 },
    /// It has fewer lots and kept its place.
    Reduced { by: i64 },
    /// It traded; with nothing left it is gone.
    Traded { trade_id: u64, quantity: i64, taker_order_id: u64 },
    /// It is gone.
    Removed { cancelled: i64, reason: u8, is_expired: bool },
}

/// `reason` of an order that was replaced and did not rest again; beyond those of `CloseReason`.
pub const REPLACED: u8 = u8::MAX;

/// One change of one order, as it is afterwards; `leaves` is what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderChange {
    pub instrument: u32,
    pub account: u32,
    pub order_id: u64,
    pub side: u8,
    pub price: i64,
    pub leaves: i64,
    pub action: Action,
}

/// One change of a price level, as a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    pub instrument: u32,
    pub side: u8,
    pub price: i64,
    pub lots: i64,
    pub orders: i32,
}

/// Is told what events changed. A place is `sequence * COMMAND_SPAN + ordinal`.
pub trait Observer {
    /// Market time of what follows.
    fn time(&mut self, _time_ns: i64) {}
    /// An order changed; the levels that this touches come next.
    fn order(&mut self, place: u64, change: &OrderChange);
    /// A level changed; `is_new` when another one was touched before, or another order came in.
    fn level(&mut self, place: u64, touch: &Touch, is_new: bool);
    /// The run of the level touched last is over.
    fn run_ended(&mut self) {}
    fn trade(&mut self, place: u64, trade: &Trade);
    fn opened(&mut self, _account: u32) {}
    /// An instrument is new, or has new tick and lot sizes; it is empty.
    fn defined(&mut self, _instrument: u32, _phase: u8) {}
    /// The phase of an instrument, or what gathers in it, changed.
    fn auction(&mut self, _place: u64, _instrument: u32, _event: AuctionEvent) {}
    /// Something that an order's owner is told. A refused command may name an account that does
    /// not exist.
    fn report(&mut self, place: u64, account: u32, order_id: u64, event: &[u8; RECORD_BYTES]);
    /// Money moved; positions may have changed without a fill.
    fn funds(&mut self, _account: u32) {}
}

/// Tell an observer everything about these events: those of whole commands.
pub fn walk(events: &[u8], observer: &mut impl Observer) {
    let mut walk = Walk::default();
    let (records, _) = events.as_chunks::<RECORD_BYTES>();
    for (at, record) in records.iter().enumerate() {
        walk.event(record, records.get(at + 1), observer);
    }
    walk.end_part(observer);
}

#[derive(Default)]
struct Walk {
    sequence: u64,
    ordinal: u64,
    /// The order that came in last: until its part of the command is over it does not rest.
    taker: u64,
    /// What will rest when that is over.
    coming: Option<OrderChange>,
    /// Quantity and taker of the trade told last, for those that it filled.
    last_trade: (i64, u64),
    /// Instrument, side, price of the level touched last in this part.
    run: Option<(u32, u8, i64)>,
}

impl Walk {
    #[inline(always)]
    fn place(&mut self) -> u64 {
        let place = self.sequence * COMMAND_SPAN + self.ordinal.min(COMMAND_SPAN - 1);
        self.ordinal += 1;
        place
    }

    #[inline(always)]
    fn event(
        &mut self,
        record: &[u8; RECORD_BYTES],
        next: Option<&[u8; RECORD_BYTES]>,
        observer: &mut impl Observer,
    ) {
        let header = EventHeader::from_bytes(record);
        if header.sequence != self.sequence {
            self.end_part(observer);
            *self = Self { sequence: header.sequence, ..Self::default() };
        }
        match EventKind::from_number(header.kind) {
            Some(EventKind::FrameApplied) => {
                observer.time(FrameApplied::from_bytes(record).time_ns)
            }
            Some(EventKind::TimeJumped) => observer.time(TimeJumped::from_bytes(record).time_ns),
            Some(EventKind::OrderAccepted) => self.accepted(record, observer),
            Some(EventKind::OrderReplaced) => self.replaced(record, next, observer),
            Some(EventKind::Trade) => self.traded(record, observer),
            Some(EventKind::OrderCancelled) => self.cancelled(record, observer),
            Some(EventKind::OrderReduced) => self.reduced(record, observer),
            Some(EventKind::CommandRejected) => {
                let order_id = CommandRejected::from_bytes(record).order_id;
                observer.report(self.place(), header.account, order_id, record);
            }
            Some(EventKind::OrderTriggered) => self.triggered(record, observer),
            Some(EventKind::OrderFilled) => self.filled(record, observer),
            Some(EventKind::InstrumentDefined) => {
                observer.defined(header.instrument, header.status);
            }
            Some(EventKind::AccountOpened) => observer.opened(header.account),
            Some(EventKind::FundsMoved) => observer.funds(header.account),
            Some(kind) => {
                if let Some(event) = AuctionEvent::of(kind, record) {
                    observer.auction(self.place(), header.instrument, event);
                }
            }
            None => {}
        }
    }

    /// An order comes in: what was left of the one before rests by now.
    #[inline(always)]
    fn begin_taker(&mut self, order_id: u64, observer: &mut impl Observer) {
        self.end_part(observer);
        self.taker = order_id;
    }

    #[inline(always)]
    fn accepted(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderAccepted::from_bytes(record);
        let waits = e.options & option::STOP != 0;
        if !waits {
            self.begin_taker(e.order_id, observer);
        }
        observer.report(self.place(), e.account, e.order_id, record);
        if e.leaves > 0 && !waits {
            let shown = if e.display_quantity > 0 { e.display_quantity } else { e.leaves };
            self.coming = Some(OrderChange {
                instrument: e.instrument,
                account: e.account,
                order_id: e.order_id,
                side: e.side,
                price: e.price,
                leaves: shown.min(e.leaves),
                action: Action::Added,
            });
        }
    }

    #[inline]
    fn replaced(
        &mut self,
        record: &[u8; RECORD_BYTES],
        next: Option<&[u8; RECORD_BYTES]>,
        observer: &mut impl Observer,
    ) {
        let e = OrderReplaced::from_bytes(record);
        let is_kept = e.options & option::KEPT_PRIORITY != 0;
        let waits = e.options & option::STOP != 0;
        if !is_kept && !waits {
            self.begin_taker(e.order_id, observer);
        }
        observer.report(self.place(), e.account, e.order_id, record);
        if waits {
            return;
        }
        let slice = next.and_then(slice_of_replaced);
        let (previous_leaves, leaves) = slice.unwrap_or((e.previous_leaves, e.leaves));
        let previous_price = e.previous_price;
        let by = previous_leaves - leaves;
        let change = OrderChange {
            instrument: e.instrument,
            account: e.account,
            order_id: e.order_id,
            side: e.side,
            price: e.price,
            leaves,
            action: Action::Reduced { by },
        };
        if is_kept {
            // Of an iceberg nothing is to be seen while its slice is the same.
            if by > 0 || slice.is_none() {
                self.changed(&change, observer);
            }
        } else if leaves > 0 {
            let action = Action::Moved { previous_price, previous_leaves };
            self.coming = Some(OrderChange { action, ..change });
        } else {
            let action =
                Action::Removed { cancelled: previous_leaves, reason: REPLACED, is_expired: false };
            self.changed(&OrderChange { price: previous_price, action, ..change }, observer);
        }
    }

    /// A stop order waits no more and comes in.
    #[cold]
    fn triggered(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderTriggered::from_bytes(record);
        self.begin_taker(e.order_id, observer);
        observer.report(self.place(), e.account, e.order_id, record);
        if e.leaves > 0 {
            self.coming = Some(OrderChange {
                instrument: e.instrument,
                account: e.account,
                order_id: e.order_id,
                side: e.side,
                price: e.price,
                leaves: e.leaves,
                action: Action::Added,
            });
        }
    }

    #[inline(always)]
    fn traded(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = Trade::from_bytes(record);
        observer.trade(self.place(), &e);
        let (trade_id, quantity) = (e.trade_id, e.quantity);
        if e.status == TradeKind::Resting as u8 {
            let change = OrderChange {
                instrument: e.instrument,
                account: e.maker_account,
                order_id: e.maker_order_id,
                side: if e.side == Side::Buy as u8 { Side::Sell } else { Side::Buy } as u8,
                price: e.price,
                leaves: e.maker_leaves,
                action: Action::Traded { trade_id, quantity, taker_order_id: e.taker_order_id },
            };
            self.changed(&change, observer);
        } else {
            self.last_trade = (quantity, e.taker_order_id);
        }
        observer.report(self.place(), e.account, e.taker_order_id, record);
        observer.report(self.place(), e.maker_account, e.maker_order_id, record);
    }

    /// A resting order after its trade, of which it tells more than the trade did.
    #[inline]
    fn filled(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderFilled::from_bytes(record);
        if e.trade_id == 0 {
            return;
        }
        let (quantity, taker_order_id) = self.last_trade;
        let keeps_place = e.options & option::KEPT_PRIORITY != 0;
        let change = OrderChange {
            instrument: e.instrument,
            account: e.account,
            order_id: e.order_id,
            side: e.side,
            price: e.price,
            leaves: if keeps_place { e.visible } else { 0 },
            action: Action::Traded { trade_id: e.trade_id, quantity, taker_order_id },
        };
        self.changed(&change, observer);
        if !keeps_place {
            let again = OrderChange { leaves: e.visible, action: Action::Added, ..change };
            self.changed(&again, observer);
        }
    }

    #[inline(always)]
    fn cancelled(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderCancelled::from_bytes(record);
        if e.order_id != self.taker && e.options & option::STOP == 0 {
            let is_iceberg = e.visible != 0;
            let change = OrderChange {
                instrument: e.instrument,
                account: e.account,
                order_id: e.order_id,
                side: e.side,
                price: e.price,
                leaves: 0,
                action: Action::Removed {
                    cancelled: if is_iceberg { e.visible } else { e.cancelled_quantity },
                    reason: e.reason as u8,
                    is_expired: e.status == OrderStatus::Expired as u8,
                },
            };
            self.changed(&change, observer);
        }
        observer.report(self.place(), e.account, e.order_id, record);
    }

    #[inline]
    fn reduced(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderReduced::from_bytes(record);
        let (leaves, by) = if e.visible_before != 0 {
            (e.visible, e.visible_before - e.visible)
        } else {
            (e.leaves, e.reduced_by)
        };
        if e.order_id != self.taker && by != 0 {
            let change = OrderChange {
                instrument: e.instrument,
                account: e.account,
                order_id: e.order_id,
                side: e.side,
                price: e.price,
                leaves,
                action: Action::Reduced { by },
            };
            self.changed(&change, observer);
        }
        observer.report(self.place(), e.account, e.order_id, record);
    }

    #[inline(always)]
    fn changed(&mut self, change: &OrderChange, observer: &mut impl Observer) {
        observer.order(self.place(), change);
        let OrderChange { price, leaves, .. } = *change;
        let (lots, orders) = match change.action {
            Action::Added => (leaves, 1),
            Action::Moved { previous_price, previous_leaves } => {
                self.touched(change, previous_price, -previous_leaves, -1, observer);
                (leaves, 1)
            }
            Action::Reduced { by } => (-by, 0),
            Action::Traded { quantity, .. } => (-quantity, -i32::from(leaves == 0)),
            Action::Removed { cancelled, .. } => (-cancelled, -1),
        };
        self.touched(change, price, lots, orders, observer);
    }

    #[inline(always)]
    fn touched(
        &mut self,
        change: &OrderChange,
        price: i64,
        lots: i64,
        orders: i32,
        observer: &mut impl Observer,
    ) {
        let OrderChange { instrument, side, .. } = *change;
        let level = Some((instrument, side, price));
        let is_new = self.run != level;
        if is_new && self.run.is_some() {
            observer.run_ended();
        }
        self.run = level;
        let touch = Touch { instrument, side, price, lots, orders };
        observer.level(self.place(), &touch, is_new);
    }

    /// The part of an order that came in is over. So is the run: a level that one order makes and
    /// the next one takes is told twice, never as gone before it was there.
    #[inline(always)]
    fn end_part(&mut self, observer: &mut impl Observer) {
        if let Some(change) = self.coming.take() {
            self.changed(&change, observer);
        }
        if self.run.take().is_some() {
            observer.run_ended();
        }
    }
}

/// What an iceberg that was replaced showed before and shows now: the event after ORDER_REPLACED
/// says it.
#[inline]
fn slice_of_replaced(next: &[u8; RECORD_BYTES]) -> Option<(i64, i64)> {
    if next[0] != EventKind::OrderFilled as u8 {
        return None;
    }
    let e = OrderFilled::from_bytes(next);
    (e.trade_id == 0).then_some((e.visible_before, e.visible))
}
