//! Whether a reader got every message once, in order.

use std::collections::HashMap;

/// What was wrong, counted.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// Places at which messages are missing.
    pub gaps: u64,
    /// Messages that came again, or after a later one.
    pub repeats: u64,
    /// Bytes that are no message where one should be, and messages that were cut.
    pub malformed: u64,
}

/// The numbers of one stream, from the first one on.
#[derive(Default)]
pub struct Sequence {
    /// Of a replay.
    next: Option<u64>,
    /// Of live channels.
    by_channel: HashMap<Vec<u8>, u64>,
}

impl Sequence {
    /// Note a message; says what was wrong with its place, if anything.
    #[inline]
    pub fn note(&mut self, channel: &[u8], seq: u64, wrong: &mut Wrong) -> Option<String> {
        if channel.is_empty() {
            let next = self.next.unwrap_or(seq);
            self.next = Some(next.max(seq + 1));
            return if next == seq { None } else { Some(tell(channel, next, seq, wrong)) };
        }
        let Some(next) = self.by_channel.get_mut(channel) else {
            self.by_channel.insert(channel.to_vec(), seq + 1);
            return None;
        };
        let expected = *next;
        *next = expected.max(seq + 1);
        if expected == seq { None } else { Some(tell(channel, expected, seq, wrong)) }
    }

    /// The last number of a replay.
    pub fn last(&self) -> Option<u64> {
        self.next.map(|next| next - 1)
    }
}

#[cold]
fn tell(channel: &[u8], expected: u64, seq: u64, wrong: &mut Wrong) -> String {
    if seq > expected {
        wrong.gaps += 1;
    } else {
        wrong.repeats += 1;
    }
    format!("{} expected {expected}, got {seq}", String::from_utf8_lossy(channel))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_of(numbers: &[u64]) -> Wrong {
        let mut sequence = Sequence::default();
        let mut wrong = Wrong::default();
        for number in numbers {
            sequence.note(b"", *number, &mut wrong);
        }
        wrong
    }

    #[test]
    fn numbers_that_grow_by_one_are_right() {
        assert_eq!(wrong_of(&[5, 6, 7, 8]), Wrong::default());
    }

    #[test]
    fn gaps_repeats_and_swaps_are_found() {
        assert_eq!(wrong_of(&[5, 7, 8]), Wrong { gaps: 1, ..Wrong::default() });
        assert_eq!(wrong_of(&[5, 5, 6]), Wrong { repeats: 1, ..Wrong::default() });
        assert_eq!(wrong_of(&[5, 7, 6, 8]), Wrong { gaps: 1, repeats: 1, malformed: 0 });
    }

    #[test]
    fn channels_are_counted_apart() {
        let mut sequence = Sequence::default();
        let mut wrong = Wrong::default();
        for (channel, seq) in [("a", 1), ("b", 7), ("a", 2), ("b", 8), ("b", 10)] {
            sequence.note(channel.as_bytes(), seq, &mut wrong);
        }
        assert_eq!(wrong, Wrong { gaps: 1, ..Wrong::default() });
    }
}
