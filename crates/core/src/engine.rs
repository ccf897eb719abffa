//! The engine: state, frames in, one command after the other.

use crate::ahead::{Ahead, names_order};
use crate::book::BookSide;
use crate::event::Output;
use crate::exposure::Exposures;
use crate::firms::Firms;
use crate::frame::{Frame, Problem, TextReader};
use crate::keys::Keys;
use crate::ledger::Ledger;
use crate::matching::LINKED;
use crate::moments::Timer;
use crate::orders::{NONE, Order, Orders};
use crate::sessions::Sessions;
use crate::trading_session::TradingSession;
use crate::waiting::Waiting;
use crate::wire::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Market time moves forward by at most this per frame; further only by TIME_JUMP.
pub const TIME_JUMP_MIN_NS: i64 = 2_000_000_000;
/// Writers whose last frame number is remembered.
const INCARNATIONS_MAX: usize = 64;
/// `account` of a command that follows its OPEN_ACCOUNT in the same frame.
pub const ACCOUNT_JUST_OPENED: u32 = u32::MAX;
/// Market time never passes this, so that no sum of a time and a bound overflows.
pub const TIME_MAX_NS: i64 = 1 << 62;
pub const DAY_NS: i64 = 86_400_000_000_000;

/// Why a command was refused, with the amounts that a person wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: RejectReason,
    pub asset: u32,
    pub required: i64,
    pub available: i64,
}

/// A refusal behind a pointer, so that results travel in registers. A result that goes through
/// memory is written in parts and read whole, for which the processor waits until every earlier
/// store has left its buffer: hundreds of ns when one of them missed the caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject(Box<Refusal>);

impl From<RejectReason> for Reject {
    #[cold]
    fn from(reason: RejectReason) -> Self {
        Self::bound(reason, 0, 0)
    }
}

impl std::ops::Deref for Reject {
    type Target = Refusal;
    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl Reject {
    #[cold]
    pub fn bound(reason: RejectReason, required: i64, available: i64) -> Self {
        Self(Box::new(Refusal { reason, asset: 0, required, available }))
    }

    #[cold]
    pub fn funds(asset: u32, required: i64, available: i64) -> Self {
        let reason = RejectReason::InsufficientFunds;
        Self(Box::new(Refusal { reason, asset, required, available }))
    }
}

/// What a command that was not refused did, for its key.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Slot of the order that now rests, if the command placed one; else NONE.
    pub resting: u32,
    /// Count of a mass cancel.
    pub result: u32,
}

impl Default for Done {
    fn default() -> Self {
        Self { resting: NONE, result: 0 }
    }
}

pub type Outcome = Result<Done, Reject>;

/// A command as it stands in a frame.
pub(crate) type Record = [u8; RECORD_BYTES];

/// Why a buffer could not be applied. The state is as after the last whole frame before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    Malformed { offset: usize, problem: Problem },
    SequenceGap { expected: u64, found: u64 },
    UnsupportedRules { version: u32 },
}

/// Parameters that the journal's first command fixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pub key_window_ns: i64,
    pub key_capacity: u64,
    pub accounts_max: u64,
    pub market_id: u64,
}

/// What is traded, with its two book sides.
pub struct Instrument {
    pub number: u32,
    pub symbol: String,
    pub phase: u8,
    pub base_asset: u32,
    pub quote_asset: u32,
    pub tick_mantissa: u32,
    pub tick_exponent: u32,
    pub lot_mantissa: u32,
    pub lot_exponent: u32,
    pub definition_version: u32,
    /// Minor units of the base asset per lot.
    pub lot: i64,
    /// Minor units of the quote asset per tick and lot.
    pub unit: i64,
    pub quantity_min: i64,
    pub quantity_max: i64,
    /// 0 = none.
    pub value_max: i64,
    pub reference_price: i64,
    pub last_price: i64,
    pub collar_ppm: u32,
    /// (maker, taker) in ppm; resting orders keep the index they came with.
    pub fee_schedules: Vec<(i32, i32)>,
    pub fees: u16,
    /// Bids, asks.
    pub sides: [BookSide; 2],
    /// Orders that wait for their stop price.
    pub waiting: Waiting,
    pub session: TradingSession,
}

impl Instrument {
    pub fn is_removed(&self) -> bool {
        self.phase == Phase::Removed as u8
    }

    /// What the collar is measured from.
    pub fn collar_reference(&self) -> i64 {
        if self.last_price != 0 { self.last_price } else { self.reference_price }
    }

    /// Live orders: resting and waiting ones.
    pub fn orders(&self) -> usize {
        self.sides[0].orders + self.sides[1].orders + self.waiting.len()
    }

    #[inline(always)]
    pub fn is_continuous(&self) -> bool {
        self.phase == Phase::Continuous as u8
    }
}

