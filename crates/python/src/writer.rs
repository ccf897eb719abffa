//! `Writer`: the thread that makes frames durable. It never asks for the interpreter, so that
//! neither it nor the event loop waits for the other.

use crate::as_slice;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Results that one turn of the loop may find; there are two at most.
const TOKENS_MAX: usize = 64;

struct Job {
    /// Synced before anything is written; -1 = nothing.
    sync_first: i32,
    descriptor: i32,
    /// Empty: nothing is written.
    bytes: &'static [u8],
    offset: u64,
}

/// Seconds of writing and syncing, and the errno of what failed (0 = nothing did).
type Finished = (f64, i32);

struct Inside {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// What is being written, kept alive.
    held: Vec<PyBuffer<u8>>,
}

#[pyclass(frozen, module = "tradepit._native")]
pub struct Writer {
    inside: Mutex<Inside>,
    finished: Mutex<Receiver<Finished>>,
    wakes: UnixStream,
}

#[pymethods]
impl Writer {
    #[new]
    fn new() -> PyResult<Self> {
        let (wakes, wake) = UnixStream::pair()?;
        wakes.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let (jobs, waiting) = mpsc::channel();
        let (tell, finished) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || work(&waiting, &tell, wake))?;
        let inside = Inside { jobs: Some(jobs), thread: Some(thread), held: Vec::new() };
        Ok(Self { inside: Mutex::new(inside), finished: Mutex::new(finished), wakes })
    }

    fn fileno(&self) -> i32 {
        self.wakes.as_raw_fd()
    }

    fn submit(
        &self,
        sync_first: i32,
        descriptor: i32,
        data: PyBuffer<u8>,
        offset: u64,
    ) -> PyResult<()> {
        // SAFETY: see `as_slice`; `held` keeps the buffer until the thread is done with it.
        let bytes: &'static [u8] = unsafe { std::mem::transmute(as_slice(&data)?) };
        let mut inside = lock(&self.inside);
        let closed = || PyRuntimeError::new_err("the writer is closed");
        let jobs = inside.jobs.as_ref().ok_or_else(closed)?;
        // Fails when a job before it did, which the caller is about to hear of.
        let _ = jobs.send(Job { sync_first, descriptor, bytes, offset });
        inside.held.push(data);
        Ok(())
    }

    fn results(&self) -> Vec<Finished> {
        let mut tokens = [0; TOKENS_MAX];
        // Only the results count; a token that is left wakes the loop once more.
        let _ = (&self.wakes).read(&mut tokens);
        let found: Vec<Finished> = lock(&self.finished).try_iter().collect();
        lock(&self.inside).held.drain(..found.len());
        found
    }

    fn close(&self, py: Python<'_>) {
        let mut inside = lock(&self.inside);
        inside.jobs = None;
        let thread = inside.thread.take();
        drop(inside);
        py.detach(|| thread.map(JoinHandle::join));
    }
}

impl Drop for Writer {
    /// What is held must outlive the thread.
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        inside.jobs = None;
        if let Some(thread) = inside.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Do jobs in order until there are no more, or one fails: nothing is written after that.
fn work(jobs: &Receiver<Job>, tell: &Sender<Finished>, mut wake: UnixStream) {
    for job in jobs {
        let (seconds, errno) = match run(&job) {
            Ok(seconds) => (seconds, 0),
            Err(error) => (0.0, error.raw_os_error().unwrap_or(ERRNO_UNKNOWN)),
        };
        if tell.send((seconds, errno)).is_err() {
            return;
        }
        // A full pipe holds a token already.
        let _ = wake.write(&[0]);
        if errno != 0 {
            return;
        }
    }
}

/// EIO: a call that failed without saying why.
const ERRNO_UNKNOWN: i32 = 5;

fn run(job: &Job) -> io::Result<f64> {
    if job.sync_first >= 0 {
        open_file(job.sync_first).sync_data()?;
    }
    let began = Instant::now();
    if !job.bytes.is_empty() {
        let file = open_file(job.descriptor);
        file.write_all_at(job.bytes, job.offset)?;
        file.sync_data()?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn open_file(descriptor: i32) -> ManuallyDrop<File> {
    // SAFETY: the caller owns the open descriptor; `ManuallyDrop` leaves it open.
    ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) })
}
