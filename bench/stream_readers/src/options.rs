//! What to read, how many of each, for how long.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

pub const USAGE: &str = "\
usage: tradepit-readers --address HOST:PORT [--events PATH] [--sockets PATH] [--subscribe TEXT]
    [--kind replay|channel] [--sse N] [--ws N] [--slow N] [--slow-bytes N] [--reconnecting N]
    [--seconds S] [--warm-up S] [--drain S] [--sample N]";

/// What the messages are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of a replay: begin with `seq`, end with `left_ns`; the first one is a snapshot.
    Replay,
    /// Of live channels: `seq` by channel, time in `executed_at`.
    Channel,
}

pub struct Options {
    pub address: SocketAddr,
    /// Path of the event stream.
    pub events: String,
    /// Path of the WebSocket.
    pub sockets: String,
    /// Said on a WebSocket once it is open; empty = nothing.
    pub subscribe: String,
    pub kind: Kind,
    pub sse: usize,
    pub ws: usize,
    /// More readers, of both ways in turn, that read too slowly.
    pub slow: usize,
    /// Bytes a second that each of them reads; 0 = none at all.
    pub slow_bytes: usize,
    /// More readers, of both ways in turn, that leave and come back every second.
    pub reconnecting: usize,
    pub seconds: Duration,
    /// Checked, but left out of the latencies and the rates.
    pub warm_up: Duration,
    /// How long to go on reading for what is on its way, once the time is up.
    pub drain: Duration,
    /// Every so many messages of a reader are timed, and the last of each read.
    pub sample: u64,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            events: "/api/v1/stream".into(),
            sockets: "/ws".into(),
            subscribe: String::new(),
            kind: Kind::Replay,
            sse: 0,
            ws: 0,
            slow: 0,
            slow_bytes: 0,
            reconnecting: 0,
            seconds: Duration::from_secs(5),
            warm_up: Duration::from_secs(1),
            drain: Duration::ZERO,
            sample: 1,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            options.set(&name, &value)?;
        }
        Ok(options)
    }

    /// Readers of every habit.
    pub fn all(&self) -> usize {
        self.sse + self.ws + self.slow + self.reconnecting
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--address" => self.address = number(name, value)?,
            "--events" => self.events = value.into(),
            "--sockets" => self.sockets = value.into(),
            "--subscribe" => self.subscribe = value.into(),
            "--kind" => {
                self.kind = match value {
                    "replay" => Kind::Replay,
                    "channel" => Kind::Channel,
                    _ => return Err(format!("--kind {value} is not known")),
                }
            }
            "--sse" => self.sse = number(name, value)?,
            "--ws" => self.ws = number(name, value)?,
            "--slow" => self.slow = number(name, value)?,
            "--slow-bytes" => self.slow_bytes = number(name, value)?,
            "--reconnecting" => self.reconnecting = number(name, value)?,
            "--seconds" => self.seconds = Duration::from_secs_f64(number(name, value)?),
            "--warm-up" => self.warm_up = Duration::from_secs_f64(number(name, value)?),
            "--drain" => self.drain = Duration::from_secs_f64(number(name, value)?),
            "--sample" => self.sample = number::<u64>(name, value)?.max(1),
            _ => return Err(format!("{name} is not known")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} {value} cannot be read"))
}
