//! Flows as files, for the benchmarks that come in through Python.

use crate::flow::{ACCOUNTS, Size, generate, shape};
use crate::frames::{Window, Writer};
use crate::ops::as_bytes;
use std::path::Path;

const SEED: u64 = 11;

/// What the files hold; counts in commands.
pub struct Wanted {
    pub flow: String,
    pub resting: usize,
    pub settle: usize,
    pub measured: usize,
    /// Keys are kept for this many commands.
    pub window: usize,
    /// Commands per frame of the measured part.
    pub per_frame: usize,
}

/// Write `before.journal` (market, fill, warm-up), `measured.journal` and `operations.bin`.
pub fn write(wanted: &Wanted, folder: &Path) -> std::io::Result<()> {
    let size = Size {
        resting: wanted.resting,
        accounts: ACCOUNTS,
        settle: wanted.settle,
        measured: wanted.measured,
    };
    let shape = shape(&wanted.flow).expect("the name of a flow");
    let flow = generate(shape, size, SEED);
    let mut writer = Writer::default();
    writer.open_market(ACCOUNTS, Window::of_commands(wanted.window));
    let first_order = writer.sequence() + 1;
    writer.write(&flow.ops[..flow.warm_up], 0, crate::frames::FRAME_COMMANDS, first_order);
    std::fs::write(folder.join("before.journal"), &writer.bytes)?;
    writer.bytes.clear();
    writer.write(&flow.ops[flow.warm_up..], flow.warm_up, wanted.per_frame, first_order);
    std::fs::write(folder.join("measured.journal"), &writer.bytes)?;
    std::fs::write(folder.join("operations.bin"), as_bytes(&flow.ops))
}
