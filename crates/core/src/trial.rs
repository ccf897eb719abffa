//! A small market for unit tests: commands in, lines of text out, one for each event.
//!
//! With every frame, a second engine is restored from a snapshot of the state before it and must
//! say the same and end in the same state; and what firms hold is counted anew.

use crate::engine::Engine;
use crate::event::Output;
use crate::exposure::Exposure;
use crate::orders::Order;
use crate::snapshot::Source;
use crate::wire::*;

pub const SECOND: i64 = 1_000_000_000;
/// Market time at which each trial begins; times in lines count from here.
pub const BEGIN: i64 = 1_000 * SECOND;
/// Units of budgets in a lot of `COIN`, and in one of `HALF`.
pub const COIN_UNITS: i64 = 100_000_000;
pub const HALF_UNITS: i64 = 50_000_000;

pub const DOLLAR: u32 = 1;
/// Instruments: lots of 1 coin, lots of half a coin, lots that are no whole number of units.
pub const COIN: u32 = 1;
pub const HALF: u32 = 2;
pub const DUST: u32 = 3;
/// Accounts, all with credit in everything.
pub const FIRM: u32 = 1;
pub const CLIENT: u32 = 2;
pub const OTHER: u32 = 3;

/// A command, with its text.
#[derive(Clone)]
pub struct Sent([u8; RECORD_BYTES], Option<String>);

impl<T: Wire> From<T> for Sent {
    fn from(command: T) -> Self {
        Self(command.as_bytes().try_into().expect("a record"), None)
    }
}

impl Sent {
    pub fn named(command: impl Wire, text: &str) -> Self {
        let Self(mut record, _) = command.into();
        record[1] |= record_flag::TEXT;
        Self(record, Some(text.into()))
    }
}

pub struct Trial {
    pub engine: Engine,
    /// Clock and incarnation of the node that writes frames.
    pub clock: i64,
    pub writer: u64,
    frames: u64,
}

fn define_instrument(instrument: u32, base_asset: u32, tick: u32, lot: (u32, u32)) -> Sent {
    let command = DefineInstrument {
        kind: CommandKind::DefineInstrument as u8,
        mode: Phase::Continuous as u8,
        instrument,
        base_asset,
        quote_asset: DOLLAR,
        tick_mantissa: tick,
        lot_mantissa: lot.0,
        lot_exponent: lot.1,
        ..Default::default()
    };
    Sent::named(command, &format!("I{instrument}"))
}

impl Trial {
    pub fn new() -> Self {
        let mut trial = Self { engine: Engine::default(), clock: 0, writer: 1, frames: 0 };
        trial.send(Genesis {
            kind: CommandKind::Genesis as u8,
            key_window_ns: SECOND,
            key_capacity: 100,
            accounts_max: 10,
            market_id: 1,
            rules_version: 2,
            ..Default::default()
        });
        trial.wait(BEGIN);
        for (asset, scale) in [(DOLLAR, 2), (2, 2), (3, 2), (4, 10)] {
            let kind = CommandKind::DefineAsset as u8;
            let command = DefineAsset { kind, asset, scale, ..Default::default() };
            trial.send(Sent::named(command, &format!("A{asset}")));
        }
        trial.send(define_instrument(COIN, 2, 1, (1, 0)));
        trial.send(define_instrument(HALF, 3, 1, (5, 1)));
        trial.send(define_instrument(DUST, 4, 1_000_000_000, (1, 9)));
        for (account, id) in [(FIRM, "firm"), (CLIENT, "client"), (OTHER, "other")] {
            let kind = CommandKind::OpenAccount as u8;
            let mode = AccountType::Credit as u8;
            trial.send(Sent::named(OpenAccount { kind, mode, ..Default::default() }, id));
            let kind = CommandKind::SetCredit as u8;
            trial.send(SetCredit { kind, account, credit: 1 << 60, ..Default::default() });
        }
        trial
    }

