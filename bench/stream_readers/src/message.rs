//! As much of a message as is checked: its channel, its number, when it left.

use crate::options::Kind;
use memchr::{memchr, memmem};

const SEQ: &[u8] = b"{\"seq\":";
const LEFT: &[u8] = b"\"left_ns\":";
const EXECUTED: &[u8] = b"\"executed_at\":\"";
/// Digits of ns since the epoch, from 2001 to 2286.
const STAMP_DIGITS: usize = 19;
const SECONDS_OF_DAY: u64 = 86_400;
const NS: u64 = 1_000_000_000;

#[derive(PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Empty for a replay.
    pub channel: &'a [u8],
    /// None = not counted.
    pub seq: Option<u64>,
    /// None where a message says nothing of it.
    pub left_ns: Option<u64>,
}

/// Read a message; None when it is none.
#[inline]
pub fn read(kind: Kind, text: &[u8]) -> Option<Message<'_>> {
    match kind {
        Kind::Replay => of_replay(text),
        Kind::Channel => of_channel(text),
    }
}

#[inline]
fn of_replay(text: &[u8]) -> Option<Message<'_>> {
    let rest = text.strip_prefix(SEQ)?;
    let (seq, digits) = number(rest)?;
    if !matches!(rest.get(digits), Some(b',' | b'}')) || text.last() != Some(&b'}') {
        return None;
    }
    Some(Message { channel: b"", seq: Some(seq), left_ns: left(text) })
}

#[inline]
fn left(text: &[u8]) -> Option<u64> {
    let end = text.len() - 1;
    let usual = end.checked_sub(STAMP_DIGITS + LEFT.len());
    let start = match usual {
        Some(start) if text[start..].starts_with(LEFT) => start,
        _ => memmem::rfind(&text[end.saturating_sub(48)..], LEFT)? + end.saturating_sub(48),
    };
    let digits = &text[start + LEFT.len()..end];
    let (stamp, size) = number(digits)?;
    (size == digits.len()).then_some(stamp)
}

fn of_channel(text: &[u8]) -> Option<Message<'_>> {
    if text.last() != Some(&b'}') || text.first() != Some(&b'{') {
        return None;
    }
    let Some(rest) = text.strip_prefix(b"{\"channel\":\"") else {
        // An answer to something that was asked.
        return Some(Message { channel: b"", seq: None, left_ns: None });
    };
    let end = memchr(b'"', rest)?;
    let (channel, rest) = rest.split_at(end);
    let rest = rest.strip_prefix(b"\",\"seq\":")?;
    let (seq, _) = number(rest)?;
    let stamp =
        memmem::find(rest, EXECUTED).and_then(|place| rfc3339_ns(&rest[place + EXECUTED.len()..]));
    Some(Message { channel, seq: Some(seq), left_ns: stamp })
}

/// A number and how many digits it has; None without a digit or beyond 64 bits.
#[inline]
fn number(text: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    let mut size = 0;
    while let Some(digit) = text.get(size).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        size += 1;
    }
    (size > 0).then_some((value, size))
}

/// `2026-01-02T03:04:05.123456789Z`.
fn rfc3339_ns(text: &[u8]) -> Option<u64> {
    let field = |from: usize, size: usize| {
        let (value, digits) = number(text.get(from..from + size)?)?;
        (digits == size).then_some(value)
    };
    let (year, month, day) = (field(0, 4)?, field(5, 2)?, field(8, 2)?);
    let seconds = field(11, 2)? * 3_600 + field(14, 2)? * 60 + field(17, 2)?;
    let (fraction, digits) =
        if text.get(19) == Some(&b'.') { number(&text[20..])? } else { (0, 0) };
    let scale = 10_u64.checked_pow(9_u32.checked_sub(digits as u32)?)?;
    Some((days(year, month, day) * SECONDS_OF_DAY + seconds) * NS + fraction * scale)
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_message_has_number_and_time() {
        let text = br#"{"seq":12,"number":3,"left_ns":1763000000000000001}"#;
        let found = of_replay(text).unwrap();
        assert_eq!((found.seq, found.left_ns), (Some(12), Some(1_763_000_000_000_000_001)));
        let short = of_replay(br#"{"seq":1,"left_ns":5}"#).unwrap();
        assert_eq!((short.seq, short.left_ns), (Some(1), Some(5)));
        let control = of_replay(br#"{"seq":13,"state":"paused"}"#).unwrap();
        assert_eq!((control.seq, control.left_ns), (Some(13), None));
        assert_eq!(of_replay(br#"{"seq":4}"#).unwrap().left_ns, None);
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_no_message() {
        for text in
            [&b""[..], b"{", b"{\"seq\":", b"{\"seq\":x}", b"{\"seq\":12", b"{\"seq\":1,\"a\":2"]
        {
            assert_eq!(of_replay(text), None);
        }
        assert_eq!(of_replay(b"{\"seq\":99999999999999999999}"), None);
    }

    #[test]
    fn channel_message_has_channel_number_and_time() {
        let text = br#"{"channel":"trades:BTC-USD","seq":9,"data":{"executed_at":"2026-11-22T06:00:00.000000007Z"}}"#;
        let found = of_channel(text).unwrap();
        assert_eq!(found.channel, b"trades:BTC-USD");
        assert_eq!((found.seq, found.left_ns), (Some(9), Some(1_795_327_200_000_000_007)));
        assert_eq!(of_channel(br#"{"op":"subscribe","status":200}"#).unwrap().seq, None);
    }
}
