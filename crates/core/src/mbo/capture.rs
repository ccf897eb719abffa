//! Best bid and offer after each event, as rows of 72 bytes: `BBO_DTYPE` in Python.

use super::book::{Best, Top};
use super::books::{Applied, Books};
use super::effect::Effect;
use super::record::{PRICE_NONE, RECORD_BYTES, Record};

pub const BBO_BYTES: usize = 72;

pub type BboRow = [u8; BBO_BYTES];

/// What an empty side shows.
const NO_TOP: Top = (PRICE_NONE, 0, 0);

impl Books {
    /// Apply records in order; a row for the book of each event that ended.
    ///
    /// `changes_only`: leave out rows that show the same as the row before of the same book.
    pub fn apply_with_best(
        &mut self,
        records: &[[u8; RECORD_BYTES]],
        changes_only: bool,
    ) -> (Applied, Vec<BboRow>) {
        let mut rows = Vec::new();
        let applied = self.run(records, |books, record| {
            let Some(at) = books.step::<false>(record, &mut Effect::default()) else {
                return;
            };
            let book = &mut books.books[at as usize];
            let best = book.best(&books.queues);
            if !changes_only || book.shown != Some(best) {
                book.shown = Some(best);
                rows.push(row(books.counts.records - 1, record, best, book.is_crossed()));
            }
        });
        (applied, rows)
    }
}

fn row(number: u64, record: Record<'_>, best: Best, is_crossed: bool) -> BboRow {
    let mut row = [0; BBO_BYTES];
    let (bid, ask) = (best.bid.unwrap_or(NO_TOP), best.ask.unwrap_or(NO_TOP));
    row[..8].copy_from_slice(&number.to_le_bytes());
    row[8..16].copy_from_slice(&record.ts_event().to_le_bytes());
    row[16..24].copy_from_slice(&record.ts_recv().to_le_bytes());
    row[24..32].copy_from_slice(&bid.0.to_le_bytes());
    row[32..40].copy_from_slice(&ask.0.to_le_bytes());
    row[40..48].copy_from_slice(&bid.1.to_le_bytes());
    row[48..56].copy_from_slice(&ask.1.to_le_bytes());
    row[56..60].copy_from_slice(&bid.2.to_le_bytes());
    row[60..64].copy_from_slice(&ask.2.to_le_bytes());
    row[64..68].copy_from_slice(&record.instrument().to_le_bytes());
    row[68..70].copy_from_slice(&record.publisher().to_le_bytes());
    row[70] = u8::from(is_crossed);
    row
}
