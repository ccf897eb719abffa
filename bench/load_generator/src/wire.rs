//! Requests as bytes, and as much of the answers as is counted.

use crate::options::{Entry, Options};
use crate::orders::Orders;
use memchr::memmem;
use std::io::Write;

const CREATED: u16 = 201;
const OK: u16 = 200;
const MASK_BIT: u8 = 0x80;
const FINAL_TEXT: u8 = 0x81;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// One answered request.
#[derive(Clone, Copy, Default)]
pub struct Answer {
    /// Which of the requests in flight, when answers name it.
    pub slot: Option<usize>,
    /// Bytes of the message.
    pub size: usize,
    /// Operations that were accepted.
    pub accepted: u64,
    /// Orders that traded at once.
    pub traded: u64,
}

/// As much of an answer as explains a refusal.
pub const SHOWN_BYTES: usize = 600;

/// Bytes that are no answer.
pub struct Unreadable;

/// Writes requests and reads answers of one way of order entry.
pub struct Wire {
    entry: Entry,
    host: String,
    operations: usize,
    body: Vec<u8>,
    fills: memmem::Finder<'static>,
    created: memmem::Finder<'static>,
    head_end: memmem::Finder<'static>,
    length: memmem::Finder<'static>,
    status: memmem::Finder<'static>,
}

impl Wire {
    pub fn new(options: &Options) -> Self {
        Self {
            entry: options.entry,
            host: options.address.to_string(),
            operations: options.operations,
            body: Vec::new(),
            fills: memmem::Finder::new(b"\"fills\":[{"),
            created: memmem::Finder::new(b"{\"status\":201,"),
            head_end: memmem::Finder::new(b"\r\n\r\n"),
            length: memmem::Finder::new(b"ength: "),
            status: memmem::Finder::new(b"\"status\":"),
        }
    }

    /// Operations of one request.
    pub fn operations(&self) -> u64 {
        if self.entry == Entry::Batch { self.operations as u64 } else { 1 }
    }

    /// Write the next request; a socket's answer will name the slot.
    pub fn request(&mut self, orders: &mut Orders, slot: usize, out: &mut Vec<u8>) {
        match self.entry {
            Entry::Http => self.post("orders", orders, out, Self::write_single),
            Entry::Batch => self.post("orders/batch", orders, out, Self::write_batch),
            Entry::Socket => self.message(orders, slot, out),
        }
    }

    fn post(
        &mut self,
        route: &str,
        orders: &mut Orders,
        out: &mut Vec<u8>,
        write_body: fn(&mut Self, &mut Orders),
    ) {
        write!(out, "POST /api/v1/{route} HTTP/1.1\r\nHost: {}\r\n", self.host).expect("memory");
        out.extend_from_slice(b"Content-Type: application/json\r\nIdempotency-Key: ");
        orders.write_key(out);
        self.body.clear();
        write_body(self, orders);
        write!(out, "\r\nContent-Length: {}\r\n\r\n", self.body.len()).expect("memory");
        out.extend_from_slice(&self.body);
    }

    fn write_single(&mut self, orders: &mut Orders) {
        write!(self.body, "{{\"client_id\":\"acct-{}\",", orders.account()).expect("memory");
        let side = orders.side();
        orders.write_order(side, &mut self.body);
        self.body.push(b'}');
    }

    /// Orders of one account on one side, so that none meets its own.
    fn write_batch(&mut self, orders: &mut Orders) {
        let side = orders.side();
        write!(self.body, "{{\"client_id\":\"acct-{}\",\"operations\":[", orders.account())
            .expect("memory");
        for index in 0..self.operations {
            let separator = if index == 0 { "" } else { "," };
            write!(self.body, "{separator}{{\"op\":\"place\",").expect("memory");
            orders.write_order(side, &mut self.body);
            self.body.push(b'}');
        }
        self.body.extend_from_slice(b"]}");
    }

    fn message(&mut self, orders: &mut Orders, slot: usize, out: &mut Vec<u8>) {
        self.body.clear();
        write!(self.body, "{{\"id\":{slot},\"op\":\"place\",\"idempotency_key\":\"")
            .expect("memory");
        orders.write_key(&mut self.body);
        write!(self.body, "\",\"client_id\":\"acct-{}\",", orders.account()).expect("memory");
        let side = orders.side();
        orders.write_order(side, &mut self.body);
        self.body.push(b'}');
        let size = u16::try_from(self.body.len()).expect("a short message");
        out.extend_from_slice(&[FINAL_TEXT, MASK_BIT | LENGTH_16]);
        out.extend_from_slice(&size.to_be_bytes());
        let mask = (orders.made as u32).wrapping_mul(0x9e37_79b9).to_le_bytes();
        out.extend_from_slice(&mask);
        out.extend(self.body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    /// The first answer in the bytes; None while it is not whole.
    pub fn answer(&self, bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
        match self.entry {
            Entry::Http | Entry::Batch => self.http_answer(bytes),
            Entry::Socket => self.socket_answer(bytes),
        }
    }

    fn http_answer(&self, bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
        let Some(head) = self.head_end.find(bytes) else { return Ok(None) };
        let status = digits(bytes.get(9..).ok_or(Unreadable)?) as u16;
        let length = self.length.find(&bytes[..head]).ok_or(Unreadable)?;
        let body = head + 4;
        let size = body + digits(&bytes[length + 7..]);
        if bytes.len() < size {
            return Ok(None);
        }
        let body = &bytes[body..size];
        let accepted = match self.entry {
            Entry::Batch if status == OK => self.created.find_iter(body).count() as u64,
            _ => u64::from(status == CREATED),
        };
        let traded = self.fills.find_iter(body).count() as u64;
        Ok(Some(Answer { slot: None, size, accepted, traded }))
    }

    fn socket_answer(&self, bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        if first != FINAL_TEXT {
            return Err(Unreadable);
        }
        let (length, start) = match second {
            LENGTH_16 if bytes.len() < 4 => return Ok(None),
            LENGTH_16 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            LENGTH_64 => return Err(Unreadable),
            short => (usize::from(short), 2),
        };
        let size = start + length;
        if bytes.len() < size {
            return Ok(None);
        }
        let body = bytes[start..size].strip_prefix(b"{\"id\":").ok_or(Unreadable)?;
        let at = self.status.find(body).ok_or(Unreadable)? + 9;
        Ok(Some(Answer {
            slot: Some(digits(body)),
            size,
            accepted: u64::from(digits(&body[at..]) == usize::from(CREATED)),
            traded: self.fills.find_iter(body).count() as u64,
        }))
    }
}

/// The number that the bytes begin with.
fn digits(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, byte| number * 10 + usize::from(byte - b'0'))
}