/// Index of a book side: 0 bids, 1 asks.
#[inline(always)]
pub const fn side_index(side: u8) -> usize {
    (side == Side::Sell as u8) as usize
}

#[derive(Default)]
pub struct Engine {
    pub sequence: u64,
    /// Market time.
    pub now: i64,
    /// 0 before GENESIS.
    pub rules_version: u32,
    pub parameters: Parameters,
    /// (incarnation, last frame number), by first appearance.
    pub incarnations: VecDeque<(u64, u64)>,
    pub ledger: Ledger,
    /// Instrument n at n - 1.
    pub instruments: Vec<Instrument>,
    /// Symbols in use.
    pub symbols: HashMap<String, u32>,
    pub orders: Orders,
    pub keys: Keys,
    /// (expires_at, order id).
    pub expiries: BTreeSet<(i64, u64)>,
    /// What else will happen by itself, and when.
    pub timers: BTreeSet<Timer>,
    /// Nothing happens by itself before this market time.
    pub(crate) next_due: i64,
    /// Instruments with triggered orders that have not run.
    pub(crate) pending: BTreeSet<u32>,
    /// Instruments in which orders rest without matching.
    pub(crate) gathering: BTreeSet<u32>,
    /// Market time at the last moment, where it matters: while orders gather, and before it moved.
    pub(crate) moment_at: i64,
    /// What is due is happening.
    pub(crate) is_happening: bool,
    /// Sequence of the last RESERVE_ORDER_ID.
    pub(crate) reserved_id: u64,
    /// First sequence of the frame that is applied, and its writer.
    pub(crate) frame_begin: u64,
    pub(crate) incarnation: u64,
    pub sessions: Sessions,
    pub firms: Firms,
    pub exposures: Exposures,
    pub trades: u64,
    pub output: Output,
    /// Sequences to skip, by an operator's decision.
    pub quarantined: BTreeSet<u64>,
    /// For tests: panic at this sequence; 0 = never.
    pub panic_at: u64,
    /// The account that the nearest earlier OPEN_ACCOUNT of this frame named.
    pub just_opened: u32,
    /// Positions' first instrument by base asset, rebuilt when definitions change.
    pub primary_instruments: BTreeMap<u32, u32>,
}

impl Engine {
    /// Apply whole frames; what they caused is in `output`.
    pub fn apply(&mut self, buffer: &[u8]) -> Result<(), ApplyError> {
        self.output.clear();
        let mut offset = 0;
        while offset < buffer.len() {
            let frame = Frame::cut(&buffer[offset..])
                .map_err(|problem| ApplyError::Malformed { offset, problem })?;
            self.apply_frame(&frame, offset)?;
            offset += frame.bytes;
        }
        Ok(())
    }

    fn apply_frame(&mut self, frame: &Frame<'_>, offset: usize) -> Result<(), ApplyError> {
        let header = &frame.header;
        check_texts(frame, offset)?;
        if self.is_repeat(header.incarnation, header.frame_number) {
            return Ok(());
        }
        self.check_genesis(frame)?;
        if header.first_sequence != 0 && header.first_sequence != self.sequence + 1 {
            let expected = self.sequence + 1;
            return Err(ApplyError::SequenceGap { expected, found: header.first_sequence });
        }
        self.note_incarnation(header.incarnation, header.frame_number);
        self.moment_at = self.now;
        if self.now != 0 {
            let stamp = header.time_ns.min(self.now.saturating_add(TIME_JUMP_MIN_NS));
            self.now = self.now.max(stamp.min(TIME_MAX_NS));
        }
        self.frame_begin = self.sequence + 1;
        self.incarnation = header.incarnation;
        self.sessions.seen(header.incarnation, self.now);
        self.output.push(&FrameApplied {
            kind: EventKind::FrameApplied as u8,
            sequence: self.sequence + 1,
            time_ns: self.now,
            incarnation: header.incarnation,
            frame_number: header.frame_number,
            record_count: u64::from(header.record_count),
            ..Default::default()
        });
        self.just_opened = 0;
        self.run_records(frame.records, TextReader::new(frame.texts));
        Ok(())
    }

    fn run_records(&mut self, records: &[u8], mut texts: TextReader<'_>) {
        let (records, _) = records.as_chunks::<RECORD_BYTES>();
        let mut ahead = Ahead::default();
        self.look_into(records, &mut ahead);
        for (at, record) in records.iter().enumerate() {
            self.look_ahead(records, at, &mut ahead);
            let has_text = record[1] & record_flag::TEXT != 0;
            let text = if has_text { texts.next_text() } else { None };
            self.run(record, text);
            self.output.ends.push(self.output.count() as u32);
        }
    }

