//! The door to DBN files: order-by-order records as bytes, or straight into books.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use tradepit_core::mbo::Applied;

use crate::DbnError;
use crate::books::{AppliedTuple, Books, applied_tuple};
use crate::dbn_file::{DbnFile, Trouble};

/// Room that is made before reading; more is made as records come.
const READ_RECORDS_MAX: usize = 1 << 16;

#[pyclass(module = "tradepit._native")]
pub struct DbnReader {
    file: DbnFile,
    path: PathBuf,
}

fn error(path: &std::path::Path, trouble: Trouble) -> PyErr {
    match trouble {
        Trouble::File(error) => {
            let code = error.raw_os_error().unwrap_or_default();
            PyOSError::new_err((code, error.to_string(), path.to_path_buf()))
        }
        Trouble::Content(text) => DbnError::new_err(text),
    }
}

#[pymethods]
impl DbnReader {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        match py.detach(|| DbnFile::open(&path)) {
            Ok(file) => Ok(Self { file, path }),
            Err(trouble) => Err(error(&path, trouble)),
        }
    }

    /// The next records; empty at the end.
    fn read<'py>(&mut self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut records = Vec::with_capacity(count.min(READ_RECORDS_MAX));
        let file = &mut self.file;
        match py.detach(|| file.read(count, |run| records.extend_from_slice(run))) {
            Ok(_) => Ok(PyBytes::new(py, records.as_flattened())),
            Err(trouble) => Err(error(&self.path, trouble)),
        }
    }

    /// Apply the next records to books.
    fn apply_to(
        &mut self,
        py: Python<'_>,
        books: &mut Books,
        count: usize,
    ) -> PyResult<AppliedTuple> {
        let (file, books) = (&mut self.file, &mut books.books);
        let done = py.detach(|| {
            let mut sum = Applied::default();
            file.read(count, |run| sum.add(books.apply(run)))?;
            Ok(sum)
        });
        done.map(applied_tuple).map_err(|trouble| error(&self.path, trouble))
    }

    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(metadata) = &self.file.metadata else { return Ok(None) };
        let found = PyDict::new(py);
        found.set_item("version", metadata.version)?;
        found.set_item("dataset", &metadata.dataset)?;
        found.set_item("schema", metadata.schema.map(|schema| schema.to_string()))?;
        found.set_item("start_ns", metadata.start)?;
        found.set_item("end_ns", metadata.end.map(std::num::NonZeroU64::get))?;
        found.set_item("stype_in", metadata.stype_in.map(|stype| stype.to_string()))?;
        found.set_item("stype_out", metadata.stype_out.to_string())?;
        found.set_item("symbols", &metadata.symbols)?;
        found.set_item("partial", &metadata.partial)?;
        found.set_item("not_found", &metadata.not_found)?;
        let mappings = metadata.mappings.iter().flat_map(|mapping| {
            mapping.intervals.iter().map(|interval| {
                let days = (interval.start_date.to_string(), interval.end_date.to_string());
                (&mapping.raw_symbol, &interval.symbol, days.0, days.1)
            })
        });
        found.set_item("mappings", mappings.collect::<Vec<_>>())?;
        Ok(Some(found))
    }

    /// Records passed over, by record type.
    fn skipped(&self) -> Vec<(u8, u64)> {
        self.file.skipped.iter().map(|(&kind, &count)| (kind, count)).collect()
    }

    /// Bytes of the file read so far, and all of them.
    fn progress(&mut self) -> (u64, u64) {
        (self.file.file_bytes_read(), self.file.file_bytes)
    }
}
