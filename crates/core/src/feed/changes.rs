//! From events to changes: one pass, told to an observer.
//!
//! Rules. The remainder of an incoming order rests when its command is over: trades come first,
//! then `Added` (or `Moved`, for a replaced order that lost its place). A replaced order that does
//! not rest again is `Removed` before its trades. Changes of one price level that follow each
//! other within a command are one run. Nothing depends on how commands were framed.

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

/// One change of one order, as it is afterwards.
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
    /// A level changed; `is_new` when this is not the level that the command touched before.
    fn level(&mut self, place: u64, touch: &Touch, is_new: bool);
    /// The run of the level touched last is over.
    fn run_ended(&mut self) {}
    fn trade(&mut self, place: u64, trade: &Trade);
    fn opened(&mut self, _account: u32) {}
    /// An instrument is new, or has new tick and lot sizes; it is empty.
    fn defined(&mut self, _instrument: u32) {}
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
    for record in records {
        walk.event(record, observer);
    }
    walk.end_command(observer);
}

#[derive(Default)]
struct Walk {
    sequence: u64,
    ordinal: u64,
    /// The order that this command brought: until the command is over it does not rest.
    taker: u64,
    /// What will rest when the command is over.
    coming: Option<OrderChange>,
    /// Instrument, side, price of the level touched last in this command.
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
    fn event(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let header = EventHeader::from_bytes(record);
        if header.sequence != self.sequence {
            self.end_command(observer);
            *self = Self { sequence: header.sequence, ..Self::default() };
        }
        match EventKind::from_number(header.kind) {
            Some(EventKind::FrameApplied) => {
                observer.time(FrameApplied::from_bytes(record).time_ns)
            }
            Some(EventKind::TimeJumped) => observer.time(TimeJumped::from_bytes(record).time_ns),
            Some(EventKind::OrderAccepted) => self.accepted(record, observer),
            Some(EventKind::OrderReplaced) => self.replaced(record, observer),
            Some(EventKind::Trade) => self.traded(record, observer),
            Some(EventKind::OrderCancelled) => self.cancelled(record, observer),
            Some(EventKind::OrderReduced) => self.reduced(record, observer),
            Some(EventKind::CommandRejected) => {
                let order_id = CommandRejected::from_bytes(record).order_id;
                observer.report(self.place(), header.account, order_id, record);
            }
            Some(EventKind::InstrumentDefined) => observer.defined(header.instrument),
            Some(EventKind::AccountOpened) => observer.opened(header.account),
            Some(EventKind::FundsMoved) => observer.funds(header.account),
            _ => {}
        }
    }

    #[inline(always)]
    fn accepted(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderAccepted::from_bytes(record);
        observer.report(self.place(), e.account, e.order_id, record);
        self.taker = e.order_id;
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

    #[inline]
    fn replaced(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderReplaced::from_bytes(record);
        observer.report(self.place(), e.account, e.order_id, record);
        let (previous_price, previous_leaves) = (e.previous_price, e.previous_leaves);
        let change = OrderChange {
            instrument: e.instrument,
            account: e.account,
            order_id: e.order_id,
            side: e.side,
            price: e.price,
            leaves: e.leaves,
            action: Action::Reduced { by: previous_leaves - e.leaves },
        };
        if e.options & option::KEPT_PRIORITY != 0 {
            self.changed(&change, observer);
            return;
        }
        self.taker = e.order_id;
        if e.leaves > 0 {
            let action = Action::Moved { previous_price, previous_leaves };
            self.coming = Some(OrderChange { action, ..change });
        } else {
            let action =
                Action::Removed { cancelled: previous_leaves, reason: REPLACED, is_expired: false };
            self.changed(&OrderChange { price: previous_price, action, ..change }, observer);
        }
    }

    #[inline(always)]
    fn traded(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = Trade::from_bytes(record);
        observer.trade(self.place(), &e);
        let (trade_id, quantity) = (e.trade_id, e.quantity);
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
        observer.report(self.place(), e.account, e.taker_order_id, record);
        observer.report(self.place(), e.maker_account, e.maker_order_id, record);
    }

    #[inline(always)]
    fn cancelled(&mut self, record: &[u8; RECORD_BYTES], observer: &mut impl Observer) {
        let e = OrderCancelled::from_bytes(record);
        if e.order_id != self.taker {
            let change = OrderChange {
                instrument: e.instrument,
                account: e.account,
                order_id: e.order_id,
                side: e.side,
                price: e.price,
                leaves: 0,
                action: Action::Removed {
                    cancelled: e.cancelled_quantity,
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
        if e.order_id != self.taker {
            let change = OrderChange {
                instrument: e.instrument,
                account: e.account,
                order_id: e.order_id,
                side: e.side,
                price: e.price,
                leaves: e.leaves,
                action: Action::Reduced { by: e.reduced_by },
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

    #[inline(always)]
    fn end_command(&mut self, observer: &mut impl Observer) {
        if let Some(change) = self.coming.take() {
            self.changed(&change, observer);
        }
        if self.run.take().is_some() {
            observer.run_ended();
        }
    }
}
