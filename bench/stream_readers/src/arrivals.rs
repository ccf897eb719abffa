//! What came in the measured time, and how long it took.

use hdrhistogram::Histogram;
use std::time::{SystemTime, UNIX_EPOCH};

const SIGNIFICANT_DIGITS: u8 = 3;
/// Beyond every bound of a consumer.
const LATENCY_MAX_NS: u64 = 120_000_000_000;

/// Of `/proc` on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Wall-clock ns, as in the messages.
#[inline]
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    since.as_nanos() as u64
}

/// Processor time of this process so far, in seconds.
pub fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

pub struct Arrivals {
    pub latencies_ns: Histogram<u64>,
    /// Messages that came before they left, by their own word: clocks or messages are wrong.
    pub early: u64,
    /// Every so many messages are timed.
    sample: u64,
    /// Processor time of the readers in the measured time, as a share of one core.
    pub cores: f64,
    pub from_ns: u64,
    pub until_ns: u64,
}

/// What one reader got.
#[derive(Default)]
pub struct Got {
    pub messages: u64,
    pub measured: u64,
    pub measured_bytes: u64,
}

impl Arrivals {
    pub fn new(sample: u64) -> Self {
        Self {
            latencies_ns: Histogram::new_with_bounds(1, LATENCY_MAX_NS, SIGNIFICANT_DIGITS)
                .expect("a histogram"),
            early: 0,
            sample,
            cores: 0.0,
            from_ns: u64::MAX,
            until_ns: u64::MAX,
        }
    }

    pub fn is_measured(&self, now: u64) -> bool {
        now >= self.from_ns && now <= self.until_ns
    }

    /// Whether the reader's next message is one that is timed.
    #[inline]
    pub fn is_sampled(&self, got: &Got) -> bool {
        self.sample == 1 || got.messages.is_multiple_of(self.sample)
    }

    #[inline]
    pub fn time(&mut self, left_ns: u64, now: u64) {
        if left_ns > now {
            self.early += 1;
        }
        self.latencies_ns.saturating_record(now.saturating_sub(left_ns));
    }
}
