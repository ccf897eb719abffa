//! The loop: read what came, a buffer at a time from each in turn, and check it.

use crate::arrivals::{Arrivals, now_ns, processor_seconds};
use crate::options::Options;
use crate::reader::{Habit, Reader, is_later};
use crate::report::{self, Comings};
use crate::wire::Way;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

const EVENTS_MAX: usize = 2048;
/// Of one read: small enough to stay in the cache, large enough that a call costs little.
const READ_BYTES: usize = 256 << 10;
/// A message is never longer.
const UNREAD_MAX: usize = 256 << 20;
const TURN: Duration = Duration::from_millis(20);
const OPEN_MAX_NS: u64 = 60_000_000_000;
/// After so long without a message nothing more is on its way.
const QUIET_NS: u64 = 1_000_000_000;
/// How long slow readers are read to find out whether they were cut.
const LEFT_MAX_NS: u64 = 2_000_000_000;
const QUIET_ROUNDS: u32 = 10;
const NS_PER_SECOND: u64 = 1_000_000_000;

struct Readers<'a> {
    options: &'a Options,
    poll: Poll,
    readers: Vec<Reader>,
    /// Readers whose socket had more than one read took.
    unfinished: VecDeque<usize>,
    /// Which of them are there.
    is_unfinished: Vec<bool>,
    buffer: Vec<u8>,
    arrivals: Arrivals,
    comings: Comings,
    last_message_ns: u64,
    last_slow_ns: u64,
    last_leave_ns: u64,
}

/// Read until the time is up and nothing comes any more.
pub fn run(options: &Options) -> io::Result<Value> {
    let mut readers = Readers {
        options,
        poll: Poll::new()?,
        readers: cast(options),
        unfinished: VecDeque::new(),
        is_unfinished: vec![false; options.all()],
        buffer: vec![0; READ_BYTES],
        arrivals: Arrivals::new(options.sample),
        comings: Comings::default(),
        last_message_ns: 0,
        last_slow_ns: now_ns(),
        last_leave_ns: now_ns(),
    };
    for index in 0..readers.readers.len() {
        readers.open(index)?;
    }
    readers.turn_until_open()?;
    tell("ready")?;
    let start = now_ns() + options.warm_up.as_nanos() as u64;
    readers.arrivals.from_ns = start;
    readers.arrivals.until_ns = start + options.seconds.as_nanos() as u64;
    readers.turn_while(|_, now| now < start)?;
    let before = processor_seconds();
    readers.turn_while(|readers, now| now < readers.arrivals.until_ns)?;
    readers.arrivals.cores = (processor_seconds() - before) / options.seconds.as_secs_f64();
    tell("measured")?;
    let drained = now_ns() + options.drain.as_nanos() as u64;
    readers.last_message_ns = now_ns();
    readers.turn_while(|readers, now| now < drained && now < readers.last_message_ns + QUIET_NS)?;
    readers.look_at_slow()?;
    Ok(report::of(options, &readers.readers, &readers.arrivals, &readers.comings))
}

/// Every reader, both ways of each habit in turn where it is not said how many of which.
fn cast(options: &Options) -> Vec<Reader> {
    let in_turn = |count| (0..count).map(|n| if n % 2 == 0 { Way::Events } else { Way::Frames });
    let steady = [(Way::Events, options.sse), (Way::Frames, options.ws)];
    let mut readers: Vec<Reader> = steady
        .iter()
        .flat_map(|&(way, count)| (0..count).map(move |_| Reader::new(Habit::Steady, way, options)))
        .collect();
    readers.extend(in_turn(options.slow).map(|way| Reader::new(Habit::Slow, way, options)));
    let restless = in_turn(options.reconnecting);
    readers.extend(restless.map(|way| Reader::new(Habit::Restless, way, options)));
    readers
}

fn tell(word: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}

