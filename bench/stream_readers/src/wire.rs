//! Where messages begin and end: events of an event stream, frames of a WebSocket.

use memchr::{memchr, memmem};
use std::ops::Range;

const FINAL_TEXT: u8 = 0x81;
const FINAL_CLOSE: u8 = 0x88;
const FINAL_PING: u8 = 0x89;
const FINAL_PONG: u8 = 0x8a;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
/// Said of a close frame without a code.
const NO_CODE: u16 = 1005;

/// How messages travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Events,
    Frames,
}

/// One thing at the front of what was read.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece {
    /// The place of a message's text.
    Message(Range<usize>),
    /// Must be answered with what stands there.
    Ping(Range<usize>),
    /// The other side ends it; the place of what it says, and a code.
    End(Range<usize>, u16),
    /// Nothing to look at: a comment, an answer to a ping.
    Nothing,
    /// What cannot be at this place.
    Malformed,
}

pub struct Wire {
    way: Way,
    event_end: memmem::Finder<'static>,
}

impl Wire {
    pub fn new(way: Way) -> Self {
        Self { way, event_end: memmem::Finder::new(b"\n\n") }
    }

    /// The first whole piece and how many bytes it takes; None when more has to come.
    #[inline]
    pub fn piece(&self, bytes: &[u8]) -> Option<(Piece, usize)> {
        match self.way {
            Way::Events => self.event(bytes),
            Way::Frames => frame(bytes),
        }
    }

    #[inline]
    fn event(&self, bytes: &[u8]) -> Option<(Piece, usize)> {
        let end = self.event_end.find(bytes)?;
        Some((event_piece(&bytes[..end]), end + 2))
    }
}

#[inline]
fn event_piece(event: &[u8]) -> Piece {
    let mut start = 0;
    if event.starts_with(b"id: ") {
        match memchr(b'\n', event) {
            Some(end) => start = end + 1,
            // How far the stream has come, without a message.
            None => return Piece::Nothing,
        }
    }
    let rest = &event[start..];
    if rest.starts_with(b"data: ") {
        return Piece::Message(start + 6..event.len());
    }
    if rest.starts_with(b":") || rest.starts_with(b"retry: ") {
        return Piece::Nothing;
    }
    if rest.starts_with(b"event: error\n") || rest.starts_with(b"event: end\n") {
        return Piece::End(start..event.len(), 0);
    }
    if rest.starts_with(b"event: ") {
        return match memmem::find(rest, b"\ndata: ") {
            Some(data) => Piece::Message(start + data + 7..event.len()),
            None => Piece::Malformed,
        };
    }
    Piece::Malformed
}

#[inline]
fn frame(bytes: &[u8]) -> Option<(Piece, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (header, length) = match second & !MASKED {
        LENGTH_16 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        LENGTH_64 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())),
        short => (2, u64::from(short)),
    };
    if second & MASKED != 0 {
        return Some((Piece::Malformed, bytes.len()));
    }
    let end = header + length as usize;
    // What no frame begins with is told at once: its length means nothing.
    let piece = match first {
        FINAL_TEXT => Piece::Message(header..end),
        FINAL_PING => Piece::Ping(header..end),
        FINAL_PONG => Piece::Nothing,
        FINAL_CLOSE => Piece::End(header..end, NO_CODE),
        _ => return Some((Piece::Malformed, bytes.len())),
    };
    let payload = bytes.get(header..end)?;
    let piece = match piece {
        Piece::End(place, _) if payload.len() >= 2 => {
            Piece::End(place, u16::from_be_bytes([payload[0], payload[1]]))
        }
        other => other,
    };
    Some((piece, end))
}

/// A client's frame; its mask is zero, which leaves the text as it is.
pub fn client_frame(first: u8, text: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    if text.len() < usize::from(LENGTH_16) {
        out.push(MASKED | text.len() as u8);
    } else {
        out.push(MASKED | LENGTH_16);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
    out
}

pub fn text_frame(text: &[u8]) -> Vec<u8> {
    client_frame(FINAL_TEXT, text)
}

pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    client_frame(FINAL_PONG, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(way: Way, bytes: &[u8]) -> Vec<Piece> {
        let wire = Wire::new(way);
        let mut found = Vec::new();
        let mut taken = 0;
        while let Some((piece, size)) = wire.piece(&bytes[taken..]) {
            found.push(piece);
            taken += size;
        }
        found
    }

    #[test]
    fn events_are_found_with_and_without_id() {
        let bytes =
            b"id: 7\ndata: {}\n\ndata: [1]\n\n: keep-alive\n\nevent: error\ndata: x\n\ndata: {";
        let found = pieces(Way::Events, bytes);
        assert_eq!(found[..3], [Piece::Message(12..14), Piece::Message(6..9), Piece::Nothing]);
        assert_eq!(found[3..], [Piece::End(0..20, 0)]);
        assert_eq!(pieces(Way::Events, b"data {}\n\n"), [Piece::Malformed]);
        assert_eq!(pieces(Way::Events, b"id: 7.9\n\n"), [Piece::Nothing]);
        assert_eq!(pieces(Way::Events, b"id: 7\nid: 8\n\n"), [Piece::Malformed]);
    }

    #[test]
    fn frames_of_every_length_are_found() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = match length {
                0..=125 => vec![0x81, length as u8],
                126..=65_535 => [&[0x81, 126][..], &(length as u16).to_be_bytes()].concat(),
                _ => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
            };
            let header = bytes.len();
            bytes.resize(header + length, b'x');
            assert_eq!(pieces(Way::Frames, &bytes), [Piece::Message(header..header + length)]);
            bytes.pop();
            assert_eq!(pieces(Way::Frames, &bytes), []);
        }
    }

    #[test]
    fn masked_unknown_and_closing_frames_are_told_apart() {
        assert_eq!(pieces(Way::Frames, &[0x81, 0x81, 0, 0, 0, 0, 1]), [Piece::Malformed]);
        assert_eq!(pieces(Way::Frames, &[0x01, 1, b'x']), [Piece::Malformed]);
        assert_eq!(pieces(Way::Frames, &[0x88, 2, 0x0f, 0xa8]), [Piece::End(2..4, 4008)]);
        assert_eq!(pieces(Way::Frames, &[0x89, 1, b'x']), [Piece::Ping(2..3)]);
    }
}