    /// Apply one command as a frame of its own.
    pub fn send(&mut self, command: impl Into<Sent>) -> Vec<String> {
        self.frame(&[command.into()])
    }

    pub fn frame(&mut self, commands: &[Sent]) -> Vec<String> {
        self.frames += 1;
        let bytes = self.bytes(commands);
        let mut restored = restored(&self.engine);
        self.engine.apply(&bytes).expect("a frame that applies");
        restored.apply(&bytes).expect("a frame that applies");
        assert_eq!(lines(&restored.output), lines(&self.engine.output), "after a snapshot");
        assert_eq!(restored.state_hash(), self.engine.state_hash(), "after a snapshot");
        assert_eq!(restored.wakes_at(), self.engine.wakes_at(), "after a snapshot");
        self.check_firms();
        lines(&self.engine.output)
    }

    fn bytes(&self, commands: &[Sent]) -> Vec<u8> {
        let mut texts = Vec::new();
        for text in commands.iter().filter_map(|Sent(_, text)| text.as_ref()) {
            texts.extend_from_slice(&(text.len() as u16).to_le_bytes());
            texts.extend_from_slice(text.as_bytes());
        }
        let header = FrameHeader {
            magic: FRAME_MAGIC,
            schema_version: SCHEMA_VERSION,
            record_count: commands.len() as u32,
            text_bytes: texts.len() as u32,
            incarnation: self.writer,
            frame_number: self.frames,
            time_ns: self.clock,
            ..Default::default()
        };
        let mut bytes = header.as_bytes().to_vec();
        for Sent(record, _) in commands {
            bytes.extend_from_slice(record);
        }
        texts.resize(texts.len().next_multiple_of(8), 0);
        bytes.extend_from_slice(&texts);
        bytes
    }

    /// Let time pass; what happens by itself.
    pub fn wait(&mut self, ns: i64) -> Vec<String> {
        self.clock += ns;
        let to_ns = self.clock;
        let jump = TimeJump { kind: CommandKind::TimeJump as u8, to_ns, ..Default::default() };
        let mut told = self.send(jump);
        told.retain(|line| !line.starts_with("TimeJumped"));
        told
    }

    /// What this firm's reservations hold never exceeds what its budgets once were; no quote
    /// stands for more than is granted; and the sums are right.
    fn check_firms(&self) {
        for (account, firm) in self.engine.firms.iter() {
            let mut used = [0; 2];
            for (instrument, exposure) in self.engine.exposures.of_account(account) {
                let units = self.engine.units(instrument).expect("quotable");
                for (side, used) in used.iter_mut().enumerate() {
                    *used += exposure.granted[side] * units;
                    let leaves = self.leaves(exposure, side);
                    assert!(leaves <= exposure.granted[side], "{leaves} lots are quoted");
                }
            }
            assert_eq!(used, firm.used);
        }
    }

    fn leaves(&self, exposure: &Exposure, side: usize) -> i64 {
        let slot = self.engine.resting_side(&exposure.quote[side]);
        slot.map_or(0, |slot| self.engine.orders[slot].leaves)
    }

    /// (order id, price, leaves) of live orders of an account, by entry.
    pub fn orders(&self, account: u32) -> Vec<(u64, i64, i64)> {
        let orders = self.engine.account_orders(account).map(|slot| &self.engine.orders[slot]);
        orders.map(|order: &Order| (order.id, order.price, order.leaves)).collect()
    }
}

fn restored(engine: &Engine) -> Engine {
    let mut bytes = Vec::new();
    engine.write_state(&mut bytes);
    let restored = Engine::read_state(&mut Source::new(&bytes)).expect("a snapshot");
    assert_eq!(restored.state_hash(), engine.state_hash(), "a snapshot read again");
    restored
}

/// Time since the trial began, in ms; 0 stays 0.
fn ms(time_ns: i64) -> i64 {
    if time_ns == 0 { 0 } else { (time_ns - BEGIN) / 1_000_000 }
}

