//! One reader: a connection, what it asked for, what it has got.

use crate::arrivals::{Arrivals, Got};
use crate::message;
use crate::options::{Kind, Options};
use crate::sequence::{Sequence, Wrong};
use crate::wire::{self, Piece, Way, Wire};
use memchr::memmem;
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Write};

const HEAD_END: &[u8] = b"\r\n\r\n";
const SHOWN_BYTES: usize = 200;

/// How a reader behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Steady,
    Slow,
    /// Leaves and comes back.
    Restless,
}

pub struct Reader {
    pub habit: Habit,
    pub way: Way,
    pub stream: Option<TcpStream>,
    /// The head of the answer has come, and it is the one that was hoped for.
    pub is_open: bool,
    pub got: Got,
    pub sequence: Sequence,
    pub wrong: Wrong,
    /// What was wrong first, or why the connection ended.
    pub first_problem: Option<String>,
    /// The other side ended it.
    pub is_ended: bool,
    /// What it said was answered.
    is_subscribed: bool,
    /// Its end has been seen behind what is still to be read.
    pub is_closing: bool,
    pub opened_ns: u64,
    /// Read, and not a whole piece.
    pub unread: Vec<u8>,
    unwritten: Vec<u8>,
    wire: Wire,
    kind: Kind,
    subscribe: Vec<u8>,
}

impl Reader {
    pub fn new(habit: Habit, way: Way, options: &Options) -> Self {
        let says = way == Way::Frames && !options.subscribe.is_empty();
        Self {
            habit,
            way,
            stream: None,
            is_open: false,
            got: Got::default(),
            sequence: Sequence::default(),
            wrong: Wrong::default(),
            first_problem: None,
            is_ended: false,
            is_subscribed: false,
            is_closing: false,
            opened_ns: 0,
            unread: Vec::new(),
            unwritten: Vec::new(),
            wire: Wire::new(way),
            kind: options.kind,
            subscribe: if says { wire::text_frame(options.subscribe.as_bytes()) } else { vec![] },
        }
    }

    /// Connect and ask; what a connection before this one was owed is forgotten.
    pub fn open(&mut self, options: &Options, now: u64) -> io::Result<()> {
        self.stream = Some(TcpStream::connect(options.address)?);
        self.is_open = false;
        self.is_ended = false;
        self.is_closing = false;
        self.is_subscribed = false;
        self.opened_ns = now;
        self.sequence = Sequence::default();
        self.got = Got::default();
        self.unread.clear();
        self.unwritten = request(self.way, options);
        Ok(())
    }

    /// Whether its stream has begun: a replay's with a snapshot, that of a socket which had to ask
    /// for it with an answer.
    pub fn has_begun(&self) -> bool {
        match self.kind {
            Kind::Replay => self.is_open && self.got.messages > 0,
            Kind::Channel => self.is_open && (self.subscribe.is_empty() || self.is_subscribed),
        }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while !self.unwritten.is_empty() {
            match stream.write(&self.unwritten) {
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(error) if is_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Look at what came; how many bytes of it are done with.
    pub fn take(&mut self, bytes: &[u8], now: u64, arrivals: &mut Arrivals) -> io::Result<usize> {
        let mut taken = 0;
        if !self.is_open {
            let Some(end) = memmem::find(bytes, HEAD_END) else { return Ok(0) };
            taken = end + HEAD_END.len();
            self.check_head(&bytes[..taken])?;
            self.is_open = true;
            if !self.subscribe.is_empty() {
                self.unwritten.extend_from_slice(&self.subscribe);
                self.flush()?;
            }
        }
        let begin = taken;
        let before = self.got.messages;
        let mut untimed = None;
        while let Some((piece, size)) = self.wire.piece(&bytes[taken..]) {
            let rest = &bytes[taken..];
            taken += size;
            match piece {
                Piece::Message(place) => {
                    untimed = self.note(&rest[place], now, arrivals);
                }
                Piece::Ping(place) => {
                    self.unwritten.extend_from_slice(&wire::pong_frame(&rest[place]));
                    self.flush()?;
                }
                Piece::End(place, code) => {
                    self.is_ended = true;
                    return Err(ended(&rest[place], code));
                }
                Piece::Nothing => {}
                Piece::Malformed => {
                    self.wrong.malformed += 1;
                    self.tell(|| format!("not a piece of a stream: {}", shown(rest)));
                }
            }
        }
        // The last message of each read is timed, whatever the sample.
        if let Some(left_ns) = untimed {
            arrivals.time(left_ns, now);
        }
        if arrivals.is_measured(now) {
            self.got.measured += self.got.messages - before;
            self.got.measured_bytes += (taken - begin) as u64;
        }
        Ok(taken)
    }

    /// Check a message; gives when it left, if that was not taken note of.
    #[inline]
    fn note(&mut self, text: &[u8], now: u64, arrivals: &mut Arrivals) -> Option<u64> {
        let Some(found) = message::read(self.kind, text) else {
            self.wrong.malformed += 1;
            self.tell(|| format!("no message: {}", shown(text)));
            return None;
        };
        self.is_subscribed |= found.seq.is_none();
        let seq = found.seq?;
        if let Some(problem) = self.sequence.note(found.channel, seq, &mut self.wrong) {
            self.tell(|| problem);
        }
        let is_sampled = arrivals.is_sampled(&self.got);
        self.got.messages += 1;
        let left_ns = found.left_ns?;
        if self.habit != Habit::Steady || !arrivals.is_measured(now) {
            return None;
        }
        if !is_sampled {
            return Some(left_ns);
        }
        arrivals.time(left_ns, now);
        None
    }

    /// The connection has ended; a piece that is not whole was cut.
    pub fn end(&mut self, error: &io::Error) {
        if self.is_open && !self.is_ended && !self.unread.is_empty() {
            self.wrong.malformed += 1;
        }
        self.is_ended = true;
        self.stream = None;
        self.tell(|| error.to_string());
    }

    fn tell(&mut self, problem: impl FnOnce() -> String) {
        self.first_problem.get_or_insert_with(problem);
    }

    fn check_head(&self, head: &[u8]) -> io::Result<()> {
        let wanted: &[u8] = if self.way == Way::Events { b"HTTP/1.1 200" } else { b"HTTP/1.1 101" };
        let lower = head.to_ascii_lowercase();
        if head.starts_with(wanted) && memmem::find(&lower, b"transfer-encoding:").is_none() {
            return Ok(());
        }
        Err(io::Error::other(format!("refused: {}", shown(head))))
    }
}

pub fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

fn request(way: Way, options: &Options) -> Vec<u8> {
    let (path, more) = match way {
        Way::Events => (&options.events, "Accept: text/event-stream\r\n"),
        Way::Frames => (
            &options.sockets,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dHJhZGVwaXQtcmVhZGVycw==\r\n",
        ),
    };
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", options.address).into_bytes()
}

fn ended(said: &[u8], code: u16) -> io::Error {
    let said = if code == 0 { said } else { said.get(2..).unwrap_or_default() };
    io::Error::other(format!("ended by the server, code {code}: {}", shown(said)))
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned()
}
