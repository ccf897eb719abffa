//! Answers to orders that were placed, as the bytes that go to their clients.
//!
//! The gateway writes every other answer (`gateway/wire_http.py`, `gateway/session.py`); a contract
//! test holds the two to the same bytes.

use crate::json::Json;

/// Longest payload whose length fits the second byte of a frame.
const SHORT_MAX: usize = 125;

/// A whole HTTP message.
pub fn message(sequence: u64, order: &[u8]) -> Vec<u8> {
    let mut head = Json::with_capacity(order.len() + 128);
    head.raw("HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nx-sequence: ");
    head.integer(sequence);
    head.raw("\r\ncontent-length: ");
    head.integer(order.len() as u64);
    head.raw("\r\n\r\n");
    let mut out = head.into_bytes();
    out.extend_from_slice(order);
    out
}

/// A WebSocket text frame that answers the message with this id.
pub fn frame(id: &[u8], sequence: u64, order: &[u8]) -> Vec<u8> {
    let mut head = Json::with_capacity(64);
    head.raw(",\"op\":\"place\",\"sequence\":");
    head.integer(sequence);
    head.raw(",\"status\":201,\"order\":");
    let head = head.into_bytes();
    const START: &[u8] = b"{\"id\":";
    let size = START.len() + id.len() + head.len() + order.len() + 1;
    let mut out = Vec::with_capacity(size + 10);
    out.push(0x81);
    match u16::try_from(size) {
        Ok(size) if usize::from(size) <= SHORT_MAX => out.push(size as u8),
        Ok(size) => {
            out.push(126);
            out.extend_from_slice(&size.to_be_bytes());
        }
        Err(_) => {
            out.push(127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    for part in [START, id, &head, order, b"}"] {
        out.extend_from_slice(part);
    }
    out
}
