//! The door to generated sessions: settings in, records out.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tradepit_core::session::{Session, Settings};

/// Order-by-order data of any length from a seed.
#[pyclass(module = "tradepit._native")]
pub struct GeneratedSession {
    session: Session,
}

#[pymethods]
impl GeneratedSession {
    #[new]
    #[pyo3(signature = (*, seed, instruments, orders, pre_open_orders, iceberg_ppm, start_ns, gap_ns))]
    fn new(
        seed: u64,
        instruments: u32,
        orders: u32,
        pre_open_orders: u32,
        iceberg_ppm: u32,
        start_ns: u64,
        gap_ns: u64,
    ) -> PyResult<Self> {
        if instruments == 0 {
            return Err(PyValueError::new_err("a session has at least one instrument"));
        }
        let settings =
            Settings { seed, instruments, orders, pre_open_orders, iceberg_ppm, start_ns, gap_ns };
        Ok(Self { session: Session::new(settings) })
    }

    /// The next whole events, at least so many records.
    fn take<'py>(&mut self, py: Python<'py>, records: usize) -> Bound<'py, PyBytes> {
        let session = &mut self.session;
        let bytes = py.detach(|| session.take(records));
        PyBytes::new(py, &bytes)
    }
}
