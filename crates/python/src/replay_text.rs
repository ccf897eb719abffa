//! The door to the text of replays: arrays of steps in, framed JSON out.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tradepit_core::mbo::{self, EFFECT_BYTES, Steps, Style};

use crate::as_slice;
use crate::books;

/// Symbols by instrument number and day.
#[pyclass(frozen, module = "tradepit._native")]
pub struct Symbols {
    symbols: mbo::Symbols,
}

#[pymethods]
impl Symbols {
    /// From instrument, symbol, start and end (ns) each.
    #[new]
    fn new(mappings: Vec<(u32, String, u64, u64)>) -> Self {
        Self { symbols: mbo::Symbols::new(mappings) }
    }
}

fn style(name: &str) -> PyResult<Style> {
    match name {
        "lines" => Ok(Style::Lines),
        "events" => Ok(Style::Events),
        "frames" => Ok(Style::Frames),
        _ => Err(PyValueError::new_err("a style is lines, events or frames")),
    }
}

/// Whole items of a buffer, exactly so many.
fn items<'a, const N: usize>(
    buffer: &'a PyBuffer<u8>,
    count: usize,
    what: &str,
) -> PyResult<&'a [[u8; N]]> {
    // SAFETY: per contract nothing writes to the buffer during the call.
    match unsafe { as_slice(buffer)? }.as_chunks() {
        (items, []) if items.len() == count => Ok(items),
        _ => Err(PyValueError::new_err(format!("{count} records need as many {what}"))),
    }
}

/// Steps of a replay as text.
#[pyfunction]
#[pyo3(name = "render_steps")]
#[allow(clippy::too_many_arguments)]
pub fn render_steps<'py>(
    py: Python<'py>,
    records: PyBuffer<u8>,
    effects: PyBuffer<u8>,
    left_ns: Option<PyBuffer<u8>>,
    first_seq: u64,
    first_number: u64,
    symbols: &Symbols,
    style: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let style = self::style(style)?;
    let records = books::records(&records)?;
    let steps = Steps {
        records,
        effects: items::<EFFECT_BYTES>(&effects, records.len(), "effects")?,
        left_ns: left_ns.as_ref().map(|times| items(times, records.len(), "times")).transpose()?,
        first_seq,
        first_number,
        symbols: &symbols.symbols,
    };
    let fits = |first: u64| first.checked_add(records.len() as u64).is_some();
    if !fits(first_seq) || !fits(first_number) {
        return Err(PyValueError::new_err("numbers end at 2^64"));
    }
    Ok(PyBytes::new(py, &py.detach(|| steps.render(style))))
}
