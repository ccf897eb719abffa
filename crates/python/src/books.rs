//! The door to the books of order-by-order data: bytes of records in, answers as tuples.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tradepit_core::mbo::{self, Applied, RECORD_BYTES, Side};

use crate::as_slice;

/// Records, events ended, mistakes.
pub type AppliedTuple = (u64, u64, u64);
/// Price, size, orders.
type Top = (i64, u64, u32);
/// Events, first and last `ts_event`.
type Phase = (u64, u64, u64);

pub const fn applied_tuple(applied: Applied) -> AppliedTuple {
    (applied.records, applied.events, applied.mistakes)
}

/// Books of many instruments and publishers, order by order.
#[pyclass(module = "tradepit._native")]
pub struct Books {
    pub books: mbo::Books,
}

/// Whole records of a buffer.
pub fn records(buffer: &PyBuffer<u8>) -> PyResult<&[[u8; RECORD_BYTES]]> {
    // SAFETY: per contract nothing writes to the buffer during the call.
    let bytes = unsafe { as_slice(buffer)? };
    match bytes.as_chunks() {
        (records, []) => Ok(records),
        (records, rest) => Err(PyValueError::new_err(format!(
            "{} bytes after {} whole records of {RECORD_BYTES}",
            rest.len(),
            records.len(),
        ))),
    }
}

fn side(letter: u8) -> PyResult<Side> {
    let wrong = || PyValueError::new_err("a side is the code of 'B' or 'A'");
    Side::from_letter(letter).ok_or_else(wrong)
}

#[pymethods]
impl Books {
    #[new]
    #[pyo3(signature = (*, add_unknown_modifies))]
    fn new(add_unknown_modifies: bool) -> Self {
        Self { books: mbo::Books::new(add_unknown_modifies) }
    }

    fn apply(&mut self, py: Python<'_>, buffer: PyBuffer<u8>) -> PyResult<AppliedTuple> {
        let records = records(&buffer)?;
        let books = &mut self.books;
        Ok(applied_tuple(py.detach(|| books.apply(records))))
    }

    fn apply_with_effects<'py>(
        &mut self,
        py: Python<'py>,
        buffer: PyBuffer<u8>,
    ) -> PyResult<(AppliedTuple, Bound<'py, PyBytes>)> {
        let records = records(&buffer)?;
        let books = &mut self.books;
        let (applied, effects) = py.detach(|| books.apply_with_effects(records));
        Ok((applied_tuple(applied), PyBytes::new(py, effects.as_flattened())))
    }

    fn apply_with_best<'py>(
        &mut self,
        py: Python<'py>,
        buffer: PyBuffer<u8>,
        changes_only: bool,
    ) -> PyResult<(AppliedTuple, Bound<'py, PyBytes>)> {
        let records = records(&buffer)?;
        let books = &mut self.books;
        let (applied, rows) = py.detach(|| books.apply_with_best(records, changes_only));
        Ok((applied_tuple(applied), PyBytes::new(py, rows.as_flattened())))
    }

    fn start_source(&mut self) {
        self.books.start_source();
    }

    fn book_keys(&self) -> Vec<(u16, u32)> {
        self.books.keys()
    }

    fn best(&self, publisher: u16, instrument: u32) -> (Option<Top>, Option<Top>, bool) {
        let best = self.books.best(publisher, instrument);
        (best.bid, best.ask, best.in_event)
    }

    fn best_of_all(&self, instrument: u32) -> (Option<Top>, Option<Top>, bool) {
        let best = self.books.best_of_all(instrument);
        (best.bid, best.ask, best.in_event)
    }

    fn levels(
        &self,
        publisher: u16,
        instrument: u32,
        side: u8,
        count: usize,
    ) -> PyResult<Vec<Top>> {
        Ok(self.books.levels(publisher, instrument, self::side(side)?, count))
    }

    fn levels_of_all(&self, instrument: u32, side: u8, count: usize) -> PyResult<Vec<Top>> {
        Ok(self.books.levels_of_all(instrument, self::side(side)?, count))
    }

    #[allow(clippy::type_complexity)]
    fn level(
        &self,
        publisher: u16,
        instrument: u32,
        side: u8,
        price: i64,
    ) -> PyResult<Option<(i64, u64, Vec<(u64, u32)>)>> {
        let level = self.books.level(publisher, instrument, self::side(side)?, price);
        Ok(level.map(|level| (level.price, level.size, level.orders)))
    }

    fn order(
        &self,
        publisher: u16,
        instrument: u32,
        id: u64,
    ) -> Option<(u64, u8, i64, u32, u32, u64)> {
        let order = self.books.order(publisher, instrument, id)?;
        let side = order.side.letter();
        Some((order.id, side, order.price, order.size, order.orders_ahead, order.size_ahead))
    }

    fn size_of_side(&self, publisher: u16, instrument: u32, side: u8) -> PyResult<(u64, u64)> {
        Ok(self.books.size_of_side(publisher, instrument, self::side(side)?))
    }

    fn crossed(&self, publisher: u16, instrument: u32) -> (Phase, Phase) {
        let [before, after] = self.books.crossed(publisher, instrument);
        let tuple = |phase: mbo::CrossedPhase| (phase.events, phase.first_ns, phase.last_ns);
        (tuple(before), tuple(after))
    }

    fn live_orders(&self) -> usize {
        self.books.live_orders()
    }

    fn live_orders_max(&self) -> usize {
        self.books.live_orders_max()
    }

    fn counts(&self) -> (u64, u64, Vec<u64>, Vec<u64>) {
        let counts = self.books.counts();
        (counts.records, counts.events, counts.actions.to_vec(), counts.problems.to_vec())
    }

    fn save<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.books.save()))
    }

    fn load(&mut self, py: Python<'_>, saved: PyBuffer<u8>) -> PyResult<()> {
        // SAFETY: per contract nothing writes to the buffer during the call.
        let bytes = unsafe { as_slice(&saved)? };
        let loaded = py.detach(|| mbo::Books::load(bytes));
        self.books = loaded.map_err(|mbo::Damaged| {
            PyValueError::new_err("no saved books of this version, or damaged")
        })?;
        Ok(())
    }

    fn digest(&self, py: Python<'_>) -> String {
        let digest = py.detach(|| self.books.digest());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
