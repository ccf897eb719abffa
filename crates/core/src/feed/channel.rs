//! One channel: the messages it remembers, and how they travel.

use crate::feed::changes::COMMAND_SPAN;
use std::collections::VecDeque;
use std::sync::Arc;

/// One message, as every receiver gets it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its number in its channel.
    pub seq: u64,
    /// Its place in the journal.
    pub place: u64,
    pub text: Arc<[u8]>,
}

/// Messages in order, the newest of which are still to be sent.
#[derive(Debug)]
pub struct Channel {
    /// Beginning of every message, up to its number; empty for messages that are their data alone.
    pub head: Box<str>,
    window: VecDeque<Message>,
    window_max: usize,
    /// Messages at the end of `window` that are not sent yet.
    pending: usize,
    /// Number of the last message; that of the first is higher than `begin`.
    last: u64,
    begin: u64,
    begin_place: u64,
}

impl Channel {
    /// A channel that goes on after message `last`, from this place in the journal.
    pub fn new(head: &str, window_max: usize, last: u64, place: u64) -> Self {
        Self {
            head: head.into(),
            window: VecDeque::new(),
            window_max,
            pending: 0,
            last,
            begin: last,
            begin_place: place,
        }
    }

    pub const fn last(&self) -> u64 {
        self.last
    }

    pub const fn pending(&self) -> usize {
        self.pending
    }

    pub fn push(&mut self, seq: u64, place: u64, text: Arc<[u8]>) {
        debug_assert!(seq > self.last || self.head.is_empty());
        self.last = seq;
        self.pending += 1;
        self.window.push_back(Message { seq, place, text });
    }

    /// What was pending is sent.
    pub fn sent(&mut self) {
        self.pending = 0;
        while self.window.len() > self.window_max {
            let oldest = self.window.pop_front().expect("it is longer than its bound");
            (self.begin, self.begin_place) = (oldest.seq, oldest.place);
        }
    }

    /// Let nobody go on from a message up to now: something was told outside the messages.
    pub fn forget(&mut self, place: u64) {
        self.sent();
        self.window.clear();
        (self.begin, self.begin_place) = (self.last + 1, place);
    }

    /// Messages that are not sent yet.
    pub fn unsent(&self) -> impl Iterator<Item = &Message> {
        self.window.range(self.window.len() - self.pending..)
    }

    /// Messages after a number; None when that is not remembered, or still to come.
    pub fn since(&self, seq: u64) -> Option<impl Iterator<Item = &Message>> {
        (self.begin..=self.last).contains(&seq).then(|| {
            let start = self.window.partition_point(|message| message.seq <= seq);
            self.window.range(start..)
        })
    }

    /// Messages after a place in the journal; None when they are not remembered.
    pub fn since_place(&self, place: u64) -> Option<impl Iterator<Item = &Message>> {
        (place >= self.begin_place).then(|| {
            let start = self.window.partition_point(|message| message.place <= place);
            self.window.range(start..)
        })
    }
}

/// Messages as a server's WebSocket text frames, each unmasked and whole.
pub fn as_frames<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<u8> {
    let mut out = Vec::new();
    for Message { text, .. } in messages {
        out.push(0x81);
        match text.len() {
            size @ ..126 => out.push(size as u8),
            size @ ..0x1_0000 => {
                out.push(126);
                out.extend_from_slice(&(size as u16).to_be_bytes());
            }
            size => {
                out.push(127);
                out.extend_from_slice(&(size as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(text);
    }
    out
}

/// Messages of several channels as events of an event stream, in the order of their places.
///
/// An event's id says that everything up to it was sent: of messages with one place only the last
/// carries it, and a reader that was cut between them goes on before the first.
pub fn as_events<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<u8> {
    let mut ordered: Vec<&Message> = messages.collect();
    ordered.sort_by_key(|message| message.place);
    let mut out = Vec::new();
    for (at, message) in ordered.iter().enumerate() {
        let is_last = ordered.get(at + 1).is_none_or(|next| next.place != message.place);
        if is_last {
            let (sequence, index) = (message.place / COMMAND_SPAN, message.place % COMMAND_SPAN);
            out.extend_from_slice(format!("id: {sequence}.{index}\n").as_bytes());
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&message.text);
        out.extend_from_slice(b"\n\n");
    }
    out
}
