//! Text that is being written: numbers, exact prices, times.

use super::record::PRICE_NONE;

const PRICE_DIGITS: usize = 9;
const PRICE_SCALE: u64 = 10u64.pow(PRICE_DIGITS as u32);
const SECOND_NS: u64 = 1_000_000_000;
const DAY_SECONDS: u64 = 86_400;
/// Digits of `u64::MAX`.
const DIGITS_MAX: usize = 20;

/// The two digits of every number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// `2024-03-04T05:06:07.` of the last second asked for: messages of one second come in runs.
struct Second {
    number: u64,
    text: [u8; 20],
}

pub struct Text {
    pub out: Vec<u8>,
    second: Second,
}

impl Text {
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            second: Second { number: 0, text: *b"1970-01-01T00:00:00." },
        }
    }

    #[inline(always)]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    pub fn integer(&mut self, number: u64) {
        let mut digits = [0; DIGITS_MAX];
        let start = fill(&mut digits, number);
        self.out.extend_from_slice(&digits[start..]);
    }

    /// The exact decimal of a price, without zeros at its end; not for `PRICE_NONE`.
    #[inline]
    pub fn price(&mut self, price: i64) {
        debug_assert!(price != PRICE_NONE);
        if price < 0 {
            self.out.push(b'-');
        }
        let units = price.unsigned_abs();
        self.integer(units / PRICE_SCALE);
        let mut rest = units % PRICE_SCALE;
        if rest == 0 {
            return;
        }
        let mut digits = PRICE_DIGITS;
        while rest.is_multiple_of(10) {
            rest /= 10;
            digits -= 1;
        }
        let mut text = [b'0'; DIGITS_MAX];
        fill(&mut text, rest);
        self.out.push(b'.');
        self.out.extend_from_slice(&text[DIGITS_MAX - digits..]);
    }

    /// RFC 3339 in UTC with nine digits of the second.
    #[inline]
    pub fn time(&mut self, time_ns: u64) {
        let second = time_ns / SECOND_NS;
        if second != self.second.number {
            self.second = Second { number: second, text: second_text(second) };
        }
        let mut nanos = [b'0'; DIGITS_MAX];
        fill(&mut nanos, time_ns % SECOND_NS);
        let mut text = [b'Z'; 30];
        text[..20].copy_from_slice(&self.second.text);
        text[20..29].copy_from_slice(&nanos[DIGITS_MAX - 9..]);
        self.out.extend_from_slice(&text);
    }
}

/// Write a number to the end of the digits; where it starts.
#[inline(always)]
fn fill(digits: &mut [u8; DIGITS_MAX], mut number: u64) -> usize {
    let mut at = DIGITS_MAX;
    while number >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if number >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[number as usize]);
    } else {
        at -= 1;
        digits[at] = b'0' + number as u8;
    }
    at
}

fn second_text(second: u64) -> [u8; 20] {
    let (year, month, day) = date(second / DAY_SECONDS);
    let clock = second % DAY_SECONDS;
    let mut text = *b"0000-00-00T00:00:00.";
    let pairs = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, clock / 3600),
        (14, clock / 60 % 60),
        (17, clock % 60),
    ];
    for (at, number) in pairs {
        text[at..at + 2].copy_from_slice(&PAIRS[number as usize]);
    }
    text
}

/// Year, month and day of a day since the epoch. Years are taken to begin in March, so that the
/// leap day is the last of its year.
fn date(day: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    /// From 0000-03-01 to the epoch.
    const EPOCH: u64 = 719_468;
    let day = day + EPOCH;
    let (era, of_era) = (day / ERA_DAYS, day % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::with_capacity(64);
        write(&mut text);
        String::from_utf8(text.out).expect("digits")
    }

    #[test]
    fn prices_are_exact_and_end_without_zeros() {
        for (price, expected) in [
            (0, "0"),
            (1, "0.000000001"),
            (-1, "-0.000000001"),
            (5_040_250_000_000, "5040.25"),
            (100_000_000_000, "100"),
            (i64::MIN, "-9223372036.854775808"),
            (i64::MAX - 1, "9223372036.854775806"),
        ] {
            assert_eq!(written(|text| text.price(price)), expected);
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (time_ns, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_709_510_399_999_999_999, "2024-03-03T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(written(|text| text.time(time_ns)), expected);
        }
    }

    #[test]
    fn integers_have_all_their_digits() {
        for number in [0, 9, 10, 99, 100, 101, 65_535, 1_000_000, u64::MAX] {
            assert_eq!(written(|text| text.integer(number)), number.to_string());
        }
    }
}
