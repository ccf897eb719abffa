//! What the clients saw.

use crate::connection::Connection;
use crate::options::Options;
use crate::wire::{Answer, SHOWN_BYTES};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;

const SIGNIFICANT_DIGITS: u8 = 3;
/// Beyond every grace.
const LATENCY_MAX_NS: u64 = 120_000_000_000;
const NS_PER_MS: f64 = 1e6;

pub struct Report {
    latencies_ns: Histogram<u64>,
    measured: u64,
    seconds: f64,
    accepted: u64,
    refused: u64,
    traded: u64,
    refusal: Option<String>,
    connections: usize,
    served: usize,
    pub unanswered: u64,
    pub lost_connections: u64,
}

impl Report {
    pub fn new() -> Self {
        Self {
            latencies_ns: Histogram::new_with_bounds(1, LATENCY_MAX_NS, SIGNIFICANT_DIGITS)
                .expect("a histogram"),
            measured: 0,
            seconds: 0.0,
            accepted: 0,
            refused: 0,
            traded: 0,
            refusal: None,
            connections: 0,
            served: 0,
            unanswered: 0,
            lost_connections: 0,
        }
    }

    /// Count an answer; its latency when it came in the measured time.
    pub fn count(&mut self, answer: &Answer, operations: u64, latency: Option<Duration>) {
        self.accepted += answer.accepted;
        self.refused += operations - answer.accepted;
        self.traded += answer.traded;
        if let Some(latency) = latency {
            self.measured += operations;
            self.latencies_ns.saturating_record(latency.as_nanos() as u64);
        }
    }

    /// Remember the first answer that is no acceptance.
    pub fn show_refusal(&mut self, answer: &[u8]) {
        let shown = || String::from_utf8_lossy(&answer[..answer.len().min(SHOWN_BYTES)]).into();
        self.refusal.get_or_insert_with(shown);
    }

    pub fn finish(
        &mut self,
        options: &Options,
        connections: &[Option<Connection>],
        elapsed: Duration,
    ) {
        let seconds = if options.open_accounts { elapsed } else { options.seconds };
        self.seconds = seconds.as_secs_f64();
        self.connections = connections.len();
        let open = connections.iter().flatten();
        self.served = open.clone().filter(|connection| connection.answers > 0).count();
        let operations = options.operations as u64;
        self.unanswered +=
            open.map(|each| each.sent.iter().flatten().count() as u64 * operations).sum::<u64>();
    }

    /// Counts are of the whole run, rate and latencies of its measured part.
    pub fn json(&self) -> Value {
        let at = |quantile| self.latencies_ns.value_at_quantile(quantile) as f64 / NS_PER_MS;
        json!({
            "per_second": self.measured as f64 / self.seconds,
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "p999_ms": at(0.999),
            "max_ms": self.latencies_ns.max() as f64 / NS_PER_MS,
            "accepted": self.accepted,
            "refused": self.refused,
            "refusal": self.refusal,
            "unanswered": self.unanswered,
            "traded": self.traded,
            "connections": self.connections,
            "served": self.served,
            "lost_connections": self.lost_connections,
        })
    }
}