    /// A first GENESIS of rules that this program does not know is a stop, not a reject.
    fn check_genesis(&self, frame: &Frame<'_>) -> Result<(), ApplyError> {
        if self.rules_version == 0 && frame.records[0] == CommandKind::Genesis as u8 {
            let genesis = Genesis::from_bytes(frame.records);
            if !(1..=RULES_VERSION).contains(&genesis.rules_version) {
                return Err(ApplyError::UnsupportedRules { version: genesis.rules_version });
            }
        }
        Ok(())
    }

    /// Was this frame applied before? An unknown writer's last frame number is 0.
    fn is_repeat(&self, incarnation: u64, frame_number: u64) -> bool {
        let known = self.incarnations.iter().rev().find(|(i, _)| *i == incarnation);
        frame_number <= known.map_or(0, |(_, last)| *last)
    }

    fn note_incarnation(&mut self, incarnation: u64, frame_number: u64) {
        // The usual writer is the newest.
        if let Some((_, last)) = self.incarnations.iter_mut().rev().find(|(i, _)| *i == incarnation)
        {
            *last = frame_number;
            return;
        }
        if self.incarnations.len() == INCARNATIONS_MAX {
            self.incarnations.pop_front();
        }
        self.incarnations.push_back((incarnation, frame_number));
    }

    /// Run one command at the next sequence.
    #[inline(always)]
    fn run(&mut self, record: &Record, text: Option<&str>) {
        self.sequence += 1;
        assert!(self.panic_at != self.sequence, "injected panic at sequence {}", self.sequence);
        self.moment();
        let mut header = CommandHeader::from_bytes(record);
        let opens = header.kind == CommandKind::OpenAccount as u8;
        if !self.quarantined.is_empty() && self.quarantined.remove(&self.sequence) {
            if opens {
                self.just_opened = 0;
            }
            self.output.push(&CommandQuarantined {
                kind: EventKind::CommandQuarantined as u8,
                status: header.kind,
                sequence: self.sequence,
                account: header.account,
                instrument: header.instrument,
                ..Default::default()
            });
            return;
        }
        let resolved;
        let mut record = record;
        if header.account == ACCOUNT_JUST_OPENED && self.just_opened != 0 {
            header.account = self.just_opened;
            resolved = with_header(record, header);
            record = &resolved;
        }
        if let Err(reject) = self.run_keyed(&header, record, text) {
            self.reject(&header, record, &reject);
        }
        if opens {
            self.just_opened = self.opened_account(text);
        }
        if !self.pending.is_empty() {
            self.run_triggered();
        }
    }

    #[cold]
    fn reject(&mut self, header: &CommandHeader, record: &Record, reject: &Reject) {
        self.output.push(&CommandRejected {
            kind: EventKind::CommandRejected as u8,
            status: header.kind,
            sequence: self.sequence,
            account: header.account,
            instrument: header.instrument,
            reason: reject.reason as u32,
            asset: reject.asset,
            required: reject.required,
            available: reject.available,
            order_id: named_order(header.kind, record),
            ..Default::default()
        });
        if reject.reason == RejectReason::RunawayGuard {
            self.trip(header.account);
        }
    }

    #[inline(always)]
    pub(crate) fn run_timely(
        &mut self,
        kind: CommandKind,
        header: &CommandHeader,
        record: &Record,
        text: Option<&str>,
    ) -> Outcome {
        if header.valid_until != 0 && self.now > header.valid_until {
            return Err(RejectReason::TooLate.into());
        }
        match kind {
            CommandKind::PlaceOrder => {
                self.place(header.account, &PlaceOrder::from_bytes(record), text)
            }
            CommandKind::CancelOrder => {
                self.cancel_order(header.account, CancelOrder::from_bytes(record).order_id)
            }
            CommandKind::ReplaceOrder => {
                self.replace(header.account, &ReplaceOrder::from_bytes(record))
            }
            CommandKind::MassCancel => self.mass_cancel(header),
            CommandKind::CancelByKey => {
                self.cancel_by_key(header, &CancelByKey::from_bytes(record))
            }
            _ => self.run_later_kind(kind, header, record, text),
        }
    }

    #[cold]
    fn run_later_kind(
        &mut self,
        kind: CommandKind,
        header: &CommandHeader,
        record: &Record,
        text: Option<&str>,
    ) -> Outcome {
        let name = text.unwrap_or("");
        match kind {
            CommandKind::Quote => self.quote(header.account, &Quote::from_bytes(record)),
            CommandKind::Reserve => self.reserve(header.account, &Reserve::from_bytes(record)),
            CommandKind::Release => self.release(header.account, &Release::from_bytes(record)),
            CommandKind::BindSession => self.bind_session(header.account, header.mode, name),
            CommandKind::EndSession => {
                self.end_session(header.account, &EndSession::from_bytes(record))
            }
            CommandKind::SetDeadMan => {
                self.set_dead_man(header.account, SetDeadMan::from_bytes(record).timeout_ns)
            }
            CommandKind::MakerHeartbeat => {
                let epoch = MakerHeartbeat::from_bytes(record).epoch;
                self.maker_heartbeat(header.account, header.mode, epoch, name)
            }
            _ => self.administer(kind, header, record, text),
        }
    }