fn lines(output: &Output) -> Vec<String> {
    let records = output.records.chunks_exact(RECORD_BYTES);
    records.filter(|record| record[0] != EventKind::FrameApplied as u8).map(line).collect()
}

/// An event in words; times in ms since the trial began.
fn line(record: &[u8]) -> String {
    let header = EventHeader::from_bytes(record);
    let (status, account, instrument) = (header.status, header.account, header.instrument);
    let kind = EventKind::from_number(header.kind).expect("an event");
    let end = || EndReason::from_number(status).expect("a reason");
    match kind {
        EventKind::CommandRejected => {
            let e = CommandRejected::from_bytes(record);
            let reason = RejectReason::from_number(e.reason).expect("a reason");
            match (e.required, e.available) {
                (0, 0) => format!("rejected {reason:?}"),
                (required, available) => format!("rejected {reason:?} {required} {available}"),
            }
        }
        EventKind::OrderAccepted => {
            let e = OrderAccepted::from_bytes(record);
            let (id, trades) = (e.order_id, e.trade_count);
            let status = OrderStatus::from_number(status).expect("a status");
            let rest = format!("{}@{} leaves {} trades {trades}", e.quantity, e.price, e.leaves);
            format!("accepted {id} {} {rest} {status:?}", side_name(e.side))
        }
        EventKind::Trade => {
            let e = Trade::from_bytes(record);
            let (maker, taker) = (e.maker_order_id, e.taker_order_id);
            format!("trade {}@{} maker {maker} taker {taker}", e.quantity, e.price)
        }
        EventKind::OrderCancelled => {
            let e = OrderCancelled::from_bytes(record);
            let reason = CloseReason::from_number(e.reason as u8).expect("a reason");
            let status = OrderStatus::from_number(status).expect("a status");
            format!("{status:?} {} {reason:?} {}", e.order_id, e.cancelled_quantity).to_lowercase()
        }
        EventKind::OrderReduced => {
            let e = OrderReduced::from_bytes(record);
            let reason = CloseReason::from_number(e.reason as u8).expect("a reason");
            format!("reduced {} by {} leaves {} {reason:?}", e.order_id, e.reduced_by, e.leaves)
        }
        EventKind::MassCancelled => {
            format!("mass cancelled {}", MassCancelled::from_bytes(record).count)
        }
        EventKind::AccountStateChanged => {
            format!("account {account} {:?}", AccountState::from_number(status).expect("a state"))
        }
        EventKind::Reserved => {
            let e = Reserved::from_bytes(record);
            let status = ReservationStatus::from_number(status).expect("a status");
            let bid = format!("{}/{}", e.granted_bid, e.requested_bid);
            let ask = format!("{}/{}", e.granted_ask, e.requested_ask);
            format!("reserved {status:?} {bid} {ask} until {} maker {}", ms(e.expires_at), e.maker)
        }
        EventKind::QuoteSet => {
            let e = QuoteSet::from_bytes(record);
            let bid = format!("{}@{} #{}", e.bid_quantity, e.bid_price, e.bid_order_id);
            let ask = format!("{}@{} #{}", e.ask_quantity, e.ask_price, e.ask_order_id);
            format!("quote {bid} {ask} until {} maker {}", ms(e.expires_at), e.maker)
        }
        EventKind::ReservationReleased => {
            let e = ReservationReleased::from_bytes(record);
            format!("released {account}/{instrument} {} {} {:?}", e.freed_bid, e.freed_ask, end())
        }
        EventKind::SessionBound => {
            let e = SessionBound::from_bytes(record);
            format!("session {} bound {} mode {status}", e.session, e.binding)
        }
        EventKind::SessionEnded => {
            let e = SessionEnded::from_bytes(record);
            format!("session {} ended {:?} count {}", e.session, end(), e.count)
        }
        EventKind::DeadManSet => {
            format!("dead man {}", ms(DeadManSet::from_bytes(record).expires_at))
        }
        EventKind::MakerJoined => {
            let e = MakerJoined::from_bytes(record);
            format!("maker {account}/{} joined epoch {}", e.maker, e.epoch)
        }
        EventKind::MakerLeft => {
            format!("maker {account}/{} left {:?}", MakerLeft::from_bytes(record).maker, end())
        }
        EventKind::SymbolAssigned => {
            let e = SymbolAssigned::from_bytes(record);
            format!("assigned {account}/{instrument} {} -> {}", e.previous_maker, e.maker)
        }
        EventKind::FirmSymbolChanged => format!("symbol {account}/{instrument} {status}"),
        other => format!("{other:?}"),
    }
}

