//! A flow as a journal: genesis, accounts, then frames of commands.

use crate::flow::ACCOUNTS;
use crate::ops::{Flow, Kind, Op};
use crate::rng::mix;
use tradepit_core::frame::frame_crc;
use tradepit_core::wire::*;

pub const FRAME_COMMANDS: usize = 256;
/// Market time per command: a market of a million commands a second.
const COMMAND_NS: i64 = 1_000;
const START_NS: i64 = 1_700_000_000_000_000_000;
const BASE: u32 = 1;
const QUOTE: u32 = 2;
const INSTRUMENT: u32 = 1;
/// In minor units; a lot is 100 of them, so nobody runs short.
const STARTING_COINS: i64 = 1_000_000_000;
const STARTING_MONEY: i64 = 1 << 60;
const MAKER_FEE_PPM: i32 = 100;
const TAKER_FEE_PPM: i32 = 400;

/// How keys are kept in a journal.
#[derive(Clone, Copy)]
pub struct Window {
    pub ns: i64,
    pub capacity: u64,
}

impl Window {
    /// Long enough for this many commands of the flow.
    pub const fn of_commands(commands: usize) -> Self {
        Self { ns: commands as i64 * COMMAND_NS, capacity: 1 << 30 }
    }
}

/// Writes frames of one incarnation, each chained to the one before.
pub struct Writer {
    pub bytes: Vec<u8>,
    frame_number: u64,
    next_sequence: u64,
    time_ns: i64,
    previous_crc: u32,
}

impl Default for Writer {
    fn default() -> Self {
        let bytes = Vec::new();
        Self { bytes, frame_number: 0, next_sequence: 1, time_ns: START_NS, previous_crc: 0 }
    }
}

impl Writer {
    pub const fn sequence(&self) -> u64 {
        self.next_sequence - 1
    }

    fn push(&mut self, records: &[u8], texts: &[u8]) {
        let count = (records.len() / RECORD_BYTES) as u32;
        self.frame_number += 1;
        let mut header = FrameHeader {
            magic: FRAME_MAGIC,
            schema_version: SCHEMA_VERSION,
            record_count: count,
            text_bytes: texts.len() as u32,
            first_sequence: self.next_sequence,
            incarnation: 1,
            frame_number: self.frame_number,
            time_ns: self.time_ns,
            generation: 1,
            previous_crc: self.previous_crc,
            ..Default::default()
        };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(records);
        self.bytes.extend_from_slice(texts);
        self.bytes.resize(start + (self.bytes.len() - start).next_multiple_of(8), 0);
        header.crc = frame_crc(&self.bytes[start..]);
        self.bytes[start..start + FRAME_HEADER_BYTES].copy_from_slice(header.as_bytes());
        self.previous_crc = header.crc;
        self.next_sequence += u64::from(count);
        self.time_ns += i64::from(count) * COMMAND_NS;
    }

    /// Genesis, one instrument with fees, and funded cash accounts.
    pub fn open_market(&mut self, accounts: u32, window: Window) {
        let mut records = Vec::new();
        let mut texts = Vec::new();
        let mut text = |text: &str| {
            texts.extend_from_slice(&(text.len() as u16).to_le_bytes());
            texts.extend_from_slice(text.as_bytes());
        };
        put(
            &mut records,
            &Genesis {
                kind: CommandKind::Genesis as u8,
                key_window_ns: window.ns,
                key_capacity: window.capacity,
                accounts_max: u64::from(accounts),
                market_id: 1,
                rules_version: RULES_VERSION,
                schema_version: u32::from(SCHEMA_VERSION),
                ..Default::default()
            },
        );
        put(
            &mut records,
            &TimeJump { kind: CommandKind::TimeJump as u8, to_ns: START_NS, ..Default::default() },
        );
        for (asset, code) in [(BASE, "COIN"), (QUOTE, "USD")] {
            put(
                &mut records,
                &DefineAsset {
                    kind: CommandKind::DefineAsset as u8,
                    flags: record_flag::TEXT,
                    asset,
                    scale: 8,
                    ..Default::default()
                },
            );
            text(code);
        }
        put(&mut records, &define_instrument());
        text("COIN-USD");
        put(&mut records, &instrument_rules());
        for (asset, amount) in [(BASE, STARTING_COINS), (QUOTE, STARTING_MONEY)] {
            put(
                &mut records,
                &SetStartingBalance {
                    kind: CommandKind::SetStartingBalance as u8,
                    asset,
                    amount,
                    ..Default::default()
                },
            );
        }
        for account in 1..=accounts {
            put(
                &mut records,
                &OpenAccount {
                    kind: CommandKind::OpenAccount as u8,
                    flags: record_flag::TEXT | record_flag::STARTING_BALANCES,
                    mode: AccountType::Cash as u8,
                    ..Default::default()
                },
            );
            text(&format!("trader-{account:06}"));
        }
        self.push(&records, &texts);
    }