    /// Take a live order off the book, or from those that wait, and give back what it held; no event.
    #[inline]
    pub(crate) fn unlink_order(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let (instrument, side) = (order.instrument as usize - 1, order.side);
        self.release_hold(slot);
        if self.orders[slot].waits() {
            self.stop_waiting(slot);
        } else {
            if self.orders[slot].options & LINKED != 0 {
                self.linked_fell(slot, self.orders[slot].leaves, -1);
            }
            self.instruments[instrument].sides[side_index(side)].remove(&mut self.orders, slot);
        }
        self.leave_account(slot);
    }

    #[inline]
    pub(crate) fn leave_account(&mut self, slot: u32) {
        let account = self.orders[slot].account;
        let Order { account_next: next, account_previous: previous, .. } = self.orders[slot];
        let entry = self.ledger.account_mut(account);
        entry.open_orders -= 1;
        match previous {
            NONE => entry.first_order = next,
            _ => self.orders[previous].account_next = next,
        }
        match next {
            NONE => entry.last_order = previous,
            _ => self.orders[next].account_previous = previous,
        }
    }

    /// Forget a finished order: its expiry, text and slot; its key's window starts.
    #[inline]
    pub(crate) fn forget_order(&mut self, slot: u32) {
        let order = &self.orders[slot];
        let expires_at = self.orders.extra(order).expires_at;
        if expires_at != 0 {
            self.expiries.remove(&(expires_at, order.id));
        }
        if order.has_key() {
            self.keys.finish(order, slot, self.now);
        }
        self.orders.remove(slot);
    }

    /// Cancel or expire a live order, with its event.
    pub(crate) fn close_live(&mut self, slot: u32, status: OrderStatus, reason: CloseReason) {
        self.unlink_order(slot);
        self.push_cancelled(slot, self.orders[slot].leaves, status, reason);
        self.forget_order(slot);
    }

    pub(crate) fn push_cancelled(
        &mut self,
        slot: u32,
        cancelled: i64,
        status: OrderStatus,
        reason: CloseReason,
    ) {
        let order = &self.orders[slot];
        let event = cancelled_event(self.sequence, self.now, order, cancelled, status, reason);
        let visible = if order.is_iceberg() { self.orders.visible(slot) } else { 0 };
        self.output.push(&OrderCancelled { visible, ..event });
    }
}

/// ORDER_CANCELLED for an order that still shows its total and leaves.
pub(crate) fn cancelled_event(
    sequence: u64,
    now: i64,
    order: &Order,
    cancelled: i64,
    status: OrderStatus,
    reason: CloseReason,
) -> OrderCancelled {
    OrderCancelled {
        kind: EventKind::OrderCancelled as u8,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        self_trade_prevention: order.self_trade_prevention,
        options: order.options,
        status: status as u8,
        sequence,
        account: order.account,
        instrument: order.instrument,
        order_id: order.id,
        price: order.price,
        quantity: order.quantity,
        cancelled_quantity: cancelled,
        time_ns: now,
        reason: reason as u32,
        ..Default::default()
    }
}

/// Every text that a record announces must be there, and nothing more.
fn check_texts(frame: &Frame<'_>, offset: usize) -> Result<(), ApplyError> {
    let flagged = |record: &&[u8]| record[1] & record_flag::TEXT != 0;
    let mut texts = TextReader::new(frame.texts);
    let announced = if frame.texts.is_empty()
        && !frame.records.chunks_exact(RECORD_BYTES).any(|r| flagged(&r))
    {
        0
    } else {
        frame.records.chunks_exact(RECORD_BYTES).filter(flagged).count()
    };
    let whole = (0..announced).all(|_| texts.next_text().is_some()) && texts.is_at_end();
    if whole { Ok(()) } else { Err(ApplyError::Malformed { offset, problem: Problem::Text }) }
}

/// The record as if it had come with this header.
#[cold]
fn with_header(record: &Record, header: CommandHeader) -> Record {
    let mut changed = *record;
    changed[..size_of::<CommandHeader>()].copy_from_slice(header.as_bytes());
    changed
}

pub(crate) fn named_order(kind: u8, record: &Record) -> u64 {
    if names_order(kind) { CancelOrder::from_bytes(record).order_id } else { 0 }
}
