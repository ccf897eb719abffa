//! Writing events down as records of 56 bytes.

/// Units of 1e-9 of the quote currency per tick: a quarter of a point.
pub const TICK: i64 = 250_000_000;

const RECORD_BYTES: usize = 56;
const LAST: u8 = 128;
const SNAPSHOT: u8 = 32;
const BAD_RECEIPT_TIME: u8 = 8;
/// As in real files of the venue whose forms these are.
const PUBLISHER: u16 = 1;
const FLAGS_AT: usize = 36;
const RECEIPT_NS: u64 = 120_000;
const SENDING_NS: i32 = 15_000;
const PRICE_NONE: i64 = i64::MAX;

/// One record's own part.
#[derive(Clone, Copy)]
pub struct Entry {
    pub action: u8,
    pub side: u8,
    pub tick: u32,
    pub size: u32,
    pub order_id: u64,
}

/// Records that have not been taken yet, and the time.
pub struct Tape {
    bytes: Vec<u8>,
    time_ns: u64,
    sequence: u32,
}

impl Tape {
    pub const fn new(start_ns: u64) -> Self {
        Self { bytes: Vec::new(), time_ns: start_ns, sequence: 0 }
    }

    pub const fn time_ns(&self) -> u64 {
        self.time_ns
    }

    pub const fn records(&self) -> usize {
        self.bytes.len() / RECORD_BYTES
    }

    pub const fn pass(&mut self, ns: u64) {
        self.time_ns += ns;
    }

    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// One event: its entries, the last of which ends it.
    pub fn event(&mut self, instrument: u32, entries: &[Entry]) {
        self.sequence = self.sequence.wrapping_add(1);
        for entry in entries {
            self.write(instrument, *entry, 0);
        }
        self.end(LAST);
    }

    /// A snapshot: a clear record, then the orders.
    pub fn snapshot(&mut self, instrument: u32, orders: impl Iterator<Item = Entry>) {
        self.sequence = self.sequence.wrapping_add(1);
        let flags = SNAPSHOT | BAD_RECEIPT_TIME;
        self.write(
            instrument,
            Entry { action: b'R', side: b'N', tick: 0, size: 0, order_id: 0 },
            flags,
        );
        for order in orders {
            self.write(instrument, order, flags);
        }
        self.end(LAST);
    }

    fn end(&mut self, flag: u8) {
        let last = self.bytes.len() - RECORD_BYTES;
        self.bytes[last + FLAGS_AT] |= flag;
    }

    fn write(&mut self, instrument: u32, entry: Entry, flags: u8) {
        let price = if entry.action == b'R' { PRICE_NONE } else { i64::from(entry.tick) * TICK };
        let mut record = [0u8; RECORD_BYTES];
        record[0] = (RECORD_BYTES / 4) as u8;
        record[1] = 0xa0;
        record[2..4].copy_from_slice(&PUBLISHER.to_le_bytes());
        record[4..8].copy_from_slice(&instrument.to_le_bytes());
        record[8..16].copy_from_slice(&self.time_ns.to_le_bytes());
        record[16..24].copy_from_slice(&entry.order_id.to_le_bytes());
        record[24..32].copy_from_slice(&price.to_le_bytes());
        record[32..36].copy_from_slice(&entry.size.to_le_bytes());
        record[FLAGS_AT] = flags;
        record[38] = entry.action;
        record[39] = entry.side;
        record[40..48].copy_from_slice(&(self.time_ns + RECEIPT_NS).to_le_bytes());
        record[48..52].copy_from_slice(&SENDING_NS.to_le_bytes());
        record[52..56].copy_from_slice(&self.sequence.to_le_bytes());
        self.bytes.extend_from_slice(&record);
    }
}
