//! The door between Python and the engine: bytes in, bytes out, and read-only questions.

mod books;
mod dbn_file;
mod dbn_reader;
mod feed_board;
mod firms;
mod phases;
mod replay_text;
mod replica;
mod session;
mod tuples;
mod writer;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tradepit_core::frame;

pyo3::create_exception!(
    _native,
    EnginePanicked,
    PyException,
    "The engine panicked; its state must not be used."
);
pyo3::create_exception!(
    _native,
    DbnError,
    PyException,
    "No DBN file of records that can be read, or a damaged one; the text names the place."
);
pyo3::create_exception!(
    _native,
    FrameError,
    PyException,
    "Not a run of whole, well-formed, consecutive frames."
);

/// What a call of `Replica.apply` caused.
#[pyclass(frozen, module = "tradepit._native")]
pub struct Applied {
    #[pyo3(get)]
    events: Py<PyBytes>,
    #[pyo3(get)]
    texts: Py<PyBytes>,
    #[pyo3(get)]
    ends: Py<PyBytes>,
    #[pyo3(get)]
    first_sequence: u64,
}

/// What `scan_frames` found from the start of a buffer.
#[pyclass(frozen, get_all, module = "tradepit._native")]
struct Scan {
    valid_bytes: usize,
    frames: u64,
    last_sequence: u64,
    last_crc: u32,
    last_time_ns: i64,
    problem: &'static str,
}

/// The bytes of a contiguous Python buffer.
///
/// # Safety
/// The buffer must not be written to while the slice is used: the callers hand in `bytes`, or
/// memory that nothing else touches during the call.
unsafe fn as_slice(buffer: &PyBuffer<u8>) -> PyResult<&[u8]> {
    if !buffer.is_c_contiguous() {
        return Err(pyo3::exceptions::PyBufferError::new_err("the buffer is not contiguous"));
    }
    // SAFETY: contiguous, alive as long as `buffer`, and per contract not written to.
    Ok(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) })
}

/// Check whole frames: lengths, crc, chain of crcs, dense sequences. Applies nothing.
#[pyfunction]
fn scan_frames(
    py: Python<'_>,
    buffer: PyBuffer<u8>,
    first_sequence: u64,
    previous_crc: u32,
) -> PyResult<Scan> {
    // SAFETY: see `as_slice`.
    let bytes = unsafe { as_slice(&buffer)? };
    let found = py.detach(|| frame::scan(bytes, first_sequence, previous_crc));
    Ok(Scan {
        valid_bytes: found.valid_bytes,
        frames: found.frames,
        last_sequence: found.last_sequence,
        last_crc: found.last_crc,
        last_time_ns: found.last_time_ns,
        problem: found.problem.map_or("", frame::Problem::name),
    })
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<replica::Replica>()?;
    module.add_class::<Applied>()?;
    module.add_class::<books::Books>()?;
    module.add_class::<feed_board::FeedBoard>()?;
    module.add_class::<replay_text::Symbols>()?;
    module.add_class::<session::GeneratedSession>()?;
    module.add_class::<dbn_reader::DbnReader>()?;
    module.add_class::<writer::Writer>()?;
    module.add_class::<Scan>()?;
    module.add_function(wrap_pyfunction!(scan_frames, module)?)?;
    module.add_function(wrap_pyfunction!(replay_text::render_steps, module)?)?;
    module.add("EnginePanicked", module.py().get_type::<EnginePanicked>())?;
    module.add("DbnError", module.py().get_type::<DbnError>())?;
    module.add("FrameError", module.py().get_type::<FrameError>())?;
    Ok(())
}
