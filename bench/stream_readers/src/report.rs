//! What the readers got, as one line.

use crate::arrivals::Arrivals;
use crate::options::Options;
use crate::reader::{Habit, Reader};
use crate::sequence::Wrong;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

const NS_PER_MS: f64 = 1e6;
const WAIT_MAX_NS: u64 = 120_000_000_000;

/// Readers that left and came back.
pub struct Comings {
    /// From connecting to the first message.
    waits_ns: Histogram<u64>,
    left: u64,
    /// Left before they had a message.
    unserved: u64,
    wrong: Wrong,
    problem: Option<String>,
}

impl Default for Comings {
    fn default() -> Self {
        Self {
            waits_ns: Histogram::new_with_bounds(1, WAIT_MAX_NS, 3).expect("a histogram"),
            left: 0,
            unserved: 0,
            wrong: Wrong::default(),
            problem: None,
        }
    }
}

impl Comings {
    pub fn begun(&mut self, wait_ns: u64) {
        self.waits_ns.saturating_record(wait_ns);
    }

    /// Close a reader's connection.
    pub fn leave(&mut self, reader: &mut Reader) {
        self.left += 1;
        self.unserved += u64::from(!reader.has_begun());
        add(&mut self.wrong, &std::mem::take(&mut reader.wrong));
        self.problem = self.problem.take().or(reader.first_problem.take());
        reader.stream = None;
    }
}

fn add(sum: &mut Wrong, more: &Wrong) {
    sum.gaps += more.gaps;
    sum.repeats += more.repeats;
    sum.malformed += more.malformed;
}

/// Counts are of all that came, rates and latencies of the measured time and of steady readers.
pub fn of(options: &Options, readers: &[Reader], arrivals: &Arrivals, comings: &Comings) -> Value {
    let seconds = options.seconds.as_secs_f64();
    let steady: Vec<&Reader> = readers.iter().filter(|r| r.habit == Habit::Steady).collect();
    let slow: Vec<&Reader> = readers.iter().filter(|r| r.habit == Habit::Slow).collect();
    let mut wrong = comings.wrong;
    readers.iter().for_each(|reader| add(&mut wrong, &reader.wrong));
    let measured: u64 = steady.iter().map(|reader| reader.got.measured).sum();
    let bytes: u64 = steady.iter().map(|reader| reader.got.measured_bytes).sum();
    let slowest = steady.iter().map(|reader| reader.got.measured).min().unwrap_or(0);
    let lasts = || steady.iter().filter_map(|reader| reader.sequence.last());
    let problem = steady.iter().find_map(|reader| reader.first_problem.clone());
    let at = |histogram: &Histogram<u64>, quantile| {
        histogram.value_at_quantile(quantile) as f64 / NS_PER_MS
    };
    let latencies = &arrivals.latencies_ns;
    json!({
        "readers": steady.len(),
        "served": steady.iter().filter(|reader| reader.got.messages > 0).count(),
        "ended": steady.iter().filter(|reader| reader.is_ended).count(),
        "messages": steady.iter().map(|reader| reader.got.messages).sum::<u64>(),
        "messages_min": steady.iter().map(|reader| reader.got.messages).min(),
        "messages_max": steady.iter().map(|reader| reader.got.messages).max(),
        "measured": measured,
        "per_second": measured as f64 / seconds,
        "slowest_per_second": slowest as f64 / seconds,
        "megabytes_per_second": bytes as f64 / seconds / 1e6,
        "cores": arrivals.cores,
        "timed": latencies.len(),
        "early": arrivals.early,
        "p50_ms": at(latencies, 0.5),
        "p90_ms": at(latencies, 0.9),
        "p99_ms": at(latencies, 0.99),
        "p999_ms": at(latencies, 0.999),
        "max_ms": latencies.max() as f64 / NS_PER_MS,
        "gaps": wrong.gaps,
        "repeats": wrong.repeats,
        "malformed": wrong.malformed,
        "last_seq_min": lasts().min(),
        "last_seq_max": lasts().max(),
        "problem": problem.or_else(|| comings.problem.clone()),
        "slow": slow.len(),
        "slow_cut": slow.iter().filter(|reader| reader.is_ended).count(),
        "slow_reason": slow.iter().find_map(|reader| reader.first_problem.clone()),
        "reconnects": comings.left,
        "reconnects_unserved": comings.unserved,
        "reconnect_p50_ms": at(&comings.waits_ns, 0.5),
        "reconnect_p99_ms": at(&comings.waits_ns, 0.99),
    })
}
