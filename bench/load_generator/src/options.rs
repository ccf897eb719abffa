//! What to send, to whom, for how long.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

pub const USAGE: &str = "\
usage: tradepit-load --address HOST:PORT [--entry http|batch|socket] [--connections N]
    [--in-flight N] [--operations N] [--accounts N] [--seconds S] [--warm-up S] [--run TEXT]
    [--rate R] [--open-accounts]";

/// How an order reaches the port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// POST /orders.
    Http,
    /// POST /orders/batch.
    Batch,
    /// Messages on /ws.
    Socket,
}

pub struct Options {
    pub address: SocketAddr,
    pub entry: Entry,
    pub connections: usize,
    /// Requests of one connection that are not answered yet.
    pub in_flight: usize,
    /// Operations of one batch.
    pub operations: usize,
    pub accounts: u64,
    pub seconds: Duration,
    /// Answered, but left out of the latencies and the rate.
    pub warm_up: Duration,
    /// Requests a second of all connections together; 0 = as many as are answered.
    pub rate: f64,
    /// Makes the idempotency keys of this run unlike those of any other.
    pub run: String,
    /// One order of each account in turn, then stop.
    pub open_accounts: bool,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            entry: Entry::Http,
            connections: 64,
            in_flight: 1,
            operations: 1,
            accounts: 10_000,
            seconds: Duration::from_secs(5),
            warm_up: Duration::from_secs(1),
            rate: 0.0,
            run: std::process::id().to_string(),
            open_accounts: false,
        };
        while let Some(name) = arguments.next() {
            if name == "--open-accounts" {
                options.open_accounts = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            options.set(&name, &value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--address" => self.address = number(name, value)?,
            "--entry" => {
                self.entry = match value {
                    "http" => Entry::Http,
                    "batch" => Entry::Batch,
                    "socket" => Entry::Socket,
                    _ => return Err(format!("--entry {value} is not known")),
                }
            }
            "--connections" => self.connections = number(name, value)?,
            "--in-flight" => self.in_flight = number(name, value)?,
            "--operations" => self.operations = number(name, value)?,
            "--accounts" => self.accounts = number(name, value)?,
            "--seconds" => self.seconds = Duration::from_secs_f64(number(name, value)?),
            "--warm-up" => self.warm_up = Duration::from_secs_f64(number(name, value)?),
            "--rate" => self.rate = number(name, value)?,
            "--run" => self.run = value.to_string(),
            _ => return Err(format!("{name} is not known")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} {value} cannot be read"))
}
