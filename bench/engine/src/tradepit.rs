//! Tradepit's engine under a flow: every event is read.

use crate::frames::Journal;
use crate::measure::{Sample, processor_ns};
use tradepit_core::engine::Engine;
use tradepit_core::frame::Frame;
use tradepit_core::wire::*;

/// What reading the events of a run found.
#[derive(Default)]
pub struct Tally {
    pub events: u64,
    pub fills: u64,
    pub rejects: u64,
    /// Depends on every event, so that none is read in vain.
    pub checksum: u64,
}

impl Tally {
    #[inline]
    fn read(&mut self, records: &[u8]) {
        for record in records.chunks_exact(RECORD_BYTES) {
            let header = EventHeader::from_bytes(record);
            let body = u64::from_le_bytes(record[88..96].try_into().expect("eight bytes"));
            self.events += 1;
            self.fills += u64::from(header.kind == EventKind::Trade as u8);
            self.rejects += u64::from(header.kind == EventKind::CommandRejected as u8);
            self.checksum = self.checksum.wrapping_mul(31).wrapping_add(header.sequence ^ body);
        }
    }
}

/// Bytes of each frame of a run of frames.
pub fn frame_sizes(mut bytes: &[u8]) -> Vec<usize> {
    let mut sizes = Vec::new();
    while !bytes.is_empty() {
        let frame = Frame::cut(bytes).expect("frames that were just written");
        sizes.push(frame.bytes);
        bytes = &bytes[frame.bytes..];
    }
    sizes
}

/// Apply frames one by one; the events of each are read before the next.
pub fn drive(engine: &mut Engine, bytes: &[u8], sizes: &[usize], tally: &mut Tally) {
    let mut at = 0;
    for size in sizes {
        engine.apply(&bytes[at..at + size]).expect("frames that were just written");
        tally.read(&engine.output.records);
        at += size;
    }
}

/// An engine in which the whole of these frames was applied.
pub fn engine_after(bytes: &[u8]) -> Engine {
    let mut engine = Engine::default();
    drive(&mut engine, bytes, &frame_sizes(bytes), &mut Tally::default());
    engine
}

pub fn run(journal: &Journal) -> Sample {
    let mut engine = engine_after(&journal.bytes[..journal.measured_at]);
    let (resting, keys) = (engine.orders.len(), engine.keys.len());
    let measured = &journal.bytes[journal.measured_at..];
    let sizes = frame_sizes(measured);
    let mut tally = Tally::default();
    let start = processor_ns();
    drive(&mut engine, measured, &sizes, &mut tally);
    let ns = processor_ns() - start;
    std::hint::black_box(tally.checksum);
    Sample {
        ns,
        fills: tally.fills,
        events: tally.events,
        rejects: tally.rejects,
        resting: resting.min(engine.orders.len()),
        keys: keys.min(engine.keys.len()),
    }
}