fn side_name(side: u8) -> &'static str {
    if side == Side::Buy as u8 { "buy" } else { "sell" }
}

// Commands that tests send.

pub fn firm(budget_bid: i64, budget_ask: i64, position_limit: i64) -> DefineFirm {
    DefineFirm {
        kind: CommandKind::DefineFirm as u8,
        account: FIRM,
        budget_bid: budget_bid * COIN_UNITS,
        budget_ask: budget_ask * COIN_UNITS,
        position_limit: position_limit * COIN_UNITS,
        lease_ns: 10 * SECOND,
        ..Default::default()
    }
}

pub fn reserve(instrument: u32, bid_quantity: i64, ask_quantity: i64) -> Reserve {
    Reserve {
        kind: CommandKind::Reserve as u8,
        account: FIRM,
        instrument,
        bid_quantity,
        ask_quantity,
        definition_version: 1,
        ..Default::default()
    }
}

/// A bid and an ask, each (price, quantity).
pub fn quote(account: u32, instrument: u32, bid: (i64, i64), ask: (i64, i64)) -> Quote {
    Quote {
        kind: CommandKind::Quote as u8,
        account,
        instrument,
        bid_price: bid.0,
        bid_quantity: bid.1,
        ask_price: ask.0,
        ask_quantity: ask.1,
        definition_version: 1,
        ..Default::default()
    }
}

/// The frame in which a quote comes.
pub fn quoting(quote: Quote) -> [Sent; 2] {
    let kind = CommandKind::ReserveOrderId as u8;
    [ReserveOrderId { kind, ..Default::default() }.into(), quote.into()]
}

pub fn release(account: u32, instrument: u32) -> Release {
    Release { kind: CommandKind::Release as u8, account, instrument, ..Default::default() }
}

pub fn limit(account: u32, instrument: u32, side: Side, price: i64, quantity: i64) -> PlaceOrder {
    PlaceOrder {
        kind: CommandKind::PlaceOrder as u8,
        side: side as u8,
        order_type: OrderType::Limit as u8,
        time_in_force: TimeInForce::Gtc as u8,
        account,
        instrument,
        price,
        quantity,
        definition_version: 1,
        ..Default::default()
    }
}

pub fn heartbeat(name: &str, epoch: u64, mode: u8) -> Sent {
    let kind = CommandKind::MakerHeartbeat as u8;
    Sent::named(MakerHeartbeat { kind, mode, account: FIRM, epoch, ..Default::default() }, name)
}

pub fn symbol(instrument: u32, mode: u8) -> SetFirmSymbol {
    let kind = CommandKind::SetFirmSymbol as u8;
    SetFirmSymbol { kind, mode, account: FIRM, instrument, ..Default::default() }
}

pub fn state(account: u32, state: AccountState) -> SetAccountState {
    let kind = CommandKind::SetAccountState as u8;
    SetAccountState { kind, mode: state as u8, account, ..Default::default() }
}

pub fn phase(instrument: u32, phase: Phase) -> SetPhase {
    let kind = CommandKind::SetPhase as u8;
    SetPhase { kind, mode: phase as u8, instrument, ..Default::default() }
}
