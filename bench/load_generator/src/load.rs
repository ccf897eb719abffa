//! The loop: read what came, count it, send as much again.

use crate::connection::Connection;
use crate::options::Options;
use crate::orders::Orders;
use crate::report::Report;
use crate::wire::{Answer, Wire};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

const EVENTS_MAX: usize = 1024;
const READ_BYTES: usize = 1 << 20;
/// How long answers are waited for when nothing is sent any more.
const GRACE: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(50);
/// Between two looks at the clock where requests are sent by it.
const PACE: Duration = Duration::from_millis(1);

struct Load {
    wire: Wire,
    orders: Orders,
    report: Report,
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    requests: Vec<u8>,
    /// Requests not to be exceeded.
    requests_max: u64,
    /// Requests a second; 0 = as many as are answered.
    rate: f64,
    started_at: Instant,
    measured_from: Instant,
    ends_at: Instant,
}

/// Run clients until the time is up and everything is answered.
pub fn run(options: &Options) -> io::Result<Report> {
    let mut poll = Poll::new()?;
    let mut connections = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let mut connection = Connection::open(options)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut connection.stream, Token(index), interest)?;
        connections.push(Some(connection));
    }
    let now = Instant::now();
    let mut load = Load {
        wire: Wire::new(options),
        orders: Orders::new(options),
        report: Report::new(),
        connections,
        buffer: vec![0; READ_BYTES],
        requests: Vec::new(),
        requests_max: if options.open_accounts { options.accounts } else { u64::MAX },
        rate: options.rate,
        started_at: now,
        measured_from: now + options.warm_up,
        ends_at: now + options.warm_up + options.seconds,
    };
    if options.open_accounts {
        load.ends_at = now + Duration::from_secs(3600);
    }
    for index in 0..options.connections {
        load.refill(index);
    }
    load.turn_until_done(&mut poll)?;
    load.report.finish(options, &load.connections, now.elapsed());
    Ok(load.report)
}

impl Load {
    fn turn_until_done(&mut self, poll: &mut Poll) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let wait = if self.rate > 0.0 { PACE } else { TURN };
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                self.on_event(event);
            }
            if self.rate > 0.0 {
                self.refill_by_the_clock();
            }
            let now = Instant::now();
            let is_over = now > self.ends_at || self.orders.made >= self.requests_max;
            if is_over && !self.connections.iter().flatten().any(Connection::is_waiting) {
                return Ok(());
            }
            if now > self.ends_at + GRACE {
                return Ok(());
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        let index = event.token().0;
        let Some(connection) = &mut self.connections[index] else { return };
        let flushed = if event.is_writable() { connection.flush() } else { Ok(()) };
        if flushed.is_err() || (event.is_readable() && self.read(index).is_err()) {
            self.lose(index);
        }
    }

    /// A connection that broke: what it waited for has no answer.
    fn lose(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].take() {
            self.report.lost_connections += 1;
            let waiting = connection.sent.iter().flatten().count() as u64;
            self.report.unanswered += waiting * self.wire.operations();
        }
    }

    fn read(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let mut buffer = std::mem::take(&mut self.buffer);
        let kept = connection.unread.len();
        buffer[..kept].copy_from_slice(&connection.unread);
        connection.unread.clear();
        let result = self.read_into(index, &mut buffer, kept);
        self.buffer = buffer;
        result
    }

    /// Read until less came than was asked for: then there is no more.
    fn read_into(&mut self, index: usize, buffer: &mut [u8], mut filled: usize) -> io::Result<()> {
        loop {
            let Some(connection) = &mut self.connections[index] else { return Ok(()) };
            let room = buffer.len() - filled;
            let came = match connection.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(came) => came,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            filled += came;
            let taken = self.take_answers(index, &buffer[..filled])?;
            buffer.copy_within(taken..filled, 0);
            filled -= taken;
            if came < room {
                break;
            }
        }
        if let Some(connection) = &mut self.connections[index] {
            connection.unread.extend_from_slice(&buffer[..filled]);
        }
        self.refill(index);
        Ok(())
    }

    /// Count the whole answers in the bytes; how many bytes they are.
    fn take_answers(&mut self, index: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        let now = Instant::now();
        loop {
            let unreadable = |_| io::Error::other("not an answer");
            let Some(answer) = self.wire.answer(&bytes[taken..]).map_err(unreadable)? else {
                return Ok(taken);
            };
            if answer.accepted < self.wire.operations() {
                self.report.show_refusal(&bytes[taken..taken + answer.size]);
            }
            taken += answer.size;
            self.count(index, now, &answer)?;
        }
    }

    fn count(&mut self, index: usize, now: Instant, answer: &Answer) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let slots = connection.sent.len();
        let slot = answer.slot.unwrap_or(connection.next_answer);
        connection.next_answer = (slot + 1) % slots;
        connection.answers += 1;
        let sent = connection.sent.get_mut(slot).and_then(Option::take);
        let sent = sent.ok_or_else(|| io::Error::other("an answer to nothing"))?;
        let is_measured = now >= self.measured_from && now <= self.ends_at;
        self.report.count(answer, self.wire.operations(), is_measured.then_some(now - sent));
        Ok(())
    }

    /// Each connection in turn, another one first each time.
    fn refill_by_the_clock(&mut self) {
        let count = self.connections.len();
        let first = self.orders.made as usize;
        for step in 0..count {
            self.refill((first + step) % count);
        }
    }

    /// Requests that may have been made by now.
    fn allowed(&self, now: Instant) -> u64 {
        if self.rate == 0.0 {
            return self.requests_max;
        }
        let by_now = (now - self.started_at).as_secs_f64() * self.rate;
        self.requests_max.min(by_now as u64)
    }

    /// Send until as many requests are in flight as there are slots.
    fn refill(&mut self, index: usize) {
        let now = Instant::now();
        let allowed = self.allowed(now);
        let Some(connection) = &mut self.connections[index] else { return };
        if now > self.ends_at {
            return;
        }
        self.requests.clear();
        let slots = connection.sent.len();
        for step in 0..slots {
            let slot = (connection.next_answer + step) % slots;
            if connection.sent[slot].is_none() && self.orders.made < allowed {
                connection.sent[slot] = Some(now);
                self.wire.request(&mut self.orders, slot, &mut self.requests);
            }
        }
        if !self.requests.is_empty() && connection.write(&self.requests).is_err() {
            self.lose(index);
        }
    }
}