impl Readers<'_> {
    fn open(&mut self, index: usize) -> io::Result<()> {
        let reader = &mut self.readers[index];
        reader.open(self.options, now_ns())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let stream = reader.stream.as_mut().expect("just opened");
        self.poll.registry().register(stream, Token(index), interest)
    }

    fn turn_until_open(&mut self) -> io::Result<()> {
        let until = now_ns() + OPEN_MAX_NS;
        let mut begun = 0;
        self.turn_while(|readers, now| {
            // Those in front have begun: the rest need not be looked through at every turn.
            while begun < readers.readers.len() && readers.has_begun_or_need_not(begun) {
                begun += 1;
            }
            let may_begin = |reader: &Reader| {
                reader.stream.is_some() && reader.habit != Habit::Slow && !reader.has_begun()
            };
            now < until && readers.readers[begun..].iter().any(may_begin)
        })?;
        let missing = (0..self.readers.len()).filter(|&n| !self.has_begun_or_need_not(n)).count();
        if missing == 0 {
            return Ok(());
        }
        let problem = self.readers.iter().find_map(|reader| reader.first_problem.clone());
        Err(io::Error::other(format!(
            "{missing} of {} readers have no stream: {}",
            self.readers.len(),
            problem.unwrap_or_default()
        )))
    }

    /// A slow reader that reads nothing does not know whether its stream has begun.
    fn has_begun_or_need_not(&self, index: usize) -> bool {
        let reader = &self.readers[index];
        reader.has_begun() || reader.habit == Habit::Slow
    }

    fn turn_while(&mut self, mut goes_on: impl FnMut(&Self, u64) -> bool) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let now = now_ns();
            if !goes_on(self, now) {
                return Ok(());
            }
            let wait = if self.unfinished.is_empty() { TURN } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                let index = event.token().0;
                if event.is_writable() {
                    self.flush(index);
                }
                // Slow readers are read by the clock.
                if event.is_readable() && self.readers[index].habit != Habit::Slow {
                    self.readers[index].is_closing |= event.is_read_closed();
                    self.put_behind(index);
                }
            }
            for _ in 0..self.unfinished.len() {
                let Some(index) = self.unfinished.pop_front() else { break };
                self.is_unfinished[index] = false;
                if self.read(index, READ_BYTES) {
                    self.put_behind(index);
                }
            }
            self.keep_habits(now)?;
        }
    }

    fn put_behind(&mut self, index: usize) {
        if !std::mem::replace(&mut self.is_unfinished[index], true) {
            self.unfinished.push_back(index);
        }
    }

    fn flush(&mut self, index: usize) {
        if let Err(error) = self.readers[index].flush() {
            self.readers[index].end(&error);
        }
    }

    /// Read once; whether there may be more.
    fn read(&mut self, index: usize, most: usize) -> bool {
        let reader = &mut self.readers[index];
        let Some(stream) = &mut reader.stream else { return false };
        let kept = reader.unread.len();
        if self.buffer.len() < kept + READ_BYTES {
            self.buffer.resize(kept + READ_BYTES, 0);
        }
        let room = most.min(READ_BYTES);
        let came = match stream.read(&mut self.buffer[kept..kept + room]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let now = now_ns();
        let came = match came {
            Ok(came) => came,
            Err(error) if is_later(&error) => return false,
            Err(error) => {
                reader.end(&error);
                return false;
            }
        };
        self.buffer[..kept].copy_from_slice(&reader.unread);
        let filled = kept + came;
        let had_begun = reader.has_begun();
        let taken = match reader.take(&self.buffer[..filled], now, &mut self.arrivals) {
            Ok(taken) if filled - taken <= UNREAD_MAX => taken,
            Ok(_) => {
                reader.end(&io::Error::other("a message without an end"));
                return false;
            }
            Err(error) => {
                reader.end(&error);
                return false;
            }
        };
        reader.unread.clear();
        reader.unread.extend_from_slice(&self.buffer[taken..filled]);
        if taken > 0 && reader.habit == Habit::Steady {
            self.last_message_ns = now;
        }
        if reader.habit == Habit::Restless && !had_begun && reader.has_begun() {
            self.comings.begun(now - reader.opened_ns);
        }
        // The end may have come together with what stands before it, and is not told again.
        came == room || reader.is_closing
    }

    fn keep_habits(&mut self, now: u64) -> io::Result<()> {
        if self.options.slow_bytes > 0 && now > self.last_slow_ns + TURN.as_nanos() as u64 {
            let bytes = (now - self.last_slow_ns) * self.options.slow_bytes as u64 / NS_PER_SECOND;
            self.last_slow_ns = now;
            for index in self.all(Habit::Slow) {
                self.read(index, bytes.max(1) as usize);
            }
        }
        let is_time = now > self.last_leave_ns + NS_PER_SECOND;
        if self.options.reconnecting > 0 && is_time && now < self.arrivals.until_ns {
            self.last_leave_ns = now;
            for index in self.all(Habit::Restless) {
                self.comings.leave(&mut self.readers[index]);
                self.open(index)?;
            }
        }
        Ok(())
    }

    fn all(&self, habit: Habit) -> Vec<usize> {
        (0..self.readers.len()).filter(|&n| self.readers[n].habit == habit).collect()
    }

    /// Which of the slow readers were cut: read what is left for them.
    fn look_at_slow(&mut self) -> io::Result<()> {
        let until = now_ns() + LEFT_MAX_NS;
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS && now_ns() < until {
            quiet += 1;
            for index in self.all(Habit::Slow) {
                let before = self.readers[index].got.messages;
                while self.read(index, READ_BYTES) && now_ns() < until {}
                if self.readers[index].got.messages > before {
                    quiet = 0;
                }
            }
            std::thread::sleep(TURN);
        }
        Ok(())
    }
}
