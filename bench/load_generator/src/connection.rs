//! One client: a socket, what it waits for, and what it could not read or write yet.

use crate::options::{Entry, Options};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

const HANDSHAKE_SECONDS: u64 = 30;

pub struct Connection {
    pub stream: TcpStream,
    /// When the request of each slot was written; HTTP answers come in the order of the slots.
    pub sent: Vec<Option<Instant>>,
    pub next_answer: usize,
    pub answers: u64,
    /// Read, and not a whole answer.
    pub unread: Vec<u8>,
    unwritten: Vec<u8>,
}

impl Connection {
    /// Connect, and make a WebSocket of it where that is the entry.
    pub fn open(options: &Options) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect(options.address)?;
        stream.set_nodelay(true)?;
        if options.entry == Entry::Socket {
            shake_hands(&mut stream, options)?;
        }
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            sent: vec![None; options.in_flight],
            next_answer: 0,
            answers: 0,
            unread: Vec::new(),
            unwritten: Vec::new(),
        })
    }

    pub fn is_waiting(&self) -> bool {
        self.sent.iter().any(Option::is_some)
    }

    /// Write as much as the socket takes; the rest when it takes more.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unwritten.is_empty() {
            self.unwritten.extend_from_slice(bytes);
            return self.flush();
        }
        let written = match self.stream.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unwritten.extend_from_slice(&bytes[written..]);
        if written > 0 { self.flush() } else { Ok(()) }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.stream.write(&self.unwritten) {
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn shake_hands(stream: &mut std::net::TcpStream, options: &Options) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(HANDSHAKE_SECONDS)))?;
    write!(
        stream,
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dHJhZGVwaXQtbG9hZC1nZQ==\r\n\r\n",
        options.address
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 101") {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()))
}