    /// Write operations in frames of `per_frame`; orders are named by `first_order` + index.
    pub fn write(&mut self, ops: &[Op], first: usize, per_frame: usize, first_order: u64) {
        let mut records = Vec::with_capacity(per_frame * RECORD_BYTES);
        for (at, frame) in ops.chunks(per_frame).enumerate() {
            records.clear();
            for (i, op) in frame.iter().enumerate() {
                let index = (first + at * per_frame + i) as u64;
                put_op(&mut records, op, index, first_order);
            }
            self.push(&records, &[]);
        }
    }
}

fn put<T: Wire>(records: &mut Vec<u8>, record: &T) {
    records.extend_from_slice(record.as_bytes());
}

fn define_instrument() -> DefineInstrument {
    DefineInstrument {
        kind: CommandKind::DefineInstrument as u8,
        flags: record_flag::TEXT,
        mode: Phase::Continuous as u8,
        instrument: INSTRUMENT,
        base_asset: BASE,
        quote_asset: QUOTE,
        tick_mantissa: 1,
        tick_exponent: 2,
        lot_mantissa: 1,
        lot_exponent: 6,
        reference_price: 1_000_000,
        ..Default::default()
    }
}

fn instrument_rules() -> SetInstrumentRules {
    SetInstrumentRules {
        kind: CommandKind::SetInstrumentRules as u8,
        instrument: INSTRUMENT,
        quantity_min: 1,
        quantity_max: 1 << 40,
        reference_price: 1_000_000,
        maker_fee_ppm: MAKER_FEE_PPM,
        taker_fee_ppm: TAKER_FEE_PPM,
        ..Default::default()
    }
}

fn put_op(records: &mut Vec<u8>, op: &Op, index: u64, first_order: u64) {
    let order_id = first_order + u64::from(op.target);
    match op.kind {
        Kind::Place | Kind::Take => put(records, &place(op, index)),
        Kind::Cancel => put(
            records,
            &CancelOrder {
                kind: CommandKind::CancelOrder as u8,
                account: op.account,
                order_id,
                ..Default::default()
            },
        ),
        Kind::Reduce | Kind::Move => put(
            records,
            &ReplaceOrder {
                kind: CommandKind::ReplaceOrder as u8,
                options: if op.kind == Kind::Move { option::PRICE } else { option::QUANTITY },
                account: op.account,
                instrument: INSTRUMENT,
                order_id,
                price: op.price,
                quantity: i64::from(op.quantity) + i64::from(op.filled),
                definition_version: 1,
                ..Default::default()
            },
        ),
    }
}

fn place(op: &Op, index: u64) -> PlaceOrder {
    let gtc = op.kind == Kind::Place;
    PlaceOrder {
        kind: CommandKind::PlaceOrder as u8,
        flags: record_flag::KEY,
        side: if op.is_buy { Side::Buy as u8 } else { Side::Sell as u8 },
        order_type: OrderType::Limit as u8,
        time_in_force: if gtc { TimeInForce::Gtc as u8 } else { TimeInForce::Ioc as u8 },
        self_trade_prevention: SelfTradePrevention::CancelTaker as u8,
        account: op.account,
        instrument: INSTRUMENT,
        key_low: mix(index * 2 + 1),
        key_high: mix(index * 2 + 2),
        price: op.price,
        quantity: i64::from(op.quantity),
        definition_version: 1,
        ..Default::default()
    }
}

/// The parts of a flow's journal.
pub struct Journal {
    pub bytes: Vec<u8>,
    /// Where the measured part begins.
    pub measured_at: usize,
}

/// A whole flow as a journal in frames of 256.
pub fn journal(flow: &Flow, window: Window) -> Journal {
    let mut writer = Writer::default();
    writer.open_market(ACCOUNTS, window);
    let first_order = writer.sequence() + 1;
    let (before, measured) = flow.ops.split_at(flow.warm_up);
    writer.write(before, 0, FRAME_COMMANDS, first_order);
    let measured_at = writer.bytes.len();
    writer.write(measured, flow.warm_up, FRAME_COMMANDS, first_order);
    Journal { bytes: writer.bytes, measured_at }
}
