//! Memory of resting orders, and what a command costs as the book grows.

use crate::flow::{ACCOUNTS, Size, generate, shape};
use crate::frames::{FRAME_COMMANDS, Window, Writer};
use crate::measure::processor_ns;
use crate::ops::{Kind, Op};
use crate::rng::Rng;
use crate::tradepit::{Tally, drive, frame_sizes};
use serde_json::{Value, json};
use tradepit_core::engine::Engine;

const MEMORY_ORDERS: usize = 1_000_000;
/// Frames are written and applied in chunks of this many orders, so that they do not count.
const CHUNK: usize = 1 << 16;
const GROWTH_COMMANDS: usize = 400_000;
const GROWTH_SIZES: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const SEED: u64 = 7;

/// Resident bytes of this process.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux keeps statm");
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    // SAFETY: asks for a constant.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    pages.expect("the second field is the resident pages") * page_bytes
}

/// Orders that never trade, on thousands of levels of both sides.
fn resting_order(rng: &mut Rng) -> Op {
    let is_buy = rng.chance(50);
    let away = 1 + rng.below(10_000) as i64;
    let price = if is_buy { 1_000_000 - away } else { 1_000_000 + away };
    Op::new(Kind::Place, is_buy, rng.below(u64::from(ACCOUNTS)) as u32 + 1, price, 10)
}

/// Growth of resident memory per resting order with its key, accounts already there.
pub fn per_order() -> Value {
    let mut writer = Writer::default();
    let mut engine = Engine::default();
    let mut rng = Rng::new(SEED);
    writer.open_market(ACCOUNTS, Window::of_commands(MEMORY_ORDERS * 2));
    let first_order = writer.sequence() + 1;
    let mut apply = |writer: &mut Writer| {
        engine.apply(&writer.bytes).expect("frames that were just written");
        writer.bytes.clear();
    };
    apply(&mut writer);
    let mut rest = |writer: &mut Writer, from: usize, count: usize| {
        let ops: Vec<Op> = (0..count).map(|_| resting_order(&mut rng)).collect();
        writer.write(&ops, from, FRAME_COMMANDS, first_order);
    };
    // The first chunk fills buffers and touches accounts; it does not count.
    rest(&mut writer, 0, CHUNK);
    apply(&mut writer);
    let before = resident_bytes();
    let mut done = 0;
    while done < MEMORY_ORDERS {
        let count = CHUNK.min(MEMORY_ORDERS - done);
        rest(&mut writer, CHUNK + done, count);
        apply(&mut writer);
        done += count;
    }
    let bytes = resident_bytes() - before;
    json!({
        "orders": MEMORY_ORDERS,
        "bytes_per_order": bytes as f64 / MEMORY_ORDERS as f64,
        "resting": engine.orders.len(),
        "keys": engine.keys.len(),
    })
}

/// The steady flow on books of growing size.
pub fn growth(report: impl Fn(Value)) {
    for resting in GROWTH_SIZES {
        let settle = resting.min(GROWTH_COMMANDS);
        let size = Size { resting, accounts: ACCOUNTS, settle, measured: GROWTH_COMMANDS };
        let flow = generate(shape("steady").expect("a named flow"), size, SEED);
        let mut writer = Writer::default();
        let mut engine = Engine::default();
        writer.open_market(ACCOUNTS, Window::of_commands(GROWTH_COMMANDS));
        let first_order = writer.sequence() + 1;
        let mut tally = Tally::default();
        for (at, ops) in flow.ops[..flow.warm_up].chunks(CHUNK).enumerate() {
            writer.write(ops, at * CHUNK, FRAME_COMMANDS, first_order);
            engine.apply(&writer.bytes).expect("frames that were just written");
            writer.bytes.clear();
        }
        writer.write(&flow.ops[flow.warm_up..], flow.warm_up, FRAME_COMMANDS, first_order);
        let sizes = frame_sizes(&writer.bytes);
        let start = processor_ns();
        drive(&mut engine, &writer.bytes, &sizes, &mut tally);
        let ns = processor_ns() - start;
        report(json!({
            "resting": engine.orders.len(),
            "ns_per_command": ns as f64 / GROWTH_COMMANDS as f64,
            "rejects": tally.rejects,
        }));
    }
}
