//! Samples, medians, processor time.

/// One run of one engine over one flow's measured part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub ns: u64,
    pub fills: u64,
    pub events: u64,
    pub rejects: u64,
    pub resting: usize,
    pub keys: usize,
}

/// The sample of middle time.
pub fn median(samples: &mut [Sample]) -> Sample {
    samples.sort_by_key(|sample| sample.ns);
    samples[samples.len() / 2]
}

/// Processor time of this thread: what the work cost, whoever else wants the core.
pub fn processor_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value of the right type.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert!(status == 0, "no clock of processor time");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
